/* SPDX-License-Identifier: Apache-2.0 */
/* What rules remember of vehicles, made again when a batch does not go on where
 * the last one ended (broker/reread.h): records are judged again, without output.
 * One thread. */
#pragma once

#include "broker/reread.h"
#include "handler/caution.h"
#include "handler/judge.h"

struct recall {
    struct broker *broker;
    const int *ingest; /* topics */
    size_t ingest_count;
    struct caution *caution;
    struct judge *judge;
    bool (*must_stop)(void *context); /* asked between batches */
    void *context;
    const struct ruleset *ruleset; /* during recall_for */
    struct reread reread;
};

/* Fill the members up to `context` first; it must not move afterwards. */
int recall_init(struct recall *recall, struct error *err);
void recall_deinit(struct recall *recall);

static inline unsigned recall_stream(const struct recall *recall, const struct consumed *in)
{
    return reread_stream(&recall->reread, in);
}

/* To be called once a record was judged, whatever becomes of its output: the
 * state is good for `next` now. */
static inline void recall_note(struct recall *recall, unsigned stream, int64_t next)
{
    reread_note(&recall->reread, stream, next);
}

/* Make the state good for the batch's first record of each partition. -1: with
 * ERROR_BUSY it must stop, else the broker failed; then nothing may be judged. */
int recall_for(struct recall *recall, const struct ruleset *ruleset,
               const struct consumed_batch *batch, struct error *err);
