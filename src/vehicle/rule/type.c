/* SPDX-License-Identifier: Apache-2.0 */
/* type: a signal has the JSON type that is wanted. */
#include <math.h>
#include <stdio.h>

#include "vehicle/rule/rule.h"

enum wanted { WANTED_NUMBER, WANTED_INTEGER, WANTED_STRING, WANTED_BOOL, WANTED_NULL };

static const char *const wanted_names[] = {"number", "integer", "string", "bool", "null", NULL};

struct type {
    struct field field;
    int wanted; /* enum wanted */
};

static const struct rule_setting settings[] = {
    {"field", RULE_SETTING_FIELD, offsetof(struct type, field), true, NULL,
     "a signal; absent passes. The packet's own fields have the type their dialect says"},
    {"is", RULE_SETTING_CHOICE, offsetof(struct type, wanted), true, wanted_names,
     "the type wanted; an integer is a number without a fraction, however it is written"},
    {0},
};

static int compile(struct rule_build *build, void *check, struct rule_test *test, struct error *err)
{
    (void)test;
    const struct type *type = check;
    if (type->field.type != FIELD_SIGNAL)
        return yaml_error(build->node, err,
                          "\"%s\" is not a signal: its type is checked on arrival",
                          type->field.name.ptr);
    return 0;
}

static bool is_integer(const struct value *value)
{
    return value->type == VALUE_NUMBER && isfinite(value->number) &&
           value->number == trunc(value->number);
}

static bool has_type(const struct value *value, enum wanted wanted)
{
    switch (wanted) {
    case WANTED_NUMBER:
        return value->type == VALUE_NUMBER;
    case WANTED_INTEGER:
        return is_integer(value);
    case WANTED_STRING:
        return value->type == VALUE_TEXT;
    case WANTED_BOOL:
        return value->type == VALUE_BOOL;
    case WANTED_NULL:
        return value->type == VALUE_NULL;
    }
    return false;
}

static bool run(const void *check, const struct packet *packet, const struct rule_context *context)
{
    (void)context;
    const struct type *type = check;
    struct value value = field_read(&type->field, packet);
    return value.type == VALUE_NONE || has_type(&value, (enum wanted)type->wanted);
}

static void explain(const void *check, const struct packet *packet,
                    const struct rule_context *context, char *out, size_t cap)
{
    (void)context;
    const struct type *type = check;
    struct value value = field_read(&type->field, packet);
    char shown[128];
    value_print(&value, shown, sizeof shown);
    snprintf(out, cap, "%s is %s, not of type %s", type->field.name.ptr, shown,
             wanted_names[type->wanted]);
}

const struct rule_kind rule_type = {
    .name = "type",
    .help = "A signal is a number, an integer, a string, a bool or null.",
    .example = "{id: battery-type, kind: type, field: battery, is: number}",
    .reason = REASON_RULE_TYPE,
    .settings = settings,
    .check_size = sizeof(struct type),
    .compile = compile,
    .run = run,
    .explain = explain,
};
