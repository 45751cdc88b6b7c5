/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/exposition.h"

static void expect(struct bytes *page, const char *name, const char *labels, double value)
{
    struct exposition_sample sample;
    assert_true(exposition_next(page, &sample, NULL));
    assert_true(bytes_equal_text(sample.name, name));
    assert_true(bytes_equal_text(sample.labels, labels));
    if (isnan(value))
        assert_true(isnan(sample.value));
    else
        assert_true(sample.value == value);
}

static void test_samples(void **state)
{
    (void)state;
    struct bytes page = BYTES("# HELP a b\n# TYPE a counter\na 1\n\na{x=\"y\"} 2.5 1700000000000\n"
                              "a { x = \"}\\\" \" , z=\"\", } 1e3\na:b{} +Inf\na NaN\na -Inf");
    expect(&page, "a", "", 1);
    expect(&page, "a", "x=\"y\"", 2.5);
    expect(&page, "a", " x = \"}\\\" \" , z=\"\", ", 1000);
    expect(&page, "a:b", "", INFINITY);
    expect(&page, "a", "", NAN);
    expect(&page, "a", "", -INFINITY);
    assert_false(exposition_next(&page, &(struct exposition_sample){0}, NULL));
}

static void test_what_is_no_sample_is_counted(void **state)
{
    (void)state;
    struct bytes page =
        BYTES("a\na{x=\"y\" 1\na{x=y} 1\na{x=\"\\\"} 1\n{} 1\na one\n<html>\nb 7\n");
    size_t bad = 0;
    struct exposition_sample sample;
    assert_true(exposition_next(&page, &sample, &bad));
    assert_true(bytes_equal_text(sample.name, "b"));
    assert_int_equal(bad, 7);
}

static void test_labels(void **state)
{
    (void)state;
    struct bytes labels = BYTES("group=\"store\", topic=\"a,b=\\\"c\\\"\",le=\"0.5\"");
    struct bytes value;
    assert_true(exposition_label(labels, "group", &value));
    assert_true(bytes_equal_text(value, "store"));
    assert_true(exposition_label(labels, "topic", &value));
    assert_true(bytes_equal_text(value, "a,b=\\\"c\\\""));
    assert_true(exposition_label(labels, "le", &value));
    assert_true(bytes_equal_text(value, "0.5"));
    assert_false(exposition_label(labels, "b", &value));
    assert_false(exposition_label((struct bytes){0}, "b", &value));
}

static void test_labels_are_walked(void **state)
{
    (void)state;
    struct bytes labels = BYTES("a=\"x\",b=\"q\\\"uo,te\",c=\"\"");
    struct bytes name;
    struct bytes value;
    assert_true(exposition_next_label(&labels, &name, &value));
    assert_true(bytes_equal_text(name, "a") && bytes_equal_text(value, "x"));
    assert_true(exposition_next_label(&labels, &name, &value));
    assert_true(bytes_equal_text(name, "b") && bytes_equal_text(value, "q\\\"uo,te"));
    assert_true(exposition_next_label(&labels, &name, &value));
    assert_true(bytes_equal_text(name, "c") && value.len == 0);
    assert_false(exposition_next_label(&labels, &name, &value));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples),
        cmocka_unit_test(test_what_is_no_sample_is_counted),
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_labels_are_walked),
    };
    return cmocka_run_group_tests_name("exposition", tests, NULL, NULL);
}
