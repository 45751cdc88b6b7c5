/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bell.h"
#include "base/clock.h"

#define LONG (20 * NS_PER_S)

static void a_ring_before_the_wait_is_not_lost(void **state)
{
    (void)state;
    struct bell bell;
    bell_init(&bell);
    bell_ring(&bell);
    bell_ring(&bell);
    assert_true(bell_wait(&bell, LONG));
    assert_false(bell_wait(&bell, 0)); /* many rings are one, and it is used up */
    bell_deinit(&bell);
}

static void without_a_ring_the_wait_ends_in_time(void **state)
{
    (void)state;
    struct bell bell;
    bell_init(&bell);
    int64_t begin_ns = clock_monotonic_ns();
    assert_false(bell_wait(&bell, 2 * NS_PER_MS));
    assert_true(clock_monotonic_ns() - begin_ns >= 2 * NS_PER_MS);
    bell_deinit(&bell);
}

struct table_tennis {
    struct bell ping, pong;
    int count;
};

static void *answer(void *argument)
{
    struct table_tennis *game = argument;
    for (int i = 0; i < game->count && bell_wait(&game->ping, LONG); i++)
        bell_ring(&game->pong);
    return NULL;
}

/* A lost wake-up would hang one side until its deadline. */
static void each_ring_wakes_the_other_thread(void **state)
{
    (void)state;
    struct table_tennis game = {.count = 5000};
    bell_init(&game.ping);
    bell_init(&game.pong);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, answer, &game), 0);
    int answered = 0;
    for (int i = 0; i < game.count; i++) {
        bell_ring(&game.ping);
        answered += bell_wait(&game.pong, LONG);
    }
    pthread_join(thread, NULL);
    assert_int_equal(answered, game.count);
    bell_deinit(&game.ping);
    bell_deinit(&game.pong);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ring_before_the_wait_is_not_lost),
        cmocka_unit_test(without_a_ring_the_wait_ends_in_time),
        cmocka_unit_test(each_ring_wakes_the_other_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
