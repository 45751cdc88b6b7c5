/* SPDX-License-Identifier: Apache-2.0 */
/* What a broker back end provides, and what the front keeps for it. A new back
 * end is one folder or file, one table, one line in registry.c; memory.c is
 * the one to read first. A back end's structs begin with the front's. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "broker/broker.h"
#include "broker/config.h"
#include "broker/group.h"
#include "broker/topics.h"

struct broker_driver {
    const char *name;
    /* Allocate, broker_init, then its own part; topics and groups of earlier
     * runs go into broker->topics and broker->groups. */
    int (*open)(struct broker **out, const struct broker_config *config, struct error *err);
    void (*close)(struct broker *broker);
    /* A topic prepared in topics->items[number]: make it durable. Lock held. */
    int (*add_topic)(struct broker *broker, int number, struct error *err);
    int (*offsets)(struct broker *broker, int topic, int partition, struct broker_offsets *out,
                   struct error *err);
    /* Optional, for a back end whose groups are not broker->groups: */
    int64_t (*committed)(struct broker *broker, const char *group, int topic, int partition);
    void (*refresh_lag)(struct broker *broker);

    int (*producer_open)(struct producer **out, struct broker *broker, struct error *err);
    enum publish_result (*publish)(struct producer *producer, int topic, int partition,
                                   const struct record *record, uint64_t tag);
    void (*flush)(struct producer *producer);
    void (*poll)(struct producer *producer);
    void (*wait)(struct producer *producer, int64_t timeout_ns);
    void (*recall)(struct producer *producer);
    void (*producer_close)(struct producer *producer, int64_t timeout_ns);

    int (*consumer_open)(struct consumer **out, struct broker *broker,
                         const struct consumer_options *options, struct error *err);
    int (*fetch)(struct consumer *consumer, struct consumed_batch *out, size_t max,
                 int64_t timeout_ns, struct error *err);
    void (*idle)(struct consumer *consumer); /* optional */
    int (*commit)(struct consumer *consumer, int topic, int partition, int64_t next_offset,
                  struct error *err);
    int (*seek)(struct consumer *consumer, int topic, int partition, int64_t offset,
                struct error *err);
    /* The next offset a fetch gives; -1 when the partition is not this consumer's. */
    int64_t (*next_offset)(struct consumer *consumer, int topic, int partition);
    int64_t (*lag)(struct consumer *consumer, int topic, int partition); /* optional */
    size_t (*owned)(const struct consumer *consumer);
    void (*consumer_close)(struct consumer *consumer);
};

struct broker {
    const struct broker_driver *driver;
    struct broker_config config;
    struct topics topics;
    struct groups groups;
    pthread_mutex_t lock; /* producers, failure */
    struct list producers;
    atomic_bool has_failed;
    struct error failure;
    void (*on_failure)(void *context, const struct error *err);
    void *on_failure_context;
    bool is_readonly; /* a follower: no groups, no producers */
    bool is_inner;    /* another broker's part, which does the telling and counting */
};

struct producer {
    struct broker *broker;
    struct producer_handler handler;
    struct list node;           /* in broker->producers */
    atomic_uint_fast64_t owner; /* broker_thread_id() of the last to publish */
    size_t pending;
    atomic_bool wants_room; /* FULL was answered, on_room is owed */
    bool is_inner;          /* as broker->is_inner */
    unsigned round_robin;
    /* counted here, given to the metrics once per flush or poll */
    uint64_t accepted, accepted_bytes, refused, full, durable, failed, returned;
};

struct consumer {
    struct broker *broker;
    bool has_group;
    void (*on_revoke)(void *context);
    void *context;
};

/* For the drivers: the front's part of a struct broker. */
void broker_init(struct broker *broker, const struct broker_driver *driver,
                 const struct broker_config *config);
void broker_deinit(struct broker *broker);
/* Any thread: remember the failure, tell the listener, once. */
void broker_fail(struct broker *broker, const struct error *err);
static inline bool broker_has_failed(const struct broker *broker)
{
    return atomic_load_explicit(&broker->has_failed, memory_order_acquire);
}

/* For the drivers: one record's outcome, on the owner's thread. */
static inline void producer_deliver(struct producer *producer, uint64_t tag, enum delivery delivery,
                                    int64_t offset)
{
    producer->pending--;
    if (delivery == DELIVERY_DURABLE)
        producer->durable++;
    else
        producer->failed++;
    producer->handler.on_delivery(producer->handler.context, tag, delivery, offset);
}
/* The same for a record that isn't durable and might be another time. */
static inline void producer_return(struct producer *producer, uint64_t tag, int topic,
                                   const struct record *record)
{
    if (producer->handler.on_return == NULL) {
        producer_deliver(producer, tag, DELIVERY_FAILED, -1);
        return;
    }
    producer->pending--;
    producer->returned++;
    producer->handler.on_return(producer->handler.context, tag, topic, record);
}
/* The last call before a driver frees it. */
void producer_deinit(struct producer *producer);
/* Any thread: wake those that wait for room. */
void broker_wake_for_room(struct broker *broker);
/* After FULL there is room again: tell the owner, on its thread. */
void producer_tell_room(struct producer *producer);

extern const struct broker_driver *const broker_drivers[]; /* by enum broker_kind */
extern const struct broker_driver memory_driver;
extern const struct broker_driver journal_driver;
extern const struct broker_driver kafka_driver;
