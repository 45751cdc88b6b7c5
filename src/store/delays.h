/* SPDX-License-Identifier: Apache-2.0 */
/* How long packets were on their way, from the gateway to being stored: observed
 * when a batch is settled. Of each sixteen records one stands for all. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "observe/metrics.h"

enum { DELAYS_MAX = 4096, DELAYS_STRIDE = 16 };

struct delays {
    int64_t received_ns[DELAYS_MAX]; /* wall clock */
    size_t kept, seen;
    int64_t begun_ns; /* monotonic: when the first record was taken up */
};

static inline void delays_add(struct delays *delays, int64_t received_ns)
{
    if (delays->seen == 0)
        delays->begun_ns = clock_monotonic_ns();
    if (delays->seen++ % DELAYS_STRIDE == 0 && delays->kept < DELAYS_MAX)
        delays->received_ns[delays->kept++] = received_ns;
}

static inline void delays_clear(struct delays *delays)
{
    delays->seen = delays->kept = 0;
}

/* wall_ns, now_ns: when all of them were settled. */
static inline void delays_settle(struct delays *delays, int64_t wall_ns, int64_t now_ns)
{
    if (delays->seen == 0)
        return;
    size_t left = delays->seen;
    for (size_t i = 0; i < delays->kept; i++) {
        size_t stands_for = left < DELAYS_STRIDE ? left : DELAYS_STRIDE;
        metrics_observe_many(METRIC_STORE_DELAY, 0, wall_ns - delays->received_ns[i], stands_for);
        left -= stands_for;
    }
    metrics_observe(METRIC_STORE_BATCH_SECONDS, 0, now_ns - delays->begun_ns);
    delays_clear(delays);
}
