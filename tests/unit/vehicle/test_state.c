/* SPDX-License-Identifier: Apache-2.0 */
/* What is remembered of vehicles: zeros at first, kept, forgotten in time, bounded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "vehicle/state.h"

#define TTL (60 * NS_PER_S)

static struct state_table *table_of(size_t bytes, size_t vehicles)
{
    struct state_table *table;
    struct state_limits limits = {.vehicles = vehicles, .bytes = (size_t)1 << 30};
    struct error err;
    if (state_table_new(&table, bytes, TTL, &limits, &err) != 0)
        fail_msg("%s", err.text);
    return table;
}

static uint64_t *get(struct state_table *table, unsigned stream, const char *vehicle,
                     int64_t seconds)
{
    return state_table_get(table, stream, bytes_from_text(vehicle), seconds * NS_PER_S);
}

static void a_block_begins_as_zeros_and_stays(void **state)
{
    (void)state;
    struct state_table *table = table_of(40, 100);
    uint64_t *block = get(table, 0, "a", 1);
    assert_int_equal((uintptr_t)block % 16, 0);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(block[i], 0);
    memset(block, 7, 40);
    assert_int_equal(get(table, 0, "b", 1)[0], 0);
    assert_int_equal(get(table, 0, "a", 2)[4], UINT64_C(0x0707070707070707));
    assert_int_equal(state_table_counts(table).vehicles, 2);
    state_table_free(table);
}

static void streams_do_not_mix(void **state)
{
    (void)state;
    struct state_table *table = table_of(8, 100);
    *get(table, 0, "a", 1) = 1;
    *get(table, 3, "a", 1) = 2;
    assert_int_equal(*get(table, 0, "a", 1), 1);
    state_table_forget(table, 0);
    assert_int_equal(*get(table, 0, "a", 1), 0);
    assert_int_equal(*get(table, 3, "a", 1), 2);
    state_table_free(table);
}

static void the_silent_are_new_again(void **state)
{
    (void)state;
    struct state_table *table = table_of(8, 100);
    *get(table, 0, "a", 100) = 1;
    assert_int_equal(*get(table, 0, "a", 160), 1);
    assert_int_equal(*get(table, 0, "a", 150), 1); /* an earlier record changes nothing */
    assert_int_equal(*get(table, 0, "a", 220), 1);
    assert_int_equal(*get(table, 0, "a", 281), 0);
    assert_int_equal(state_table_counts(table).expired, 1);
    state_table_free(table);
}

static void the_silent_make_room_before_the_limit(void **state)
{
    (void)state;
    struct state_table *table = table_of(8, 1000);
    char name[16];
    for (int i = 0; i < 10000; i++) {
        snprintf(name, sizeof name, "v%d", i);
        *get(table, 0, name, i) = 1;
    }
    struct state_counts counts = state_table_counts(table);
    assert_int_equal(counts.vehicles, 61); /* one a second, a minute long, both ends */
    assert_int_equal(counts.displaced, 0);
    assert_int_equal(counts.vehicles + counts.expired, 10000);
    state_table_free(table);
}

static void a_stream_that_lags_ages_by_its_own_clock(void **state)
{
    (void)state;
    struct state_table *table = table_of(8, 1000);
    *get(table, 1, "late", 100) = 5;
    char name[16];
    for (int i = 0; i < 500; i++) {
        snprintf(name, sizeof name, "v%d", i);
        get(table, 0, name, 100000 + i);
    }
    assert_int_equal(*get(table, 1, "late", 110), 5);
    state_table_free(table);
}

static void at_the_limit_the_longest_silent_gives_way(void **state)
{
    (void)state;
    struct state_table *table = table_of(8, 3);
    *get(table, 0, "a", 1) = 1;
    *get(table, 0, "b", 2) = 2;
    *get(table, 0, "c", 3) = 3;
    *get(table, 0, "a", 4) = 1;
    *get(table, 0, "d", 5) = 4;
    assert_int_equal(*get(table, 0, "a", 6), 1);
    assert_int_equal(*get(table, 0, "c", 6), 3);
    assert_int_equal(*get(table, 0, "d", 6), 4);
    assert_int_equal(state_table_counts(table).vehicles, 3);
    assert_int_equal(state_table_counts(table).displaced, 1);
    assert_int_equal(*get(table, 0, "b", 6), 0);
    state_table_free(table);
}

static void the_bytes_bound_the_number(void **state)
{
    (void)state;
    struct state_table *table;
    struct state_limits limits = {.vehicles = 1000000, .bytes = 64 << 10};
    assert_int_equal(state_table_new(&table, 4096, TTL, &limits, NULL), 0);
    char name[16];
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "v%d", i);
        get(table, 0, name, 1);
    }
    assert_true(state_table_counts(table).vehicles * 4096 < limits.bytes);
    assert_true(state_table_counts(table).vehicles > 10);
    state_table_free(table);
}

static void with_room_for_none_each_block_is_zeros(void **state)
{
    (void)state;
    struct state_table *table = table_of(8, 0);
    for (int i = 0; i < 3; i++) {
        uint64_t *block = get(table, 0, "a", i);
        assert_int_equal(*block, 0);
        *block = 1;
    }
    assert_int_equal(state_table_counts(table).displaced, 3);
    state_table_free(table);
}

static void slots_move_to_another_layout(void **state)
{
    (void)state;
    struct state_table *from = table_of(64, 100), *to = table_of(48, 100);
    uint64_t *block = get(from, 2, "a", 1);
    for (uint64_t i = 0; i < 8; i++)
        block[i] = i + 1;
    get(from, 2, "b", 2)[2] = 99;
    const struct state_move moves[] = {{.from = 16, .to = 32, .bytes = 16},
                                       {.from = 48, .to = 0, .bytes = 16}};
    state_table_move(to, from, moves, 2);
    static const uint64_t wanted[] = {7, 8, 0, 0, 3, 4};
    assert_memory_equal(get(to, 2, "a", 1), wanted, sizeof wanted);
    assert_int_equal(get(to, 2, "b", 2)[4], 99);
    assert_int_equal(state_table_counts(to).vehicles, 2);
    state_table_free(from);
    state_table_free(to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_begins_as_zeros_and_stays),
        cmocka_unit_test(streams_do_not_mix),
        cmocka_unit_test(the_silent_are_new_again),
        cmocka_unit_test(the_silent_make_room_before_the_limit),
        cmocka_unit_test(a_stream_that_lags_ages_by_its_own_clock),
        cmocka_unit_test(at_the_limit_the_longest_silent_gives_way),
        cmocka_unit_test(the_bytes_bound_the_number),
        cmocka_unit_test(with_room_for_none_each_block_is_zeros),
        cmocka_unit_test(slots_move_to_another_layout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
