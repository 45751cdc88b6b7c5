/* SPDX-License-Identifier: Apache-2.0 */
/* One rule's mapping into a struct rule, by its kind's table of settings. */
#include <stdlib.h>

#include "base/must.h"
#include "vehicle/rule/rule.h"

enum {
    ID_MAX = 64,
    KEYS_MAX = 24, /* the common ones and a kind's own */
    LIST_MAX = 1024,
};

static const char *const common_keys[] = {"id", "kind", "on_fail", "flag"};
enum { COMMON_KEYS = sizeof common_keys / sizeof common_keys[0] };

static const char *const action_names[] = {"dead_letter", "flag", "drop", NULL};

/* ---- reading one setting ---- */

int rule_read_fields(const struct yaml_node *node, const char *what, struct rule_arena *arena,
                     struct rule_fields *out, struct error *err)
{
    bool is_list = yaml_kind(node) == YAML_SEQUENCE;
    size_t count = is_list ? yaml_count(node) : 1;
    if (count == 0 || count > LIST_MAX)
        return yaml_error(node, err, "%s: between 1 and %d fields", what, LIST_MAX);
    struct field *fields = rule_alloc(arena, count * sizeof *fields);
    if (fields == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a ruleset");
    for (size_t i = 0; i < count; i++)
        if (field_compile(is_list ? yaml_item(node, i) : node, what, &fields[i], err) != 0)
            return -1;
    *out = (struct rule_fields){fields, count};
    return 0;
}

int rule_read_values(const struct yaml_node *node, const char *what, struct rule_arena *arena,
                     struct rule_values *out, struct error *err)
{
    if (yaml_kind(node) != YAML_SEQUENCE)
        return yaml_error(node, err, "%s must be a list", what);
    size_t count = yaml_count(node);
    if (count == 0 || count > LIST_MAX)
        return yaml_error(node, err, "%s: between 1 and %d values", what, LIST_MAX);
    struct value *values = rule_alloc(arena, count * sizeof *values);
    if (values == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a ruleset");
    for (size_t i = 0; i < count; i++) {
        if (value_from_yaml(yaml_item(node, i), what, &values[i], err) != 0)
            return -1;
    }
    *out = (struct rule_values){values, count};
    return 0;
}

int rule_read_choice(const struct yaml_node *node, const char *what, const char *const *choices,
                     int *out, struct error *err)
{
    if (yaml_kind(node) != YAML_SCALAR)
        return yaml_error(node, err, "%s must be a word", what);
    const char *word = yaml_text(node).ptr;
    for (int i = 0; choices[i] != NULL; i++) {
        if (strcmp(word, choices[i]) != 0)
            continue;
        *out = i;
        return 0;
    }
    const char *near = yaml_suggest(word, choices);
    if (near != NULL)
        return yaml_error(node, err, "%s: unknown value \"%s\"; did you mean \"%s\"?", what, word,
                          near);
    struct buf known;
    buf_init(&known, 256);
    for (int i = 0; choices[i] != NULL; i++)
        buf_printf(&known, "%s%s", i == 0 ? "" : ", ", choices[i]);
    yaml_error(node, err, "%s: unknown value \"%s\"; known are %.*s", what, word, (int)known.len,
               known.ptr);
    buf_deinit(&known);
    return -1;
}

static int read_setting(const struct rule_setting *setting, const struct yaml_node *node,
                        struct rule_arena *arena, char *check, struct error *err)
{
    void *at = check + setting->offset;
    switch (setting->type) {
    case RULE_SETTING_FIELD:
        return field_compile(node, setting->name, at, err);
    case RULE_SETTING_FIELDS:
        return rule_read_fields(node, setting->name, arena, at, err);
    case RULE_SETTING_NUMBER:
        return yaml_to_double(node, setting->name, at, err);
    case RULE_SETTING_DURATION:
        return yaml_to_duration_ns(node, setting->name, at, err);
    case RULE_SETTING_VALUES:
        return rule_read_values(node, setting->name, arena, at, err);
    case RULE_SETTING_CHOICE:
        return rule_read_choice(node, setting->name, setting->choices, at, err);
    }
    return 0;
}

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

static int read_check(const struct yaml_node *node, struct rule_arena *arena, struct rule *rule,
                      struct error *err)
{
    const struct rule_kind *kind = rule->kind;
    char *check = rule_alloc(arena, kind->check_size);
    if (check == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a ruleset");
    if (kind->defaults != NULL)
        memcpy(check, kind->defaults, kind->check_size);
    for (const struct rule_setting *s = kind->settings; s->name != NULL; s++) {
        const struct yaml_node *value = yaml_get(node, s->name);
        if (value == NULL && s->is_required)
            return yaml_error(node, err, "a rule of kind %s needs \"%s\": %s", kind->name, s->name,
                              s->help);
        if (value != NULL && read_setting(s, value, arena, check, err) != 0)
            return -1;
    }
    rule->check = check;
    rule->test = (struct rule_test){.form = RULE_CALL};
    if (kind->compile != NULL && kind->compile(node, check, &rule->test, err) != 0)
        return -1;
    must(rule->test.form != RULE_CALL || kind->run != NULL);
    return 0;
}

int rule_read_name(const struct yaml_node *node, const char *what, size_t len_max,
                   struct bytes *out, struct error *err)
{
    if (yaml_kind(node) != YAML_SCALAR)
        return yaml_error(node, err, "%s must be a name", what);
    struct bytes name = yaml_text(node);
    bool is_good = name.len > 0 && name.len <= len_max && name.ptr[0] != '-';
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        is_good = is_good && ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-');
    }
    if (!is_good)
        return yaml_error(node, err,
                          "%s \"%.80s\": 1-%zu of a-z, 0-9 and '-', not starting with '-'", what,
                          name.ptr, len_max);
    *out = name;
    return 0;
}

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

int rule_compile(const struct yaml_node *node, struct rule_arena *arena, struct rule *out,
                 struct error *err)
{
    *out = (struct rule){0};
    if (yaml_kind(node) != YAML_MAPPING)
        return yaml_error(node, err, "a rule is a mapping with id, kind and the kind's settings");
    if (read_kind(node, out, err) != 0 || check_keys(node, out->kind, err) != 0)
        return -1;
    const struct yaml_node *id = yaml_get(node, "id");
    if (id == NULL)
        return yaml_error(node, err, "the rule has no \"id\": it names the rule in dead letters");
    if (rule_read_name(id, "id", ID_MAX, &out->id, err) != 0 || read_action(node, out, err) != 0 ||
        read_check(node, arena, out, err) != 0)
        return -1;
    out->test.action = (uint8_t)out->action;
    return 0;
}
