/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "vehicle/geofence/fences.h"
#include "vehicle/geofence/globe.h"

static struct fences *load_with(const char *text, const struct fences_options *options)
{
    struct fences *fences = NULL;
    struct error err;
    if (fences_load(&fences, "f.geojson", bytes_from_text(text), options, &err) != 0)
        fail_msg("%s\n%s", err.text, text);
    return fences;
}

static struct fences *load(const char *text)
{
    return load_with(text, &(struct fences_options){0});
}

static bool holds(const struct fences *fences, double lon, double lat)
{
    size_t fence = 1000;
    bool found = fences_find(fences, lat, lon, &fence);
    assert_true(!found || fence < fences_count(fences));
    uint32_t list[8];
    assert_true((fences_list(fences, lat, lon, list, 8) > 0) == found);
    return found;
}

static void assert_refused_with(const char *text, const struct fences_options *options,
                                const char *part)
{
    struct fences *fences = NULL;
    struct error err = {0};
    if (fences_load(&fences, "f.geojson", bytes_from_text(text), options, &err) == 0)
        fail_msg("this was accepted: %s", text);
    assert_int_equal(err.kind, ERROR_CONFIG);
    assert_null(fences);
    assert_memory_equal(err.text, "f.geojson: ", 11);
    if (strstr(err.text, part) == NULL)
        fail_msg("'%s' is not in: %s", part, err.text);
}

static void assert_refused(const char *text, const char *part)
{
    assert_refused_with(text, &(struct fences_options){0}, part);
}

#define POLYGON(rings) "{\"type\":\"Polygon\",\"coordinates\":[" rings "]}"
#define FEATURE(properties, geometry) \
    "{\"type\":\"Feature\",\"properties\":" properties ",\"geometry\":" geometry "}"
#define FEATURES(features) "{\"type\":\"FeatureCollection\",\"features\":[" features "]}"
#define SQUARE "[[0,0],[4,0],[4,4],[0,4],[0,0]]"

/* ---- kinds of geometry ---- */

static void a_polygon_with_a_hole(void **state)
{
    (void)state;
    struct fences *fences = load(POLYGON(SQUARE ",[[1,1],[2,1],[2,2],[1,2],[1,1]]"));
    assert_int_equal(fences_count(fences), 1);
    assert_true(bytes_equal_text(fences_name(fences, 0), "#1"));
    assert_true(holds(fences, 3, 3));
    assert_false(holds(fences, 1.5, 1.5));
    assert_false(holds(fences, 4.5, 2));
    assert_true(holds(fences, 0, 0));
    assert_true(holds(fences, 4, 2.7));
    assert_true(holds(fences, 1, 1.5)); /* the hole's edge */
    assert_true(holds(fences, 2, 2));
    assert_false(holds(fences, nextafter(4, 5), 2));
    assert_false(holds(fences, nextafter(1, 2), 1.5));
    fences_free(fences);
}

static void islands_and_the_direction_of_rings(void **state)
{
    (void)state;
    struct fences *fences =
        load("{\"coordinates\":[[[[0,0],[0,9],[9,9],[9,0],[0,0]],[[1,1],[8,1],[8,8],[1,8],[1,1]]],"
             "[[[3,3],[5,3],[5,5],[3,5],[3,3]]],[[[20,20],[21,20],[21,21],[20,20]]]],"
             "\"type\":\"MultiPolygon\"}");
    assert_true(holds(fences, 0.5, 0.5));
    assert_false(holds(fences, 2, 2));
    assert_true(holds(fences, 4, 4));
    assert_true(holds(fences, 20.9, 20.5));
    assert_false(holds(fences, 20.1, 20.5));
    fences_free(fences);
}

static void features_with_names(void **state)
{
    (void)state;
    const char *text =
        "{\"features\":["
        "{\"type\":\"Feature\",\"properties\":{\"name\":\"D\\u00e9pot\",\"color\":{\"a\":[1]}},"
        "\"geometry\":{\"type\":\"Polygon\",\"coordinates\":[[[0,0],[4,0],[4,4],[0,4],[0,0]]]}},"
        "{\"geometry\":{\"type\":\"GeometryCollection\",\"geometries\":["
        "{\"type\":\"Polygon\",\"coordinates\":[[[3,3],[6,3],[6,6],[3,6],[3,3,120.5]]]}]},"
        "\"id\":7,\"type\":\"Feature\"},"
        "{\"type\":\"Feature\",\"properties\":null,"
        "\"geometry\":{\"type\":\"Polygon\",\"coordinates\":[[[10,0],[11,0],[11,1],[10,0]]]}}],"
        "\"bbox\":[0,0,1,1],\"crs\":{\"type\":\"name\",\"properties\":{\"name\":"
        "\"urn:ogc:def:crs:OGC:1.3:CRS84\"}},\"type\":\"FeatureCollection\"}";
    struct fences *fences = load(text);
    assert_int_equal(fences_count(fences), 3);
    assert_true(bytes_equal_text(fences_name(fences, 0), "D\xc3\xa9pot"));
    assert_true(bytes_equal_text(fences_name(fences, 1), "7"));
    assert_true(bytes_equal_text(fences_name(fences, 2), "#3"));
    uint32_t list[4];
    assert_int_equal(fences_list(fences, 3.5, 3.5, list, 4), 2);
    assert_int_equal(fences_list(fences, 3.5, 3.5, NULL, 0), 2);
    assert_int_equal(fences_list(fences, 1, 1, list, 4), 1);
    assert_int_equal(list[0], 0);
    assert_int_equal(fences_list(fences, 50, 1, list, 4), 0);
    fences_free(fences);
}

static void only_the_wanted_names(void **state)
{
    (void)state;
    const char *text = FEATURES(FEATURE("{\"name\":\"Depot\"}", POLYGON(SQUARE)) "," FEATURE(
        "{\"id\":\"yard\"}", POLYGON("[[10,0],[11,0],[11,1],[10,0]]")));
    struct bytes names[] = {BYTES("yard"), BYTES("Depto")};
    struct fences_options options = {.names = names, .name_count = 1};
    struct fences *fences = load_with(text, &options);
    assert_int_equal(fences_count(fences), 1);
    assert_false(holds(fences, 1, 1));
    assert_true(holds(fences, 10.9, 0.5));
    fences_free(fences);
    options.name_count = 2;
    assert_refused_with(text, &options, "no feature is named \"Depto\"; did you mean \"Depot\"?");
    names[1] = BYTES("nothing like it");
    assert_refused_with(text, &options, "no feature is named \"nothing like it\"");
}

/* ---- around the globe ---- */

static void check_at_the_antimeridian(const char *text)
{
    struct fences *fences = load(text);
    assert_int_equal(fences_count(fences), 1);
    assert_true(holds(fences, 175, 5));
    assert_true(holds(fences, -175, 5));
    assert_true(holds(fences, 180, 5));
    assert_true(holds(fences, -180, 5));
    assert_true(holds(fences, 170, 5));
    assert_true(holds(fences, -170, 0));
    assert_false(holds(fences, 169.9, 5));
    assert_false(holds(fences, -169.9, 5));
    assert_false(holds(fences, 0, 5));
    assert_false(holds(fences, 180, 10.1));
    uint32_t list[4];
    assert_int_equal(fences_list(fences, 5, 180, list, 4), 1);
    fences_free(fences);
}

static void the_antimeridian(void **state)
{
    (void)state;
    check_at_the_antimeridian(POLYGON("[[170,0],[-170,0],[-170,10],[170,10],[170,0]]"));
    check_at_the_antimeridian(POLYGON("[[170,0],[190,0],[190,10],[170,10],[170,0]]"));
    check_at_the_antimeridian(POLYGON("[[-190,0],[-170,0],[-170,10],[-190,10],[-190,0]]"));
    check_at_the_antimeridian(POLYGON("[[-170,10],[170,10],[170,0],[-170,0],[-170,10]]"));
    check_at_the_antimeridian(
        "{\"type\":\"MultiPolygon\",\"coordinates\":[[[[170,0],[180,0],[180,10],[170,10],[170,0]]],"
        "[[[-180,0],[-170,0],[-170,10],[-180,10],[-180,0]]]]}");
}

static void a_hole_across_the_antimeridian(void **state)
{
    (void)state;
    struct fences *fences = load(POLYGON("[[160,0],[-160,0],[-160,20],[160,20],[160,0]],"
                                         "[[178,5],[-178,5],[-178,8],[178,8],[178,5]]"));
    assert_true(holds(fences, 165, 6));
    assert_true(holds(fences, -165, 6));
    assert_true(holds(fences, 178, 6));
    assert_false(holds(fences, 179, 6));
    assert_false(holds(fences, 180, 6));
    assert_false(holds(fences, -180, 6));
    assert_false(holds(fences, -179, 6));
    assert_true(holds(fences, 180, 8.5));
    fences_free(fences);
}

static void check_north(const char *text)
{
    struct fences *fences = load(text);
    for (double lon = -180; lon <= 180; lon += 7.5) {
        assert_true(holds(fences, lon, 75));
        assert_true(holds(fences, lon, 90));
        assert_false(holds(fences, lon, 49));
        assert_false(holds(fences, lon, -90));
    }
    fences_free(fences);
}

static void around_a_pole(void **state)
{
    (void)state;
    check_north(POLYGON("[[0,60],[90,60],[180,60],[-90,60],[0,60]]"));
    check_north(POLYGON("[[0,60],[-90,60],[180,60],[90,60],[0,60]]"));
    check_north(POLYGON("[[-180,60],[-60,60],[60,60],[180,60],[-180,60]]"));
    check_north(POLYGON("[[-180,60],[180,60],[180,90],[-180,90],[-180,60]]"));
    check_north(POLYGON("[[10,55],[5,60],[12,65],[130,60],[-110,60],[10,55]]"));
    /* the Antarctic, as files have it: along the pole and back */
    struct fences *south = load(POLYGON("[[-180,-90],[-180,-84],[-60,-70],[60,-66],[180,-84],"
                                        "[180,-90],[-180,-90]]"));
    assert_true(holds(south, 0, -80));
    assert_true(holds(south, 180, -85));
    assert_false(holds(south, 180, -83));
    assert_false(holds(south, 0, 80));
    fences_free(south);
    struct fences *world = load(POLYGON("[[-180,-90],[180,-90],[180,90],[-180,90],[-180,-90]]"));
    assert_true(holds(world, 0, 0));
    assert_true(holds(world, -180, 90));
    fences_free(world);
}

static double distance_m(double lat_a, double lon_a, double lat_b, double lon_b)
{
    const double radian = GLOBE_PI / 180;
    double dlat = (lat_b - lat_a) * radian, dlon = (lon_b - lon_a) * radian;
    double h = sin(dlat / 2) * sin(dlat / 2) +
               cos(lat_a * radian) * cos(lat_b * radian) * sin(dlon / 2) * sin(dlon / 2);
    return 2 * GEO_RADIUS_M * asin(sqrt(h));
}

static void check_circle(double lat, double lon, double radius_m)
{
    struct fences *fences;
    struct error err;
    if (fences_of_circle(&fences, lat, lon, radius_m, &err) != 0)
        fail_msg("%s", err.text);
    double degrees = globe_degrees(radius_m);
    unsigned inside = 0, outside = 0;
    for (int i = 0; i < 60; i++)
        for (int k = 0; k < 60; k++) {
            double y = lat + (i / 29.5 - 1) * 1.1 * degrees;
            double x = lon + (k / 29.5 - 1) * 1.1 * degrees / fmax(cos(lat * GLOBE_PI / 180), 0.01);
            if (fabs(y) > 90)
                continue;
            x = remainder(x, 360);
            double ratio = distance_m(lat, lon, y, x) / radius_m;
            if (fabs(ratio - 1) < 0.001)
                continue;
            if (holds(fences, x, y) != (ratio < 1))
                fail_msg("%g %g is %g of the radius away", y, x, ratio);
            inside += ratio < 1;
            outside += ratio > 1;
        }
    assert_true(inside > 100 && outside > 100);
    fences_free(fences);
}

static void circles(void **state)
{
    (void)state;
    check_circle(52.5, 13.4, 250);
    check_circle(-33, 179.9999, 5000);
    check_circle(0, 0, 20000);
    check_circle(60, 25, 50000);
    struct fences *pole;
    assert_int_equal(fences_of_circle(&pole, 89, 20, 500000, NULL), 0);
    assert_true(holds(pole, -160, 89));
    assert_true(holds(pole, 0, 90));
    assert_false(holds(pole, 20, 84));
    fences_free(pole);
}

static void circles_of_a_file(void **state)
{
    (void)state;
    struct fences_options options = {.radius_m = 1000};
    struct fences *fences = load_with(
        FEATURES(
            FEATURE("{\"radius\":100}", "{\"type\":\"Point\",\"coordinates\":[13,52]}") "," FEATURE(
                "{}", "{\"type\":\"MultiPoint\",\"coordinates\":[[20,52],[21,52]]}")),
        &options);
    double up_500m = globe_degrees(500);
    assert_true(holds(fences, 13, 52));
    assert_false(holds(fences, 13, 52 + up_500m));
    assert_true(holds(fences, 20, 52 + up_500m));
    assert_true(holds(fences, 21, 52 - up_500m));
    fences_free(fences);
}

static void corridors(void **state)
{
    (void)state;
    struct fences *fences =
        load(FEATURE("{\"name\":\"route\",\"width\":200}",
                     "{\"type\":\"LineString\",\"coordinates\":[[13,52],[13.1,52.4],[13.1,53]]}"));
    double metre = globe_degrees(1), wide = 1 / cos(52.7 * GLOBE_PI / 180);
    for (int i = 1; i < 100; i++) {
        double y = 52.4 + 0.006 * i;
        assert_true(holds(fences, 13.1 + 99 * metre * wide, y));
        assert_true(holds(fences, 13.1 - 99 * metre * wide, y));
        assert_false(holds(fences, 13.1 + 101 * metre * wide, y));
        assert_true(holds(fences, 13 + 0.1 * i / 100, 52 + 0.4 * i / 100));
    }
    assert_true(holds(fences, 13, 52 - 98 * metre));
    assert_false(holds(fences, 13, 52 - 101 * metre));
    fences_free(fences);
    struct fences_options options = {.width_m = 2000};
    fences = load_with("{\"type\":\"MultiLineString\",\"coordinates\":[[[179.9,10],[-179.9,10]],"
                       "[[5,5],[5.1,5]]]}",
                       &options);
    assert_true(holds(fences, 180, 10.005));
    assert_true(holds(fences, -179.95, 10.005));
    assert_true(holds(fences, 5.05, 4.995));
    assert_false(holds(fences, 0, 10));
    fences_free(fences);
}

/* ---- what is refused ---- */

static void files_that_are_no_geojson(void **state)
{
    (void)state;
    assert_refused("", "line 1");
    assert_refused("{\"type\":\"Polygon\",\n\"coordinates\":[[[0,0],]]}", "line 2");
    assert_refused("[1]", "must be an object");
    assert_refused("{}", "without \"type\"");
    assert_refused("{\"type\":\"Polygone\"}", "unknown type \"Polygone\"");
    assert_refused("{\"type\":5}", "\"type\" must be a text");
    assert_refused("{\"type\":\"Polygon\"}", "a Polygon needs \"coordinates\"");
    assert_refused("{\"type\":\"FeatureCollection\"}", "needs \"features\"");
    assert_refused("{\"type\":\"Feature\"}", "needs \"geometry\"");
    assert_refused("{\"type\":\"GeometryCollection\"}", "needs \"geometries\"");
    assert_refused(FEATURES(""), "no fence in it");
    assert_refused(FEATURES("5"), "a feature must be an object");
    assert_refused(FEATURES(POLYGON(SQUARE)), "feature 1: \"features\" may hold Features only");
    assert_refused("{\"type\":\"Feature\",\"geometry\":{\"type\":\"Feature\",\"geometry\":{}}}",
                   "a geometry can't be a Feature");
    assert_refused(FEATURE("{}", "null"), "has no geometry");
    assert_refused(FEATURE("7", POLYGON(SQUARE)), "\"properties\" must be an object");
    assert_refused(POLYGON(SQUARE) " x", "line 1");
    assert_refused("{\"type\":\"Polygon\",\"type\":\"Polygon\"}", "line 1");
    assert_refused("{\"type\":\"\xff\"}", "line 1");
    assert_refused("{\"crs\":{\"properties\":{\"name\":\"EPSG:3857\"}},\"type\":\"Polygon\"}",
                   "\"crs\"");
    assert_refused(FEATURES(FEATURE("{\"name\":{}}", POLYGON(SQUARE))), "feature 1: \"name\"");
    assert_refused("{\"type\":\"GeometryCollection\",\"geometries\":[]}", "empty geometry");
}

static void nesting_is_bounded(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 0);
    for (int i = 0; i < 12; i++)
        buf_append_text(&text, "{\"type\":\"GeometryCollection\",\"geometries\":[");
    for (int i = 0; i < 12; i++)
        buf_append_text(&text, "]}");
    buf_append_char(&text, '\0');
    assert_refused(text.ptr, "nested more than 8");
    buf_clear(&text);
    buf_append_text(&text, "{\"type\":\"Polygon\",\"coordinates\":");
    for (int i = 0; i < 1000; i++)
        buf_append_char(&text, '[');
    buf_append_char(&text, '\0');
    assert_refused(text.ptr, "line 1");
    buf_deinit(&text);
}

static void size_is_bounded(void **state)
{
    (void)state;
    size_t len = 100 << 20;
    char *text = calloc(1, len);
    assert_non_null(text);
    memset(text, ' ', 1000);
    struct fences *fences;
    struct error err;
    struct fences_options options = {0};
    assert_int_equal(fences_load(&fences, "big", bytes_of(text, len), &options, &err), -1);
    assert_non_null(strstr(err.text, "more than 32 MiB of GeoJSON"));
    free(text);
    struct buf many;
    buf_init(&many, 0);
    buf_append_text(&many, "{\"type\":\"Polygon\",\"coordinates\":[[[0,0]");
    for (int i = 0; i < OUTLINE_POINTS_MAX; i++)
        buf_append_text(&many, ",[1,1]");
    buf_append_text(&many, "]]}");
    buf_append_char(&many, '\0');
    assert_refused(many.ptr, "more than 500000 positions");
    buf_deinit(&many);
}

/* Needles that lie side by side, so that each edge must be compared with each. */
static void what_cant_be_checked_is_refused(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 0);
    buf_append_text(&text, "{\"type\":\"Polygon\",\"coordinates\":[[");
    const int needles = 200000;
    for (int i = 0; i < needles; i++) {
        double shift = i * (20.0 / needles), end = i % 2 * 50.0;
        buf_printf(&text, "[%.9f,%.9f],", end + shift, end - shift);
    }
    buf_append_text(&text, "[80,-40],[-20,-40],[0,0]]]}");
    buf_append_char(&text, '\0');
    assert_refused(text.ptr, "too many edges run side by side");
    buf_deinit(&text);
}

static void coordinates_that_are_none(void **state)
{
    (void)state;
    assert_refused(POLYGON(""), "empty list");
    assert_refused(POLYGON("[]"), "empty list");
    assert_refused(POLYGON("[[]]"), "empty list");
    assert_refused(POLYGON("[[0,0],[1,0],[1,1],[]]"), "empty list");
    assert_refused("{\"type\":\"Polygon\",\"coordinates\":5}", "must be a list");
    assert_refused("{\"type\":\"Polygon\",\"coordinates\":[[[\"0\",0]]]}", "lists of numbers");
    assert_refused("{\"type\":\"Polygon\",\"coordinates\":[[0,0],[1,1]]}",
                   "coordinates of a Polygon must be lists nested 3 deep, not 2");
    assert_refused("{\"type\":\"Point\",\"coordinates\":[[1,1]]}", "nested 1 deep, not 2");
    assert_refused(POLYGON("[[0,0],[[1,1]]]"), "mixes lists");
    assert_refused(POLYGON("[[0,0],5]"), "lists of numbers");
    assert_refused(POLYGON("[[0]]"), "longitude and latitude");
    assert_refused(POLYGON("[[0,0,0,0,0]]"), "two to 4 numbers");
    assert_refused(POLYGON("[[0,null]]"), "two to 4 numbers");
    assert_refused(POLYGON("[[52.5,139.7],[1,1]]"), "positions are [longitude, latitude]");
    assert_refused(POLYGON("[[1400000,6000]]"), "latitude 6000 is beyond 90");
    assert_refused(POLYGON("[[361,60]]"), "longitude 361 is beyond 360");
    assert_refused(POLYGON("[[1e400,60]]"), "longitude inf");
    assert_refused(POLYGON("[[0,1e400]]"), "latitude inf");
}

static void rings_that_enclose_nothing_sound(void **state)
{
    (void)state;
    assert_refused(FEATURES(FEATURE("{}", POLYGON(SQUARE)) "," FEATURE(
                       "{\"name\":\"Depot\"}", POLYGON("[[0,0],[4,0],[4,4],[0,4]]"))),
                   "feature 2 \"Depot\": ring 1: is not closed: repeat its first position");
    assert_refused(POLYGON("[[0,0],[4,0],[0,0]]"), "ring 1: encloses nothing");
    assert_refused(POLYGON("[[0,0],[0,0],[0,0],[0,0]]"), "encloses nothing");
    assert_refused(POLYGON("[[0,0],[2,0],[4,0],[0,0]]"), "ring 1: ");
    assert_refused(POLYGON("[[0,0],[4,4],[4,0],[0,4],[0,0]]"),
                   "ring 1: Self-intersection near longitude 2, latitude 2: mend");
    assert_refused(POLYGON(SQUARE ",[[1,1],[2,2],[2,1],[1,2],[1,1]]"),
                   "ring 2: Self-intersection near longitude 1.5");
    assert_refused(POLYGON(SQUARE ",[[8,8],[9,8],[9,9],[8,8]]"), "Hole lies outside shell");
    assert_refused(POLYGON(SQUARE ",[[3,3],[5,3],[5,5],[3,3]]"), "near longitude");
    assert_refused("{\"type\":\"MultiPolygon\",\"coordinates\":[[" SQUARE
                   "],[[[0,0],[4,4],[4,0],[0,4],[0,0]]]]}",
                   "polygon 2: ring 1: Self-intersection");
    assert_refused(POLYGON("[[170,0],[-170,4],[-170,0],[170,4],[170,0]]"),
                   "ring 1: Self-intersection");
    assert_refused(POLYGON("[[0,1],[120,1],[-120,1],[0,2],[120,2],[-120,2],[0,1]]"),
                   "more than once around the earth");
}

static void circles_and_corridors_that_cant_be(void **state)
{
    (void)state;
    const char *point = "{\"type\":\"Point\",\"coordinates\":[1,2]}";
    const char *line = "{\"type\":\"LineString\",\"coordinates\":[[1,2],[1,3]]}";
    assert_refused(point, "a point needs a radius");
    assert_refused(line, "a line needs a width");
    assert_refused_with(point, &(struct fences_options){.radius_m = 6e6}, "at most 5000000 m");
    assert_refused_with(line, &(struct fences_options){.width_m = 6e6}, "at most 100000 m");
    assert_refused(
        FEATURES(FEATURE("{\"radius\":\"500m\"}", "{\"type\":\"Point\",\"coordinates\":[1,2]}")),
        "\"radius\" must be a number of metres");
    assert_refused(
        FEATURES(FEATURE("{\"radius\":-5}", "{\"type\":\"Point\",\"coordinates\":[1,2]}")),
        "more than 0 metres");
    assert_refused(
        FEATURES(FEATURE("{\"width\":1e999}", "{\"type\":\"Point\",\"coordinates\":[1,2]}")),
        "more than 0 metres");
    struct fences_options wide = {.width_m = 10};
    assert_refused_with("{\"type\":\"LineString\",\"coordinates\":[[1,2]]}", &wide,
                        "two different positions");
    assert_refused_with("{\"type\":\"LineString\",\"coordinates\":[[1,2],[1,2]]}", &wide,
                        "two different positions");
    assert_refused_with("{\"type\":\"LineString\",\"coordinates\":[[1,2],[1,88]]}", &wide,
                        "latitude 85");
    struct fences *fences;
    struct error err;
    assert_int_equal(fences_of_circle(&fences, 0, 0, 1e9, &err), -1);
}

static void positions_beyond_the_world_are_outside(void **state)
{
    (void)state;
    struct fences *world = load(POLYGON("[[-180,-90],[180,-90],[180,90],[-180,90],[-180,-90]]"));
    assert_true(holds(world, 180, 90));
    assert_false(holds(world, 180.0001, 0));
    assert_false(holds(world, 0, 90.0001));
    assert_false(holds(world, NAN, 0));
    assert_false(holds(world, 0, NAN));
    assert_false(holds(world, INFINITY, 0));
    assert_false(holds(world, 0, -INFINITY));
    assert_true(fences_size_bytes(world) < 10000);
    fences_free(world);
    fences_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_polygon_with_a_hole),
        cmocka_unit_test(islands_and_the_direction_of_rings),
        cmocka_unit_test(features_with_names),
        cmocka_unit_test(only_the_wanted_names),
        cmocka_unit_test(the_antimeridian),
        cmocka_unit_test(a_hole_across_the_antimeridian),
        cmocka_unit_test(around_a_pole),
        cmocka_unit_test(circles),
        cmocka_unit_test(circles_of_a_file),
        cmocka_unit_test(corridors),
        cmocka_unit_test(files_that_are_no_geojson),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(size_is_bounded),
        cmocka_unit_test(what_cant_be_checked_is_refused),
        cmocka_unit_test(coordinates_that_are_none),
        cmocka_unit_test(rings_that_enclose_nothing_sound),
        cmocka_unit_test(circles_and_corridors_that_cant_be),
        cmocka_unit_test(positions_beyond_the_world_are_outside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
