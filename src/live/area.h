/* SPDX-License-Identifier: Apache-2.0 */
/* A box on the map in degrees WGS84, in GeoJSON's order (RFC 7946 section 5):
 * west, south, east, north. west > east means the box crosses the antimeridian
 * (section 5.2). Edges belong to it; +180 and -180 are the same meridian. */
#pragma once

#include <stdbool.h>

#include "base/bytes.h"

struct area {
    double west, south, east, north;
};

enum { AREA_PROBLEM_MAX = 160 };

/* A position that the map can hold: finite and in range. */
bool area_is_position(double lat, double lon);

/* Fill *out from the four numbers, or say in `problem` what is wrong with them. */
bool area_set(struct area *out, const double corners[4], char problem[AREA_PROBLEM_MAX]);
/* "west,south,east,north", as in a URL. */
bool area_parse(struct area *out, struct bytes text, char problem[AREA_PROBLEM_MAX]);

bool area_contains(const struct area *area, double lat, double lon);
