/* SPDX-License-Identifier: Apache-2.0 */
/* changed_only: at least one of the fields has another value than in the
 * vehicle's packet before that had it. */
#include <stdio.h>

#include "base/clock.h"
#include "vehicle/rule/rule.h"

struct changed_only {
    struct rule_fields fields;
    int64_t every_ns;
    int64_t forget_ns;
    struct state_slot slot;
};

struct seen {
    uint64_t value;      /* its hash */
    int64_t received_ns; /* 0: never */
};

struct memory {
    int64_t received_ns; /* of the packet before with any of the fields */
    struct seen seen[];  /* by field */
};

static const struct changed_only defaults = {.forget_ns = 3600 * NS_PER_S};

static const struct rule_setting settings[] = {
    {"fields", RULE_SETTING_FIELDS, offsetof(struct changed_only, fields), true, NULL,
     "a field or a list; a packet with none of them passes"},
    {"at_least_every", RULE_SETTING_DURATION, offsetof(struct changed_only, every_ns), false, NULL,
     "the first packet in each stretch of this length (`10m`: the clock's ten minutes) passes, "
     "changed or not"},
    {"forget", RULE_SETTING_DURATION, offsetof(struct changed_only, forget_ns), false, NULL,
     "a value not received for longer counts as changed; default 1h"},
    {0},
};

static int compile(struct rule_build *build, void *check, struct rule_test *test, struct error *err)
{
    (void)test;
    struct changed_only *rule = check;
    if (rule->forget_ns <= 0)
        return yaml_error(yaml_get(build->node, "forget"), err, "forget must be longer than 0");
    if (rule->every_ns < 0 || rule->every_ns > rule->forget_ns)
        return yaml_error(yaml_get(build->node, "at_least_every"), err,
                          "at_least_every must be no longer than forget (its default is 1h)");
    size_t bytes = sizeof(struct memory) + rule->fields.count * sizeof(struct seen);
    return rule_claim_state(build, bytes, rule->forget_ns, &rule->slot, err);
}

/* A new stretch has begun since the packet before. */
static bool is_due(const struct changed_only *rule, const struct memory *memory, int64_t now_ns)
{
    return rule->every_ns > 0 && now_ns / rule->every_ns > memory->received_ns / rule->every_ns;
}

static bool has_changed(const struct changed_only *rule, struct seen *seen,
                        const struct value *value, int64_t now_ns)
{
    struct seen now = {value_hash(value, 0), now_ns};
    bool is_same = seen->received_ns != 0 && now_ns - seen->received_ns <= rule->forget_ns &&
                   seen->value == now.value;
    *seen = now;
    return !is_same;
}

static bool run(const void *check, const struct packet *packet, const struct rule_context *context)
{
    const struct changed_only *rule = check;
    struct memory *memory = rule_state(context, packet, rule->slot);
    int64_t now_ns = context->received_ns;
    bool is_any = false, is_news = false;
    for (size_t i = 0; i < rule->fields.count; i++) {
        struct value value = field_read(&rule->fields.items[i], packet);
        if (value.type == VALUE_NONE)
            continue;
        is_any = true;
        is_news |= has_changed(rule, &memory->seen[i], &value, now_ns);
    }
    if (!is_any)
        return true;
    is_news |= is_due(rule, memory, now_ns);
    memory->received_ns = now_ns;
    return is_news;
}

static void explain(const void *check, const struct packet *packet,
                    const struct rule_context *context, char *out, size_t cap)
{
    (void)context;
    const struct changed_only *rule = check;
    struct value value = field_read(&rule->fields.items[0], packet);
    char shown[96];
    value_print(&value, shown, sizeof shown);
    if (rule->fields.count == 1)
        snprintf(out, cap, "%s is still %s", rule->fields.items[0].name.ptr, shown);
    else
        snprintf(out, cap, "none of the %zu fields has changed", rule->fields.count);
}

const struct rule_kind rule_changed_only = {
    .name = "changed_only",
    .help = "One of the fields has changed since the vehicle's packet before that had it. With "
            "`on_fail: drop` only changes are stored.",
    .example = "{id: door, kind: changed_only, fields: payload.door, at_least_every: 10m, "
               "on_fail: drop}",
    .reason = REASON_RULE_CHANGED_ONLY,
    .settings = settings,
    .check_size = sizeof(struct changed_only),
    .defaults = &defaults,
    .compile = compile,
    .run = run,
    .explain = explain,
};
