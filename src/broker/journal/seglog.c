/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/journal/seglog.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/crc32c.h"
#include "base/must.h"

enum { PATH_BYTES = 4096, PAGE_BYTES = 4096 };
#define FIRST_SEGMENT_BYTES (UINT64_C(4) << 20)

int seglog_init(struct seglog *log, const struct journal_io *io, const char *dir, const char *name,
                uint64_t segment_bytes, const struct seglog_hooks *hooks, struct error *err)
{
    if (strlen(dir) > PATH_BYTES - 64)
        return error_set(err, ERROR_CONFIG, "the journal's folder has too long a name: %s", dir);
    memset(log, 0, sizeof *log);
    log->io = io;
    log->dir = dir;
    log->name = name;
    log->segment_bytes = segment_bytes & ~(uint64_t)(FRAME_ALIGN - 1);
    log->hooks = *hooks;
    must(pthread_mutex_init(&log->lock, NULL) == 0);
    return 0;
}

void seglog_deinit(struct seglog *log)
{
    if (log->io == NULL)
        return;
    for (size_t i = 0; i < log->count; i++)
        segment_unref(log->segments[i]);
    free(log->segments);
    pthread_mutex_destroy(&log->lock);
    memset(log, 0, sizeof *log);
}

void seglog_lock(struct seglog *log)
{
    must(pthread_mutex_lock(&log->lock) == 0);
}

void seglog_unlock(struct seglog *log)
{
    must(pthread_mutex_unlock(&log->lock) == 0);
}

/* ---- the list ---- */

int seglog_add(struct seglog *log, struct segment *segment)
{
    if (log->count == log->cap) {
        size_t cap = log->cap == 0 ? 16 : log->cap * 2;
        struct segment **grown = realloc(log->segments, cap * sizeof(struct segment *));
        if (grown == NULL)
            return -1;
        log->segments = grown;
        log->cap = cap;
    }
    size_t at = log->count++;
    for (; at > 0 && log->segments[at - 1]->first > segment->first; at--)
        log->segments[at] = log->segments[at - 1];
    log->segments[at] = segment;
    atomic_fetch_add(&log->bytes_on_disk, (int64_t)segment->size);
    return 0;
}

void seglog_drop(struct seglog *log, struct segment *segment)
{
    seglog_lock(log);
    size_t i = 0;
    while (log->segments[i] != segment)
        i++;
    log->count--;
    memmove(&log->segments[i], &log->segments[i + 1], (log->count - i) * sizeof(struct segment *));
    seglog_unlock(log);
    atomic_fetch_sub(&log->bytes_on_disk, (int64_t)segment->size);
    log->io->unlink(log->io->context, segment->path);
    segment_unref(segment);
}

struct segment *seglog_segment_at(struct seglog *log, uint64_t position)
{
    seglog_lock(log);
    size_t i = log->count;
    while (i > 0 && log->segments[i - 1]->first > position)
        i--; /* now segments[i - 1] is the last that begins at or before position */
    struct segment *found = i > 0 ? log->segments[i - 1] : NULL;
    if (found == NULL || position >= found->first + found->size ||
        (found->is_sealed && position >= found->end))
        found = i < log->count ? log->segments[i] : NULL;
    if (found != NULL)
        segment_ref(found);
    seglog_unlock(log);
    return found;
}

uint64_t seglog_find(struct seglog *log, int topic, int partition, int64_t offset)
{
    seglog_lock(log);
    uint64_t position = log->end;
    for (size_t i = 0; i < log->count; i++) {
        const struct segment_entry *entry = segment_find(log->segments[i], topic, partition);
        if (entry != NULL && entry->next_offset > offset) {
            position = entry->first_position;
            break;
        }
    }
    seglog_unlock(log);
    return position;
}

uint64_t seglog_find_time(struct seglog *log, int topic, int partition, int64_t time_ns)
{
    seglog_lock(log);
    uint64_t position = log->end;
    for (size_t i = 0; i < log->count; i++) {
        const struct segment_entry *entry = segment_find(log->segments[i], topic, partition);
        if (entry != NULL && entry->time_max >= time_ns) {
            position = entry->first_position;
            break;
        }
    }
    seglog_unlock(log);
    return position;
}

int64_t seglog_earliest(struct seglog *log, int topic, int partition, int64_t otherwise)
{
    seglog_lock(log);
    int64_t earliest = otherwise;
    for (size_t i = 0; i < log->count; i++) {
        const struct segment_entry *entry = segment_find(log->segments[i], topic, partition);
        if (entry != NULL) {
            earliest = entry->first_offset;
            break;
        }
    }
    seglog_unlock(log);
    return earliest;
}

void seglog_show(struct seglog *log, uint64_t position)
{
    atomic_store_explicit(&log->visible, position, memory_order_release);
}

/* ---- writing ---- */

static int io_failed(struct error *err, int number, const char *what, const char *path)
{
    return error_set_errno(err, ERROR_IO, number, "the journal can't %s %s", what, path);
}

/* Up to the end of the page: a page that is written whole need not be read from
 * the disk first. The next frame goes over it. */
static void pad_page(struct seglog *log)
{
    static const char zeros[PAGE_BYTES];
    union {
        const void *in;
        void *out;
    } base = {.in = zeros};
    uint64_t at = log->end - log->active->first;
    uint64_t len = (PAGE_BYTES - at % PAGE_BYTES) % PAGE_BYTES;
    if (len > 0 && at + len + PAGE_BYTES <= log->active->size)
        log->iov[log->iov_count++] = (struct iovec){base.out, (size_t)len};
}

int seglog_flush(struct seglog *log, struct error *err)
{
    if (log->iov_count == 0)
        return 0;
    pad_page(log);
    int result = journal_io_write_all(log->io, log->active->fd, log->iov, log->iov_count,
                                      log->iov_position - log->active->first);
    log->iov_count = 0;
    return result < 0 ? io_failed(err, -result, "write to", log->active->path) : 0;
}

int seglog_sync(struct seglog *log, struct error *err)
{
    if (log->synced == log->end)
        return 0;
    if (seglog_flush(log, err) != 0)
        return -1;
    int result = log->io->fdatasync(log->io->context, log->active->fd);
    if (result < 0)
        return io_failed(err, -result, "sync", log->active->path);
    log->synced = log->end;
    return 0;
}

/* Header and payload in one buffer, padded; the position is given. */
static int encode_note(struct buf *out, enum frame_type type, uint16_t flags, struct bytes payload,
                       uint64_t position, uint64_t durable)
{
    struct frame frame = {.payload_len = (uint32_t)payload.len,
                          .payload_crc = crc32c(0, payload.ptr, payload.len),
                          .position = position,
                          .durable = durable,
                          .type = (uint16_t)type,
                          .flags = flags};
    uint64_t len = frame_len(&frame);
    if (buf_reserve(out, (size_t)len) != 0)
        return -1;
    memset(out->ptr, 0, (size_t)len);
    frame_encode(&frame, (uint8_t *)out->ptr);
    if (payload.len > 0)
        memcpy(out->ptr + FRAME_HEADER_BYTES, payload.ptr, payload.len);
    out->len = (size_t)len;
    return 0;
}

static int write_note(struct seglog *log, enum frame_type type, uint16_t flags,
                      struct bytes payload, struct error *err)
{
    if (seglog_flush(log, err) != 0)
        return -1;
    struct buf raw;
    buf_init(&raw, 0);
    if (encode_note(&raw, type, flags, payload, log->end, log->synced) != 0)
        return error_set(err, ERROR_MEMORY, "no memory for a note of %zu bytes", payload.len);
    int result =
        journal_io_write(log->io, log->active->fd, raw.ptr, raw.len, log->end - log->active->first);
    seglog_lock(log);
    log->end += raw.len;
    log->active->end = log->end;
    seglog_unlock(log);
    buf_deinit(&raw);
    return result < 0 ? io_failed(err, -result, "write to", log->active->path) : 0;
}

/* The index behind the frames, all of it durable; then the segment is closed. */
static int seal(struct seglog *log, struct error *err)
{
    struct segment *segment = log->active;
    uint8_t *index = malloc(segment->entry_count * SEGMENT_ENTRY_BYTES + 1);
    if (index == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for an index");
    int len = segment_encode_index(segment, index);
    uint64_t position = log->end;
    int result = write_note(log, FRAME_SEAL, 0, bytes_of((char *)index, (size_t)len), err);
    free(index);
    if (result != 0)
        return -1;
    result = segment_write_trailer(segment, position);
    if (result < 0)
        return io_failed(err, -result, "write to", segment->path);
    if (seglog_sync(log, err) != 0)
        return -1;
    seglog_lock(log);
    segment->is_sealed = true;
    log->active = NULL;
    seglog_unlock(log);
    return 0;
}

void seglog_spare_path(const struct seglog *log, char *out, size_t size)
{
    snprintf(out, size, "%s/next-%s.tmp", log->dir, log->name);
}

/* Small at first, so that a new journal is quickly there; then doubling. */
static uint64_t next_size(const struct seglog *log)
{
    uint64_t size = log->count == 0 ? FIRST_SEGMENT_BYTES / 2 : log->segments[log->count - 1]->size;
    size *= 2;
    return size < log->segment_bytes ? size : log->segment_bytes;
}

static int make_file(struct seglog *log, const char *path, uint64_t size, struct error *err)
{
    int fd = log->io->open(log->io->context, path, O_RDWR | O_CREAT | O_TRUNC);
    if (fd < 0)
        return io_failed(err, -fd, "make", path);
    int result = log->io->allocate(log->io->context, fd, size);
    if (result >= 0) /* no more: the writer is waiting */
        result = journal_io_write_zeros(log->io, fd, 0,
                                        size < FIRST_SEGMENT_BYTES ? size : FIRST_SEGMENT_BYTES);
    if (result >= 0)
        return fd;
    log->io->close(log->io->context, fd);
    log->io->unlink(log->io->context, path);
    io_failed(err, -result, "make", path);
    if (result == -ENOSPC && err != NULL)
        err->kind = ERROR_FULL; /* nothing is lost yet: may be tried again */
    return -1;
}

static int take_file(struct seglog *log, const char *path, uint64_t need, uint64_t *size,
                     struct error *err)
{
    int fd = -1;
    if (log->hooks.take_spare != NULL)
        fd = log->hooks.take_spare(log->hooks.spare_context, log, size);
    if (fd >= 0 && *size >= need)
        return fd;
    if (fd >= 0)
        log->io->close(log->io->context, fd);
    *size = next_size(log);
    if (*size < need)
        *size = (need + SEGMENT_BYTES_MIN - 1) / SEGMENT_BYTES_MIN * SEGMENT_BYTES_MIN;
    return make_file(log, path, *size, err);
}

/* Header and checkpoint durable, then the name, durable too. */
static int name_file(struct seglog *log, int fd, const struct buf *checkpoint, const char *from,
                     const char *to, struct error *err)
{
    const struct journal_io *io = log->io;
    int result = segment_write_header(io, fd, log->end, clock_wall_ns());
    if (result >= 0)
        result = journal_io_write(io, fd, checkpoint->ptr, checkpoint->len, SEGMENT_HEADER_BYTES);
    if (result >= 0)
        result = io->fdatasync(io->context, fd);
    if (result >= 0)
        result = io->rename(io->context, from, to);
    if (result >= 0)
        result = io->sync_dir(io->context, log->dir);
    return result < 0 ? io_failed(err, -result, "begin", to) : 0;
}

static int adopt(struct seglog *log, int fd, const char *path, uint64_t size,
                 uint64_t checkpoint_len, struct error *err)
{
    struct segment *segment = segment_new(log->io, path, fd, log->end, size);
    if (segment == NULL) {
        log->io->close(log->io->context, fd);
        return error_set(err, ERROR_MEMORY, "no memory for a segment");
    }
    seglog_lock(log);
    int result = seglog_add(log, segment);
    if (result == 0) {
        segment->end += checkpoint_len;
        log->active = segment;
        log->end = segment->end;
        log->synced = log->end;
    }
    seglog_unlock(log);
    if (result != 0) {
        segment_unref(segment);
        return error_set(err, ERROR_MEMORY, "no memory for a segment");
    }
    if (log->hooks.want_spare != NULL)
        log->hooks.want_spare(log->hooks.spare_context, log, next_size(log));
    return 0;
}

static int encode_checkpoint(struct seglog *log, struct buf *out, uint64_t position)
{
    struct buf payload;
    buf_init(&payload, 0);
    log->hooks.checkpoint(log->hooks.checkpoint_context, log, &payload);
    int result = payload.has_failed ? -1
                                    : encode_note(out, FRAME_CHECKPOINT, 0, buf_bytes(&payload),
                                                  position, position);
    buf_deinit(&payload);
    return result;
}

static int open_next(struct seglog *log, uint64_t frame_bytes, struct error *err)
{
    char from[PATH_BYTES];
    char to[PATH_BYTES];
    seglog_spare_path(log, from, sizeof from);
    snprintf(to, sizeof to, "%s/%s-%020llu.log", log->dir, log->name, (unsigned long long)log->end);
    struct buf checkpoint;
    buf_init(&checkpoint, 0);
    if (encode_checkpoint(log, &checkpoint, log->end + SEGMENT_HEADER_BYTES) != 0) {
        buf_deinit(&checkpoint);
        return error_set(err, ERROR_MEMORY, "no memory for a checkpoint");
    }
    uint64_t need = SEGMENT_HEADER_BYTES + checkpoint.len + frame_bytes + FRAME_HEADER_BYTES +
                    2 * SEGMENT_ENTRY_BYTES + SEGMENT_TRAILER_BYTES;
    uint64_t size = 0;
    int fd = take_file(log, from, need, &size, err);
    int result = fd < 0 ? -1 : 0;
    if (fd >= 0 && name_file(log, fd, &checkpoint, from, to, err) != 0) {
        log->io->close(log->io->context, fd);
        result = -1;
    } else if (fd >= 0) {
        result = adopt(log, fd, to, size, checkpoint.len, err);
    }
    buf_deinit(&checkpoint);
    return result;
}

static int make_room(struct seglog *log, uint64_t len, struct error *err)
{
    if (log->active != NULL &&
        log->end - log->active->first + len + segment_seal_bytes(log->active) > log->active->size) {
        if (seal(log, err) != 0)
            return -1;
    }
    return log->active != NULL ? 0 : open_next(log, len, err);
}

int seglog_begin(struct seglog *log, struct error *err)
{
    uint64_t first_frame = log->active == NULL ? 0 : log->active->first + SEGMENT_HEADER_BYTES;
    struct buf payload;
    buf_init(&payload, 0);
    log->hooks.checkpoint(log->hooks.checkpoint_context, log, &payload);
    int result = make_room(log, FRAME_HEADER_BYTES + frame_align(payload.len), err);
    bool is_new = log->active != NULL && log->active->first + SEGMENT_HEADER_BYTES != first_frame;
    if (result == 0 && !is_new)
        result = write_note(log, FRAME_CHECKPOINT, 0, buf_bytes(&payload), err);
    buf_deinit(&payload);
    if (result != 0 || seglog_sync(log, err) != 0)
        return -1;
    if (!is_new && log->hooks.want_spare != NULL)
        log->hooks.want_spare(log->hooks.spare_context, log, next_size(log));
    seglog_show(log, log->end);
    return 0;
}

int seglog_append(struct seglog *log, struct frame *frame, uint8_t *bytes, struct error *err)
{
    uint64_t len = frame_len(frame);
    if (make_room(log, len, err) != 0)
        return -1;
    if (log->iov_count == SEGLOG_IOV_MAX && seglog_flush(log, err) != 0)
        return -1;
    frame->position = log->end;
    frame->durable = log->synced;
    frame_encode(frame, bytes);
    if (log->iov_count == 0)
        log->iov_position = log->end;
    log->iov[log->iov_count++] = (struct iovec){bytes, (size_t)len};
    seglog_lock(log);
    int result = segment_index(log->active, frame);
    log->end += len;
    log->active->end = log->end;
    seglog_unlock(log);
    return result == 0 ? 0 : error_set(err, ERROR_MEMORY, "no memory for the index");
}

int seglog_append_note(struct seglog *log, enum frame_type type, uint16_t flags,
                       struct bytes payload, struct error *err)
{
    if (make_room(log, FRAME_HEADER_BYTES + frame_align(payload.len), err) != 0)
        return -1;
    return write_note(log, type, flags, payload, err);
}
