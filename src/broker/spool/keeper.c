/* SPDX-License-Identifier: Apache-2.0 */
/* The spool's thread. It sees that the upstream is away (nothing that any
 * producer gave it becomes durable), tries it while it is (a few of the oldest
 * records, given once and left with the upstream until it says something), sends
 * the backlog on when it is back, and ends the outage. */
#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/random.h"
#include "broker/journal/journal.h"
#include "broker/spool/drain.h"
#include "observe/log.h"
#include "observe/metrics.h"

#define TICK_MIN_NS (5 * NS_PER_MS)
#define TICK_MAX_NS (250 * NS_PER_MS)
#define RETRY_FIRST_NS (100 * NS_PER_MS)
#define PAUSE_MAX_NS NS_PER_S
#define HANDOVER_NS (500 * NS_PER_MS)
#define HANDOVER_AGAIN_NS NS_PER_S
#define CLOSE_NS NS_PER_S

struct keeper {
    struct spool *spool;
    struct drain drain;
    int64_t tick_ns;
    int64_t looked_ns;  /* at the producers, last */
    uint64_t passed;    /* by all producers, in all looks */
    size_t done_seen;   /* of the batch */
    int64_t stalled_ns; /* so long the batch made no progress */
    size_t probe_goal;  /* so many of the batch are to be done; 0 = not set */
    unsigned attempts;
    int64_t next_try_ns;
    int64_t batch_ns; /* when it was begun */
    uint64_t batch_passed;
    int64_t pause_until_ns;
    int64_t handover_until_ns, handover_again_ns;
    bool has_told; /* of a topic that can't be had */
    struct random_source random;
};

/* ---- modes ---- */

void spool_rouse(struct spool *spool)
{
    pthread_mutex_lock(&spool->lock);
    spool->is_roused = true;
    pthread_cond_broadcast(&spool->changed);
    pthread_mutex_unlock(&spool->lock);
}

void spool_sleep(struct spool *spool, int64_t timeout_ns)
{
    int64_t at_ns = clock_monotonic_ns() + timeout_ns;
#ifndef __linux__
    at_ns += clock_wall_ns() - clock_monotonic_ns();
#endif
    struct timespec until = {at_ns / NS_PER_S, at_ns % NS_PER_S};
    pthread_mutex_lock(&spool->lock);
    while (!spool->is_roused &&
           pthread_cond_timedwait(&spool->changed, &spool->lock, &until) != ETIMEDOUT) {
    }
    spool->is_roused = false;
    pthread_mutex_unlock(&spool->lock);
}

void spool_wake_producers(struct spool *spool)
{
    pthread_mutex_lock(&spool->base.lock);
    for (struct list *node = spool->base.producers.next; node != &spool->base.producers;
         node = node->next)
        spool_producer_wake(
            (struct spool_producer *)(void *)list_item(node, struct producer, node));
    pthread_mutex_unlock(&spool->base.lock);
}

static void tell_begin(struct spool *spool, const char *why)
{
    struct spool_status status;
    spool_status(&spool->base, &status);
    metrics_add(METRIC_SPOOL_OUTAGES, 0, 1);
    log_event(LOG_WARN, "spool", "the broker is away: packets are kept in the spool",
              LOG_T("why", why), LOG_I("room_bytes", status.room_bytes),
              LOG_I("records", status.records));
}

void spool_go_away(struct spool *spool, const char *why)
{
    pthread_mutex_lock(&spool->lock);
    bool is_change = spool_mode(spool) != SPOOL_AWAY;
    bool is_first = is_change && spool->outage_began_ns == 0;
    if (is_change) {
        atomic_fetch_add(&spool->epoch, 1); /* first: see route_of */
        atomic_store(&spool->mode, SPOOL_AWAY);
    }
    if (is_first) {
        spool->outage_began_ns = clock_monotonic_ns();
        spool->drained_before = atomic_load(&spool->drained);
    }
    pthread_mutex_unlock(&spool->lock);
    if (!is_change)
        return;
    if (is_first)
        tell_begin(spool, why);
    else
        log_event(LOG_DEBUG, "spool", "the broker is away again", LOG_T("why", why));
    spool_rouse(spool);
    spool_wake_producers(spool);
}

/* False: somebody said AWAY meanwhile. */
static bool change_mode(struct spool *spool, enum spool_mode from, enum spool_mode to)
{
    int expected = (int)from;
    pthread_mutex_lock(&spool->lock);
    bool has_changed = atomic_compare_exchange_strong(&spool->mode, &expected, (int)to);
    pthread_mutex_unlock(&spool->lock);
    if (has_changed)
        spool_wake_producers(spool);
    return has_changed;
}

static void end(struct keeper *k, enum spool_mode from)
{
    struct spool *spool = k->spool;
    atomic_store(&spool->oldest_ns, 0);
    k->attempts = 0;
    k->has_told = false;
    pthread_mutex_lock(&spool->lock);
    int64_t began_ns = spool->outage_began_ns;
    uint64_t drained = atomic_load(&spool->drained) - spool->drained_before;
    if (spool_mode(spool) == from)
        spool->outage_began_ns = 0;
    pthread_mutex_unlock(&spool->lock);
    if (!change_mode(spool, from, SPOOL_PASSING) || began_ns == 0)
        return;
    log_event(LOG_INFO, "spool", "the broker is back and the spool is empty",
              LOG_I("records", drained),
              LOG_F("seconds", (double)(clock_monotonic_ns() - began_ns) / 1e9));
}

/* ---- looking at the producers ---- */

struct look {
    uint64_t passed;
    const char *trouble;
};

/* With base.lock held. */
static void look_at(const struct keeper *k, struct spool_producer *p, int64_t elapsed_ns,
                    struct look *look)
{
    int64_t after_ns = k->spool->config.after_ns;
    uint64_t passed = atomic_load_explicit(&p->passed, memory_order_relaxed);
    bool is_away = spool_mode(k->spool) == SPOOL_AWAY;
    bool is_moving = is_away || passed != p->passed_seen || atomic_load(&p->upstream_pending) == 0;
    bool is_full = !is_away && atomic_load(&p->is_waiting_for_upstream);
    p->passed_seen = passed;
    p->stalled_ns = is_moving ? 0 : p->stalled_ns + elapsed_ns;
    p->full_ns = is_full ? p->full_ns + elapsed_ns : 0;
    if (p->stalled_ns >= after_ns)
        look->trouble = "nothing became durable for spool.after";
    else if (p->full_ns >= after_ns)
        look->trouble = "it had no room for spool.after";
    look->passed += passed;
}

static struct look look_at_all(const struct keeper *k, int64_t elapsed_ns)
{
    struct spool *spool = k->spool;
    struct look look = {0};
    pthread_mutex_lock(&spool->base.lock);
    for (struct list *node = spool->base.producers.next; node != &spool->base.producers;
         node = node->next)
        look_at(k, (struct spool_producer *)(void *)list_item(node, struct producer, node),
                elapsed_ns, &look);
    pthread_mutex_unlock(&spool->base.lock);
    return look;
}

/* Have all producers seen this outage, and nothing upstream from before? */
static bool is_settled(struct spool *spool)
{
    bool is_settled = true;
    pthread_mutex_lock(&spool->base.lock);
    for (struct list *node = spool->base.producers.next; node != &spool->base.producers;
         node = node->next) {
        struct spool_producer *p =
            (struct spool_producer *)(void *)list_item(node, struct producer, node);
        is_settled &= atomic_load(&p->settled_epoch) == atomic_load(&spool->epoch);
    }
    pthread_mutex_unlock(&spool->base.lock);
    return is_settled;
}

static void look_at_batch(struct keeper *k, int64_t elapsed_ns)
{
    const struct drain *drain = &k->drain;
    bool is_moving = drain->batch.count == 0 || drain->done != k->done_seen;
    k->done_seen = drain->done;
    k->stalled_ns = is_moving ? 0 : k->stalled_ns + elapsed_ns;
    enum spool_mode mode = spool_mode(k->spool);
    if ((mode == SPOOL_DRAINING || mode == SPOOL_HANDOVER) &&
        k->stalled_ns >= k->spool->config.after_ns)
        spool_go_away(k->spool, "the backlog made no progress for spool.after");
}

static void look_at_age(struct spool *spool)
{
    int64_t oldest_ns = atomic_load(&spool->oldest_ns);
    int64_t limit_ns = spool->config.age_limit_ns;
    bool is_too_old = limit_ns > 0 && oldest_ns > 0 && clock_wall_ns() - oldest_ns > limit_ns;
    bool was_too_old = atomic_exchange(&spool->is_too_old, is_too_old);
    if (is_too_old == was_too_old)
        return;
    if (is_too_old)
        log_event(LOG_ERROR, "spool",
                  "the oldest packet is beyond spool.age_limit: nothing more is taken in until it "
                  "is sent on; bring the broker back, or raise the limit",
                  LOG_F("hours", (double)(clock_wall_ns() - oldest_ns) / 3.6e12));
    spool_wake_producers(spool);
}

static void look_at_room(struct spool *spool)
{
    bool is_empty = backlog_is_empty(&spool->backlog);
    if (!is_empty && atomic_load(&spool->is_too_old))
        health_set_unready(spool->health, "the spool is full: beyond spool.age_limit");
    else if (!is_empty && atomic_load(&as_journal(spool->journal)->fullness) != FULL_NOT)
        health_set_unready(spool->health, "the spool is full: cars wait until the broker is back");
    else
        health_set_ready(spool->health);
}

/* A pause of the whole process (or of this thread) is not the upstream's. */
static void look(struct keeper *k)
{
    int64_t now_ns = clock_monotonic_ns();
    int64_t elapsed_ns = now_ns - k->looked_ns;
    k->looked_ns = now_ns;
    if (elapsed_ns > 2 * k->tick_ns)
        elapsed_ns = 2 * k->tick_ns;
    struct look seen = look_at_all(k, elapsed_ns);
    k->passed = seen.passed;
    if (seen.trouble != NULL && spool_mode(k->spool) != SPOOL_AWAY)
        spool_go_away(k->spool, seen.trouble);
    look_at_batch(k, elapsed_ns);
    look_at_age(k->spool);
    look_at_room(k->spool);
}

/* ---- one step in each mode ---- */

static int pass(struct keeper *k, struct error *err)
{
    struct spool *spool = k->spool;
    if (!backlog_is_empty(&spool->backlog)) { /* decided before the end of an outage */
        k->batch_ns = clock_monotonic_ns();
        change_mode(spool, SPOOL_PASSING, SPOOL_DRAINING);
        return 0;
    }
    if (k->drain.topic_count != broker_topic_count(spool->journal) &&
        drain_fetch(&k->drain, 0, err) != 0) /* read the new one, too */
        return -1;
    spool_sleep(spool, k->tick_ns);
    return 0;
}

/* Full jitter (Brooker, Exponential Backoff And Jitter, 2015). */
static void back_off(struct keeper *k)
{
    int64_t most_ns = k->spool->config.retry_max_ns;
    int64_t bound_ns = RETRY_FIRST_NS;
    for (unsigned i = 0; i < k->attempts && bound_ns < most_ns; i++)
        bound_ns *= 2;
    bound_ns = bound_ns < most_ns ? bound_ns : most_ns;
    k->attempts++;
    k->next_try_ns = clock_monotonic_ns() +
                     (int64_t)((double)random_unit(&k->random) * (double)bound_ns) + NS_PER_MS;
}

static bool knows_topics(struct keeper *k)
{
    struct error err = {0};
    if (drain_resolve(&k->drain, &err) == 0)
        return true;
    back_off(k);
    if (!err.is_transient && !k->has_told) {
        log_error("spool", "the backlog can't be sent on", &err);
        k->has_told = true;
    }
    return false;
}

/* The oldest few: when they are durable, it is back. */
static int try(struct keeper *k, struct error *err)
{
    struct drain *drain = &k->drain;
    if (drain_fetch(drain, k->tick_ns, err) != 0)
        return -1;
    if (drain->batch.count == 0)
        return 0;
    size_t left = drain->batch.count - drain->done;
    if (k->probe_goal == 0)
        k->probe_goal = drain->done + (left < DRAIN_PROBE ? left : (size_t)DRAIN_PROBE);
    drain_send(drain, DRAIN_PROBE);
    drain_wait(drain, k->tick_ns);
    if (drain_has_fallen_back(drain)) {
        back_off(k);
        k->probe_goal = 0;
    } else if (!drain->has_returns && drain->done >= k->probe_goal) {
        k->attempts = 0;
        k->probe_goal = 0;
        k->stalled_ns = 0;
        k->batch_ns = clock_monotonic_ns();
        change_mode(k->spool, SPOOL_AWAY, SPOOL_DRAINING);
    }
    return 0;
}

static int be_away(struct keeper *k, struct error *err)
{
    struct spool *spool = k->spool;
    int64_t wait_ns = k->next_try_ns - clock_monotonic_ns();
    if (wait_ns > 0 && producer_pending(k->drain.producer) == 0) {
        spool_sleep(spool, wait_ns < k->tick_ns ? wait_ns : k->tick_ns);
        return 0;
    }
    if (!knows_topics(k))
        return 0;
    if (!backlog_is_empty(&spool->backlog) || k->drain.batch.count > 0)
        return try(k, err);
    if (is_settled(spool) && backlog_is_empty(&spool->backlog))
        end(k, SPOOL_AWAY);
    else
        spool_sleep(spool, k->tick_ns);
    return 0;
}

/* So that other packets get their share, and the rate is kept. */
static void pause_after(struct keeper *k, size_t records)
{
    const struct spool_config *config = &k->spool->config;
    int64_t now_ns = clock_monotonic_ns();
    int64_t busy_ns = now_ns - k->batch_ns;
    int64_t pause_ns = 0;
    if (k->passed != k->batch_passed)
        pause_ns = busy_ns / config->drain_share * (100 - config->drain_share);
    pause_ns = pause_ns < PAUSE_MAX_NS ? pause_ns : PAUSE_MAX_NS;
    if (config->drain_rate > 0) {
        int64_t least_ns = (int64_t)records * NS_PER_S / config->drain_rate - busy_ns;
        pause_ns = pause_ns > least_ns ? pause_ns : least_ns;
    }
    k->pause_until_ns = now_ns + pause_ns;
}

static void turn_handover(struct keeper *k)
{
    struct spool *spool = k->spool;
    int64_t now_ns = clock_monotonic_ns();
    enum spool_mode mode = spool_mode(spool);
    if (mode == SPOOL_HANDOVER && now_ns > k->handover_until_ns) {
        k->handover_again_ns = now_ns + HANDOVER_AGAIN_NS;
        change_mode(spool, SPOOL_HANDOVER, SPOOL_DRAINING);
    } else if (mode == SPOOL_DRAINING && now_ns >= k->handover_again_ns &&
               !atomic_load(&spool->backlog.has_old) &&
               atomic_load(&spool->backlog.records) <= k->drain.batch_max) {
        k->handover_until_ns = now_ns + HANDOVER_NS;
        change_mode(spool, SPOOL_DRAINING, SPOOL_HANDOVER);
    }
}

static void finish_batch(struct keeper *k)
{
    size_t records = k->drain.batch.count;
    drain_finish(&k->drain);
    pause_after(k, records);
}

static int drain(struct keeper *k, enum spool_mode mode, struct error *err)
{
    struct drain *drain = &k->drain;
    int64_t pause_ns = k->pause_until_ns - clock_monotonic_ns();
    turn_handover(k);
    if (drain->batch.count == 0 && backlog_is_empty(&k->spool->backlog)) {
        end(k, mode);
        return 0;
    }
    if (drain->batch.count == 0 && mode == SPOOL_DRAINING && pause_ns > 0) {
        spool_sleep(k->spool, pause_ns < k->tick_ns ? pause_ns : k->tick_ns);
        return 0;
    }
    if (drain->batch.count == 0) {
        if (!knows_topics(k)) { /* one that is new */
            spool_go_away(k->spool, "a topic is not known");
            return 0;
        }
        k->batch_ns = clock_monotonic_ns();
        k->batch_passed = k->passed;
        if (drain_fetch(drain, k->tick_ns, err) != 0)
            return -1;
    }
    drain_send(drain, SIZE_MAX);
    if (!drain_is_done(drain))
        drain_wait(drain, k->tick_ns);
    if (drain_has_fallen_back(drain))
        spool_go_away(k->spool, "it gave packets back");
    else if (drain->batch.count > 0 && drain_is_done(drain))
        finish_batch(k);
    return 0;
}

static int step(struct keeper *k, struct error *err)
{
    enum spool_mode mode = spool_mode(k->spool);
    switch (mode) {
    case SPOOL_PASSING:
        return pass(k, err);
    case SPOOL_AWAY:
        return be_away(k, err);
    case SPOOL_DRAINING:
    case SPOOL_HANDOVER:
        return drain(k, mode, err);
    }
    return 0;
}

/* ---- the thread ---- */

static void fail(struct spool *spool, struct error *err)
{
    error_prefix(err, "spool");
    broker_fail(&spool->base, err);
}

static void *run(void *context)
{
    struct keeper *k = context;
    struct spool *spool = k->spool;
    k->looked_ns = clock_monotonic_ns();
    while (!atomic_load(&spool->should_stop) && !broker_has_failed(&spool->base)) {
        struct error err = {0};
        look(k);
        if (step(k, &err) != 0)
            fail(spool, &err);
        if (k->drain.has_failed) {
            error_set(&err, ERROR_IO, "what the broker refused could not be kept");
            fail(spool, &err);
        }
    }
    bool is_away = spool_mode(spool) == SPOOL_AWAY;
    drain_close(&k->drain, is_away ? 0 : CLOSE_NS);
    free(k);
    return NULL;
}

static void tell_old(struct spool *spool)
{
    struct spool_status status;
    if (backlog_is_empty(&spool->backlog))
        return;
    spool_status(&spool->base, &status);
    spool->outage_began_ns = clock_monotonic_ns();
    atomic_store(&spool->mode, SPOOL_AWAY);
    log_event(LOG_INFO, "spool", "packets of an earlier run are sent on first",
              LOG_I("records", status.records), LOG_I("bytes", status.bytes));
}

int keeper_start(struct spool *spool, struct error *err)
{
    struct keeper *k = calloc(1, sizeof *k);
    if (k == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the spool's thread");
    k->spool = spool;
    k->random.state = (uint64_t)clock_wall_ns();
    k->tick_ns = spool->config.after_ns / 8;
    k->tick_ns = k->tick_ns < TICK_MIN_NS ? TICK_MIN_NS : k->tick_ns;
    k->tick_ns = k->tick_ns > TICK_MAX_NS ? TICK_MAX_NS : k->tick_ns;
    int result = drain_open(&k->drain, spool, err);
    if (result == 0) {
        tell_old(spool);
        int number = pthread_create(&spool->thread, NULL, run, k);
        if (number != 0)
            result = error_set_errno(err, ERROR_IO, number, "can't start the spool's thread");
    }
    if (result != 0) {
        drain_close(&k->drain, 0);
        free(k);
        return -1;
    }
    spool->has_thread = true;
    return 0;
}

void keeper_stop(struct spool *spool)
{
    if (!spool->has_thread)
        return;
    atomic_store(&spool->should_stop, true);
    spool_rouse(spool);
    pthread_join(spool->thread, NULL);
    spool->has_thread = false;
}
