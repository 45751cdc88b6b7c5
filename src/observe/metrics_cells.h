/* SPDX-License-Identifier: Apache-2.0 */
/* Where the metrics' figures lie: shared by metrics.c, which counts, and
 * metrics_print.c and metrics_reader.c, which read. Nobody else includes it.
 *
 * Every metric owns `labels` × `stride` cells of 64 bits at the same place in
 * each shard. A counter or gauge has one cell a label; a histogram has one a
 * bucket, one for what lies beyond the last bound, and the sum.
 *
 * Buckets: the first holds all up to `unit`; then each doubling up to
 * unit << octaves is cut in four equal parts, so that a quantile read from them
 * is off by less than a tenth. Only bounds at doublings are printed. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "observe/metrics.h"

struct metric_info {
    enum metric_type type;
    const char *name;
    const char *help;
    const char *label;
    const char *values;
};
extern const struct metric_info metric_infos[];

enum { METRIC_PARTS = 4 }; /* of a doubling */

struct metric_buckets {
    int64_t unit;
    unsigned octaves;
    unsigned printed_every; /* doublings between printed bounds */
    double divisor;         /* stored units in one printed unit */
};

struct metric_series {
    struct metric_series *_Atomic next;
    enum metric id;
    unsigned ordinal; /* in order of making, from 0 */
    _Atomic int64_t value;
    char labels[];
};

bool metric_is_series(enum metric id);
static inline bool metric_is_counter(enum metric_type type)
{
    return type == METRIC_COUNTER || type == METRIC_COUNTER_NS;
}
/* Kept in nanoseconds, shown in seconds. */
static inline bool metric_is_ns(enum metric_type type)
{
    return type == METRIC_COUNTER_NS || type == METRIC_GAUGE_NS;
}
const struct metric_buckets *metric_buckets(enum metric id);
/* Buckets between the sum and the last: one more is the one without bound. */
unsigned metric_bucket_count(enum metric id);
/* The inclusive upper bound of bucket i, in stored units. */
int64_t metric_bucket_bound(enum metric id, unsigned bucket);

/* Its i-th label value; lives for ever. */
struct bytes metric_label_value(enum metric id, unsigned i);
/* Index of the metric's first cell for this label. */
size_t metric_cell(enum metric id, unsigned label);
/* All cells summed over the shards, on the heap; NULL without memory. */
int64_t *metrics_snapshot(void);
/* Cells of a snapshot. */
size_t metrics_cell_count(void);
/* The value below which `rank` of the observations in a histogram's cells lie;
 * within a bucket they are taken as evenly spread. */
int64_t metric_quantile_of(enum metric id, const int64_t *cells, double rank);
/* The first of all run-time series, newest first. */
const struct metric_series *metric_series_first(void);
struct metric_exemplar {
    enum metric id;
    unsigned label;
    int64_t value; /* in stored units */
    int64_t at_ns; /* wall clock */
    char trace_id[33];
};
/* A copy of the latest one; false when there is none. */
bool metric_exemplar_get(enum metric id, unsigned label, struct metric_exemplar *out);

/* Runs the registered refreshers. */
void metrics_refresh(void);
