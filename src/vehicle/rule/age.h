/* SPDX-License-Identifier: Apache-2.0 */
/* What max_age and max_ahead share: the event time against the record's clock. */
#pragma once

#include "base/clock.h"
#include "vehicle/rule/rule.h"

/* Received time minus event time; clamped to what 64 bits hold. */
static inline int64_t rule_age_ns(const struct packet *packet, const struct rule_context *context)
{
    int64_t event_ns, age_ns;
    if (__builtin_mul_overflow(packet->time_ms, NS_PER_MS, &event_ns) ||
        __builtin_sub_overflow(context->received_ns, event_ns, &age_ns))
        return packet->time_ms < 0 ? INT64_MAX : INT64_MIN;
    return age_ns;
}

/* "time 2008-05-20T07:00:00.000Z is 3.5 days <word> its arrival; at most 1 days" */
void rule_age_explain(const struct packet *packet, int64_t distance_ns, const char *word,
                      int64_t limit_ns, char *out, size_t cap);
