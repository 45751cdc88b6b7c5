/* SPDX-License-Identifier: Apache-2.0 */
/* The front of every broker: checks arguments, chooses partitions, counts, and
 * sees to it that a commit never overtakes outputs: before it is handed to the
 * back end, everything that the same thread published is. */
#include "broker/broker.h"

#include <stdio.h>
#include <string.h>

#include "base/must.h"
#include "broker/driver.h"
#include "broker/murmur2.h"
#include "observe/log.h"
#include "observe/metrics.h"

/* ---- the broker ---- */

void broker_init(struct broker *broker, const struct broker_driver *driver,
                 const struct broker_config *config)
{
    broker->driver = driver;
    broker->config = *config;
    topics_init(&broker->topics);
    groups_init(&broker->groups);
    must(pthread_mutex_init(&broker->lock, NULL) == 0);
    list_init(&broker->producers);
}

void broker_deinit(struct broker *broker)
{
    must(list_is_empty(&broker->producers));
    topics_deinit(&broker->topics);
    groups_deinit(&broker->groups);
    pthread_mutex_destroy(&broker->lock);
}

/* Lag is computed when somebody looks, from the ends and the positions. */
static void set_lag(struct broker *broker, const struct position *position)
{
    struct broker_offsets offsets;
    if (broker->driver->offsets(broker, position->topic, position->partition, &offsets, NULL) != 0)
        return;
    int64_t next = position_next(position);
    if (next < offsets.earliest)
        next = offsets.earliest;
    char labels[320];
    snprintf(labels, sizeof labels, "group=\"%s\",topic=\"%s\",partition=\"%d\"",
             position->group->name, topics_get(&broker->topics, position->topic)->name,
             position->partition);
    metric_series_set(metrics_series(METRIC_BROKER_LAG, labels),
                      offsets.end > next ? offsets.end - next : 0);
}

static void refresh_lag(void *context)
{
    struct broker *broker = context;
    if (broker->driver->refresh_lag != NULL) {
        broker->driver->refresh_lag(broker);
        return;
    }
    groups_lock(&broker->groups);
    int count = atomic_load(&broker->groups.count);
    for (int i = 0; i < count; i++)
        for (struct position *p = broker->groups.items[i]->positions; p != NULL; p = p->next)
            set_lag(broker, p);
    groups_unlock(&broker->groups);
}

int broker_open(struct broker **out, const struct broker_config *config, struct error *err)
{
    if (broker_drivers[config->kind]->open(out, config, err) != 0)
        return -1;
    metrics_on_scrape(refresh_lag, *out);
    return 0;
}

void broker_close(struct broker *broker)
{
    metrics_off_scrape(refresh_lag, broker);
    broker->driver->close(broker);
}

void broker_on_failure(struct broker *broker, void (*fn)(void *context, const struct error *err),
                       void *context)
{
    pthread_mutex_lock(&broker->lock);
    broker->on_failure = fn;
    broker->on_failure_context = context;
    bool is_late = atomic_load(&broker->has_failed);
    pthread_mutex_unlock(&broker->lock);
    if (is_late && fn != NULL)
        fn(context, &broker->failure);
}

void broker_fail(struct broker *broker, const struct error *err)
{
    pthread_mutex_lock(&broker->lock);
    bool is_first = !atomic_load(&broker->has_failed);
    if (is_first) {
        broker->failure = *err;
        atomic_store(&broker->has_failed, true);
    }
    void (*fn)(void *, const struct error *) = broker->on_failure;
    void *context = broker->on_failure_context;
    pthread_mutex_unlock(&broker->lock);
    if (!is_first)
        return;
    if (!broker->is_inner) {
        metrics_add(METRIC_BROKER_FAILURES, 0, 1);
        log_error("broker", "failed; nothing is acked any more", err);
    }
    if (fn != NULL)
        fn(context, &broker->failure);
}

static int add_topic(struct broker *broker, const char *name, int partitions, struct error *err)
{
    struct topics *topics = &broker->topics;
    if (topics_prepare(topics, name, partitions) == NULL)
        return error_set(err, ERROR_FULL, "topic \"%s\": there are %d topics already", name,
                         TOPICS_MAX);
    if (broker->driver->add_topic(broker, topics_count(topics), err) != 0)
        return error_prefix(err, "topic \"%s\"", name);
    return topics_publish(topics);
}

int broker_topic(struct broker *broker, const char *name, int partitions, struct error *err)
{
    if (topic_check_name(name, err) != 0)
        return -1;
    if (partitions == 0)
        partitions = (int)broker->config.partitions;
    if (partitions < 1 || partitions > PARTITIONS_MAX)
        return error_set(err, ERROR_CONFIG, "topic \"%s\": %d partitions; 1 to %d are allowed",
                         name, partitions, PARTITIONS_MAX);
    pthread_mutex_lock(&broker->topics.lock);
    int number = topics_find(&broker->topics, name);
    if (number < 0 && broker->is_readonly)
        number = error_set(err, ERROR_NOT_FOUND, "there is no topic \"%s\"", name);
    else if (number < 0)
        number = add_topic(broker, name, partitions, err);
    pthread_mutex_unlock(&broker->topics.lock);
    return number;
}

int broker_find_topic(struct broker *broker, const char *name)
{
    return topics_find(&broker->topics, name);
}

const char *broker_topic_name(const struct broker *broker, int topic)
{
    const struct topic *found = topics_get(&broker->topics, topic);
    return found == NULL ? NULL : found->name;
}

int broker_topic_count(const struct broker *broker)
{
    return topics_count(&broker->topics);
}

int broker_partitions(const struct broker *broker, int topic)
{
    const struct topic *found = topics_get(&broker->topics, topic);
    return found == NULL ? 0 : found->partitions;
}

static int check_partition(const struct broker *broker, int topic, int partition, struct error *err)
{
    if (partition < 0 || partition >= broker_partitions(broker, topic))
        return error_set(err, ERROR_NOT_FOUND, "there is no topic %d partition %d", topic,
                         partition);
    return 0;
}

int broker_offsets(struct broker *broker, int topic, int partition, struct broker_offsets *out,
                   struct error *err)
{
    if (check_partition(broker, topic, partition, err) != 0)
        return -1;
    return broker->driver->offsets(broker, topic, partition, out, err);
}

int64_t broker_committed(struct broker *broker, const char *group, int topic, int partition)
{
    if (check_partition(broker, topic, partition, NULL) != 0)
        return -1;
    if (broker->driver->committed != NULL)
        return broker->driver->committed(broker, group, topic, partition);
    groups_lock(&broker->groups);
    struct group *found = groups_find(&broker->groups, group);
    struct position *position = found == NULL ? NULL : group_find_position(found, topic, partition);
    int64_t committed = position == NULL ? -1 : position->committed;
    groups_unlock(&broker->groups);
    return committed;
}

/* ---- producing ---- */

static uint64_t thread_id(void)
{
    static atomic_uint_fast64_t last;
    static _Thread_local uint64_t id;
    if (id == 0)
        id = atomic_fetch_add(&last, 1) + 1;
    return id;
}

int producer_open(struct producer **out, struct broker *broker,
                  const struct producer_handler *handler, struct error *err)
{
    if (broker->is_readonly)
        return error_set(err, ERROR_USAGE, "a follower of the journal can't publish");
    if (broker->driver->producer_open(out, broker, err) != 0)
        return -1;
    struct producer *producer = *out;
    producer->broker = broker;
    producer->handler = *handler;
    pthread_mutex_lock(&broker->lock);
    list_append(&broker->producers, &producer->node);
    pthread_mutex_unlock(&broker->lock);
    return 0;
}

static int choose_partition(struct producer *producer, struct bytes key, int partitions)
{
    if (partitions == 1)
        return 0;
    if (key.len > 0)
        return murmur2_partition(key, partitions);
    return (int)(producer->round_robin++ % (unsigned)partitions);
}

static size_t record_bytes(const struct record *record)
{
    return record->key.len + record->value.len + record->mc.len + record->traceparent.len;
}

static void own(struct producer *producer)
{
    uint64_t me = thread_id();
    if (atomic_load_explicit(&producer->owner, memory_order_relaxed) != me)
        atomic_store_explicit(&producer->owner, me, memory_order_relaxed);
}

enum publish_result producer_publish(struct producer *producer, int topic,
                                     const struct record *record, uint64_t tag)
{
    struct broker *broker = producer->broker;
    const struct topic *found = topics_get(&broker->topics, topic);
    must(found != NULL);
    own(producer);
    size_t bytes = record_bytes(record);
    if (bytes > (size_t)broker->config.record_bytes_max) {
        producer->refused++;
        return PUBLISH_REFUSED;
    }
    int partition = choose_partition(producer, record->key, found->partitions);
    enum publish_result result = broker->driver->publish(producer, topic, partition, record, tag);
    if (result == PUBLISH_ACCEPTED) {
        producer->pending++;
        producer->accepted++;
        producer->accepted_bytes += bytes;
    } else if (result == PUBLISH_FULL) {
        producer->full++;
        producer->wants_room = true;
    } else {
        producer->refused++;
    }
    return result;
}

static void count(const struct producer *producer, enum metric id, unsigned label, uint64_t *amount)
{
    if (*amount > 0 && !producer->is_inner)
        metrics_add(id, label, (int64_t)*amount);
    *amount = 0;
}

void producer_flush(struct producer *producer)
{
    producer->broker->driver->flush(producer);
    count(producer, METRIC_BROKER_PUBLISHED, PUBLISH_ACCEPTED, &producer->accepted);
    count(producer, METRIC_BROKER_PUBLISHED, PUBLISH_FULL, &producer->full);
    count(producer, METRIC_BROKER_PUBLISHED, PUBLISH_REFUSED, &producer->refused);
    count(producer, METRIC_BROKER_PUBLISHED_BYTES, 0, &producer->accepted_bytes);
}

static void count_deliveries(struct producer *producer)
{
    count(producer, METRIC_BROKER_DELIVERED, DELIVERY_DURABLE, &producer->durable);
    count(producer, METRIC_BROKER_DELIVERED, DELIVERY_FAILED, &producer->failed);
    count(producer, METRIC_BROKER_DELIVERED, DELIVERY_FAILED + 1, &producer->returned);
}

void producer_poll(struct producer *producer)
{
    producer->broker->driver->poll(producer);
    count_deliveries(producer);
}

void producer_wait(struct producer *producer, int64_t timeout_ns)
{
    producer_flush(producer);
    producer->broker->driver->wait(producer, timeout_ns);
    producer_poll(producer);
}

void producer_recall(struct producer *producer)
{
    producer->broker->driver->recall(producer);
}

size_t producer_pending(const struct producer *producer)
{
    return producer->pending;
}

void producer_deinit(struct producer *producer)
{
    count_deliveries(producer);
}

void broker_wake_for_room(struct broker *broker)
{
    pthread_mutex_lock(&broker->lock);
    for (struct list *node = broker->producers.next; node != &broker->producers;
         node = node->next) {
        struct producer *producer = list_item(node, struct producer, node);
        if (atomic_load(&producer->wants_room) && producer->handler.wake != NULL)
            producer->handler.wake(producer->handler.context);
    }
    pthread_mutex_unlock(&broker->lock);
}

void producer_tell_room(struct producer *producer)
{
    producer->wants_room = false;
    if (producer->handler.on_room != NULL)
        producer->handler.on_room(producer->handler.context);
}

void producer_close(struct producer *producer, int64_t timeout_ns)
{
    if (producer == NULL)
        return;
    struct broker *broker = producer->broker;
    producer_flush(producer);
    pthread_mutex_lock(&broker->lock);
    list_remove(&producer->node);
    pthread_mutex_unlock(&broker->lock);
    broker->driver->producer_close(producer, timeout_ns);
}

/* ---- consuming ---- */

static int check_options(struct broker *broker, const struct consumer_options *options,
                         struct error *err)
{
    if (options->topic_count == 0)
        return error_set(err, ERROR_USAGE, "a consumer of no topic");
    for (size_t i = 0; i < options->topic_count; i++)
        if (check_partition(broker, options->topics[i], 0, err) != 0)
            return -1;
    if (options->only_count > 0 && options->group != NULL)
        return error_set(err, ERROR_USAGE, "a group divides the partitions by itself");
    if (broker->is_readonly && options->group != NULL)
        return error_set(err, ERROR_USAGE,
                         "a follower of the journal can't be in a group: it can't commit");
    if (options->group == NULL && options->start == CONSUMER_FROM_COMMITTED)
        return error_set(err, ERROR_USAGE, "a consumer without group has no committed position");
    return 0;
}

int consumer_open(struct consumer **out, struct broker *broker,
                  const struct consumer_options *options, struct error *err)
{
    if (check_options(broker, options, err) != 0)
        return -1;
    if (broker->driver->consumer_open(out, broker, options, err) != 0)
        return -1;
    (*out)->broker = broker;
    (*out)->has_group = options->group != NULL;
    (*out)->on_revoke = options->on_revoke;
    (*out)->context = options->context;
    return 0;
}

int consumer_fetch(struct consumer *consumer, struct consumed_batch *out, size_t max,
                   int64_t timeout_ns, struct error *err)
{
    *out = (struct consumed_batch){0};
    int result = consumer->broker->driver->fetch(consumer, out, max, timeout_ns, err);
    if (out->count > 0)
        metrics_add(METRIC_BROKER_FETCHED, 0, (int64_t)out->count);
    return result;
}

void consumer_idle(struct consumer *consumer)
{
    if (consumer->broker->driver->idle != NULL)
        consumer->broker->driver->idle(consumer);
}

size_t consumer_owned(const struct consumer *consumer)
{
    return consumer->broker->driver->owned(consumer);
}

/* The outputs come first: hand over what this thread has gathered. */
static void flush_own_producers(struct broker *broker)
{
    uint64_t me = thread_id();
    pthread_mutex_lock(&broker->lock);
    for (struct list *node = broker->producers.next; node != &broker->producers;
         node = node->next) {
        struct producer *producer = list_item(node, struct producer, node);
        if (atomic_load_explicit(&producer->owner, memory_order_relaxed) == me)
            producer_flush(producer);
    }
    pthread_mutex_unlock(&broker->lock);
}

int consumer_commit(struct consumer *consumer, int topic, int partition, int64_t next_offset,
                    struct error *err)
{
    if (!consumer->has_group)
        return error_set(err, ERROR_USAGE, "a consumer without group can't commit");
    if (check_partition(consumer->broker, topic, partition, err) != 0)
        return -1;
    flush_own_producers(consumer->broker);
    metrics_add(METRIC_BROKER_COMMITS, 0, 1);
    return consumer->broker->driver->commit(consumer, topic, partition, next_offset, err);
}

int consumer_seek(struct consumer *consumer, int topic, int partition, int64_t offset,
                  struct error *err)
{
    if (check_partition(consumer->broker, topic, partition, err) != 0)
        return -1;
    return consumer->broker->driver->seek(consumer, topic, partition, offset, err);
}

int64_t consumer_lag(struct consumer *consumer, int topic, int partition)
{
    struct broker_offsets offsets;
    if (check_partition(consumer->broker, topic, partition, NULL) != 0)
        return 0;
    if (consumer->broker->driver->lag != NULL)
        return consumer->broker->driver->lag(consumer, topic, partition);
    int64_t next = consumer->broker->driver->next_offset(consumer, topic, partition);
    if (next < 0 || broker_offsets(consumer->broker, topic, partition, &offsets, NULL) != 0)
        return 0;
    return offsets.end > next ? offsets.end - next : 0;
}

void consumer_close(struct consumer *consumer)
{
    if (consumer != NULL)
        consumer->broker->driver->consumer_close(consumer);
}
