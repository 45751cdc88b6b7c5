/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sink/newest.h"

static void test_a_bound_only_rises(void **state)
{
    (void)state;
    struct newest newest;
    uint64_t order;
    assert_int_equal(newest_init(&newest, 100, NULL), 0);
    assert_int_equal(newest_get(&newest, 1, &order), NEWEST_NONE);
    newest_raise(&newest, 1, 0);
    assert_int_equal(newest_get(&newest, 1, &order), NEWEST_KNOWN);
    assert_int_equal(order, 0);
    newest_raise(&newest, 1, 50);
    newest_raise(&newest, 1, 20);
    assert_int_equal(newest_get(&newest, 1, &order), NEWEST_KNOWN);
    assert_int_equal(order, 50);
    newest_raise(&newest, 1, UINT64_MAX);
    assert_int_equal(newest_get(&newest, 1, &order), NEWEST_KNOWN);
    assert_true(order == UINT64_MAX);
    newest_deinit(&newest);
}

/* Nothing may be called NONE that was raised, nor have a bound that is too low. */
static void test_what_is_forgotten_is_unknown(void **state)
{
    (void)state;
    enum { VEHICLES = 5000 };
    struct newest newest;
    uint64_t *highest = calloc(VEHICLES, sizeof *highest);
    unsigned seed = 3;
    size_t unknown = 0;
    assert_int_equal(newest_init(&newest, 1000, NULL), 0);
    for (uint64_t i = 0; i < 200000; i++) {
        uint64_t v = (uint64_t)rand_r(&seed) % VEHICLES, order;
        switch (newest_get(&newest, v * 7919, &order)) {
        case NEWEST_NONE:
            assert_int_equal(highest[v], 0);
            break;
        case NEWEST_KNOWN:
            assert_true(order >= highest[v]);
            break;
        case NEWEST_UNKNOWN:
            unknown++;
            newest_set(&newest, v * 7919, highest[v]); /* as the writer does */
            break;
        }
        highest[v] = highest[v] > i ? highest[v] : i + 1;
        newest_raise(&newest, v * 7919, highest[v]);
    }
    assert_true(unknown > 0);
    assert_true(newest.young.count <= 500 && newest.old.count <= 500);
    free(highest);
    newest_deinit(&newest);
}

static void test_below_the_cap_nothing_is_forgotten(void **state)
{
    (void)state;
    struct newest newest;
    uint64_t order;
    assert_int_equal(newest_init(&newest, 10000, NULL), 0);
    for (uint64_t v = 0; v < 10000; v++)
        newest_raise(&newest, v << 40, v + 1);
    for (uint64_t v = 0; v < 10000; v++) {
        assert_int_equal(newest_get(&newest, v << 40, &order), NEWEST_KNOWN);
        assert_int_equal(order, v + 1);
    }
    assert_int_equal(newest_get(&newest, 5, &order), NEWEST_NONE);
    newest_deinit(&newest);
}

enum { VEHICLES = 40 };

/* A bound that is given is never below what was stored, whatever was forgotten
 * on the way and in whatever order old and new rows are told. */
static void test_a_known_bound_is_never_too_low(void **state)
{
    (void)state;
    struct newest newest;
    uint64_t stored[VEHICLES] = {0};
    unsigned seed = 4711;
    unsigned known = 0, unknown = 0;
    assert_int_equal(newest_init(&newest, 48, NULL), 0);
    for (int step = 0; step < 20000; step++) {
        unsigned v = (unsigned)rand_r(&seed) % VEHICLES;
        uint64_t order = 1 + (uint64_t)rand_r(&seed) % 1000000, bound;
        if (order > stored[v])
            stored[v] = order;
        if (newest_get(&newest, v, &bound) == NEWEST_UNKNOWN && rand_r(&seed) % 4 == 0)
            newest_set(&newest, v, stored[v]);
        newest_raise(&newest, v, order);
        v = (unsigned)rand_r(&seed) % VEHICLES;
        switch (newest_get(&newest, v, &bound)) {
        case NEWEST_NONE:
            assert_int_equal(stored[v], 0);
            break;
        case NEWEST_KNOWN:
            assert_true(bound >= stored[v]);
            known++;
            break;
        case NEWEST_UNKNOWN:
            unknown++;
            break;
        }
    }
    assert_true(known > 0 && unknown > 0);
    newest_deinit(&newest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_known_bound_is_never_too_low),
        cmocka_unit_test(test_a_bound_only_rises),
        cmocka_unit_test(test_what_is_forgotten_is_unknown),
        cmocka_unit_test(test_below_the_cap_nothing_is_forgotten),
    };
    return cmocka_run_group_tests_name("newest", tests, NULL, NULL);
}
