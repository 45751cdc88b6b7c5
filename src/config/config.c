/* SPDX-License-Identifier: Apache-2.0 */
/* Building a snapshot: four sources in order, each writing over the one before
 * and leaving its name as the setting's origin. Any error drops the whole. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "config/config_parts.h"
#include "config/yaml.h"

enum { NAMES_MAX = 256, NAME_MAX_BYTES = 128 };

/* Names to choose from, for «did you mean»; NULL-terminated. */
struct names {
    char texts[NAMES_MAX][NAME_MAX_BYTES];
    const char *list[NAMES_MAX + 1];
    size_t count;
};

static void names_add(struct names *names, struct bytes name)
{
    if (name.len >= NAME_MAX_BYTES || names->count == NAMES_MAX)
        return;
    char *text = names->texts[names->count];
    memcpy(text, name.ptr, name.len);
    text[name.len] = '\0';
    names->list[names->count++] = text;
    names->list[names->count] = NULL;
}

/* "; did you mean \"x\"?" or nothing. Uses `suggestion` as memory. */
static const char *hint(const struct names *names, const char *word, char *suggestion, size_t size)
{
    const char *nearest = names->count == 0 ? NULL : yaml_suggest(word, names->list);
    suggestion[0] = '\0';
    if (nearest != NULL)
        snprintf(suggestion, size, "; did you mean \"%s\"?", nearest);
    return suggestion;
}

/* ---- names ---- */

static void add_modules(struct names *names, const struct config *config)
{
    for (size_t p = 0; p < config->part_count; p++)
        names_add(names, bytes_from_text(config->parts[p].module->name));
}

/* The next word of each setting below `prefix` ("limits."). */
static void add_words(struct names *names, const struct config_module *module, const char *prefix)
{
    size_t prefix_len = strlen(prefix);
    for (size_t i = 0; i < module->setting_count; i++) {
        const char *name = module->settings[i].name;
        if (strncmp(name, prefix, prefix_len) == 0)
            names_add(names, bytes_of(name + prefix_len, strcspn(name + prefix_len, ".")));
    }
}

static struct config_part *find_part(const struct config *config, struct bytes name)
{
    for (size_t p = 0; p < config->part_count; p++)
        if (bytes_equal_text(name, config->parts[p].module->name))
            return &config->parts[p];
    return NULL;
}

/* Index of the setting, or setting_count. */
static size_t find_setting(const struct config_module *module, const char *name)
{
    size_t i = 0;
    while (i < module->setting_count && strcmp(module->settings[i].name, name) != 0)
        i++;
    return i;
}

static bool is_group(const struct config_module *module, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < module->setting_count; i++)
        if (strncmp(module->settings[i].name, name, len) == 0 &&
            module->settings[i].name[len] == '.')
            return true;
    return false;
}

/* ---- defaults ---- */

static int load_defaults(struct config *config)
{
    for (size_t p = 0; p < config->part_count; p++) {
        struct config_part *part = &config->parts[p];
        for (size_t i = 0; i < part->module->setting_count; i++) {
            const struct setting *setting = &part->module->settings[i];
            struct error err;
            if (setting_parse(setting, bytes_from_text(setting->default_text), part->memory,
                              &config->heap, &err) == 0)
                continue;
            if (err.kind == ERROR_MEMORY)
                return -1;
            fprintf(stderr, "%s.%s: %s\n", part->module->name, setting->name, err.text);
            must(!"a setting's default is valid");
        }
    }
    return 0;
}

/* ---- file ---- */

struct file_walk {
    struct config *config;
    struct config_part *part;
    struct error *err;
};

static int walk_mapping(struct file_walk *walk, const struct yaml_node *mapping,
                        const char *prefix);

static int load_sequence(struct file_walk *walk, const struct setting *setting,
                         const struct yaml_node *node, struct error *err)
{
    size_t count = yaml_count(node);
    struct bytes *items = calloc(count + 1, sizeof *items);
    if (items == NULL)
        return error_set(err, ERROR_MEMORY, "out of memory");
    int result = 0;
    for (size_t i = 0; i < count && result == 0; i++) {
        const struct yaml_node *item = yaml_item(node, i);
        if (yaml_kind(item) != YAML_SCALAR || yaml_is_null(item))
            result = error_set(err, ERROR_CONFIG, "wants text as element %zu", i + 1);
        else
            items[i] = yaml_text(item);
    }
    if (result == 0)
        result =
            setting_parse_list(setting, items, count, walk->part->memory, &walk->config->heap, err);
    free(items);
    return result;
}

static bool is_number(const struct setting *setting)
{
    return setting->type == SETTING_INT || setting->type == SETTING_DOUBLE ||
           setting->type == SETTING_BOOL;
}

/* A scalar or list, against the setting's type. The error has no place yet. */
static int load_node(struct file_walk *walk, const struct setting *setting,
                     const struct yaml_node *node, struct error *err)
{
    if (setting->type == SETTING_LIST) {
        if (yaml_kind(node) != YAML_SEQUENCE)
            return error_set(err, ERROR_CONFIG, "wants a list: [a, b]");
        return load_sequence(walk, setting, node, err);
    }
    if (yaml_kind(node) != YAML_SCALAR)
        return error_set(err, ERROR_CONFIG, "wants %s, got a %s", setting_type_name(setting->type),
                         yaml_kind(node) == YAML_MAPPING ? "mapping" : "list");
    if (yaml_is_null(node))
        return error_set(err, ERROR_CONFIG, "has no value; leave the line out for the default%s",
                         setting->type == SETTING_STRING ? ", or write \"\" for none" : "");
    if (is_number(setting) && yaml_is_quoted(node))
        return error_set(err, ERROR_CONFIG, "wants %s, got text in quotes: \"%.80s\"",
                         setting_type_name(setting->type), yaml_text(node).ptr);
    return setting_parse(setting, yaml_text(node), walk->part->memory, &walk->config->heap, err);
}

static int load_value(struct file_walk *walk, size_t index, const struct yaml_node *node)
{
    const struct config_module *module = walk->part->module;
    const struct setting *setting = &module->settings[index];
    struct error inner;
    if (load_node(walk, setting, node, &inner) != 0)
        return yaml_error(node, walk->err, "%s.%s %s", module->name, setting->name, inner.text);
    /* A value stands in one line as a rule; where it begins is what one looks for. */
    walk->part->origins[index] = (struct origin){ORIGIN_FILE, yaml_line(node)};
    return 0;
}

static int fail_unknown(struct file_walk *walk, const struct yaml_node *key, const char *prefix)
{
    struct names *names = calloc(1, sizeof *names);
    if (names == NULL)
        return error_set(walk->err, ERROR_MEMORY, "out of memory");
    const char *where = walk->part == NULL ? "" : walk->part->module->name;
    if (walk->part == NULL)
        add_modules(names, walk->config);
    else
        add_words(names, walk->part->module, prefix);
    char suggestion[NAME_MAX_BYTES + 32];
    hint(names, yaml_text(key).ptr, suggestion, sizeof suggestion);
    free(names);
    return yaml_error(key, walk->err, "unknown setting \"%s%s%s%.80s\"%s", where,
                      walk->part == NULL ? "" : ".", prefix, yaml_text(key).ptr, suggestion);
}

static int walk_group(struct file_walk *walk, const struct yaml_node *node, const char *name)
{
    char prefix[NAME_MAX_BYTES + 1];
    snprintf(prefix, sizeof prefix, "%s.", name);
    return walk_mapping(walk, node, prefix);
}

static int walk_pair(struct file_walk *walk, const struct yaml_node *key,
                     const struct yaml_node *value, const char *prefix)
{
    char name[NAME_MAX_BYTES];
    int len = snprintf(name, sizeof name, "%s%s", prefix, yaml_text(key).ptr);
    /* A dot belongs between levels: "limits.x: 1" as one key is not a setting. */
    if (len >= (int)sizeof name || strchr(yaml_text(key).ptr, '.') != NULL)
        return fail_unknown(walk, key, prefix);
    size_t index = find_setting(walk->part->module, name);
    if (index < walk->part->module->setting_count)
        return load_value(walk, index, value);
    if (is_group(walk->part->module, name))
        return walk_group(walk, value, name);
    return fail_unknown(walk, key, prefix);
}

static int walk_mapping(struct file_walk *walk, const struct yaml_node *mapping, const char *prefix)
{
    if (yaml_is_null(mapping)) /* a heading whose settings are all commented out */
        return 0;
    if (yaml_kind(mapping) != YAML_MAPPING)
        return yaml_error(mapping, walk->err, "%s%s%s wants settings below it (name: value)",
                          walk->part->module->name, prefix[0] != '\0' ? "." : "", prefix);
    for (size_t i = 0; i < yaml_count(mapping); i++)
        if (walk_pair(walk, yaml_key(mapping, i), yaml_value(mapping, i), prefix) != 0)
            return -1;
    return 0;
}

/* What stands below a module's name: its settings, or the one in short. */
static int walk_module(struct file_walk *walk, const struct yaml_node *node)
{
    const struct config_module *module = walk->part->module;
    if (module->scalar != NULL && yaml_kind(node) == YAML_SCALAR && !yaml_is_null(node))
        return load_value(walk, find_setting(module, module->scalar), node);
    return walk_mapping(walk, node, "");
}

static int walk_root(struct config *config, const struct yaml_node *root, struct error *err)
{
    struct file_walk walk = {.config = config, .err = err};
    if (yaml_kind(root) != YAML_MAPPING)
        return yaml_error(root, err, "wants a mapping of modules (gateway: …)");
    for (size_t i = 0; i < yaml_count(root); i++) {
        const struct yaml_node *key = yaml_key(root, i);
        walk.part = find_part(config, yaml_text(key));
        if (walk.part == NULL)
            return fail_unknown(&walk, key, "");
        if (walk_module(&walk, yaml_value(root, i)) != 0)
            return -1;
    }
    return 0;
}

static int load_file(struct config *config, const char *path, struct error *err)
{
    if (path == NULL)
        return 0;
    struct yaml_document *document;
    if (yaml_load_file(&document, path, err) != 0)
        return -1;
    config->path = strdup(path);
    int result = config->path == NULL ? error_set(err, ERROR_MEMORY, "out of memory")
                                      : walk_root(config, yaml_root(document), err);
    yaml_unload(document);
    return result;
}

/* ---- environment and --set ---- */

static int fail_name(const struct config *config, const struct config_part *part,
                     const char *source, const char *name, const char *word, struct error *err)
{
    struct names *names = calloc(1, sizeof *names);
    if (names == NULL)
        return error_set(err, ERROR_MEMORY, "out of memory");
    if (part == NULL)
        add_modules(names, config);
    else
        for (size_t i = 0; i < part->module->setting_count; i++)
            names_add(names, bytes_from_text(part->module->settings[i].name));
    char suggestion[NAME_MAX_BYTES + 32];
    hint(names, word, suggestion, sizeof suggestion);
    free(names);
    return error_set(err, ERROR_CONFIG, "%s: unknown setting \"%s\"%s", source, name, suggestion);
}

/* `name` is "module.setting", or "module" where that is short for one. */
static int load_named(struct config *config, const char *source, const char *name,
                      const char *value, enum origin_kind kind, struct error *err)
{
    size_t module_len = strcspn(name, ".");
    char module_name[NAME_MAX_BYTES];
    snprintf(module_name, sizeof module_name, "%.*s", (int)module_len, name);
    struct config_part *part = find_part(config, bytes_of(name, module_len));
    if (part == NULL)
        return fail_name(config, NULL, source, name, module_name, err);
    const char *rest = name[module_len] == '.' ? name + module_len + 1 : part->module->scalar;
    rest = rest != NULL ? rest : "";
    size_t index = find_setting(part->module, rest);
    if (index == part->module->setting_count)
        return fail_name(config, part, source, name, rest, err);
    if (setting_parse(&part->module->settings[index], bytes_from_text(value), part->memory,
                      &config->heap, err) != 0)
        return error_prefix(err, "%s", source);
    part->origins[index] = (struct origin){kind, 0};
    return 0;
}

/* GATEWAY__LIMITS__HEADER_BYTES becomes gateway.limits.header_bytes. */
static void name_from_variable(struct bytes variable, char *name)
{
    size_t n = 0;
    for (size_t i = 0; i < variable.len; i++) {
        char c = variable.ptr[i];
        bool is_dot = c == '_' && i + 1 < variable.len && variable.ptr[i + 1] == '_';
        if (is_dot)
            i++;
        name[n++] = (char)(is_dot ? '.' : c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
    name[n] = '\0';
}

static int load_variable(struct config *config, const char *entry, struct error *err)
{
    static const char prefix[] = "MOTORCADE_";
    const char *equals = strchr(entry, '=');
    if (equals == NULL || strncmp(entry, prefix, sizeof prefix - 1) != 0)
        return 0;
    struct bytes variable =
        bytes_of(entry + sizeof prefix - 1, (size_t)(equals - entry) - (sizeof prefix - 1));
    /* Others own names of this prefix, too (Kubernetes makes MOTORCADE_PORT for
     * a service); two underscores make it ours. */
    if (variable.len >= NAME_MAX_BYTES || memmem(variable.ptr, variable.len, "__", 2) == NULL)
        return 0;
    char name[NAME_MAX_BYTES];
    name_from_variable(variable, name);
    char source[NAME_MAX_BYTES + 32];
    snprintf(source, sizeof source, "environment %.*s", (int)(equals - entry), entry);
    return load_named(config, source, name, equals + 1, ORIGIN_ENVIRONMENT, err);
}

static int load_environment(struct config *config, char *const *environment, struct error *err)
{
    for (; environment != NULL && *environment != NULL; environment++)
        if (load_variable(config, *environment, err) != 0)
            return -1;
    return 0;
}

static int load_override(struct config *config, const char *text, enum origin_kind kind,
                         struct error *err)
{
    size_t len = strcspn(text, "=");
    char name[NAME_MAX_BYTES];
    if (text[len] != '=' || len >= sizeof name)
        return error_set(err, ERROR_CONFIG, "--set %.100s: wants module.name=value", text);
    memcpy(name, text, len);
    name[len] = '\0';
    char source[NAME_MAX_BYTES + 16];
    snprintf(source, sizeof source, "%s %s", kind == ORIGIN_DEFAULT ? "default of" : "--set", name);
    return load_named(config, source, name, text + len + 1, kind, err);
}

static int load_overrides(struct config *config, const char *const *texts, size_t count,
                          enum origin_kind kind, struct error *err)
{
    for (size_t i = 0; i < count; i++)
        if (load_override(config, texts[i], kind, err) != 0)
            return -1;
    return 0;
}

/* ---- the snapshot ---- */

static void config_free(struct config *config)
{
    for (size_t p = 0; p < config->part_count; p++) {
        free(config->parts[p].memory);
        free(config->parts[p].origins);
    }
    setting_heap_deinit(&config->heap);
    free(config->parts);
    free(config->path);
    free(config);
}

static bool make_parts(struct config *config, const struct config_module *const *modules)
{
    size_t count = 0;
    while (modules[count] != NULL)
        count++;
    config->parts = calloc(count + 1, sizeof *config->parts);
    if (config->parts == NULL)
        return false;
    for (; config->part_count < count; config->part_count++) {
        struct config_part *part = &config->parts[config->part_count];
        part->module = modules[config->part_count];
        part->memory = calloc(1, part->module->size);
        part->origins = calloc(part->module->setting_count + 1, sizeof *part->origins);
        if (part->memory == NULL || part->origins == NULL) {
            config->part_count++; /* so that config_free sees the half-made one */
            return false;
        }
    }
    return true;
}

static int check_modules(const struct config *config, struct error *err)
{
    for (size_t p = 0; p < config->part_count; p++) {
        const struct config_part *part = &config->parts[p];
        if (part->module->check != NULL && part->module->check(part->memory, err) != 0) {
            if (err != NULL)
                err->kind = ERROR_CONFIG;
            return error_prefix(err, "%s", part->module->name);
        }
    }
    return 0;
}

static int load_sources(struct config *config, const struct config_source *source,
                        struct error *err)
{
    if (load_overrides(config, source->defaults, source->default_count, ORIGIN_DEFAULT, err) != 0 ||
        load_file(config, source->path, err) != 0 ||
        load_environment(config, source->environment, err) != 0 ||
        load_overrides(config, source->overrides, source->override_count, ORIGIN_OVERRIDE, err) !=
            0)
        return -1;
    return check_modules(config, err);
}

int config_load(struct config **out, const struct config_module *const *modules,
                const struct config_source *source, struct error *err)
{
    struct config *config = calloc(1, sizeof *config);
    if (config == NULL)
        return error_set(err, ERROR_MEMORY, "out of memory");
    config->references = 1;
    if (!make_parts(config, modules) || load_defaults(config) != 0) {
        config_free(config);
        return error_set(err, ERROR_MEMORY, "out of memory");
    }
    if (load_sources(config, source, err) != 0) {
        config_free(config);
        return -1;
    }
    *out = config;
    return 0;
}

struct config *config_ref(struct config *config)
{
    atomic_fetch_add_explicit(&config->references, 1, memory_order_relaxed);
    return config;
}

void config_unref(struct config *config)
{
    if (config == NULL)
        return;
    if (atomic_fetch_sub_explicit(&config->references, 1, memory_order_acq_rel) == 1)
        config_free(config);
}

const void *config_get(const struct config *config, const struct config_module *module)
{
    for (size_t p = 0; p < config->part_count; p++)
        if (config->parts[p].module == module)
            return config->parts[p].memory;
    must(!"the module is one of those loaded");
    return NULL;
}
