/* SPDX-License-Identifier: Apache-2.0 */
/* One metric as the figures that are pushed, under the names of Dropwizard's
 * reporters:
 *
 *   counter    count, mean_rate, m1_rate, m5_rate, m15_rate (per second)
 *   gauge      the value itself
 *   histogram  as a counter, and of what was observed since the last report:
 *              min, max, mean, p50, p75, p95, p98, p99, p999. Durations are in
 *              milliseconds and lose "_seconds" in their name; counters lose
 *              "_total".
 *
 * Pure. */
#pragma once

#include <stdint.h>

#include "export/meter.h"
#include "observe/metrics_reader.h"

struct figure {
    struct bytes name;   /* of the metric, without its suffix for the unit */
    struct bytes labels; /* a="x",b="y" */
    const char *suffix;  /* "p99"; "" = the value itself */
    double value;
    bool is_total; /* only grows; else a gauge */
    double change; /* of a total: since the last report */
};

typedef void figure_fn(void *context, const struct figure *figure);

/* The memory that it wants for each metric in the metrics_reader. */
enum { FIGURES_MEMORY = sizeof(struct meter) };

/* From within a metrics_reader_fn. now_ns: monotonic. */
void figures_of(const struct metric_reading *reading, int64_t now_ns, figure_fn *fn, void *context);
