/* SPDX-License-Identifier: Apache-2.0 */
#include "vehicle/class.h"

int class_compile(const struct yaml_node *node, struct rule_arena *arena, struct class *out,
                  struct error *err)
{
    static const char *const known[] = {"name", "match", NULL};
    if (yaml_kind(node) != YAML_MAPPING)
        return yaml_error(node, err, "a class of vehicles is a mapping with name and match");
    if (yaml_check_keys(node, known, err) != 0)
        return -1;
    const struct yaml_node *name = yaml_get(node, "name"), *match = yaml_get(node, "match");
    if (name == NULL)
        return yaml_error(node, err, "the class has no \"name\"");
    if (rule_read_name(name, "name", CLASS_NAME_MAX, &out->name, err) != 0)
        return -1;
    if (bytes_equal_text(out->name, "other"))
        return yaml_error(name, err, "\"other\" is what no class matches: it is not declared");
    if (match == NULL)
        return yaml_error(node, err, "class \"%s\" has no \"match\" ({} takes every packet)",
                          out->name.ptr);
    return predicate_compile(match, arena, &out->match, err);
}
