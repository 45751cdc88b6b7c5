/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker/config.h"
#include "tool/options.h"

static const char *format;
static bool is_json;

static const struct option own[] = {
    {.name = "format", .letter = 'f', .argument = "FORMAT", .text = &format, .help = "how"},
    {.name = "json", .flag = &is_json, .help = "as JSON"},
    {.name = "memory", .setting = "broker.kind", .argument = "KIND", .help = "a shorthand"},
};
static const struct command command = {
    .name = "demo",
    .arguments = "TOPIC [OFFSET]",
    .help = "Shows.",
    .options = own,
    .option_count = 3,
    .takes_config = true,
    .arguments_min = 1,
    .arguments_max = 2,
};

static enum options_verdict parse(struct options *options, struct error *err, int argc,
                                  const char *const *argv)
{
    format = NULL;
    is_json = false;
    return options_parse(options, &command, argc, (char **)(uintptr_t)argv, err);
}

#define PARSE(options, err, ...)                                                       \
    parse((options), (err),                                                            \
          (int)(sizeof((const char *[]){"demo", __VA_ARGS__}) / sizeof(const char *)), \
          (const char *[]){"demo", __VA_ARGS__, NULL})

static void test_options_and_arguments_in_any_order(void **state)
{
    (void)state;
    struct options options;
    struct error err;
    assert_int_equal(PARSE(&options, &err, "gpscoords", "-f", "csv", "--json", "--set",
                           "log.level=warn", "--config=a.yaml", "--", "--7"),
                     OPTIONS_OK);
    assert_string_equal(format, "csv");
    assert_true(is_json);
    assert_string_equal(options.config_path, "a.yaml");
    assert_int_equal(options.setting_count, 1);
    assert_string_equal(options.settings[0], "log.level=warn");
    assert_int_equal(options.argument_count, 2);
    assert_string_equal(options.arguments[0], "gpscoords");
    assert_string_equal(options.arguments[1], "--7");
    options_deinit(&options);
    options_deinit(&options);
}

static void refuse(const char *const *argv, int argc, const char *message)
{
    struct options options;
    struct error err = {0};
    assert_int_equal(parse(&options, &err, argc, argv), OPTIONS_WRONG);
    assert_int_equal(err.kind, ERROR_USAGE);
    if (strstr(err.text, message) == NULL)
        fail_msg("got \"%s\", want \"%s\"", err.text, message);
    options_deinit(&options);
}

static void test_wrong_command_lines(void **state)
{
    (void)state;
    refuse((const char *[]){"demo", NULL}, 1, "wants TOPIC [OFFSET]");
    refuse((const char *[]){"demo", "a", "b", "c", NULL}, 4, "too many arguments at \"c\"");
    refuse((const char *[]){"demo", "--formt", "x", NULL}, 3, "did you mean --format?");
    refuse((const char *[]){"demo", "--confg", "x", NULL}, 3, "did you mean --config?");
    refuse((const char *[]){"demo", "-x", NULL}, 2, "unknown option -x");
    refuse((const char *[]){"demo", "-format", "x", NULL}, 3, "unknown option -format");
    refuse((const char *[]){"demo", "--f", "x", NULL}, 3, "unknown option --f");
    refuse((const char *[]){"demo", "--format", NULL}, 2, "--format wants FORMAT");
    refuse((const char *[]){"demo", "--json=1", NULL}, 2, "--json takes no value");
    refuse((const char *[]){"demo", "--set", "x", NULL}, 3, "--set x: wants PATH=VALUE");
}

static void test_too_many_settings_are_refused(void **state)
{
    (void)state;
    const char *argv[2 * OPTIONS_SETTINGS_MAX + 4] = {"demo"};
    int argc = 1;
    for (int i = 0; i <= OPTIONS_SETTINGS_MAX; i++) {
        argv[argc++] = "--set";
        argv[argc++] = "a.b=c";
    }
    refuse(argv, argc, "more than 64 settings");
}

static void test_data_dir_reaches_every_module_that_has_one(void **state)
{
    (void)state;
    struct options options;
    struct error err;
    struct config *config;
    assert_int_equal(PARSE(&options, &err, "t", "--data", "/over", "--memory", "memory"),
                     OPTIONS_OK);
    assert_int_equal(options_load(&options, &config, &err), 0);
    const struct broker_config *broker = config_get(config, &broker_module);
    assert_string_equal(broker->data_dir, "/over");
    assert_int_equal(broker->kind, BROKER_MEMORY);
    config_unref(config);
    options_deinit(&options);
}

static void check_default(const char *want)
{
    struct options options;
    struct error err;
    struct config *config;
    assert_int_equal(PARSE(&options, &err, "t"), OPTIONS_OK);
    for (int i = 0; i < 2; i++) { /* a reload gives the same */
        assert_int_equal(options_load(&options, &config, &err), 0);
        const struct broker_config *broker = config_get(config, &broker_module);
        assert_string_equal(broker->data_dir, want);
        assert_string_equal(options.data_dir, want);
        config_unref(config);
    }
    options_deinit(&options);
}

static void test_default_data_dir(void **state)
{
    (void)state;
    setenv("HOME", "/home/a", 1);
    unsetenv("STATE_DIRECTORY");
    check_default("/home/a/.local/state/motorcade");
    setenv("STATE_DIRECTORY", "/var/lib/m:/var/lib/n", 1);
    check_default("/var/lib/m");
    unsetenv("STATE_DIRECTORY");
    unsetenv("HOME");
    struct options options;
    struct error err;
    struct config *config;
    assert_int_equal(PARSE(&options, &err, "t"), OPTIONS_OK);
    assert_int_equal(options_load(&options, &config, &err), -1);
    assert_int_equal(err.kind, ERROR_CONFIG);
    options_deinit(&options);
    setenv("HOME", "/home/a", 1);
}

static void test_help_lists_own_and_common_options(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 0);
    options_print_help(&command, &out);
    buf_append_char(&out, '\0');
    assert_non_null(strstr(out.ptr, "Usage: motorcade demo [OPTIONS] TOPIC [OFFSET]\n"));
    assert_non_null(strstr(out.ptr, "  -f, --format FORMAT     how\n"));
    assert_non_null(strstr(out.ptr, "      --set PATH=VALUE    one setting"));
    assert_non_null(strstr(out.ptr, "  -h, --help              this page\n"));
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options_and_arguments_in_any_order),
        cmocka_unit_test(test_wrong_command_lines),
        cmocka_unit_test(test_too_many_settings_are_refused),
        cmocka_unit_test(test_data_dir_reaches_every_module_that_has_one),
        cmocka_unit_test(test_default_data_dir),
        cmocka_unit_test(test_help_lists_own_and_common_options),
    };
    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
