/* SPDX-License-Identifier: Apache-2.0 */
/* Latencies, counted in buckets whose width grows with the value (as in Gil
 * Tene's HdrHistogram): 128 to each power of two, so a quantile is off by less
 * than 0.8 %. One thread adds; any other may read meanwhile. */
#pragma once

#include <stdint.h>

enum {
    HISTOGRAM_SUB_BITS = 7,
    HISTOGRAM_TOP_BIT = 42, /* values from 2^43 ns (2.4 h) on count as the largest */
    HISTOGRAM_BUCKETS = (HISTOGRAM_TOP_BIT - HISTOGRAM_SUB_BITS + 2) << HISTOGRAM_SUB_BITS,
};

struct histogram {
    uint64_t count;
    uint64_t max_ns; /* exact */
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

/* Negative values count as 0. */
void histogram_add(struct histogram *histogram, int64_t value_ns);
/* Add all of `from`, which another thread may still be adding to. */
void histogram_merge(struct histogram *into, const struct histogram *from);
/* The value that a share q (0..1) of all values does not exceed: the upper edge
 * of its bucket. 0 when empty. */
uint64_t histogram_quantile_ns(const struct histogram *histogram, double q);
