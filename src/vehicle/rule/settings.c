/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a table of settings (rule.h) from a mapping. */
#include <math.h>

#include "base/must.h"
#include "base/text.h"
#include "vehicle/predicate.h"
#include "vehicle/rule/files.h"
#include "vehicle/rule/rule.h"
#include "vehicle/transform/unit.h"

enum {
    LIST_MAX = 1024,
    TEXT_MAX = 256, /* unless the table says otherwise */
};

static int no_memory(struct error *err)
{
    return error_set(err, ERROR_MEMORY, "no memory for a ruleset");
}

/* ---- readers that others use, too ---- */

int rule_read_fields(const struct yaml_node *node, const char *what, struct rule_arena *arena,
                     struct rule_fields *out, struct error *err)
{
    bool is_list = yaml_kind(node) == YAML_SEQUENCE;
    size_t count = is_list ? yaml_count(node) : 1;
    if (count == 0 || count > LIST_MAX)
        return yaml_error(node, err, "%s: between 1 and %d fields", what, LIST_MAX);
    struct field *fields = rule_alloc(arena, count * sizeof *fields);
    if (fields == NULL)
        return no_memory(err);
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
        return no_memory(err);
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

/* ---- numbers with units ---- */

const char *rule_unit_names(enum rule_unit unit)
{
    switch (unit) {
    case RULE_UNIT_NONE:
        return "";
    case RULE_UNIT_SPEED:
        return "m/s, km/h, mph or kn";
    case RULE_UNIT_DISTANCE:
        return "m, km, mi, ft or nmi";
    case RULE_UNIT_ANGLE:
        return "deg or rad";
    }
    return "";
}

static const char *dimension_of(enum rule_unit unit)
{
    switch (unit) {
    case RULE_UNIT_NONE:
        return "";
    case RULE_UNIT_SPEED:
        return "speed";
    case RULE_UNIT_DISTANCE:
        return "distance";
    case RULE_UNIT_ANGLE:
        return "angle";
    }
    return "";
}

/* "130 km/h" cut in two; false without a number in front. */
static bool cut_number(struct bytes text, double *number, struct bytes *unit)
{
    size_t len = 0;
    while (len < text.len && strchr("+-.0123456789", text.ptr[len]) != NULL)
        len++;
    *unit = bytes_trim(bytes_of(text.ptr + len, text.len - len));
    return text_to_double(bytes_of(text.ptr, len), number) && isfinite(*number);
}

int rule_read_number(const struct yaml_node *node, const char *what, enum rule_unit unit,
                     double *out, struct error *err)
{
    if (unit == RULE_UNIT_NONE)
        return yaml_to_double(node, what, out, err);
    struct bytes name;
    if (yaml_kind(node) != YAML_SCALAR || !cut_number(yaml_text(node), out, &name))
        return yaml_error(node, err, "%s wants a number with its unit (%s)", what,
                          rule_unit_names(unit));
    if (name.len == 0 && *out == 0)
        return 0;
    const struct unit *found = unit_find(name);
    if (found != NULL && strcmp(found->dimension, dimension_of(unit)) == 0) {
        *out *= found->factor; /* these have no offset */
        return 0;
    }
    return yaml_error(node, err, "%s: %s \"%s\"; write it with its unit (%s)", what,
                      name.len == 0 ? "no unit in" : "unknown unit in", yaml_text(node).ptr,
                      rule_unit_names(unit));
}

static int check_bounds(const struct rule_setting *setting, const struct yaml_node *node,
                        double number, struct error *err)
{
    bool is_unbounded = setting->min == 0 && setting->max == 0;
    if (is_unbounded || (number >= setting->min && number <= setting->max))
        return 0;
    char low[TEXT_DOUBLE_MAX], high[TEXT_DOUBLE_MAX];
    int low_len = (int)text_from_double(low, setting->min);
    int high_len = (int)text_from_double(high, setting->max);
    return yaml_error(node, err, "%s must be between %.*s and %.*s%s%s", setting->name, low_len,
                      low, high_len, high,
                      setting->unit == RULE_UNIT_NONE ? "" : " in the first of ",
                      rule_unit_names(setting->unit));
}

static int read_number(const struct rule_setting *setting, const struct yaml_node *node,
                       double *out, struct error *err)
{
    if (rule_read_number(node, setting->name, setting->unit, out, err) != 0)
        return -1;
    return check_bounds(setting, node, *out, err);
}

static int read_integer(const struct rule_setting *setting, const struct yaml_node *node,
                        int64_t *out, struct error *err)
{
    if (yaml_to_int(node, setting->name, out, err) != 0)
        return -1;
    return check_bounds(setting, node, (double)*out, err);
}

/* ---- texts and files ---- */

static int read_text(const struct rule_setting *setting, const struct yaml_node *node,
                     struct bytes *out, struct error *err)
{
    size_t max = setting->bytes_max == 0 ? TEXT_MAX : setting->bytes_max;
    if (yaml_kind(node) != YAML_SCALAR || yaml_text(node).len == 0 || yaml_text(node).len > max)
        return yaml_error(node, err, "%s wants a text of 1-%zu bytes", setting->name, max);
    *out = yaml_text(node);
    return 0;
}

static int read_texts(const struct rule_setting *setting, const struct yaml_node *node,
                      struct rule_arena *arena, struct rule_texts *out, struct error *err)
{
    bool is_list = yaml_kind(node) == YAML_SEQUENCE;
    size_t count = is_list ? yaml_count(node) : 1;
    if (count == 0 || count > LIST_MAX)
        return yaml_error(node, err, "%s: between 1 and %d texts", setting->name, LIST_MAX);
    struct bytes *texts = rule_alloc(arena, count * sizeof *texts);
    if (texts == NULL)
        return no_memory(err);
    for (size_t i = 0; i < count; i++)
        if (read_text(setting, is_list ? yaml_item(node, i) : node, &texts[i], err) != 0)
            return -1;
    *out = (struct rule_texts){texts, count};
    return 0;
}

int rule_read_file(struct rule_build *build, const struct yaml_node *node, const char *what,
                   size_t bytes_max, struct bytes *out, struct error *err)
{
    if (yaml_kind(node) != YAML_SCALAR)
        return yaml_error(node, err, "%s wants the name of a file", what);
    struct error cause;
    uint64_t hash;
    if (rule_files_read(build->files, yaml_text(node), bytes_max, out, &hash, &cause) == 0) {
        if (build->rule != NULL)
            build->rule->fingerprint = build->rule->fingerprint * 31 + hash;
        return 0;
    }
    if (cause.kind == ERROR_MEMORY)
        return error_set(err, ERROR_MEMORY, "%s", cause.text);
    return yaml_error(node, err, "%s: %s", what, cause.text);
}

static int read_file(struct rule_build *build, const struct rule_setting *setting,
                     const struct yaml_node *node, struct rule_file *out, struct error *err)
{
    must(setting->bytes_max > 0);
    if (rule_read_file(build, node, setting->name, setting->bytes_max, &out->text, err) != 0)
        return -1;
    out->path = yaml_text(node);
    return 0;
}

static int read_condition(const struct yaml_node *node, struct rule_arena *arena,
                          const struct predicate **out, struct error *err)
{
    struct predicate *predicate = rule_alloc(arena, sizeof *predicate);
    if (predicate == NULL)
        return no_memory(err);
    *out = predicate;
    return predicate_compile(node, arena, predicate, err);
}

/* ---- a table ---- */

static int read_setting(struct rule_build *build, const struct rule_setting *setting,
                        const struct yaml_node *node, void *at, struct error *err)
{
    switch (setting->type) {
    case RULE_SETTING_FIELD:
        return field_compile(node, setting->name, at, err);
    case RULE_SETTING_FIELDS:
        return rule_read_fields(node, setting->name, build->arena, at, err);
    case RULE_SETTING_NUMBER:
        return read_number(setting, node, at, err);
    case RULE_SETTING_INTEGER:
        return read_integer(setting, node, at, err);
    case RULE_SETTING_BOOL:
        return yaml_to_bool(node, setting->name, at, err);
    case RULE_SETTING_DURATION:
        return yaml_to_duration_ns(node, setting->name, at, err);
    case RULE_SETTING_VALUES:
        return rule_read_values(node, setting->name, build->arena, at, err);
    case RULE_SETTING_CHOICE:
        return rule_read_choice(node, setting->name, setting->choices, at, err);
    case RULE_SETTING_TEXT:
        return read_text(setting, node, at, err);
    case RULE_SETTING_TEXTS:
        return read_texts(setting, node, build->arena, at, err);
    case RULE_SETTING_TEMPLATE:
        return rule_template_compile(node, setting->name, build->arena, at, err);
    case RULE_SETTING_FILE:
        return read_file(build, setting, node, at, err);
    case RULE_SETTING_CONDITION:
        return read_condition(node, build->arena, at, err);
    case RULE_SETTING_NODE:
        *(const struct yaml_node **)at = node;
        return 0;
    }
    return 0;
}

int rule_read_settings(struct rule_build *build, const struct yaml_node *node,
                       const struct rule_setting *settings, const char *what, void *out,
                       struct error *err)
{
    for (const struct rule_setting *s = settings; s->name != NULL; s++) {
        const struct yaml_node *value = yaml_get(node, s->name);
        if (value == NULL && s->is_required)
            return yaml_error(node, err, "%s needs \"%s\": %s", what, s->name, s->help);
        if (value != NULL && read_setting(build, s, value, (char *)out + s->offset, err) != 0)
            return -1;
    }
    return 0;
}
