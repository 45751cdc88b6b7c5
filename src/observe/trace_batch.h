/* SPDX-License-Identifier: Apache-2.0 */
/* The spans of the traced records in one batch: begun as records are taken up,
 * finished together when the batch is settled. Bounded; more are not traced.
 * One thread. */
#pragma once

#include "observe/metrics.h"
#include "observe/trace.h"

enum { TRACE_BATCH_MAX = 64 };

struct trace_batch {
    struct span spans[TRACE_BATCH_MAX];
    size_t count;
};

/* A record with this traceparent header was taken up; the new span, to be given
 * its topic and packet, or NULL when it is not traced. Costs a look at the
 * header's length for all others. */
struct span *trace_batch_add(struct trace_batch *batch, struct bytes traceparent,
                             const char *operation);
/* All are done now: exemplars of `histogram` (METRIC_COUNT: of none). */
void trace_batch_finish(struct trace_batch *batch, enum metric histogram);
/* They are not done: taken up again later. */
void trace_batch_clear(struct trace_batch *batch);
