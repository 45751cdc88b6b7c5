/* SPDX-License-Identifier: Apache-2.0 */
/* What a run of produce looks like to a person, and to a program. Pure. */
#pragma once

#include "base/buf.h"
#include "simulate/produce_stats.h"

struct produce_report {
    const struct produce_stats *stats;
    const char *topic;
    const char *dead_letters; /* path of the file */
    double seconds;
    double cpu_seconds;
};

/* One line, without its end; `before`: the counts `seconds_before` the present. */
void produce_print_progress(struct buf *out, const struct produce_report *report,
                            const struct produce_stats *before, double seconds_before);
void produce_print_text(struct buf *out, const struct produce_report *report);
/* One JSON object and a line end. Latencies in milliseconds. */
void produce_print_json(struct buf *out, const struct produce_report *report);
