/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/table.h"

struct item {
    uint64_t key;
    bool is_in;
};

static bool equal(const void *item, const void *key)
{
    return ((const struct item *)item)->key == *(const uint64_t *)key;
}

static void test_empty(void **state)
{
    (void)state;
    struct table table;
    table_init(&table);
    uint64_t key = 1;
    size_t cursor = 0;
    assert_null(table_find(&table, 1, equal, &key));
    assert_null(table_take(&table, 1, equal, &key));
    assert_null(table_next(&table, &cursor));
    table_deinit(&table);
    table_deinit(&table);
}

static size_t count_walk(const struct table *table)
{
    size_t count = 0;
    for (size_t cursor = 0; table_next(table, &cursor) != NULL;)
        count++;
    return count;
}

/* Random puts and takes against a plain array. mask = 0 puts all keys on one
 * hash; ~7 leaves runs that wrap around the end. */
static void run_model(uint64_t mask, uint64_t shift)
{
    enum { KEYS = 300, STEPS = 20000 };
    static struct item items[KEYS];
    struct table table;
    table_init(&table);
    size_t count = 0;
    uint64_t random = 88172645463325252u;
    memset(items, 0, sizeof items);
    for (int step = 0; step < STEPS; step++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        uint64_t key = random % KEYS;
        struct item *item = &items[key];
        item->key = key;
        uint64_t hash = (key * 0x9E3779B97F4A7C15u & mask) - shift;
        assert_ptr_equal(table_find(&table, hash, equal, &key), item->is_in ? item : NULL);
        if (item->is_in) {
            assert_ptr_equal(table_take(&table, hash, equal, &key), item);
            count--;
        } else {
            assert_int_equal(table_put(&table, hash, item), 0);
            count++;
        }
        item->is_in = !item->is_in;
        assert_int_equal(table.count, count);
    }
    assert_int_equal(count_walk(&table), count);
    for (uint64_t key = 0; key < KEYS; key++) {
        uint64_t hash = (key * 0x9E3779B97F4A7C15u & mask) - shift;
        assert_ptr_equal(table_find(&table, hash, equal, &key),
                         items[key].is_in ? &items[key] : NULL);
    }
    table_deinit(&table);
}

static void test_agrees_with_a_model(void **state)
{
    (void)state;
    run_model(UINT64_MAX, 0);
}

static void test_all_keys_on_one_hash(void **state)
{
    (void)state;
    run_model(0, 0);
    run_model(0, 1); /* the last slot: every run wraps */
}

static void test_few_hashes_near_the_end(void **state)
{
    (void)state;
    run_model(7, 4);
    run_model(31, 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_agrees_with_a_model),
        cmocka_unit_test(test_all_keys_on_one_hash),
        cmocka_unit_test(test_few_hashes_near_the_end),
    };
    return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
