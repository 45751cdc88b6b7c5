/* SPDX-License-Identifier: Apache-2.0 */
/* The memory back end: for tests, trials, and as the template of a back end.
 * "Durable" is handed over (flush): nothing outlives the process.
 *
 * One lock guards all partitions. A record is one allocation, counted by its
 * references: the partition's and one per consumer that has fetched it last.
 * At the cap, records that every group is done with go, oldest first; where
 * there are none, publish answers FULL. Lock order: groups, then memory. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "broker/assignment.h"
#include "broker/driver.h"

#define CAP_DEFAULT_BYTES (INT64_C(256) << 20)

struct memory_record {
    unsigned refs; /* under the broker's lock */
    struct record record;
    char bytes[];
};

struct memory_partition {
    struct memory_record **records;
    size_t count, cap;
    int64_t first; /* offset of records[0] */
};

struct memory {
    struct broker base;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* something was published, or a group changed */
    struct memory_partition *partitions[TOPICS_MAX];
    struct list consumers;
    int64_t bytes, cap_bytes;
};

struct memory_pending {
    uint64_t tag;
    int topic, partition;
    struct memory_record *record; /* NULL once in its partition */
    int64_t offset;               /* -1: not there; handed over and -1: to be returned */
};

struct memory_producer {
    struct producer base;
    struct memory_pending *pending;
    size_t count, cap, handed_over;
};

struct memory_consumer {
    struct consumer base;
    struct list node;
    struct assignment assignment;
    void (*wake)(void *context);
    void *context;
    bool is_armed; /* the last fetch found nothing */
    size_t turn;   /* the cursor to begin with */
    struct consumed *out;
    struct memory_record **held;
    size_t count, cap;
};

/* ---- the broker ---- */

static struct memory *as_memory(struct broker *broker)
{
    return (struct memory *)(void *)broker;
}

static int memory_open(struct broker **out, const struct broker_config *config, struct error *err)
{
    struct memory *memory = calloc(1, sizeof *memory);
    if (memory == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a broker");
    broker_init(&memory->base, &memory_driver, config);
    must(pthread_mutex_init(&memory->lock, NULL) == 0);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
#ifdef __linux__
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
#endif
    must(pthread_cond_init(&memory->changed, &monotonic) == 0);
    pthread_condattr_destroy(&monotonic);
    list_init(&memory->consumers);
    memory->cap_bytes = config->cap_bytes > 0 ? config->cap_bytes : CAP_DEFAULT_BYTES;
    *out = &memory->base;
    return 0;
}

static void record_unref(struct memory_record *record)
{
    if (--record->refs == 0)
        free(record);
}

static void memory_close(struct broker *broker)
{
    struct memory *memory = as_memory(broker);
    for (int t = 0; t < topics_count(&broker->topics); t++) {
        for (int p = 0; p < topics_get(&broker->topics, t)->partitions; p++) {
            struct memory_partition *partition = &memory->partitions[t][p];
            for (size_t i = 0; i < partition->count; i++)
                record_unref(partition->records[i]);
            free(partition->records);
        }
        free(memory->partitions[t]);
    }
    pthread_cond_destroy(&memory->changed);
    pthread_mutex_destroy(&memory->lock);
    broker_deinit(broker);
    free(memory);
}

static int memory_add_topic(struct broker *broker, int number, struct error *err)
{
    struct memory *memory = as_memory(broker);
    size_t partitions = (size_t)broker->topics.items[number].partitions;
    memory->partitions[number] = calloc(partitions, sizeof **memory->partitions);
    if (memory->partitions[number] == NULL)
        return error_set(err, ERROR_MEMORY, "no memory");
    return 0;
}

static int memory_offsets(struct broker *broker, int topic, int partition,
                          struct broker_offsets *out, struct error *err)
{
    (void)err;
    struct memory *memory = as_memory(broker);
    pthread_mutex_lock(&memory->lock);
    struct memory_partition *p = &memory->partitions[topic][partition];
    *out = (struct broker_offsets){p->first, p->first + (int64_t)p->count};
    pthread_mutex_unlock(&memory->lock);
    return 0;
}

/* With the lock held. */
static void wake_consumers(struct memory *memory)
{
    pthread_cond_broadcast(&memory->changed);
    for (struct list *node = memory->consumers.next; node != &memory->consumers;
         node = node->next) {
        struct memory_consumer *consumer = list_item(node, struct memory_consumer, node);
        if (consumer->is_armed && consumer->wake != NULL)
            consumer->wake(consumer->context);
        consumer->is_armed = false;
    }
}

/* ---- keeping within the cap ---- */

static size_t record_len(const struct record *r)
{
    return r->key.len + r->value.len + r->mc.len + r->traceparent.len;
}

static size_t stored_bytes(const struct record *record)
{
    return sizeof(struct memory_record) + record_len(record);
}

/* Drop what every group is done with. What no group reads stays. */
static void trim_partition(struct memory *memory, struct memory_partition *p, int64_t below)
{
    size_t drop = 0;
    while (drop < p->count && p->first + (int64_t)drop < below) {
        memory->bytes -= (int64_t)stored_bytes(&p->records[drop]->record);
        record_unref(p->records[drop++]);
    }
    p->count -= drop;
    p->first += (int64_t)drop;
    memmove(p->records, p->records + drop, p->count * sizeof(struct memory_record *));
}

static void trim(struct memory *memory)
{
    groups_lock(&memory->base.groups);
    pthread_mutex_lock(&memory->lock);
    for (int t = 0; t < topics_count(&memory->base.topics); t++)
        for (int i = 0; i < topics_get(&memory->base.topics, t)->partitions; i++) {
            int64_t below = groups_least_durable(&memory->base.groups, t, i);
            if (below != INT64_MAX && memory->partitions[t][i].count > 0)
                trim_partition(memory, &memory->partitions[t][i], below);
        }
    pthread_mutex_unlock(&memory->lock);
    groups_unlock(&memory->base.groups);
}

static bool has_room(struct memory *memory, const struct memory_producer *producer, size_t bytes)
{
    if (producer->count >= (size_t)memory->base.config.producer_queue_records)
        return false;
    int64_t limit = memory->cap_bytes;
    if (!producer->base.handler.uses_reserve)
        limit -= limit / 8;
    pthread_mutex_lock(&memory->lock);
    bool has_room = memory->bytes + (int64_t)bytes <= limit;
    pthread_mutex_unlock(&memory->lock);
    return has_room;
}

/* ---- producing ---- */

static struct memory_producer *as_producer(struct producer *producer)
{
    return (struct memory_producer *)(void *)producer;
}

static int memory_producer_open(struct producer **out, struct broker *broker, struct error *err)
{
    (void)broker;
    struct memory_producer *producer = calloc(1, sizeof *producer);
    if (producer == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a producer");
    *out = &producer->base;
    return 0;
}

static struct bytes copy_into(char **at, struct bytes from)
{
    struct bytes to = {*at, from.len};
    if (from.len > 0)
        memcpy(*at, from.ptr, from.len);
    *at += from.len;
    return to;
}

static struct memory_record *record_new(const struct record *from)
{
    struct memory_record *copy = malloc(stored_bytes(from));
    if (copy == NULL)
        return NULL;
    char *at = copy->bytes;
    copy->refs = 1;
    copy->record.key = copy_into(&at, from->key);
    copy->record.value = copy_into(&at, from->value);
    copy->record.mc = copy_into(&at, from->mc);
    copy->record.traceparent = copy_into(&at, from->traceparent);
    copy->record.timestamp_ns = from->timestamp_ns;
    return copy;
}

static bool pending_reserve(struct memory_producer *producer)
{
    if (producer->count < producer->cap)
        return true;
    size_t cap = producer->cap == 0 ? 64 : producer->cap * 2;
    struct memory_pending *grown = realloc(producer->pending, cap * sizeof *grown);
    if (grown == NULL)
        return false;
    producer->pending = grown;
    producer->cap = cap;
    return true;
}

static enum publish_result memory_publish(struct producer *base, int topic, int partition,
                                          const struct record *record, uint64_t tag)
{
    struct memory_producer *producer = as_producer(base);
    struct memory *memory = as_memory(base->broker);
    if (!has_room(memory, producer, stored_bytes(record))) {
        trim(memory);
        if (!has_room(memory, producer, stored_bytes(record)))
            return PUBLISH_FULL;
    }
    struct memory_record *copy = pending_reserve(producer) ? record_new(record) : NULL;
    if (copy == NULL)
        return PUBLISH_FULL;
    producer->pending[producer->count++] = (struct memory_pending){
        .tag = tag, .topic = topic, .partition = partition, .record = copy, .offset = -1};
    pthread_mutex_lock(&memory->lock);
    memory->bytes += (int64_t)stored_bytes(record);
    pthread_mutex_unlock(&memory->lock);
    return PUBLISH_ACCEPTED;
}

static bool partition_append(struct memory_partition *p, struct memory_record *record)
{
    if (p->count == p->cap) {
        size_t cap = p->cap == 0 ? 64 : p->cap * 2;
        struct memory_record **grown = realloc(p->records, cap * sizeof(struct memory_record *));
        if (grown == NULL)
            return false;
        p->records = grown;
        p->cap = cap;
    }
    p->records[p->count++] = record;
    return true;
}

/* Where memory runs out the record stays with its producer. */
static void hand_over(struct memory *memory, struct memory_pending *pending)
{
    struct memory_partition *p = &memory->partitions[pending->topic][pending->partition];
    if (partition_append(p, pending->record)) {
        pending->offset = p->first + (int64_t)p->count - 1;
        pending->record = NULL;
    }
}

static void memory_flush(struct producer *base)
{
    struct memory_producer *producer = as_producer(base);
    struct memory *memory = as_memory(base->broker);
    if (producer->handed_over == producer->count)
        return;
    pthread_mutex_lock(&memory->lock);
    while (producer->handed_over < producer->count)
        hand_over(memory, &producer->pending[producer->handed_over++]);
    wake_consumers(memory);
    pthread_mutex_unlock(&memory->lock);
    if (base->handler.wake != NULL)
        base->handler.wake(base->handler.context);
}

static void give_back(struct memory_producer *producer, struct memory_pending *pending)
{
    struct memory *memory = as_memory(producer->base.broker);
    producer_return(&producer->base, pending->tag, pending->topic, &pending->record->record);
    pthread_mutex_lock(&memory->lock);
    memory->bytes -= (int64_t)stored_bytes(&pending->record->record);
    record_unref(pending->record);
    pthread_mutex_unlock(&memory->lock);
}

/* A callback may publish: what it adds stands behind what is delivered here. */
static void deliver(struct memory_producer *producer)
{
    size_t count = producer->handed_over;
    for (size_t i = 0; i < count; i++) {
        struct memory_pending done = producer->pending[i];
        if (done.offset < 0)
            give_back(producer, &done);
        else
            producer_deliver(&producer->base, done.tag, DELIVERY_DURABLE, done.offset);
    }
    producer->count -= count;
    producer->handed_over -= count;
    if (producer->count > 0)
        memmove(producer->pending, producer->pending + count,
                producer->count * sizeof *producer->pending);
}

static void memory_poll(struct producer *base)
{
    struct memory_producer *producer = as_producer(base);
    deliver(producer);
    if (!atomic_load(&base->wants_room))
        return;
    trim(as_memory(base->broker));
    if (has_room(as_memory(base->broker), producer, 0))
        producer_tell_room(base);
}

/* What was not handed over is passed by. */
static void memory_recall(struct producer *base)
{
    struct memory_producer *producer = as_producer(base);
    producer->handed_over = producer->count;
    if (base->pending > 0 && base->handler.wake != NULL)
        base->handler.wake(base->handler.context);
}

static void memory_wait(struct producer *base, int64_t timeout_ns)
{
    (void)base; /* flush made everything durable: there is nothing to wait for */
    (void)timeout_ns;
}

static void memory_producer_close(struct producer *base, int64_t timeout_ns)
{
    (void)timeout_ns;
    struct memory_producer *producer = as_producer(base);
    deliver(producer);
    producer_deinit(base);
    free(producer->pending);
    free(producer);
}

/* ---- consuming ---- */

static struct memory_consumer *as_consumer(struct consumer *consumer)
{
    return (struct memory_consumer *)(void *)consumer;
}

static int64_t first_at_or_after(const struct memory_partition *p, int64_t time_ns)
{
    for (size_t i = 0; i < p->count; i++)
        if (p->records[i]->record.timestamp_ns >= time_ns)
            return p->first + (int64_t)i;
    return p->first + (int64_t)p->count;
}

static int64_t resolve(struct broker *broker, int topic, int partition, enum consumer_start start,
                       int64_t value)
{
    struct memory *memory = as_memory(broker);
    pthread_mutex_lock(&memory->lock);
    struct memory_partition *p = &memory->partitions[topic][partition];
    int64_t offset = p->first;
    if (start == CONSUMER_FROM_LATEST)
        offset = p->first + (int64_t)p->count;
    else if (start == CONSUMER_FROM_OFFSET)
        offset = value;
    else if (start == CONSUMER_FROM_TIME)
        offset = first_at_or_after(p, value);
    pthread_mutex_unlock(&memory->lock);
    return offset;
}

static int memory_consumer_open(struct consumer **out, struct broker *broker,
                                const struct consumer_options *options, struct error *err)
{
    struct memory_consumer *consumer = calloc(1, sizeof *consumer);
    if (consumer == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a consumer");
    if (assignment_init(&consumer->assignment, broker, options, resolve, err) != 0) {
        free(consumer);
        return -1;
    }
    consumer->wake = options->wake;
    consumer->context = options->context;
    struct memory *memory = as_memory(broker);
    pthread_mutex_lock(&memory->lock);
    list_append(&memory->consumers, &consumer->node);
    wake_consumers(memory);
    pthread_mutex_unlock(&memory->lock);
    *out = &consumer->base;
    return 0;
}

/* With the lock held. */
static void release(struct memory_consumer *consumer)
{
    for (size_t i = 0; i < consumer->count; i++)
        record_unref(consumer->held[i]);
    consumer->count = 0;
}

static int reserve(struct memory_consumer *consumer, size_t max, struct error *err)
{
    if (consumer->cap >= max)
        return 0;
    struct consumed *out = realloc(consumer->out, max * sizeof *out);
    if (out != NULL)
        consumer->out = out;
    struct memory_record **held = realloc(consumer->held, max * sizeof(struct memory_record *));
    if (held != NULL)
        consumer->held = held;
    if (out == NULL || held == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for %zu records", max);
    consumer->cap = max;
    return 0;
}

static void gather_partition(struct memory *memory, struct memory_consumer *consumer,
                             struct cursor *c, size_t max)
{
    struct memory_partition *p = &memory->partitions[c->topic][c->partition];
    if (c->next < p->first)
        c->next = p->first;
    while (consumer->count < max && c->next < p->first + (int64_t)p->count) {
        struct memory_record *record = p->records[c->next - p->first];
        record->refs++;
        consumer->held[consumer->count] = record;
        consumer->out[consumer->count++] =
            (struct consumed){record->record, c->topic, c->partition, c->next++};
    }
}

/* Begin where the last fetch ended, so that no partition starves. */
static void gather(struct memory *memory, struct memory_consumer *consumer, size_t max)
{
    struct assignment *assignment = &consumer->assignment;
    for (size_t i = 0; i < assignment->count && consumer->count < max; i++) {
        struct cursor *c = &assignment->cursors[consumer->turn];
        if (c->is_owned)
            gather_partition(memory, consumer, c, max);
        if (consumer->count < max)
            consumer->turn = (consumer->turn + 1) % assignment->count;
    }
}

static struct timespec deadline_after(int64_t ns)
{
#ifdef __linux__
    int64_t at = clock_monotonic_ns() + ns;
#else
    int64_t at = clock_wall_ns() + ns;
#endif
    return (struct timespec){at / NS_PER_S, at % NS_PER_S};
}

static void sync_assignment(struct memory *memory, struct memory_consumer *consumer)
{
    if (!assignment_has_changed(&consumer->assignment))
        return;
    if (consumer->base.on_revoke != NULL)
        consumer->base.on_revoke(consumer->base.context);
    if ((assignment_sync(&consumer->assignment) & ASSIGNMENT_GAVE) == 0)
        return;
    pthread_mutex_lock(&memory->lock);
    wake_consumers(memory);
    pthread_mutex_unlock(&memory->lock);
}

static int memory_fetch(struct consumer *base, struct consumed_batch *out, size_t max,
                        int64_t timeout_ns, struct error *err)
{
    struct memory_consumer *consumer = as_consumer(base);
    struct memory *memory = as_memory(base->broker);
    if (reserve(consumer, max, err) != 0)
        return -1;
    struct timespec deadline = deadline_after(timeout_ns);
    bool may_wait = timeout_ns > 0;
    sync_assignment(memory, consumer);
    pthread_mutex_lock(&memory->lock);
    release(consumer);
    for (;;) {
        gather(memory, consumer, max);
        if (consumer->count > 0)
            break;
        if (assignment_has_changed(&consumer->assignment)) {
            pthread_mutex_unlock(&memory->lock);
            sync_assignment(memory, consumer);
            pthread_mutex_lock(&memory->lock);
        } else if (!may_wait) {
            break;
        } else if (pthread_cond_timedwait(&memory->changed, &memory->lock, &deadline) ==
                   ETIMEDOUT) {
            may_wait = false;
        }
    }
    consumer->is_armed = consumer->count == 0;
    pthread_mutex_unlock(&memory->lock);
    *out = (struct consumed_batch){consumer->out, consumer->count};
    return 0;
}

static int memory_commit(struct consumer *base, int topic, int partition, int64_t next_offset,
                         struct error *err)
{
    struct memory_consumer *consumer = as_consumer(base);
    struct position *position = NULL;
    groups_lock(&base->broker->groups);
    int result =
        group_commit(&consumer->assignment.member, topic, partition, next_offset, &position, err);
    if (result == 0)
        position->durable = position->committed;
    groups_unlock(&base->broker->groups);
    broker_wake_for_room(base->broker);
    return result;
}

static int memory_seek(struct consumer *base, int topic, int partition, int64_t offset,
                       struct error *err)
{
    struct cursor *c = assignment_find(&as_consumer(base)->assignment, topic, partition);
    if (c == NULL || !c->is_owned)
        return error_set(err, ERROR_NOT_FOUND, "topic %d partition %d is not this consumer's",
                         topic, partition);
    c->next = offset;
    return 0;
}

static int64_t memory_next_offset(struct consumer *base, int topic, int partition)
{
    struct cursor *c = assignment_find(&as_consumer(base)->assignment, topic, partition);
    return c == NULL || !c->is_owned ? -1 : c->next;
}

static size_t memory_owned(const struct consumer *base)
{
    const struct memory_consumer *consumer = (const struct memory_consumer *)(const void *)base;
    return assignment_owned(&consumer->assignment);
}

static void memory_consumer_close(struct consumer *base)
{
    struct memory_consumer *consumer = as_consumer(base);
    struct memory *memory = as_memory(base->broker);
    assignment_deinit(&consumer->assignment);
    pthread_mutex_lock(&memory->lock);
    release(consumer);
    list_remove(&consumer->node);
    wake_consumers(memory);
    pthread_mutex_unlock(&memory->lock);
    free(consumer->out);
    free(consumer->held);
    free(consumer);
}

const struct broker_driver memory_driver = {
    .name = "memory",
    .open = memory_open,
    .close = memory_close,
    .add_topic = memory_add_topic,
    .offsets = memory_offsets,
    .producer_open = memory_producer_open,
    .publish = memory_publish,
    .flush = memory_flush,
    .poll = memory_poll,
    .wait = memory_wait,
    .recall = memory_recall,
    .producer_close = memory_producer_close,
    .consumer_open = memory_consumer_open,
    .fetch = memory_fetch,
    .commit = memory_commit,
    .seek = memory_seek,
    .next_offset = memory_next_offset,
    .owned = memory_owned,
    .consumer_close = memory_consumer_close,
};
