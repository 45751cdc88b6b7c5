/* SPDX-License-Identifier: Apache-2.0 */
/* What a run looks like to a person, and to a program. Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "simulate/stats.h"

struct report {
    const struct stats *stats;
    uint64_t vehicles; /* 0: not known (a trace) */
    uint32_t connections;
    double seconds; /* from the first packet due to the last ack */
    double cpu_seconds;
    bool wants_acks;
    double share_done; /* 0..1; negative: not known */
};

/* 12,345,678: figures of this size are read by people. */
void report_put_count(struct buf *out, uint64_t value);

/* The quantiles that reports show and the largest: "p50 1.20 ms  p99 … max 9.99 ms". */
void report_put_latency(struct buf *out, const struct histogram *latency);
/* The same as a member of a JSON object, in milliseconds: "latency_ms":{"p50":1.2,…}, */
void report_put_latency_json(struct buf *out, const struct histogram *latency);

/* One line, without its end; `sent_before` packets were sent `seconds_before` the
 * present. */
int report_print_progress(struct buf *out, const struct report *report, uint64_t sent_before,
                          double seconds_before);
int report_print_text(struct buf *out, const struct report *report);
/* One JSON object and a line end. Latencies in milliseconds. */
int report_print_json(struct buf *out, const struct report *report);
/* All that was sent is acked or rejected, and something was. */
bool report_is_success(const struct report *report);
