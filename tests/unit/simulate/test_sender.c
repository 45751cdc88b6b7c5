/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <unistd.h>

#include "fake_gateway.h"
#include "simulate/sender.h"
#include "vehicle/reason.h"

/* A loop with a gateway, a sender and a pusher that offers the numbers 1 … goal
 * (number n on link n mod links) as fast as they are taken. */
struct stage {
    struct loop *loop;
    struct fake_gateway gateway;
    struct sender_options options;
    struct sender *sender;
    struct stats *stats;
    struct loop_timer *tick;
    unsigned goal;
    unsigned pushed;
    unsigned refusals; /* of push */
    unsigned rooms;    /* on_room calls */
    bool (*is_done)(struct stage *stage);
    int64_t deadline_ns;
    bool is_late;
    int step; /* of the test's own plot */
};

static void offer(struct stage *stage)
{
    while (stage->pushed < stage->goal) {
        unsigned number = stage->pushed + 1;
        char text[24], note[24];
        int len = snprintf(text, sizeof text, "%u", number);
        int note_len = snprintf(note, sizeof note, "n%u\n", number);
        if (!sender_push(stage->sender, number % stage->options.links, bytes_of(text, (size_t)len),
                         bytes_of(note, (size_t)note_len), clock_monotonic_ns())) {
            stage->refusals++;
            return;
        }
        stage->pushed++;
    }
}

static void on_room(void *context, uint32_t link)
{
    struct stage *stage = context;
    (void)link;
    stage->rooms++;
}

static void on_tick(void *context)
{
    struct stage *stage = context;
    stage->is_late = clock_monotonic_ns() > stage->deadline_ns;
    if (stage->is_late || stage->is_done(stage))
        loop_stop(stage->loop);
    else
        offer(stage);
}

static bool is_all_settled(struct stage *stage)
{
    if (stage->pushed == stage->goal)
        sender_finish(stage->sender);
    return stage->pushed == stage->goal && sender_unsettled(stage->sender) == 0;
}

static void run_until(struct stage *stage, bool (*is_done)(struct stage *stage))
{
    stage->is_done = is_done;
    stage->deadline_ns = clock_monotonic_ns() + 20 * NS_PER_S;
    loop_run(stage->loop);
    assert_false(stage->is_late);
}

static void set_up(struct stage *stage, unsigned goal)
{
    *stage = (struct stage){.goal = goal};
    struct error err;
    stage->loop = loop_new("test", &err);
    assert_non_null(stage->loop);
    stage->gateway.loop = stage->loop;
    fake_gateway_open(&stage->gateway);
    sender_options_defaults(&stage->options);
    stage->options.links = 3;
    stage->options.backoff_first_ns = 5 * NS_PER_MS;
    stage->options.backoff_max_ns = 20 * NS_PER_MS;
    stage->stats = stats_new();
    stage->tick = loop_timer_new(stage->loop, on_tick, stage);
    loop_timer_start(stage->tick, NS_PER_MS, NS_PER_MS);
}

static void start(struct stage *stage, const char *url)
{
    struct error err;
    assert_int_equal(client_target_resolve(&stage->options.target, url, &err), 0);
    assert_int_equal(sender_new(&stage->sender, stage->loop, &stage->options, on_room, stage,
                                stage->stats, &err),
                     0);
}

static void tear_down(struct stage *stage)
{
    sender_free(stage->sender);
    fake_gateway_kill(&stage->gateway);
    loop_timer_free(stage->tick);
    loop_free(stage->loop);
    stats_free(stage->stats);
}

static void check_none_lost(const struct stage *stage)
{
    for (unsigned number = 1; number <= stage->goal; number++)
        if (stage->gateway.seen[number] == 0)
            fail_msg("packet %u was lost", number);
    assert_int_equal(stage->gateway.disorders, 0);
    assert_int_equal(stage->stats->taken, stage->goal);
    assert_int_equal(stage->stats->sent, stage->goal);
    assert_int_equal(stage->stats->acked + stats_rejected(stage->stats), stage->goal);
    assert_int_equal(stage->stats->unsettled, 0);
}

static void test_all_are_acked(void **state)
{
    (void)state;
    struct stage stage;
    set_up(&stage, 5000);
    start(&stage, stage.gateway.url);
    run_until(&stage, is_all_settled);
    check_none_lost(&stage);
    assert_int_equal(stage.gateway.received, 5000);
    assert_int_equal(stage.gateway.connections_with_acks, 3);
    assert_int_equal(stage.stats->is_open, 3);
    assert_int_equal(stage.stats->resent, 0);
    assert_int_equal(stage.stats->latency.count, 5000);
    assert_true(stage.stats->latency.max_ns > 0);
    tear_down(&stage);
}

/* ---- the server dies ---- */

static bool dies_and_comes_back(struct stage *stage)
{
    switch (stage->step) {
    case 0:
        if (stage->stats->acked < 500)
            return false;
        fake_gateway_kill(&stage->gateway);
        stage->step++;
        return false;
    case 1: /* it stays away until connecting has failed */
        if (stage->stats->refusals < 6)
            return false;
        fake_gateway_open(&stage->gateway);
        stage->step++;
        return false;
    default:
        return is_all_settled(stage);
    }
}

static void test_server_killed_midway_loses_nothing(void **state)
{
    (void)state;
    struct stage stage;
    set_up(&stage, 5000);
    start(&stage, stage.gateway.url);
    run_until(&stage, dies_and_comes_back);
    check_none_lost(&stage);
    assert_int_equal(stage.stats->reconnects, 3);
    assert_int_equal(stage.gateway.connections, 6);
    assert_true(stage.stats->refusals >= 6);
    tear_down(&stage);
}

static bool acks_40_then_dies(struct stage *stage)
{
    if (stage->step == 0 && stage->stats->acked == 40 && stage->gateway.received == 100) {
        fake_gateway_kill(&stage->gateway);
        stage->gateway.ack_up_to = 0;
        fake_gateway_open(&stage->gateway);
        stage->step++;
    }
    return stage->step == 1 && is_all_settled(stage);
}

static void test_only_the_unacked_are_sent_again_numbered_from_1(void **state)
{
    (void)state;
    struct stage stage;
    set_up(&stage, 100);
    stage.options.links = 1;
    stage.gateway.ack_up_to = 40;
    start(&stage, stage.gateway.url);
    run_until(&stage, acks_40_then_dies);
    check_none_lost(&stage);
    for (unsigned number = 1; number <= 100; number++)
        assert_int_equal(stage.gateway.seen[number], number <= 40 ? 1 : 2);
    assert_int_equal(stage.stats->resent, 60);
    /* The gateway numbered them 1 … 60: its acks fit, or not all were settled. */
    assert_int_equal(stage.gateway.conns->count, 60);
    tear_down(&stage);
}

static void test_an_ack_of_what_was_not_sent_ends_the_connection(void **state)
{
    (void)state;
    struct stage stage;
    set_up(&stage, 300);
    stage.gateway.lie = 1000000;
    start(&stage, stage.gateway.url);
    run_until(&stage, is_all_settled);
    check_none_lost(&stage);
    assert_int_equal(stage.stats->reconnects, 1);
    tear_down(&stage);
}

/* ---- the server stalls ---- */

static bool is_full_and_quiet(struct stage *stage)
{
    return ++stage->step > 100 && stage->refusals > 50;
}

static void test_a_stalled_server_pauses_and_bounds_memory(void **state)
{
    (void)state;
    struct stage stage;
    set_up(&stage, 20000);
    stage.options.window_packets = 100;
    stage.gateway.is_stalled = true;
    start(&stage, stage.gateway.url);
    run_until(&stage, is_full_and_quiet);
    assert_in_range(stage.pushed, 100, 300);
    assert_int_equal(stage.stats->unsettled, stage.pushed);
    assert_int_equal(stage.stats->acked, 0);
    unsigned paused_at = stage.pushed;
    fake_gateway_resume(&stage.gateway);
    run_until(&stage, is_all_settled);
    check_none_lost(&stage);
    assert_true(stage.pushed > paused_at);
    assert_true(stage.rooms > 0);
    assert_int_equal(stage.stats->resent, 0);
    tear_down(&stage);
}

static void test_no_server_pauses_too(void **state)
{
    (void)state;
    struct stage stage;
    set_up(&stage, 1000);
    stage.options.window_packets = 10;
    fake_gateway_kill(&stage.gateway);
    start(&stage, stage.gateway.url);
    run_until(&stage, is_full_and_quiet);
    assert_in_range(stage.pushed, 10, 30);
    assert_int_equal(stage.stats->sent, 0);
    char trouble[256];
    stats_take_trouble(stage.stats, trouble);
    assert_non_null(strstr(trouble, "refused"));
    fake_gateway_open(&stage.gateway);
    run_until(&stage, is_all_settled);
    check_none_lost(&stage);
    tear_down(&stage);
}

/* ---- rejects, batches, no acks ---- */

static void test_rejects_are_counted_by_reason(void **state)
{
    (void)state;
    struct stage stage;
    set_up(&stage, 1000);
    stage.gateway.reject_every = 10;
    start(&stage, stage.gateway.url);
    run_until(&stage, is_all_settled);
    check_none_lost(&stage);
    assert_int_equal(stage.stats->rejected[REASON_RULE_RANGE], 100);
    assert_int_equal(stage.stats->acked, 900);
    assert_string_equal(stage.stats->examples[REASON_RULE_RANGE], "told so");
    tear_down(&stage);
}

static bool finishes(struct stage *stage)
{
    if (stage->step == 0 && stage->pushed == stage->goal && stage->stats->acked >= 90) {
        assert_int_equal(stage->gateway.received, 90); /* the last 5 wait for their batch */
        sender_finish(stage->sender);
        stage->step++;
    }
    return stage->step == 1 && is_all_settled(stage);
}

static void check_batches(enum sender_framing framing)
{
    struct stage stage;
    set_up(&stage, 95);
    stage.options.links = 1;
    stage.options.batch = 10;
    stage.options.framing = framing;
    start(&stage, stage.gateway.url);
    run_until(&stage, finishes);
    check_none_lost(&stage);
    assert_int_equal(stage.gateway.messages, 10);
    assert_int_equal(stage.gateway.largest_message, 10);
    tear_down(&stage);
}

static void test_batches_leave_when_full_or_at_the_end(void **state)
{
    (void)state;
    check_batches(SENDER_ARRAYS);
    check_batches(SENDER_LINES);
}

static void test_a_window_smaller_than_two_batches_goes_on(void **state)
{
    (void)state;
    struct stage stage;
    set_up(&stage, 1000);
    stage.options.links = 1;
    stage.options.batch = 10;
    stage.options.window_packets = 15;
    stage.options.window_bytes = 24; /* less than a batch */
    start(&stage, stage.gateway.url);
    run_until(&stage, is_all_settled);
    check_none_lost(&stage);
    tear_down(&stage);
}

static void test_without_acks_written_is_settled(void **state)
{
    (void)state;
    struct stage stage;
    set_up(&stage, 5000);
    stage.options.wants_acks = false;
    stage.options.window_packets = 50;
    start(&stage, stage.gateway.url);
    run_until(&stage, is_all_settled);
    assert_int_equal(stage.stats->sent, 5000);
    assert_int_equal(stage.stats->acked, 0);
    assert_int_equal(stage.gateway.connections_with_acks, 0);
    tear_down(&stage);
}

/* ---- HTTP ---- */

static void test_posts_are_settled_by_their_answers(void **state)
{
    (void)state;
    struct stage stage;
    set_up(&stage, 1000);
    stage.options.batch = 10;
    stage.gateway.reject_every = 10;
    start(&stage, stage.gateway.post_url);
    run_until(&stage, is_all_settled);
    for (unsigned number = 1; number <= 1000; number++)
        assert_int_equal(stage.gateway.seen[number], 1);
    assert_int_equal(stage.stats->acked, 900);
    assert_int_equal(stage.stats->rejected[REASON_RULE_RANGE], 100);
    assert_true(stage.gateway.messages >= 100);
    tear_down(&stage);
}

static void test_busy_is_waited_for(void **state)
{
    (void)state;
    struct stage stage;
    set_up(&stage, 60);
    stage.options.batch = 10;
    stage.gateway.busy_times = 2;
    start(&stage, stage.gateway.post_url);
    run_until(&stage, is_all_settled);
    check_none_lost(&stage);
    assert_int_equal(stage.stats->resent, 20);
    assert_int_equal(stage.stats->reconnects, 0);
    tear_down(&stage);
}

static void test_posts_survive_a_dead_server(void **state)
{
    (void)state;
    struct stage stage;
    set_up(&stage, 2000);
    stage.options.batch = 5;
    start(&stage, stage.gateway.post_url);
    run_until(&stage, dies_and_comes_back);
    assert_int_equal(stage.stats->acked, 2000);
    for (unsigned number = 1; number <= 2000; number++)
        assert_true(stage.gateway.seen[number] > 0);
    tear_down(&stage);
}

/* ---- the ack log ---- */

static void test_ack_log_holds_exactly_the_acked(void **state)
{
    (void)state;
    char path[] = "/tmp/motorcade-ack-log-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    struct stage stage;
    set_up(&stage, 2000);
    stage.gateway.reject_every = 4;
    struct error err;
    assert_int_equal(ack_log_open(&stage.options.ack_log, path, &err), 0);
    start(&stage, stage.gateway.url);
    run_until(&stage, dies_and_comes_back);
    check_none_lost(&stage);
    assert_int_equal(ack_log_close(stage.options.ack_log, &err), 0);
    tear_down(&stage);

    FILE *file = fopen(path, "r");
    assert_non_null(file);
    unsigned lines[2001] = {0};
    unsigned number;
    while (fscanf(file, "n%u\n", &number) == 1) {
        assert_in_range(number, 1, 2000);
        lines[number]++;
    }
    assert_true(feof(file));
    fclose(file);
    unlink(path);
    for (number = 1; number <= 2000; number++)
        assert_int_equal(lines[number], number % 4 == 0 ? 0 : 1);
}

static void test_ack_log_that_cannot_be_written(void **state)
{
    (void)state;
    struct ack_log *log;
    struct error err;
    assert_int_equal(ack_log_open(&log, "/nonexistent/file", &err), -1);
    assert_int_equal(ack_log_open(&log, "/dev/full", &err), 0);
    ack_log_append(log, BYTES("line\n"));
    assert_int_equal(ack_log_close(log, &err), -1);
    assert_int_equal(err.kind, ERROR_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_are_acked),
        cmocka_unit_test(test_server_killed_midway_loses_nothing),
        cmocka_unit_test(test_only_the_unacked_are_sent_again_numbered_from_1),
        cmocka_unit_test(test_an_ack_of_what_was_not_sent_ends_the_connection),
        cmocka_unit_test(test_a_stalled_server_pauses_and_bounds_memory),
        cmocka_unit_test(test_no_server_pauses_too),
        cmocka_unit_test(test_rejects_are_counted_by_reason),
        cmocka_unit_test(test_batches_leave_when_full_or_at_the_end),
        cmocka_unit_test(test_a_window_smaller_than_two_batches_goes_on),
        cmocka_unit_test(test_without_acks_written_is_settled),
        cmocka_unit_test(test_posts_are_settled_by_their_answers),
        cmocka_unit_test(test_busy_is_waited_for),
        cmocka_unit_test(test_posts_survive_a_dead_server),
        cmocka_unit_test(test_ack_log_holds_exactly_the_acked),
        cmocka_unit_test(test_ack_log_that_cannot_be_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
