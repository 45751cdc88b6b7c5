/* SPDX-License-Identifier: Apache-2.0 */
/* The features of one GeoJSON file, read once and kept while a ruleset is loaded:
 * hundreds of rules may each take some of them by name. One owner; immutable. */
#pragma once

#include "vehicle/geofence/geojson.h"

/* Positions of a file; more than one set of fences may have. */
enum { FEATURES_POINTS_MAX = 4 * OUTLINE_POINTS_MAX };

struct features;

/* Errors as geojson_read; nothing of the text is kept. */
int features_read(struct features **out, struct bytes text, struct error *err);
void features_free(struct features *features); /* NULL is fine */

/* Each feature in order, as geojson_read gives it; errors of take() are prefixed with
 * the feature's number and name. */
int features_each(const struct features *features,
                  int (*take)(void *user, const struct geojson_feature *feature, struct error *err),
                  void *user, struct error *err);
