/* SPDX-License-Identifier: Apache-2.0 */
/* Counters, gauges and histograms, declared once in metrics.def. A counter
 * costs an addition to this thread's own shard: no lock, no look-up by string.
 * A scrape sums the shards. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

enum metric_type {
    METRIC_COUNTER,
    METRIC_COUNTER_NS, /* a counter of nanoseconds, shown in seconds */
    METRIC_GAUGE,
    METRIC_GAUGE_NS, /* a gauge set in nanoseconds, shown in seconds */
    METRIC_HISTOGRAM,
};

enum metric {
#define METRIC(id, type, name, help, label, values) id,
#include "observe/metrics.def"
#undef METRIC
    METRIC_COUNT
};

/* For a metric whose label values are not in metrics.def ("@": they belong to a
 * layer to the right, as rejection reasons do): give their names once, at start,
 * before any thread adds to it. The array must stay; at most 64. */
void metrics_label_values(enum metric id, const char *const *values, unsigned count);

/* Counters and gauges. `label` is an index below the metric's number of label
 * values (metrics.def), 0 for a metric without label. */
void metrics_add(enum metric id, unsigned label, int64_t amount);
/* Histograms of durations: value in nanoseconds. Others: a plain number. */
void metrics_observe(enum metric id, unsigned label, int64_t value);
/* The same value `times` times. */
void metrics_observe_many(enum metric id, unsigned label, int64_t value, uint64_t times);

/* An observation of a traced packet: OpenMetrics shows the latest one of each
 * histogram beside the bucket it fell into. `trace_id`: 16 bytes. Any thread; for
 * the few that are traced (a lock for a moment). */
void metrics_exemplar(enum metric id, unsigned label, int64_t value, const uint8_t *trace_id);

/* A gauge or counter whose labels are only known at run time (topic, partition,
 * group, path): ask once, keep the pointer, set it from any thread. Labels are
 * Prometheus text: topic="gpscoords",partition="0". Lives until the end of the
 * process; asking again with equal labels gives the same series. Never make
 * labels of what came over the wire. Set to METRIC_ABSENT it is not shown, until it
 * is set again: for what is not known just now. */
#define METRIC_ABSENT INT64_MIN
struct metric_series;
struct metric_series *metrics_series(enum metric id, const char *labels);
/* Was it asked for before? */
bool metrics_has_series(enum metric id, const char *labels);
void metric_series_set(struct metric_series *series, int64_t value);
void metric_series_add(struct metric_series *series, int64_t amount);

/* Called at each scrape, on the scraping thread, to refresh gauges
 * (process figures, sizes). At most 32. */
void metrics_on_scrape(void (*refresh)(void *context), void *context);
void metrics_off_scrape(void (*refresh)(void *context), void *context);

/* How many label values it has; 1 without label. */
unsigned metrics_label_count(enum metric id);
/* Sum over the shards, for progress lines and tests. */
int64_t metrics_value(enum metric id, unsigned label);
/* The q-quantile (0..1) of a histogram from its buckets, in its unit. */
int64_t metrics_quantile(enum metric id, unsigned label, double q);

/* The page that is scraped; those who push elsewhere: metrics_reader.h. */
enum metrics_format {
    METRICS_PROMETHEUS, /* text format 0.0.4 */
    METRICS_OPENMETRICS,
};
int metrics_print(struct buf *out, enum metrics_format format);
/* The reference page (Markdown). */
int metrics_print_reference(struct buf *out);
