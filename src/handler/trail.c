/* SPDX-License-Identifier: Apache-2.0 */
#include "handler/trail.h"

#include "base/clock.h"
#include "vehicle/mc.h"
#include "vehicle/reason.h"

static bool is_wanted(struct trail *trail, const struct consumed *in,
                      const struct judgement *judgement)
{
    if (!trace_is_on())
        return false;
    trail->has_parent =
        in->record.traceparent.len > 0 && trace_parse(in->record.traceparent, &trail->parent);
    if (trail->has_parent)
        return trail->parent.is_sampled;
    return judgement->verdict == VERDICT_DEAD_LETTER && trace_take(clock_monotonic_ns());
}

void trail_begin(struct trail *trail, const struct consumed *in, struct judgement *judgement)
{
    trail->is_on = is_wanted(trail, in, judgement);
    if (!trail->is_on)
        return;
    trail->begun_ns = clock_wall_ns();
    if (trail->has_parent)
        trace_child(&trail->parent, &trail->own);
    else
        trace_begin(&trail->own);
    trace_format(&trail->own, trail->text);
    judgement->record.traceparent = bytes_of(trail->text, sizeof trail->text);
}

void trail_end(const struct trail *trail, const struct consumed *in, const char *topic,
               const struct judgement *judgement)
{
    if (!trail->is_on)
        return;
    struct span span;
    struct mc mc;
    span_init(&span, SPAN_CONSUMER, "process", &trail->own,
              trail->has_parent ? &trail->parent : NULL);
    span_set_topic(&span, topic, in->partition, in->offset);
    if (mc_decode(in->record.mc, &mc))
        span_set_packet(&span, in->record.key, mc.identity.bytes);
    if (judgement->verdict == VERDICT_DEAD_LETTER)
        span_set_error(&span, reason_code(judgement->reason));
    span.begin_ns = trail->begun_ns;
    span_finish(&span, clock_wall_ns());
}
