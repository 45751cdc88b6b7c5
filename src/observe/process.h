/* SPDX-License-Identifier: Apache-2.0 */
/* The process's own figures under the names that every Prometheus client
 * library uses (process_cpu_seconds_total, process_resident_memory_bytes, …). */
#pragma once

#include <stdbool.h>

struct process_figure {
    const char *name;
    const char *help;
    bool is_counter; /* else a gauge */
    double value;
};

/* Each figure once, in an order that stays. What the system does not tell is
 * left out. Any thread. */
void process_read(void (*fn)(void *context, const struct process_figure *figure), void *context);
