/* SPDX-License-Identifier: Apache-2.0 */
/* drop: fields and signals that nobody needs further on. */
#include "vehicle/transform/transform.h"

struct drop {
    struct rule_fields fields;
};

static const struct rule_setting settings[] = {
    {"fields", RULE_SETTING_FIELDS, offsetof(struct drop, fields), true, NULL,
     "what is taken away. `payload.debug.*` takes all signals below `payload.debug`"},
    {0},
};

/* "a.*": everything that begins with "a." */
static bool is_below(struct bytes pattern, struct bytes path)
{
    bool is_tree = pattern.len > 2 && memcmp(pattern.ptr + pattern.len - 2, ".*", 2) == 0;
    return is_tree && path.len >= pattern.len &&
           memcmp(path.ptr, pattern.ptr, pattern.len - 1) == 0;
}

static int compile(struct rule_build *build, void *step, struct transform_needs *needs,
                   struct error *err)
{
    (void)needs;
    const struct drop *drop = step;
    for (size_t i = 0; i < drop->fields.count; i++)
        if (transform_check_target(yaml_get(build->node, "fields"), "fields",
                                   &drop->fields.items[i], err) != 0)
            return -1;
    return 0;
}

static bool is_dropped(const struct drop *drop, struct bytes path)
{
    for (size_t i = 0; i < drop->fields.count; i++) {
        const struct field *field = &drop->fields.items[i];
        if (field->type == FIELD_SIGNAL &&
            (bytes_equal(field->name, path) || is_below(field->name, path)))
            return true;
    }
    return false;
}

static void run(const void *step, struct transform_run *run)
{
    const struct drop *drop = step;
    for (size_t i = 0; i < drop->fields.count; i++)
        if (drop->fields.items[i].type == FIELD_NUMBER)
            run->packet->fields &= ~drop->fields.items[i].mask;
    size_t first = 0, count, kept;
    while (first < run->packet->signal_count && !is_dropped(drop, run->packet->signals[first].path))
        first++;
    if (first == run->packet->signal_count)
        return;
    struct signal *signals = transform_signals(run, &count);
    kept = first;
    for (size_t i = first + 1; i < count; i++)
        if (!is_dropped(drop, signals[i].path))
            signals[kept++] = signals[i];
    transform_keep_signals(run, kept);
}

const struct transform_kind transform_drop = {
    .name = "drop",
    .help = "Fields and signals are taken away. The original bytes, where they are kept, stay "
            "whole.",
    .example = "{op: drop, fields: [accuracy, payload.debug.*]}",
    .settings = settings,
    .settings_size = sizeof(struct drop),
    .compile = compile,
    .run = run,
};
