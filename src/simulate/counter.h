/* SPDX-License-Identifier: Apache-2.0 */
/* A count that one thread changes and others read: plain moves, no lock. */
#pragma once

#include <stdint.h>

static inline uint64_t counter_get(const uint64_t *counter)
{
    return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static inline void counter_set(uint64_t *counter, uint64_t value)
{
    __atomic_store_n(counter, value, __ATOMIC_RELAXED);
}

static inline void counter_add(uint64_t *counter, uint64_t amount)
{
    counter_set(counter, *counter + amount);
}

static inline void counter_raise(uint64_t *counter, uint64_t value)
{
    if (value > *counter)
        counter_set(counter, value);
}
