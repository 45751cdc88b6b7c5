/* SPDX-License-Identifier: Apache-2.0 */
/* The pages of metrics of one or several processes, added up: counters, buckets
 * and gauges by sum, lag by the greatest (each process of a group tells the same
 * partition). Compared with an earlier one it gives rates. One thread. */
#pragma once

#include "base/buf.h"
#include "base/bytes.h"
#include "base/error.h"

struct scrape_sample {
    struct bytes key; /* name{labels} */
    struct bytes name, labels;
    double value;
};

struct scrape {
    struct buf text;               /* what the samples are views of */
    struct scrape_sample *samples; /* sorted by key */
    size_t count, cap;
    int64_t at_ns; /* monotonic */
};

void scrape_init(struct scrape *scrape);
void scrape_deinit(struct scrape *scrape);

/* One page (at most 16 MiB of text in all): copied. */
int scrape_add(struct scrape *scrape, struct bytes page, struct error *err);
/* After all pages: sorts and adds up. at_ns: when they were taken. */
void scrape_finish(struct scrape *scrape, int64_t at_ns);

/* Sum of all series of that name whose labels include label="value" (label NULL:
 * all). NULL scrape: 0. */
double scrape_sum(const struct scrape *scrape, const char *name, const char *label,
                  const char *value);
/* Per second between two scrapes; never below 0 (a process may have restarted). */
double scrape_rate(const struct scrape *now, const struct scrape *before, const char *name,
                   const char *label, const char *value);
/* The q-quantile of what a histogram observed between the two, in its unit, NaN
 * when it observed nothing. */
double scrape_quantile(const struct scrape *now, const struct scrape *before, const char *name,
                       double q);
/* The samples of one name: *count of them, side by side. */
const struct scrape_sample *scrape_series(const struct scrape *scrape, const char *name,
                                          size_t *count);
