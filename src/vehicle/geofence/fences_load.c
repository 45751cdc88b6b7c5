/* SPDX-License-Identifier: Apache-2.0 */
/* From features to polygons of the world's frame, and the grid over them. */
#include <stdio.h>
#include <stdlib.h>

#include "base/must.h"
#include "base/text.h"
#include "vehicle/geofence/crowding.h"
#include "vehicle/geofence/fences_private.h"
#include "vehicle/geofence/geos.h"
#include "vehicle/geofence/globe.h"

/* A chunk of a corridor is drawn in a plane of its own, true at its middle latitude:
 * over so many degrees a metre there changes by 0.5 % at most (at 80 degrees). */
static const double CHUNK_LAT_DEG = 0.1;

enum { NAMES_BYTES_MAX = 16 << 20, CHUNK_POINTS_MAX = 256 };

struct loader {
    struct fences *fences;
    const struct fences_options *options;
    struct geos *geos;
    struct outline outline; /* of all fences, in the world's frame */
    struct outline scratch; /* one polygon, or a corridor's chunk */
    struct crowding crowding;
    struct point *points; /* one ring or line while it is unrolled */
    size_t point_cap;
    bool *has_found; /* per name wanted */
};

static int no_memory(struct error *err)
{
    return error_set(err, ERROR_MEMORY, "no memory for geofences");
}

/* ---- polygons ---- */

/* Copies points, without those that repeat their predecessor, and without a last that
 * repeats the first. Returns how many; there is room for three more. */
static size_t take_points(struct loader *loader, const struct point *points, size_t count)
{
    void *grown =
        outline_reserve(loader->points, 0, count + 3, &loader->point_cap, sizeof *loader->points);
    if (grown == NULL)
        return 0;
    loader->points = grown;
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        const struct point *last = kept > 0 ? &loader->points[kept - 1] : NULL;
        if (last == NULL || last->x != points[i].x || last->y != points[i].y)
            loader->points[kept++] = points[i];
    }
    return kept;
}

static bool is_same(struct point a, struct point b)
{
    return a.x == b.x && a.y == b.y;
}

/* One ring, as written, into the scratch polygon in the plane's frame. */
static int take_ring(struct loader *loader, const struct point *points, size_t count,
                     struct error *err)
{
    if (!is_same(points[0], points[count - 1]))
        return error_set(err, ERROR_CONFIG, "is not closed: repeat its first position at the end");
    size_t kept = take_points(loader, points, count);
    if (kept == 0)
        return no_memory(err);
    kept -= kept > 1;
    if (kept < 3)
        return error_set(err, ERROR_CONFIG,
                         "encloses nothing: it needs three different corners and the first again");
    const char *why;
    kept = globe_unroll_ring(loader->points, kept, &why);
    if (kept == 0)
        return error_set(err, ERROR_CONFIG, "%s", why);
    return outline_add_ring(&loader->scratch, loader->points, kept, err);
}

static struct geos_rings scratch_rings(const struct loader *loader)
{
    return (struct geos_rings){loader->scratch.points, loader->scratch.rings,
                               loader->scratch.ring_count};
}

static bool leaves_world(const struct outline *outline)
{
    for (size_t i = 0; i < outline->point_count; i++)
        if (fabs(outline->points[i].x) > 180)
            return true;
    return false;
}

static int refuse(const char *reason, struct point at, struct error *err)
{
    return error_set(err, ERROR_CONFIG,
                     "%s near longitude %.9g, latitude %.9g: mend the polygon (QGIS: Fix "
                     "geometries; PostGIS: ST_MakeValid)",
                     reason, at.x, at.y);
}

/* Which of the rings is not sound by itself? Names it; 0 when all are. */
static int check_rings(struct loader *loader, struct error *err)
{
    struct geos_rings all = scratch_rings(loader);
    for (size_t i = 0; i < all.count; i++) {
        struct geos_rings one = {all.points, all.rings + i, 1};
        const char *reason;
        struct point at;
        int sound = geos_check(loader->geos, &one, &reason, &at, err);
        if (sound == 1)
            continue;
        if (sound == 0)
            refuse(reason, at, err);
        return error_prefix(err, "ring %zu", i + 1);
    }
    return 0;
}

/* The scratch polygon must be sound, then it joins the outline. */
static int add_polygon(struct loader *loader, uint32_t fence, struct error *err)
{
    struct geos_rings rings = scratch_rings(loader);
    int is_fine = crowding_take(&loader->crowding, &loader->scratch);
    if (is_fine < 0)
        return no_memory(err);
    if (is_fine == 0)
        return error_set(err, ERROR_CONFIG,
                         "too many edges run side by side to be checked: simplify the polygon");
    if (leaves_world(&loader->scratch)) {
        if (check_rings(loader, err) != 0)
            return -1;
        return geos_cut(loader->geos, &rings, fence, &loader->outline, err);
    }
    const char *reason;
    struct point at;
    int sound = geos_check(loader->geos, &rings, &reason, &at, err);
    if (sound != 1) {
        char words[128];
        snprintf(words, sizeof words, "%s", sound == 0 ? reason : "");
        if (sound == 0 && check_rings(loader, err) == 0)
            refuse(words, at, err);
        return -1;
    }
    if (outline_add_polygon(&loader->outline, fence, err) != 0)
        return -1;
    for (size_t i = 0; i < rings.count; i++)
        if (outline_add_ring(&loader->outline, rings.points + rings.rings[i].first,
                             rings.rings[i].count, err) != 0)
            return -1;
    return 0;
}

static int begin_polygon(struct loader *loader, struct error *err)
{
    outline_clear(&loader->scratch);
    return outline_add_polygon(&loader->scratch, 0, err);
}

static int take_polygon(struct loader *loader, const struct outline *in, size_t index,
                        uint32_t fence, struct error *err)
{
    const struct outline_polygon *polygon = &in->polygons[index];
    if (begin_polygon(loader, err) != 0)
        return -1;
    for (size_t i = 0; i < polygon->count; i++) {
        const struct outline_ring *ring = &in->rings[polygon->first + i];
        if (take_ring(loader, in->points + ring->first, ring->count, err) != 0)
            return error_prefix(err, "ring %zu", i + 1);
    }
    return add_polygon(loader, fence, err);
}

/* ---- circles ---- */

static int take_circle(struct loader *loader, struct point centre, double radius_m, uint32_t fence,
                       struct error *err)
{
    if (radius_m > GLOBE_RADIUS_MAX_M)
        return error_set(err, ERROR_CONFIG, "a circle's radius may be at most %d m",
                         GLOBE_RADIUS_MAX_M);
    struct point corners[GLOBE_CIRCLE_POINTS + 1];
    globe_circle(centre, radius_m, corners);
    corners[GLOBE_CIRCLE_POINTS] = corners[0];
    if (begin_polygon(loader, err) != 0 ||
        take_ring(loader, corners, GLOBE_CIRCLE_POINTS + 1, err) != 0)
        return -1;
    return add_polygon(loader, fence, err);
}

static int take_circles(struct loader *loader, const struct geojson_feature *feature,
                        const struct outline_ring *ring, uint32_t fence, struct error *err)
{
    double radius_m = feature->radius_m > 0 ? feature->radius_m : loader->options->radius_m;
    if (radius_m == 0)
        return error_set(err, ERROR_CONFIG,
                         "a point needs a radius: the property \"radius\" (metres), or the rule's");
    for (size_t i = 0; i < ring->count; i++)
        if (take_circle(loader, feature->outline->points[ring->first + i], radius_m, fence, err) !=
            0)
            return -1;
    return 0;
}

/* ---- corridors ---- */

/* What was drawn in a chunk's plane, back in degrees, one polygon after the other. */
static int take_drawing(struct loader *loader, double scale, uint32_t fence, struct error *err)
{
    struct outline drawing = loader->scratch;
    loader->scratch = (struct outline){0};
    int result = 0;
    for (size_t i = 0; i < drawing.point_count; i++)
        drawing.points[i].x /= scale;
    for (size_t p = 0; p < drawing.polygon_count && result == 0; p++) {
        const struct outline_polygon *polygon = &drawing.polygons[p];
        result = begin_polygon(loader, err);
        for (size_t r = polygon->first; r < polygon->first + polygon->count && result == 0; r++)
            result = outline_add_ring(&loader->scratch, drawing.points + drawing.rings[r].first,
                                      drawing.rings[r].count, err);
        if (result == 0)
            result = add_polygon(loader, fence, err);
    }
    outline_deinit(&drawing);
    return result;
}

static int take_chunk(struct loader *loader, const struct point *points, size_t count,
                      double width_m, uint32_t fence, struct error *err)
{
    double low = points[0].y;
    double high = low;
    for (size_t i = 1; i < count; i++) {
        low = fmin(low, points[i].y);
        high = fmax(high, points[i].y);
    }
    double scale = cos((low + high) / 2 * (GLOBE_PI / 180));
    struct point *plane = calloc(count, sizeof *plane);
    if (plane == NULL)
        return no_memory(err);
    for (size_t i = 0; i < count; i++)
        plane[i] = (struct point){points[i].x * scale, points[i].y};
    outline_clear(&loader->scratch);
    int result =
        geos_buffer(loader->geos, plane, count, globe_degrees(width_m / 2), &loader->scratch, err);
    free(plane);
    return result == 0 ? take_drawing(loader, scale, fence, err) : -1;
}

/* The line's points with steps of at most CHUNK_LAT_DEG between them. */
static int densify(const struct point *points, size_t count, struct outline *out, struct error *err)
{
    if (outline_add_polygon(out, 0, err) != 0)
        return -1;
    for (size_t i = 0; i + 1 < count; i++) {
        struct point a = points[i], b = points[i + 1];
        int steps = (int)ceil(fabs(b.y - a.y) / CHUNK_LAT_DEG);
        for (int s = 0; s < (steps > 1 ? steps : 1); s++) {
            double t = s == 0 ? 0 : (double)s / steps;
            struct point at = {a.x + t * (b.x - a.x), a.y + t * (b.y - a.y)};
            if (outline_add_ring(out, &at, 1, err) != 0)
                return -1;
        }
    }
    return outline_add_ring(out, &points[count - 1], 1, err);
}

/* Chunks join in a point, where the round ends of both cover the bend. */
static int take_chunks(struct loader *loader, const struct point *points, size_t count,
                       double width_m, uint32_t fence, struct error *err)
{
    size_t end;
    for (size_t begin = 0; begin + 1 < count; begin = end - 1) {
        double low = points[begin].y, high = low;
        for (end = begin + 1; end < count && end - begin < CHUNK_POINTS_MAX; end++) {
            low = fmin(low, points[end].y);
            high = fmax(high, points[end].y);
            if (end > begin + 1 && high - low > CHUNK_LAT_DEG)
                break;
        }
        if (take_chunk(loader, points + begin, end - begin, width_m, fence, err) != 0)
            return -1;
    }
    return 0;
}

static int take_line(struct loader *loader, const struct point *points, size_t count,
                     double width_m, uint32_t fence, struct error *err)
{
    for (size_t i = 0; i < count; i++)
        if (fabs(points[i].y) > GLOBE_CORRIDOR_LAT_MAX)
            return error_set(err, ERROR_CONFIG, "a corridor may reach latitude %d at most",
                             GLOBE_CORRIDOR_LAT_MAX);
    size_t kept = take_points(loader, points, count);
    if (kept == 0)
        return no_memory(err);
    if (kept < 2)
        return error_set(err, ERROR_CONFIG, "a line needs two different positions");
    if (!globe_unroll_line(loader->points, kept))
        return error_set(err, ERROR_CONFIG, "a line goes around the earth: cut it into pieces");
    struct outline dense = {0};
    int result = densify(loader->points, kept, &dense, err);
    if (result == 0)
        result = take_chunks(loader, dense.points, dense.point_count, width_m, fence, err);
    outline_deinit(&dense);
    return result;
}

static int take_lines(struct loader *loader, const struct geojson_feature *feature,
                      const struct outline_polygon *lines, uint32_t fence, struct error *err)
{
    double width_m = feature->width_m > 0 ? feature->width_m : loader->options->width_m;
    if (width_m == 0)
        return error_set(err, ERROR_CONFIG,
                         "a line needs a width: the property \"width\" (metres), or the rule's");
    if (width_m > GLOBE_WIDTH_MAX_M)
        return error_set(err, ERROR_CONFIG, "a corridor's width may be at most %d m",
                         GLOBE_WIDTH_MAX_M);
    const struct outline *in = feature->outline;
    for (size_t i = 0; i < lines->count; i++) {
        const struct outline_ring *line = &in->rings[lines->first + i];
        if (take_line(loader, in->points + line->first, line->count, width_m, fence, err) != 0)
            return error_prefix(err, "line %zu", i + 1);
    }
    return 0;
}

/* ---- features ---- */

static int take_shape(struct loader *loader, const struct geojson_feature *feature,
                      const struct geojson_shape *shape, uint32_t fence, struct error *err)
{
    const struct outline *in = feature->outline;
    const struct outline_polygon *first = &in->polygons[shape->first];
    switch (shape->type) {
    case GEOJSON_POINT:
    case GEOJSON_MULTI_POINT:
        return take_circles(loader, feature, &in->rings[first->first], fence, err);
    case GEOJSON_LINE:
    case GEOJSON_MULTI_LINE:
        return take_lines(loader, feature, first, fence, err);
    case GEOJSON_POLYGON:
    case GEOJSON_MULTI_POLYGON:
        for (size_t i = 0; i < shape->count; i++) {
            if (take_polygon(loader, in, shape->first + i, fence, err) == 0)
                continue;
            return shape->count > 1 ? error_prefix(err, "polygon %zu", i + 1) : -1;
        }
        return 0;
    case GEOJSON_NONE:
    case GEOJSON_COLLECTION:
    case GEOJSON_FEATURE:
    case GEOJSON_FEATURES:
        break;
    }
    must(!"a shape of no kind");
    return -1;
}

static int add_name(struct fences *fences, struct bytes name, struct error *err)
{
    if (fences->count == FENCES_MAX)
        return error_set(err, ERROR_CONFIG, "more than %d fences in one file", FENCES_MAX);
    void *grown = outline_reserve(fences->name_starts, fences->count, 2, &fences->cap,
                                  sizeof *fences->name_starts);
    if (grown == NULL || buf_append_bytes(&fences->names, name) != 0)
        return no_memory(err);
    fences->name_starts = grown;
    fences->name_starts[fences->count] = fences->names.len - name.len;
    fences->count++;
    fences->name_starts[fences->count] = fences->names.len;
    return 0;
}

static bool is_wanted(struct loader *loader, struct bytes name)
{
    const struct fences_options *options = loader->options;
    bool wanted = options->name_count == 0;
    for (size_t i = 0; i < options->name_count; i++) {
        if (!bytes_equal(options->names[i], name))
            continue;
        loader->has_found[i] = true;
        wanted = true;
    }
    return wanted;
}

static int take_feature(void *user, const struct geojson_feature *feature, struct error *err)
{
    struct loader *loader = user;
    if (!is_wanted(loader, feature->name))
        return 0;
    char number[32];
    struct bytes name = feature->name;
    if (name.len == 0) {
        size_t nth = feature->number > 0 ? feature->number : 1;
        name = bytes_of(number, (size_t)snprintf(number, sizeof number, "#%zu", nth));
    }
    if (add_name(loader->fences, name, err) != 0)
        return -1;
    if (feature->shape_count == 0)
        return error_set(err, ERROR_CONFIG, "has an empty geometry: remove it");
    for (size_t i = 0; i < feature->shape_count; i++)
        if (take_shape(loader, feature, &feature->shapes[i], (uint32_t)loader->fences->count - 1,
                       err) != 0)
            return -1;
    return 0;
}

/* ---- a name that is not there ---- */

struct search {
    const char *wanted;
    char best[GEOJSON_NAME_MAX + 1];
    size_t distance;
};

static int look_at(void *user, const struct geojson_feature *feature, struct error *err)
{
    (void)err;
    struct search *search = user;
    char name[GEOJSON_NAME_MAX + 1];
    snprintf(name, sizeof name, "%.*s", (int)feature->name.len, feature->name.ptr);
    size_t distance = text_distance(search->wanted, name);
    if (distance < search->distance) {
        search->distance = distance;
        memcpy(search->best, name, sizeof name);
    }
    return 0;
}

static int check_names(const struct loader *loader, const struct features *features,
                       struct error *err)
{
    const struct fences_options *options = loader->options;
    for (size_t i = 0; i < options->name_count; i++) {
        if (loader->has_found[i])
            continue;
        char wanted[GEOJSON_NAME_MAX + 1];
        snprintf(wanted, sizeof wanted, "%.*s", (int)options->names[i].len, options->names[i].ptr);
        struct search search = {.wanted = wanted, .distance = 4};
        (void)features_each(features, look_at, &search, NULL);
        if (search.best[0] == '\0')
            return error_set(err, ERROR_CONFIG, "no feature is named \"%s\"", wanted);
        return error_set(err, ERROR_CONFIG, "no feature is named \"%s\"; did you mean \"%s\"?",
                         wanted, search.best);
    }
    return 0;
}

/* ---- the whole ---- */

static int loader_init(struct loader *loader, const struct fences_options *options,
                       struct error *err)
{
    *loader = (struct loader){.options = options,
                              .crowding = CROWDING_INIT,
                              .fences = calloc(1, sizeof(struct fences)),
                              .geos = geos_new(),
                              .has_found = calloc(options->name_count + 1, sizeof(bool))};
    if (loader->fences == NULL || loader->geos == NULL || loader->has_found == NULL)
        return no_memory(err);
    buf_init(&loader->fences->names, NAMES_BYTES_MAX);
    return 0;
}

/* Hands over the fences when all went well (result 0). */
static int loader_finish(struct loader *loader, int result, struct fences **out, struct error *err)
{
    if (result == 0 && loader->fences->count == 0)
        result = error_set(err, ERROR_CONFIG, "no fence in it");
    if (result == 0)
        result = raster_build(&loader->fences->raster, &loader->outline, err);
    if (result == 0)
        *out = loader->fences;
    else
        fences_free(loader->fences);
    geos_free(loader->geos);
    outline_deinit(&loader->outline);
    outline_deinit(&loader->scratch);
    free(loader->points);
    free(loader->has_found);
    return result;
}

int fences_make(struct fences **out, const char *name, const struct features *features,
                const struct fences_options *options, struct error *err)
{
    struct loader loader;
    int result = loader_init(&loader, options, err);
    if (result == 0)
        result = features_each(features, take_feature, &loader, err);
    if (result == 0)
        result = check_names(&loader, features, err);
    if (loader_finish(&loader, result, out, err) == 0)
        return 0;
    return error_prefix(err, "%s", name);
}

int fences_load(struct fences **out, const char *name, struct bytes text,
                const struct fences_options *options, struct error *err)
{
    struct features *features;
    if (features_read(&features, text, err) != 0)
        return error_prefix(err, "%s", name);
    int result = fences_make(out, name, features, options, err);
    features_free(features);
    return result;
}

int fences_of_circle(struct fences **out, double lat, double lon, double radius_m,
                     struct error *err)
{
    struct fences_options options = {0};
    struct loader loader;
    int result = loader_init(&loader, &options, err);
    if (result == 0)
        result = add_name(loader.fences, BYTES("circle"), err);
    if (result == 0)
        result = take_circle(&loader, (struct point){lon, lat}, radius_m, 0, err);
    return loader_finish(&loader, result, out, err);
}
