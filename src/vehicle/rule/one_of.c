/* SPDX-License-Identifier: Apache-2.0 */
/* one_of: a value is one of a list. */
#include <stdio.h>

#include "vehicle/rule/rule.h"

struct one_of {
    struct field field;
    struct rule_values values;
};

static const struct rule_setting settings[] = {
    {"field", RULE_SETTING_FIELD, offsetof(struct one_of, field), true, NULL,
     "any field but time; absent passes"},
    {"values", RULE_SETTING_VALUES, offsetof(struct one_of, values), true, NULL,
     "the values allowed: text, numbers, true, false, null; quotes make text of a number"},
    {0},
};

static int check_values(const struct yaml_node *node, const struct one_of *one_of,
                        enum value_type type, const char *name, struct error *err)
{
    for (size_t i = 0; i < one_of->values.count; i++)
        if (one_of->values.items[i].type != type)
            return yaml_error(yaml_item(yaml_get(node, "values"), i), err,
                              "\"%s\" is %s: this can never be equal to it", one_of->field.name.ptr,
                              name);
    return 0;
}

static int compile(struct rule_build *build, void *check, struct rule_test *test, struct error *err)
{
    (void)test;
    const struct one_of *one_of = check;
    switch (one_of->field.type) {
    case FIELD_TIME:
        return yaml_error(build->node, err, "one_of of time: use the kinds max_age and max_ahead");
    case FIELD_NUMBER:
        return check_values(build->node, one_of, VALUE_NUMBER, "a number", err);
    case FIELD_TEXT:
    case FIELD_DIALECT:
        return check_values(build->node, one_of, VALUE_TEXT, "text (quote numbers)", err);
    case FIELD_SIGNAL:
        return 0;
    }
    return 0;
}

static bool run(const void *check, const struct packet *packet, const struct rule_context *context)
{
    (void)context;
    const struct one_of *one_of = check;
    struct value value = field_read(&one_of->field, packet);
    if (value.type == VALUE_NONE)
        return true;
    for (size_t i = 0; i < one_of->values.count; i++)
        if (value_equal(&one_of->values.items[i], &value))
            return true;
    return false;
}

static void explain(const void *check, const struct packet *packet,
                    const struct rule_context *context, char *out, size_t cap)
{
    (void)context;
    const struct one_of *one_of = check;
    struct value value = field_read(&one_of->field, packet);
    char shown[128];
    value_print(&value, shown, sizeof shown);
    snprintf(out, cap, "%s %s is not one of the %zu allowed", one_of->field.name.ptr, shown,
             one_of->values.count);
}

const struct rule_kind rule_one_of = {
    .name = "one_of",
    .help = "A value is one of those listed, equal in type and content.",
    .example = "{id: gear, kind: one_of, field: gear, values: [P, R, N, D]}",
    .reason = REASON_RULE_ONE_OF,
    .settings = settings,
    .check_size = sizeof(struct one_of),
    .compile = compile,
    .run = run,
    .explain = explain,
};
