/* SPDX-License-Identifier: Apache-2.0 */
/* What is remembered of vehicles, made again after a start, a failure or a change
 * of partitions, by reading records again (contracts: handler state). For the
 * handler's rules and the store's transforms alike.
 *
 * Of each stream (a partition of one of the topics) is known up to which offset
 * the state follows from its records. A batch whose records go on there needs
 * nothing. Else the records before them are read again, from as long ago as they
 * matter, and given to rehearse(), which makes nothing of them but the state.
 * Whether that is needed is seen from the offsets alone: however partitions came
 * and went, a record meets the state that it met the first time.
 *
 * One thread. */
#pragma once

#include <stdint.h>

#include "broker/broker.h"
#include "vehicle/state.h"

enum { REREAD_PARTITIONS_MAX = 2048 }; /* of one topic */

struct reread {
    struct broker *broker;
    const int *topics;
    size_t topic_count;
    const char *who; /* for logs: "handler" */
    /* Around each batch that is read again: begin and end may be NULL. */
    void (*begin)(void *context, const struct consumed_batch *batch);
    void (*rehearse)(void *context, unsigned stream, const struct consumed *in);
    void (*end)(void *context);
    bool (*must_stop)(void *context); /* asked between batches */
    void *context;

    int64_t *next;  /* by stream: the offset that its state is good for; -1: not known */
    uint64_t *seen; /* by stream: the last batch that it was in */
    uint64_t batch;
    struct reread_gap *gaps; /* of the batch in hand */
    size_t gap_count;
    uint32_t *place; /* by stream: in gaps, if it has one there */
};

struct reread_done {
    size_t records; /* read again; 0: nothing was needed */
    int64_t took_ns;
};

/* Fill the members up to `context` first. */
int reread_init(struct reread *reread, struct error *err);
/* Twice is safe. */
void reread_deinit(struct reread *reread);

static inline unsigned reread_stream(const struct reread *reread, const struct consumed *in)
{
    unsigned topic = 0;
    while (reread->topics[topic] != in->topic)
        topic++;
    return topic * REREAD_PARTITIONS_MAX + (unsigned)in->partition % REREAD_PARTITIONS_MAX;
}

/* To be called once a record met the state, whatever becomes of it: the state is
 * good for `next` now. */
static inline void reread_note(struct reread *reread, unsigned stream, int64_t next)
{
    reread->next[stream] = next;
}

/* Make the state good for the batch's first record of each partition. -1: with
 * ERROR_BUSY it must stop, else the broker failed; then no record may meet the
 * state. */
int reread_for(struct reread *reread, struct state_table *state, int64_t lookback_ns,
               const struct consumed_batch *batch, struct reread_done *done, struct error *err);
