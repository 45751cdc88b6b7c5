/* SPDX-License-Identifier: Apache-2.0 */
/* From the globe to the plane: rings across the antimeridian and around a pole,
 * circles and corridors in metres.
 *
 * Lines are straight in longitude and latitude (RFC 7946 section 3.1.1). An edge of
 * more than 180 degrees of longitude goes the short way round, across the
 * antimeridian; one from -180 to 180 exactly stays as written. A ring that comes back
 * a whole turn away goes around a pole, and holds that pole which lies on its side of
 * the equator.
 *
 * Metres are those of a sphere of GEO_RADIUS_M. */
#pragma once

#include <stddef.h>

#include "base/error.h"
#include "vehicle/geo.h"
#include "vehicle/geofence/plane.h"

#define GLOBE_PI 3.14159265358979323846

enum {
    GLOBE_CIRCLE_POINTS = 128,
    GLOBE_RADIUS_MAX_M = 5000000,
    GLOBE_WIDTH_MAX_M = 100000,
    GLOBE_CORRIDOR_LAT_MAX = 85, /* degrees: corridors end there */
};

/* A ring: `count` points, the first not repeated; the array has room for three more.
 * Afterwards it is a ring of the plane that may leave ±180 by one turn at most; the
 * new count, or 0 with *why ("goes twice around the earth"). */
size_t globe_unroll_ring(struct point *points, size_t count, const char **why);
/* The same for a line; false: it is longer than one turn. */
bool globe_unroll_line(struct point *points, size_t count);

/* The ring of GLOBE_CIRCLE_POINTS corners, between an inscribed and a circumscribed
 * one: its edge lies within 0.02 % of the radius, seen on the sphere. Longitudes
 * within ±360, as of a ring that was read. */
void globe_circle(struct point centre, double radius_m, struct point out[GLOBE_CIRCLE_POINTS]);

/* Metres as degrees of latitude. */
static inline double globe_degrees(double metres)
{
    return metres / GEO_RADIUS_M * (180 / GLOBE_PI);
}
