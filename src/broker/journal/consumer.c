/* SPDX-License-Identifier: Apache-2.0 */
/* The consuming side: walk the frames of a log in order of position, pass over
 * those that are not this consumer's by their header, give the records of the
 * others. A consumer of dead-letter topics walks the dead-letter log, too.
 *
 * A partition's `next` offset decides what is given; the position is only where
 * to look. So when a partition is gained or sought the walk goes back as far as
 * that one needs, and what the others have had is passed over again.
 *
 * A batch borrows from the reader's window: when the window must move and
 * something was gathered already, the fetch ends there. */
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "broker/assignment.h"
#include "broker/journal/journal.h"
#include "broker/journal/reader.h"
#include "observe/log.h"
#include "observe/metrics.h"

#define FOLLOW_INTERVAL_NS (20 * NS_PER_MS)

struct walk {
    struct seglog *log;
    struct segment *segment; /* a reference, or NULL */
    struct reader reader;
    uint64_t position; /* of the next frame to look at */
    /* inside a frame whose records are being given */
    bool is_in_frame;
    struct frame frame;
    size_t done_bytes; /* of its payload */
    int64_t offset;    /* of the next record in it */
    bool is_needed;    /* a topic of this log is read */
};

struct journal_consumer {
    struct consumer base;
    struct journal *journal;
    struct list node;
    struct assignment assignment;
    void (*wake)(void *context);
    void *context;
    atomic_bool is_armed; /* a fetch found nothing since the last wake */
    struct walk walks[2];
    unsigned turn;
    struct consumed *out;
    size_t count, cap;
};

static struct journal_consumer *as_consumer(struct consumer *consumer)
{
    return (struct journal_consumer *)(void *)consumer;
}

/* ---- where things are ---- */

static void walk_to(struct walk *walk, uint64_t position)
{
    walk->position = position;
    walk->is_in_frame = false;
    segment_unref(walk->segment);
    walk->segment = NULL;
}

static void go_back(struct journal_consumer *consumer, const struct cursor *c)
{
    struct seglog *log = journal_files_log(&consumer->journal->files, c->topic);
    struct walk *walk = &consumer->walks[log == &consumer->journal->files.dead];
    uint64_t position = seglog_find(log, c->topic, c->partition, c->next);
    if (position <= walk->position)
        walk_to(walk, position);
}

static void start_walks(struct journal_consumer *consumer)
{
    for (int i = 0; i < 2; i++)
        walk_to(&consumer->walks[i], UINT64_MAX);
    for (size_t i = 0; i < consumer->assignment.count; i++)
        if (consumer->assignment.cursors[i].is_owned)
            go_back(consumer, &consumer->assignment.cursors[i]);
}

/* The first offset received at or after time_ns: by the segments' indexes, then
 * frame by frame. */
static int64_t find_time(struct journal *journal, int topic, int partition, int64_t time_ns)
{
    struct seglog *log = journal_files_log(&journal->files, topic);
    struct segment *segment = NULL;
    struct reader reader;
    int64_t found = -1;
    uint64_t at = seglog_find_time(log, topic, partition, time_ns);
    reader_init(&reader, journal->io);
    while (found < 0 && at < seglog_visible(log)) {
        if (segment == NULL || at >= segment->first + segment->size) {
            segment_unref(segment);
            segment = seglog_segment_at(log, at);
            if (segment == NULL)
                break;
            reader_set(&reader, segment->fd, segment->first);
            if (at < segment->first + SEGMENT_HEADER_BYTES)
                at = segment->first + SEGMENT_HEADER_BYTES;
        }
        struct frame frame;
        const uint8_t *payload;
        struct error err = {0};
        if (reader_frame(&reader, at, seglog_visible(log), &frame, &payload, &err) != FRAME_GOOD)
            break;
        at += frame_len(&frame);
        if (frame.type == FRAME_SEAL) {
            at = segment->first + segment->size; /* on to the next */
            segment_unref(segment);
            segment = seglog_segment_at(log, at);
            if (segment == NULL)
                break;
            reader_set(&reader, segment->fd, segment->first);
            at = segment->first + SEGMENT_HEADER_BYTES;
        }
        if (frame.type != FRAME_RECORDS || frame.topic != topic || frame.partition != partition ||
            frame.time_max < time_ns)
            continue;
        const uint8_t *end = payload + frame.payload_len;
        struct record record;
        for (int64_t offset = frame.base_offset; found < 0 && record_decode(&payload, end, &record);
             offset++)
            if (record.timestamp_ns >= time_ns)
                found = offset;
    }
    segment_unref(segment);
    reader_deinit(&reader);
    if (found >= 0)
        return found;
    return atomic_load(&journal_partition(journal, topic, partition)->end);
}

static int64_t resolve(struct broker *broker, int topic, int partition, enum consumer_start start,
                       int64_t value)
{
    struct journal *journal = as_journal(broker);
    int64_t end = atomic_load(&journal_partition(journal, topic, partition)->end);
    if (start == CONSUMER_FROM_OFFSET)
        return value;
    if (start == CONSUMER_FROM_LATEST)
        return end;
    if (start == CONSUMER_FROM_TIME)
        return find_time(journal, topic, partition, value);
    return seglog_earliest(journal_files_log(&journal->files, topic), topic, partition, end);
}

/* ---- open, close ---- */

static int push_commit(struct journal *journal, struct position *position, int64_t offset,
                       bool is_start)
{
    struct commit *commit = malloc(sizeof *commit);
    if (commit == NULL)
        return -1;
    *commit = (struct commit){.item = {.kind = ITEM_COMMIT},
                              .position = position,
                              .offset = offset,
                              .is_start = is_start};
    queue_push(&journal->queue, &commit->item, &commit->item, 0, 1);
    return 0;
}

/* From now on retention waits for this group, after a restart, too. */
static void register_positions(struct journal_consumer *consumer)
{
    for (size_t i = 0; i < consumer->assignment.count; i++) {
        struct position *position = consumer->assignment.cursors[i].position;
        groups_lock(&consumer->journal->base.groups);
        bool is_new = position->committed < 0 && position->durable < 0;
        int64_t start = position->start;
        groups_unlock(&consumer->journal->base.groups);
        if (is_new)
            push_commit(consumer->journal, position, start, true);
    }
}

int journal_consumer_open(struct consumer **out, struct broker *broker,
                          const struct consumer_options *options, struct error *err)
{
    struct journal *journal = as_journal(broker);
    struct journal_consumer *consumer = calloc(1, sizeof *consumer);
    if (consumer == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a consumer");
    consumer->journal = journal;
    consumer->wake = options->wake;
    consumer->context = options->context;
    if (assignment_init(&consumer->assignment, broker, options, resolve, err) != 0) {
        free(consumer);
        return -1;
    }
    struct seglog *logs[2] = {&journal->files.data, &journal->files.dead};
    for (int i = 0; i < 2; i++) {
        consumer->walks[i].log = logs[i];
        reader_init(&consumer->walks[i].reader, journal->io);
    }
    for (size_t i = 0; i < options->topic_count; i++)
        consumer->walks[journal_files_log(&journal->files, options->topics[i]) == logs[1]]
            .is_needed = true;
    if (options->group != NULL)
        register_positions(consumer);
    start_walks(consumer);
    pthread_mutex_lock(&journal->wake_lock);
    list_append(&journal->consumers, &consumer->node);
    if (options->group != NULL) {
        journal_wake_consumers(journal, NULL);
        journal_wake_waiters(journal);
    }
    pthread_mutex_unlock(&journal->wake_lock);
    *out = &consumer->base;
    return 0;
}

void journal_consumer_close(struct consumer *base)
{
    struct journal_consumer *consumer = as_consumer(base);
    struct journal *journal = consumer->journal;
    assignment_deinit(&consumer->assignment);
    pthread_mutex_lock(&journal->wake_lock);
    list_remove(&consumer->node);
    journal_wake_consumers(journal, NULL); /* its partitions are free */
    journal_wake_waiters(journal);
    pthread_mutex_unlock(&journal->wake_lock);
    for (int i = 0; i < 2; i++) {
        segment_unref(consumer->walks[i].segment);
        reader_deinit(&consumer->walks[i].reader);
    }
    free(consumer->out);
    free(consumer);
}

void journal_wake_consumers(struct journal *journal, const bool topics[TOPICS_MAX])
{
    for (struct list *node = journal->consumers.next; node != &journal->consumers;
         node = node->next) {
        struct journal_consumer *consumer = list_item(node, struct journal_consumer, node);
        if (consumer->wake == NULL || !atomic_load(&consumer->is_armed))
            continue;
        bool concerns = topics == NULL;
        for (int t = 0; !concerns && t < TOPICS_MAX; t++)
            concerns = topics[t] && consumer->assignment.of_topic[t] != NULL;
        if (concerns && atomic_exchange(&consumer->is_armed, false))
            consumer->wake(consumer->context);
    }
}

/* ---- the walk ---- */

/* The segment at the position; false: nothing there yet. */
static bool enter_segment(struct walk *walk)
{
    if (walk->segment != NULL && walk->position < walk->segment->first + walk->segment->size)
        return true;
    segment_unref(walk->segment);
    walk->segment = seglog_segment_at(walk->log, walk->position);
    if (walk->segment == NULL)
        return false;
    reader_set(&walk->reader, walk->segment->fd, walk->segment->first);
    if (walk->position < walk->segment->first + SEGMENT_HEADER_BYTES)
        walk->position = walk->segment->first + SEGMENT_HEADER_BYTES;
    return true;
}

/* Bytes below the watermark are not what was written: go on behind them. */
static void skip_damage(struct walk *walk, uint64_t visible)
{
    struct frame frame;
    uint64_t end = walk->segment->first + (walk->segment->size & ~(uint64_t)(FRAME_ALIGN - 1));
    uint64_t limit = visible < end ? visible : end;
    uint64_t next = reader_find_frame(&walk->reader, walk->position, limit, &frame);
    if (next == 0)
        next = limit;
    log_event(LOG_ERROR, "journal", "damaged bytes passed over: records may be lost",
              LOG_T("segment", walk->segment->path), LOG_I("position", walk->position),
              LOG_I("bytes", next - walk->position));
    metrics_add(METRIC_JOURNAL_DAMAGED_BYTES, 0, (int64_t)(next - walk->position));
    walk->position = next;
}

static struct cursor *cursor_for(struct journal_consumer *consumer, const struct frame *frame)
{
    if (frame->type != FRAME_RECORDS || frame->topic >= TOPICS_MAX)
        return NULL;
    struct cursor *first = consumer->assignment.of_topic[frame->topic];
    if (first == NULL || frame->partition >= broker_partitions(consumer->base.broker, frame->topic))
        return NULL;
    struct cursor *c = first + frame->partition;
    return c->is_owned && c->next < frame->base_offset + frame->count ? c : NULL;
}

/* Give records of the frame that the walk is in, whose payload is in the window. */
static void give(struct journal_consumer *consumer, struct walk *walk, struct cursor *c,
                 const uint8_t *payload, size_t max)
{
    const uint8_t *at = payload + walk->done_bytes;
    const uint8_t *end = payload + walk->frame.payload_len;
    int64_t frame_end = walk->frame.base_offset + walk->frame.count;
    struct record record;
    while (consumer->count < max && walk->offset < frame_end && record_decode(&at, end, &record)) {
        int64_t offset = walk->offset++;
        if (offset < c->next)
            continue;
        c->next = offset + 1;
        consumer->out[consumer->count++] =
            (struct consumed){record, c->topic, c->partition, offset};
    }
    walk->done_bytes = (size_t)(at - payload);
    if (walk->offset < frame_end && consumer->count == max)
        return;
    walk->is_in_frame = false;
    walk->position += frame_len(&walk->frame);
}

enum step { STEP_ON, STEP_STOP };

/* A frame's header is in the window: pass over it, or give from it. */
static enum step take_frame(struct journal_consumer *consumer, struct walk *walk, size_t max,
                            uint64_t visible, struct error *err)
{
    uint64_t len = frame_len(&walk->frame);
    struct cursor *c = cursor_for(consumer, &walk->frame);
    if (walk->frame.type == FRAME_SEAL) {
        walk->position = walk->segment->first + walk->segment->size;
        uint64_t end = walk->frame.position + len;
        segment_unref(walk->segment);
        walk->segment = NULL;
        walk->position = end;
        return STEP_ON;
    }
    if (c == NULL) {
        walk->is_in_frame = false;
        walk->position += len;
        return STEP_ON;
    }
    if (consumer->count > 0 && !reader_has(&walk->reader, walk->position, (size_t)len))
        return STEP_STOP; /* what was gathered borrows from the window */
    const uint8_t *whole = reader_get(&walk->reader, walk->position, (size_t)len, visible, err);
    if (whole == NULL && err->kind != ERROR_NONE)
        return STEP_STOP;
    const uint8_t *payload = whole == NULL ? NULL : whole + FRAME_HEADER_BYTES;
    if (!walk->is_in_frame && (whole == NULL || !frame_check_payload(&walk->frame, payload))) {
        if (consumer->count > 0)
            return STEP_STOP;
        skip_damage(walk, visible);
        return STEP_ON;
    }
    if (!walk->is_in_frame) {
        walk->is_in_frame = true;
        walk->done_bytes = 0;
        walk->offset = walk->frame.base_offset;
    }
    give(consumer, walk, c, payload, max);
    return STEP_ON;
}

/* One frame further. */
static enum step step(struct journal_consumer *consumer, struct walk *walk, size_t max,
                      struct error *err)
{
    uint64_t visible = seglog_visible(walk->log);
    if (walk->position >= visible || !enter_segment(walk) || walk->position >= visible)
        return STEP_STOP;
    if (walk->is_in_frame)
        return take_frame(consumer, walk, max, visible, err);
    if (consumer->count > 0 && !reader_has(&walk->reader, walk->position, FRAME_HEADER_BYTES))
        return STEP_STOP;
    const uint8_t *header =
        reader_get(&walk->reader, walk->position, FRAME_HEADER_BYTES, visible, err);
    if (header == NULL)
        return STEP_STOP;
    enum frame_state state = frame_decode(header, walk->position, &walk->frame);
    if (state == FRAME_GOOD)
        return take_frame(consumer, walk, max, visible, err);
    if (consumer->count > 0 || (consumer->base.broker->is_readonly && state == FRAME_END))
        return STEP_STOP;
    skip_damage(walk, visible);
    return STEP_ON;
}

static void gather(struct journal_consumer *consumer, size_t max, struct error *err)
{
    for (int i = 0; i < 2; i++) {
        struct walk *walk = &consumer->walks[(consumer->turn + (unsigned)i) % 2];
        while (walk->is_needed && consumer->count < max &&
               step(consumer, walk, max, err) == STEP_ON) {
        }
    }
    consumer->turn++;
}

/* ---- fetching ---- */

static void sync_assignment(struct journal_consumer *consumer)
{
    if (!assignment_has_changed(&consumer->assignment))
        return;
    if (consumer->base.on_revoke != NULL)
        consumer->base.on_revoke(consumer->base.context);
    unsigned what = assignment_sync(&consumer->assignment);
    if ((what & ASSIGNMENT_GAINED) != 0)
        start_walks(consumer);
    if ((what & ASSIGNMENT_GAVE) == 0)
        return;
    pthread_mutex_lock(&consumer->journal->wake_lock);
    journal_wake_consumers(consumer->journal, NULL);
    journal_wake_waiters(consumer->journal);
    pthread_mutex_unlock(&consumer->journal->wake_lock);
}

static bool may_have_more(const struct journal_consumer *consumer)
{
    for (int i = 0; i < 2; i++)
        if (consumer->walks[i].is_needed &&
            consumer->walks[i].position < seglog_visible(consumer->walks[i].log))
            return true;
    return assignment_has_changed(&consumer->assignment);
}

static int reserve(struct journal_consumer *consumer, size_t max, struct error *err)
{
    if (consumer->cap >= max)
        return 0;
    struct consumed *grown = realloc(consumer->out, max * sizeof *grown);
    if (grown == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for %zu records", max);
    consumer->out = grown;
    consumer->cap = max;
    return 0;
}

/* A follower has nobody to wake it: it looks again now and then. */
static bool wait_for_more(struct journal_consumer *consumer, int64_t deadline_ns)
{
    struct journal *journal = consumer->journal;
    bool is_follower = journal->base.is_readonly;
    bool is_in_time = true;
    pthread_mutex_lock(&journal->wake_lock);
    if (is_follower) {
        int64_t look_ns = clock_monotonic_ns() + FOLLOW_INTERVAL_NS;
        journal_wait_progress(journal, look_ns < deadline_ns ? look_ns : deadline_ns);
        is_in_time = clock_monotonic_ns() < deadline_ns;
    } else {
        while (!may_have_more(consumer) && is_in_time)
            is_in_time = journal_wait_progress(journal, deadline_ns);
    }
    pthread_mutex_unlock(&journal->wake_lock);
    return is_in_time;
}

static void look(struct journal_consumer *consumer, size_t max, struct error *err)
{
    if (consumer->journal->base.is_readonly)
        journal_refresh(consumer->journal);
    sync_assignment(consumer);
    gather(consumer, max, err);
}

int journal_fetch(struct consumer *base, struct consumed_batch *out, size_t max, int64_t timeout_ns,
                  struct error *err)
{
    struct journal_consumer *consumer = as_consumer(base);
    struct error failure = {0};
    if (reserve(consumer, max, err) != 0)
        return -1;
    int64_t deadline_ns = timeout_ns > 0 ? clock_monotonic_ns() + timeout_ns : 0;
    consumer->count = 0;
    atomic_store(&consumer->is_armed, false);
    for (bool is_in_time = timeout_ns > 0;;) {
        look(consumer, max, &failure);
        if (consumer->count > 0 || failure.kind != ERROR_NONE)
            break;
        if (!is_in_time) {
            /* Armed first, then looked again: a record that came between either
             * is seen now or wakes. */
            if (atomic_exchange(&consumer->is_armed, true))
                break;
            continue;
        }
        is_in_time = wait_for_more(consumer, deadline_ns);
    }
    *out = (struct consumed_batch){consumer->out, consumer->count};
    if (consumer->count > 0 || failure.kind == ERROR_NONE)
        return 0;
    if (err != NULL)
        *err = failure;
    return -1;
}

int journal_commit(struct consumer *base, int topic, int partition, int64_t next_offset,
                   struct error *err)
{
    struct journal_consumer *consumer = as_consumer(base);
    struct position *position = NULL;
    groups_lock(&base->broker->groups);
    int result =
        group_commit(&consumer->assignment.member, topic, partition, next_offset, &position, err);
    int64_t committed = result == 0 ? position->committed : 0;
    groups_unlock(&base->broker->groups);
    if (result != 0)
        return -1;
    if (push_commit(consumer->journal, position, committed, false) != 0)
        return error_set(err, ERROR_MEMORY, "no memory for a commit");
    return 0;
}

int journal_seek(struct consumer *base, int topic, int partition, int64_t offset, struct error *err)
{
    struct journal_consumer *consumer = as_consumer(base);
    struct cursor *c = assignment_find(&consumer->assignment, topic, partition);
    if (c == NULL || !c->is_owned)
        return error_set(err, ERROR_NOT_FOUND, "topic %d partition %d is not this consumer's",
                         topic, partition);
    c->next = offset;
    start_walks(consumer);
    return 0;
}

int64_t journal_next_offset(struct consumer *base, int topic, int partition)
{
    struct cursor *c = assignment_find(&as_consumer(base)->assignment, topic, partition);
    return c == NULL || !c->is_owned ? -1 : c->next;
}

size_t journal_owned(const struct consumer *base)
{
    const struct journal_consumer *consumer = (const struct journal_consumer *)(const void *)base;
    return assignment_owned(&consumer->assignment);
}
