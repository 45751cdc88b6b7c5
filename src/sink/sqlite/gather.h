/* SPDX-License-Identifier: Apache-2.0 */
/* The first rows of a result, collected from runs that are read one after the
 * other: at most `max` in the end, about twice that on the way. */
#pragma once

#include "sink/sqlite/page.h"

struct gathered {
    struct row_key key;
    int64_t received_ns;
    size_t vehicle_len, canonical_len;
    char text[]; /* vehicle, then canonical */
};

struct gather {
    struct gathered **items;
    size_t count, cap;
    size_t max;
    bool is_latest; /* by vehicle, one row each: the newest; else by key */
    bool is_full;   /* `bound` is the max-th item so far: what lies after it is not needed */
    struct row_key bound_key;
    size_t bound_vehicle_len;
    char bound_vehicle[PACKET_VEHICLE_MAX];
    struct buf text;
};

void gather_init(struct gather *gather, size_t max, bool is_latest);
void gather_deinit(struct gather *gather);
/* Could the row still be among the first? */
bool gather_wants(const struct gather *gather, const struct row *row);
/* Could a row at or after (hash, time)? */
bool gather_wants_place(const struct gather *gather, uint64_t hash, int64_t time_ms);
int gather_add(struct gather *gather, const struct row *row, struct error *err);
/* Sorted, one a vehicle if is_latest, at most max. */
void gather_finish(struct gather *gather);

static inline struct bytes gathered_vehicle(const struct gathered *item)
{
    return bytes_of(item->text, item->vehicle_len);
}

static inline struct bytes gathered_canonical(const struct gathered *item)
{
    return bytes_of(item->text + item->vehicle_len, item->canonical_len);
}
