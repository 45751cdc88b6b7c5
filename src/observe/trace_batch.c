/* SPDX-License-Identifier: Apache-2.0 */
#include "observe/trace_batch.h"

#include "base/clock.h"

struct span *trace_batch_add(struct trace_batch *batch, struct bytes traceparent,
                             const char *operation)
{
    struct trace_context parent;
    struct trace_context own;
    if (traceparent.len == 0 || !trace_is_on() || batch->count == TRACE_BATCH_MAX ||
        !trace_parse(traceparent, &parent) || !parent.is_sampled)
        return NULL;
    trace_child(&parent, &own);
    struct span *span = &batch->spans[batch->count++];
    span_init(span, SPAN_CONSUMER, operation, &own, &parent);
    span->begin_ns = clock_wall_ns();
    return span;
}

void trace_batch_finish(struct trace_batch *batch, enum metric histogram)
{
    if (batch->count == 0)
        return;
    int64_t now_ns = clock_wall_ns();
    for (size_t i = 0; i < batch->count; i++) {
        const struct span *span = &batch->spans[i];
        span_finish(span, now_ns);
        if (histogram != METRIC_COUNT)
            metrics_exemplar(histogram, 0, now_ns - span->begin_ns, span->context.trace_id);
    }
    batch->count = 0;
}

void trace_batch_clear(struct trace_batch *batch)
{
    batch->count = 0;
}
