/* SPDX-License-Identifier: Apache-2.0 */
#include "vehicle/geofence/outline.h"

#include <stdlib.h>
#include <string.h>

#include "base/must.h"

void outline_deinit(struct outline *outline)
{
    free(outline->points);
    free(outline->rings);
    free(outline->polygons);
    *outline = (struct outline){0};
}

void outline_clear(struct outline *outline)
{
    outline->point_count = 0;
    outline->ring_count = 0;
    outline->polygon_count = 0;
}

void *outline_reserve(void *items, size_t count, size_t more, size_t *cap, size_t item_size)
{
    if (count + more <= *cap)
        return items;
    size_t wanted = *cap < 64 ? 64 : *cap * 2;
    if (wanted < count + more)
        wanted = count + more;
    void *grown = realloc(items, wanted * item_size);
    if (grown != NULL)
        *cap = wanted;
    return grown;
}

static int no_memory(struct error *err)
{
    return error_set(err, ERROR_MEMORY, "no memory for geofences");
}

int outline_add_polygon(struct outline *outline, uint32_t fence, struct error *err)
{
    void *items = outline_reserve(outline->polygons, outline->polygon_count, 1,
                                  &outline->polygon_cap, sizeof *outline->polygons);
    if (items == NULL)
        return no_memory(err);
    outline->polygons = items;
    outline->polygons[outline->polygon_count++] =
        (struct outline_polygon){.fence = fence, .first = outline->ring_count};
    return 0;
}

int outline_add_ring(struct outline *outline, const struct point *points, size_t count,
                     struct error *err)
{
    must(outline->polygon_count > 0);
    if (outline->point_count + count > OUTLINE_POINTS_MAX)
        return error_set(err, ERROR_CONFIG,
                         "more than %d points in one set of fences (circles and corridors count "
                         "as the polygons they become): simplify them or split the file",
                         OUTLINE_POINTS_MAX);
    void *items = outline_reserve(outline->points, outline->point_count, count, &outline->point_cap,
                                  sizeof *outline->points);
    if (items == NULL)
        return no_memory(err);
    outline->points = items;
    items = outline_reserve(outline->rings, outline->ring_count, 1, &outline->ring_cap,
                            sizeof *outline->rings);
    if (items == NULL)
        return no_memory(err);
    outline->rings = items;
    memcpy(outline->points + outline->point_count, points, count * sizeof *points);
    outline->rings[outline->ring_count++] =
        (struct outline_ring){.first = outline->point_count, .count = count};
    outline->point_count += count;
    outline->polygons[outline->polygon_count - 1].count++;
    return 0;
}
