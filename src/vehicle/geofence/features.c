/* SPDX-License-Identifier: Apache-2.0 */
/* A feature is one allocation: name, shapes, and an outline whose arrays lie
 * behind them. */
#include "vehicle/geofence/features.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct kept {
    struct kept *next;
    struct geojson_feature feature;
    struct outline outline;
    max_align_t bytes[];
};

struct features {
    struct kept *first, **last;
    size_t points;
};

/* Copies `size` bytes to *at and moves it on, to the next aligned place. */
static void *put(char **at, const void *from, size_t size)
{
    void *to = *at;
    if (size > 0)
        memcpy(to, from, size);
    size_t align = _Alignof(max_align_t);
    *at += (size + align - 1) / align * align;
    return to;
}

static struct kept *copy(const struct geojson_feature *from)
{
    const struct outline *outline = from->outline;
    size_t points = outline->point_count * sizeof *outline->points;
    size_t rings = outline->ring_count * sizeof *outline->rings;
    size_t polygons = outline->polygon_count * sizeof *outline->polygons;
    size_t shapes = from->shape_count * sizeof *from->shapes;
    size_t slack = 5 * _Alignof(max_align_t);
    struct kept *kept =
        malloc(sizeof *kept + points + rings + polygons + shapes + from->name.len + slack);
    if (kept == NULL)
        return NULL;
    char *at = (char *)kept->bytes;
    kept->next = NULL;
    kept->feature = *from;
    kept->outline = (struct outline){.point_count = outline->point_count,
                                     .ring_count = outline->ring_count,
                                     .polygon_count = outline->polygon_count};
    kept->outline.points = put(&at, outline->points, points);
    kept->outline.rings = put(&at, outline->rings, rings);
    kept->outline.polygons = put(&at, outline->polygons, polygons);
    kept->feature.shapes = put(&at, from->shapes, shapes);
    kept->feature.name = bytes_of(put(&at, from->name.ptr, from->name.len), from->name.len);
    kept->feature.outline = &kept->outline;
    return kept;
}

static int keep(void *user, const struct geojson_feature *feature, struct error *err)
{
    struct features *features = user;
    features->points += feature->outline->point_count;
    if (features->points > FEATURES_POINTS_MAX)
        return error_set(err, ERROR_CONFIG, "more than %d positions in one file: split it",
                         FEATURES_POINTS_MAX);
    struct kept *kept = copy(feature);
    if (kept == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for geofences");
    *features->last = kept;
    features->last = &kept->next;
    return 0;
}

int features_read(struct features **out, struct bytes text, struct error *err)
{
    struct features *features = calloc(1, sizeof *features);
    if (features == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for geofences");
    features->last = &features->first;
    if (geojson_read(text, keep, features, err) != 0) {
        features_free(features);
        return -1;
    }
    *out = features;
    return 0;
}

void features_free(struct features *features)
{
    if (features == NULL)
        return;
    while (features->first != NULL) {
        struct kept *next = features->first->next;
        free(features->first);
        features->first = next;
    }
    free(features);
}

int features_each(const struct features *features,
                  int (*take)(void *user, const struct geojson_feature *feature, struct error *err),
                  void *user, struct error *err)
{
    for (const struct kept *kept = features->first; kept != NULL; kept = kept->next) {
        const struct geojson_feature *feature = &kept->feature;
        if (take(user, feature, err) == 0)
            continue;
        if (feature->number == 0)
            return -1;
        if (feature->name.len == 0)
            return error_prefix(err, "feature %zu", feature->number);
        return error_prefix(err, "feature %zu \"%.*s\"", feature->number, (int)feature->name.len,
                            feature->name.ptr);
    }
    return 0;
}
