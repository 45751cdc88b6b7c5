/* SPDX-License-Identifier: Apache-2.0 */
/* What one loop counted. Its thread writes (simulate/counter.h), the one that
 * shows progress reads meanwhile. */
#pragma once

#include <pthread.h>
#include <stdint.h>

#include "base/bytes.h"
#include "simulate/counter.h"
#include "simulate/histogram.h"
#include "simulate/reply.h"

enum { STATS_EXAMPLE_MAX = 120 };

struct stats {
    uint64_t taken;      /* packets in hand: sent, or waiting for their connection */
    uint64_t sent;       /* of them written to a connection, once or more */
    uint64_t resent;     /* writes beyond the first, after a reconnect or a 503 */
    uint64_t acked;      /* without the rejected */
    uint64_t unsettled;  /* taken and neither acked nor rejected */
    uint64_t late;       /* could not be taken when due: the window was full */
    uint64_t unsent;     /* due, but never taken before the end */
    uint64_t bad_lines;  /* of a trace: no packets */
    uint64_t reconnects; /* connections lost and opened again */
    uint64_t refusals;   /* attempts to connect that failed */
    uint64_t is_open;    /* connections open now */
    uint64_t behind_ns;  /* how late the generator itself came to a due packet, at most */
    uint64_t began_ns;   /* playing (clock_monotonic_ns); 0: not yet */
    uint64_t ended_ns;   /* the last ack, or the end of waiting for it; 0: not yet */
    uint64_t rejected[REPLY_REASONS_MAX];
    char examples[REPLY_REASONS_MAX][STATS_EXAMPLE_MAX]; /* first detail of each; read at the end */
    struct histogram latency;                            /* of acks, from the intended send time */
    pthread_mutex_t trouble_lock;
    char trouble[256]; /* the last thing that went wrong; empty once shown */
};

struct stats *stats_new(void); /* NULL without memory */
void stats_free(struct stats *stats);
/* Add the counts and latencies of `from`, whose thread may go on counting. */
void stats_merge(struct stats *into, const struct stats *from);
/* Take over the examples; after the thread of `from` ended. */
void stats_merge_examples(struct stats *into, const struct stats *from);

uint64_t stats_rejected(const struct stats *stats);
/* Keep the first detail of each reason, to show at the end. */
void stats_set_example(struct stats *stats, uint8_t reason, struct bytes detail);
/* Any thread: for a person to see; the last one counts. */
void stats_set_trouble(struct stats *stats, const char *text);
/* Empty when there was none since the last call. */
void stats_take_trouble(struct stats *stats, char out[256]);
