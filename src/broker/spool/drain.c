/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/spool/drain.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "observe/log.h"
#include "observe/metrics.h"

#define REFUSED_PATIENCE_NS (10 * NS_PER_S)

/* ---- from upstream ---- */

static struct spool_partition *partition_of(const struct drain *drain, const struct consumed *c)
{
    return &drain->partitions[c->topic][c->partition];
}

static void is_out(struct drain *drain, size_t i)
{
    struct spool *spool = drain->spool;
    const struct consumed *c = &drain->batch.records[i];
    drain->states[i] = DRAIN_DONE;
    drain->done++;
    if (c->offset < partition_of(drain, c)->old_end)
        backlog_remove_old(&spool->backlog, &c->record);
    else
        backlog_remove(&spool->backlog, &c->record);
    atomic_fetch_add_explicit(&spool->drained, 1, memory_order_relaxed);
    metrics_add(METRIC_SPOOL_DRAINED, 0, 1);
}

/* It was acked, and the upstream will never take it: it stays on this disk. */
static void keep_refused(struct drain *drain, size_t i)
{
    const struct record *record = &drain->batch.records[i].record;
    int64_t deadline_ns = clock_monotonic_ns() + REFUSED_PATIENCE_NS;
    metrics_add(METRIC_SPOOL_REFUSED, 0, 1);
    log_event(LOG_ERROR, "spool",
              "the broker refuses a packet for ever: kept in the spool's topic "
              "refused.dead-letters (motorcade tail --data <data>/spool)",
              LOG_B("vehicle", record->key), LOG_I("bytes", record->value.len));
    enum publish_result result;
    while ((result = producer_publish(drain->refused, drain->refused_topic, record, 0)) ==
               PUBLISH_FULL &&
           clock_monotonic_ns() < deadline_ns)
        producer_wait(drain->refused, 100 * NS_PER_MS);
    while (producer_pending(drain->refused) > 0 && clock_monotonic_ns() < deadline_ns)
        producer_wait(drain->refused, 100 * NS_PER_MS);
    if (result != PUBLISH_ACCEPTED || producer_pending(drain->refused) > 0)
        drain->has_failed = true;
    if (!drain->has_failed)
        is_out(drain, i);
}

static void on_refused_delivery(void *context, uint64_t tag, enum delivery delivery, int64_t offset)
{
    (void)tag, (void)offset;
    struct drain *drain = context;
    if (delivery == DELIVERY_FAILED)
        drain->has_failed = true;
}

static void on_delivery(void *context, uint64_t tag, enum delivery delivery, int64_t offset)
{
    (void)offset;
    struct drain *drain = context;
    if (delivery == DELIVERY_DURABLE)
        is_out(drain, (size_t)tag);
    else
        keep_refused(drain, (size_t)tag);
}

static void on_return(void *context, uint64_t tag, int topic, const struct record *record)
{
    (void)topic, (void)record; /* the batch has it */
    struct drain *drain = context;
    drain->states[tag] = DRAIN_RETURNED;
    drain->has_returns = true;
}

static void wake(void *context)
{
    struct drain *drain = context;
    spool_rouse(drain->spool);
}

/* ---- the journal's side ---- */

static int add_partitions(struct drain *drain, int topic, struct error *err)
{
    int count = broker_partitions(drain->spool->journal, topic);
    struct spool_partition *partitions = calloc((size_t)count, sizeof *partitions);
    if (partitions == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the spool's partitions");
    for (int p = 0; p < count; p++)
        partitions[p].next = -1;
    drain->partitions[topic] = partitions;
    return 0;
}

static int open_consumer(struct drain *drain, int count, struct error *err)
{
    struct spool *spool = drain->spool;
    int topics[TOPICS_MAX];
    size_t topic_count = 0;
    consumer_close(drain->consumer);
    drain->consumer = NULL;
    for (int t = 0; t < count; t++) {
        if (drain->partitions[t] == NULL && add_partitions(drain, t, err) != 0)
            return -1;
        if (t != drain->refused_topic)
            topics[topic_count++] = t;
    }
    drain->topic_count = count;
    if (topic_count == 0)
        return 0;
    const struct consumer_options options = {.group = SPOOL_GROUP,
                                             .topics = topics,
                                             .topic_count = topic_count,
                                             .start = CONSUMER_FROM_COMMITTED};
    return consumer_open(&drain->consumer, spool->journal, &options, err);
}

int drain_open(struct drain *drain, struct spool *spool, struct error *err)
{
    int64_t rate = spool->config.drain_rate / 10; /* ten batches a second are smooth enough */
    *drain = (struct drain){.spool = spool, .batch_max = DRAIN_BATCH};
    if (spool->config.drain_rate > 0 && rate < DRAIN_BATCH)
        drain->batch_max = rate < 1 ? 1 : (size_t)rate;
    drain->refused_topic = broker_find_topic(spool->journal, SPOOL_REFUSED_TOPIC);
    for (int t = 0; t < TOPICS_MAX; t++)
        drain->upstream_topics[t] = -1;
    const struct producer_handler upstream = {
        .on_delivery = on_delivery, .on_return = on_return, .wake = wake, .context = drain};
    const struct producer_handler refused = {
        .on_delivery = on_refused_delivery, .context = drain, .uses_reserve = true};
    int count = broker_topic_count(spool->journal);
    for (int t = 0; t < count; t++)
        if (add_partitions(drain, t, err) != 0)
            return -1;
    drain->topic_count = count;
    drain_find_old(drain);
    if (open_consumer(drain, count, err) != 0 ||
        producer_open(&drain->refused, spool->journal, &refused, err) != 0 ||
        producer_open(&drain->producer, spool->upstream, &upstream, err) != 0)
        return -1;
    drain->producer->is_inner = drain->refused->is_inner = true;
    return 0;
}

int drain_resolve(struct drain *drain, struct error *err)
{
    int count = broker_topic_count(drain->spool->journal);
    for (int t = 0; t < count; t++) {
        if (t == drain->refused_topic || drain->upstream_topics[t] >= 0)
            continue;
        drain->upstream_topics[t] = spool_resolve_topic(drain->spool, t, err);
        if (drain->upstream_topics[t] < 0)
            return -1;
    }
    return 0;
}

/* Are all partitions beyond what an earlier run left? */
static bool is_beyond_old(const struct drain *drain)
{
    for (int t = 0; t < drain->topic_count; t++)
        for (int p = 0;
             t != drain->refused_topic && p < broker_partitions(drain->spool->journal, t); p++) {
            int64_t end = drain->partitions[t][p].old_end;
            if (end > 0 && broker_committed(drain->spool->journal, SPOOL_GROUP, t, p) < end)
                return false;
        }
    return true;
}

int drain_fetch(struct drain *drain, int64_t timeout_ns, struct error *err)
{
    struct spool *spool = drain->spool;
    int count = broker_topic_count(spool->journal);
    if (drain->batch.count > 0)
        return 0;
    if (drain->topic_count != count && open_consumer(drain, count, err) != 0)
        return -1;
    if (drain->consumer == NULL)
        return 0;
    if (consumer_fetch(drain->consumer, &drain->batch, drain->batch_max, timeout_ns, err) != 0)
        return -1;
    if (drain->batch.count == 0) { /* the walk is at the end */
        if (atomic_load(&spool->backlog.has_old))
            backlog_forget_old(&spool->backlog);
        atomic_store(&spool->oldest_ns, 0);
        return 0;
    }
    memset(drain->states, DRAIN_TO_SEND, drain->batch.count);
    drain->next = drain->done = 0;
    atomic_store(&spool->oldest_ns, drain->batch.records[0].record.timestamp_ns);
    return 0;
}

/* ---- sending ---- */

static enum publish_result send_one(struct drain *drain, size_t i)
{
    const struct consumed *c = &drain->batch.records[i];
    enum publish_result result =
        producer_publish(drain->producer, drain->upstream_topics[c->topic], &c->record, i);
    if (result == PUBLISH_ACCEPTED)
        drain->states[i] = DRAIN_SENT;
    return result;
}

void drain_send(struct drain *drain, size_t most)
{
    for (; drain->next < drain->batch.count && producer_pending(drain->producer) < most &&
           !drain->has_returns && !drain->has_failed;
         drain->next++) {
        if (drain->states[drain->next] != DRAIN_TO_SEND)
            continue;
        enum publish_result result = send_one(drain, drain->next);
        if (result == PUBLISH_FULL)
            break;
        if (result == PUBLISH_REFUSED)
            keep_refused(drain, drain->next);
    }
    producer_flush(drain->producer);
}

/* Without hurry: what was woken for may be a change of mode. */
void drain_wait(struct drain *drain, int64_t timeout_ns)
{
    bool had_returns = drain->has_returns;
    spool_sleep(drain->spool, timeout_ns);
    producer_poll(drain->producer);
    if (drain->has_returns && !had_returns)
        producer_recall(drain->producer); /* nothing may overtake what comes back */
}

bool drain_has_fallen_back(struct drain *drain)
{
    if (!drain->has_returns || producer_pending(drain->producer) > 0)
        return false;
    for (size_t i = 0; i < drain->batch.count; i++)
        if (drain->states[i] == DRAIN_RETURNED)
            drain->states[i] = DRAIN_TO_SEND;
    drain->has_returns = false;
    drain->next = 0;
    return true;
}

/* ---- positions ---- */

/* Of each partition, what is done without a gap. */
static void mark_commits(struct drain *drain)
{
    for (size_t i = 0; i < drain->batch.count; i++) {
        const struct consumed *c = &drain->batch.records[i];
        struct spool_partition *partition = partition_of(drain, c);
        if (drain->states[i] != DRAIN_DONE)
            partition->is_blocked = true;
        else if (!partition->is_blocked)
            partition->next = c->offset + 1;
    }
}

static void commit(struct drain *drain)
{
    struct error err = {0};
    mark_commits(drain);
    for (size_t i = 0; i < drain->batch.count; i++) {
        const struct consumed *c = &drain->batch.records[i];
        struct spool_partition *partition = partition_of(drain, c);
        if (partition->next >= 0 &&
            consumer_commit(drain->consumer, c->topic, c->partition, partition->next, &err) != 0)
            log_error("spool", "a position was not written: some packets may be sent again", &err);
        partition->next = -1;
        partition->is_blocked = false;
    }
}

void drain_finish(struct drain *drain)
{
    struct spool *spool = drain->spool;
    commit(drain);
    drain->batch.count = 0;
    if (atomic_load(&spool->backlog.has_old) && is_beyond_old(drain))
        backlog_forget_old(&spool->backlog);
}

void drain_close(struct drain *drain, int64_t timeout_ns)
{
    int64_t deadline_ns = clock_monotonic_ns() + timeout_ns;
    if (drain->producer != NULL) {
        while (producer_pending(drain->producer) > 0 && clock_monotonic_ns() < deadline_ns)
            drain_wait(drain, 10 * NS_PER_MS);
        producer_close(drain->producer, 0);
    }
    if (drain->batch.count > 0)
        commit(drain);
    producer_close(drain->refused, NS_PER_S);
    consumer_close(drain->consumer);
    for (int t = 0; t < TOPICS_MAX; t++)
        free(drain->partitions[t]);
}
