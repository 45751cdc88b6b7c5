/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of rules by their table: every type, its bounds and its errors; and
 * messages with fields in them. */
#include <sys/stat.h>
#include <unistd.h>

#include "rules_support.h"
#include "vehicle/rule/files.h"
#include "vehicle/ruleset_private.h"

struct all {
    double number, speed, distance;
    int64_t integer;
    bool is_on;
    struct bytes text;
    struct rule_texts texts;
    const struct rule_template *message;
    struct rule_file file;
    const struct yaml_node *node;
};

#define AT(member) offsetof(struct all, member)
static const struct rule_setting table[] = {
    {"number", RULE_SETTING_NUMBER, AT(number), false, NULL, "a number", .min = 0.5, .max = 10},
    {"speed", RULE_SETTING_NUMBER, AT(speed), false, NULL, "a speed", .unit = RULE_UNIT_SPEED},
    {"distance", RULE_SETTING_NUMBER, AT(distance), false, NULL, "a distance",
     .unit = RULE_UNIT_DISTANCE},
    {"integer", RULE_SETTING_INTEGER, AT(integer), false, NULL, "whole", .min = 1, .max = 9},
    {"on", RULE_SETTING_BOOL, AT(is_on), false, NULL, "on or not"},
    {"text", RULE_SETTING_TEXT, AT(text), false, NULL, "a text", .bytes_max = 5},
    {"texts", RULE_SETTING_TEXTS, AT(texts), false, NULL, "texts"},
    {"message", RULE_SETTING_TEMPLATE, AT(message), false, NULL, "a message"},
    {"file", RULE_SETTING_FILE, AT(file), false, NULL, "a file", .bytes_max = 10},
    {"node", RULE_SETTING_NODE, AT(node), false, NULL, "anything"},
    {0},
};

static struct yaml_document *document;
static struct rule_arena arena;
static struct rule_files files;
static char folder[64];

static int begin(void **state)
{
    snprintf(folder, sizeof folder, "/tmp/test-settings-XXXXXX");
    return mkdtemp(folder) == NULL || make_scratch(state) != 0;
}

static int end(void **state)
{
    char path[128];
    snprintf(path, sizeof path, "%s/x.txt", folder);
    unlink(path);
    return rmdir(folder) | free_scratch(state);
}

static void write_x(const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/x.txt", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int read_all(const char *yaml, struct all *out, struct error *err)
{
    char name[128];
    snprintf(name, sizeof name, "%s/rules.yaml", folder);
    *out = (struct all){0};
    if (yaml_load_bytes(&document, name, bytes_from_text(yaml), err) != 0)
        fail_msg("%s", err->text);
    rule_files_init(&files);
    assert_int_equal(rule_files_enter(&files, name, NULL), 0);
    struct rule_build build = {.node = yaml_root(document), .arena = &arena, .files = &files};
    return rule_read_settings(&build, build.node, table, "the test", out, err);
}

static void forget(void)
{
    rule_files_deinit(&files);
    rule_arena_deinit(&arena);
    yaml_unload(document);
}

static void numbers_know_their_units(void **state)
{
    (void)state;
    static const struct {
        const char *yaml;
        double number, speed, distance;
    } rows[] = {
        {"{number: 0.5}", 0.5, 0, 0},         {"{number: 10}", 10, 0, 0},
        {"{speed: 36 km/h}", 0, 10, 0},       {"{speed: 10 m/s}", 0, 10, 0},
        {"{speed: 10m/s}", 0, 10, 0},         {"{speed: 0}", 0, 0, 0},
        {"{speed: '100 mph'}", 0, 44.704, 0}, {"{speed: 3600 kn}", 0, 1852, 0},
        {"{distance: 1.5 km}", 0, 0, 1500},   {"{distance: -2 m}", 0, 0, -2},
        {"{distance: 1 mi}", 0, 0, 1609.344}, {"{distance: 10 ft}", 0, 0, 3.048},
        {"{distance: 0.5 nmi}", 0, 0, 926},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct all all;
        struct error err;
        if (read_all(rows[i].yaml, &all, &err) != 0)
            fail_msg("%s", err.text);
        assert_float_equal(all.number, rows[i].number, 1e-9);
        assert_float_equal(all.speed, rows[i].speed, 1e-9);
        assert_float_equal(all.distance, rows[i].distance, 1e-9);
        forget();
    }
}

static void other_types_are_read(void **state)
{
    (void)state;
    write_x("content");
    struct all all;
    struct error err;
    if (read_all("{integer: 9, on: true, text: abcde, texts: [a, bc], file: x.txt, node: [1]}",
                 &all, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(all.integer, 9);
    assert_true(all.is_on);
    assert_string_equal(all.text.ptr, "abcde");
    assert_int_equal(all.texts.count, 2);
    assert_string_equal(all.texts.items[1].ptr, "bc");
    assert_string_equal(all.file.path.ptr, "x.txt");
    assert_string_equal(all.file.text.ptr, "content");
    assert_int_equal(yaml_kind(all.node), YAML_SEQUENCE);
    uint64_t hash = files.hash;
    assert_true(hash != 0);
    forget();
    write_x("context");
    assert_int_equal(read_all("{texts: one, file: x.txt}", &all, &err), 0);
    assert_int_equal(all.texts.count, 1);
    assert_true(files.hash != hash);
    forget();
}

static void mistakes_have_their_place(void **state)
{
    (void)state;
    write_x("more than ten bytes");
    static const struct {
        const char *yaml, *error;
    } rows[] = {
        {"{number: 0.4}", "1:10: number must be between 0.5 and 10"},
        {"{number: 1 km}", "1:10: number wants a number, got 1 km"},
        {"{integer: 1.5}", "1:11: integer wants a whole number"},
        {"{integer: 10}", "1:11: integer must be between 1 and 9"},
        {"{speed: 130}", "1:9: speed: no unit in \"130\"; write it with its unit (m/s, km/h"},
        {"{speed: 130 km}", "1:9: speed: unknown unit in \"130 km\""},
        {"{speed: fast}", "1:9: speed wants a number with its unit"},
        {"{speed: [1]}", "1:9: speed wants a number with its unit"},
        {"{distance: 5 m/s}", "1:12: distance: unknown unit in \"5 m/s\""},
        {"{distance: 1e999 m}", "1:12: distance"},
        {"{on: yes}", "1:6: on wants true or false"},
        {"{text: abcdef}", "1:8: text wants a text of 1-5 bytes"},
        {"{text: ''}", "1:8: text wants a text of 1-5 bytes"},
        {"{texts: []}", "1:9: texts: between 1 and"},
        {"{texts: [a, []]}", "1:13: texts wants a text"},
        {"{file: y.txt}", "1:8: file: can't open"},
        {"{file: .}", "is no file"},
        {"{file: x.txt}", "has 19 bytes; at most 10 are read"},
        {"{file: ''}", "the name of a file is wanted"},
        {"{message: '{speed'}", "1:11: message: a '{' begins the name of a field"},
        {"{message: 'a } b'}", "1:11: message: a '}' without its '{'"},
        {"{message: '{spede}'}", "did you mean \"speed\""},
        {"{message: '{}'}", "a '{' begins the name of a field"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct all all;
        struct error err;
        if (read_all(rows[i].yaml, &all, &err) == 0)
            fail_msg("this was accepted: %s", rows[i].yaml);
        assert_contains(err.text, rows[i].error);
        assert_int_equal(err.kind, ERROR_CONFIG);
        forget();
    }
}

static void what_is_required_must_be_there(void **state)
{
    (void)state;
    static const struct rule_setting required[] = {
        {"text", RULE_SETTING_TEXT, AT(text), true, NULL, "why it is wanted"}, {0}};
    struct all all;
    struct error err;
    assert_int_equal(read_all("{number: 1}", &all, &err), 0);
    struct rule_build build = {.node = yaml_root(document), .arena = &arena, .files = &files};
    assert_int_equal(rule_read_settings(&build, build.node, required, "the test", &all, &err), -1);
    assert_contains(err.text, "1:1: the test needs \"text\": why it is wanted");
    forget();
}

static void messages_show_fields(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *message;
    } rows[] = {
        {"{message: '{vehicle} at {speed} m/s, {battery.soc}%: {detail}'}",
         "car 7 at 2.5 m/s, 80%: too fast"},
        {"{message: plain}", "plain"},
        {"{message: '{{{lat}}}'}", "{-}"},
        {"{message: 'a {{b}} c'}", "a {b} c"},
        {"{message: '{name}'}", "A?"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct all all;
        struct error err;
        if (read_all(rows[i].yaml, &all, &err) != 0)
            fail_msg("%s", err.text);
        struct packet packet = packet_of("{\"obuid\":\"car 7\",\"speed\":2.5,\"name\":\"A\x7F\","
                                         "\"battery\":{\"soc\":80}}");
        char text[64], little[8];
        rule_template_print(all.message, &packet, "too fast", text, sizeof text);
        assert_string_equal(text, rows[i].message);
        rule_template_print(all.message, &packet, "too fast", little, sizeof little);
        assert_memory_equal(little, text, strlen(little));
        assert_true(strlen(little) == 7 || strcmp(little, text) == 0);
        forget();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(numbers_know_their_units, begin, end),
        cmocka_unit_test_setup_teardown(other_types_are_read, begin, end),
        cmocka_unit_test_setup_teardown(mistakes_have_their_place, begin, end),
        cmocka_unit_test_setup_teardown(what_is_required_must_be_there, begin, end),
        cmocka_unit_test_setup_teardown(messages_show_fields, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
