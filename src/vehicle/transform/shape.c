/* SPDX-License-Identifier: Apache-2.0 */
#include "vehicle/transform/shape.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "vehicle/canonical.h"
#include "vehicle/rule/files.h"
#include "vehicle/ruleset_private.h"
#include "vehicle/schema/json_schema.h"
#include "vehicle/transform/transform.h"

enum { CHANGED_MAX = 2 << 20 }; /* bytes of a packet that steps have made longer */

struct shape_category {
    struct bytes name;
    const struct yaml_node *node;
    struct transform transform;
    struct json_schema *schema; /* NULL: none */
};

struct shape {
    struct yaml_document *document;
    struct rule_arena arena;
    struct state_layout layout;
    struct shape_category categories[RULESET_CATEGORIES_MAX];
    size_t category_count;
    size_t text_bytes; /* of the category with most */
    bool has_schemas;
};

struct shaper {
    const struct shape *shape;
    struct rule_thread thread; /* only state and changed are used */
    struct json_checker *checker;
    struct buf value;
};

/* ---- loading ---- */

static void free_schema(void *schema)
{
    json_schema_free(schema);
}

static int read_schema(struct rule_build *build, struct shape_category *category, struct error *err)
{
    const struct yaml_node *node = yaml_get(build->node, "schema");
    struct bytes text;
    struct error cause;
    if (node == NULL)
        return 0;
    if (rule_read_file(build, node, "schema", JSON_SCHEMA_TEXT_MAX, &text, err) != 0)
        return -1;
    if (json_schema_new(&category->schema, yaml_text(node).ptr, text, &cause) != 0)
        return yaml_error(node, err, "%s", cause.text);
    if (rule_defer(build->arena, free_schema, category->schema, err) == 0)
        return 0;
    json_schema_free(category->schema);
    return -1;
}

static int take_category(struct shape *shape, struct rule_build *build, struct error *err)
{
    static const char *const known[] = {"name", "transform", "schema", NULL};
    const struct yaml_node *node = build->node;
    if (yaml_kind(node) != YAML_MAPPING)
        return yaml_error(node, err, "a category is a mapping with name, transform and schema");
    const struct yaml_node *name = yaml_get(node, "name");
    if (yaml_check_keys(node, known, err) != 0)
        return -1;
    if (name == NULL)
        return yaml_error(node, err, "the category has no \"name\"");
    if (shape->category_count == RULESET_CATEGORIES_MAX)
        return yaml_error(node, err, "more than %d categories", RULESET_CATEGORIES_MAX);
    struct shape_category *category = &shape->categories[shape->category_count];
    *category = (struct shape_category){.node = node};
    if (rule_read_name(name, "name", CATEGORY_NAME_MAX, &category->name, err) != 0)
        return -1;
    for (size_t i = 0; i < shape->category_count; i++)
        if (bytes_equal(shape->categories[i].name, category->name))
            return yaml_error(name, err, "two categories have the name \"%s\"", category->name.ptr);
    if (transform_compile(yaml_get(node, "transform"), category->name, build, &category->transform,
                          err) != 0 ||
        read_schema(build, category, err) != 0)
        return -1;
    if (category->transform.text_bytes > shape->text_bytes)
        shape->text_bytes = category->transform.text_bytes;
    shape->has_schemas = shape->has_schemas || category->schema != NULL;
    shape->category_count++;
    return 0;
}

static int take_root(struct shape *shape, struct rule_files *files, struct error *err)
{
    static const char *const known[] = {"version", "categories", NULL};
    const struct yaml_node *root = yaml_root(shape->document);
    if (yaml_kind(root) != YAML_MAPPING)
        return yaml_error(root, err, "it is a mapping with version and categories");
    if (yaml_check_keys(root, known, err) != 0)
        return -1;
    const struct yaml_node *version = yaml_get(root, "version");
    const struct yaml_node *list = yaml_get(root, "categories");
    int64_t number = 1;
    if (version != NULL && yaml_to_int(version, "version", &number, err) != 0)
        return -1;
    if (number != 1)
        return yaml_error(version, err, "this program reads version 1");
    if (list == NULL || yaml_kind(list) != YAML_SEQUENCE)
        return yaml_error(list == NULL ? root : list, err, "\"categories\" must be a list");
    for (size_t i = 0; i < yaml_count(list); i++) {
        struct rule_build build = {.node = yaml_item(list, i),
                                   .arena = &shape->arena,
                                   .layout = &shape->layout,
                                   .files = files};
        if (take_category(shape, &build, err) != 0)
            return -1;
    }
    return 0;
}

int shape_load(struct shape **out, const char *path, struct error *err)
{
    struct shape *shape = calloc(1, sizeof *shape);
    if (shape == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for %s", path);
    struct rule_files files;
    rule_files_init(&files);
    int result = yaml_load_file(&shape->document, path, err);
    if (result == 0)
        result = rule_files_enter(&files, path, err);
    if (result == 0)
        result = take_root(shape, &files, err);
    rule_files_deinit(&files);
    if (result == 0)
        *out = shape;
    else
        shape_free(shape);
    return result;
}

void shape_free(struct shape *shape)
{
    if (shape == NULL)
        return;
    rule_arena_deinit(&shape->arena);
    yaml_unload(shape->document);
    free(shape);
}

static bool has_category(const struct ruleset *ruleset, struct bytes name)
{
    for (size_t i = 0; i < ruleset_category_count(ruleset); i++)
        if (bytes_equal(ruleset_category_name(ruleset, i), name))
            return true;
    return false;
}

int shape_check_categories(const struct shape *shape, const struct ruleset *ruleset,
                           struct error *err)
{
    for (size_t i = 0; i < shape->category_count; i++)
        if (!has_category(ruleset, shape->categories[i].name))
            return yaml_error(yaml_get(shape->categories[i].node, "name"), err,
                              "the rules have no category \"%s\": its packets would never come",
                              shape->categories[i].name.ptr);
    return 0;
}

int64_t shape_lookback_ns(const struct shape *shape)
{
    return shape->layout.lookback_ns;
}

/* ---- shapers ---- */

static int fill(struct shaper *shaper, const struct state_limits *limits, struct error *err)
{
    const struct shape *shape = shaper->shape;
    if (shape->layout.bytes > 0 && state_table_new(&shaper->thread.state, shape->layout.bytes,
                                                   shape->layout.lookback_ns, limits, err) != 0)
        return -1;
    shaper->thread.changed = transform_scratch_new(shape->text_bytes);
    if (shape->has_schemas)
        shaper->checker = json_checker_new();
    if (shaper->thread.changed == NULL || (shape->has_schemas && shaper->checker == NULL) ||
        buf_reserve(&shaper->value, CHANGED_MAX) != 0)
        return error_set(err, ERROR_MEMORY, "no memory to change packets");
    return 0;
}

int shaper_new(struct shaper **out, const struct shape *shape, const struct state_limits *limits,
               struct error *err)
{
    struct shaper *shaper = calloc(1, sizeof *shaper);
    if (shaper == NULL)
        return error_set(err, ERROR_MEMORY, "no memory to change packets");
    shaper->shape = shape;
    buf_init(&shaper->value, CHANGED_MAX);
    if (fill(shaper, limits, err) != 0) {
        shaper_free(shaper);
        return -1;
    }
    *out = shaper;
    return 0;
}

void shaper_free(struct shaper *shaper)
{
    if (shaper == NULL)
        return;
    state_table_free(shaper->thread.state);
    transform_scratch_free(shaper->thread.changed);
    json_checker_free(shaper->checker);
    buf_deinit(&shaper->value);
    free(shaper);
}

struct state_table *shaper_state(struct shaper *shaper)
{
    return shaper->thread.state;
}

/* ---- applying ---- */

static const struct shape_category *find(const struct shape *shape, struct bytes name)
{
    for (size_t i = 0; i < shape->category_count; i++)
        if (bytes_equal(shape->categories[i].name, name))
            return &shape->categories[i];
    return NULL;
}

static void change(struct shaper *shaper, unsigned stream, const struct shape_category *category,
                   struct packet *packet)
{
    struct rule_context context = {
        .received_ns = packet->received_ns, .stream = stream, .thread = &shaper->thread};
    shaper->thread.block = NULL;
    transform_begin(shaper->thread.changed);
    transform_apply(&category->transform, shaper->thread.changed, packet, &context);
}

static enum shaped refuse(enum reason *reason, enum reason why, char *detail, const char *text)
{
    *reason = why;
    snprintf(detail, SHAPE_DETAIL_MAX, "%s", text);
    return SHAPED_REFUSED;
}

enum shaped shaper_apply(struct shaper *shaper, unsigned stream, struct packet *packet,
                         struct bytes *canonical, enum reason *reason,
                         char detail[SHAPE_DETAIL_MAX])
{
    const struct shape_category *category = find(shaper->shape, packet->category);
    if (category == NULL)
        return SHAPED_SAME;
    if (category->transform.count > 0) {
        change(shaper, stream, category, packet);
        buf_clear(&shaper->value);
        if (canonical_encode(packet, &shaper->value) != 0)
            return refuse(reason, REASON_RECORD_TOO_LARGE, detail,
                          "changed by the store's transforms it is larger than 2 MiB");
        *canonical = buf_bytes(&shaper->value);
    }
    if (category->schema != NULL &&
        !json_schema_check(category->schema, shaper->checker, *canonical)) {
        char why[JSON_SCHEMA_DETAIL_MAX];
        json_schema_explain(shaper->checker, why, sizeof why);
        return refuse(reason, REASON_RULE_JSON_SCHEMA, detail, why);
    }
    return category->transform.count > 0 ? SHAPED_CHANGED : SHAPED_SAME;
}

void shaper_rehearse(struct shaper *shaper, unsigned stream, struct packet *packet)
{
    const struct shape_category *category = find(shaper->shape, packet->category);
    if (category != NULL && category->transform.count > 0)
        change(shaper, stream, category, packet);
}
