/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/buf.h"
#include "base/text.h"
#include "config/config.h"

struct demo_config {
    bool is_on;
    int64_t port;
    double ratio;
    const char *listen;
    int64_t wait_ns;
    int64_t header_bytes;
    int kind;
    struct setting_list names;
    const char *password;
    int64_t free_number;
    int64_t body_bytes;
};

#define AT(member) offsetof(struct demo_config, member)

static const char *const kinds[] = {"journal", "memory", NULL};
static const struct setting demo_settings[] = {
    {"is_on", SETTING_BOOL, AT(is_on), "true", .help = "On."},
    {"port", SETTING_INT, AT(port), "80", 1, 65535, .help = "Port."},
    {"ratio", SETTING_DOUBLE, AT(ratio), "0.5", 0, 1, .help = "Ratio."},
    {"listen", SETTING_STRING, AT(listen), "127.0.0.1:0", .help = "Where."},
    {"wait", SETTING_DURATION, AT(wait_ns), "1500ms", 0, 3600000000000, .help = "Wait."},
    {"limits.header_bytes", SETTING_SIZE, AT(header_bytes), "16KiB", 1, 1 << 30, .help = "Head."},
    {"kind", SETTING_CHOICE, AT(kind), "journal", .choices = kinds, .help = "Kind."},
    {"names", SETTING_LIST, AT(names), "a, b", .help = "Names."},
    {"password", SETTING_STRING, AT(password), "", .is_secret = true, .help = "Secret."},
    {"free_number", SETTING_INT, AT(free_number), "0", .unit = "packets", .help = "Any."},
    {"limits.body_bytes", SETTING_SIZE, AT(body_bytes), "1MiB", 1, 1 << 30, .help = "Body."},
};
static const struct config_module demo_module = {
    "demo", "A module.", demo_settings, SETTING_COUNT(demo_settings), sizeof(struct demo_config)};

struct other_config {
    bool is_on;
};
static const struct setting other_settings[] = {
    {"is_on", SETTING_BOOL, offsetof(struct other_config, is_on), "false", .help = "On."},
};
static const struct config_module other_module = {"other", "Another.", other_settings, 1,
                                                  sizeof(struct other_config)};

static const struct config_module *const modules[] = {&demo_module, &other_module, NULL};

static char path[] = "/tmp/test_config.XXXXXX";

static int make_file(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    close(fd);
    return fd < 0;
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

static void write_file(const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static const struct demo_config *demo(const struct config *config)
{
    return config_get(config, &demo_module);
}

static struct config *load_with(const char *text, char *const *environment,
                                const char *const *overrides, size_t count)
{
    struct config *config;
    struct error err = {0};
    if (text != NULL)
        write_file(text);
    const struct config_source source = {text == NULL ? NULL : path, overrides, count, environment};
    if (config_load(&config, modules, &source, &err) != 0)
        fail_msg("%s", err.text);
    return config;
}

static void check_refused(const struct config_source *source, const char *message)
{
    struct config *config;
    struct error err = {0};
    assert_int_equal(config_load(&config, modules, source, &err), -1);
    assert_int_equal(err.kind, ERROR_CONFIG);
    if (strstr(err.text, message) == NULL)
        fail_msg("got \"%s\", want \"%s\"", err.text, message);
}

static void refuse_file(const char *text, const char *message)
{
    write_file(text);
    check_refused(&(struct config_source){.path = path}, message);
}

static void refuse_override(const char *text, const char *message)
{
    check_refused(&(struct config_source){.overrides = &text, .override_count = 1}, message);
}

static void refuse_variable(char *text, const char *message)
{
    char *const environment[] = {text, NULL};
    check_refused(&(struct config_source){.environment = environment}, message);
}

static void test_defaults(void **state)
{
    (void)state;
    struct config *config = load_with(NULL, NULL, NULL, 0);
    const struct demo_config *d = demo(config);
    assert_true(d->is_on);
    assert_int_equal(d->port, 80);
    assert_true(d->ratio == 0.5);
    assert_string_equal(d->listen, "127.0.0.1:0");
    assert_int_equal(d->wait_ns, 1500000000);
    assert_int_equal(d->header_bytes, 16384);
    assert_int_equal(d->kind, 0);
    assert_int_equal(d->names.count, 2);
    assert_string_equal(d->names.items[1], "b");
    assert_string_equal(d->password, "");
    config_unref(config);
}

static void test_file_sets_every_type(void **state)
{
    (void)state;
    struct config *config =
        load_with("demo:\n  is_on: false\n  port: 9092\n  ratio: 1\n  listen: \":30000\"\n"
                  "  wait: 2m\n  limits:\n    header_bytes: 1k\n  kind: memory\n"
                  "  names: [x, \"y, z\"]\nother:\n",
                  NULL, NULL, 0);
    const struct demo_config *d = demo(config);
    assert_false(d->is_on);
    assert_int_equal(d->port, 9092);
    assert_true(d->ratio == 1);
    assert_string_equal(d->listen, ":30000");
    assert_int_equal(d->wait_ns, INT64_C(120000000000));
    assert_int_equal(d->header_bytes, 1024);
    assert_int_equal(d->body_bytes, 1 << 20);
    assert_int_equal(d->kind, 1);
    assert_int_equal(d->names.count, 2);
    assert_string_equal(d->names.items[1], "y, z");
    config_unref(config);
}

static void test_later_sources_win(void **state)
{
    (void)state;
    char *const environment[] = {(char[]){"MOTORCADE_DEMO__PORT=3"},
                                 (char[]){"MOTORCADE_DEMO__LIMITS__BODY_BYTES=2MiB"},
                                 (char[]){"MOTORCADE_DEMO__WAIT=4s"},
                                 (char[]){"MOTORCADE_PORT=tcp://10.0.0.1"},
                                 (char[]){"HOME=/root"},
                                 NULL};
    const char *const overrides[] = {"demo.wait=5s", "demo.names=p,q , r", "demo.wait=6s"};
    struct config *config =
        load_with("demo: {port: 2, wait: 2s, ratio: 0.25}", environment, overrides, 3);
    const struct demo_config *d = demo(config);
    assert_true(d->ratio == 0.25);
    assert_int_equal(d->port, 3);
    assert_int_equal(d->body_bytes, 2 << 20);
    assert_int_equal(d->wait_ns, INT64_C(6000000000));
    assert_int_equal(d->names.count, 3);
    assert_string_equal(d->names.items[1], "q");
    config_unref(config);
}

static void test_file_errors_name_the_place(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *message;
    } rows[] = {
        {"demo:\n  port: 9092abc\n", ":2:9: demo.port wants a whole number in 1..65535, got "
                                     "\"9092abc\""},
        {"demo:\n  port: 0\n", ":2:9: demo.port wants a whole number in 1..65535, got \"0\""},
        {"demo:\n  port: 65536\n", "in 1..65535"},
        {"demo:\n  port: \"80\"\n", "demo.port wants whole number, got text in quotes: \"80\""},
        {"demo:\n  port: 99999999999999999999\n", "wants a whole number"},
        {"demo:\n  port: [80]\n", "demo.port wants whole number, got a list"},
        {"demo:\n  port: {a: 80}\n", "got a mapping"},
        {"demo:\n  port:\n", "demo.port has no value"},
        {"demo:\n  prot: 80\n", ":2:3: unknown setting \"demo.prot\"; did you mean \"port\"?"},
        {"demo:\n  limits:\n    heder_bytes: 1\n",
         ":3:5: unknown setting \"demo.limits.heder_bytes\"; did you mean \"header_bytes\"?"},
        {"demo:\n  limits.header_bytes: 1\n", ":2:3: unknown setting"},
        {"demo:\n  limits: 5\n", ":2:11: demo.limits. wants settings below it"},
        {"dmeo:\n  port: 80\n", ":1:1: unknown setting \"dmeo\"; did you mean \"demo\"?"},
        {"zzzzzzzz: 1\n", ":1:1: unknown setting \"zzzzzzzz\""},
        {"- demo\n", ":1:1: wants a mapping of modules"},
        {"demo: 5\n", ":1:7: demo wants settings below it"},
        {"demo:\n  ratio: 1.01\n", "demo.ratio wants a number in 0..1, got \"1.01\""},
        {"demo:\n  ratio: .nan\n", "demo.ratio wants a number"},
        {"demo:\n  ratio: 1e999\n", "demo.ratio wants a number"},
        {"demo:\n  is_on: yes\n", "demo.is_on wants true or false, got \"yes\""},
        {"demo:\n  wait: 5\n", "demo.wait wants a duration (250ms, 5s, 1h, 7d) in 0..1h"},
        {"demo:\n  wait: 61m\n", "in 0..1h, got \"61m\""},
        {"demo:\n  kind: mongo\n", "demo.kind wants one of journal, memory, got \"mongo\""},
        {"demo:\n  names: a, b\n", "demo.names wants a list: [a, b]"},
        {"demo:\n  names: [a, [b]]\n", "demo.names wants text as element 2"},
        {"demo:\n  port: 1\n  port: 2\n", ":3:3: the key \"port\" stands here twice"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        refuse_file(rows[i].text, rows[i].message);
}

static void test_override_errors(void **state)
{
    (void)state;
    refuse_override("demo.port", "--set demo.port: wants module.name=value");
    refuse_override("demo.prot=1", "--set demo.prot: unknown setting \"demo.prot\"; did you mean "
                                   "\"port\"?");
    refuse_override("dem.port=1", "did you mean \"demo\"?");
    refuse_override("demo=1", "--set demo: unknown setting \"demo\"");
    refuse_override("demo.port=x", "--set demo.port: wants a whole number in 1..65535, got \"x\"");
    refuse_override("demo.listen=\xff", "is not valid UTF-8");
    refuse_override("=1", "unknown setting");
}

static void test_variable_errors(void **state)
{
    (void)state;
    refuse_variable((char[]){"MOTORCADE_DEMO__PORTT=1"},
                    "environment MOTORCADE_DEMO__PORTT: unknown setting \"demo.portt\"; did you "
                    "mean \"port\"?");
    refuse_variable((char[]){"MOTORCADE_DEMO__PORT=no"}, "environment MOTORCADE_DEMO__PORT: wants");
}

static void test_secrets(void **state)
{
    (void)state;
    char secret_path[] = "/tmp/test_secret.XXXXXX";
    int fd = mkstemp(secret_path);
    assert_int_equal(write(fd, "hush hush\n", 10), 10);
    close(fd);
    char override[64];
    snprintf(override, sizeof override, "demo.password=@%s", secret_path);
    const char *overrides[] = {override};
    struct config *config = load_with(NULL, NULL, overrides, 1);
    assert_string_equal(demo(config)->password, "hush hush");
    struct buf out;
    buf_init(&out, 0);
    assert_int_equal(config_print(config, &out), 0);
    buf_append_char(&out, '\0');
    assert_null(strstr(out.ptr, "hush"));
    assert_non_null(strstr(out.ptr, "password: \"********\"  # --set\n"));
    buf_deinit(&out);
    config_unref(config);
    unlink(secret_path);
    refuse_override(override, "No such file");
    overrides[0] = "demo.password=@@at";
    config = load_with(NULL, NULL, overrides, 1);
    assert_string_equal(demo(config)->password, "@at");
    config_unref(config);
}

static void test_print_says_where_values_come_from(void **state)
{
    (void)state;
    char *const environment[] = {(char[]){"MOTORCADE_DEMO__RATIO=0.125"}, NULL};
    const char *const overrides[] = {"demo.names="};
    struct config *config =
        load_with("demo:\n  port: 2\n  limits:\n    body_bytes: 3000\n", environment, overrides, 1);
    struct buf out;
    buf_init(&out, 0);
    assert_int_equal(config_print(config, &out), 0);
    buf_append_char(&out, '\0');
    char want[1024];
    snprintf(want, sizeof want,
             "demo:\n  is_on: true  # default\n  port: 2  # \"%s\":2\n  ratio: 0.125  # "
             "environment\n  listen: \"127.0.0.1:0\"  # default\n  wait: 1500ms  # default\n"
             "  limits:\n    header_bytes: 16KiB  # default\n    body_bytes: 3000B  # \"%s\":4\n"
             "  kind: journal  # default\n  names: []  # --set\n  password: \"\"  # default\n"
             "  free_number: 0  # default\nother:\n  is_on: false  # default\n",
             path, path);
    assert_string_equal(out.ptr, want);
    buf_deinit(&out);
    config_unref(config);
}

static uint64_t random_state = 88172645463325252u;

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* Any characters but NUL, with those that trouble YAML in front. */
static void random_text(char *out)
{
    static const char *const pieces[] = {"\"",
                                         "\\",
                                         "\n",
                                         "\t",
                                         "\r",
                                         ": ",
                                         " #",
                                         "'",
                                         "@",
                                         "{",
                                         "é",
                                         "\xEF\xBB\xBF",
                                         "\xEF\xBF\xBF",
                                         "\x7f",
                                         "\x01",
                                         "a",
                                         "\xC2\x85",
                                         "\xE2\x80\xA9",
                                         "\xE2\x80\xA8",
                                         "😀",
                                         "-",
                                         "5",
                                         "null",
                                         ",",
                                         "/"};
    out[0] = '\0';
    for (uint64_t n = next_random() % 8; n > 0; n--)
        strcat(out, pieces[next_random() % (sizeof pieces / sizeof pieces[0])]);
}

static void check_equal(const struct demo_config *a, const struct demo_config *b)
{
    assert_int_equal(a->is_on, b->is_on);
    assert_int_equal(a->port, b->port);
    assert_true(a->ratio == b->ratio);
    assert_string_equal(a->listen, b->listen);
    assert_int_equal(a->wait_ns, b->wait_ns);
    assert_int_equal(a->header_bytes, b->header_bytes);
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->free_number, b->free_number);
    assert_int_equal(a->names.count, b->names.count);
    for (size_t i = 0; i < a->names.count; i++)
        assert_string_equal(a->names.items[i], b->names.items[i]);
}

/* config_load(config_print(x)) == x */
static void test_printed_configuration_reads_back(void **state)
{
    (void)state;
    for (int round = 0; round < 300; round++) {
        char text[128];
        random_text(text);
        char settings[7][256];
        const char *overrides[7];
        snprintf(settings[0], 256, "demo.listen=%s", text);
        random_text(text);
        snprintf(settings[1], 256, "demo.names=x%s,%s", text, round % 2 ? "a" : "b ,c");
        snprintf(settings[2], 256, "demo.wait=%lluns",
                 (unsigned long long)(next_random() % 3600000000001u));
        snprintf(settings[3], 256, "demo.limits.header_bytes=%llu",
                 (unsigned long long)(next_random() % (1 << 30) + 1));
        snprintf(settings[4], 256, "demo.ratio=0.%llu", (unsigned long long)next_random());
        snprintf(settings[5], 256, "demo.free_number=%lld", (long long)next_random());
        snprintf(settings[6], 256, "demo.kind=%s", kinds[next_random() % 2]);
        for (size_t i = 0; i < 7; i++)
            overrides[i] = settings[i];
        struct config *first = load_with(NULL, NULL, overrides, 7);
        struct buf out;
        buf_init(&out, 0);
        assert_int_equal(config_print(first, &out), 0);
        buf_append_char(&out, '\0');
        struct config *second = load_with(out.ptr, NULL, NULL, 0);
        check_equal(demo(first), demo(second));
        buf_deinit(&out);
        config_unref(first);
        config_unref(second);
    }
}

static void test_reference_has_every_setting(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 0);
    assert_int_equal(config_print_reference(modules, &out), 0);
    buf_append_char(&out, '\0');
    assert_non_null(strstr(out.ptr, "| `demo.port` | whole number 1..65535 | `80` | Port. |\n"));
    assert_non_null(strstr(out.ptr, "| `demo.kind` | `journal`, `memory` | `journal` | Kind. |\n"));
    assert_non_null(strstr(out.ptr, "| `demo.password` | text | none | Secret. Secret: never"));
    assert_non_null(strstr(out.ptr, "## other\n"));
    buf_deinit(&out);
}

static void test_json_schema(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 0);
    assert_int_equal(config_print_json_schema(modules, &out), 0);
    json_error_t problem;
    json_t *schema = json_loadb(out.ptr, out.len, JSON_REJECT_DUPLICATES, &problem);
    if (schema == NULL)
        fail_msg("%s", problem.text);
    json_t *settings = json_object_get(
        json_object_get(json_object_get(json_object_get(schema, "properties"), "demo"),
                        "properties"),
        "limits");
    assert_non_null(json_object_get(json_object_get(settings, "properties"), "header_bytes"));
    assert_non_null(json_object_get(json_object_get(settings, "properties"), "body_bytes"));
    json_decref(schema);
    buf_deinit(&out);
}

static void test_references(void **state)
{
    (void)state;
    struct config *config = load_with(NULL, NULL, NULL, 0);
    assert_ptr_equal(config_ref(config), config);
    config_unref(config);
    assert_int_equal(demo(config)->port, 80);
    config_unref(config);
    config_unref(NULL);
}

static void test_a_scalar_is_short_for_one_setting(void **state)
{
    (void)state;
    static struct config_module short_module;
    static const struct config_module *const two[] = {&short_module, &other_module, NULL};
    short_module = demo_module;
    short_module.scalar = "kind";
    struct config *config;
    struct error err;
    write_file("demo: memory\n");
    const struct config_source file = {.path = path};
    assert_int_equal(config_load(&config, two, &file, &err), 0);
    const struct demo_config *demo = config_get(config, &short_module);
    assert_int_equal(demo->kind, 1);
    assert_int_equal(demo->port, 80);
    config_unref(config);

    const char *overrides[] = {"demo=memory"};
    const struct config_source source = {.overrides = overrides, .override_count = 1};
    assert_int_equal(config_load(&config, two, &source, &err), 0);
    assert_int_equal(((const struct demo_config *)config_get(config, &short_module))->kind, 1);
    config_unref(config);

    write_file("demo: mysql\n");
    assert_int_equal(config_load(&config, two, &file, &err), -1);
    assert_non_null(strstr(err.text, ":1:7: demo.kind wants one of journal, memory"));
    write_file("other: true\n");
    assert_int_equal(config_load(&config, two, &file, &err), -1);
    assert_non_null(strstr(err.text, "other wants settings below it"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_file_sets_every_type),
        cmocka_unit_test(test_later_sources_win),
        cmocka_unit_test(test_a_scalar_is_short_for_one_setting),
        cmocka_unit_test(test_file_errors_name_the_place),
        cmocka_unit_test(test_override_errors),
        cmocka_unit_test(test_variable_errors),
        cmocka_unit_test(test_secrets),
        cmocka_unit_test(test_print_says_where_values_come_from),
        cmocka_unit_test(test_printed_configuration_reads_back),
        cmocka_unit_test(test_reference_has_every_setting),
        cmocka_unit_test(test_json_schema),
        cmocka_unit_test(test_references),
    };
    return cmocka_run_group_tests_name("config", tests, make_file, remove_file);
}
