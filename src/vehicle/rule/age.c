/* SPDX-License-Identifier: Apache-2.0 */
#include "vehicle/rule/age.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/text.h"

/* Toward the past: a time before 1970 has negative ns. */
static int64_t ms_from_ns(int64_t ns)
{
    return ns / NS_PER_MS - (ns % NS_PER_MS < 0);
}

int64_t rule_age_ms(const struct packet *packet, const struct rule_context *context)
{
    int64_t age_ms;
    if (__builtin_sub_overflow(ms_from_ns(context->received_ns), packet->time_ms, &age_ms))
        return packet->time_ms < 0 ? INT64_MAX : INT64_MIN;
    return age_ms;
}

static void print_span(int64_t ms, char *out, size_t cap)
{
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = {{"days", 86400000}, {"h", 3600000}, {"min", 60000}, {"s", 1000}, {"ms", 1}};
    size_t u = 0;
    while (u < 4 && ms < units[u].ms)
        u++;
    snprintf(out, cap, "%.4g %s", (double)ms / (double)units[u].ms, units[u].name);
}

void rule_age_explain(const struct packet *packet, int64_t distance_ms, const char *word,
                      int64_t limit_ms, char *out, size_t cap)
{
    char time[TEXT_TIME_MAX], distance[40], limit[40];
    int time_len = (int)text_from_time_ms(time, packet->time_ms);
    print_span(distance_ms, distance, sizeof distance);
    print_span(limit_ms, limit, sizeof limit);
    snprintf(out, cap, "time %.*s is %s %s its arrival; at most %s", time_len, time, distance, word,
             limit);
}
