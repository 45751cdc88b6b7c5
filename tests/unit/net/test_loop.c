/* SPDX-License-Identifier: Apache-2.0 */
#include "net/loop.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "fixture.h"
#include "observe/metrics.h"

struct log {
    struct loop *loop;
    struct loop_timer *timer;
    char text[64];
    size_t len;
    atomic_int count;
    int stop_at;
};

static int set_up(void **state)
{
    struct log *log = calloc(1, sizeof *log);
    assert_non_null(log);
    log->loop = loop_new("unit", NULL);
    assert_non_null(log->loop);
    *state = log;
    return 0;
}

static int tear_down(void **state)
{
    struct log *log = *state;
    loop_free(log->loop);
    free(log);
    return 0;
}

static void add(struct log *log, char c)
{
    if (log->len < sizeof log->text - 1)
        log->text[log->len++] = c;
}

static void on_post(void *context)
{
    struct log *log = context;
    add(log, 'p');
    if (atomic_fetch_add(&log->count, 1) + 1 == log->stop_at)
        loop_stop(log->loop);
}

static void on_turn_end(void *context)
{
    add(context, '.');
}

static void on_second_turn_end(void *context)
{
    add(context, ';');
}

/* From another thread, in order, and the turn's end comes behind them. */
static void test_posts_and_turn_end(void **state)
{
    struct log *log = *state;
    log->stop_at = 3;
    loop_on_turn_end(log->loop, on_turn_end, log);
    loop_on_turn_end(log->loop, on_second_turn_end, log);
    for (int i = 0; i < 3; i++)
        loop_post(log->loop, on_post, log);
    assert_int_equal(loop_start(log->loop, NULL), 0);
    loop_join(log->loop);
    assert_string_equal(log->text, ".;ppp.;"); /* the first for what was done before the start */
}

static void *post_many(void *context)
{
    struct log *log = context;
    for (int i = 0; i < 10000; i++)
        loop_post(log->loop, on_post, log);
    return NULL;
}

static void test_posts_of_many_threads_all_run(void **state)
{
    struct log *log = *state;
    pthread_t threads[4];
    log->stop_at = 40000;
    assert_int_equal(loop_start(log->loop, NULL), 0);
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, post_many, log);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    loop_join(log->loop);
    assert_int_equal(atomic_load(&log->count), 40000);
}

static void on_wake(void *context)
{
    struct log *log = context;
    add(log, 'w');
    atomic_fetch_add(&log->count, 1);
}

static void test_wakes_coalesce_and_end_with_free(void **state)
{
    struct log *log = *state;
    struct loop_waker *waker = loop_waker_new(log->loop, on_wake, log, NULL);
    assert_non_null(waker);
    for (int i = 0; i < 1000; i++)
        loop_wake(waker);
    log->stop_at = 1;
    loop_post(log->loop, on_post, log);
    loop_run(log->loop);
    int calls = 0;
    for (size_t i = 0; i < log->len; i++)
        calls += log->text[i] == 'w';
    assert_int_equal(calls, 1);
    loop_wake(waker);
    loop_waker_free(waker);
    atomic_store(&log->count, 0);
    loop_post(log->loop, on_post, log);
    loop_run(log->loop);
    assert_null(strchr(strchr(log->text, 'w') + 1, 'w'));
}

static void on_timer(void *context)
{
    struct log *log = context;
    add(log, 't');
    if (atomic_fetch_add(&log->count, 1) + 1 == log->stop_at)
        loop_stop(log->loop);
}

/* What a timer gave to do is ended before the loop sleeps again. */
static void test_timer_repeats_and_ends_its_turn(void **state)
{
    struct log *log = *state;
    log->stop_at = 3;
    log->timer = loop_timer_new(log->loop, on_timer, log);
    loop_on_turn_end(log->loop, on_turn_end, log);
    int64_t begin = clock_monotonic_ns();
    loop_timer_start(log->timer, 5 * NS_PER_MS, 5 * NS_PER_MS);
    loop_run(log->loop);
    assert_true(clock_monotonic_ns() - begin >= 13 * NS_PER_MS);
    const char *at = log->text;
    for (int i = 0; i < 3; i++) {
        at = strchr(at, 't');
        assert_non_null(at);
        assert_int_equal(*++at, '.');
    }
    loop_timer_free(log->timer);
}

static void on_stopped_timer(void *context)
{
    (void)context;
    fail();
}

static void test_stopped_timer_is_silent(void **state)
{
    struct log *log = *state;
    log->stop_at = 1;
    struct loop_timer *silent = loop_timer_new(log->loop, on_stopped_timer, log);
    log->timer = loop_timer_new(log->loop, on_timer, log);
    loop_timer_start(silent, 1 * NS_PER_MS, 0);
    loop_timer_start(log->timer, 5 * NS_PER_MS, 0);
    loop_timer_stop(silent);
    loop_run(log->loop);
    loop_timer_free(silent);
    loop_timer_free(log->timer);
}

static void on_signal(void *context, int number)
{
    struct log *log = context;
    assert_int_equal(number, SIGUSR1);
    loop_stop(log->loop);
    add(log, 's');
}

static void test_signal(void **state)
{
    struct log *log = *state;
    assert_int_equal(loop_on_signal(log->loop, SIGUSR1, on_signal, log, NULL), 0);
    kill(getpid(), SIGUSR1);
    loop_run(log->loop);
    assert_string_equal(log->text, "s");
    struct error err = {0};
    assert_int_equal(loop_on_signal(log->loop, SIGKILL, on_signal, log, &err), -1);
    assert_true(strlen(err.text) > 0);
}

static void slow(void *context)
{
    struct log *log = context;
    int64_t begin = loop_now_ns(log->loop);
    while (clock_monotonic_ns() - begin < 30 * NS_PER_MS)
        ;
    assert_true(loop_now_ns(log->loop) == begin); /* one time a turn */
    loop_stop(log->loop);
}

static void test_delay_is_measured(void **state)
{
    struct log *log = *state;
    loop_post(log->loop, slow, log);
    loop_run(log->loop);
    assert_true(metrics_quantile(METRIC_LOOP_DELAY_SECONDS, 0, 1.0) >= 16 * NS_PER_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(test_posts_and_turn_end),
        TEST(test_posts_of_many_threads_all_run),
        TEST(test_wakes_coalesce_and_end_with_free),
        TEST(test_timer_repeats_and_ends_its_turn),
        TEST(test_stopped_timer_is_silent),
        TEST(test_signal),
        TEST(test_delay_is_measured),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
