/* SPDX-License-Identifier: Apache-2.0 */
/* What a run of produce counted. Its thread writes (simulate/counter.h), the one
 * that shows progress reads meanwhile. */
#pragma once

#include "simulate/counter.h"
#include "simulate/histogram.h"

struct produce_stats {
    uint64_t generated;
    uint64_t generated_bytes;
    uint64_t durable;
    uint64_t dead_letters;
    uint64_t failed_attempts;
    uint64_t full;      /* times that the broker had no room */
    uint64_t in_flight; /* now */
    uint64_t behind_ns; /* how late a message was made, at most */
    uint64_t undue;     /* due before the end, but not made: no room */
    uint64_t began_ns, ended_ns;
    struct histogram latency; /* from when it was due to durable */
};
