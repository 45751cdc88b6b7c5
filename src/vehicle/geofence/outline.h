/* SPDX-License-Identifier: Apache-2.0 */
/* Outlines of fences: polygons as rings of points, in the world's frame (x within
 * ±180, y within ±90). A fence is the union of its polygons, each with its edge; a
 * polygon is what an odd number of its rings enclose, with their lines. One owner;
 * grows while fences are loaded, up to a limit of points. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "vehicle/geofence/plane.h"

enum { OUTLINE_POINTS_MAX = 500000 }; /* of one set of fences, circles and corridors included */

/* Closed: the first point is not repeated at the end. */
struct outline_ring {
    size_t first, count; /* in points */
};

struct outline_polygon {
    uint32_t fence;
    size_t first, count; /* in rings; the first is the shell */
};

struct outline {
    struct point *points;
    struct outline_ring *rings;
    struct outline_polygon *polygons;
    size_t point_count, point_cap;
    size_t ring_count, ring_cap;
    size_t polygon_count, polygon_cap;
};

void outline_deinit(struct outline *outline); /* twice is safe */
void outline_clear(struct outline *outline);

/* The following rings belong to a polygon of this fence. */
int outline_add_polygon(struct outline *outline, uint32_t fence, struct error *err);
/* A ring of the last polygon; its points are copied. ERROR_CONFIG past the limit. */
int outline_add_ring(struct outline *outline, const struct point *points, size_t count,
                     struct error *err);

/* Room for `more` items past count in an array that grows by doubling; NULL
 * without memory, the array unchanged. */
void *outline_reserve(void *items, size_t count, size_t more, size_t *cap, size_t item_size);
