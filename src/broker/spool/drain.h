/* SPDX-License-Identifier: Apache-2.0 */
/* Sending the backlog on, a batch at a time: fetched from the journal, given to
 * a producer of the upstream, committed when all of it is durable there. One
 * thread. */
#pragma once

#include "broker/spool/parts.h"

enum { DRAIN_BATCH = 4096, DRAIN_PROBE = 64 };

enum drain_state { DRAIN_TO_SEND, DRAIN_SENT, DRAIN_RETURNED, DRAIN_DONE };

struct drain {
    struct spool *spool;
    struct producer *producer; /* of the upstream */
    struct producer *refused;  /* of the journal: what the upstream never takes */
    struct consumer *consumer; /* of the journal; NULL: to be opened */
    int topic_count;           /* that it reads */
    int refused_topic;
    int upstream_topics[TOPICS_MAX]; /* by the journal's number; -1 = not known */
    struct spool_partition *partitions[TOPICS_MAX];
    size_t batch_max;
    struct consumed_batch batch;
    uint8_t states[DRAIN_BATCH]; /* enum drain_state */
    size_t next;                 /* to look at for sending */
    size_t done;
    bool has_returns;
    bool has_failed; /* the journal can't be read or written */
};

int drain_open(struct drain *drain, struct spool *spool, struct error *err);
/* old.c: at the start, what an earlier run has left. */
void drain_find_old(struct drain *drain);
/* Waits up to timeout_ns for what is under way, and commits as far as it got. */
void drain_close(struct drain *drain, int64_t timeout_ns);

/* The upstream's numbers of all topics that are in the journal: asks for those
 * that aren't known. -1 with *err: not all. */
int drain_resolve(struct drain *drain, struct error *err);
/* A batch at hand, fetched when there is none; waits up to timeout_ns. -1: the
 * journal can't be read. */
int drain_fetch(struct drain *drain, int64_t timeout_ns, struct error *err);
/* Give the batch's records to the upstream, as far as it has room and nothing
 * came back, until `most` are under way. */
void drain_send(struct drain *drain, size_t most);
/* Wait for what was sent, up to timeout_ns. */
void drain_wait(struct drain *drain, int64_t timeout_ns);
/* Something came back, and nothing is under way any more: send it again. */
bool drain_has_fallen_back(struct drain *drain);
/* The whole batch is durable: commit it, none is at hand. */
void drain_finish(struct drain *drain);

static inline bool drain_is_done(const struct drain *drain)
{
    return drain->done == drain->batch.count;
}
