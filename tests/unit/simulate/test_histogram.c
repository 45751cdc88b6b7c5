/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "simulate/histogram.h"

static struct histogram *new_histogram(void **state)
{
    free(*state);
    *state = calloc(1, sizeof(struct histogram));
    assert_non_null(*state);
    return *state;
}

static int free_histogram(void **state)
{
    free(*state);
    *state = NULL;
    return 0;
}

static void test_empty(void **state)
{
    assert_int_equal(histogram_quantile_ns(new_histogram(state), 0.99), 0);
}

static void test_every_power_of_two_keeps_its_precision(void **state)
{
    for (int bit = 0; bit <= HISTOGRAM_TOP_BIT; bit++) {
        for (int64_t value = (INT64_C(1) << bit) - 1; value <= (INT64_C(1) << bit) + 1; value++) {
            struct histogram *histogram = new_histogram(state);
            histogram_add(histogram, value);
            histogram_add(histogram, INT64_MAX);
            uint64_t got = histogram_quantile_ns(histogram, 0.5);
            assert_true(got >= (uint64_t)value);
            assert_true(got <= (uint64_t)value + (uint64_t)value / 128);
        }
    }
}

static void test_quantiles_of_a_line(void **state)
{
    struct histogram *histogram = new_histogram(state);
    for (int i = 1; i <= 100000; i++)
        histogram_add(histogram, i * 1000);
    assert_in_range(histogram_quantile_ns(histogram, 0.5), 50000000, 50400000);
    assert_in_range(histogram_quantile_ns(histogram, 0.99), 99000000, 99800000);
    assert_int_equal(histogram_quantile_ns(histogram, 1), 100000000);
    assert_int_equal(histogram->max_ns, 100000000);
    assert_int_equal(histogram->count, 100000);
}

static void test_out_of_range_values_count(void **state)
{
    struct histogram *histogram = new_histogram(state);
    histogram_add(histogram, -5);
    histogram_add(histogram, INT64_MAX);
    assert_int_equal(histogram_quantile_ns(histogram, 0.5), 0);
    assert_int_equal(histogram->max_ns, INT64_MAX);
}

static void test_merge(void **state)
{
    struct histogram *histogram = new_histogram(state);
    struct histogram *other = calloc(1, sizeof *other);
    assert_non_null(other);
    histogram_add(histogram, 1000);
    histogram_add(other, 3000);
    histogram_add(other, 5000);
    histogram_merge(histogram, other);
    free(other);
    assert_int_equal(histogram->count, 3);
    assert_int_equal(histogram->max_ns, 5000);
    assert_in_range(histogram_quantile_ns(histogram, 0.5), 3000, 3024);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_empty, free_histogram),
        cmocka_unit_test_teardown(test_every_power_of_two_keeps_its_precision, free_histogram),
        cmocka_unit_test_teardown(test_quantiles_of_a_line, free_histogram),
        cmocka_unit_test_teardown(test_out_of_range_values_count, free_histogram),
        cmocka_unit_test_teardown(test_merge, free_histogram),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
