/* SPDX-License-Identifier: Apache-2.0 */
/* The grid answers as two others do: a walk over all edges along a ray, and GEOS. The
 * points are those where answers could differ: corners, points of edges, one step of
 * a double beside them, points level with corners, and any. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <geos_c.h>

#include "vehicle/geofence/raster.h"

enum { FENCES_MOST = 600 };

static uint64_t seed = 88172645463325252;

static double next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (double)(seed >> 11) * 0x1p-53;
}

static double rounded(double value)
{
    return round(value * 1e6) / 1e6; /* as maps are written: so that points fall on lines */
}

/* A star around a middle, its corners between `dent` and 1 of the radius away. */
static void add_star(struct outline *outline, struct point middle, double radius, double dent,
                     size_t corners, double turn)
{
    struct point *points = calloc(corners, sizeof *points);
    assert_non_null(points);
    for (size_t i = 0; i < corners; i++) {
        double angle = turn * 2 * 3.14159265358979 * (double)i / (double)corners;
        double r = radius * (dent + (1 - dent) * next_random());
        points[i] =
            (struct point){rounded(middle.x + r * cos(angle)), rounded(middle.y + r * sin(angle))};
    }
    assert_int_equal(outline_add_ring(outline, points, corners, NULL), 0);
    free(points);
}

static void add_polygon(struct outline *outline, uint32_t fence)
{
    assert_int_equal(outline_add_polygon(outline, fence, NULL), 0);
}

/* ---- the answers to compare with ---- */

/* Odd crossings of a ray toward the west; what lies on an edge is inside. */
static bool polygon_holds(const struct outline *outline, const struct outline_polygon *polygon,
                          struct point p)
{
    bool is_inside = false;
    for (size_t r = polygon->first; r < polygon->first + polygon->count; r++) {
        const struct outline_ring *ring = &outline->rings[r];
        for (size_t i = 0; i < ring->count; i++) {
            struct point a = outline->points[ring->first + i];
            struct point b = outline->points[ring->first + (i + 1) % ring->count];
            if (fmin(a.y, b.y) > p.y || fmax(a.y, b.y) < p.y)
                continue;
            int side = plane_side(a, b, p);
            if (side == 0 && plane_is_between(a, b, p))
                return true;
            if ((a.y > p.y) != (b.y > p.y))
                is_inside ^= (side < 0) == (b.y > a.y);
        }
    }
    return is_inside;
}

static size_t list_slowly(const struct outline *outline, struct point p, bool *holds)
{
    size_t count = 0;
    for (size_t i = 0; i < FENCES_MOST; i++)
        holds[i] = false;
    for (size_t i = 0; i < outline->polygon_count; i++) {
        uint32_t fence = outline->polygons[i].fence;
        if (holds[fence] || !polygon_holds(outline, &outline->polygons[i], p))
            continue;
        holds[fence] = true;
        count++;
    }
    return count;
}

static GEOSGeometry *geos_ring(const struct outline *outline, const struct outline_ring *ring)
{
    GEOSCoordSequence *sequence = GEOSCoordSeq_create((unsigned)ring->count + 1, 2);
    for (size_t i = 0; i <= ring->count; i++) {
        struct point p = outline->points[ring->first + i % ring->count];
        GEOSCoordSeq_setXY(sequence, (unsigned)i, p.x, p.y);
    }
    return GEOSGeom_createLinearRing(sequence);
}

static GEOSGeometry *geos_polygon(const struct outline *outline,
                                  const struct outline_polygon *polygon)
{
    GEOSGeometry *holes[8];
    for (size_t i = 1; i < polygon->count; i++)
        holes[i - 1] = geos_ring(outline, &outline->rings[polygon->first + i]);
    return GEOSGeom_createPolygon(geos_ring(outline, &outline->rings[polygon->first]), holes,
                                  (unsigned)polygon->count - 1);
}

struct peer {
    GEOSGeometry **polygons;
    const GEOSPreparedGeometry **prepared;
    size_t count;
};

static struct peer peer_of(const struct outline *outline)
{
    struct peer peer = {.polygons = calloc(outline->polygon_count, sizeof(GEOSGeometry *)),
                        .prepared = calloc(outline->polygon_count, sizeof(void *)),
                        .count = outline->polygon_count};
    for (size_t i = 0; i < peer.count; i++) {
        peer.polygons[i] = geos_polygon(outline, &outline->polygons[i]);
        assert_int_equal(GEOSisValid(peer.polygons[i]), 1);
        peer.prepared[i] = GEOSPrepare(peer.polygons[i]);
    }
    return peer;
}

static void free_peer(struct peer *peer)
{
    for (size_t i = 0; i < peer->count; i++) {
        GEOSPreparedGeom_destroy(peer->prepared[i]);
        GEOSGeom_destroy(peer->polygons[i]);
    }
    free(peer->prepared);
    free(peer->polygons);
}

/* ---- the comparison ---- */

static struct point random_point(const struct outline *outline)
{
    size_t ring_index = (size_t)(next_random() * (double)outline->ring_count);
    const struct outline_ring *ring = &outline->rings[ring_index];
    size_t i = (size_t)(next_random() * (double)ring->count);
    struct point a = outline->points[ring->first + i];
    struct point b = outline->points[ring->first + (i + 1) % ring->count];
    double t = next_random();
    switch ((int)(next_random() * 8)) {
    case 0:
        return a;
    case 1:
        return (struct point){(a.x + b.x) / 2, (a.y + b.y) / 2};
    case 2:
        return (struct point){nextafter(a.x, t < 0.5 ? 1e3 : -1e3), a.y};
    case 3:
        return (struct point){a.x + t * (b.x - a.x), a.y + t * (b.y - a.y)};
    case 4:
        return (struct point){a.x + next_random() - 0.5, a.y};
    case 5:
        return (struct point){a.x, a.y + next_random() - 0.5};
    default:
        return (struct point){a.x + 0.4 * (next_random() - 0.5), a.y + 0.4 * (t - 0.5)};
    }
}

static void check_point(const struct outline *outline, const struct raster *raster,
                        const struct peer *peer, struct point p, bool *holds)
{
    uint32_t found[FENCES_MOST];
    size_t expected = list_slowly(outline, p, holds);
    size_t count = raster_list(raster, p, found, FENCES_MOST);
    if (count != expected)
        fail_msg("%.17g %.17g: in %zu fences, found in %zu", p.x, p.y, expected, count);
    for (size_t i = 0; i < count; i++)
        assert_true(holds[found[i]]);
    int64_t first = raster_find(raster, p);
    assert_true(count == 0 ? first == RASTER_NONE : holds[first]);
    if (peer == NULL)
        return;
    GEOSGeometry *point = GEOSGeom_createPointFromXY(p.x, p.y);
    for (size_t i = 0; i < peer->count; i++)
        if (GEOSPreparedIntersects(peer->prepared[i], point) !=
            polygon_holds(outline, &outline->polygons[i], p))
            fail_msg("%.17g %.17g: GEOS says otherwise of polygon %zu", p.x, p.y, i);
    GEOSGeom_destroy(point);
}

static void compare(struct outline *outline, int points)
{
    struct raster raster;
    struct error err;
    if (raster_build(&raster, outline, &err) != 0)
        fail_msg("%s", err.text);
    struct peer peer = peer_of(outline);
    bool holds[FENCES_MOST];
    for (int i = 0; i < points; i++)
        check_point(outline, &raster, &peer, random_point(outline), holds);
    free_peer(&peer);
    raster_deinit(&raster);
    outline_deinit(outline);
}

static void many_fences_of_a_town(void **state)
{
    (void)state;
    struct outline outline = {0};
    for (uint32_t i = 0; i < 200; i++) {
        add_polygon(&outline, i);
        add_star(&outline, (struct point){13 + next_random(), 52 + next_random()}, 0.05, 0.5, 60,
                 1);
    }
    compare(&outline, 1000);
}

static void holes_and_several_polygons(void **state)
{
    (void)state;
    struct outline outline = {0};
    for (uint32_t i = 0; i < 40; i++) {
        struct point middle = {-70 + i % 8, -30 + i / 8};
        add_polygon(&outline, i / 2);
        add_star(&outline, middle, 0.45, 0.7, 40, 1);
        add_star(&outline, middle, 0.3, 0.6, 30, -1);
        add_polygon(&outline, i / 2); /* an island in the hole */
        add_star(&outline, middle, 0.15, 0.5, 20, 1);
    }
    compare(&outline, 4000);
}

static void far_apart_and_small(void **state)
{
    (void)state;
    struct outline outline = {0};
    add_polygon(&outline, 0);
    add_star(&outline, (struct point){0, 0}, 80, 0.4, 100, 1);
    for (uint32_t i = 1; i < 60; i++) {
        add_polygon(&outline, i);
        add_star(&outline, (struct point){360 * next_random() - 180, 170 * next_random() - 85},
                 0.0005, 0.5, 24, 1);
    }
    compare(&outline, 4000);
}

static void one_of_many_corners(void **state)
{
    (void)state;
    struct outline outline = {0};
    add_polygon(&outline, 0);
    add_star(&outline, (struct point){10, 50}, 3, 0.99, 3000, 1);
    compare(&outline, 600);
}

/* Rectangles side by side: every point of every line, all exactly on it. */
static void neighbours_share_their_edges(void **state)
{
    (void)state;
    struct outline outline = {0};
    for (uint32_t i = 0; i < 64; i++) {
        double x = i % 8, y = i / 8;
        struct point corners[] = {{x, y}, {x + 1, y}, {x + 1, y + 1}, {x, y + 1}};
        add_polygon(&outline, i);
        assert_int_equal(outline_add_ring(&outline, corners, 4, NULL), 0);
    }
    struct raster raster;
    assert_int_equal(raster_build(&raster, &outline, NULL), 0);
    uint32_t found[8];
    for (int i = 0; i <= 64; i++)
        for (int k = 0; k <= 64; k++) {
            size_t columns = i % 8 == 0 && i > 0 && i < 64 ? 2 : 1;
            size_t rows = k % 8 == 0 && k > 0 && k < 64 ? 2 : 1;
            struct point p = {i / 8.0, k / 8.0};
            assert_int_equal(raster_list(&raster, p, found, 8), columns * rows);
        }
    assert_int_equal(raster_find(&raster, (struct point){nextafter(0, -1), 1}),
                     0); /* counts as 0 */
    assert_int_equal(raster_find(&raster, (struct point){-1e-90, 1}), RASTER_NONE);
    assert_int_equal(raster_find(&raster, (struct point){nextafter(8, 9), 1}), RASTER_NONE);
    assert_int_equal(raster_find(&raster, (struct point){NAN, 1}), RASTER_NONE);
    assert_int_equal(raster_find(&raster, (struct point){1, NAN}), RASTER_NONE);
    assert_int_equal(raster_find(&raster, (struct point){INFINITY, -INFINITY}), RASTER_NONE);
    raster_deinit(&raster);
    outline_deinit(&outline);
}

/* Long edges everywhere would need a cell for each: the bound holds, and the answers. */
static void memory_is_bounded(void **state)
{
    (void)state;
    struct outline outline = {0};
    size_t count = 20000;
    struct point *comb = calloc(count, sizeof *comb);
    assert_non_null(comb);
    for (size_t i = 0; i < count / 2; i++) {
        comb[2 * i] = (struct point){(double)i * 1e-3, i % 2 == 0 ? 0 : 50};
        comb[2 * i + 1] = (struct point){(double)i * 1e-3 + 5e-4, i % 2 == 0 ? 50 : 0};
    }
    comb[count - 1].y = comb[0].y = -1;
    add_polygon(&outline, 0);
    assert_int_equal(outline_add_ring(&outline, comb, count, NULL), 0);
    struct raster raster;
    assert_int_equal(raster_build(&raster, &outline, NULL), 0);
    assert_true(raster.word_count * 8 < count * 1024);
    bool holds[FENCES_MOST];
    for (int i = 0; i < 300; i++)
        check_point(&outline, &raster, NULL, random_point(&outline), holds);
    raster_deinit(&raster);
    outline_deinit(&outline);
    free(comb);
}

static void nothing_holds_nothing(void **state)
{
    (void)state;
    struct outline outline = {0};
    struct raster raster;
    assert_int_equal(raster_build(&raster, &outline, NULL), 0);
    assert_int_equal(raster_find(&raster, (struct point){0, 0}), RASTER_NONE);
    raster_deinit(&raster);
    raster_deinit(&raster);
}

static void say_nothing(const char *format, ...)
{
    (void)format;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_fences_of_a_town),
        cmocka_unit_test(holes_and_several_polygons),
        cmocka_unit_test(far_apart_and_small),
        cmocka_unit_test(one_of_many_corners),
        cmocka_unit_test(neighbours_share_their_edges),
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(nothing_holds_nothing),
    };
    initGEOS(say_nothing, say_nothing);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    finishGEOS();
    return failed;
}
