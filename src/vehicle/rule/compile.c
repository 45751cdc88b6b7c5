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

static const char *const action_names[] = {"dead_letter", "flag", "drop", "route", NULL};

#define AT(member) offsetof(struct rule_common, member)
const struct rule_setting rule_common_settings[] = {
    {"on_fail", RULE_SETTING_CHOICE, AT(on_fail), false, action_names,
     "what becomes of a packet that fails. `dead_letter` (default): it is kept with the reason in "
     "`<topic>.dead-letters`. `flag`: it passes with a flag. `drop`: it is not kept, only counted "
     "by rule. `route`: it goes to the category in `to`, without that one's rules"},
    {"flag", RULE_SETTING_TEXT, AT(flag), false, NULL,
     "with `on_fail: flag` or `route`: the flag's name; when flagging, the `id` by default"},
    {"to", RULE_SETTING_TEXT, AT(to), false, NULL,
     "with `on_fail: route`: a category that some file declares, or `other`"},
    {"category", RULE_SETTING_TEXTS, AT(categories), false, NULL,
     "in the list outside of categories: the rule is of these categories, after their own rules; "
     "so a file of its own can add to a category of another file"},
    {"when", RULE_SETTING_CONDITION, AT(when), false, NULL,
     "a condition as of `match`: other packets pass unseen"},
    {"sample", RULE_SETTING_NUMBER, AT(sample), false, NULL,
     "the share of packets that is looked at, 0.1 for a tenth; always the same ones. A rule that "
     "remembers takes a share of the vehicles",
     .min = 1e-9, .max = 1},
    {"enabled", RULE_SETTING_BOOL, AT(is_enabled), false, NULL,
     "`false`: checked when loaded, then left aside"},
    {"message", RULE_SETTING_TEMPLATE, AT(message), false, NULL,
     "what its dead letters say, with `{field}` and `{detail}` (what they would say without)"},
    {0},
};
#undef AT

/* ---- what is the kind's own ---- */

static int check_keys(const struct yaml_node *node, const struct rule_kind *kind, struct error *err)
{
    const char *known[KEYS_MAX + 1];
    size_t count = 0;
    known[count++] = "id";
    known[count++] = "kind";
    for (const struct rule_setting *s = rule_common_settings; s->name != NULL; s++)
        known[count++] = s->name;
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

static int read_flag(struct rule_build *build, struct error *err)
{
    struct rule *rule = build->rule;
    const struct yaml_node *flag = yaml_get(build->node, "flag");
    if (rule->action == RULE_FLAG)
        rule->flag = rule->id;
    if (flag == NULL)
        return 0;
    if (rule->action != RULE_FLAG && rule->action != RULE_ROUTE)
        return yaml_error(flag, err, "\"flag\" is for rules with on_fail: flag or route");
    return rule_read_name(flag, "flag", ID_MAX, &rule->flag, err);
}

static int check_to(const struct rule_build *build, struct error *err)
{
    const struct yaml_node *to = yaml_get(build->node, "to");
    bool is_route = build->rule->action == RULE_ROUTE;
    if (is_route && to == NULL)
        return yaml_error(build->node, err, "on_fail: route needs \"to\": the category's name");
    if (!is_route && to != NULL)
        return yaml_error(to, err, "\"to\" is for rules with on_fail: route");
    return 0;
}

static int read_common(struct rule_build *build, struct error *err)
{
    struct rule *rule = build->rule;
    rule->common = (struct rule_common){.sample = 1, .is_enabled = true};
    if (rule_read_settings(build, build->node, rule_common_settings, "a rule", &rule->common,
                           err) != 0)
        return -1;
    rule->action = (enum rule_action)rule->common.on_fail;
    rule->sample_max =
        rule->common.sample >= 1 ? UINT64_MAX : (uint64_t)(rule->common.sample * 0x1p64);
    if (read_flag(build, err) != 0)
        return -1;
    return check_to(build, err);
}

int rule_compile(struct rule_build *build, struct error *err)
{
    const struct yaml_node *node = build->node;
    struct rule *rule = build->rule;
    if (yaml_kind(node) != YAML_MAPPING)
        return yaml_error(node, err, "a rule is a mapping with id, kind and the kind's settings");
    if (read_kind(node, rule, err) != 0 || check_keys(node, rule->kind, err) != 0)
        return -1;
    const struct yaml_node *id = yaml_get(node, "id");
    if (id == NULL)
        return yaml_error(node, err, "the rule has no \"id\": it names the rule in dead letters");
    if (rule_read_name(id, "id", ID_MAX, &rule->id, err) != 0 || read_common(build, err) != 0 ||
        read_check(build, err) != 0)
        return -1;
    rule->test.action = (uint8_t)rule->action;
    return 0;
}
