/* SPDX-License-Identifier: Apache-2.0 */
/* A list of operations into steps. */
#include <stdio.h>

#include "base/hash.h"
#include "base/must.h"
#include "vehicle/transform/transform.h"

enum { KEYS_MAX = 16 };

const char *const transform_when_names[] = {"absent", "always", NULL};

static int no_memory(struct error *err)
{
    return error_set(err, ERROR_MEMORY, "no memory for transforms");
}

static int read_kind(const struct yaml_node *node, const struct transform_kind **out,
                     struct error *err)
{
    const char *names[32];
    size_t count = 0;
    for (; transform_registry[count] != NULL; count++) {
        must(count + 1 < sizeof names / sizeof names[0]);
        names[count] = transform_registry[count]->name;
    }
    names[count] = NULL;
    if (yaml_kind(node) != YAML_MAPPING)
        return yaml_error(node, err, "an operation is a mapping with op and its settings");
    const struct yaml_node *op = yaml_get(node, "op");
    int index;
    if (op == NULL)
        return yaml_error(node, err, "the operation has no \"op\": it says what to do");
    if (rule_read_choice(op, "op", names, &index, err) != 0)
        return -1;
    *out = transform_registry[index];
    return 0;
}

static int check_keys(const struct yaml_node *node, const struct transform_kind *kind,
                      struct error *err)
{
    const char *known[KEYS_MAX + 1] = {"op"};
    size_t count = 1;
    for (const struct rule_setting *s = kind->settings; s->name != NULL; s++) {
        must(count < KEYS_MAX);
        known[count++] = s->name;
    }
    known[count] = NULL;
    return yaml_check_keys(node, known, err);
}

static int add_needs(struct rule_build *build, const struct transform_needs *needs,
                     struct transform *transform, struct transform_step *step, struct error *err)
{
    transform->text_bytes += needs->text_bytes;
    if (transform->text_bytes > TRANSFORM_TEXT_MAX)
        return yaml_error(build->node, err,
                          "with this the operations may make more than %d bytes of new text",
                          TRANSFORM_TEXT_MAX);
    if (needs->state_bytes == 0)
        return 0;
    return state_layout_add(build->layout, build->node, needs->state_bytes, needs->lookback_ns,
                            &step->state, err);
}

static int compile_step(struct rule_build *build, struct transform *transform,
                        struct transform_step *step, struct error *err)
{
    struct transform_needs needs = {.text_bytes = 0};
    char what[64];
    if (read_kind(build->node, &step->kind, err) != 0 ||
        check_keys(build->node, step->kind, err) != 0)
        return -1;
    void *settings = rule_alloc(build->arena, step->kind->settings_size);
    if (settings == NULL)
        return no_memory(err);
    if (step->kind->defaults != NULL)
        memcpy(settings, step->kind->defaults, step->kind->settings_size);
    snprintf(what, sizeof what, "the operation %s", step->kind->name);
    if (rule_read_settings(build, build->node, step->kind->settings, what, settings, err) != 0)
        return -1;
    step->settings = settings;
    if (step->kind->compile != NULL && step->kind->compile(build, settings, &needs, err) != 0)
        return -1;
    return add_needs(build, &needs, transform, step, err);
}

int transform_compile(const struct yaml_node *list, struct bytes place, struct rule_build *build,
                      struct transform *out, struct error *err)
{
    *out = (struct transform){.count = 0};
    if (list == NULL || yaml_is_null(list))
        return 0;
    if (yaml_kind(list) != YAML_SEQUENCE)
        return yaml_error(list, err, "transform must be a list of operations");
    if (yaml_count(list) > TRANSFORM_STEPS_MAX)
        return yaml_error(list, err, "more than %d operations", TRANSFORM_STEPS_MAX);
    struct transform_step *steps = rule_alloc(build->arena, (yaml_count(list) + 1) * sizeof *steps);
    if (steps == NULL)
        return no_memory(err);
    for (size_t i = 0; i < yaml_count(list); i++) {
        struct rule_build one = *build;
        one.node = yaml_item(list, i);
        if (compile_step(&one, out, &steps[i], err) != 0)
            return -1;
        steps[i].fingerprint = yaml_fingerprint(one.node, hash64(place));
    }
    out->steps = steps;
    out->count = yaml_count(list);
    return 0;
}

int transform_check_target(const struct yaml_node *node, const char *what,
                           const struct field *field, struct error *err)
{
    if (field->type == FIELD_NUMBER || field->type == FIELD_SIGNAL)
        return 0;
    return yaml_error(node, err,
                      "%s: \"%s\" is what a packet is found by and does not change (a signal of "
                      "that name is written \"signals.%s\")",
                      what, field->name.ptr, field->name.ptr);
}
