/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/journal/recover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "broker/journal/reader.h"
#include "observe/log.h"

enum { PATH_BYTES = 4096, COPY_BYTES = 64 * 1024 };

/* ---- reading one segment ---- */

static void add_damage(struct scan *scan, uint64_t from, uint64_t to)
{
    size_t max = sizeof scan->damages / sizeof scan->damages[0];
    if (scan->damage_count < max)
        scan->damages[scan->damage_count++] = (struct damage){from, to};
    else
        scan->damages[max - 1].to = to;
}

/* Does a frame behind `from` say that the log was synced beyond it? */
static bool was_synced(struct reader *reader, uint64_t from, uint64_t limit)
{
    struct frame frame;
    for (uint64_t at = from; (at = reader_find_frame(reader, at, limit, &frame)) != 0;)
        if (frame.durable > from)
            return true;
    return false;
}

/* No frame at `at`: go on behind the damage (its position), or 0: this is the end. */
static uint64_t skip_damage(struct reader *reader, uint64_t at, uint64_t limit, bool is_synced,
                            struct scan *scan)
{
    struct frame frame;
    if (!is_synced && !was_synced(reader, at, limit))
        return 0;
    uint64_t next = reader_find_frame(reader, at, limit, &frame);
    if (next == 0)
        next = limit;
    add_damage(scan, at, next);
    return next;
}

static void take_frame(struct segment *segment, const struct frame *frame, const uint8_t *payload,
                       const struct recover_visitor *visitor, struct scan *scan)
{
    scan->frames++;
    scan->records += frame->count;
    scan->is_clean = frame->type == FRAME_CHECKPOINT && (frame->flags & FRAME_FLAG_CLEAN) != 0;
    if (frame->type == FRAME_CHECKPOINT && frame->position == segment->first + SEGMENT_HEADER_BYTES)
        scan->has_head = true;
    if (frame->type == FRAME_SEAL) {
        scan->is_sealed = true;
        scan->seal_position = frame->position;
    }
    if (visitor != NULL)
        visitor->on_frame(visitor->context, frame, payload);
}

int scan_segment(struct seglog *log, struct segment *segment, uint64_t limit,
                 const struct recover_visitor *visitor, struct scan *scan, struct error *err)
{
    *scan = (struct scan){0};
    bool is_synced = limit != 0;
    if (limit == 0)
        limit = segment->first + (segment->size & ~(uint64_t)(FRAME_ALIGN - 1));
    struct reader reader;
    reader_init(&reader, log->io);
    reader_set(&reader, segment->fd, segment->first);
    uint64_t at = segment->first + SEGMENT_HEADER_BYTES;
    segment->entry_count = 0;
    int result = 0;
    while (at < limit && !scan->is_sealed && result == 0) {
        struct frame frame;
        const uint8_t *payload;
        struct error unreadable = {0}; /* is damage, too */
        if (reader_frame(&reader, at, limit, &frame, &payload, &unreadable) != FRAME_GOOD) {
            uint64_t next = skip_damage(&reader, at, limit, is_synced, scan);
            if (next == 0)
                break;
            at = next;
            continue;
        }
        take_frame(segment, &frame, payload, visitor, scan);
        if (frame.type == FRAME_RECORDS && segment_index(segment, &frame) != 0)
            result = error_set(err, ERROR_MEMORY, "no memory for an index");
        at += frame_len(&frame);
    }
    scan->end = at;
    reader_deinit(&reader);
    return result;
}

/* ---- repairing ---- */

static int copy_file(const struct journal_io *io, int from, int to, uint64_t size)
{
    char *chunk = malloc(COPY_BYTES);
    if (chunk == NULL)
        return -ENOMEM;
    int result = 0;
    for (uint64_t at = 0; at < size && result >= 0; at += COPY_BYTES) {
        size_t len = size - at < COPY_BYTES ? (size_t)(size - at) : (size_t)COPY_BYTES;
        ssize_t got = journal_io_read(io, from, chunk, len, at);
        if (got < (ssize_t)len) /* unreadable: what can't be had is zeros */
            memset(chunk + (got > 0 ? got : 0), 0, len - (size_t)(got > 0 ? got : 0));
        result = journal_io_write(io, to, chunk, len, at);
    }
    free(chunk);
    return result;
}

static int write_gap(const struct journal_io *io, int fd, const struct segment *segment,
                     const struct damage *damage)
{
    uint8_t header[FRAME_HEADER_BYTES];
    struct frame gap = {.payload_len = (uint32_t)(damage->to - damage->from - sizeof header),
                        .position = damage->from,
                        .durable = damage->from,
                        .type = FRAME_GAP};
    frame_encode(&gap, header);
    return journal_io_write(io, fd, header, sizeof header, damage->from - segment->first);
}

static int write_copy(const struct journal_io *io, const struct segment *segment, int fd,
                      const struct scan *scan)
{
    int result = copy_file(io, segment->fd, fd, segment->size);
    if (result >= 0)
        result = segment_write_header(io, fd, segment->first, 0);
    for (unsigned i = 0; i < scan->damage_count && result >= 0; i++)
        result = write_gap(io, fd, segment, &scan->damages[i]);
    return result < 0 ? result : io->fdatasync(io->context, fd);
}

/* Keep the file as .bad; a copy with gaps takes its place. */
static int quarantine(struct seglog *log, struct segment *segment, const struct scan *scan,
                      struct error *err)
{
    const struct journal_io *io = log->io;
    char copy[PATH_BYTES];
    char bad[PATH_BYTES];
    snprintf(copy, sizeof copy, "%s.repair", segment->path);
    snprintf(bad, sizeof bad, "%s.bad", segment->path);
    int fd = io->open(io->context, copy, O_RDWR | O_CREAT | O_TRUNC);
    if (fd < 0)
        return error_set_errno(err, ERROR_IO, -fd, "can't make %s", copy);
    int result = write_copy(io, segment, fd, scan);
    if (result >= 0)
        result = io->rename(io->context, segment->path, bad);
    if (result >= 0)
        result = io->rename(io->context, copy, segment->path);
    if (result >= 0)
        result = io->sync_dir(io->context, log->dir);
    if (result < 0) {
        io->close(io->context, fd);
        return error_set_errno(err, ERROR_IO, -result, "can't repair %s", segment->path);
    }
    io->close(io->context, segment->fd);
    segment->fd = fd;
    return 0;
}

static void report_damage(struct segment *segment, const struct scan *scan, struct recovery *report,
                          bool is_readonly)
{
    report->bad_segments++;
    for (unsigned i = 0; i < scan->damage_count; i++) {
        uint64_t bytes = scan->damages[i].to - scan->damages[i].from;
        report->damaged_bytes += bytes;
        if (!is_readonly)
            log_event(LOG_ERROR, "journal", "durable bytes are damaged: records are lost",
                      LOG_T("segment", segment->path), LOG_I("position", scan->damages[i].from),
                      LOG_I("bytes", bytes));
    }
    if (!is_readonly)
        log_event(LOG_WARN, "journal", "segment repaired; the original is kept",
                  LOG_T("segment", segment->path), LOG_T("kept_as", ".bad"),
                  LOG_I("frames", scan->frames), LOG_I("records", scan->records));
}

/* What is behind the end was never acked, and must not be found by a later start. */
static int zero_tail(struct seglog *log, struct segment *segment, uint64_t end,
                     struct recovery *report, struct error *err)
{
    char *chunk = malloc(COPY_BYTES);
    if (chunk == NULL)
        return error_set(err, ERROR_MEMORY, "no memory to recover");
    uint64_t last = 0; /* one past the last byte that is not zero */
    for (uint64_t at = end - segment->first; at < segment->size; at += COPY_BYTES) {
        ssize_t got = journal_io_read(log->io, segment->fd, chunk, COPY_BYTES, at);
        for (ssize_t i = got; i > 0; i--)
            if (chunk[i - 1] != 0) {
                last = at + (uint64_t)i;
                break;
            }
    }
    free(chunk);
    if (last == 0)
        return 0;
    report->torn_bytes += last - (end - segment->first);
    log_event(LOG_WARN, "journal", "a torn tail is cut off: nothing in it was acked",
              LOG_T("segment", segment->path), LOG_I("position", end),
              LOG_I("bytes", last - (end - segment->first)));
    int result = journal_io_write_zeros(log->io, segment->fd, end - segment->first, last);
    return result < 0 ? error_set_errno(err, ERROR_IO, -result, "can't repair %s", segment->path)
                      : 0;
}

/* ---- the list of files ---- */

struct names {
    struct seglog *log;
    uint64_t *firsts;
    size_t count, cap;
    bool has_failed;
};

/* "<log>-<20 digits>.log<suffix>"; is it one of this log's? */
static bool parse_name(const struct seglog *log, const char *name, const char *suffix,
                       uint64_t *first)
{
    size_t prefix = strlen(log->name);
    if (strncmp(name, log->name, prefix) != 0 || name[prefix] != '-' ||
        strlen(name) != prefix + 1 + 20 + 4 + strlen(suffix))
        return false;
    const char *digits = name + prefix + 1;
    return strncmp(digits + 20, ".log", 4) == 0 && strcmp(digits + 24, suffix) == 0 &&
           text_to_u64(bytes_of(digits, 20), first);
}

static void collect(void *context, const char *name)
{
    struct names *names = context;
    uint64_t first;
    if (!parse_name(names->log, name, "", &first))
        return;
    if (names->count == names->cap) {
        size_t cap = names->cap == 0 ? 64 : names->cap * 2;
        uint64_t *grown = realloc(names->firsts, cap * sizeof *grown);
        if (grown == NULL) {
            names->has_failed = true;
            return;
        }
        names->firsts = grown;
        names->cap = cap;
    }
    names->firsts[names->count++] = first;
}

static void segment_path(const struct seglog *log, uint64_t first, const char *suffix, char *out)
{
    snprintf(out, PATH_BYTES, "%s/%s-%020llu.log%s", log->dir, log->name, (unsigned long long)first,
             suffix);
}

static bool exists(const struct journal_io *io, const char *path)
{
    int fd = io->open(io->context, path, O_RDONLY);
    if (fd >= 0)
        io->close(io->context, fd);
    return fd >= 0;
}

/* A repair that was cut off: before the original got its other name the copy is
 * worth nothing; between the two renames the original goes back. */
static void undo_repair(void *context, const char *name)
{
    struct seglog *log = context;
    uint64_t first;
    if (!parse_name(log, name, ".repair", &first))
        return;
    char path[PATH_BYTES];
    char bad[PATH_BYTES];
    char copy[PATH_BYTES];
    segment_path(log, first, "", path);
    segment_path(log, first, ".bad", bad);
    segment_path(log, first, ".repair", copy);
    if (!exists(log->io, path) && exists(log->io, bad))
        log->io->rename(log->io->context, bad, path);
    log->io->unlink(log->io->context, copy);
}

static int open_segment(struct seglog *log, uint64_t first, bool is_readonly, struct error *err)
{
    char path[PATH_BYTES];
    segment_path(log, first, "", path);
    int fd = log->io->open(log->io->context, path, is_readonly ? O_RDONLY : O_RDWR);
    if (fd == -ENOENT && is_readonly)
        return 0; /* removed by retention meanwhile */
    if (fd < 0)
        return error_set_errno(err, ERROR_IO, -fd, "can't open %s", path);
    int64_t size = log->io->size(log->io->context, fd);
    struct segment *segment =
        segment_new(log->io, path, fd, first, (uint64_t)(size < 0 ? 0 : size));
    if (segment == NULL) {
        log->io->close(log->io->context, fd);
        return error_set(err, ERROR_MEMORY, "no memory for a segment");
    }
    seglog_lock(log);
    int result = seglog_add(log, segment);
    seglog_unlock(log);
    if (result != 0) {
        segment_unref(segment);
        return error_set(err, ERROR_MEMORY, "no memory for a segment");
    }
    return 0;
}

static int list_segments(struct seglog *log, bool is_readonly, struct error *err)
{
    const struct journal_io *io = log->io;
    char spare[PATH_BYTES];
    if (!is_readonly) {
        io->list(io->context, log->dir, undo_repair, log);
        seglog_spare_path(log, spare, sizeof spare);
        io->unlink(io->context, spare);
    }
    struct names names = {.log = log};
    int result = io->list(io->context, log->dir, collect, &names);
    if (result < 0)
        result = error_set_errno(err, ERROR_IO, -result, "can't list %s", log->dir);
    else if (names.has_failed)
        result = error_set(err, ERROR_MEMORY, "no memory to list %s", log->dir);
    for (size_t i = 0; i < names.count && result == 0; i++)
        result = open_segment(log, names.firsts[i], is_readonly, err);
    free(names.firsts);
    return result;
}

/* ---- all together ---- */

/* Segment i, which has a successor. *has_state: the visitor was told its frames. */
static int check_sealed(struct seglog *log, size_t i, bool is_readonly, struct recovery *report,
                        struct error *err)
{
    struct segment *segment = log->segments[i];
    struct error problem = {0};
    int header =
        segment_check_header(log->io, segment->fd, segment->path, segment->first, &problem);
    if (header != 0 && problem.kind == ERROR_CONFIG) {
        *err = problem;
        return -1;
    }
    if (segment_read_footer(segment, &problem) == 0 && header == 0)
        return 0;
    struct scan scan;
    uint64_t limit = log->segments[i + 1]->first;
    if (limit > segment->first + segment->size) /* a hole behind it */
        limit = segment->is_sealed ? segment->end : segment->first + segment->size;
    if (scan_segment(log, segment, limit, NULL, &scan, err) != 0)
        return -1;
    segment->end = scan.end;
    segment->is_sealed = true;
    if (scan.damage_count == 0 && header == 0)
        return 0; /* only the trailer: the index has just been made again */
    report_damage(segment, &scan, report, is_readonly);
    return is_readonly ? 0 : quarantine(log, segment, &scan, err);
}

/* A file that was cut short gets room again for what sealing it takes. */
static int lengthen(struct seglog *log, struct segment *segment, struct error *err)
{
    uint64_t need = segment->end - segment->first + segment_seal_bytes(segment);
    uint64_t size = need < SEGMENT_BYTES_MIN ? (uint64_t)SEGMENT_BYTES_MIN : frame_align(need);
    if (segment->size >= size)
        return 0;
    int result = log->io->allocate(log->io->context, segment->fd, size);
    if (result < 0)
        return error_set_errno(err, ERROR_IO, -result, "can't repair %s", segment->path);
    atomic_fetch_add(&log->bytes_on_disk, (int64_t)(size - segment->size));
    segment->size = size;
    return 0;
}

static int check_last(struct seglog *log, bool is_readonly, const struct recover_visitor *visitor,
                      struct recovery *report, struct scan *scan, struct error *err)
{
    struct segment *segment = log->segments[log->count - 1];
    struct error problem = {0};
    int header =
        segment_check_header(log->io, segment->fd, segment->path, segment->first, &problem);
    if (header != 0 && problem.kind == ERROR_CONFIG) {
        *err = problem;
        return -1;
    }
    if (scan_segment(log, segment, 0, visitor, scan, err) != 0)
        return -1;
    segment->end = scan->end;
    segment->is_sealed = scan->is_sealed;
    report->was_clean = scan->is_clean;
    if (scan->damage_count > 0 || header != 0) {
        report_damage(segment, scan, report, is_readonly);
        if (!is_readonly && quarantine(log, segment, scan, err) != 0)
            return -1;
    }
    if (is_readonly)
        return 0;
    if (lengthen(log, segment, err) != 0)
        return -1;
    if (!scan->is_sealed && zero_tail(log, segment, scan->end, report, err) != 0)
        return -1;
    int result = scan->is_sealed ? segment_write_trailer(segment, scan->seal_position) : 0;
    /* After a kill the frames may be in the page cache only. */
    if (result >= 0)
        result = log->io->fdatasync(log->io->context, segment->fd);
    return result < 0 ? error_set_errno(err, ERROR_IO, -result, "can't sync %s", segment->path) : 0;
}

/* The last segment has lost its checkpoint: tell the frames of those before, back
 * to one that has its own. */
static int tell_earlier(struct seglog *log, const struct recover_visitor *visitor,
                        struct error *err)
{
    for (size_t i = log->count - 1; i-- > 0;) {
        struct scan scan;
        struct segment *segment = log->segments[i];
        if (scan_segment(log, segment, segment->end, visitor, &scan, err) != 0)
            return -1;
        if (scan.has_head)
            break;
    }
    return 0;
}

static void count_holes(const struct seglog *log, struct recovery *report)
{
    for (size_t i = 0; i + 1 < log->count; i++)
        if (log->segments[i]->end < log->segments[i + 1]->first)
            report->holes++;
}

int recover_log(struct seglog *log, bool is_readonly, const struct recover_visitor *visitor,
                struct recovery *report, struct error *err)
{
    *report = (struct recovery){0};
    if (list_segments(log, is_readonly, err) != 0)
        return -1;
    report->segments = (unsigned)log->count;
    report->was_clean = log->count == 0;
    if (log->count == 0)
        return 0;
    for (size_t i = 0; i + 1 < log->count; i++)
        if (check_sealed(log, i, is_readonly, report, err) != 0)
            return -1;
    struct scan scan;
    if (check_last(log, is_readonly, visitor, report, &scan, err) != 0)
        return -1;
    if (!scan.has_head && tell_earlier(log, visitor, err) != 0)
        return -1;
    count_holes(log, report);
    struct segment *last = log->segments[log->count - 1];
    log->end = last->end;
    log->synced = log->end;
    log->active = last->is_sealed ? NULL : last;
    seglog_show(log, log->end);
    return 0;
}

/* ---- followers ---- */

static bool has_segment(const struct seglog *log, uint64_t first)
{
    for (size_t i = 0; i < log->count; i++)
        if (log->segments[i]->first == first)
            return true;
    return false;
}

static void forget_gone(struct seglog *log, const struct names *names)
{
    seglog_lock(log);
    size_t kept = 0;
    for (size_t i = 0; i < log->count; i++) {
        struct segment *segment = log->segments[i];
        bool is_there = false;
        for (size_t n = 0; n < names->count && !is_there; n++)
            is_there = names->firsts[n] == segment->first;
        if (is_there)
            log->segments[kept++] = segment;
        else
            segment_unref(segment);
    }
    log->count = kept;
    seglog_unlock(log);
}

void recover_list_new(struct seglog *log)
{
    struct names names = {.log = log};
    if (log->io->list(log->io->context, log->dir, collect, &names) >= 0 && !names.has_failed) {
        forget_gone(log, &names);
        for (size_t i = 0; i < names.count; i++)
            if (!has_segment(log, names.firsts[i]))
                open_segment(log, names.firsts[i], true, NULL);
    }
    free(names.firsts);
}
