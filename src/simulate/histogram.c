/* SPDX-License-Identifier: Apache-2.0 */
#include "simulate/histogram.h"

#include <math.h>

#include "simulate/counter.h"

static unsigned bucket_of(uint64_t value)
{
    if (value < 1u << HISTOGRAM_SUB_BITS)
        return (unsigned)value;
    int top_bit = 63 - __builtin_clzll(value);
    if (top_bit > HISTOGRAM_TOP_BIT)
        return HISTOGRAM_BUCKETS - 1;
    int shift = top_bit - HISTOGRAM_SUB_BITS;
    return (unsigned)(((uint64_t)shift << HISTOGRAM_SUB_BITS) + (value >> shift));
}

static uint64_t upper_edge(unsigned bucket)
{
    if (bucket < 2u << HISTOGRAM_SUB_BITS)
        return bucket;
    unsigned shift = (bucket >> HISTOGRAM_SUB_BITS) - 1;
    uint64_t mantissa = bucket - (shift << HISTOGRAM_SUB_BITS);
    return ((mantissa + 1) << shift) - 1;
}

void histogram_add(struct histogram *histogram, int64_t value_ns)
{
    uint64_t value = value_ns < 0 ? 0 : (uint64_t)value_ns;
    counter_add(&histogram->buckets[bucket_of(value)], 1);
    counter_add(&histogram->count, 1);
    counter_raise(&histogram->max_ns, value);
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        uint64_t n = counter_get(&from->buckets[i]);
        into->buckets[i] += n;
        count += n;
    }
    into->count += count;
    counter_raise(&into->max_ns, counter_get(&from->max_ns));
}

uint64_t histogram_quantile_ns(const struct histogram *histogram, double q)
{
    uint64_t rank = (uint64_t)ceil(q * (double)histogram->count);
    uint64_t seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen >= rank && seen > 0) {
            uint64_t edge = upper_edge(i);
            return edge < histogram->max_ns ? edge : histogram->max_ns;
        }
    }
    return histogram->max_ns;
}
