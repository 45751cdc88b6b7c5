/* SPDX-License-Identifier: Apache-2.0 */
#include "tool/check.h"

#include <stdio.h>

#include "tool/options.h"
#include "tool/output.h"

static const struct command command = {
    .name = "check",
    .help = "Checks the configuration as every role would read it, and starts nothing.\n"
            "Exit code 0 when it is good, 78 with the first error when it is not.",
    .takes_config = true,
};

int check_tool(int argc, char **argv)
{
    struct options options;
    int code;
    if (!options_begin(&options, &command, argc, argv, &code))
        return code;
    struct config *config = NULL;
    struct error err = {0};
    code = options_load(&options, &config, &err) == 0 ? 0 : output_error(command.name, &err);
    if (code == 0)
        printf("%s: good\n", options.config_path == NULL ? "defaults" : options.config_path);
    config_unref(config);
    options_deinit(&options);
    return code;
}
