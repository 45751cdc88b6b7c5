/* SPDX-License-Identifier: Apache-2.0 */
/* Packets per vehicle and second: a token bucket for each vehicle seen lately,
 * holding at most one second's worth. A vehicle that is too fast is slowed down
 * (its connection waits), never dropped. Direct-mapped and bounded: a vehicle
 * pushed out by another starts with a full bucket. One thread. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

struct pace_bucket;

struct pace {
    struct pace_bucket *buckets;
    int64_t cost_ns; /* time that one packet takes; 0 = no limit */
};

/* per_second 0 = no limit. -1 without memory. */
int pace_init(struct pace *pace, int64_t per_second);
void pace_deinit(struct pace *pace);

/* Take a token at monotonic time now_ns: 0, or how long to wait before asking again (ns). */
int64_t pace_take(struct pace *pace, struct bytes vehicle, int64_t now_ns);
