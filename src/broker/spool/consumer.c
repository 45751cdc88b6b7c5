/* SPDX-License-Identifier: Apache-2.0 */
/* Consumers are the upstream's: only the numbers of topics differ. */
#include <stdlib.h>

#include "broker/spool/parts.h"

struct spool_consumer {
    struct consumer base;
    struct spool *spool;
    struct consumer *inner;
    int topics[TOPICS_MAX]; /* by the upstream's number */
    struct consumed *out;
    size_t cap;
};

static struct spool_consumer *as_consumer(struct consumer *consumer)
{
    return (struct spool_consumer *)(void *)consumer;
}

static int upstream_topic(const struct spool *spool, int topic)
{
    return atomic_load(&spool->upstream_topics[topic]);
}

static int fail_away(const struct spool *spool, int topic, struct error *err)
{
    error_set(err, ERROR_REMOTE, "the broker is away: topic \"%s\" can't be read now",
              broker_topic_name(&spool->base, topic));
    if (err != NULL)
        err->is_transient = true;
    return -1;
}

static int open_inner(struct spool_consumer *consumer, const struct consumer_options *options,
                      struct error *err)
{
    struct spool *spool = consumer->spool;
    struct consumer_options inner = *options;
    int topics[TOPICS_MAX];
    for (size_t i = 0; i < options->topic_count && i < TOPICS_MAX; i++) {
        topics[i] = upstream_topic(spool, options->topics[i]);
        if (topics[i] < 0)
            return fail_away(spool, options->topics[i], err);
        consumer->topics[topics[i]] = options->topics[i];
    }
    inner.topics = topics;
    return consumer_open(&consumer->inner, spool->upstream, &inner, err);
}

int spool_consumer_open(struct consumer **out, struct broker *broker,
                        const struct consumer_options *options, struct error *err)
{
    struct spool_consumer *consumer = calloc(1, sizeof *consumer);
    if (consumer == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a consumer");
    consumer->spool = as_spool(broker);
    if (open_inner(consumer, options, err) != 0) {
        free(consumer);
        return -1;
    }
    *out = &consumer->base;
    return 0;
}

int spool_fetch(struct consumer *base, struct consumed_batch *out, size_t max, int64_t timeout_ns,
                struct error *err)
{
    struct spool_consumer *consumer = as_consumer(base);
    struct consumed_batch batch;
    if (consumer->cap < max) {
        struct consumed *grown = realloc(consumer->out, max * sizeof *grown);
        if (grown == NULL)
            return error_set(err, ERROR_MEMORY, "no memory for %zu records", max);
        consumer->out = grown;
        consumer->cap = max;
    }
    if (consumer_fetch(consumer->inner, &batch, max, timeout_ns, err) != 0)
        return -1;
    for (size_t i = 0; i < batch.count; i++) {
        consumer->out[i] = batch.records[i];
        consumer->out[i].topic = consumer->topics[batch.records[i].topic];
    }
    *out = (struct consumed_batch){consumer->out, batch.count};
    return 0;
}

int spool_commit(struct consumer *base, int topic, int partition, int64_t next_offset,
                 struct error *err)
{
    struct spool_consumer *consumer = as_consumer(base);
    return consumer_commit(consumer->inner, upstream_topic(consumer->spool, topic), partition,
                           next_offset, err);
}

int spool_seek(struct consumer *base, int topic, int partition, int64_t offset, struct error *err)
{
    struct spool_consumer *consumer = as_consumer(base);
    return consumer_seek(consumer->inner, upstream_topic(consumer->spool, topic), partition, offset,
                         err);
}

int64_t spool_next_offset(struct consumer *base, int topic, int partition)
{
    struct spool_consumer *consumer = as_consumer(base);
    return consumer->spool->upstream->driver->next_offset(
        consumer->inner, upstream_topic(consumer->spool, topic), partition);
}

void spool_idle(struct consumer *base)
{
    consumer_idle(as_consumer(base)->inner);
}

int64_t spool_lag(struct consumer *base, int topic, int partition)
{
    struct spool_consumer *consumer = as_consumer(base);
    return consumer_lag(consumer->inner, upstream_topic(consumer->spool, topic), partition);
}

size_t spool_owned(const struct consumer *base)
{
    return consumer_owned(((const struct spool_consumer *)(const void *)base)->inner);
}

void spool_consumer_close(struct consumer *base)
{
    struct spool_consumer *consumer = as_consumer(base);
    consumer_close(consumer->inner);
    free(consumer->out);
    free(consumer);
}

int spool_offsets(struct broker *broker, int topic, int partition, struct broker_offsets *out,
                  struct error *err)
{
    struct spool *spool = as_spool(broker);
    int number = upstream_topic(spool, topic);
    return number < 0 ? fail_away(spool, topic, err)
                      : broker_offsets(spool->upstream, number, partition, out, err);
}

int64_t spool_committed(struct broker *broker, const char *group, int topic, int partition)
{
    struct spool *spool = as_spool(broker);
    int number = upstream_topic(spool, topic);
    return number < 0 ? -1 : broker_committed(spool->upstream, group, number, partition);
}
