/* SPDX-License-Identifier: Apache-2.0 */
/* What 500 fences of 60 corners cost a position (goal: within 26 ns), against GEOS'
 * tree with prepared polygons; whether both say the same of 10 million positions,
 * every fourth of which lies on a corner, on an edge, or one step of a double beside
 * one; how long loading takes; and the same of three fences of 100,000 corners.
 * Rounds are interleaved, CPU time, medians.
 *
 *   bench_fences [MILLIONS]    positions to compare, 10 by default */
#include <geos_c.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/must.h"
#include "vehicle/geofence/fences.h"
#include "vehicle/ruleset.h"

enum { POSITIONS = 200000, GEOS_POSITIONS = 20000, ROUNDS = 15, LIST_MAX = 512 };

static uint64_t seed = 88172645463325252;

static double next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (double)(seed >> 11) * 0x1p-53;
}

static double cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, by_value);
    return values[count / 2];
}

/* ---- a town ---- */

struct place {
    double lon, lat;
};

/* Fences of one town, and the same as text. */
struct town {
    size_t fences, corners;
    struct place *points; /* fences * corners */
    struct buf text;
    double west, south, width, height; /* where positions are */
};

static double rounded(double value)
{
    return round(value * 1e6) / 1e6;
}

static void make_fence(struct town *town, size_t fence, struct place middle, double radius,
                       double ripple)
{
    struct place *points = town->points + fence * town->corners;
    double turn = 6 * next_random();
    for (size_t i = 0; i < town->corners; i++) {
        double angle = 2 * 3.14159265358979 * (double)i / (double)town->corners;
        double r = radius * (0.9 + 0.1 * sin(3 * angle + turn) + ripple * next_random());
        points[i] = (struct place){rounded(middle.lon + 1.6 * r * cos(angle)),
                                   rounded(middle.lat + r * sin(angle))};
    }
    buf_printf(&town->text,
               "%s{\"type\":\"Feature\",\"properties\":{\"name\":\"zone %zu\"},\"geometry\":{"
               "\"type\":\"Polygon\",\"coordinates\":[[",
               fence == 0 ? "" : ",\n", fence);
    for (size_t i = 0; i <= town->corners; i++) {
        struct place p = points[i % town->corners];
        buf_printf(&town->text, "%s[%.6f,%.6f]", i == 0 ? "" : ",", p.lon, p.lat);
    }
    buf_append_text(&town->text, "]]}}");
}

static struct town make_town(size_t fences, size_t corners, double radius, double ripple)
{
    struct town town = {.fences = fences,
                        .corners = corners,
                        .points = calloc(fences * corners, sizeof *town.points),
                        .west = 13.0,
                        .south = 52.3,
                        .width = 0.8,
                        .height = 0.5};
    must(town.points != NULL);
    buf_init(&town.text, 0);
    buf_append_text(&town.text, "{\"type\":\"FeatureCollection\",\"features\":[");
    for (size_t i = 0; i < fences; i++) {
        struct place middle = {town.west + town.width * next_random(),
                               town.south + town.height * next_random()};
        make_fence(&town, i, middle, radius * (0.5 + next_random()), ripple);
    }
    buf_append_text(&town.text, "]}");
    must(!town.text.has_failed);
    return town;
}

static void free_town(struct town *town)
{
    free(town->points);
    buf_deinit(&town->text);
}

static struct place anywhere(const struct town *town)
{
    return (struct place){town->west + town->width * next_random(),
                          town->south + town->height * next_random()};
}

/* Where answers could differ. */
static struct place on_an_edge(const struct town *town)
{
    size_t corner = (size_t)(next_random() * (double)(town->fences * town->corners));
    size_t first = corner - corner % town->corners;
    struct place a = town->points[corner];
    struct place b = town->points[first + (corner + 1) % town->corners];
    double t = next_random();
    switch ((int)(next_random() * 5)) {
    case 0:
        return a;
    case 1:
        return (struct place){(a.lon + b.lon) / 2, (a.lat + b.lat) / 2};
    case 2:
        return (struct place){a.lon + t * (b.lon - a.lon), a.lat + t * (b.lat - a.lat)};
    case 3:
        return (struct place){nextafter(a.lon, t < 0.5 ? 1e3 : -1e3), a.lat};
    default:
        return (struct place){anywhere(town).lon, a.lat};
    }
}

/* ---- GEOS ---- */

struct peer {
    GEOSSTRtree *tree;
    GEOSGeometry **polygons;
    const GEOSPreparedGeometry **prepared;
    size_t count;
};

/* What a query of the tree gathers. */
struct query {
    const struct peer *peer;
    const GEOSGeometry *point;
    size_t count;
    uint32_t found[LIST_MAX];
};

static struct peer make_peer(const struct town *town)
{
    struct peer peer = {.tree = GEOSSTRtree_create(10),
                        .polygons = calloc(town->fences, sizeof(GEOSGeometry *)),
                        .prepared = calloc(town->fences, sizeof(void *)),
                        .count = town->fences};
    for (size_t i = 0; i < town->fences; i++) {
        GEOSCoordSequence *ring = GEOSCoordSeq_create((unsigned)town->corners + 1, 2);
        for (size_t k = 0; k <= town->corners; k++) {
            struct place p = town->points[i * town->corners + k % town->corners];
            GEOSCoordSeq_setXY(ring, (unsigned)k, p.lon, p.lat);
        }
        peer.polygons[i] = GEOSGeom_createPolygon(GEOSGeom_createLinearRing(ring), NULL, 0);
        peer.prepared[i] = GEOSPrepare(peer.polygons[i]);
        GEOSSTRtree_insert(peer.tree, peer.polygons[i], (void *)(uintptr_t)(i + 1));
    }
    return peer;
}

static void free_peer(struct peer *peer)
{
    GEOSSTRtree_destroy(peer->tree);
    for (size_t i = 0; i < peer->count; i++) {
        GEOSPreparedGeom_destroy(peer->prepared[i]);
        GEOSGeom_destroy(peer->polygons[i]);
    }
    free(peer->prepared);
    free(peer->polygons);
}

static void look_at(void *item, void *user)
{
    struct query *query = user;
    size_t fence = (uintptr_t)item - 1;
    if (!GEOSPreparedIntersects(query->peer->prepared[fence], query->point))
        return;
    if (query->count < LIST_MAX)
        query->found[query->count] = (uint32_t)fence;
    query->count++;
}

static void ask_peer(const struct peer *peer, struct place place, struct query *query)
{
    GEOSGeometry *point = GEOSGeom_createPointFromXY(place.lon, place.lat);
    query->peer = peer;
    query->point = point;
    query->count = 0;
    GEOSSTRtree_query(peer->tree, point, look_at, query);
    GEOSGeom_destroy(point);
}

/* ---- agreement ---- */

static bool agrees(const struct fences *fences, const struct peer *peer, struct place place)
{
    static struct query query;
    uint32_t found[LIST_MAX];
    ask_peer(peer, place, &query);
    size_t count = fences_list(fences, place.lat, place.lon, found, LIST_MAX), first;
    if (count != query.count || fences_find(fences, place.lat, place.lon, &first) != (count > 0))
        return false;
    for (size_t i = 0; i < count; i++) {
        size_t k = 0;
        while (k < count && query.found[k] != found[i])
            k++;
        if (k == count)
            return false;
    }
    return true;
}

/* 0: all the same. */
static int compare(const struct town *town, const struct fences *fences, const struct peer *peer,
                   uint64_t positions)
{
    uint64_t differ = 0;
    for (uint64_t i = 0; i < positions; i++) {
        struct place place = i % 4 == 0 ? on_an_edge(town) : anywhere(town);
        if (agrees(fences, peer, place))
            continue;
        if (differ++ == 0)
            printf("differs: longitude %.17g, latitude %.17g\n", place.lon, place.lat);
    }
    printf("%-44s %llu of %llu positions answered otherwise than by GEOS\n", "",
           (unsigned long long)differ, (unsigned long long)positions);
    return differ == 0 ? 0 : 1;
}

/* ---- speed ---- */

static volatile size_t sum; /* so that answers are used */

static double time_fences(const struct fences *fences, const struct place *places)
{
    double begin = cpu_ns();
    size_t held = 0, fence;
    for (size_t i = 0; i < POSITIONS; i++)
        held += fences_find(fences, places[i].lat, places[i].lon, &fence);
    sum += held;
    return (cpu_ns() - begin) / POSITIONS;
}

static double time_peer(const struct peer *peer, const struct place *places)
{
    static struct query query;
    double begin = cpu_ns();
    for (size_t i = 0; i < GEOS_POSITIONS; i++) {
        ask_peer(peer, places[i], &query);
        sum += query.count;
    }
    return (cpu_ns() - begin) / GEOS_POSITIONS;
}

/* A packet through a ruleset: what the rule adds to it. */
static double time_rules(const struct ruleset *ruleset, const struct place *places)
{
    struct packet packet = {.fields = PACKET_HAS_LAT | PACKET_HAS_LON | PACKET_HAS_TIME,
                            .dialect = DIALECT_OBU,
                            .time_ms = INT64_C(1779278400000),
                            .received_ns = INT64_C(1779278400000000000)};
    struct rule_context context = {.received_ns = packet.received_ns};
    struct decision decision;
    double begin = cpu_ns();
    for (size_t i = 0; i < POSITIONS; i++) {
        packet.lat = places[i].lat;
        packet.lon = places[i].lon;
        sum += ruleset_apply(ruleset, &packet, &context, &decision);
    }
    return (cpu_ns() - begin) / POSITIONS;
}

static struct ruleset *load_rules(const char *folder, const char *name, size_t ranges,
                                  const char *last, double *ms)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    must(file != NULL);
    fputs("rules:\n", file);
    for (size_t i = 0; i < ranges; i++)
        fprintf(file, "  - {id: r%zu, kind: range, field: lat, min: -90, max: 90}\n", i);
    fputs(last, file);
    must(fclose(file) == 0);
    double begin = cpu_ns();
    struct ruleset *ruleset;
    struct error err;
    if (ruleset_load_file(&ruleset, path, &err) != 0) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    *ms = (cpu_ns() - begin) / 1e6;
    unlink(path);
    return ruleset;
}

static struct fences *load_fences(const struct town *town, double *ms)
{
    struct fences_options options = {0};
    struct fences *fences;
    struct error err;
    double begin = cpu_ns();
    if (fences_load(&fences, "town", buf_bytes(&town->text), &options, &err) != 0) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    *ms = (cpu_ns() - begin) / 1e6;
    return fences;
}

static void row(const char *name, double ns, double least)
{
    printf("%-44s %8.1f %8.1f\n", name, ns, least);
}

/* ---- the whole ---- */

static void bench_rules(const struct town *town, const struct place *places)
{
    char folder[] = "/tmp/bench-fences-XXXXXX", path[256];
    must(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/town.geojson", folder);
    FILE *file = fopen(path, "w");
    must(file != NULL && fwrite(town->text.ptr, 1, town->text.len, file) == town->text.len);
    must(fclose(file) == 0);
    const char *inside = "  - {id: in, kind: outside, file: town.geojson, on_fail: flag}\n";
    double ms, loads[5], with_ns[ROUNDS], without_ns[ROUNDS], added[ROUNDS];
    struct ruleset *without = load_rules(folder, "a.yaml", 9, "", &ms);
    struct ruleset *with = load_rules(folder, "b.yaml", 9, inside, &ms);
    for (int i = 0; i < ROUNDS; i++) {
        without_ns[i] = time_rules(without, places);
        with_ns[i] = time_rules(with, places);
        added[i] = with_ns[i] - without_ns[i];
    }
    double added_ns = median(added, ROUNDS);
    row("a rule outside, on top of 9 rules", added_ns, added[0]);
    for (int i = 0; i < 5; i++)
        ruleset_unref(load_rules(folder, "c.yaml", 1000, inside, &loads[i]));
    printf("%-44s %8.1f ms, least %.1f\n", "loading 1,000 rules and these fences", median(loads, 5),
           loads[0]);
    ruleset_unref(without);
    ruleset_unref(with);
    unlink(path);
    rmdir(folder);
}

static int bench(const char *title, struct town town, bool has_rules, uint64_t positions)
{
    double load_ms[5], ours[ROUNDS], theirs[ROUNDS];
    struct fences *fences = NULL;
    for (int i = 0; i < 5; i++) {
        fences_free(fences);
        fences = load_fences(&town, &load_ms[i]);
    }
    struct peer peer = make_peer(&town);
    struct place *places = calloc(POSITIONS, sizeof *places);
    must(places != NULL);
    size_t held = 0, fence;
    for (size_t i = 0; i < POSITIONS; i++) {
        places[i] = anywhere(&town);
        held += fences_find(fences, places[i].lat, places[i].lon, &fence);
    }
    time_peer(&peer, places); /* prepares what is not yet */
    for (int i = 0; i < ROUNDS; i++) {
        ours[i] = time_fences(fences, places);
        theirs[i] = time_peer(&peer, places);
    }
    printf("%s: %.0f%% of positions inside any\n%-44s %8s %8s   ns a position, CPU\n", title,
           100.0 * (double)held / POSITIONS, "", "median", "least");
    double ours_ns = median(ours, ROUNDS), theirs_ns = median(theirs, ROUNDS);
    row("grid", ours_ns, ours[0]);
    row("GEOS: tree and prepared polygons", theirs_ns, theirs[0]);
    if (has_rules)
        bench_rules(&town, places);
    double load = median(load_ms, 5);
    printf("%-44s %8.1f ms, least %.1f; %.2f MB of GeoJSON, %.2f MB kept\n", "loading", load,
           load_ms[0], (double)town.text.len / 1e6, (double)fences_size_bytes(fences) / 1e6);
    int result = compare(&town, fences, &peer, positions);
    free(places);
    free_peer(&peer);
    fences_free(fences);
    free_town(&town);
    return result;
}

static void say_nothing(const char *format, ...)
{
    (void)format;
}

int main(int argc, char **argv)
{
    double millions = argc > 1 ? atof(argv[1]) : 10;
    uint64_t positions = (uint64_t)(millions * 1e6);
    initGEOS(say_nothing, say_nothing);
    int failed = bench("500 fences of 60 corners", make_town(500, 60, 0.01, 0.02), true, positions);
    failed |= bench("3 fences of 100,000 corners", make_town(3, 100000, 0.2, 0.0001), false,
                    positions / 20);
    finishGEOS();
    return failed;
}
