/* SPDX-License-Identifier: Apache-2.0 */
#include "tool/print_config.h"

#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "handler/config.h"
#include "observe/metrics.h"
#include "tool/modules.h"
#include "tool/options.h"
#include "tool/output.h"
#include "vehicle/ruleset.h"

static const char *format;

static const struct option own_options[] = {
    {.name = "format",
     .letter = 'f',
     .argument = "FORMAT",
     .text = &format,
     .help =
         "yaml (default), example, schema (JSON Schema), reference, metrics or rules (Markdown)"},
};

static const struct command command = {
    .name = "print-config",
    .help = "Prints the configuration in force, each value with where it comes from, as YAML\n"
            "that -c reads back; secrets are masked. The other formats are pages made from the\n"
            "tables that the program itself reads its settings and metrics from.",
    .options = own_options,
    .option_count = 1,
    .takes_config = true,
};

/* What handler.rules leads to, as a comment: what is wrong with it is no mistake
 * of the configuration's, and `check` tells. */
static void print_ruleset(const struct config *config, struct buf *out)
{
    const struct handler_config *handler = config_get(config, &handler_module);
    struct ruleset *ruleset;
    struct error err;
    char took[TEXT_UNIT_MAX];
    int64_t begun_ns = clock_monotonic_ns();
    if (ruleset_load(&ruleset, handler->rules, &err) != 0) {
        buf_printf(out, "\n# ruleset: %s\n", err.text);
        return;
    }
    int64_t took_us = (clock_monotonic_ns() - begun_ns) / NS_PER_US;
    int took_len = (int)text_from_duration_ns(took, took_us * NS_PER_US);
    buf_printf(out, "\n# ruleset: %016llx, %zu categories, %zu rules, loaded in %.*s\n",
               (unsigned long long)ruleset_hash(ruleset), ruleset_category_count(ruleset),
               ruleset_rule_count(ruleset), took_len, took);
    ruleset_unref(ruleset);
}

static int print_yaml(struct options *options, struct buf *out, struct error *err)
{
    struct config *config;
    if (options_load(options, &config, err) != 0)
        return -1;
    config_print(config, out);
    print_ruleset(config, out);
    config_unref(config);
    return 0;
}

static int print_page(struct options *options, struct buf *out, struct error *err)
{
    if (format == NULL || strcmp(format, "yaml") == 0)
        return print_yaml(options, out, err);
    if (strcmp(format, "schema") == 0)
        config_print_json_schema(all_modules, out);
    else if (strcmp(format, "example") == 0)
        config_print_example(all_modules, out);
    else if (strcmp(format, "reference") == 0)
        config_print_reference(all_modules, out);
    else if (strcmp(format, "metrics") == 0)
        metrics_print_reference(out);
    else if (strcmp(format, "rules") == 0)
        ruleset_print_reference(out);
    else
        return error_set(err, ERROR_USAGE,
                         "--format %.40s: wants yaml, example, schema, reference, metrics or rules",
                         format);
    return 0;
}

int print_config_tool(int argc, char **argv)
{
    struct options options;
    int code;
    if (!options_begin(&options, &command, argc, argv, &code))
        return code;
    struct buf out;
    buf_init(&out, 0);
    struct error err = {0};
    if (print_page(&options, &out, &err) == 0) {
        code = output_take(&out);
    } else {
        code = output_error(command.name, &err);
        buf_deinit(&out);
    }
    options_deinit(&options);
    return code;
}
