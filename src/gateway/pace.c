/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/pace.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/hash.h"

enum { BUCKETS = 1 << 14 }; /* 256 KiB: stays in the processor's cache */

/* Generic cell rate algorithm (ITU-T I.371, annex A): `full_at_ns` is when the
 * bucket will be full again; each packet moves it on by its cost, and it may
 * lie at most one second ahead. */
struct pace_bucket {
    uint64_t vehicle_hash;
    int64_t full_at_ns;
};

int pace_init(struct pace *pace, int64_t per_second)
{
    *pace = (struct pace){0};
    if (per_second <= 0)
        return 0;
    pace->buckets = calloc(BUCKETS, sizeof *pace->buckets);
    if (pace->buckets == NULL)
        return -1;
    pace->cost_ns = NS_PER_S / per_second > 0 ? NS_PER_S / per_second : 1;
    return 0;
}

void pace_deinit(struct pace *pace)
{
    free(pace->buckets);
    *pace = (struct pace){0};
}

int64_t pace_take(struct pace *pace, struct bytes vehicle, int64_t now_ns)
{
    if (pace->cost_ns == 0)
        return 0;
    uint64_t hash = hash64_local(vehicle);
    struct pace_bucket *bucket = &pace->buckets[hash & (BUCKETS - 1)];
    if (bucket->vehicle_hash != hash)
        *bucket = (struct pace_bucket){hash, now_ns};
    if (bucket->full_at_ns < now_ns)
        bucket->full_at_ns = now_ns;
    int64_t over_ns = bucket->full_at_ns + pace->cost_ns - (now_ns + NS_PER_S);
    if (over_ns > 0)
        return over_ns;
    bucket->full_at_ns += pace->cost_ns;
    return 0;
}
