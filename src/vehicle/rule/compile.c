/* SPDX-License-Identifier: Apache-2.0 */
/* One rule's mapping into a struct rule, by its kind's table of settings. */
#include <stdio.h>

#include "base/clock.h"
#include "base/must.h"
#include "vehicle/rule/rule.h"

enum {
    ID_MAX = 64,
    KEYS_MAX = 40, /* the common ones and a kind's own */
    LOOKBACK_MAX_DAYS = 7,
};
#define LOOKBACK_MAX_NS (LOOKBACK_MAX_DAYS * 24 * 3600 * NS_PER_S)

static const char *const common_keys[] = {"id", "kind", "on_fail", "flag"};
enum { COMMON_KEYS = sizeof common_keys / sizeof common_keys[0] };

static const char *const action_names[] = {"dead_letter", "flag", "drop", NULL};

/* ---- the rule ---- */

static int check_keys(const struct yaml_node *node, const struct rule_kind *kind, struct error *err)
{
    const char *known[KEYS_MAX + 1];
    size_t count = 0;
    for (; count < COMMON_KEYS; count++)
        known[count] = common_keys[count];
    for (const struct rule_setting *s = kind->settings; s->name != NULL; s++) {
        must(count < KEYS_MAX);
        known[count++] = s->name;
    }
    known[count] = NULL;
    return yaml_check_keys(node, known, err);
}

static int read_check(struct rule_build *build, struct error *err)
{
    struct rule *rule = build->rule;
    const struct rule_kind *kind = rule->kind;
    void *check = rule_alloc(build->arena, kind->check_size);
    if (check == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a ruleset");
    if (kind->defaults != NULL)
        memcpy(check, kind->defaults, kind->check_size);
    char what[64];
    snprintf(what, sizeof what, "a rule of kind %s", kind->name);
    if (rule_read_settings(build, build->node, kind->settings, what, check, err) != 0)
        return -1;
    rule->check = check;
    rule->test = (struct rule_test){.form = RULE_CALL};
    if (kind->compile != NULL && kind->compile(build, check, &rule->test, err) != 0)
        return -1;
    must(rule->test.form != RULE_CALL || kind->run != NULL);
    return 0;
}

/* ---- state ---- */

static int add_slot(struct state_layout *layout, const struct yaml_node *node, size_t bytes,
                    int64_t lookback_ns, struct state_slot *out, struct error *err)
{
    must(bytes > 0 && lookback_ns > 0);
    size_t aligned = (bytes + 15) & ~(size_t)15;
    if (bytes > STATE_BYTES_MAX || aligned > STATE_BYTES_MAX - layout->bytes)
        return yaml_error(node, err, "with this the rules remember more than %d bytes of a vehicle",
                          STATE_BYTES_MAX);
    if (lookback_ns > LOOKBACK_MAX_NS)
        return yaml_error(node, err, "this looks back further than %d days", LOOKBACK_MAX_DAYS);
    *out = (struct state_slot){(uint32_t)layout->bytes, (uint32_t)aligned};
    layout->bytes += aligned;
    return 0;
}

int state_layout_add(struct state_layout *layout, const struct yaml_node *node, size_t bytes,
                     int64_t lookback_ns, struct state_slot *out, struct error *err)
{
    if (add_slot(layout, node, bytes, lookback_ns, out, err) != 0)
        return -1;
    if (lookback_ns > layout->lookback_ns)
        layout->lookback_ns = lookback_ns;
    return 0;
}

int rule_claim_state(struct rule_build *build, size_t bytes, int64_t lookback_ns,
                     struct state_slot *out, struct error *err)
{
    struct rule *rule = build->rule;
    must(rule->state.bytes == 0); /* one slot a rule */
    if (add_slot(build->layout, build->node, bytes, lookback_ns, out, err) != 0)
        return -1;
    rule->state = *out;
    rule->lookback_ns = lookback_ns;
    return 0;
}

/* ---- the rule ---- */

static int read_kind(const struct yaml_node *node, struct rule *rule, struct error *err)
{
    const char *names[64];
    size_t count = 0;
    for (; rule_registry[count] != NULL; count++)
        names[count] = rule_registry[count]->name;
    names[count] = NULL;
    const struct yaml_node *kind = yaml_get(node, "kind");
    if (kind == NULL)
        return yaml_error(node, err, "the rule has no \"kind\"");
    int index;
    if (rule_read_choice(kind, "kind", names, &index, err) != 0)
        return -1;
    rule->kind = rule_registry[index];
    return 0;
}

static int read_action(const struct yaml_node *node, struct rule *rule, struct error *err)
{
    const struct yaml_node *on_fail = yaml_get(node, "on_fail");
    const struct yaml_node *flag = yaml_get(node, "flag");
    int action = RULE_DEAD_LETTER;
    if (on_fail != NULL && rule_read_choice(on_fail, "on_fail", action_names, &action, err) != 0)
        return -1;
    rule->action = (enum rule_action)action;
    rule->flag = rule->id;
    if (flag == NULL)
        return 0;
    if (rule->action != RULE_FLAG)
        return yaml_error(flag, err, "\"flag\" is for rules with on_fail: flag");
    return rule_read_name(flag, "flag", ID_MAX, &rule->flag, err);
}

int rule_compile(struct rule_build *build, struct error *err)
{
    const struct yaml_node *node = build->node;
    struct rule *rule = build->rule;
    *rule = (struct rule){0};
    if (yaml_kind(node) != YAML_MAPPING)
        return yaml_error(node, err, "a rule is a mapping with id, kind and the kind's settings");
    if (read_kind(node, rule, err) != 0 || check_keys(node, rule->kind, err) != 0)
        return -1;
    const struct yaml_node *id = yaml_get(node, "id");
    if (id == NULL)
        return yaml_error(node, err, "the rule has no \"id\": it names the rule in dead letters");
    if (rule_read_name(id, "id", ID_MAX, &rule->id, err) != 0 ||
        read_action(node, rule, err) != 0 || read_check(build, err) != 0)
        return -1;
    rule->test.action = (uint8_t)rule->action;
    return 0;
}
