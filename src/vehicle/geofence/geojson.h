/* SPDX-License-Identifier: Apache-2.0 */
/* GeoJSON (RFC 7946) read feature by feature. Strict: JSON as in codec/json.h, every
 * object with a type that is known where it stands, coordinates nested as the type
 * says, no empty lists, positions of 2 to 4 numbers with longitude within ±360 and
 * latitude within ±90, WGS84 only (the "crs" member of 2008 may say nothing else).
 * Members in any order; those that are unknown are skipped, as the RFC demands.
 * Numbers beyond longitude and latitude (altitude) are read and not used. */
#pragma once

#include <stddef.h>

#include "base/bytes.h"
#include "base/error.h"
#include "vehicle/geofence/outline.h"

enum {
    GEOJSON_BYTES_MAX = 32 << 20, /* of a file */
    GEOJSON_NAME_MAX = 128,       /* bytes of a feature's name */
    GEOJSON_NESTING_MAX = 8,      /* GeometryCollections in each other */
};

enum geojson_type {
    GEOJSON_NONE,
    GEOJSON_POINT,
    GEOJSON_MULTI_POINT,
    GEOJSON_LINE,
    GEOJSON_MULTI_LINE,
    GEOJSON_POLYGON,
    GEOJSON_MULTI_POLYGON,
    GEOJSON_COLLECTION,
    GEOJSON_FEATURE,
    GEOJSON_FEATURES,
};

/* One geometry: polygons first..first+count of the outline, as written: rings with
 * their last position repeating the first (not checked). Points and lines stand
 * there as the rings of one polygon: all points in one ring, each line in its own. */
struct geojson_shape {
    enum geojson_type type; /* POINT to MULTI_POLYGON */
    size_t first, count;
};

struct geojson_feature {
    size_t number; /* from 1; 0: the file is one geometry or feature */
    /* The property "name"; else "id" of the properties or the feature; else empty. */
    struct bytes name;
    double radius_m, width_m; /* the properties "radius" and "width"; 0: absent */
    const struct outline *outline;
    const struct geojson_shape *shapes; /* of collections, what is in them */
    size_t shape_count;
};

/* Gives each feature to take(), valid for the call, and stops at the first that it
 * refuses (-1, with *err set). Errors name the line, or the feature's number. */
int geojson_read(struct bytes text,
                 int (*take)(void *user, const struct geojson_feature *feature, struct error *err),
                 void *user, struct error *err);
