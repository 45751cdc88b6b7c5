/* SPDX-License-Identifier: Apache-2.0 */
/* One pass over the JSON events. What a feature holds is gathered (its type may come
 * last) and judged where its object ends. */
#include "vehicle/geofence/geojson.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/decimal.h"
#include "codec/json.h"

enum {
    KEYS_MAX = 4096,
    KEY_TEXT_MAX = 1 << 20,
    POSITION_MAX = 4,
    NAME_RAW_MAX = 6 * GEOJSON_NAME_MAX + 2, /* every byte of it escaped, and quotes */
};

static const struct {
    const char *name;
    enum geojson_type type;
    size_t depth; /* of a position's list within the coordinates */
} types[] = {
    {"Point", GEOJSON_POINT, 1},
    {"MultiPoint", GEOJSON_MULTI_POINT, 2},
    {"LineString", GEOJSON_LINE, 2},
    {"MultiLineString", GEOJSON_MULTI_LINE, 3},
    {"Polygon", GEOJSON_POLYGON, 3},
    {"MultiPolygon", GEOJSON_MULTI_POLYGON, 4},
    {"GeometryCollection", GEOJSON_COLLECTION, 0},
    {"Feature", GEOJSON_FEATURE, 0},
    {"FeatureCollection", GEOJSON_FEATURES, 0},
};
enum { TYPES = sizeof types / sizeof types[0] };

/* A name while it is read. */
struct name {
    char text[NAME_RAW_MAX];
    size_t len;
};

struct geojson {
    struct json_reader *json;
    struct json_token token;
    struct bytes text;
    struct error *err;
    int (*take)(void *user, const struct geojson_feature *feature, struct error *err);
    void *user;
    /* The feature being read. */
    size_t number;
    struct outline outline;
    struct geojson_shape *shapes;
    size_t shape_count, shape_cap;
    struct name name, id;
    double radius_m, width_m;
    /* The ring being read. */
    struct point *points;
    size_t point_count, point_cap;
};

enum level { LEVEL_TOP, LEVEL_FEATURE, LEVEL_GEOMETRY };

/* What an object said of itself. */
struct members {
    enum geojson_type type;
    bool has_coordinates, has_geometries, has_geometry, has_features;
    size_t depth;                      /* of the coordinates' positions */
    size_t first_polygon, end_polygon; /* of the coordinates */
};

/* A fault of the JSON was told already, and more exactly. */
static bool has_fault(const struct geojson *g)
{
    return json_reader_fault(g->json)->kind != JSON_FAULT_NONE;
}

#define fail(g, ...) (has_fault(g) ? -1 : error_set((g)->err, ERROR_CONFIG, __VA_ARGS__))

static int no_memory(struct geojson *g)
{
    return error_set(g->err, ERROR_MEMORY, "no memory for geofences");
}

/* ---- events ---- */

static int fault(struct geojson *g)
{
    const struct json_fault *fault = json_reader_fault(g->json);
    size_t line = 1;
    for (size_t i = 0; i < fault->offset && i < g->text.len; i++)
        line += g->text.ptr[i] == '\n';
    char words[256];
    json_fault_text(fault, g->text, words, sizeof words);
    return error_set(g->err, ERROR_CONFIG, "line %zu, %s", line, words);
}

/* JSON_FAULT: the error is set. */
static enum json_event next(struct geojson *g)
{
    enum json_event event = json_reader_next(g->json, &g->token);
    if (event == JSON_FAULT)
        fault(g);
    return event;
}

static bool opens(enum json_event event)
{
    return event == JSON_OBJECT || event == JSON_ARRAY;
}

static bool closes(enum json_event event)
{
    return event == JSON_OBJECT_END || event == JSON_ARRAY_END;
}

/* The rest of a value that began with this event. */
static int skip(struct geojson *g, enum json_event event)
{
    for (size_t depth = opens(event); depth > 0;) {
        event = next(g);
        if (event == JSON_FAULT)
            return -1;
        depth += opens(event);
        depth -= closes(event);
    }
    return 0;
}

/* ---- names and numbers ---- */

static int read_name(struct geojson *g, enum json_event event, const char *what, struct name *out)
{
    if (event == JSON_NULL)
        return 0;
    if (event != JSON_STRING && event != JSON_NUMBER)
        return fail(g, "\"%s\" must be a text or a number", what);
    struct bytes raw = g->token.raw;
    if (raw.len > NAME_RAW_MAX)
        return fail(g, "\"%s\" is longer than %d bytes", what, GEOJSON_NAME_MAX);
    if (event == JSON_STRING) {
        out->len = json_unescape(raw, out->text);
    } else {
        memcpy(out->text, raw.ptr, raw.len);
        out->len = raw.len;
    }
    if (out->len > GEOJSON_NAME_MAX)
        return fail(g, "\"%s\" is longer than %d bytes", what, GEOJSON_NAME_MAX);
    for (size_t i = 0; i < out->len; i++)
        if ((unsigned char)out->text[i] < 0x20)
            return fail(g, "\"%s\" holds a control character", what);
    return 0;
}

static double number_of(const struct geojson *g)
{
    struct decimal decimal;
    struct bytes raw = g->token.raw;
    decimal_scan(raw.ptr, raw.ptr + raw.len, &decimal);
    return decimal_to_double_plain(&decimal, raw);
}

static int read_metres(struct geojson *g, enum json_event event, const char *what, double *out)
{
    if (event == JSON_NULL)
        return 0;
    if (event != JSON_NUMBER)
        return fail(g, "\"%s\" must be a number of metres, without quotes", what);
    *out = number_of(g);
    if (!(*out > 0 && isfinite(*out)))
        return fail(g, "\"%s\" must be more than 0 metres", what);
    return 0;
}

static int read_properties(struct geojson *g, enum json_event event)
{
    if (event == JSON_NULL)
        return 0;
    if (event != JSON_OBJECT)
        return fail(g, "\"properties\" must be an object or null");
    for (;;) {
        event = next(g);
        if (event == JSON_OBJECT_END)
            return 0;
        if (event == JSON_FAULT)
            return -1;
        struct bytes key = g->token.text;
        int result;
        if (bytes_equal_text(key, "name"))
            result = read_name(g, next(g), "name", &g->name);
        else if (bytes_equal_text(key, "id"))
            result = read_name(g, next(g), "id", &g->id);
        else if (bytes_equal_text(key, "radius"))
            result = read_metres(g, next(g), "radius", &g->radius_m);
        else if (bytes_equal_text(key, "width"))
            result = read_metres(g, next(g), "width", &g->width_m);
        else
            result = skip(g, next(g));
        if (result != 0)
            return -1;
    }
}

/* "crs" was dropped from GeoJSON, for all of it is WGS84; older files still say so,
 * or something else. */
static int read_crs(struct geojson *g, enum json_event event)
{
    static const char *const known[] = {"urn:ogc:def:crs:OGC:1.3:CRS84",
                                        "urn:ogc:def:crs:OGC::CRS84", "urn:ogc:def:crs:EPSG::4326",
                                        "EPSG:4326", NULL};
    bool is_known = event == JSON_NULL;
    for (size_t depth = opens(event); depth > 0;) {
        event = next(g);
        if (event == JSON_FAULT)
            return -1;
        depth += opens(event);
        depth -= closes(event);
        struct bytes raw = g->token.raw;
        if (event == JSON_STRING)
            for (size_t i = 0; known[i] != NULL; i++)
                is_known |= bytes_equal_text(bytes_of(raw.ptr + 1, raw.len - 2), known[i]);
    }
    return is_known
               ? 0
               : fail(g, "\"crs\" names another system of coordinates than WGS84 longitude and "
                         "latitude: convert the file (ogr2ogr -t_srs EPSG:4326)");
}

/* ---- coordinates ---- */

static int end_ring(struct geojson *g)
{
    int result = outline_add_ring(&g->outline, g->points, g->point_count, g->err);
    g->point_count = 0;
    return result;
}

/* The numbers of a position, the first of which was read. */
static int read_position(struct geojson *g)
{
    double numbers[POSITION_MAX];
    size_t count = 0;
    for (enum json_event event = JSON_NUMBER; event != JSON_ARRAY_END; event = next(g)) {
        if (event == JSON_FAULT)
            return -1;
        if (event != JSON_NUMBER || count == POSITION_MAX)
            return fail(g, "a position must be two to %d numbers: [longitude, latitude, altitude]",
                        POSITION_MAX);
        numbers[count++] = number_of(g);
    }
    if (count < 2)
        return fail(g, "a position must have longitude and latitude");
    double lon = numbers[0], lat = numbers[1];
    if (!(fabs(lat) <= 90))
        return fail(g,
                    "latitude %g is beyond 90 degrees: positions are [longitude, latitude], in "
                    "degrees",
                    lat);
    if (!(fabs(lon) <= 360))
        return fail(g, "longitude %g is beyond 360 degrees: coordinates must be degrees", lon);
    void *grown = outline_reserve(g->points, g->point_count, 1, &g->point_cap, sizeof *g->points);
    if (grown == NULL)
        return no_memory(g);
    g->points = grown;
    if (g->point_count == OUTLINE_POINTS_MAX)
        return fail(g, "a ring or line of more than %d positions: simplify it", OUTLINE_POINTS_MAX);
    g->points[g->point_count++] = (struct point){plane_flush(lon), plane_flush(lat)};
    return 0;
}

/* While lists of lists of positions are read. */
struct nesting {
    size_t depth, depth_max; /* lists open now; those of a position, 0: none seen */
    bool has_polygon;        /* open */
    bool is_empty;           /* the list that was opened last, so far */
};

static int open_position(struct geojson *g, struct nesting *nesting)
{
    if (nesting->depth_max != 0 && nesting->depth != nesting->depth_max)
        return fail(g, "\"coordinates\" mixes lists of different depth");
    nesting->depth_max = nesting->depth;
    if (!nesting->has_polygon && outline_add_polygon(&g->outline, 0, g->err) != 0)
        return -1;
    nesting->has_polygon = true;
    nesting->is_empty = false;
    nesting->depth--;
    return read_position(g);
}

static int close_list(struct geojson *g, struct nesting *nesting)
{
    if (nesting->is_empty)
        return fail(g, "\"coordinates\" holds an empty list: an empty geometry is no fence, "
                       "remove it");
    if (nesting->depth + 1 == nesting->depth_max && end_ring(g) != 0)
        return -1;
    if (nesting->depth + 2 == nesting->depth_max)
        nesting->has_polygon = false;
    nesting->depth--;
    return 0;
}

static int read_coordinates(struct geojson *g, enum json_event event, struct members *members)
{
    if (event != JSON_ARRAY)
        return fail(g, "\"coordinates\" must be a list");
    members->first_polygon = g->outline.polygon_count;
    struct nesting nesting = {.depth = 1, .is_empty = true};
    while (nesting.depth > 0) {
        event = next(g);
        if (event == JSON_FAULT)
            return -1;
        int result = 0;
        if (event == JSON_NUMBER && nesting.is_empty) {
            result = open_position(g, &nesting);
        } else if (event == JSON_ARRAY) {
            nesting.depth++;
            nesting.is_empty = true;
        } else if (event == JSON_ARRAY_END) {
            result = close_list(g, &nesting);
        } else {
            result = fail(g, "\"coordinates\" must be lists of numbers");
        }
        if (result != 0)
            return -1;
    }
    if (nesting.depth_max == 1 && end_ring(g) != 0)
        return -1;
    members->has_coordinates = true;
    members->depth = nesting.depth_max;
    members->end_polygon = g->outline.polygon_count;
    return 0;
}

/* ---- objects ---- */

static int read_type(struct geojson *g, enum json_event event, struct members *members)
{
    if (event != JSON_STRING)
        return fail(g, "\"type\" must be a text");
    struct bytes raw = g->token.raw;
    for (size_t i = 0; i < TYPES; i++)
        if (bytes_equal_text(bytes_of(raw.ptr + 1, raw.len - 2), types[i].name))
            members->type = types[i].type;
    if (members->type == GEOJSON_NONE)
        return fail(g, "unknown type %.*s", raw.len > 80 ? 80 : (int)raw.len, raw.ptr);
    return 0;
}

static void begin_feature(struct geojson *g)
{
    outline_clear(&g->outline);
    g->shape_count = 0;
    g->point_count = 0;
    g->name.len = 0;
    g->id.len = 0;
    g->radius_m = 0;
    g->width_m = 0;
}

static int end_feature(struct geojson *g)
{
    const struct name *name = g->name.len > 0 ? &g->name : &g->id;
    struct geojson_feature feature = {.number = g->number,
                                      .name = {name->text, name->len},
                                      .radius_m = g->radius_m,
                                      .width_m = g->width_m,
                                      .outline = &g->outline,
                                      .shapes = g->shapes,
                                      .shape_count = g->shape_count};
    return g->take(g->user, &feature, g->err);
}

static int read_object(struct geojson *g, enum level level, unsigned nesting);

static int read_feature(struct geojson *g)
{
    begin_feature(g);
    if (read_object(g, LEVEL_FEATURE, 0) == 0 && end_feature(g) == 0)
        return 0;
    if (g->name.len > 0)
        return error_prefix(g->err, "feature %zu \"%.*s\"", g->number, (int)g->name.len,
                            g->name.text);
    return error_prefix(g->err, "feature %zu", g->number);
}

/* A list of objects: features, or geometries of a collection. */
static int read_list(struct geojson *g, enum json_event event, enum level level, unsigned nesting)
{
    if (event != JSON_ARRAY)
        return fail(g, "\"%s\" must be a list", level == LEVEL_FEATURE ? "features" : "geometries");
    for (;;) {
        event = next(g);
        if (event == JSON_ARRAY_END)
            return 0;
        if (event == JSON_FAULT)
            return -1;
        if (event != JSON_OBJECT)
            return fail(g, "a %s must be an object",
                        level == LEVEL_FEATURE ? "feature" : "geometry");
        g->number += level == LEVEL_FEATURE;
        if ((level == LEVEL_FEATURE ? read_feature(g) : read_object(g, level, nesting + 1)) != 0)
            return -1;
    }
}

static int read_geometry(struct geojson *g, enum json_event event, unsigned nesting)
{
    if (event == JSON_NULL)
        return fail(g, "has no geometry (null): give it one or remove it");
    if (event != JSON_OBJECT)
        return fail(g, "\"geometry\" must be an object");
    return read_object(g, LEVEL_GEOMETRY, nesting);
}

/* The value after `key` in an object. */
static int read_member(struct geojson *g, struct bytes key, enum level level, unsigned nesting,
                       struct members *members)
{
    bool is_geometry = level != LEVEL_FEATURE, is_feature = level != LEVEL_GEOMETRY;
    if (bytes_equal_text(key, "type"))
        return read_type(g, next(g), members);
    if (is_geometry && bytes_equal_text(key, "coordinates"))
        return read_coordinates(g, next(g), members);
    if (is_geometry && bytes_equal_text(key, "geometries")) {
        members->has_geometries = true;
        return read_list(g, next(g), LEVEL_GEOMETRY, nesting);
    }
    if (is_feature && bytes_equal_text(key, "geometry")) {
        members->has_geometry = true;
        return read_geometry(g, next(g), nesting);
    }
    if (is_feature && bytes_equal_text(key, "properties"))
        return read_properties(g, next(g));
    if (is_feature && bytes_equal_text(key, "id"))
        return g->id.len > 0 ? skip(g, next(g)) : read_name(g, next(g), "id", &g->id);
    if (level == LEVEL_TOP && bytes_equal_text(key, "features")) {
        members->has_features = true;
        return read_list(g, next(g), LEVEL_FEATURE, nesting);
    }
    if (bytes_equal_text(key, "crs"))
        return read_crs(g, next(g));
    return skip(g, next(g));
}

static int add_shape(struct geojson *g, const struct members *members)
{
    void *grown = outline_reserve(g->shapes, g->shape_count, 1, &g->shape_cap, sizeof *g->shapes);
    if (grown == NULL)
        return no_memory(g);
    g->shapes = grown;
    g->shapes[g->shape_count++] =
        (struct geojson_shape){.type = members->type,
                               .first = members->first_polygon,
                               .count = members->end_polygon - members->first_polygon};
    return 0;
}

static int end_geometry(struct geojson *g, const struct members *members)
{
    if (members->type == GEOJSON_COLLECTION)
        return members->has_geometries ? 0 : fail(g, "a GeometryCollection needs \"geometries\"");
    const char *name = "";
    size_t depth = 0;
    for (size_t i = 0; i < TYPES; i++) {
        if (types[i].type != members->type)
            continue;
        name = types[i].name;
        depth = types[i].depth;
    }
    if (!members->has_coordinates)
        return fail(g, "a %s needs \"coordinates\"", name);
    if (members->depth != depth)
        return fail(g, "the coordinates of a %s must be lists nested %zu deep, not %zu", name,
                    depth, members->depth);
    return add_shape(g, members);
}

/* Did the object say what its type needs, and may that type stand here? */
static int end_object(struct geojson *g, enum level level, const struct members *members)
{
    switch (members->type) {
    case GEOJSON_NONE:
        return fail(g, "an object without \"type\": is this GeoJSON?");
    case GEOJSON_FEATURES:
        if (level != LEVEL_TOP)
            return fail(g, "a FeatureCollection may only be the whole file");
        return members->has_features ? 0 : fail(g, "a FeatureCollection needs \"features\"");
    case GEOJSON_FEATURE:
        if (level == LEVEL_GEOMETRY)
            return fail(g, "a geometry can't be a Feature");
        if (members->has_features)
            return fail(g, "a Feature can't have \"features\"");
        return members->has_geometry ? 0 : fail(g, "a Feature needs \"geometry\"");
    case GEOJSON_POINT:
    case GEOJSON_MULTI_POINT:
    case GEOJSON_LINE:
    case GEOJSON_MULTI_LINE:
    case GEOJSON_POLYGON:
    case GEOJSON_MULTI_POLYGON:
    case GEOJSON_COLLECTION:
        break;
    }
    if (level == LEVEL_FEATURE)
        return fail(g, "\"features\" may hold Features only");
    if (members->has_features || members->has_geometry)
        return fail(g, "a geometry can't have \"features\" or \"geometry\"");
    return end_geometry(g, members);
}

/* The rest of an object whose bracket was read. */
static int read_object(struct geojson *g, enum level level, unsigned nesting)
{
    if (nesting > GEOJSON_NESTING_MAX)
        return fail(g, "GeometryCollections nested more than %d deep", GEOJSON_NESTING_MAX);
    struct members members = {0};
    for (;;) {
        enum json_event event = next(g);
        if (event == JSON_FAULT)
            return -1;
        if (event == JSON_OBJECT_END)
            break;
        if (read_member(g, g->token.text, level, nesting, &members) != 0)
            return -1;
    }
    if (end_object(g, level, &members) != 0)
        return -1;
    return level == LEVEL_TOP && members.type != GEOJSON_FEATURES ? end_feature(g) : 0;
}

static int read_text(struct geojson *g)
{
    json_reader_start(g->json, g->text);
    begin_feature(g);
    enum json_event event = next(g);
    if (event == JSON_FAULT)
        return -1;
    if (event != JSON_OBJECT)
        return fail(g, "not GeoJSON: it must be an object");
    if (read_object(g, LEVEL_TOP, 0) != 0)
        return -1;
    return next(g) == JSON_END ? 0 : -1;
}

int geojson_read(struct bytes text,
                 int (*take)(void *user, const struct geojson_feature *feature, struct error *err),
                 void *user, struct error *err)
{
    if (text.len > GEOJSON_BYTES_MAX)
        return error_set(err, ERROR_CONFIG,
                         "more than %d MiB of GeoJSON: simplify the fences or split the file",
                         GEOJSON_BYTES_MAX >> 20);
    struct geojson *g = calloc(1, sizeof *g);
    if (g == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for geofences");
    *g = (struct geojson){.json = json_reader_new(KEYS_MAX, KEY_TEXT_MAX),
                          .text = text,
                          .err = err,
                          .take = take,
                          .user = user};
    int result = g->json == NULL ? no_memory(g) : read_text(g);
    json_reader_free(g->json);
    outline_deinit(&g->outline);
    free(g->shapes);
    free(g->points);
    free(g);
    return result;
}
