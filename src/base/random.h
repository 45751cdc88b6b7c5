/* SPDX-License-Identifier: Apache-2.0 */
/* Cheap pseudo-random numbers: SplitMix64 (Steele, Lea, Flood, "Fast splittable
 * pseudorandom number generators", 2014). Any state is a good seed and the same
 * seed gives the same numbers everywhere. For spreading, jitter and simulation,
 * never for secrets. */
#pragma once

#include <stdint.h>

struct random_source {
    uint64_t state;
};

static inline uint64_t random_mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static inline uint64_t random_u64(struct random_source *random)
{
    random->state += UINT64_C(0x9E3779B97F4A7C15);
    return random_mix(random->state);
}

/* 0 <= x < bound, for bounds far below 2^32 (the bias is bound / 2^32). */
static inline uint32_t random_below(struct random_source *random, uint32_t bound)
{
    return (uint32_t)(((random_u64(random) >> 32) * bound) >> 32);
}

/* 0 <= x < 1 with 24 random bits: exact in a float. */
static inline float random_unit(struct random_source *random)
{
    return (float)(random_u64(random) >> 40) * 0x1p-24F;
}
