/* SPDX-License-Identifier: Apache-2.0 */
/* required: each of the fields is there. */
#include <stdio.h>

#include "vehicle/rule/rule.h"

struct required {
    struct rule_fields fields;
};

static const struct rule_setting settings[] = {
    {"fields", RULE_SETTING_FIELDS, offsetof(struct required, fields), true, NULL,
     "a field or a list of fields, all of which must be there"},
    {0},
};

/* Presence bits alone need no look: one mask. */
static int compile(struct rule_build *build, void *check, struct rule_test *test, struct error *err)
{
    (void)build, (void)err;
    const struct required *required = check;
    uint32_t mask = 0;
    for (size_t i = 0; i < required->fields.count; i++) {
        if (required->fields.items[i].mask == 0)
            return 0;
        mask |= required->fields.items[i].mask;
    }
    test->form = RULE_PRESENT;
    test->mask = mask;
    return 0;
}

static const struct field *first_missing(const struct required *required,
                                         const struct packet *packet)
{
    for (size_t i = 0; i < required->fields.count; i++)
        if (!field_is_present(&required->fields.items[i], packet))
            return &required->fields.items[i];
    return NULL;
}

static bool run(const void *check, const struct packet *packet, const struct rule_context *context)
{
    (void)context;
    return first_missing(check, packet) == NULL;
}

static void explain(const void *check, const struct packet *packet,
                    const struct rule_context *context, char *out, size_t cap)
{
    (void)context;
    const struct field *missing = first_missing(check, packet);
    snprintf(out, cap, "%s is missing", missing == NULL ? "nothing" : missing->name.ptr);
}

const struct rule_kind rule_required = {
    .name = "required",
    .help = "The fields are there.",
    .example = "{id: position, kind: required, fields: [lat, lon]}",
    .reason = REASON_RULE_REQUIRED,
    .settings = settings,
    .check_size = sizeof(struct required),
    .compile = compile,
    .run = run,
    .explain = explain,
};
