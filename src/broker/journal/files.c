/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/journal/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "broker/journal/meta.h"
#include "broker/journal/notes.h"
#include "observe/log.h"

/* ---- the folder and its lock ---- */

static int make_dirs(const struct journal_io *io, const char *data_dir, const char *dir,
                     struct error *err)
{
    char path[4096];
    snprintf(path, sizeof path, "%s", data_dir);
    for (char *slash = path + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = 0;
        io->make_dir(io->context, path);
        *slash = '/';
    }
    io->make_dir(io->context, path);
    int result = io->make_dir(io->context, dir);
    if (result >= 0)
        result = io->sync_dir(io->context, data_dir);
    return result < 0 ? error_set_errno(err, ERROR_IO, -result, "can't make the folder %s", dir)
                      : 0;
}

static int busy(const struct journal_files *files, struct error *err)
{
    char pid[32] = {0};
    ssize_t got = journal_io_read(files->io, files->lock_fd, pid, sizeof pid - 1, 0);
    pid[got > 0 ? strcspn(pid, " \n") : 0] = 0;
    return error_set(err, ERROR_BUSY,
                     "the journal in %s is in use by process %s: stop it, or give this one another "
                     "folder with --data",
                     files->dir, pid[0] != 0 ? pid : "(unknown)");
}

static int take_lock(struct journal_files *files, struct error *err)
{
    const struct journal_io *io = files->io;
    char path[4128];
    snprintf(path, sizeof path, "%s/lock", files->dir);
    files->lock_fd = io->open(io->context, path, O_RDWR | O_CREAT);
    if (files->lock_fd < 0)
        return error_set_errno(err, ERROR_IO, -files->lock_fd, "can't open %s", path);
    int result = io->lock(io->context, files->lock_fd);
    if (result == -EAGAIN)
        return busy(files, err);
    if (result < 0)
        return error_set_errno(err, ERROR_IO, -result, "can't lock %s", path);
    char pid[32];
    int len = snprintf(pid, sizeof pid, "%-10ld\n", (long)getpid());
    result = journal_io_write(io, files->lock_fd, pid, (size_t)len, 0);
    return result < 0 ? error_set_errno(err, ERROR_IO, -result, "can't write %s", path) : 0;
}

static void look_at_lock(struct journal_files *files)
{
    const struct journal_io *io = files->io;
    char path[4128];
    snprintf(path, sizeof path, "%s/lock", files->dir);
    int fd = io->open(io->context, path, O_RDWR);
    if (fd < 0) /* not ours to write: believe the watermark */
        files->has_writer = fd != -ENOENT;
    else
        files->has_writer = io->is_locked(io->context, fd) != 0;
    if (fd >= 0)
        io->close(io->context, fd);
}

/* ---- the state from the frames ---- */

static struct partition_state *state_of(struct journal_files *files, int topic, int partition)
{
    const struct topic *found = topics_get(files->topics, topic);
    if (found == NULL || partition >= found->partitions)
        return NULL;
    if (files->partitions[topic] == NULL)
        files->partitions[topic] = calloc((size_t)found->partitions, sizeof **files->partitions);
    return files->partitions[topic] == NULL ? NULL : &files->partitions[topic][partition];
}

static void on_topic(void *context, const struct note_topic *topic)
{
    struct journal_files *files = context;
    meta_add_topic(files->topics, topic->number, topic->partitions, topic->name);
}

static void on_reserve(void *context, uint64_t reserve)
{
    ((struct journal_files *)context)->found_reserve = reserve;
}

static void raise_next(struct partition_state *state, int64_t next)
{
    if (next > state->next)
        state->next = next;
}

static void on_end(void *context, const struct note_end *end)
{
    struct partition_state *state = state_of(context, end->topic, end->partition);
    if (state == NULL)
        return;
    raise_next(state, end->next);
    state->reserve_from = state->next;
}

static void on_commit(void *context, const struct note_commit *commit)
{
    struct journal_files *files = context;
    char name[GROUP_NAME_MAX + 1];
    if (commit->group.len > GROUP_NAME_MAX || topics_get(files->topics, commit->topic) == NULL)
        return;
    memcpy(name, commit->group.ptr, commit->group.len);
    name[commit->group.len] = 0;
    struct group *group = groups_get(files->groups, name, NULL);
    struct position *position =
        group == NULL ? NULL
                      : group_get_position(group, commit->topic, commit->partition, commit->offset);
    if (position == NULL || commit->is_start || commit->offset < position->committed)
        return;
    position->committed = position->written = position->durable = commit->offset;
}

static void on_frame(void *context, const struct frame *frame, const uint8_t *payload)
{
    struct journal_files *files = context;
    const struct note_visitor visitor = {.context = files,
                                         .on_reserve = on_reserve,
                                         .on_topic = on_topic,
                                         .on_end = on_end,
                                         .on_commit = on_commit};
    struct bytes bytes = bytes_of((const char *)payload, frame->payload_len);
    if (frame->type == FRAME_CHECKPOINT) {
        notes_read_checkpoint(bytes, &visitor);
    } else if (frame->type == FRAME_COMMITS) {
        notes_read_commits(bytes, &visitor);
    } else if (frame->type == FRAME_RECORDS) {
        struct partition_state *state = state_of(files, frame->topic, frame->partition);
        int64_t end = frame->base_offset + frame->count;
        if (state == NULL)
            return;
        raise_next(state, end);
        if (end > atomic_load(&state->end))
            atomic_store(&state->end, end);
    }
}

/* The ends of partitions that the frames read did not touch: their records are
 * in the indexes of earlier segments. */
static void find_ends(struct journal_files *files, struct seglog *log)
{
    for (size_t i = 0; i < log->count; i++)
        for (size_t e = 0; e < log->segments[i]->entry_count; e++) {
            const struct segment_entry *entry = &log->segments[i]->entries[e];
            struct partition_state *state = state_of(files, entry->topic, entry->partition);
            if (state == NULL)
                continue;
            raise_next(state, entry->next_offset);
            if (entry->next_offset > atomic_load(&state->end))
                atomic_store(&state->end, entry->next_offset);
        }
}

/* After an unclean end what was used but not found must not be used again. */
static void skip_reserve(struct journal_files *files, int topic, bool was_clean)
{
    for (int p = 0; p < topics_get(files->topics, topic)->partitions; p++) {
        struct partition_state *state = state_of(files, topic, p);
        if (state == NULL)
            continue;
        if (!was_clean && !files->is_readonly) {
            raise_next(state, state->next + JOURNAL_GROUP_RECORDS_MAX);
            raise_next(state, state->reserve_from + (int64_t)files->found_reserve);
        }
        if (atomic_load(&state->end) == 0) /* nothing kept: the end is where it will go on */
            atomic_store(&state->end, state->next);
    }
}

static void log_recovery(const struct seglog *log, const struct recovery *report, int64_t took_ns)
{
    log_event(report->was_clean ? LOG_INFO : LOG_WARN, "journal",
              report->was_clean ? "opened" : "recovered after an unclean end",
              LOG_T("log", log->name), LOG_I("segments", report->segments),
              LOG_I("torn_bytes", report->torn_bytes), LOG_I("bad_segments", report->bad_segments),
              LOG_I("damaged_bytes", report->damaged_bytes), LOG_I("holes", report->holes),
              LOG_I("ms", took_ns / NS_PER_MS));
}

static int recover_one(struct journal_files *files, struct seglog *log, struct recovery *report,
                       struct error *err)
{
    const struct recover_visitor visitor = {.context = files, .on_frame = on_frame};
    int64_t began_ns = clock_monotonic_ns();
    files->found_reserve = 0;
    if (recover_log(log, files->is_readonly, &visitor, report, err) != 0)
        return -1;
    find_ends(files, log);
    bool is_dead = log == &files->dead;
    for (int t = 0; t < topics_count(files->topics); t++)
        if (topics_get(files->topics, t)->is_dead_letters == is_dead)
            skip_reserve(files, t, report->was_clean);
    if (!files->is_readonly)
        log_recovery(log, report, clock_monotonic_ns() - began_ns);
    return 0;
}

/* ---- checkpoints ---- */

static void put_position(struct buf *out, const struct position *position)
{
    struct note_commit commit = {.group = bytes_from_text(position->group->name),
                                 .is_start = position->written < 0,
                                 .topic = (uint16_t)position->topic,
                                 .partition = (uint16_t)position->partition,
                                 .offset =
                                     position->written < 0 ? position->start : position->written};
    note_put_commit(out, &commit);
}

static void put_positions(struct groups *groups, struct buf *out)
{
    groups_lock(groups);
    int count = atomic_load(&groups->count);
    for (int i = 0; i < count; i++)
        for (struct position *p = groups->items[i]->positions; p != NULL; p = p->next)
            put_position(out, p);
    groups_unlock(groups);
}

static void put_ends(struct journal_files *files, const struct seglog *log, int topics,
                     struct buf *out)
{
    uint32_t count = 0;
    size_t at = out->len;
    note_put_u32(out, 0);
    for (int t = 0; t < topics; t++) {
        if (journal_files_log(files, t) != log || files->partitions[t] == NULL)
            continue;
        for (int p = 0; p < files->topics->items[t].partitions; p++, count++)
            note_put_end(
                out, &(struct note_end){(uint16_t)t, (uint16_t)p, files->partitions[t][p].next});
    }
    if (!out->has_failed)
        le_put((uint8_t *)out->ptr + at, 4, count);
}

static void checkpoint(void *context, const struct seglog *log, struct buf *out)
{
    struct journal_files *files = context;
    int topics = topics_count(files->topics);
    note_put_u64(out, files->reserve);
    note_put_u32(out, (uint32_t)topics);
    for (int t = 0; t < topics; t++)
        note_put_topic(out, &(struct note_topic){(uint16_t)t,
                                                 (uint16_t)files->topics->items[t].partitions,
                                                 bytes_from_text(files->topics->items[t].name)});
    put_ends(files, log, topics, out);
    put_positions(files->groups, out);
}

/* ---- open, finish, close ---- */

static int open_logs(struct journal_files *files, struct error *err)
{
    bool has_meta;
    if (meta_read(files->io, files->dir, files->topics, &has_meta, err) != 0)
        return -1;
    int topics_in_meta = topics_count(files->topics);
    if (recover_one(files, &files->data, &files->data_report, err) != 0 ||
        recover_one(files, &files->dead, &files->dead_report, err) != 0)
        return -1;
    for (int t = 0; t < topics_count(files->topics); t++)
        if (state_of(files, t, 0) == NULL)
            return error_set(err, ERROR_MEMORY, "no memory for topics");
    if (files->is_readonly || (has_meta && topics_in_meta == topics_count(files->topics)))
        return 0;
    return meta_write(files->io, files->dir, files->topics, topics_count(files->topics), err);
}

static int open_to_write(struct journal_files *files, const char *data_dir, struct error *err)
{
    if (make_dirs(files->io, data_dir, files->dir, err) != 0 || take_lock(files, err) != 0 ||
        watermark_open(&files->watermark, files->io, files->dir, true, err) != 0 ||
        open_logs(files, err) != 0 || seglog_begin(&files->data, err) != 0 ||
        seglog_begin(&files->dead, err) != 0)
        return -1;
    journal_files_publish(files, true);
    return 0;
}

static void hide_behind(struct seglog *log, uint64_t mark)
{
    if (mark < seglog_visible(log))
        seglog_show(log, mark);
}

static int open_to_read(struct journal_files *files, struct error *err)
{
    int fd = files->io->open(files->io->context, files->dir, O_RDONLY);
    if (fd < 0)
        return error_set_errno(err, ERROR_NOT_FOUND, -fd, "there is no journal in %s", files->dir);
    files->io->close(files->io->context, fd);
    look_at_lock(files);
    watermark_open(&files->watermark, files->io, files->dir, false, NULL);
    if (open_logs(files, err) != 0)
        return -1;
    if (files->has_writer && files->watermark != NULL) { /* no more than its consumers see */
        hide_behind(&files->data, atomic_load(&files->watermark->data));
        hide_behind(&files->dead, atomic_load(&files->watermark->dead));
    }
    return 0;
}

int journal_files_open(struct journal_files *files, const struct journal_io *io,
                       const struct journal_files_options *options, struct topics *topics,
                       struct groups *groups, struct error *err)
{
    *files = (struct journal_files){.io = io,
                                    .lock_fd = -1,
                                    .is_readonly = options->is_readonly,
                                    .reserve = options->reserve,
                                    .topics = topics,
                                    .groups = groups};
    if ((size_t)snprintf(files->dir, sizeof files->dir, "%s/journal", options->data_dir) >=
        sizeof files->dir)
        return error_set(err, ERROR_CONFIG, "the data folder has too long a name");
    struct seglog_hooks hooks = options->spare_hooks;
    hooks.checkpoint_context = files;
    hooks.checkpoint = checkpoint;
    if (seglog_init(&files->data, io, files->dir, "data", options->segment_bytes, &hooks, err) != 0)
        return -1;
    if (seglog_init(&files->dead, io, files->dir, "dead", options->dead_segment_bytes, &hooks,
                    err) != 0 ||
        (options->is_readonly ? open_to_read(files, err)
                              : open_to_write(files, options->data_dir, err)) != 0) {
        journal_files_close(files);
        return -1;
    }
    return 0;
}

/* One note of all positions. They were written by the writer as they came; this
 * makes the end of the log say that nothing is missing. */
static int finish_log(struct journal_files *files, struct seglog *log, struct error *err)
{
    struct buf payload;
    buf_init(&payload, 0);
    checkpoint(files, log, &payload);
    int result = payload.has_failed ? error_set(err, ERROR_MEMORY, "no memory for a checkpoint")
                                    : seglog_append_note(log, FRAME_CHECKPOINT, FRAME_FLAG_CLEAN,
                                                         buf_bytes(&payload), err);
    buf_deinit(&payload);
    return result != 0 ? -1 : seglog_sync(log, err);
}

int journal_files_finish(struct journal_files *files, struct error *err)
{
    if (finish_log(files, &files->dead, err) != 0)
        return -1;
    return finish_log(files, &files->data, err);
}

void journal_files_close(struct journal_files *files)
{
    seglog_deinit(&files->data);
    seglog_deinit(&files->dead);
    for (int t = 0; t < TOPICS_MAX; t++)
        free(files->partitions[t]);
    if (files->watermark != NULL)
        watermark_close(files->watermark, files->io);
    if (files->lock_fd >= 0)
        files->io->close(files->io->context, files->lock_fd);
    *files = (struct journal_files){.lock_fd = -1};
}

int journal_files_add_topic(struct journal_files *files, int number, struct error *err)
{
    size_t partitions = (size_t)files->topics->items[number].partitions;
    if (files->partitions[number] == NULL)
        files->partitions[number] = calloc(partitions, sizeof **files->partitions);
    if (files->partitions[number] == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a topic");
    return meta_write(files->io, files->dir, files->topics, number + 1, err);
}

void journal_files_publish(struct journal_files *files, bool has_changed_files)
{
    struct watermark *mark = files->watermark;
    atomic_store_explicit(&mark->dead, seglog_visible(&files->dead), memory_order_release);
    atomic_store_explicit(&mark->data, seglog_visible(&files->data), memory_order_release);
    if (has_changed_files)
        atomic_fetch_add_explicit(&mark->generation, 1, memory_order_release);
}
