/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/ack_window.h"

static void test_in_order_needs_no_memory(void **state)
{
    (void)state;
    struct ack_window window = {0};
    for (uint64_t n = 1; n <= 1000; n++) {
        assert_int_equal(ack_window_settle(&window, n), 0);
        assert_int_equal(window.settled, n);
        assert_null(window.ahead);
    }
}

static void test_gap_holds_the_ack_back(void **state)
{
    (void)state;
    struct ack_window window = {0};
    ack_window_settle(&window, 2);
    ack_window_settle(&window, 3);
    assert_int_equal(window.settled, 0);
    ack_window_settle(&window, 1);
    assert_int_equal(window.settled, 3);
    assert_null(window.ahead);
}

/* Any order of 1..n ends at n, and never runs ahead of a gap. */
static void test_random_orders(void **state)
{
    (void)state;
    enum { N = 3000 };
    static uint64_t order[N];
    static unsigned char is_settled[N + 2];
    srand(7);
    for (int round = 0; round < 50; round++) {
        struct ack_window window = {0};
        for (int i = 0; i < N; i++)
            order[i] = (uint64_t)i + 1;
        for (int i = N - 1; i > 0; i--) {
            /* Mostly near, sometimes far: as several partitions report. */
            int span = round % 2 == 0 ? 32 : i + 1;
            int j = i - rand() % (span > i + 1 ? i + 1 : span);
            uint64_t swap = order[i];
            order[i] = order[j];
            order[j] = swap;
        }
        for (int i = 0; i <= N + 1; i++)
            is_settled[i] = 0;
        uint64_t expected = 0;
        for (int i = 0; i < N; i++) {
            assert_int_equal(ack_window_settle(&window, order[i]), 0);
            is_settled[order[i]] = 1;
            while (is_settled[expected + 1])
                expected++;
            assert_int_equal(window.settled, expected);
        }
        assert_int_equal(window.settled, N);
        assert_null(window.ahead);
    }
}

static void test_deinit_twice(void **state)
{
    (void)state;
    struct ack_window window = {0};
    ack_window_settle(&window, 5);
    ack_window_deinit(&window);
    ack_window_deinit(&window);
    assert_null(window.ahead);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_order_needs_no_memory),
        cmocka_unit_test(test_gap_holds_the_ack_back),
        cmocka_unit_test(test_random_orders),
        cmocka_unit_test(test_deinit_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
