/* SPDX-License-Identifier: Apache-2.0 */
/* Full jitter (Brooker, "Exponential Backoff And Jitter", 2015): the n-th pause
 * is anything between nothing and a limit that doubles, so that many who lost
 * the same server do not come back together. */
#pragma once

#include "base/random.h"

enum { BACKOFF_DOUBLINGS_MAX = 20 };

/* The limit of the pause after `failures` (from 0) earlier ones: first * 2^failures,
 * at most max. */
static inline int64_t backoff_limit_ns(int64_t first_ns, int64_t max_ns, unsigned failures)
{
    unsigned doublings = failures < BACKOFF_DOUBLINGS_MAX ? failures : BACKOFF_DOUBLINGS_MAX;
    return first_ns < max_ns >> doublings ? first_ns << doublings : max_ns;
}

static inline int64_t backoff_ns(struct random_source *random, int64_t first_ns, int64_t max_ns,
                                 unsigned failures)
{
    return (int64_t)((double)backoff_limit_ns(first_ns, max_ns, failures) *
                     (double)random_unit(random));
}
