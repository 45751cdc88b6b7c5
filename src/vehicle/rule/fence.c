/* SPDX-License-Identifier: Apache-2.0 */
#include "vehicle/rule/fence.h"

#include <math.h>
#include <stdio.h>

#include "base/text.h"
#include "vehicle/geofence/globe.h"
#include "vehicle/rule/files.h"

enum { ALL_MAX = 64 }; /* fences, with `match: all` */

static const char *const matches[] = {"any", "all", NULL};

const struct rule_fence rule_fence_defaults = {.lat = NAN, .lon = NAN};

const struct rule_setting rule_fence_settings[] = {
    {.name = "file",
     .type = RULE_SETTING_FILE,
     .offset = offsetof(struct rule_fence, file),
     .help = "a GeoJSON file; polygons, points (circles) and lines (corridors), each feature a "
             "fence; instead of lat and lon",
     .bytes_max = GEOJSON_BYTES_MAX},
    {.name = "names",
     .type = RULE_SETTING_TEXTS,
     .offset = offsetof(struct rule_fence, names),
     .help = "only the features of these names: their property name, else their id"},
    {.name = "match",
     .type = RULE_SETTING_CHOICE,
     .offset = offsetof(struct rule_fence, match),
     .choices = matches,
     .help = "inside any of the fences, the default, or inside all of them (64 at most)"},
    {.name = "lat",
     .type = RULE_SETTING_NUMBER,
     .offset = offsetof(struct rule_fence, lat),
     .min = -90,
     .max = 90,
     .help = "a circle's middle, in degrees"},
    {.name = "lon",
     .type = RULE_SETTING_NUMBER,
     .offset = offsetof(struct rule_fence, lon),
     .min = -180,
     .max = 180,
     .help = "a circle's middle, in degrees"},
    {.name = "radius",
     .type = RULE_SETTING_NUMBER,
     .offset = offsetof(struct rule_fence, radius_m),
     .min = 0,
     .max = GLOBE_RADIUS_MAX_M,
     .unit = RULE_UNIT_DISTANCE,
     .help = "of the circle; with a file, of its points that have no property radius"},
    {.name = "width",
     .type = RULE_SETTING_NUMBER,
     .offset = offsetof(struct rule_fence, width_m),
     .min = 0,
     .max = GLOBE_WIDTH_MAX_M,
     .unit = RULE_UNIT_DISTANCE,
     .help = "from side to side, of the file's lines that have no property width"},
    {0},
};

/* ---- compiling ---- */

static int load_circle(const struct rule_build *build, const struct rule_fence *fence,
                       struct fences **out, struct error *err)
{
    const struct yaml_node *node = build->node;
    if (isnan(fence->lat) || isnan(fence->lon) || fence->radius_m == 0)
        return yaml_error(node, err,
                          "a fence is a file, or a circle: lat, lon and a radius above 0");
    if (fence->names.count > 0 || fence->width_m != 0)
        return yaml_error(node, err, "\"names\" and \"width\" are for fences of a file");
    if (fences_of_circle(out, fence->lat, fence->lon, fence->radius_m, err) == 0)
        return 0;
    struct error cause = *err;
    return yaml_error(node, err, "the circle %s", cause.text);
}

static void free_features(void *features)
{
    features_free(features);
}

/* Read once: hundreds of rules may name fences of one file. */
static int make_fences(const struct rule_build *build, const struct rule_fence *fence,
                       const struct fences_options *options, struct fences **out, struct error *err)
{
    struct rule_file_made *kept = rule_files_made(build->files, fence->file.text);
    const char *path = fence->file.path.ptr;
    if (kept->made != NULL && kept->free_made != free_features) /* another kind's file, too */
        return fences_load(out, path, fence->file.text, options, err);
    if (kept->made == NULL) {
        struct features *features;
        if (features_read(&features, fence->file.text, err) != 0)
            return error_prefix(err, "%s", path);
        *kept = (struct rule_file_made){features, free_features};
    }
    return fences_make(out, path, kept->made, options, err);
}

static int load_file(const struct rule_build *build, const struct rule_fence *fence,
                     struct fences **out, struct error *err)
{
    const struct yaml_node *node = build->node;
    if (!isnan(fence->lat) || !isnan(fence->lon))
        return yaml_error(node, err,
                          "\"lat\" and \"lon\" are a circle, \"file\" has fences of its "
                          "own: make two rules");
    struct fences_options options = {.names = fence->names.items,
                                     .name_count = fence->names.count,
                                     .radius_m = fence->radius_m,
                                     .width_m = fence->width_m};
    struct error cause;
    if (make_fences(build, fence, &options, out, &cause) == 0)
        return 0;
    if (cause.kind == ERROR_MEMORY)
        return error_set(err, cause.kind, "%s", cause.text);
    return yaml_error(yaml_get(node, "file"), err, "%s", cause.text);
}

static void free_fences(void *fences)
{
    fences_free(fences);
}

int rule_fence_compile(struct rule_build *build, void *check, struct rule_test *test,
                       struct error *err)
{
    (void)test;
    struct rule_fence *fence = check;
    struct fences *fences;
    bool is_file = fence->file.path.len > 0;
    if ((is_file ? load_file : load_circle)(build, fence, &fences, err) != 0)
        return -1;
    fence->fences = fences;
    fence->file.text = (struct bytes){0};
    if (rule_defer(build->arena, free_fences, fences, err) != 0) {
        fences_free(fences);
        return -1;
    }
    if (fence->match == RULE_FENCE_ALL && fences_count(fences) > ALL_MAX)
        return yaml_error(build->node, err, "match: all takes %d fences at most; the file has %zu",
                          ALL_MAX, fences_count(fences));
    return 0;
}

/* ---- packets ---- */

bool rule_fence_holds(const struct rule_fence *fence, const struct packet *packet)
{
    if (fence->match == RULE_FENCE_ANY) {
        size_t found;
        return fences_find(fence->fences, packet->lat, packet->lon, &found);
    }
    uint32_t found[ALL_MAX];
    return fences_list(fence->fences, packet->lat, packet->lon, found, ALL_MAX) ==
           fences_count(fence->fences);
}

void rule_fence_explain(const void *check, const struct packet *packet,
                        const struct rule_context *context, char *out, size_t cap)
{
    (void)context;
    const struct rule_fence *fence = check;
    const char *file = fence->file.path.len > 0 ? fence->file.path.ptr : "the rule";
    size_t count = fences_count(fence->fences);
    char lat[TEXT_DOUBLE_MAX], lon[TEXT_DOUBLE_MAX];
    int lat_len = (int)text_from_double(lat, packet->lat);
    int lon_len = (int)text_from_double(lon, packet->lon);
    int len = snprintf(out, cap, "position %.*s, %.*s is ", lat_len, lat, lon_len, lon);
    if (len < 0 || (size_t)len >= cap)
        return;
    out += len;
    cap -= (size_t)len;
    uint32_t found[ALL_MAX];
    size_t holding = fences_list(fence->fences, packet->lat, packet->lon, found, ALL_MAX);
    struct bytes name = fences_name(fence->fences, holding > 0 ? found[0] : 0);
    int name_len = (int)name.len;
    if (holding == 0 && count > 1)
        snprintf(out, cap, "outside the %zu fences of %s", count, file);
    else if (holding == 0)
        snprintf(out, cap, "outside the fence \"%.*s\" of %s", name_len, name.ptr, file);
    else if (fence->match == RULE_FENCE_ALL && holding > 1)
        snprintf(out, cap, "inside %zu of the %zu fences of %s", holding, count, file);
    else if (fence->match == RULE_FENCE_ALL && count > 1)
        snprintf(out, cap, "inside the fence \"%.*s\" of %s alone, of %zu", name_len, name.ptr,
                 file, count);
    else
        snprintf(out, cap, "inside the fence \"%.*s\" of %s", name_len, name.ptr, file);
}
