/* SPDX-License-Identifier: Apache-2.0 */
/* units: a number in another unit. */
#include <string.h>

#include "vehicle/transform/transform.h"
#include "vehicle/transform/unit.h"

struct units {
    struct rule_fields fields;
    struct bytes from_name, to_name;
    const struct unit *from, *to;
};

static const struct rule_setting settings[] = {
    {"fields", RULE_SETTING_FIELDS, offsetof(struct units, fields), true, NULL,
     "numbers of the packet and signals; what is absent or no number stays as it is"},
    {"from", RULE_SETTING_TEXT, offsetof(struct units, from_name), true, NULL,
     "the unit in which the vehicle sends it"},
    {"to", RULE_SETTING_TEXT, offsetof(struct units, to_name), true, NULL,
     "the unit wanted. The packet's own fields have theirs: speed m/s, heading degrees, altitude "
     "and accuracy metres"},
    {0},
};

static const struct unit *find(const struct yaml_node *node, const char *what, struct error *err)
{
    const struct unit *unit = unit_find(yaml_text(node));
    if (unit != NULL)
        return unit;
    const char *names[64];
    size_t count = 0;
    for (; unit_table[count].name != NULL; count++)
        names[count] = unit_table[count].name;
    names[count] = NULL;
    const char *near = yaml_suggest(yaml_text(node).ptr, names);
    if (near != NULL)
        yaml_error(node, err, "%s: unknown unit \"%s\"; did you mean \"%s\"?", what,
                   yaml_text(node).ptr, near);
    else
        yaml_error(node, err, "%s: unknown unit \"%s\"; docs/reference/rules.md lists them", what,
                   yaml_text(node).ptr);
    return NULL;
}

static int compile(struct rule_build *build, void *step, struct transform_needs *needs,
                   struct error *err)
{
    struct units *units = step;
    const struct yaml_node *to = yaml_get(build->node, "to");
    for (size_t i = 0; i < units->fields.count; i++)
        if (transform_check_target(yaml_get(build->node, "fields"), "fields",
                                   &units->fields.items[i], err) != 0)
            return -1;
    units->from = find(yaml_get(build->node, "from"), "from", err);
    units->to = units->from == NULL ? NULL : find(to, "to", err);
    if (units->to == NULL)
        return -1;
    if (strcmp(units->from->dimension, units->to->dimension) != 0)
        return yaml_error(to, err, "%s is a unit of %s, %s one of %s", units->from->name,
                          units->from->dimension, units->to->name, units->to->dimension);
    needs->text_bytes = units->fields.count * TRANSFORM_NUMBER;
    return 0;
}

static void run(const void *step, struct transform_run *run)
{
    const struct units *units = step;
    for (size_t i = 0; i < units->fields.count; i++) {
        double number;
        if (transform_read_number(run, &units->fields.items[i], &number))
            transform_write_number(run, &units->fields.items[i],
                                   unit_convert(number, units->from, units->to));
    }
}

const struct transform_kind transform_units = {
    .name = "units",
    .help = "Numbers are converted from one unit to another.",
    .example = "{op: units, fields: speed, from: km/h, to: m/s}",
    .settings = settings,
    .settings_size = sizeof(struct units),
    .compile = compile,
    .run = run,
};
