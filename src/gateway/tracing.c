/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/tracing.h"

#include <stdlib.h>

#include "base/clock.h"
#include "observe/metrics.h"

void tracing_deinit(struct tracing *tracing)
{
    free(tracing->items);
    *tracing = (struct tracing){0};
}

static bool has_room(struct tracing *tracing)
{
    if (tracing->items == NULL)
        tracing->items = malloc(TRACING_MAX * sizeof *tracing->items);
    return tracing->items != NULL && tracing->count < TRACING_MAX;
}

static void make_context(const struct trace_context *parent, struct trace_context *out)
{
    if (parent != NULL)
        trace_child(parent, out);
    else
        trace_begin(out);
}

bool tracing_begin(struct tracing *tracing, const struct trace_context *parent, int64_t now_ns,
                   struct trace_context *out)
{
    bool is_asked = parent != NULL && parent->is_sampled && trace_is_on();
    if (!trace_sample(&tracing->sampler) && !is_asked)
        return false;
    if (!has_room(tracing) || !trace_take(now_ns))
        return false;
    make_context(parent, out);
    out->is_sampled = true;
    return true;
}

void tracing_published(struct tracing *tracing, uint64_t sequence,
                       const struct trace_context *context, const struct trace_context *parent,
                       const struct packet *packet, const char *topic, int64_t begin_ns)
{
    struct traced *traced = &tracing->items[tracing->count++];
    traced->sequence = sequence;
    span_init(&traced->span, SPAN_PRODUCER, "send", context, parent);
    span_set_topic(&traced->span, topic, -1, -1);
    span_set_packet(&traced->span, packet->vehicle, packet->identity.bytes);
    traced->span.begin_ns = begin_ns;
}

void tracing_delivered(struct tracing *tracing, uint64_t sequence, bool is_durable, int64_t offset)
{
    for (size_t i = 0; i < tracing->count; i++) {
        struct traced *traced = &tracing->items[i];
        if (traced->sequence != sequence)
            continue;
        traced->span.offset = offset;
        if (!is_durable)
            span_set_error(&traced->span, "not_durable");
        int64_t now_ns = clock_wall_ns();
        span_finish(&traced->span, now_ns);
        metrics_exemplar(METRIC_GATEWAY_ACK_SECONDS, 0, now_ns - traced->span.begin_ns,
                         traced->span.context.trace_id);
        *traced = tracing->items[--tracing->count];
        return;
    }
}

void tracing_rejected(const struct trace_context *parent, const char *reason, int64_t begin_ns,
                      int64_t now_ns)
{
    struct trace_context context;
    struct span span;
    if (!trace_take(now_ns))
        return;
    make_context(parent, &context);
    span_init(&span, SPAN_SERVER, "reject", &context, parent);
    span_set_error(&span, reason);
    span.begin_ns = begin_ns;
    span_finish(&span, clock_wall_ns());
}

void tracing_slow(int64_t waited_ns)
{
    struct trace_context context;
    struct span span;
    int64_t slow_ns = trace_slow_ns();
    if (slow_ns == 0 || waited_ns < slow_ns || !trace_take(clock_monotonic_ns()))
        return;
    int64_t end_ns = clock_wall_ns();
    trace_begin(&context);
    span_init(&span, SPAN_PRODUCER, "send slowly", &context, NULL);
    span.begin_ns = end_ns - waited_ns;
    span_finish(&span, end_ns);
}
