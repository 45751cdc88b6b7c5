/* SPDX-License-Identifier: Apache-2.0 */
#include "tool/check.h"

#include <stdio.h>

#include "base/clock.h"
#include "handler/config.h"
#include "net/certificates.h"
#include "store/config.h"
#include "tool/certificate_files.h"
#include "tool/options.h"
#include "tool/output.h"
#include "vehicle/ruleset.h"
#include "vehicle/transform/shape.h"

static const struct command command = {
    .name = "check",
    .help = "Checks the configuration and the ruleset as every role would read them, and starts\n"
            "nothing.\n"
            "Exit code 0 when it is good, 78 with the first error when it is not. A certificate\n"
            "that ends within 21 days, has ended or can't be read is a warning.",
    .takes_config = true,
};

static int check_shape(const struct config *config, const struct ruleset *ruleset,
                       struct error *err)
{
    const struct store_settings *store = config_get(config, &store_module);
    struct shape *shape;
    if (store->transform[0] == '\0')
        return 0;
    if (shape_load(&shape, store->transform, err) != 0)
        return -1;
    int result = shape_check_categories(shape, ruleset, err);
    shape_free(shape);
    return result;
}

/* The ruleset and the store's transforms are part of what the roles read. */
static int check_rules(const struct config *config, struct error *err)
{
    const struct handler_config *handler = config_get(config, &handler_module);
    struct ruleset *ruleset;
    if (ruleset_load(&ruleset, handler->rules, err) != 0)
        return -1;
    int result = check_shape(config, ruleset, err);
    ruleset_unref(ruleset);
    return result;
}

static void warn_of_certificate(void *context, const char *use, const char *path)
{
    (void)context;
    struct certificate_report report;
    char text[CERTIFICATE_TEXT_MAX];
    int64_t now_s = clock_wall_ns() / NS_PER_S;
    certificate_report_file(path, now_s, &report);
    if (report.state == CERTIFICATE_GOOD)
        return;
    certificate_report_text(&report, now_s, text);
    fprintf(stderr, "motorcade %s: warning: certificate %s (%s) %s\n", command.name, path, use,
            text);
}

int check_tool(int argc, char **argv)
{
    struct options options;
    int code;
    if (!options_begin(&options, &command, argc, argv, &code))
        return code;
    struct config *config = NULL;
    struct error err = {0};
    bool is_good = options_load(&options, &config, &err) == 0 && check_rules(config, &err) == 0;
    code = is_good ? 0 : output_error(command.name, &err);
    if (code == 0)
        certificate_files(config, true, warn_of_certificate, NULL);
    if (code == 0)
        printf("%s: good\n", options.config_path == NULL ? "defaults" : options.config_path);
    config_unref(config);
    options_deinit(&options);
    return code;
}
