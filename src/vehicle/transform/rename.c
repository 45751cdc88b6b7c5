/* SPDX-License-Identifier: Apache-2.0 */
/* rename: a value moves from one field or signal to another. */
#include "vehicle/transform/transform.h"

struct rename {
    struct field from, to;
};

static const struct rule_setting settings[] = {
    {"from", RULE_SETTING_FIELD, offsetof(struct rename, from), true, NULL,
     "the field or signal that the value leaves; absent: nothing happens"},
    {"to", RULE_SETTING_FIELD, offsetof(struct rename, to), true, NULL,
     "where it goes, over what is there. A field of the packet takes numbers only: another value "
     "stays where it is"},
    {0},
};

static int compile(struct rule_build *build, void *step, struct transform_needs *needs,
                   struct error *err)
{
    const struct rename *rename = step;
    const struct yaml_node *from = yaml_get(build->node, "from"), *to = yaml_get(build->node, "to");
    if (transform_check_target(from, "from", &rename->from, err) != 0 ||
        transform_check_target(to, "to", &rename->to, err) != 0)
        return -1;
    if (rename->from.type == rename->to.type && bytes_equal(rename->from.name, rename->to.name))
        return yaml_error(to, err, "from and to are the same");
    needs->text_bytes = TRANSFORM_NUMBER;
    return 0;
}

static void run(const void *step, struct transform_run *run)
{
    const struct rename *rename = step;
    const struct signal *found = rename->from.type == FIELD_SIGNAL
                                     ? packet_find_signal(run->packet, rename->from.name)
                                     : NULL;
    if (found != NULL && rename->to.type == FIELD_SIGNAL) {
        struct signal signal = *found; /* as sent, whatever it is */
        transform_remove(run, &rename->from);
        transform_write_signal(run, &rename->to, signal.raw, signal.type);
        return;
    }
    double number;
    if (!transform_read_number(run, &rename->from, &number))
        return;
    transform_remove(run, &rename->from);
    transform_write_number(run, &rename->to, number);
}

const struct transform_kind transform_rename = {
    .name = "rename",
    .help = "A value moves from one field or signal to another.",
    .example = "{op: rename, from: payload.spd, to: speed}",
    .settings = settings,
    .settings_size = sizeof(struct rename),
    .compile = compile,
    .run = run,
};
