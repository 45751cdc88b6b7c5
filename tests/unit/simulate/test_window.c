/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "simulate/window.h"

static bool push(struct window *window, unsigned i)
{
    char packet[32], note[32];
    snprintf(packet, sizeof packet, "packet %u", i);
    snprintf(note, sizeof note, "note %u", i);
    return window_push(window, bytes_from_text(packet), bytes_from_text(note), i);
}

static void check(const struct window *window, size_t at, unsigned i)
{
    char packet[32], note[32];
    snprintf(packet, sizeof packet, "packet %u", i);
    snprintf(note, sizeof note, "note %u", i);
    const struct window_entry *entry = window_at(window, at);
    assert_true(bytes_equal_text(window_packet(window, entry), packet));
    assert_true(bytes_equal_text(window_note(window, entry), note));
    assert_int_equal(entry->intended_ns, i);
}

static void test_oldest_first_through_many_turns(void **state)
{
    (void)state;
    struct window window;
    window_init(&window, 100, 10000);
    unsigned pushed = 0, popped = 0;
    for (unsigned turn = 0; turn < 1000; turn++) {
        for (unsigned n = 0; n < turn % 17 && push(&window, pushed); n++)
            pushed++;
        for (size_t i = 0; i < window.count; i++)
            check(&window, i, popped + (unsigned)i);
        window.sent = window.count;
        for (unsigned n = 0; n < turn % 13 && window.count > 0; n++, popped++)
            window_pop(&window);
    }
    assert_true(pushed > 5000);
    assert_true(window.bytes.cap <= 32768);
    window_deinit(&window);
}

static void test_bounds_in_packets_and_bytes(void **state)
{
    (void)state;
    struct window window;
    window_init(&window, 10, 10000);
    for (unsigned i = 0; i < 10; i++)
        assert_true(push(&window, i));
    assert_false(push(&window, 10));
    window.sent = 1;
    window_pop(&window);
    assert_true(push(&window, 10));
    assert_false(push(&window, 11));
    window_deinit(&window);

    window_init(&window, 1000, 14 * 4);
    for (unsigned i = 0; i < 4; i++)
        assert_true(push(&window, i));
    assert_false(push(&window, 4));
    window.sent = 4;
    window_pop(&window);
    assert_true(push(&window, 4));
    assert_false(push(&window, 5));
    check(&window, 0, 1);
    check(&window, 3, 4);
    window_deinit(&window);
}

static void test_numbers_begin_at_1_after_a_rewind(void **state)
{
    (void)state;
    struct window window;
    window_init(&window, 10, 10000);
    for (unsigned i = 0; i < 5; i++)
        assert_true(push(&window, i));
    assert_null(window_by_number(&window, 1)); /* nothing is sent yet */
    window.sent = 4;
    assert_ptr_equal(window_by_number(&window, 1), window_at(&window, 0));
    assert_ptr_equal(window_by_number(&window, 4), window_at(&window, 3));
    assert_null(window_by_number(&window, 5));
    assert_null(window_by_number(&window, 0));
    window_pop(&window);
    window_pop(&window);
    assert_null(window_by_number(&window, 2));
    check(&window, 0, 2);
    assert_ptr_equal(window_by_number(&window, 3), window_at(&window, 0));
    window_by_number(&window, 3)->reason = 3;

    window_rewind(&window);
    assert_int_equal(window_unsent(&window), 3);
    window.sent = 3;
    assert_ptr_equal(window_by_number(&window, 1), window_at(&window, 0));
    assert_int_equal(window_at(&window, 0)->reason, 0);
    check(&window, 0, 2);
    window_deinit(&window);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_oldest_first_through_many_turns),
        cmocka_unit_test(test_bounds_in_packets_and_bytes),
        cmocka_unit_test(test_numbers_begin_at_1_after_a_rewind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
