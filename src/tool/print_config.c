/* SPDX-License-Identifier: Apache-2.0 */
#include "tool/print_config.h"

#include <string.h>

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

static int print_yaml(struct options *options, struct buf *out, struct error *err)
{
    struct config *config;
    if (options_load(options, &config, err) != 0)
        return -1;
    config_print(config, out);
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
