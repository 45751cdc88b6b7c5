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

#include "base/buf.h"
#include "config/yaml.h"

static struct yaml_document *load(const char *text)
{
    struct yaml_document *document;
    struct error err = {0};
    if (yaml_load_bytes(&document, "t", bytes_from_text(text), &err) != 0)
        fail_msg("%s", err.text);
    return document;
}

static void refuse(struct bytes text, const char *message)
{
    struct yaml_document *document;
    struct error err = {0};
    assert_int_equal(yaml_load_bytes(&document, "t", text, &err), -1);
    assert_int_equal(err.kind, ERROR_CONFIG);
    if (strstr(err.text, message) == NULL)
        fail_msg("got \"%s\", want \"%s\"", err.text, message);
}

static void test_tree(void **state)
{
    (void)state;
    struct yaml_document *d = load("a: 1\nb:\n  - x\n  - \"5\"\nc: {d: ~}\n");
    const struct yaml_node *root = yaml_root(d);
    assert_int_equal(yaml_kind(root), YAML_MAPPING);
    assert_int_equal(yaml_count(root), 3);
    assert_string_equal(yaml_text(yaml_key(root, 1)).ptr, "b");
    const struct yaml_node *b = yaml_get(root, "b");
    assert_int_equal(yaml_kind(b), YAML_SEQUENCE);
    assert_int_equal(yaml_count(b), 2);
    assert_false(yaml_is_quoted(yaml_item(b, 0)));
    assert_true(yaml_is_quoted(yaml_item(b, 1)));
    assert_int_equal(yaml_line(yaml_item(b, 1)), 4);
    assert_true(yaml_is_null(yaml_get(yaml_get(root, "c"), "d")));
    assert_null(yaml_get(root, "absent"));
    yaml_unload(d);
}

static void test_empty_is_an_empty_mapping(void **state)
{
    (void)state;
    const char *const texts[] = {"", "\n", "# only a comment\n", "---\n", "--- ~\n...\n"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct yaml_document *d = load(texts[i]);
        assert_int_equal(yaml_kind(yaml_root(d)), YAML_MAPPING);
        assert_int_equal(yaml_count(yaml_root(d)), 0);
        yaml_unload(d);
    }
}

static void test_strictness(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *message;
    } rows[] = {
        {"a: 1\nb: 2\na: 3\n", "t:3:1: the key \"a\" stands here twice, first in line 1"},
        {"a: 1\n'a': 3\n", "t:2:1: the key \"a\" stands here twice"},
        {"a: 1\n---\nb: 2\n", "t:2:1: a second document"},
        {"<<: {a: 1}\n", "t:1:1: merge keys"},
        {"? [a]\n: 1\n", "t:1:3: a key must be text"},
        {"~: 1\n", "t:1:1: a key must be text"},
        {": 1\n", "t:1:1:"},
        {"a: !!binary aGk=\n", "t:1:4: the tag \"tag:yaml.org,2002:binary\" is not allowed"},
        {"a: !local 1\n", "the tag \"!local\" is not allowed"},
        {"a: !!map x\n", "is not allowed here"},
        {"a: !!seq {}\n", "is not allowed here"},
        {"a: *nobody\n", "t:1:4: no anchor &nobody"},
        {"a: &x\n  b: *x\n", "t:2:6: an alias to what it stands in"},
        {"a: &x [1, [*x]]\n", "an alias to what it stands in"},
        {"a: [1, 2\nb: 3\n", "t:2:"},
        {"a: \"open\n", "t:"},
        {"\ta: 1\n", "t:1:1:"},
        {"a: \"\\0\"\n", "t:1:4: a NUL character"},
        {"a: \xff\n", "t:1:4: invalid leading UTF-8"},
        {"a: \x01\n", "control characters are not allowed"},
        {"a: b: c\n", "t:1:5:"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        refuse(bytes_from_text(rows[i].text), rows[i].message);
}

static void test_core_tags(void **state)
{
    (void)state;
    struct yaml_document *d = load("a: !!str 5\nb: !!int \"5\"\nc: ! 5\nd: !!map {}\n");
    assert_true(yaml_is_quoted(yaml_get(yaml_root(d), "a")));
    assert_false(yaml_is_quoted(yaml_get(yaml_root(d), "b")));
    assert_true(yaml_is_quoted(yaml_get(yaml_root(d), "c")));
    yaml_unload(d);
}

static void test_aliases_share_their_anchor(void **state)
{
    (void)state;
    struct yaml_document *d = load("a: &x [1, 2]\nb: *x\nc: &x 3\nd: *x\n");
    const struct yaml_node *root = yaml_root(d);
    assert_ptr_equal(yaml_get(root, "a"), yaml_get(root, "b"));
    assert_string_equal(yaml_text(yaml_get(root, "d")).ptr, "3");
    yaml_unload(d);
}

static void test_alias_bomb_is_refused(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 0);
    buf_append_text(&text, "a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for (int i = 1; i < 9; i++) {
        buf_printf(&text, "a%d: &a%d [", i, i);
        for (int k = 0; k < 9; k++)
            buf_printf(&text, "%s*a%d", k == 0 ? "" : ", ", i - 1);
        buf_append_text(&text, "]\n");
    }
    refuse(buf_bytes(&text), "more than 100000 nodes once aliases are expanded");
    buf_deinit(&text);
}

static void fill(struct buf *text, const char *piece, int times)
{
    for (int i = 0; i < times; i++)
        buf_append_text(text, piece);
}

static void test_bounds(void **state)
{
    (void)state;
    struct yaml_document *d;
    struct buf text;
    buf_init(&text, 0);
    fill(&text, "[", 65);
    fill(&text, "]", 65);
    refuse(buf_bytes(&text), "nested deeper than 64 levels");
    buf_clear(&text);
    fill(&text, "[", 64);
    buf_append_char(&text, 'x'); /* the 65th level */
    fill(&text, "]", 64);
    refuse(buf_bytes(&text), "nested deeper than 64 levels");
    buf_clear(&text);
    fill(&text, "[", 64);
    fill(&text, "]", 64);
    assert_int_equal(yaml_load_bytes(&d, "t", buf_bytes(&text), NULL), 0);
    yaml_unload(d);
    buf_clear(&text);
    fill(&text, "[", 10000);
    refuse(buf_bytes(&text), "nested deeper than 64 levels");
    buf_clear(&text);
    fill(&text, "- a\n", 100001);
    refuse(buf_bytes(&text), "more than 100000 nodes");
    buf_clear(&text);
    fill(&text, "- &a b\n", 1001);
    refuse(buf_bytes(&text), "more than 1000 anchors");
    buf_clear(&text);
    fill(&text, "#\n", (1 << 19) + 1);
    refuse(buf_bytes(&text), "t: larger than 1 MiB");
    buf_deinit(&text);
}

static void test_depth_through_aliases(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 0);
    buf_append_text(&text, "- &a0 [x]\n");
    for (int i = 1; i < 70; i++)
        buf_printf(&text, "- &a%d [*a%d]\n", i, i - 1);
    refuse(buf_bytes(&text), "nested deeper than 64 levels");
    buf_deinit(&text);
}

static void test_typed_values(void **state)
{
    (void)state;
    struct yaml_document *d = load("b: true\ni: -42\nf: 1.5e3\nt: 1.5h\ns: 64KiB\nq: \"42\"\n"
                                   "bad: 9092abc\nlist: [1]\nnone:\n");
    const struct yaml_node *root = yaml_root(d);
    struct error err;
    bool b;
    int64_t i;
    double f;
    assert_int_equal(yaml_to_bool(yaml_get(root, "b"), "b", &b, &err), 0);
    assert_true(b);
    assert_int_equal(yaml_to_int(yaml_get(root, "i"), "i", &i, &err), 0);
    assert_int_equal(i, -42);
    assert_int_equal(yaml_to_double(yaml_get(root, "f"), "f", &f, &err), 0);
    assert_true(f == 1500);
    assert_int_equal(yaml_to_duration_ns(yaml_get(root, "t"), "t", &i, &err), 0);
    assert_int_equal(i, INT64_C(5400000000000));
    assert_int_equal(yaml_to_size_bytes(yaml_get(root, "s"), "s", &i, &err), 0);
    assert_int_equal(i, 65536);
    assert_int_equal(yaml_to_int(yaml_get(root, "q"), "rules[2].max", &i, &err), -1);
    assert_string_equal(err.text, "t:6:4: rules[2].max wants a whole number, got \"42\" (text, in "
                                  "quotes)");
    assert_int_equal(yaml_to_int(yaml_get(root, "bad"), "port", &i, &err), -1);
    assert_string_equal(err.text, "t:7:6: port wants a whole number, got 9092abc");
    assert_int_equal(yaml_to_double(yaml_get(root, "list"), "x", &f, &err), -1);
    assert_string_equal(err.text, "t:8:7: x wants a number, got a list");
    assert_int_equal(yaml_to_bool(yaml_get(root, "none"), "x", &b, &err), -1);
    assert_string_equal(err.text, "t:9:6: x wants true or false, got nothing");
    yaml_unload(d);
}

static void test_unknown_keys_are_suggested(void **state)
{
    (void)state;
    static const char *const known[] = {"required", "range", "one_of", NULL};
    struct yaml_document *d = load("range: 1\nrequird: 2\n");
    struct error err;
    assert_int_equal(yaml_check_keys(yaml_root(d), known, &err), -1);
    assert_string_equal(err.text, "t:2:1: unknown key \"requird\"; did you mean \"required\"?");
    yaml_unload(d);
    d = load("zzz: 2\n");
    assert_int_equal(yaml_check_keys(yaml_root(d), known, &err), -1);
    assert_string_equal(err.text, "t:1:1: unknown key \"zzz\"");
    yaml_unload(d);
    assert_null(yaml_suggest("x", known));
}

static void test_files(void **state)
{
    (void)state;
    struct yaml_document *d;
    struct error err;
    assert_int_equal(yaml_load_file(&d, "/nonexistent/x.yaml", &err), -1);
    assert_int_equal(err.kind, ERROR_CONFIG);
    assert_non_null(strstr(err.text, "/nonexistent/x.yaml: No such file"));
    char path[] = "/tmp/test_yaml.XXXXXX";
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "a: [1\n", 6), 6);
    close(fd);
    assert_int_equal(yaml_load_file(&d, path, &err), -1);
    assert_memory_equal(err.text, path, strlen(path));
    unlink(path);
    assert_int_equal(yaml_load_file(&d, "/tmp", &err), -1);
    assert_non_null(strstr(err.text, "Is a directory"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tree),
        cmocka_unit_test(test_empty_is_an_empty_mapping),
        cmocka_unit_test(test_strictness),
        cmocka_unit_test(test_core_tags),
        cmocka_unit_test(test_aliases_share_their_anchor),
        cmocka_unit_test(test_alias_bomb_is_refused),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_depth_through_aliases),
        cmocka_unit_test(test_typed_values),
        cmocka_unit_test(test_unknown_keys_are_suggested),
        cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests_name("yaml", tests, NULL, NULL);
}
