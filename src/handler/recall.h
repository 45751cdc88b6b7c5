/* SPDX-License-Identifier: Apache-2.0 */
/* What rules remember of vehicles, made again after a start, a failure or a change
 * of partitions (contracts: handler state).
 *
 * Of each stream (a partition of an ingest topic) is known up to which offset the
 * state follows from its records. A batch whose records go on there needs
 * nothing. Else the records before them are read again, from as long ago as the
 * rules look back, and judged without output. Whether that is needed is seen
 * from the offsets alone: however partitions came and went, a record is judged
 * with the state that it had the first time.
 *
 * One thread. */
#pragma once

#include <stdint.h>

#include "handler/caution.h"
#include "handler/judge.h"

enum { RECALL_PARTITIONS_MAX = 2048 }; /* of one topic */

struct recall {
    struct broker *broker;
    const int *ingest; /* topics */
    size_t ingest_count;
    struct caution *caution;
    struct judge *judge;
    bool (*must_stop)(void *context); /* asked between batches */
    void *context;
    int64_t *next;  /* by stream: the offset that its state is good for; -1: not known */
    uint64_t *seen; /* by stream: the last batch that it was in */
    uint64_t batch;
    struct recall_gap *gaps; /* of the batch in hand */
    size_t gap_count;
    uint32_t *place; /* by stream: in gaps, if it has one there */
};

/* Fill the members up to `context` first. */
int recall_init(struct recall *recall, struct error *err);
void recall_deinit(struct recall *recall);

static inline unsigned recall_stream(const struct recall *recall, const struct consumed *in)
{
    unsigned ingest = 0;
    while (recall->ingest[ingest] != in->topic)
        ingest++;
    return ingest * RECALL_PARTITIONS_MAX + (unsigned)in->partition % RECALL_PARTITIONS_MAX;
}

/* To be called once a record was judged, whatever becomes of its output: the
 * state is good for `next` now. */
static inline void recall_note(struct recall *recall, unsigned stream, int64_t next)
{
    recall->next[stream] = next;
}

/* Make the state good for the batch's first record of each partition. -1: with
 * ERROR_BUSY it must stop, else the broker failed; then nothing may be judged. */
int recall_for(struct recall *recall, const struct ruleset *ruleset,
               const struct consumed_batch *batch, struct error *err);
