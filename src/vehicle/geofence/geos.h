/* SPDX-License-Identifier: Apache-2.0 */
/* What GEOS does when fences are loaded: is a polygon sound, cut it at the
 * antimeridian, draw a line's corridor. The only user of <geos_c.h>. Nothing of it
 * runs per packet. One thread per struct geos. */
#pragma once

#include "vehicle/geofence/outline.h"

struct geos;

struct geos *geos_new(void); /* NULL without memory */
void geos_free(struct geos *geos);

/* Rings of one polygon: the shell, then the holes; closed as in outline.h. */
struct geos_rings {
    const struct point *points;
    const struct outline_ring *rings;
    size_t count;
};

/* A sound polygon (OGC simple features): rings don't cross or touch themselves, holes
 * lie inside and apart. 1: it is; 0: it is not, *reason says why ("Self-intersection")
 * and *at where; -1: error. `reason` lives until the next call. */
int geos_check(struct geos *geos, const struct geos_rings *rings, const char **reason,
               struct point *at, struct error *err);

/* Rings that leave ±180, each sound by itself, as polygons of the world: the shell
 * without the holes, cut at the antimeridian, appended to `out` as the fence's. */
int geos_cut(struct geos *geos, const struct geos_rings *rings, uint32_t fence, struct outline *out,
             struct error *err);

/* All that lies within `distance` of the line, with round ends, in the line's own
 * plane: its polygons appended to `out`. */
int geos_buffer(struct geos *geos, const struct point *points, size_t count, double distance,
                struct outline *out, struct error *err);
