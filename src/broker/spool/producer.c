/* SPDX-License-Identifier: Apache-2.0 */
/* The producing side: where does a record go (parts.h: order), and what becomes
 * of what comes back. With nothing in the spool a record costs two loads more
 * than publishing upstream. */
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/must.h"
#include "broker/spool/parts.h"
#include "observe/metrics.h"

#define CLOSE_GRACE_NS NS_PER_S /* for the disk, after the upstream's time is up */

static struct spool_producer *as_producer(struct producer *producer)
{
    return (struct spool_producer *)(void *)producer;
}

static void fail(struct spool_producer *producer, uint64_t tag, int topic,
                 const struct record *record)
{
    producer_return(&producer->base, tag, topic, record);
}

/* ---- where to ---- */

enum route { ROUTE_UPSTREAM, ROUTE_JOURNAL, ROUTE_HOLD };

static void begin_recall(struct spool_producer *producer)
{
    if (producer_pending(producer->upstream) == 0)
        return;
    producer->is_recalling = true;
    if (!producer->is_polling)
        producer_recall(producer->upstream);
}

/* A new outage: what is under way upstream comes back first. */
static void recall_if_away(struct spool_producer *producer)
{
    uint64_t epoch = atomic_load(&producer->spool->epoch);
    if (producer->epoch == epoch)
        return;
    producer->epoch = epoch;
    begin_recall(producer);
}

/* The epoch is looked at last, and an outage counts it up before it changes the
 * mode: who sees AWAY, or a vehicle that another thread has spooled, sees the new
 * epoch, too, and recalls before anything of this thread is spooled. */
static enum route route_of(struct spool_producer *producer, int topic, struct bytes key)
{
    struct spool *spool = producer->spool;
    bool has_backlog = backlog_has(&spool->backlog, key);
    enum spool_mode mode = spool_mode(spool);
    recall_if_away(producer);
    if (producer->is_recalling)
        return ROUTE_HOLD;
    if (mode == SPOOL_AWAY ||
        atomic_load_explicit(&spool->upstream_topics[topic], memory_order_relaxed) < 0)
        return ROUTE_JOURNAL;
    if (!has_backlog)
        return ROUTE_UPSTREAM;
    return mode == SPOOL_HANDOVER ? ROUTE_HOLD : ROUTE_JOURNAL;
}

static enum publish_result to_upstream(struct spool_producer *producer, int topic,
                                       const struct record *record, uint64_t tag)
{
    int number =
        atomic_load_explicit(&producer->spool->upstream_topics[topic], memory_order_relaxed);
    enum publish_result result = producer_publish(producer->upstream, number, record, tag);
    if (result == PUBLISH_FULL) {
        producer->is_upstream_full = true;
        atomic_store_explicit(&producer->is_waiting_for_upstream, true, memory_order_relaxed);
    }
    return result;
}

static enum publish_result to_journal(struct spool_producer *producer, int topic,
                                      const struct record *record, uint64_t tag)
{
    struct spool *spool = producer->spool;
    enum publish_result result = PUBLISH_FULL;
    if (!atomic_load(&spool->is_too_old)) {
        backlog_add(&spool->backlog, record);
        result = producer_publish(producer->journal, spool->journal_topics[topic], record, tag);
        if (result != PUBLISH_ACCEPTED)
            backlog_remove(&spool->backlog, record);
        if (result == PUBLISH_FULL)
            producer->is_journal_full = true;
    }
    return result;
}

static enum publish_result hold(struct spool_producer *producer, int topic,
                                const struct record *record, uint64_t tag)
{
    const struct broker_config *config = &producer->spool->base.config;
    if (producer->held.count >= (size_t)config->producer_queue_records ||
        producer->held.bytes >= (size_t)config->producer_queue_bytes ||
        held_append(&producer->held, tag, topic, record) != 0)
        return PUBLISH_FULL;
    return PUBLISH_ACCEPTED;
}

static bool has_waiting(const struct spool_producer *producer)
{
    return !held_is_empty(&producer->returned) || !held_is_empty(&producer->held);
}

enum publish_result spool_publish(struct producer *base, int topic, int partition,
                                  const struct record *record, uint64_t tag)
{
    (void)partition; /* each of the two has its own */
    struct spool_producer *producer = as_producer(base);
    enum route route = route_of(producer, topic, record->key);
    if (has_waiting(producer))
        route = ROUTE_HOLD;
    switch (route) {
    case ROUTE_UPSTREAM:
        return to_upstream(producer, topic, record, tag);
    case ROUTE_JOURNAL:
        return to_journal(producer, topic, record, tag);
    case ROUTE_HOLD:
        return hold(producer, topic, record, tag);
    }
    return PUBLISH_FULL;
}

/* ---- what waits ---- */

/* Into the journal, or they stay. */
static void place_returned(struct spool_producer *producer)
{
    while (!held_is_empty(&producer->returned)) {
        const struct held_record *first = producer->returned.first;
        if (to_journal(producer, first->topic, &first->record, first->tag) == PUBLISH_FULL)
            return;
        free(held_take(&producer->returned));
    }
}

static void place_held(struct spool_producer *producer)
{
    while (!held_is_empty(&producer->held)) {
        const struct held_record *first = producer->held.first;
        enum publish_result result = PUBLISH_FULL;
        switch (route_of(producer, first->topic, first->record.key)) {
        case ROUTE_UPSTREAM:
            result = to_upstream(producer, first->topic, &first->record, first->tag);
            break;
        case ROUTE_JOURNAL:
            result = to_journal(producer, first->topic, &first->record, first->tag);
            break;
        case ROUTE_HOLD:
            break;
        }
        if (result == PUBLISH_FULL)
            return;
        struct held_record *item = held_take(&producer->held);
        if (result == PUBLISH_REFUSED)
            producer_deliver(&producer->base, item->tag, DELIVERY_FAILED, -1);
        free(item);
    }
}

static void place_waiting(struct spool_producer *producer)
{
    if (!has_waiting(producer))
        return;
    place_returned(producer);
    if (!producer->is_recalling && held_is_empty(&producer->returned))
        place_held(producer);
    producer_flush(producer->upstream);
    producer_flush(producer->journal);
}

static void give_back(struct spool_producer *producer, struct held *held)
{
    while (!held_is_empty(held)) {
        struct held_record *item = held_take(held);
        fail(producer, item->tag, item->topic, &item->record);
        free(item);
    }
}

/* ---- from upstream ---- */

static void on_upstream_delivery(void *context, uint64_t tag, enum delivery delivery,
                                 int64_t offset)
{
    struct spool_producer *producer = context;
    uint64_t passed = atomic_load_explicit(&producer->passed, memory_order_relaxed);
    atomic_store_explicit(&producer->passed, passed + 1, memory_order_relaxed);
    producer_deliver(&producer->base, tag, delivery, offset);
}

static int topic_of_upstream(const struct spool *spool, int number)
{
    for (int i = 0; i < topics_count(&spool->base.topics); i++)
        if (atomic_load(&spool->upstream_topics[i]) == number)
            return i;
    must(false);
    return -1;
}

static void on_upstream_return(void *context, uint64_t tag, int number, const struct record *record)
{
    struct spool_producer *producer = context;
    struct spool *spool = producer->spool;
    int topic = topic_of_upstream(spool, number);
    if (!producer->is_recalling)
        spool_go_away(spool, "it gave packets back");
    if (held_append(&producer->returned, tag, topic, record) != 0)
        fail(producer, tag, topic, record);
}

static void on_upstream_room(void *context)
{
    struct spool_producer *producer = context;
    producer->is_upstream_full = false;
}

/* ---- from the journal ---- */

static void on_journal_delivery(void *context, uint64_t tag, enum delivery delivery, int64_t offset)
{
    (void)offset;
    struct spool_producer *producer = context;
    if (delivery == DELIVERY_DURABLE)
        metrics_add(METRIC_SPOOL_SPOOLED, 0, 1);
    producer_deliver(&producer->base, tag, delivery, -1);
}

static void on_journal_return(void *context, uint64_t tag, int number, const struct record *record)
{
    struct spool_producer *producer = context;
    struct spool *spool = producer->spool;
    backlog_remove(&spool->backlog, record);
    fail(producer, tag, atomic_load(&spool->topics_of_journal[number]), record);
}

static void on_journal_room(void *context)
{
    struct spool_producer *producer = context;
    producer->is_journal_full = false;
}

/* ---- polling ---- */

static void poll_upstream(struct spool_producer *producer)
{
    bool was_recalling = producer->is_recalling;
    if (producer_pending(producer->upstream) == 0 && !producer->is_upstream_full)
        return;
    producer->is_polling = true;
    producer_poll(producer->upstream);
    producer->is_polling = false;
    recall_if_away(producer);
    if (producer->is_recalling && !was_recalling)
        producer_recall(producer->upstream);
}

/* What the drain's thread looks at. */
static void show(struct spool_producer *producer)
{
    atomic_store_explicit(&producer->upstream_pending, producer_pending(producer->upstream),
                          memory_order_relaxed);
    atomic_store_explicit(&producer->is_waiting_for_upstream, producer->is_upstream_full,
                          memory_order_relaxed);
    if (!producer->is_recalling && !has_waiting(producer) &&
        atomic_load_explicit(&producer->settled_epoch, memory_order_relaxed) != producer->epoch)
        atomic_store(&producer->settled_epoch, producer->epoch);
}

/* All that was under way is told. */
static void end_recall(struct spool_producer *producer)
{
    if (!producer->is_recalling || producer_pending(producer->upstream) > 0)
        return;
    producer->is_recalling = false;
    producer->is_upstream_full = false;
}

static bool has_room(const struct spool_producer *producer)
{
    if (producer->is_recalling || has_waiting(producer))
        return false;
    bool is_too_old = atomic_load(&producer->spool->is_too_old);
    switch (spool_mode(producer->spool)) {
    case SPOOL_PASSING:
        return !producer->is_upstream_full;
    case SPOOL_AWAY:
        return !producer->is_journal_full && !is_too_old;
    case SPOOL_DRAINING:
    case SPOOL_HANDOVER:
        return !producer->is_upstream_full && !producer->is_journal_full && !is_too_old;
    }
    return true;
}

void spool_flush(struct producer *base)
{
    struct spool_producer *producer = as_producer(base);
    producer_flush(producer->upstream);
    if (producer_pending(producer->journal) > 0)
        producer_flush(producer->journal);
    show(producer);
}

/* The journal's first: what it has was before what went upstream since. */
void spool_poll(struct producer *base)
{
    struct spool_producer *producer = as_producer(base);
    recall_if_away(producer);
    if (producer_pending(producer->journal) > 0 || producer->is_journal_full)
        producer_poll(producer->journal);
    poll_upstream(producer);
    end_recall(producer);
    place_waiting(producer);
    if (producer->wants_back && !producer->is_recalling) {
        producer->wants_back = false;
        give_back(producer, &producer->returned);
        give_back(producer, &producer->held);
    }
    show(producer);
    if (atomic_load_explicit(&base->wants_room, memory_order_relaxed) && has_room(producer))
        producer_tell_room(base);
}

/* From any thread: one of the two, or the drain, has something for the owner. */
static void wake(void *context)
{
    struct spool_producer *producer = context;
    pthread_mutex_lock(&producer->wake_lock);
    producer->is_woken = true;
    pthread_cond_signal(&producer->woken);
    pthread_mutex_unlock(&producer->wake_lock);
    if (producer->base.handler.wake != NULL)
        producer->base.handler.wake(producer->base.handler.context);
}

void spool_producer_wake(struct spool_producer *producer)
{
    wake(producer);
}

void spool_wait(struct producer *base, int64_t timeout_ns)
{
    struct spool_producer *producer = as_producer(base);
    if (base->pending == 0 && !atomic_load(&base->wants_room))
        return;
    int64_t deadline_ns = clock_monotonic_ns() + timeout_ns;
#ifndef __linux__
    deadline_ns += clock_wall_ns() - clock_monotonic_ns();
#endif
    struct timespec until = {deadline_ns / NS_PER_S, deadline_ns % NS_PER_S};
    pthread_mutex_lock(&producer->wake_lock);
    while (!producer->is_woken &&
           pthread_cond_timedwait(&producer->woken, &producer->wake_lock, &until) != ETIMEDOUT) {
    }
    producer->is_woken = false;
    pthread_mutex_unlock(&producer->wake_lock);
}

/* ---- recall, open, close ---- */

/* What the upstream gives back goes to the disk, as always; what has no room
 * there is the owner's again. */
void spool_recall(struct producer *base)
{
    struct spool_producer *producer = as_producer(base);
    begin_recall(producer);
    producer_recall(producer->journal);
    producer->wants_back = true;
    wake(producer);
}

static void init_waiting(struct spool_producer *producer)
{
    must(pthread_mutex_init(&producer->wake_lock, NULL) == 0);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
#ifdef __linux__
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
#endif
    must(pthread_cond_init(&producer->woken, &monotonic) == 0);
    pthread_condattr_destroy(&monotonic);
}

static void producer_free(struct spool_producer *producer)
{
    pthread_cond_destroy(&producer->woken);
    pthread_mutex_destroy(&producer->wake_lock);
    free(producer);
}

static int open_two(struct spool_producer *producer, struct error *err)
{
    const struct producer_handler upstream = {.on_delivery = on_upstream_delivery,
                                              .on_return = on_upstream_return,
                                              .on_room = on_upstream_room,
                                              .wake = wake,
                                              .context = producer};
    const struct producer_handler journal = {.on_delivery = on_journal_delivery,
                                             .on_return = on_journal_return,
                                             .on_room = on_journal_room,
                                             .wake = wake,
                                             .context = producer};
    if (producer_open(&producer->upstream, producer->spool->upstream, &upstream, err) != 0)
        return -1;
    if (producer_open(&producer->journal, producer->spool->journal, &journal, err) != 0) {
        producer_close(producer->upstream, 0);
        return -1;
    }
    producer->upstream->is_inner = producer->journal->is_inner = true;
    return 0;
}

int spool_producer_open(struct producer **out, struct broker *broker, struct error *err)
{
    struct spool_producer *producer = calloc(1, sizeof *producer);
    if (producer == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a producer");
    producer->spool = as_spool(broker);
    producer->epoch = atomic_load(&producer->spool->epoch);
    atomic_store(&producer->settled_epoch, producer->epoch);
    init_waiting(producer);
    if (open_two(producer, err) != 0) {
        producer_free(producer);
        return -1;
    }
    *out = &producer->base;
    return 0;
}

static void wait_until(struct spool_producer *producer, int64_t deadline_ns)
{
    while (producer->base.pending > 0) {
        int64_t left_ns = deadline_ns - clock_monotonic_ns();
        if (left_ns <= 0)
            return;
        spool_flush(&producer->base);
        spool_wait(&producer->base, left_ns < 10 * NS_PER_MS ? left_ns : 10 * NS_PER_MS);
        spool_poll(&producer->base);
    }
}

static void place_all_in_journal(struct spool_producer *producer)
{
    place_returned(producer);
    while (held_is_empty(&producer->returned) && !held_is_empty(&producer->held)) {
        const struct held_record *first = producer->held.first;
        if (to_journal(producer, first->topic, &first->record, first->tag) == PUBLISH_FULL)
            return;
        free(held_take(&producer->held));
    }
}

/* Half of the time is the upstream's; what is left then is spooled. */
void spool_producer_close(struct producer *base, int64_t timeout_ns)
{
    struct spool_producer *producer = as_producer(base);
    int64_t now_ns = clock_monotonic_ns();
    wait_until(producer, now_ns + timeout_ns / 2);
    begin_recall(producer);
    wait_until(producer, now_ns + timeout_ns);
    producer->is_recalling = true; /* nothing that comes back means an outage */
    producer_close(producer->upstream, 0);
    place_all_in_journal(producer);
    producer_close(producer->journal, CLOSE_GRACE_NS);
    give_back(producer, &producer->returned);
    give_back(producer, &producer->held);
    producer_deinit(base);
    producer_free(producer);
}
