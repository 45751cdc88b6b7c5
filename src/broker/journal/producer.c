/* SPDX-License-Identifier: Apache-2.0 */
/* The producing side. publish encodes the record straight into the frame of its
 * (topic, partition): the one copy it makes. flush sums the frames and pushes
 * them all at once. The batch stays the producer's memory: the writer only
 * turns its state to DURABLE or FAILED, and poll walks the ring of tags, in
 * order of publishing, as far as the batches are settled. */
#include "broker/journal/producer.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/crc32c.h"
#include "base/must.h"

enum {
    BATCH_BYTES_FIRST = 4096,
    BATCH_BYTES_MAX = 128 * 1024, /* a fuller one is handed over */
    PENDING_FIRST = 1024,
};

static struct journal_producer *as_producer(struct producer *producer)
{
    return (struct journal_producer *)(void *)producer;
}

int journal_producer_open(struct producer **out, struct broker *broker, struct error *err)
{
    struct journal_producer *producer = calloc(1, sizeof *producer);
    if (producer == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a producer");
    producer->journal = as_journal(broker);
    producer->pending = malloc(PENDING_FIRST * sizeof *producer->pending);
    producer->mask = PENDING_FIRST - 1;
    /* Several fit a segment, or much of each would stay empty. */
    uint64_t part = producer->journal->files.data.segment_bytes / 8;
    producer->batch_bytes_max = part < BATCH_BYTES_MAX ? (size_t)part : (size_t)BATCH_BYTES_MAX;
    if (producer->pending == NULL) {
        free(producer);
        return error_set(err, ERROR_MEMORY, "no memory for a producer");
    }
    *out = &producer->base;
    return 0;
}

static void batch_free(struct batch *batch)
{
    free(batch->bytes);
    free(batch);
}

/* ---- batches ---- */

/* Room for `more` bytes of payload, its header and padding. */
static bool batch_reserve(struct batch *batch, size_t more)
{
    size_t need = FRAME_HEADER_BYTES + batch->len + more + FRAME_ALIGN;
    if (need <= batch->cap)
        return true;
    size_t cap = batch->cap == 0 ? (size_t)BATCH_BYTES_FIRST : batch->cap;
    while (cap < need)
        cap *= 2;
    uint8_t *grown = realloc(batch->bytes, cap);
    if (grown == NULL)
        return false;
    batch->bytes = grown;
    batch->cap = cap;
    return true;
}

static struct batch *batch_take(struct journal_producer *producer)
{
    struct batch *batch = producer->free_batches;
    if (batch != NULL) {
        producer->free_batches = batch->next_free;
        producer->free_bytes -= batch->cap;
        return batch;
    }
    batch = calloc(1, sizeof *batch);
    if (batch != NULL) {
        batch->producer = producer;
        batch->item.kind = ITEM_BATCH;
    }
    return batch;
}

/* Kept for the next one, as much as the queue may hold. */
static void batch_recycle(struct journal_producer *producer, struct batch *batch)
{
    if (producer->free_bytes + batch->cap >
        (size_t)producer->journal->base.config.producer_queue_bytes) {
        batch_free(batch);
        return;
    }
    batch->next_free = producer->free_batches;
    producer->free_batches = batch;
    producer->free_bytes += batch->cap;
}

static struct batch **slot_of(struct journal_producer *producer, int topic, int partition)
{
    if (producer->open[topic] == NULL) {
        size_t partitions = (size_t)broker_partitions(producer->base.broker, topic);
        producer->open[topic] = calloc(partitions, sizeof(struct batch *));
        if (producer->open[topic] == NULL)
            return NULL;
    }
    return &producer->open[topic][partition];
}

static struct batch *batch_open(struct journal_producer *producer, struct batch **slot, int topic,
                                int partition)
{
    struct batch *batch = batch_take(producer);
    if (batch == NULL)
        return NULL;
    batch->len = 0;
    batch->delivered = 0;
    batch->returned = 0;
    batch->frame = (struct frame){.type = FRAME_RECORDS,
                                  .topic = (uint16_t)topic,
                                  .partition = (uint16_t)partition,
                                  .time_min = INT64_MAX,
                                  .time_max = INT64_MIN};
    atomic_store_explicit(&batch->state, BATCH_OPEN, memory_order_relaxed);
    batch->next_free = producer->opened;
    producer->opened = batch;
    *slot = batch;
    return batch;
}

/* ---- publishing ---- */

static size_t encoded_max(const struct record *record)
{
    return RECORD_OVERHEAD_MAX + record->key.len + record->value.len + record->mc.len +
           record->traceparent.len;
}

/* Would the log be beyond its cap with all that is on the way? */
static bool is_at_cap(const struct journal_producer *producer, size_t bytes)
{
    const struct journal *journal = producer->journal;
    const _Atomic int64_t *room =
        producer->base.handler.uses_reserve ? &journal->room_bytes : &journal->source_room_bytes;
    size_t queued = atomic_load_explicit(&journal->queue.bytes, memory_order_relaxed);
    return (int64_t)(queued + producer->opened_bytes + bytes) >
           atomic_load_explicit(room, memory_order_relaxed);
}

static bool is_full(const struct journal_producer *producer, size_t bytes)
{
    const struct broker_config *config = &producer->journal->base.config;
    /* One record always fits, or a large one would wait for ever. */
    return is_at_cap(producer, bytes) ||
           producer->head - producer->tail >= (size_t)config->producer_queue_records ||
           (producer->bytes > 0 && producer->bytes + bytes > (size_t)config->producer_queue_bytes);
}

static bool pending_reserve(struct journal_producer *producer)
{
    size_t size = producer->mask + 1;
    if (producer->head - producer->tail < size)
        return true;
    struct pending *grown = malloc(2 * size * sizeof *grown);
    if (grown == NULL)
        return false;
    for (size_t i = producer->tail; i != producer->head; i++)
        grown[i & (2 * size - 1)] = producer->pending[i & producer->mask];
    free(producer->pending);
    producer->pending = grown;
    producer->mask = 2 * size - 1;
    return true;
}

static void append(struct journal_producer *producer, struct batch *batch,
                   const struct record *record, uint64_t tag)
{
    size_t len = record_encode(record, batch->bytes + FRAME_HEADER_BYTES + batch->len);
    batch->len += len;
    batch->frame.count++;
    if (record->timestamp_ns < batch->frame.time_min)
        batch->frame.time_min = record->timestamp_ns;
    if (record->timestamp_ns > batch->frame.time_max)
        batch->frame.time_max = record->timestamp_ns;
    producer->pending[producer->head++ & producer->mask] = (struct pending){tag, batch};
    producer->bytes += len;
    producer->opened_bytes += len;
}

enum publish_result journal_publish(struct producer *base, int topic, int partition,
                                    const struct record *record, uint64_t tag)
{
    struct journal_producer *producer = as_producer(base);
    size_t bytes = encoded_max(record);
    if (is_full(producer, bytes) || broker_has_failed(base->broker) || !pending_reserve(producer))
        return PUBLISH_FULL;
    struct batch **slot = slot_of(producer, topic, partition);
    if (slot == NULL)
        return PUBLISH_FULL;
    if (*slot != NULL && (*slot)->len + bytes > producer->batch_bytes_max)
        journal_flush(base); /* all of them: the order of publishing is the order of the log */
    struct batch *batch = *slot != NULL ? *slot : batch_open(producer, slot, topic, partition);
    if (batch == NULL || !batch_reserve(batch, bytes))
        return PUBLISH_FULL;
    append(producer, batch, record, tag);
    return PUBLISH_ACCEPTED;
}

static void batch_finish(struct batch *batch)
{
    uint8_t *payload = batch->bytes + FRAME_HEADER_BYTES;
    batch->frame.payload_len = (uint32_t)batch->len;
    batch->frame.payload_crc = crc32c(0, payload, batch->len);
    memset(payload + batch->len, 0, frame_align(batch->len) - batch->len);
    atomic_store_explicit(&batch->state, BATCH_QUEUED, memory_order_relaxed);
}

void journal_flush(struct producer *base)
{
    struct journal_producer *producer = as_producer(base);
    struct item *newest = NULL;
    struct item *oldest = NULL;
    size_t count = 0;
    while (producer->opened != NULL) {
        struct batch *batch = producer->opened;
        producer->opened = batch->next_free;
        producer->open[batch->frame.topic][batch->frame.partition] = NULL;
        if (batch->frame.count == 0) { /* memory ran out before its first record */
            batch_recycle(producer, batch);
            continue;
        }
        batch_finish(batch);
        if (newest == NULL)
            newest = &batch->item;
        else
            oldest->next = &batch->item;
        oldest = &batch->item;
        count++;
    }
    if (newest == NULL)
        return;
    size_t bytes = producer->opened_bytes;
    producer->opened_bytes = 0;
    atomic_fetch_add(&producer->in_flight, count);
    queue_push(&producer->journal->queue, newest, oldest, bytes,
               (size_t)producer->journal->base.config.group_bytes);
}

/* ---- delivering ---- */

static void settle(struct journal_producer *producer, struct batch *batch)
{
    if (batch->delivered < batch->frame.count)
        return;
    producer->bytes -= batch->len;
    batch_recycle(producer, batch);
}

/* The batch's next record: from its first to its last, for what goes back is
 * never preceded by a durable one of the same batch. */
static void give_back(struct journal_producer *producer, const struct pending *pending)
{
    struct batch *batch = pending->batch;
    const uint8_t *payload = batch->bytes + FRAME_HEADER_BYTES;
    const uint8_t *at = payload + batch->returned;
    struct record record;
    must(record_decode(&at, payload + batch->len, &record));
    batch->returned = (size_t)(at - payload);
    producer_return(&producer->base, pending->tag, batch->frame.topic, &record);
}

/* Tell the owner of one record, which is settled or will not be. */
static void tell(struct journal_producer *producer, const struct pending *pending)
{
    struct batch *batch = pending->batch;
    uint32_t nth = batch->delivered++;
    if (atomic_load_explicit(&batch->state, memory_order_acquire) == BATCH_DURABLE)
        producer_deliver(&producer->base, pending->tag, DELIVERY_DURABLE,
                         batch->frame.base_offset + nth);
    else
        give_back(producer, pending);
}

/* The callbacks may publish and flush. */
static void deliver(struct journal_producer *producer)
{
    while (producer->tail != producer->head) {
        struct pending next = producer->pending[producer->tail & producer->mask];
        int state = atomic_load_explicit(&next.batch->state, memory_order_acquire);
        if (state != BATCH_DURABLE && state != BATCH_FAILED)
            return;
        producer->tail++;
        tell(producer, &next);
        settle(producer, next.batch);
    }
}

/* What is not yet pushed never will be. What is may be on the disk any moment:
 * its fate is known soon, and stands in front in the ring. */
void journal_recall(struct producer *base)
{
    struct journal_producer *producer = as_producer(base);
    while (producer->opened != NULL) {
        struct batch *batch = producer->opened;
        producer->opened = batch->next_free;
        producer->open[batch->frame.topic][batch->frame.partition] = NULL;
        if (batch->frame.count == 0)
            batch_recycle(producer, batch);
        else
            atomic_store_explicit(&batch->state, BATCH_FAILED, memory_order_relaxed);
    }
    producer->opened_bytes = 0;
    if (base->pending > 0 && base->handler.wake != NULL)
        base->handler.wake(base->handler.context);
}

/* Half empty: so that room is not told record by record. */
static bool has_room(const struct journal_producer *producer)
{
    const struct broker_config *config = &producer->journal->base.config;
    return !is_full(producer, 0) &&
           producer->head - producer->tail <= (size_t)config->producer_queue_records / 2 &&
           producer->bytes <= (size_t)config->producer_queue_bytes / 2;
}

void journal_poll(struct producer *base)
{
    struct journal_producer *producer = as_producer(base);
    deliver(producer);
    if (atomic_load_explicit(&base->wants_room, memory_order_relaxed) && has_room(producer) &&
        !broker_has_failed(base->broker))
        producer_tell_room(base);
}

static bool can_deliver(const struct journal_producer *producer)
{
    if (producer->tail == producer->head)
        return false;
    struct batch *batch = producer->pending[producer->tail & producer->mask].batch;
    int state = atomic_load_explicit(&batch->state, memory_order_acquire);
    return state == BATCH_DURABLE || state == BATCH_FAILED;
}

static void wait_until(struct journal_producer *producer, int64_t deadline_ns)
{
    struct journal *journal = producer->journal;
    pthread_mutex_lock(&journal->wake_lock);
    while (!can_deliver(producer)) {
        bool waits_for_room = atomic_load(&producer->base.wants_room);
        if (producer->tail == producer->head && waits_for_room && has_room(producer))
            break;
        if (!journal_wait_progress(journal, deadline_ns))
            break;
    }
    pthread_mutex_unlock(&journal->wake_lock);
}

void journal_wait(struct producer *base, int64_t timeout_ns)
{
    struct journal_producer *producer = as_producer(base);
    if (producer->tail == producer->head && !atomic_load(&base->wants_room))
        return;
    wait_until(producer, clock_monotonic_ns() + timeout_ns);
}

void journal_producer_wake(struct journal_producer *producer)
{
    if (!producer->is_closed && producer->base.handler.wake != NULL)
        producer->base.handler.wake(producer->base.handler.context);
}

/* Nobody else has a batch of it any more: those still in the ring go, too. */
void journal_producer_free(struct journal_producer *producer)
{
    for (size_t i = producer->tail; i != producer->head; i++) {
        struct batch *batch = producer->pending[i & producer->mask].batch;
        if (batch->is_to_free)
            continue;
        batch->is_to_free = true;
        batch->next_free = producer->free_batches;
        producer->free_batches = batch;
    }
    while (producer->free_batches != NULL) {
        struct batch *batch = producer->free_batches;
        producer->free_batches = batch->next_free;
        batch_free(batch);
    }
    for (int t = 0; t < TOPICS_MAX; t++)
        free(producer->open[t]);
    free(producer->pending);
    free(producer);
}

/* No wake comes after this. With batches in the writer's hands it lives on until
 * the broker's close. */
static void bury(struct journal_producer *producer)
{
    struct journal *journal = producer->journal;
    for (size_t i = producer->tail; i != producer->head; i++)
        tell(producer, &producer->pending[i & producer->mask]);
    producer_deinit(&producer->base);
    pthread_mutex_lock(&journal->wake_lock);
    producer->is_closed = true;
    bool is_zombie = atomic_load(&producer->in_flight) > 0;
    if (is_zombie) {
        producer->next_zombie = journal->zombies;
        journal->zombies = producer;
    }
    pthread_mutex_unlock(&journal->wake_lock);
    if (!is_zombie)
        journal_producer_free(producer);
}

void journal_producer_close(struct producer *base, int64_t timeout_ns)
{
    struct journal_producer *producer = as_producer(base);
    struct journal *journal = producer->journal;
    int64_t deadline = clock_monotonic_ns() + timeout_ns;
    deliver(producer);
    journal_flush(base);
    atomic_store(&journal->queue.is_hurried, true);
    queue_wake(&journal->queue);
    while (producer->tail != producer->head && clock_monotonic_ns() < deadline) {
        wait_until(producer, deadline);
        deliver(producer);
        journal_flush(base); /* what callbacks published */
    }
    bury(producer);
}
