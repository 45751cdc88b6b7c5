/* SPDX-License-Identifier: Apache-2.0 */
#include "tool/options.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/must.h"
#include "config/yaml.h"
#include "tool/data_dir.h"
#include "tool/modules.h"
#include "tool/output.h"

enum { NAMES_MAX = 64 };

/* The options that every command with a configuration has. */
enum common { COMMON_CONFIG, COMMON_SET, COMMON_DATA, COMMON_COUNT };

static const struct option common_options[COMMON_COUNT] = {
    [COMMON_CONFIG] = {.name = "config",
                       .letter = 'c',
                       .argument = "FILE",
                       .help = "the configuration, YAML; else $MOTORCADE_CONFIG, else defaults"},
    [COMMON_SET] = {.name = "set",
                    .argument = "PATH=VALUE",
                    .help = "one setting, over file and environment: gateway.listen=:30000"},
    [COMMON_DATA] = {.name = "data",
                     .argument = "DIR",
                     .help = "the data folder; else $STATE_DIRECTORY, else "
                             "~/.local/state/motorcade"},
};
static const struct option help_option = {.name = "help", .letter = 'h', .help = "this page"};

/* ---- settings gathered ---- */

static int add_setting(struct options *options, struct error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int add_setting(struct options *options, struct error *err, const char *format, ...)
{
    if (options->setting_count == OPTIONS_SETTINGS_MAX)
        return error_set(err, ERROR_USAGE, "more than %d settings", OPTIONS_SETTINGS_MAX);
    va_list args;
    va_start(args, format);
    int len = vasprintf(&options->settings[options->setting_count], format, args);
    va_end(args);
    if (len < 0)
        return error_set(err, ERROR_MEMORY, "out of memory");
    options->setting_count++;
    return 0;
}

static bool has_setting(const struct config_module *module, const char *name)
{
    for (size_t i = 0; i < module->setting_count; i++)
        if (strcmp(module->settings[i].name, name) == 0)
            return true;
    return false;
}

static int add_data_dir(struct options *options, const char *value, struct error *err)
{
    options->data_dir = value;
    options->has_data_dir = true;
    for (size_t m = 0; all_modules[m] != NULL; m++)
        if (has_setting(all_modules[m], "data_dir") &&
            add_setting(options, err, "%s.data_dir=%s", all_modules[m]->name, value) != 0)
            return -1;
    return 0;
}

/* ---- parsing ---- */

static const struct option *find_option(const struct option *table, size_t count, struct bytes name)
{
    for (size_t i = 0; i < count; i++) {
        bool is_letter = name.len == 1 && table[i].letter != 0 && name.ptr[0] == table[i].letter;
        if (is_letter || (name.len > 1 && bytes_equal_text(name, table[i].name)))
            return &table[i];
    }
    return NULL;
}

static const struct option *find_any(const struct command *command, struct bytes name)
{
    const struct option *option = find_option(command->options, command->option_count, name);
    if (option == NULL && command->takes_config)
        option = find_option(common_options, COMMON_COUNT, name);
    return option != NULL ? option : find_option(&help_option, 1, name);
}

static int fail_unknown(const struct command *command, const char *given, struct bytes name,
                        struct error *err)
{
    const char *names[NAMES_MAX + COMMON_COUNT + 2];
    size_t count = 0;
    for (size_t i = 0; i < command->option_count && i < NAMES_MAX; i++)
        names[count++] = command->options[i].name;
    for (size_t i = 0; command->takes_config && i < COMMON_COUNT; i++)
        names[count++] = common_options[i].name;
    names[count++] = help_option.name;
    names[count] = NULL;
    char word[64];
    snprintf(word, sizeof word, "%.*s", (int)name.len, name.ptr);
    const char *nearest = name.len > 1 ? yaml_suggest(word, names) : NULL;
    if (nearest == NULL)
        return error_set(err, ERROR_USAGE, "unknown option %.80s", given);
    return error_set(err, ERROR_USAGE, "unknown option %.80s; did you mean --%s?", given, nearest);
}

static int apply_common(struct options *options, enum common which, const char *value,
                        struct error *err)
{
    switch (which) {
    case COMMON_CONFIG:
        options->config_path = value;
        return 0;
    case COMMON_SET:
        if (strchr(value, '=') == NULL)
            return error_set(err, ERROR_USAGE, "--set %.80s: wants PATH=VALUE", value);
        return add_setting(options, err, "%s", value);
    case COMMON_DATA:
        return add_data_dir(options, value, err);
    case COMMON_COUNT:
        break;
    }
    return -1;
}

static int apply(struct options *options, const struct option *option, const char *value,
                 struct error *err)
{
    if (option >= common_options && option < common_options + COMMON_COUNT)
        return apply_common(options, (enum common)(option - common_options), value, err);
    if (option->flag != NULL)
        *option->flag = true;
    if (option->text != NULL)
        *option->text = value;
    if (option->setting != NULL)
        return add_setting(options, err, "%s=%s", option->setting,
                           option->argument == NULL ? "true" : value);
    return 0;
}

/* "--name=value" → name and value; "-c" → c. */
static struct bytes option_name(const char *text, const char **value)
{
    *value = NULL;
    if (text[1] != '-')
        return bytes_from_text(text + 1);
    size_t len = strcspn(text + 2, "=");
    if (text[2 + len] == '=')
        *value = text + 2 + len + 1;
    return bytes_of(text + 2, len);
}

static enum options_verdict take_option(struct options *options, const struct command *command,
                                        int *at, int argc, char **argv, struct error *err)
{
    const char *given = argv[*at];
    const char *value;
    struct bytes name = option_name(given, &value);
    const struct option *option = find_any(command, name);
    /* A long name after one dash, or one letter after two, is neither. */
    if (option == NULL || (given[1] == '-') != (name.len > 1)) {
        fail_unknown(command, given, name, err);
        return OPTIONS_WRONG;
    }
    if (option == &help_option)
        return OPTIONS_HELP;
    if (option->argument == NULL && value != NULL) {
        error_set(err, ERROR_USAGE, "--%s takes no value", option->name);
        return OPTIONS_WRONG;
    }
    if (option->argument != NULL && value == NULL && *at + 1 < argc)
        value = argv[++*at];
    if (option->argument != NULL && value == NULL) {
        error_set(err, ERROR_USAGE, "--%s wants %s", option->name, option->argument);
        return OPTIONS_WRONG;
    }
    return apply(options, option, value, err) == 0 ? OPTIONS_OK : OPTIONS_WRONG;
}

static int take_argument(struct options *options, const struct command *command, const char *text,
                         struct error *err)
{
    if (options->argument_count == command->arguments_max)
        return error_set(err, ERROR_USAGE, "too many arguments at \"%.80s\"", text);
    options->arguments[options->argument_count++] = text;
    return 0;
}

static enum options_verdict take_all(struct options *options, const struct command *command,
                                     int argc, char **argv, struct error *err)
{
    bool is_options = true;
    for (int i = 1; i < argc; i++) {
        if (is_options && strcmp(argv[i], "--") == 0) {
            is_options = false;
        } else if (is_options && argv[i][0] == '-' && argv[i][1] != '\0') {
            enum options_verdict verdict = take_option(options, command, &i, argc, argv, err);
            if (verdict != OPTIONS_OK)
                return verdict;
        } else if (take_argument(options, command, argv[i], err) != 0) {
            return OPTIONS_WRONG;
        }
    }
    if (options->argument_count >= command->arguments_min)
        return OPTIONS_OK;
    error_set(err, ERROR_USAGE, "wants %s", command->arguments);
    return OPTIONS_WRONG;
}

enum options_verdict options_parse(struct options *options, const struct command *command, int argc,
                                   char **argv, struct error *err)
{
    must(command->arguments_max <= OPTIONS_ARGUMENTS_MAX);
    *options = (struct options){.data_dir = ""};
    if (command->takes_config)
        options->config_path = getenv("MOTORCADE_CONFIG");
    enum options_verdict verdict = take_all(options, command, argc, argv, err);
    if (verdict == OPTIONS_HELP) {
        struct buf out;
        buf_init(&out, 0);
        options_print_help(command, &out);
        output_take(&out);
    }
    return verdict;
}

void options_deinit(struct options *options)
{
    while (options->setting_count > 0)
        free(options->settings[--options->setting_count]);
}

bool options_begin(struct options *options, const struct command *command, int argc, char **argv,
                   int *code)
{
    struct error err = {0};
    enum options_verdict verdict = options_parse(options, command, argc, argv, &err);
    if (verdict == OPTIONS_OK)
        return true;
    *code = verdict == OPTIONS_HELP ? 0 : output_error(command->name, &err);
    options_deinit(options);
    return false;
}

/* ---- help ---- */

static void print_option(const struct option *option, struct buf *out)
{
    enum { HELP_COLUMN = 26 };
    size_t start = out->len;
    if (option->letter != 0)
        buf_printf(out, "  -%c, --%s", option->letter, option->name);
    else
        buf_printf(out, "      --%s", option->name);
    if (option->argument != NULL)
        buf_printf(out, " %s", option->argument);
    size_t used = out->len - start;
    if (used + 2 > HELP_COLUMN)
        buf_printf(out, "\n%*s%s\n", HELP_COLUMN, "", option->help);
    else
        buf_printf(out, "%*s%s\n", HELP_COLUMN - (int)used, "", option->help);
}

void options_print_help(const struct command *command, struct buf *out)
{
    const char *arguments = command->arguments == NULL ? "" : command->arguments;
    buf_printf(out, "Usage: motorcade %s [OPTIONS]%s%s\n\n%s\n\nOptions:\n", command->name,
               arguments[0] != '\0' ? " " : "", arguments, command->help);
    for (size_t i = 0; i < command->option_count; i++)
        print_option(&command->options[i], out);
    for (size_t i = 0; command->takes_config && i < COMMON_COUNT; i++)
        print_option(&common_options[i], out);
    print_option(&help_option, out);
}

/* ---- loading ---- */

/* "module.data_dir=DIR" for each module that has one: weaker than the file. */
static size_t make_defaults(const struct options *options, char **texts, size_t max)
{
    size_t count = 0;
    for (size_t m = 0; all_modules[m] != NULL && count < max; m++) {
        if (!has_setting(all_modules[m], "data_dir"))
            continue;
        if (asprintf(&texts[count], "%s.data_dir=%s", all_modules[m]->name,
                     options->default_data_dir) >= 0)
            count++;
    }
    return count;
}

int options_load(struct options *options, struct config **out, struct error *err)
{
    enum { DEFAULTS_MAX = 16 };
    char *defaults[DEFAULTS_MAX];
    size_t default_count = 0;
    if (!options->has_data_dir) {
        if (data_dir_default(options->default_data_dir, sizeof options->default_data_dir, err) != 0)
            return -1;
        options->data_dir = options->default_data_dir;
        default_count = make_defaults(options, defaults, DEFAULTS_MAX);
    }
    const struct config_source source = {
        .path = options->config_path,
        .overrides = (const char *const *)options->settings,
        .override_count = options->setting_count,
        .defaults = (const char *const *)defaults,
        .default_count = default_count,
        .environment = environ,
    };
    int result = config_load(out, all_modules, &source, err);
    while (default_count > 0)
        free(defaults[--default_count]);
    if (result != 0)
        return -1;
    log_apply(config_get(*out, &log_module));
    return 0;
}
