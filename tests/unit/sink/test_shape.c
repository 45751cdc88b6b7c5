/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sink/sqlite/shape.h"

static const struct shape_fields fields = {
    .vehicle = {"8674665223082153551", 19},
    .identity = {{1, 2, 3, 0xab, 0xcd}},
    .time_ms = INT64_C(1211284800123),
    .received_ns = INT64_C(1211284801123456789),
};

#define IDENTITY "010203abcd00000000000000000000000000000000000000"

/* Splits and joins; the number of numbers found, or -1 when kept whole. */
static int round_trip(struct shape_table *table, struct bytes text)
{
    int64_t numbers[SHAPE_NUMBERS_MAX];
    struct shape *shape = shape_split(table, text, &fields, numbers);
    if (shape == NULL)
        return -1;
    struct buf out;
    buf_init(&out, 0);
    assert_int_equal(shape_join(shape, &fields, numbers, &out), 0);
    if (!bytes_equal(buf_bytes(&out), text))
        fail_msg("%.*s came back as %.*s", (int)text.len, text.ptr, (int)out.len, out.ptr);
    int count = (int)shape->number_count;
    buf_deinit(&out);
    return count;
}

static int split(const char *text)
{
    struct shape_table table;
    shape_table_init(&table);
    int count = round_trip(&table, bytes_from_text(text));
    assert_int_equal(round_trip(&table, bytes_from_text(text)), count); /* by its shape now */
    shape_table_deinit(&table);
    return count;
}

static void test_own_fields_and_numbers_become_slots(void **state)
{
    (void)state;
    struct shape_table table;
    int64_t numbers[SHAPE_NUMBERS_MAX];
    const char *text = "{\"vehicle\":\"8674665223082153551\",\"identity\":\"" IDENTITY "\","
                       "\"time\":\"2008-05-20T12:00:00.123Z\","
                       "\"received\":\"2008-05-20T12:00:01.123456789Z\",\"lat\":-45.25}";
    shape_table_init(&table);
    struct shape *shape = shape_split(&table, bytes_from_text(text), &fields, numbers);
    assert_non_null(shape);
    const char *skeleton = "{\"vehicle\":\"\2\",\"identity\":\"\3\",\"time\":\"\4\","
                           "\"received\":\"\5\",\"lat\":\1}";
    assert_int_equal(shape->len, strlen(skeleton));
    assert_memory_equal(shape->skeleton, skeleton, shape->len);
    assert_int_equal(decimal_mantissa(numbers[0]), -4525);
    assert_int_equal(decimal_scale(numbers[0]), 2);
    shape_table_deinit(&table);
}

static void test_only_numbers_that_print_the_same_become_slots(void **state)
{
    (void)state;
    assert_int_equal(split("[0,7,100,-3,0.5,-0.25,12345678901234567]"), 7);
    assert_int_equal(split("[00,-0,1.0,1.50,1e5,1E-5,5.,-,123456789012345678,1.2.3]"), 0);
    assert_int_equal(split("[0.00000000000000001]"), 0);
    assert_int_equal(split("[0.0000000000000001]"), 1);
    assert_int_equal(split("{\"7\":\"8\",\"a\":\"\\\"9\"}"), 0); /* strings stay as they are */
}

static void test_control_bytes_and_broken_strings_are_kept_whole(void **state)
{
    (void)state;
    assert_int_equal(split("{\"a\":\"\1\"}"), -1);
    assert_int_equal(split("\2"), -1);
    assert_int_equal(split("{\"a"), -1);
    assert_int_equal(split("{\"a\\"), -1);
    assert_int_equal(split("{\n}"), -1);
}

static void test_more_numbers_than_slots_stay_literal(void **state)
{
    (void)state;
    char text[4 * SHAPE_NUMBERS_MAX + 64];
    size_t len = 0;
    for (int i = 0; i < SHAPE_NUMBERS_MAX + 10; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%d", i ? "," : "[", i % 10);
    assert_int_equal(split(text), SHAPE_NUMBERS_MAX);
}

static void test_a_full_table_keeps_whole(void **state)
{
    (void)state;
    struct shape_table table;
    char text[32];
    shape_table_init(&table);
    for (int i = 0; i < SHAPE_TABLE_MAX; i++) {
        snprintf(text, sizeof text, "{\"%x\":1}", i);
        assert_int_equal(round_trip(&table, bytes_from_text(text)), 1);
    }
    assert_true(shape_table_is_full(&table));
    assert_int_equal(round_trip(&table, BYTES("{\"another\":1}")), -1);
    assert_int_equal(round_trip(&table, BYTES("{\"1\":12.5}")), 1); /* known ones still fit */
    shape_table_deinit(&table);
}

/* Whatever the bytes are, what has a shape comes back the same. */
static void test_random_texts_come_back(void **state)
{
    (void)state;
    static const char alphabet[] = "{}[]\",:.-+eE0123456789\\ \1\2a8674665223082153551";
    unsigned seed = 42;
    struct shape_table table;
    shape_table_init(&table);
    for (int i = 0; i < 200000; i++) {
        char text[40];
        size_t len = (size_t)rand_r(&seed) % sizeof text;
        for (size_t c = 0; c < len; c++)
            text[c] = alphabet[(size_t)rand_r(&seed) % (sizeof alphabet - 1)];
        if (shape_table_is_full(&table))
            shape_table_deinit(&table);
        round_trip(&table, bytes_of(text, len));
    }
    shape_table_deinit(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own_fields_and_numbers_become_slots),
        cmocka_unit_test(test_only_numbers_that_print_the_same_become_slots),
        cmocka_unit_test(test_control_bytes_and_broken_strings_are_kept_whole),
        cmocka_unit_test(test_more_numbers_than_slots_stay_literal),
        cmocka_unit_test(test_a_full_table_keeps_whole),
        cmocka_unit_test(test_random_texts_come_back),
    };
    return cmocka_run_group_tests_name("shape", tests, NULL, NULL);
}
