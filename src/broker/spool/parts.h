/* SPDX-License-Identifier: Apache-2.0 */
/* The spool: what its parts share.
 *
 *                                .--> upstream producer ---------> upstream
 *   owner --> producer.c: route -+                                    ^
 *                                '--> journal --> drain.c (keeper.c) -'
 *
 * Order of a vehicle, from one thread. A record goes to the journal only when
 * nothing of the same producer is under way upstream: on each outage (a new
 * epoch) the producer recalls first, and what comes meanwhile is held. A record
 * goes upstream only when its vehicle has nothing in the journal (backlog.h),
 * that is, when the upstream has said DURABLE to all that was there.
 * To end, the last few vehicles' records are held for a moment (HANDOVER), or a
 * vehicle that never pauses would go through the spool for ever.
 *
 * Only the thread of keeper.c changes the mode, but for going AWAY, which any
 * thread may say. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "broker/driver.h"
#include "broker/spool/backlog.h"
#include "broker/spool/held.h"
#include "broker/spool/spool.h"
#include "observe/health.h"

/* In the journal, by topic: what of it is not this run's, and how far the batch
 * at hand may be committed. The drain's alone. */
struct spool_partition {
    int64_t old_end; /* offsets below are of an earlier run */
    int64_t next;    /* to be committed; -1 = nothing new */
    bool is_blocked; /* a record before is not done */
};

struct spool {
    struct broker base;
    struct broker *upstream; /* borrowed */
    struct broker *journal;
    struct spool_config config;
    struct backlog backlog;
    struct health_check *health;

    /* by the number here; -1 = not known yet */
    _Atomic int upstream_topics[TOPICS_MAX];
    int journal_topics[TOPICS_MAX];
    /* by the journal's number: the number here, or -1 */
    _Atomic int topics_of_journal[TOPICS_MAX];

    bool is_unreachable; /* at the start. Under the topics' lock */

    pthread_mutex_t lock; /* mode changes, and to sleep */
    pthread_cond_t changed;
    _Atomic int mode;       /* enum spool_mode */
    _Atomic uint64_t epoch; /* outages begun */
    atomic_bool is_too_old;
    _Atomic int64_t oldest_ns;
    _Atomic uint64_t drained;
    int64_t outage_began_ns; /* monotonic; 0 = none was told. Under the lock */
    uint64_t drained_before; /* the outage */

    pthread_t thread;
    bool has_thread;
    atomic_bool should_stop;
    bool is_roused; /* under the lock */
};

struct spool_producer {
    struct producer base;
    struct spool *spool;
    struct producer *upstream;
    struct producer *journal;
    struct held returned; /* from upstream, to the journal as soon as it has room */
    struct held held;     /* came later and must wait for those */
    uint64_t epoch;       /* of the last recall */
    bool is_recalling;    /* until upstream has told all */
    bool is_polling;      /* in upstream's callbacks: it can't be recalled there */
    bool wants_back;      /* the owner recalls: it gets what waits */
    bool is_upstream_full, is_journal_full;

    /* for the drain's thread */
    _Atomic uint64_t settled_epoch; /* no record of an earlier epoch is upstream */
    _Atomic uint64_t passed;        /* delivered upstream */
    _Atomic size_t upstream_pending;
    atomic_bool is_waiting_for_upstream; /* it answered FULL */
    /* the drain's own: seen at its last look */
    uint64_t passed_seen;
    int64_t stalled_ns, full_ns;

    /* for owners that wait */
    pthread_mutex_t wake_lock;
    pthread_cond_t woken;
    bool is_woken;
};

static inline struct spool *as_spool(struct broker *broker)
{
    return (struct spool *)(void *)broker;
}

static inline enum spool_mode spool_mode(const struct spool *spool)
{
    return (enum spool_mode)atomic_load(&spool->mode);
}

/* Any thread: the upstream is away because of `why`. */
void spool_go_away(struct spool *spool, const char *why);
/* Any thread: all owners should poll. */
void spool_wake_producers(struct spool *spool);

/* topics.c */
int spool_learn_topics(struct spool *spool, struct error *err);
int spool_add_topic(struct broker *broker, int number, struct error *err);
/* The upstream's number of the journal's topic: asks it. -1 with *err. */
int spool_resolve_topic(struct spool *spool, int journal_topic, struct error *err);
#define SPOOL_REFUSED_TOPIC "refused.dead-letters"
#define SPOOL_GROUP "spool"

/* keeper.c: the spool's thread. */
int keeper_start(struct spool *spool, struct error *err);
void keeper_stop(struct spool *spool);
/* Sleep until roused, or timeout_ns. */
void spool_sleep(struct spool *spool, int64_t timeout_ns);
void spool_rouse(struct spool *spool);

/* The drivers' functions, by file. */
int spool_producer_open(struct producer **out, struct broker *broker, struct error *err);
enum publish_result spool_publish(struct producer *producer, int topic, int partition,
                                  const struct record *record, uint64_t tag);
void spool_flush(struct producer *producer);
void spool_poll(struct producer *producer);
void spool_wait(struct producer *producer, int64_t timeout_ns);
void spool_recall(struct producer *producer);
void spool_producer_close(struct producer *producer, int64_t timeout_ns);
/* With the spool's base.lock held. */
void spool_producer_wake(struct spool_producer *producer);

int spool_consumer_open(struct consumer **out, struct broker *broker,
                        const struct consumer_options *options, struct error *err);
int spool_fetch(struct consumer *consumer, struct consumed_batch *out, size_t max,
                int64_t timeout_ns, struct error *err);
int spool_commit(struct consumer *consumer, int topic, int partition, int64_t next_offset,
                 struct error *err);
int spool_seek(struct consumer *consumer, int topic, int partition, int64_t offset,
               struct error *err);
int64_t spool_next_offset(struct consumer *consumer, int topic, int partition);
void spool_consumer_close(struct consumer *consumer);
int spool_offsets(struct broker *broker, int topic, int partition, struct broker_offsets *out,
                  struct error *err);
void spool_idle(struct consumer *consumer);
int64_t spool_lag(struct consumer *consumer, int topic, int partition);
size_t spool_owned(const struct consumer *consumer);
int64_t spool_committed(struct broker *broker, const char *group, int topic, int partition);
