/* SPDX-License-Identifier: Apache-2.0 */
#include "vehicle/geofence/geos.h"

#include <geos_c.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    QUARTER_SEGMENTS = 16, /* of a corridor's round ends: 0.1 % of its half width */
    TURNS = 2,             /* rings reach at most so many turns from the world's frame */
};

struct geos {
    GEOSContextHandle_t context;
    char *reason;
    char failure[256];
};

static void keep_failure(const char *message, void *data)
{
    struct geos *geos = data;
    snprintf(geos->failure, sizeof geos->failure, "%s", message);
}

struct geos *geos_new(void)
{
    struct geos *geos = calloc(1, sizeof *geos);
    if (geos == NULL)
        return NULL;
    geos->context = GEOS_init_r();
    if (geos->context == NULL) {
        free(geos);
        return NULL;
    }
    GEOSContext_setErrorMessageHandler_r(geos->context, keep_failure, geos);
    return geos;
}

void geos_free(struct geos *geos)
{
    if (geos == NULL)
        return;
    GEOSFree_r(geos->context, geos->reason);
    GEOS_finish_r(geos->context);
    free(geos);
}

static int failed(const struct geos *geos, struct error *err)
{
    return error_set(err, ERROR_CONFIG, "the geometry can't be worked on: %s",
                     geos->failure[0] != '\0' ? geos->failure : "no memory");
}

/* ---- to GEOS ---- */

static GEOSCoordSequence *sequence_of(struct geos *geos, const struct point *points, size_t count,
                                      bool is_closed)
{
    GEOSContextHandle_t context = geos->context;
    GEOSCoordSequence *sequence = GEOSCoordSeq_create_r(context, (unsigned)(count + is_closed), 2);
    if (sequence == NULL)
        return NULL;
    for (size_t i = 0; i < count + is_closed; i++) {
        const struct point *point = &points[i < count ? i : 0];
        GEOSCoordSeq_setXY_r(context, sequence, (unsigned)i, point->x, point->y);
    }
    return sequence;
}

static GEOSGeometry *ring_of(struct geos *geos, const struct geos_rings *rings, size_t i)
{
    const struct outline_ring *ring = &rings->rings[i];
    GEOSCoordSequence *sequence = sequence_of(geos, rings->points + ring->first, ring->count, true);
    return sequence == NULL ? NULL : GEOSGeom_createLinearRing_r(geos->context, sequence);
}

static void destroy_all(struct geos *geos, GEOSGeometry **items, size_t count)
{
    for (size_t i = 0; i < count; i++)
        GEOSGeom_destroy_r(geos->context, items[i]);
}

static GEOSGeometry *polygon_of(struct geos *geos, const struct geos_rings *rings)
{
    GEOSGeometry *shell = ring_of(geos, rings, 0);
    GEOSGeometry **holes = calloc(rings->count, sizeof(GEOSGeometry *));
    size_t made = 0;
    while (holes != NULL && made + 1 < rings->count &&
           (holes[made] = ring_of(geos, rings, made + 1)) != NULL)
        made++;
    GEOSGeometry *polygon = NULL;
    if (shell != NULL && made + 1 == rings->count)
        polygon = GEOSGeom_createPolygon_r(geos->context, shell, holes, (unsigned)made);
    else if (holes != NULL)
        destroy_all(geos, holes, made);
    if (polygon == NULL && shell != NULL && made + 1 != rings->count)
        GEOSGeom_destroy_r(geos->context, shell);
    free(holes);
    return polygon;
}

/* ---- from GEOS ---- */

static int take_ring(struct geos *geos, const GEOSGeometry *ring, struct outline *out,
                     struct error *err)
{
    GEOSContextHandle_t context = geos->context;
    const GEOSCoordSequence *sequence = GEOSGeom_getCoordSeq_r(context, ring);
    unsigned size = 0;
    if (sequence == NULL || !GEOSCoordSeq_getSize_r(context, sequence, &size) || size < 4)
        return failed(geos, err);
    struct point *points = calloc(size, sizeof *points);
    if (points == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for geofences");
    for (unsigned i = 0; i < size; i++)
        GEOSCoordSeq_getXY_r(context, sequence, i, &points[i].x, &points[i].y);
    int result = outline_add_ring(out, points, size - 1, err);
    free(points);
    return result;
}

static int take_polygon(struct geos *geos, const GEOSGeometry *polygon, uint32_t fence,
                        struct outline *out, struct error *err)
{
    GEOSContextHandle_t context = geos->context;
    if (GEOSisEmpty_r(context, polygon))
        return 0;
    if (outline_add_polygon(out, fence, err) != 0 ||
        take_ring(geos, GEOSGetExteriorRing_r(context, polygon), out, err) != 0)
        return -1;
    int holes = GEOSGetNumInteriorRings_r(context, polygon);
    for (int i = 0; i < holes; i++)
        if (take_ring(geos, GEOSGetInteriorRingN_r(context, polygon, i), out, err) != 0)
            return -1;
    return 0;
}

/* Polygons among what an operation gave; points and lines have no inside. */
static int take_all(struct geos *geos, const GEOSGeometry *shape, uint32_t fence,
                    struct outline *out, struct error *err)
{
    if (shape == NULL)
        return failed(geos, err);
    int count = GEOSGetNumGeometries_r(geos->context, shape);
    for (int i = 0; i < count; i++) {
        const GEOSGeometry *item = GEOSGetGeometryN_r(geos->context, shape, i);
        if (item != NULL && GEOSGeomTypeId_r(geos->context, item) == GEOS_POLYGON &&
            take_polygon(geos, item, fence, out, err) != 0)
            return -1;
    }
    return 0;
}

/* ---- the operations ---- */

int geos_check(struct geos *geos, const struct geos_rings *rings, const char **reason,
               struct point *at, struct error *err)
{
    GEOSContextHandle_t context = geos->context;
    GEOSGeometry *polygon = polygon_of(geos, rings), *place = NULL;
    if (polygon == NULL)
        return failed(geos, err);
    GEOSFree_r(context, geos->reason);
    geos->reason = NULL;
    char valid = GEOSisValidDetail_r(context, polygon, 0, &geos->reason, &place);
    GEOSGeom_destroy_r(context, polygon);
    *at = (struct point){0, 0};
    if (place != NULL) {
        GEOSGeomGetX_r(context, place, &at->x);
        GEOSGeomGetY_r(context, place, &at->y);
        GEOSGeom_destroy_r(context, place);
    }
    *reason = geos->reason != NULL ? geos->reason : "not valid";
    return valid == 1 ? 1 : valid == 0 ? 0 : failed(geos, err);
}

static int move(double *x, double *y, void *data)
{
    (void)y;
    *x += *(double *)data;
    return 1;
}

/* Only the polygons of a cut, moved: where a ring touches the frame without crossing
 * it, a cut holds points and lines as well. Uses `cut` up; NULL: failed. */
static GEOSGeometry *polygons_of(struct geos *geos, GEOSGeometry *cut, double shift)
{
    if (cut == NULL)
        return NULL;
    GEOSContextHandle_t context = geos->context;
    int count = GEOSGetNumGeometries_r(context, cut);
    GEOSGeometry **items = calloc((size_t)(count < 0 ? 0 : count) + 1, sizeof(GEOSGeometry *));
    unsigned kept = 0;
    bool is_good = items != NULL && count >= 0;
    for (int i = 0; is_good && i < count; i++) {
        const GEOSGeometry *item = GEOSGetGeometryN_r(context, cut, i);
        if (GEOSGeomTypeId_r(context, item) != GEOS_POLYGON || GEOSisEmpty_r(context, item))
            continue;
        items[kept] = GEOSGeom_transformXY_r(context, item, move, &shift);
        is_good = items[kept] != NULL;
        kept += is_good;
    }
    GEOSGeom_destroy_r(context, cut);
    GEOSGeometry *polygons = NULL;
    if (is_good)
        polygons = GEOSGeom_createCollection_r(context, GEOS_MULTIPOLYGON, items, kept);
    else if (items != NULL)
        destroy_all(geos, items, kept);
    free(items);
    return polygons;
}

/* What one ring encloses in the frame that is `turn` turns away, in the world's. */
static GEOSGeometry *cut_ring(struct geos *geos, const struct geos_rings *rings, size_t i, int turn)
{
    struct geos_rings one = {rings->points, rings->rings + i, 1};
    double west = 360.0 * turn - 180;
    GEOSGeometry *ring = polygon_of(geos, &one);
    GEOSGeometry *box = GEOSGeom_createRectangle_r(geos->context, west, -90, west + 360, 90);
    GEOSGeometry *cut = NULL;
    if (ring != NULL && box != NULL)
        cut = GEOSIntersection_r(geos->context, ring, box);
    GEOSGeom_destroy_r(geos->context, ring);
    GEOSGeom_destroy_r(geos->context, box);
    return polygons_of(geos, cut, -360.0 * turn);
}

/* `cut` and what the ring adds to it (or takes from it); both are used up. */
static GEOSGeometry *combine(struct geos *geos, GEOSGeometry *cut, GEOSGeometry *ring, bool is_hole)
{
    GEOSContextHandle_t context = geos->context;
    GEOSGeometry *both = NULL;
    if (cut != NULL && ring != NULL)
        both = is_hole ? GEOSDifference_r(context, cut, ring) : GEOSUnion_r(context, cut, ring);
    GEOSGeom_destroy_r(context, cut);
    GEOSGeom_destroy_r(context, ring);
    return both;
}

int geos_cut(struct geos *geos, const struct geos_rings *rings, uint32_t fence, struct outline *out,
             struct error *err)
{
    GEOSContextHandle_t context = geos->context;
    GEOSGeometry *cut = GEOSGeom_createEmptyPolygon_r(context);
    for (size_t i = 0; i < rings->count && cut != NULL; i++) {
        for (int turn = -TURNS; turn <= TURNS && cut != NULL; turn++) {
            cut = combine(geos, cut, cut_ring(geos, rings, i, turn), i > 0);
        }
    }
    int result = take_all(geos, cut, fence, out, err);
    GEOSGeom_destroy_r(context, cut);
    return result;
}

int geos_buffer(struct geos *geos, const struct point *points, size_t count, double distance,
                struct outline *out, struct error *err)
{
    GEOSContextHandle_t context = geos->context;
    GEOSCoordSequence *sequence = sequence_of(geos, points, count, false);
    GEOSGeometry *line = NULL, *corridor = NULL;
    if (sequence != NULL)
        line = GEOSGeom_createLineString_r(context, sequence);
    if (line != NULL)
        corridor = GEOSBufferWithStyle_r(context, line, distance, QUARTER_SEGMENTS,
                                         GEOSBUF_CAP_ROUND, GEOSBUF_JOIN_ROUND, 0);
    GEOSGeom_destroy_r(context, line);
    int result = take_all(geos, corridor, 0, out, err);
    GEOSGeom_destroy_r(context, corridor);
    return result;
}
