/* SPDX-License-Identifier: Apache-2.0 */
#include "vehicle/rule/age.h"

#include <stdio.h>

#include "base/text.h"

static void print_span(int64_t ns, char *out, size_t cap)
{
    static const struct {
        const char *name;
        int64_t ns;
    } units[] = {{"days", 86400 * NS_PER_S},
                 {"h", 3600 * NS_PER_S},
                 {"min", 60 * NS_PER_S},
                 {"s", NS_PER_S},
                 {"ms", NS_PER_MS}};
    size_t u = 0;
    while (u < 4 && ns < units[u].ns)
        u++;
    snprintf(out, cap, "%.4g %s", (double)ns / (double)units[u].ns, units[u].name);
}

void rule_age_explain(const struct packet *packet, int64_t distance_ns, const char *word,
                      int64_t limit_ns, char *out, size_t cap)
{
    char time[TEXT_TIME_MAX], distance[40], limit[40];
    int time_len = (int)text_from_time_ms(time, packet->time_ms);
    print_span(distance_ns, distance, sizeof distance);
    print_span(limit_ns, limit, sizeof limit);
    snprintf(out, cap, "time %.*s is %s %s its arrival; at most %s", time_len, time, distance, word,
             limit);
}
