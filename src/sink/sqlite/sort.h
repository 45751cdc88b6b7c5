/* SPDX-License-Identifier: Apache-2.0 */
/* Sorting rows by hash first. Hashes spread evenly over most fleets, so one
 * counting pass over their top bits leaves buckets of a few rows; whoever sends
 * many rows of one vehicle gets a merge sort, which is linear on what is sorted
 * already. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct row;

struct sort_item {
    uint64_t parts[4]; /* compared in this order; the first is the hash */
    const struct row *row;
};

struct sorter {
    struct sort_item *items; /* the caller fills items[0..count) … */
    struct sort_item *other;
    size_t cap;
};

void sorter_init(struct sorter *sorter);
void sorter_deinit(struct sorter *sorter);
/* Room for count items; what was there is lost. -1 without memory. */
int sorter_reserve(struct sorter *sorter, size_t count);
/* … and finds them sorted (stable). */
void sorter_sort(struct sorter *sorter, size_t count);

/* A signed time as a part: sorts as the time does. */
static inline uint64_t sort_part(int64_t value)
{
    return (uint64_t)value ^ UINT64_C(1) << 63;
}
