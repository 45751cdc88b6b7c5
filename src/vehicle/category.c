/* SPDX-License-Identifier: Apache-2.0 */
#include "vehicle/category.h"

/* What a topic's suffix already means. */
static const struct bytes reserved = {"dead-letters", 12};

static int read_name(const struct yaml_node *node, struct category *out, struct error *err)
{
    const struct yaml_node *name = yaml_get(node, "name");
    if (name == NULL)
        return yaml_error(node, err, "the category has no \"name\"");
    if (rule_read_name(name, "name", CATEGORY_NAME_MAX, &out->name, err) != 0)
        return -1;
    if (bytes_equal(out->name, reserved))
        return yaml_error(name, err, "\"dead-letters\" names the topic of dead letters");
    return 0;
}

int category_compile(const struct yaml_node *node, struct rule_arena *arena, struct category *out,
                     struct error *err)
{
    static const char *const known[] = {"name", "match", "transform", "rules", NULL};
    *out = (struct category){0};
    if (yaml_kind(node) != YAML_MAPPING)
        return yaml_error(node, err,
                          "a category is a mapping with name, match, transform and rules");
    if (yaml_check_keys(node, known, err) != 0 || read_name(node, out, err) != 0)
        return -1;
    const struct yaml_node *match = yaml_get(node, "match");
    if (!bytes_equal_text(out->name, "other")) {
        if (match == NULL)
            return yaml_error(node, err, "category \"%s\" has no \"match\" ({} takes every packet)",
                              out->name.ptr);
        return predicate_compile(match, arena, &out->match, err);
    }
    if (match != NULL)
        return yaml_error(match, err, "\"other\" is what no category matches: it has no match");
    return 0;
}
