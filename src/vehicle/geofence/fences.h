/* SPDX-License-Identifier: Apache-2.0 */
/* A set of geofences, of a GeoJSON file or one circle: loaded once, then immutable.
 *
 * A fence is a feature. Polygons are taken as they stand; of points, circles are made
 * (radius in metres), of lines, corridors (width in metres, from side to side). Which
 * points lie in a fence: see raster.h; what lies on an edge is inside. Longitudes 180
 * and -180 are the same. Metres are those of globe.h.
 *
 * Memory: about 90 bytes a corner of the polygons; never more than 1 KiB a corner and
 * 4 MiB (the grid's budget), with OUTLINE_POINTS_MAX corners. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "vehicle/geofence/features.h"

enum { FENCES_MAX = 100000 };

struct fences;

struct fences_options {
    const struct bytes *names; /* only features so called; each name must be there */
    size_t name_count;         /* 0: all */
    double radius_m;           /* of points without a "radius"; 0: they must have one */
    double width_m;            /* of lines without a "width" */
};

/* `name` stands before errors (ERROR_CONFIG). Nothing of the text is kept. */
int fences_load(struct fences **out, const char *name, struct bytes text,
                const struct fences_options *options, struct error *err);
/* The same of a file that was read before, for those that make several sets of it. */
int fences_make(struct fences **out, const char *name, const struct features *features,
                const struct fences_options *options, struct error *err);
int fences_of_circle(struct fences **out, double lat, double lon, double radius_m,
                     struct error *err);
void fences_free(struct fences *fences);

size_t fences_count(const struct fences *fences); /* at least 1 */
/* Its name, its id, or "#7" of the seventh feature without either; "circle". */
struct bytes fences_name(const struct fences *fences, size_t fence);
size_t fences_size_bytes(const struct fences *fences);

/* Any thread. A position beyond ±90 or ±180, or NaN, lies in no fence. */
bool fences_find(const struct fences *fences, double lat, double lon, size_t *fence);
/* How many fences hold the position, `cap` of them into out, in no order. A number
 * greater than `cap` says only that they are more. */
size_t fences_list(const struct fences *fences, double lat, double lon, uint32_t *out, size_t cap);
