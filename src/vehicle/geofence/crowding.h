/* SPDX-License-Identifier: Apache-2.0 */
/* How crowded a polygon's edges are. GEOS' check compares edges whose boxes overlap:
 * few in any polygon that a person drew, but all pairs of a zigzag made for it, which
 * would keep it busy for hours. Such polygons are refused beforehand. */
#pragma once

#include <stdbool.h>

#include "vehicle/geofence/outline.h"

/* What all polygons of a set may cost together: seconds, at the worst. */
struct crowding {
    size_t boxes_left;   /* pairs of edges whose boxes overlap */
    size_t columns_left; /* pairs that share a longitude: what counting costs */
};

#define CROWDING_INIT                                     \
    {                                                     \
        .boxes_left = 20000000, .columns_left = 400000000 \
    }

/* Takes the polygons of `outline`, which are one's rings, from what is left. 1: fine;
 * 0: too crowded; -1: no memory. */
int crowding_take(struct crowding *crowding, const struct outline *outline);
