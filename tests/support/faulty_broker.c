/* SPDX-License-Identifier: Apache-2.0 */
#include "support/faulty_broker.h"

#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "broker/driver.h"
#include "broker/spool/held.h"

struct faulty {
    struct broker base;
    struct broker *inner;
    _Atomic int fault; /* enum fault */
    atomic_bool returns_land;
    atomic_size_t waiting;
    int inner_topics[TOPICS_MAX];
};

struct faulty_producer {
    struct producer base;
    struct producer *inner;
    struct held held;
    size_t recalled; /* of held, from the first */
    int64_t last_offset;
    bool has_gap; /* one did not land: none behind it does (idempotent producers) */
};

static struct faulty *as_faulty(struct broker *broker)
{
    return (struct faulty *)(void *)broker;
}

static struct faulty_producer *as_producer(struct producer *producer)
{
    return (struct faulty_producer *)(void *)producer;
}

static enum fault fault_of(const struct producer *producer)
{
    return (enum fault)atomic_load(&as_faulty(producer->broker)->fault);
}

static void wake(struct producer *producer)
{
    if (producer->handler.wake != NULL)
        producer->handler.wake(producer->handler.context);
}

/* ---- the broker ---- */

static void faulty_close(struct broker *broker)
{
    broker_deinit(broker);
    free(as_faulty(broker));
}

static int faulty_add_topic(struct broker *broker, int number, struct error *err)
{
    struct faulty *faulty = as_faulty(broker);
    struct topic *topic = &broker->topics.items[number];
    if (atomic_load(&faulty->fault) == FAULT_UNREACHABLE) {
        error_set(err, ERROR_REMOTE, "nobody answers");
        err->is_transient = true;
        return -1;
    }
    int inner = broker_topic(faulty->inner, topic->name, topic->partitions, err);
    faulty->inner_topics[number] = inner;
    return inner < 0 ? -1 : 0;
}

static int faulty_offsets(struct broker *broker, int topic, int partition,
                          struct broker_offsets *out, struct error *err)
{
    struct faulty *faulty = as_faulty(broker);
    return broker_offsets(faulty->inner, faulty->inner_topics[topic], partition, out, err);
}

/* ---- producing ---- */

static void on_inner_delivery(void *context, uint64_t tag, enum delivery delivery, int64_t offset)
{
    (void)tag;
    must(delivery == DELIVERY_DURABLE);
    ((struct faulty_producer *)context)->last_offset = offset;
}

static int faulty_producer_open(struct producer **out, struct broker *broker, struct error *err)
{
    struct faulty_producer *producer = calloc(1, sizeof *producer);
    must(producer != NULL);
    const struct producer_handler handler = {.on_delivery = on_inner_delivery, .context = producer};
    *out = &producer->base;
    return producer_open(&producer->inner, as_faulty(broker)->inner, &handler, err);
}

static enum publish_result faulty_publish(struct producer *base, int topic, int partition,
                                          const struct record *record, uint64_t tag)
{
    (void)partition;
    struct faulty_producer *producer = as_producer(base);
    if (fault_of(base) == FAULT_FULL ||
        producer->held.count >= (size_t)base->broker->config.producer_queue_records)
        return PUBLISH_FULL;
    must(held_append(&producer->held, tag, topic, record) == 0);
    atomic_fetch_add(&as_faulty(base->broker)->waiting, 1);
    return PUBLISH_ACCEPTED;
}

static void faulty_flush(struct producer *base)
{
    wake(base);
}

/* The inner one is memory: durable at once. */
static void write_through(struct faulty_producer *producer, const struct held_record *item)
{
    struct faulty *faulty = as_faulty(producer->base.broker);
    int topic = faulty->inner_topics[item->topic];
    must(producer_publish(producer->inner, topic, &item->record, 0) == PUBLISH_ACCEPTED);
    producer_flush(producer->inner);
    producer_poll(producer->inner);
}

static bool is_poison(const struct held_record *item)
{
    size_t len = strlen(FAULTY_POISON);
    return item->record.value.len >= len && memcmp(item->record.value.ptr, FAULTY_POISON, len) == 0;
}

static struct held_record *take(struct faulty_producer *producer)
{
    atomic_fetch_sub(&as_faulty(producer->base.broker)->waiting, 1);
    if (producer->recalled > 0)
        producer->recalled--;
    return held_take(&producer->held);
}

static void deliver(struct faulty_producer *producer, size_t count)
{
    while (count-- > 0) {
        struct held_record *item = take(producer);
        if (is_poison(item)) {
            producer_deliver(&producer->base, item->tag, DELIVERY_FAILED, -1);
        } else {
            write_through(producer, item);
            producer_deliver(&producer->base, item->tag, DELIVERY_DURABLE, producer->last_offset);
        }
        free(item);
    }
}

static void give_back(struct faulty_producer *producer, size_t count)
{
    while (count-- > 0) {
        struct held_record *item = take(producer);
        if (atomic_load(&as_faulty(producer->base.broker)->returns_land) && !producer->has_gap)
            write_through(producer, item);
        else
            producer->has_gap = true;
        producer_return(&producer->base, item->tag, item->topic, &item->record);
        free(item);
    }
}

static void faulty_poll(struct producer *base)
{
    struct faulty_producer *producer = as_producer(base);
    if (producer->held.count == 0)
        producer->has_gap = false;
    give_back(producer, producer->recalled);
    size_t count = producer->held.count;
    switch (fault_of(base)) {
    case FAULT_NONE:
        deliver(producer, count);
        break;
    case FAULT_HALF:
        deliver(producer, count / 2);
        give_back(producer, count - count / 2);
        break;
    case FAULT_RETURN:
        give_back(producer, count);
        break;
    case FAULT_STALL:
    case FAULT_FULL:
    case FAULT_UNREACHABLE:
    case FAULT_COUNT:
        break;
    }
    if (atomic_load(&base->wants_room) && fault_of(base) != FAULT_FULL &&
        producer->held.count < (size_t)base->broker->config.producer_queue_records)
        producer_tell_room(base);
}

static void faulty_wait(struct producer *base, int64_t timeout_ns)
{
    (void)base, (void)timeout_ns;
}

static void faulty_recall(struct producer *base)
{
    struct faulty_producer *producer = as_producer(base);
    producer->recalled = producer->held.count;
    wake(base);
}

static void faulty_producer_close(struct producer *base, int64_t timeout_ns)
{
    (void)timeout_ns;
    struct faulty_producer *producer = as_producer(base);
    faulty_poll(base);
    give_back(producer, producer->held.count);
    producer_close(producer->inner, 0);
    producer_deinit(base);
    free(producer);
}

static const struct broker_driver faulty_driver = {
    .name = "faulty",
    .close = faulty_close,
    .add_topic = faulty_add_topic,
    .offsets = faulty_offsets,
    .producer_open = faulty_producer_open,
    .publish = faulty_publish,
    .flush = faulty_flush,
    .poll = faulty_poll,
    .wait = faulty_wait,
    .recall = faulty_recall,
    .producer_close = faulty_producer_close,
};

/* ---- for the test ---- */

struct broker *faulty_open(struct broker *inner)
{
    struct faulty *faulty = calloc(1, sizeof *faulty);
    must(faulty != NULL);
    broker_init(&faulty->base, &faulty_driver, &inner->config);
    faulty->inner = inner;
    return &faulty->base;
}

void faulty_set(struct broker *broker, enum fault fault)
{
    atomic_store(&as_faulty(broker)->fault, (int)fault);
    pthread_mutex_lock(&broker->lock);
    for (struct list *node = broker->producers.next; node != &broker->producers; node = node->next)
        wake(list_item(node, struct producer, node));
    pthread_mutex_unlock(&broker->lock);
}

void faulty_let_returns_land(struct broker *broker, bool land)
{
    atomic_store(&as_faulty(broker)->returns_land, land);
}

size_t faulty_waiting(struct broker *broker)
{
    return atomic_load(&as_faulty(broker)->waiting);
}
