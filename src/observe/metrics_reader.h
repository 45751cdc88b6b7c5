/* SPDX-License-Identifier: Apache-2.0 */
/* Reads all metrics now and then, for those who push them elsewhere: each with
 * its change since the same reader's last reading, and with a little memory of
 * the reader's own for each. One thread a reader; what is counted meanwhile
 * goes on without waiting. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "observe/metrics.h"

struct metrics_reader;

/* The observations of a histogram since the last reading, in `unit`s of which
 * one second (durations) or one (else) has `divisor`. */
struct metrics_interval {
    enum metric id;
    const int64_t *cells; /* private: metrics_interval_quantile reads them */
    int64_t count;
    double divisor;
};

struct metric_reading {
    const char *name; /* as in metrics.def: no prefix, counters end in _total */
    enum metric_type type;
    struct bytes labels; /* Prometheus text: a="x",b="y"; may be empty */
    bool is_duration;    /* a histogram of seconds */
    double value;        /* counter: total; gauge: as it is; histogram: observations in all */
    double change;       /* since the last reading; the first reading has all as change */
    bool is_first;       /* of this one by this reader */
    void *memory;        /* memory_size bytes, zeroed at first, kept between readings */
    const struct metrics_interval *interval; /* of a histogram; else NULL */
};

/* `memory_size`: how much the reader wants to keep for each metric. */
int metrics_reader_new(struct metrics_reader **out, size_t memory_size, struct error *err);
void metrics_reader_free(struct metrics_reader *reader);

/* Gives each metric once; valid in the call only. The process's own figures
 * (process_cpu_seconds_total, …) come as well. -1 without memory. */
typedef void metrics_reader_fn(void *context, const struct metric_reading *reading);
int metrics_reader_read(struct metrics_reader *reader, metrics_reader_fn *fn, void *context);

/* In seconds, or as observed; 0 when nothing was observed. Off by less than a
 * tenth: they come from buckets. q 0 and 1 are the bounds of the outermost
 * buckets that hold something. */
double metrics_interval_quantile(const struct metrics_interval *interval, double q);
double metrics_interval_mean(const struct metrics_interval *interval);
