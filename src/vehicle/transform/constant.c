/* SPDX-License-Identifier: Apache-2.0 */
/* constant: the same value for every packet. */
#include "vehicle/transform/transform.h"

struct constant {
    struct field field;
    const struct yaml_node *node; /* of the value, while compiling */
    struct value value;
    struct bytes raw; /* as JSON */
    int when;
};

static const struct rule_setting settings[] = {
    {"field", RULE_SETTING_FIELD, offsetof(struct constant, field), true, NULL,
     "the field or signal that gets the value"},
    {"value", RULE_SETTING_NODE, offsetof(struct constant, node), true, NULL,
     "a text, a number, `true`, `false` or `null`; a field of the packet takes a number"},
    TRANSFORM_WHEN(constant),
    {0},
};

static int write_raw(struct rule_build *build, struct constant *constant, struct error *err)
{
    struct buf json;
    buf_init(&json, 0);
    if (constant->value.type == VALUE_TEXT)
        buf_append_json(&json, constant->value.text);
    else
        buf_append_bytes(&json, yaml_text(constant->node));
    char *copy = json.has_failed ? NULL : rule_alloc(build->arena, json.len + 1);
    if (copy != NULL)
        memcpy(copy, json.ptr, json.len);
    constant->raw = bytes_of(copy, json.len);
    buf_deinit(&json);
    return copy == NULL ? error_set(err, ERROR_MEMORY, "no memory for transforms") : 0;
}

static int compile(struct rule_build *build, void *step, struct transform_needs *needs,
                   struct error *err)
{
    struct constant *constant = step;
    if (transform_check_target(yaml_get(build->node, "field"), "field", &constant->field, err) !=
            0 ||
        value_from_yaml(constant->node, "value", &constant->value, err) != 0)
        return -1;
    if (constant->field.type == FIELD_NUMBER && constant->value.type != VALUE_NUMBER)
        return yaml_error(constant->node, err, "\"%s\" takes a number", constant->field.name.ptr);
    if (constant->value.type == VALUE_NULL) {
        constant->raw = BYTES("null");
        return 0;
    }
    needs->text_bytes = TRANSFORM_NUMBER;
    return write_raw(build, constant, err);
}

static enum signal_type signal_type_of(enum value_type type)
{
    switch (type) {
    case VALUE_TEXT:
        return SIGNAL_STRING;
    case VALUE_NUMBER:
        return SIGNAL_NUMBER;
    case VALUE_BOOL:
        return SIGNAL_BOOL;
    case VALUE_NONE:
    case VALUE_NULL:
    case VALUE_EMPTY:
        return SIGNAL_NULL;
    }
    return SIGNAL_NULL;
}

static void run(const void *step, struct transform_run *run)
{
    const struct constant *constant = step;
    if (constant->when == TRANSFORM_WHEN_ABSENT && field_is_present(&constant->field, run->packet))
        return;
    if (constant->field.type == FIELD_NUMBER)
        transform_write_number(run, &constant->field, constant->value.number);
    else
        transform_write_signal(run, &constant->field, constant->raw,
                               signal_type_of(constant->value.type));
}

const struct transform_kind transform_constant = {
    .name = "constant",
    .help = "A field or signal gets a value that is the same for every packet.",
    .example = "{op: constant, field: fleet, value: north}",
    .settings = settings,
    .settings_size = sizeof(struct constant),
    .compile = compile,
    .run = run,
};
