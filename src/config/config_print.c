/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config_parts.h"

#include <string.h>

#include "base/text.h"

/* ---- groups: settings whose names share words before a dot ---- */

static bool is_below(const char *name, const char *prefix, size_t prefix_len)
{
    return strncmp(name, prefix, prefix_len) == 0;
}

/* Is setting i the first one of its group below the prefix? Tables need not
 * keep a group together; YAML and JSON must. */
static bool is_group_first(const struct config_module *module, size_t i, size_t prefix_len)
{
    const char *name = module->settings[i].name;
    size_t group_len = prefix_len + strcspn(name + prefix_len, ".") + 1;
    for (size_t k = 0; k < i; k++)
        if (is_below(module->settings[k].name, name, group_len))
            return false;
    return true;
}

/* What to do with each setting and around each group, at one level. */
struct visitor {
    void (*setting)(struct visitor *visitor, const struct config_module *module, size_t index,
                    const char *word, unsigned level, bool is_first);
    void (*group)(struct visitor *visitor, struct bytes word, unsigned level, bool is_first);
    void (*group_end)(struct visitor *visitor, unsigned level);
    struct buf *out;
    const void *context;
};

static void visit(struct visitor *visitor, const struct config_module *module, const char *prefix,
                  size_t prefix_len, unsigned level)
{
    bool is_first = true;
    for (size_t i = 0; i < module->setting_count; i++) {
        const char *name = module->settings[i].name;
        if (!is_below(name, prefix, prefix_len))
            continue;
        const char *word = name + prefix_len;
        size_t word_len = strcspn(word, ".");
        if (word[word_len] == '\0') {
            visitor->setting(visitor, module, i, word, level, is_first);
        } else if (is_group_first(module, i, prefix_len)) {
            visitor->group(visitor, bytes_of(word, word_len), level, is_first);
            visit(visitor, module, name, prefix_len + word_len + 1, level + 1);
            visitor->group_end(visitor, level);
        } else {
            continue;
        }
        is_first = false;
    }
}

static void indent(struct buf *out, unsigned level)
{
    buf_printf(out, "%*s", (int)(2 * level), "");
}

/* ---- YAML ---- */

static void print_origin(struct buf *out, const char *path, struct origin origin)
{
    switch (origin.kind) {
    case ORIGIN_DEFAULT:
        buf_append_text(out, "default");
        break;
    case ORIGIN_FILE:
        buf_printf(out, "%s:%u", path, origin.line);
        break;
    case ORIGIN_ENVIRONMENT:
        buf_append_text(out, "environment");
        break;
    case ORIGIN_OVERRIDE:
        buf_append_text(out, "--set");
        break;
    }
}

struct yaml_context {
    const struct config_part *part;
    const char *path; /* fit for a comment */
};

static void yaml_setting(struct visitor *visitor, const struct config_module *module, size_t index,
                         const char *word, unsigned level, bool is_first)
{
    (void)is_first;
    const struct yaml_context *context = visitor->context;
    indent(visitor->out, level);
    buf_printf(visitor->out, "%s: ", word);
    setting_print(&module->settings[index], context->part->memory, visitor->out);
    buf_append_text(visitor->out, "  # ");
    print_origin(visitor->out, context->path, context->part->origins[index]);
    buf_append_char(visitor->out, '\n');
}

static void yaml_group(struct visitor *visitor, struct bytes word, unsigned level, bool is_first)
{
    (void)is_first;
    indent(visitor->out, level);
    buf_printf(visitor->out, "%.*s:\n", (int)word.len, word.ptr);
}

static void yaml_group_end(struct visitor *visitor, unsigned level)
{
    (void)visitor;
    (void)level;
}

int config_print(const struct config *config, struct buf *out)
{
    struct buf path; /* a path may hold a line end; quoted it can't leave the comment */
    buf_init(&path, 0);
    buf_append_json(&path, bytes_from_text(config->path == NULL ? "" : config->path));
    buf_append_char(&path, '\0');
    if (path.has_failed)
        out->has_failed = true;
    for (size_t p = 0; p < config->part_count && !path.has_failed; p++) {
        const struct config_part *part = &config->parts[p];
        struct yaml_context context = {part, path.ptr};
        struct visitor visitor = {yaml_setting, yaml_group, yaml_group_end, out, &context};
        buf_printf(out, "%s:\n", part->module->name);
        visit(&visitor, part->module, "", 0, 1);
    }
    buf_deinit(&path);
    return out->has_failed ? -1 : 0;
}

/* ---- the example file ---- */

/* Comment lines of at most 100 columns. */
static void print_comment(struct buf *out, const char *text, unsigned level)
{
    enum { COLUMNS = 100 };
    size_t column = 0;
    while (*text != '\0') {
        size_t len = strcspn(text, " ");
        if (column != 0 && column + 1 + len > COLUMNS) {
            buf_append_char(out, '\n');
            column = 0;
        }
        if (column == 0) {
            indent(out, level);
            buf_append_char(out, '#');
            column = 2 * level + 1;
        }
        buf_printf(out, " %.*s", (int)len, text);
        column += 1 + len;
        text += len;
        text += strspn(text, " ");
    }
    buf_append_char(out, '\n');
}

static void example_setting(struct visitor *visitor, const struct config_module *module,
                            size_t index, const char *word, unsigned level, bool is_first)
{
    (void)is_first;
    const struct config_part *part = visitor->context;
    const struct setting *setting = &module->settings[index];
    print_comment(visitor->out, setting->help, level);
    indent(visitor->out, level);
    buf_printf(visitor->out, "#%s: ", word);
    setting_print(setting, part->memory, visitor->out);
    buf_append_char(visitor->out, '\n');
}

int config_print_example(const struct config_module *const *modules, struct buf *out)
{
    struct config *defaults;
    if (config_load(&defaults, modules, &(struct config_source){0}, NULL) != 0)
        return -1;
    for (size_t p = 0; p < defaults->part_count; p++) {
        const struct config_part *part = &defaults->parts[p];
        struct visitor visitor = {example_setting, yaml_group, yaml_group_end, out, part};
        buf_append_char(out, '\n');
        print_comment(out, part->module->help, 0);
        buf_printf(out, "%s:\n", part->module->name);
        visit(&visitor, part->module, "", 0, 1);
    }
    config_unref(defaults);
    return out->has_failed ? -1 : 0;
}

/* ---- the reference page ---- */

static void print_values(const struct setting *setting, struct buf *out)
{
    if (setting->type == SETTING_CHOICE) {
        for (size_t i = 0; setting->choices[i] != NULL; i++)
            buf_printf(out, "%s`%s`", i == 0 ? "" : ", ", setting->choices[i]);
        return;
    }
    buf_append_text(out, setting_type_name(setting->type));
    if (setting->min != 0 || setting->max != 0) {
        buf_append_text(out, " ");
        setting_print_range(setting, out);
    }
    if (setting->unit != NULL)
        buf_printf(out, ", %s", setting->unit);
}

static void print_reference_row(const struct config_module *module, const struct setting *setting,
                                struct buf *out)
{
    const char *text = setting->default_text;
    buf_printf(out, "| `%s.%s` | ", module->name, setting->name);
    print_values(setting, out);
    if (text[0] == '\0')
        buf_append_text(out, " | none | ");
    else
        buf_printf(out, " | `%s` | ", text);
    buf_append_text(out, setting->help);
    if (setting->is_secret)
        buf_append_text(out, " Secret: never printed; `@/path` reads it from a file.");
    if (setting->is_reloadable)
        buf_append_text(out, " Reloadable.");
    buf_append_text(out, " |\n");
}

int config_print_reference(const struct config_module *const *modules, struct buf *out)
{
    for (; *modules != NULL; modules++) {
        const struct config_module *module = *modules;
        buf_printf(out, "## %s\n\n%s", module->name, module->help);
        if (module->scalar != NULL)
            buf_printf(out, " `%s: value` is short for `%s: {%s: value}`.", module->name,
                       module->name, module->scalar);
        buf_printf(out, "\n\n| setting | value | default | meaning |\n|---|---|---|---|\n");
        for (size_t i = 0; i < module->setting_count; i++)
            print_reference_row(module, &module->settings[i], out);
        if (modules[1] != NULL)
            buf_append_char(out, '\n');
    }
    return out->has_failed ? -1 : 0;
}

/* ---- JSON Schema, draft 2020-12 ---- */

static void print_bounds(const struct setting *setting, struct buf *out)
{
    if (setting->min == 0 && setting->max == 0)
        return;
    buf_printf(out, ", \"minimum\": %lld, \"maximum\": %lld", (long long)setting->min,
               (long long)setting->max);
}

static void print_choices(const struct setting *setting, struct buf *out)
{
    buf_append_text(out, "\"enum\": [");
    for (size_t i = 0; setting->choices[i] != NULL; i++) {
        buf_append_text(out, i == 0 ? "" : ", ");
        buf_append_json(out, bytes_from_text(setting->choices[i]));
    }
    buf_append_char(out, ']');
}

/* What the parsers of base/text.h read. */
#define DURATION_PATTERN "^(0|[0-9]+(\\\\.[0-9]+)?[ \\\\t]*(ns|us|ms|s|m|h|d))$"
#define SIZE_PATTERN "^[0-9]+(\\\\.[0-9]+)?[ \\\\t]*(B|[kKMGT]|[KMGT]iB)?$"

static void print_schema_type(const struct setting *setting, struct buf *out)
{
    switch (setting->type) {
    case SETTING_BOOL:
        buf_append_text(out, "\"type\": \"boolean\"");
        break;
    case SETTING_INT:
        buf_append_text(out, "\"type\": \"integer\"");
        print_bounds(setting, out);
        break;
    case SETTING_DOUBLE:
        buf_append_text(out, "\"type\": \"number\"");
        print_bounds(setting, out);
        break;
    case SETTING_STRING:
        buf_append_text(out, "\"type\": \"string\"");
        break;
    case SETTING_DURATION: /* 0 is the one number without a unit */
        buf_append_text(out, "\"type\": [\"string\", \"integer\"], \"maximum\": 0, \"minimum\": 0, "
                             "\"pattern\": \"" DURATION_PATTERN "\"");
        break;
    case SETTING_SIZE:
        buf_append_text(out, "\"type\": [\"string\", \"integer\"]");
        print_bounds(setting, out);
        buf_append_text(out, ", \"pattern\": \"" SIZE_PATTERN "\"");
        break;
    case SETTING_CHOICE:
        print_choices(setting, out);
        break;
    case SETTING_LIST:
        buf_append_text(out, "\"type\": \"array\", \"items\": {\"type\": \"string\"}");
        break;
    }
}

static void open_member(struct buf *out, struct bytes word, unsigned level, bool is_first)
{
    buf_append_text(out, is_first ? "\n" : ",\n");
    indent(out, level);
    buf_append_json(out, word);
    buf_append_text(out, ": {");
}

static void schema_setting(struct visitor *visitor, const struct config_module *module,
                           size_t index, const char *word, unsigned level, bool is_first)
{
    const struct setting *setting = &module->settings[index];
    struct buf *out = visitor->out;
    open_member(out, bytes_from_text(word), level, is_first);
    print_schema_type(setting, out);
    buf_append_text(out, ", \"description\": ");
    buf_append_json(out, bytes_from_text(setting->help));
    if (setting->is_secret)
        buf_append_text(out, ", \"writeOnly\": true");
    buf_append_char(out, '}');
}

static void open_object(struct visitor *visitor, struct bytes word, unsigned level, bool is_first,
                        bool has_scalar)
{
    open_member(visitor->out, word, level, is_first);
    buf_printf(visitor->out,
               "\"type\": [\"object\", \"null\"%s], \"additionalProperties\": false, "
               "\"properties\": {",
               has_scalar ? ", \"string\"" : "");
}

static void schema_group(struct visitor *visitor, struct bytes word, unsigned level, bool is_first)
{
    open_object(visitor, word, level, is_first, false);
}

static void schema_group_end(struct visitor *visitor, unsigned level)
{
    buf_append_char(visitor->out, '\n');
    indent(visitor->out, level);
    buf_append_text(visitor->out, "}}");
}

int config_print_json_schema(const struct config_module *const *modules, struct buf *out)
{
    struct visitor visitor = {schema_setting, schema_group, schema_group_end, out, NULL};
    buf_append_text(out, "{\n  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n"
                         "  \"title\": \"motorcade configuration\",\n"
                         "  \"type\": \"object\", \"additionalProperties\": false,\n"
                         "  \"properties\": {");
    for (size_t m = 0; modules[m] != NULL; m++) {
        open_object(&visitor, bytes_from_text(modules[m]->name), 2, m == 0,
                    modules[m]->scalar != NULL);
        visit(&visitor, modules[m], "", 0, 3);
        schema_group_end(&visitor, 2);
    }
    buf_append_text(out, "\n  }\n}\n");
    return out->has_failed ? -1 : 0;
}
