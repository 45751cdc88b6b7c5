/* SPDX-License-Identifier: Apache-2.0 */
/* The one thread that writes. A round: take what was pushed, cut it into groups,
 * and for each group
 *
 *     append dead letters, sync them;
 *     append records, then the commits that were pushed up to here; sync;
 *     let consumers see it, tell the producers, wake whom it concerns.
 *
 * So a commit is never durable before what its thread published earlier: dead
 * letters are synced first, records stand in front of it in the same log, of
 * which recovery keeps a prefix.
 *
 * Commits alone wait for company a little. After a failure nothing is written
 * any more and everything that comes is FAILED: what a failed sync left in the
 * page cache can't be trusted (delivery: fsync). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "broker/journal/notes.h"
#include "broker/journal/producer.h"
#include "observe/log.h"
#include "observe/metrics.h"

#define COMMIT_DELAY_NS (20 * NS_PER_MS)
#define RETENTION_INTERVAL_NS NS_PER_S
#define PRESSED_INTERVAL_NS (10 * NS_PER_MS) /* at the cap */
#define DISK_RETRY_NS (200 * NS_PER_MS)

struct written_commit {
    struct position *position;
    int64_t offset;
    bool is_start;
};

struct writer {
    struct journal *journal;
    struct item *taken; /* not yet in a group */
    struct item *group; /* batches, linked by item.next */
    struct item **group_end;
    size_t group_records, group_bytes;
    bool has_dead, has_data;
    struct written_commit *commits;
    size_t commit_count, commit_cap;
    int64_t commits_due_ns, sync_due_ns, retention_due_ns; /* INT64_MAX: not */
    int64_t last_take_ns;
    bool topics[TOPICS_MAX]; /* of the group */
    struct journal_producer *touched;
};

/* ---- waiting ---- */

static void sleep_until(struct queue *queue, int64_t at_ns)
{
#ifndef __linux__
    at_ns += clock_wall_ns() - clock_monotonic_ns();
#endif
    struct timespec until = {at_ns / NS_PER_S, at_ns % NS_PER_S};
    pthread_cond_timedwait(&queue->pushed, &queue->lock, &until);
}

static int64_t next_due(const struct writer *w)
{
    int64_t due = w->retention_due_ns;
    due = w->commits_due_ns < due ? w->commits_due_ns : due;
    return w->sync_due_ns < due ? w->sync_due_ns : due;
}

static bool is_stopping(const struct journal *journal)
{
    return atomic_load_explicit(&journal->should_stop, memory_order_relaxed);
}

/* Until something was pushed and has waited for company, or something is due. */
static void wait_for_work(struct writer *w)
{
    struct journal *journal = w->journal;
    struct queue *queue = &journal->queue;
    const struct broker_config *config = &journal->base.config;
    int64_t due_ns = next_due(w);
    int64_t first_ns = w->last_take_ns;
    pthread_mutex_lock(&queue->lock);
    while (atomic_load(&queue->head) == NULL && !is_stopping(journal) &&
           clock_monotonic_ns() < due_ns) {
        sleep_until(queue, due_ns);
        first_ns = clock_monotonic_ns();
    }
    if (config->group_delay_ns > 0 && atomic_load(&queue->head) != NULL)
        while (atomic_load(&queue->bytes) < (size_t)config->group_bytes &&
               !atomic_load(&queue->is_hurried) && !is_stopping(journal) &&
               clock_monotonic_ns() < first_ns + config->group_delay_ns)
            sleep_until(queue, first_ns + config->group_delay_ns);
    pthread_mutex_unlock(&queue->lock);
    atomic_store(&queue->is_hurried, false);
    w->last_take_ns = clock_monotonic_ns();
}

/* ---- from what was taken to a group ---- */

static void add_commit(struct writer *w, const struct commit *commit)
{
    struct written_commit *c = w->commits;
    for (size_t i = 0; i < w->commit_count; i++, c++)
        if (c->position == commit->position && c->is_start == commit->is_start) {
            c->offset = commit->offset > c->offset ? commit->offset : c->offset;
            return;
        }
    if (w->commit_count == w->commit_cap) {
        size_t cap = w->commit_cap == 0 ? 64 : w->commit_cap * 2;
        struct written_commit *grown = realloc(w->commits, cap * sizeof *grown);
        if (grown == NULL)
            return; /* legal: a position that is not written is read again */
        w->commits = grown;
        w->commit_cap = cap;
    }
    if (w->commit_count == 0)
        w->commits_due_ns = w->last_take_ns + COMMIT_DELAY_NS;
    w->commits[w->commit_count++] =
        (struct written_commit){commit->position, commit->offset, commit->is_start};
}

static void add_batch(struct writer *w, struct batch *batch)
{
    bool is_dead = topics_get(&w->journal->base.topics, batch->frame.topic)->is_dead_letters;
    w->has_dead |= is_dead;
    w->has_data |= !is_dead;
    w->topics[batch->frame.topic] = true;
    w->group_records += batch->frame.count;
    w->group_bytes += batch->len;
    *w->group_end = &batch->item;
    w->group_end = &batch->item.next;
}

/* Moves a prefix of `taken` into the group. */
static void gather_group(struct writer *w)
{
    w->group = NULL;
    w->group_end = &w->group;
    w->group_records = w->group_bytes = 0;
    w->has_dead = w->has_data = false;
    memset(w->topics, 0, sizeof w->topics);
    while (w->taken != NULL && w->group_bytes < JOURNAL_GROUP_BYTES_MAX) {
        struct item *item = w->taken;
        if (item->kind == ITEM_BATCH) {
            struct batch *batch = (struct batch *)(void *)item;
            if (w->group_records > 0 &&
                w->group_records + batch->frame.count > JOURNAL_GROUP_RECORDS_MAX)
                break;
            w->taken = item->next;
            add_batch(w, batch);
        } else {
            w->taken = item->next;
            add_commit(w, (struct commit *)(void *)item);
            free(item);
        }
    }
    *w->group_end = NULL;
}

/* ---- writing a group ---- */

/* No disk for the next segment: nothing is lost, so wait for some. */
static int wait_for_disk(struct writer *w, struct error *err)
{
    struct journal *journal = w->journal;
    if (atomic_exchange(&journal->fullness, FULL_FOR_ALL) != FULL_FOR_ALL)
        log_error("journal", "the disk is full: no acks until there is room", err);
    if (is_stopping(journal))
        return -1;
    retention_run(journal);
    atomic_store(&journal->fullness, FULL_FOR_ALL); /* whatever the cap says */
    atomic_store(&journal->room_bytes, 0);
    atomic_store(&journal->source_room_bytes, 0);
    pthread_mutex_lock(&journal->queue.lock);
    sleep_until(&journal->queue, clock_monotonic_ns() + DISK_RETRY_NS);
    pthread_mutex_unlock(&journal->queue.lock);
    err->kind = ERROR_NONE;
    return 0;
}

static int append_batch(struct writer *w, struct seglog *log, struct batch *batch,
                        struct error *err)
{
    struct partition_state *state =
        journal_partition(w->journal, batch->frame.topic, batch->frame.partition);
    batch->frame.base_offset = state->next;
    while (seglog_append(log, &batch->frame, batch->bytes, err) != 0)
        if (err->kind != ERROR_FULL || wait_for_disk(w, err) != 0)
            return -1;
    state->next += batch->frame.count;
    return 0;
}

static int append_batches(struct writer *w, struct seglog *log, struct error *err)
{
    for (struct item *item = w->group; item != NULL; item = item->next) {
        struct batch *batch = (struct batch *)(void *)item;
        if (journal_files_log(&w->journal->files, batch->frame.topic) == log &&
            append_batch(w, log, batch, err) != 0)
            return -1;
    }
    return 0;
}

static void put_commit(struct writer *w, const struct written_commit *c, struct buf *out)
{
    (void)w;
    struct position *position = c->position;
    struct note_commit note = {.group = bytes_from_text(position->group->name),
                               .is_start = c->is_start,
                               .topic = (uint16_t)position->topic,
                               .partition = (uint16_t)position->partition,
                               .offset = c->offset};
    note_put_commit(out, &note);
    if (!c->is_start && c->offset > position->written)
        position->written = c->offset;
}

static int append_commits(struct writer *w, struct error *err)
{
    if (w->commit_count == 0)
        return 0;
    struct buf payload;
    buf_init(&payload, 0);
    groups_lock(&w->journal->base.groups);
    for (size_t i = 0; i < w->commit_count; i++)
        put_commit(w, &w->commits[i], &payload);
    groups_unlock(&w->journal->base.groups);
    int result = -1;
    while (!payload.has_failed &&
           (result = seglog_append_note(&w->journal->files.data, FRAME_COMMITS, 0,
                                        buf_bytes(&payload), err)) != 0)
        if (err->kind != ERROR_FULL || wait_for_disk(w, err) != 0)
            break;
    if (payload.has_failed)
        error_set(err, ERROR_MEMORY, "no memory for %zu commits", w->commit_count);
    buf_deinit(&payload);
    return result;
}

static int sync_log(struct seglog *log, struct error *err)
{
    if (log->synced == log->end)
        return 0;
    int64_t began_ns = clock_monotonic_ns();
    int result = seglog_sync(log, err);
    metrics_add(METRIC_JOURNAL_SYNCS, 0, 1);
    metrics_observe(METRIC_JOURNAL_SYNC_SECONDS, 0, clock_monotonic_ns() - began_ns);
    return result;
}

/* As durable as the configuration asks for. */
static int settle_log(struct writer *w, struct seglog *log, struct error *err)
{
    if (w->journal->base.config.durability == DURABILITY_FSYNC)
        return sync_log(log, err);
    if (w->sync_due_ns == INT64_MAX && w->journal->base.config.durability == DURABILITY_INTERVAL)
        w->sync_due_ns = clock_monotonic_ns() + w->journal->base.config.sync_interval_ns;
    return seglog_flush(log, err);
}

static int write_group(struct writer *w, struct error *err)
{
    struct journal_files *files = &w->journal->files;
    if (w->has_dead &&
        (append_batches(w, &files->dead, err) != 0 || settle_log(w, &files->dead, err) != 0))
        return -1;
    if (w->has_data && append_batches(w, &files->data, err) != 0)
        return -1;
    if (append_commits(w, err) != 0)
        return -1;
    return settle_log(w, &files->data, err);
}

/* ---- telling ---- */

static void touch(struct writer *w, struct journal_producer *producer)
{
    if (!producer->is_touched) {
        producer->is_touched = true;
        producer->settled = 0;
        producer->next_touched = w->touched;
        w->touched = producer;
    }
    producer->settled++;
}

/* Once the state is set the batch is the producer's again. */
static void settle_batches(struct writer *w, enum batch_state state)
{
    for (struct item *item = w->group, *next; item != NULL; item = next) {
        struct batch *batch = (struct batch *)(void *)item;
        next = item->next;
        touch(w, batch->producer);
        if (state == BATCH_DURABLE) {
            struct partition_state *partition =
                journal_partition(w->journal, batch->frame.topic, batch->frame.partition);
            atomic_store_explicit(&partition->end, batch->frame.base_offset + batch->frame.count,
                                  memory_order_release);
        }
        atomic_store_explicit(&batch->state, state, memory_order_release);
    }
    w->group = NULL;
    atomic_fetch_sub(&w->journal->queue.bytes, w->group_bytes);
}

static void wake(struct writer *w)
{
    struct journal *journal = w->journal;
    pthread_mutex_lock(&journal->wake_lock);
    while (w->touched != NULL) {
        struct journal_producer *producer = w->touched;
        w->touched = producer->next_touched;
        producer->is_touched = false;
        journal_producer_wake(producer);
        /* the last: from here on its owner may free it */
        atomic_fetch_sub(&producer->in_flight, producer->settled);
    }
    journal_wake_consumers(journal, w->topics);
    journal_wake_waiters(journal);
    pthread_mutex_unlock(&journal->wake_lock);
}

static void settle_commits(struct writer *w)
{
    groups_lock(&w->journal->base.groups);
    for (size_t i = 0; i < w->commit_count; i++) {
        struct written_commit *c = &w->commits[i];
        if (!c->is_start && c->offset > c->position->durable)
            c->position->durable = c->offset;
    }
    groups_unlock(&w->journal->base.groups);
    w->commit_count = 0;
    w->commits_due_ns = INT64_MAX;
    if (atomic_load(&w->journal->fullness) != FULL_NOT) {
        int64_t soon_ns = clock_monotonic_ns() + PRESSED_INTERVAL_NS;
        w->retention_due_ns = soon_ns < w->retention_due_ns ? soon_ns : w->retention_due_ns;
    }
}

static void count_group(const struct writer *w)
{
    if (w->group_records == 0)
        return;
    metrics_add(METRIC_JOURNAL_BYTES_WRITTEN, 0, (int64_t)w->group_bytes);
    metrics_observe(METRIC_JOURNAL_GROUP_BYTES, 0, (int64_t)w->group_bytes);
    metrics_observe(METRIC_JOURNAL_GROUP_RECORDS, 0, (int64_t)w->group_records);
}

static void finish_group(struct writer *w, size_t segments_before)
{
    struct journal_files *files = &w->journal->files;
    bool has_rotated = files->data.count + files->dead.count != segments_before;
    seglog_show(&files->dead, files->dead.end);
    seglog_show(&files->data, files->data.end);
    journal_files_publish(files, has_rotated);
    if (has_rotated) /* before sources are told to go on */
        retention_run(w->journal);
    retention_set_room(w->journal);
    count_group(w);
    settle_batches(w, BATCH_DURABLE);
    settle_commits(w);
    wake(w);
}

static void fail_group(struct writer *w)
{
    settle_batches(w, BATCH_FAILED);
    w->commit_count = 0;
    w->commits_due_ns = w->sync_due_ns = INT64_MAX;
    wake(w);
}

static void run_group(struct writer *w)
{
    struct journal_files *files = &w->journal->files;
    size_t segments = files->data.count + files->dead.count;
    struct error err = {0};
    if (broker_has_failed(&w->journal->base)) {
        fail_group(w);
    } else if (write_group(w, &err) != 0) {
        broker_fail(&w->journal->base, &err);
        fail_group(w);
    } else {
        finish_group(w, segments);
    }
}

/* ---- the thread ---- */

static void sync_interval(struct writer *w)
{
    struct error err = {0};
    w->sync_due_ns = INT64_MAX;
    if (!broker_has_failed(&w->journal->base) && (sync_log(&w->journal->files.dead, &err) != 0 ||
                                                  sync_log(&w->journal->files.data, &err) != 0))
        broker_fail(&w->journal->base, &err);
}

static void do_what_is_due(struct writer *w)
{
    int64_t now_ns = clock_monotonic_ns();
    if (now_ns >= w->commits_due_ns || (is_stopping(w->journal) && w->commit_count > 0)) {
        gather_group(w); /* of nothing but commits */
        run_group(w);
    }
    if (now_ns >= w->sync_due_ns)
        sync_interval(w);
    if (now_ns >= w->retention_due_ns) {
        if (!broker_has_failed(&w->journal->base))
            retention_run(w->journal);
        w->retention_due_ns = now_ns + RETENTION_INTERVAL_NS;
    }
}

static void *run(void *context)
{
    struct writer w = {.journal = context,
                       .commits_due_ns = INT64_MAX,
                       .sync_due_ns = INT64_MAX,
                       .last_take_ns = clock_monotonic_ns()};
    for (;;) {
        wait_for_work(&w);
        bool is_last = is_stopping(w.journal);
        w.taken = queue_take(&w.journal->queue);
        if (is_last && w.taken == NULL && w.commit_count == 0)
            break;
        while (w.taken != NULL) {
            gather_group(&w);
            if (w.group != NULL)
                run_group(&w);
        }
        do_what_is_due(&w);
    }
    free(w.commits);
    return NULL;
}

int writer_start(struct journal *journal, struct error *err)
{
    int result = pthread_create(&journal->writer, NULL, run, journal);
    if (result != 0)
        return error_set_errno(err, ERROR_IO, result, "can't start the journal's writer");
    journal->has_writer = true;
    return 0;
}

void writer_stop(struct journal *journal)
{
    if (!journal->has_writer)
        return;
    atomic_store(&journal->should_stop, true);
    queue_wake(&journal->queue);
    pthread_join(journal->writer, NULL);
    journal->has_writer = false;
}
