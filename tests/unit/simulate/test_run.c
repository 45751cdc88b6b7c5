/* SPDX-License-Identifier: Apache-2.0 */
/* simulate and replay as a whole, against a gateway on a thread of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "fake_gateway.h"
#include "simulate/replay.h"
#include "simulate/simulate.h"

static struct fake_gateway gateway;

static void set_up(void)
{
    struct error err;
    gateway = (struct fake_gateway){.is_json = true};
    gateway.loop = loop_new("gateway", &err);
    assert_non_null(gateway.loop);
    fake_gateway_open(&gateway);
    assert_int_equal(loop_start(gateway.loop, &err), 0);
}

static void stop_gateway(void *context)
{
    (void)context;
    fake_gateway_kill(&gateway);
    loop_stop(gateway.loop);
}

static void tear_down(void)
{
    loop_post(gateway.loop, stop_gateway, NULL);
    loop_join(gateway.loop);
    loop_free(gateway.loop);
}

/* The report goes to standard output, where the test's own result goes: read it
 * from a file instead. */
static char report[4096];

static int with_report(int (*run)(const void *options, struct error *err), const void *options,
                       struct error *err)
{
    char path[] = "/tmp/motorcade-report-XXXXXX";
    int file = mkstemp(path);
    int kept = dup(STDOUT_FILENO);
    assert_true(file >= 0 && kept >= 0);
    fflush(stdout);
    dup2(file, STDOUT_FILENO);
    int result = run(options, err);
    fflush(stdout);
    dup2(kept, STDOUT_FILENO);
    close(kept);
    ssize_t len = pread(file, report, sizeof report - 1, 0);
    report[len > 0 ? len : 0] = '\0';
    close(file);
    unlink(path);
    return result;
}

static int run_simulate(const void *options, struct error *err)
{
    return simulate_run(options, err);
}

static int run_replay(const void *options, struct error *err)
{
    return replay_run(options, err);
}

static struct simulate_options quick(void)
{
    struct simulate_options options;
    simulate_options_defaults(&options);
    options.url = gateway.url;
    options.vehicles = 50;
    options.rate = 100;
    options.count = 1000;
    options.is_quiet = true;
    options.is_json = true;
    return options;
}

static void check_report(const char *part)
{
    if (strstr(report, part) == NULL)
        fail_msg("%s is not in %s", part, report);
}

static void check_simulate(const struct simulate_options *options)
{
    struct error err = {0};
    if (with_report(run_simulate, options, &err) != 0)
        fail_msg("%s %s", err.text, report);
    check_report("\"ok\":true");
    check_report("\"sent\":1000,\"acked\":1000,\"rejected\":0");
    check_report("\"unacked\":0,\"resent\":0,\"reconnects\":0");
    tear_down();
    assert_int_equal(gateway.received, 1000);
}

static void test_a_count_of_packets(void **state)
{
    (void)state;
    set_up();
    struct simulate_options options = quick();
    check_simulate(&options);
    assert_int_equal(gateway.connections, 50);
}

static void test_loops_share_the_fleet(void **state)
{
    (void)state;
    set_up();
    struct simulate_options options = quick();
    options.loops = 3;
    options.connections = 7;
    options.is_frame_per_write = true;
    check_simulate(&options);
    assert_int_equal(gateway.connections, 7);
}

static void test_posts_in_batches(void **state)
{
    (void)state;
    set_up();
    struct simulate_options options = quick();
    options.url = gateway.post_url;
    options.connections = 5;
    options.batch = 10;
    check_simulate(&options);
    assert_int_equal(gateway.largest_message, 10);
}

static void test_a_duration_at_a_rate(void **state)
{
    (void)state;
    set_up();
    struct simulate_options options = quick();
    options.count = 0;
    options.rate = 20;
    options.duration_ns = NS_PER_S;
    check_simulate(&options); /* 50 vehicles, 20 a second each, one second */
}

static void test_plain_clients(void **state)
{
    (void)state;
    set_up();
    struct simulate_options options = quick();
    options.is_obu = true;
    check_simulate(&options);
}

static void test_nobody_acks(void **state)
{
    (void)state;
    set_up();
    struct simulate_options options = quick();
    tear_down();
    options.count = 10;
    options.grace_ns = 50 * NS_PER_MS;
    struct error err = {0};
    assert_int_equal(with_report(run_simulate, &options, &err), -1);
    assert_int_equal(err.kind, ERROR_REMOTE);
    check_report("\"ok\":false");
    check_report("\"sent\":0,\"acked\":0");
    check_report("\"unacked\":10");
}

static void test_impossible_options(void **state)
{
    (void)state;
    struct simulate_options options;
    struct error err;
    simulate_options_defaults(&options);
    options.connections = 501;
    assert_int_equal(simulate_run(&options, &err), -1);
    assert_int_equal(err.kind, ERROR_USAGE);
    simulate_options_defaults(&options);
    options.url = "nowhere";
    assert_int_equal(simulate_run(&options, &err), -1);
    assert_int_equal(err.kind, ERROR_USAGE);
    simulate_options_defaults(&options);
    options.box.min_lat = 80;
    assert_int_equal(simulate_run(&options, &err), -1);
    assert_int_equal(err.kind, ERROR_USAGE);
}

/* On the gateway's thread: Ctrl-C once enough has come. */
static void interrupt_after_100(void *context)
{
    static bool is_done;
    (void)context;
    if (gateway.received < 100 || is_done)
        return;
    is_done = true;
    kill(getpid(), SIGINT);
}

static void test_ctrl_c_ends_it_with_a_report(void **state)
{
    (void)state;
    struct error err = {0};
    gateway = (struct fake_gateway){.is_json = true};
    gateway.loop = loop_new("gateway", &err);
    fake_gateway_open(&gateway);
    loop_on_turn_end(gateway.loop, interrupt_after_100, NULL);
    assert_int_equal(loop_start(gateway.loop, &err), 0);
    struct simulate_options options = quick();
    options.count = 0;
    if (with_report(run_simulate, &options, &err) != 0)
        fail_msg("%s", err.text);
    check_report("\"ok\":true");
    tear_down();
    assert_true(gateway.received >= 100);
}

/* ---- replay ---- */

static struct replay_options replay_of(const char *path)
{
    struct replay_options options;
    replay_options_defaults(&options);
    options.url = gateway.url;
    options.path = path;
    options.is_quiet = true;
    options.is_json = true;
    return options;
}

static void write_file(char *path, const char *text)
{
    int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(write(file, text, strlen(text)), strlen(text));
    close(file);
}

static const char three_lines[] = "vehicle,time,lat,lon\n"
                                  "a,1000,1,2\n"
                                  "b,1001,1,2\n"
                                  "broken\n"
                                  "a,1002,1,2\n";

static void test_replay_keeps_its_rhythm(void **state)
{
    (void)state;
    set_up();
    char path[] = "/tmp/motorcade-trace-XXXXXX";
    write_file(path, three_lines);
    struct replay_options options = replay_of(path);
    options.speed = 10; /* two seconds in 200 ms */
    struct error err = {0};
    int64_t began_ns = clock_monotonic_ns();
    if (with_report(run_replay, &options, &err) != 0)
        fail_msg("%s", err.text);
    assert_true(clock_monotonic_ns() - began_ns >= 200 * NS_PER_MS);
    check_report("\"sent\":3,\"acked\":3");
    check_report("\"bad_lines\":1");
    tear_down();
    unlink(path);
}

static void test_replay_of_what_is_no_trace(void **state)
{
    (void)state;
    set_up();
    struct error err = {0};
    struct replay_options options = replay_of("/nonexistent");
    assert_int_equal(replay_run(&options, &err), -1);
    assert_int_equal(err.kind, ERROR_IO);
    char path[] = "/tmp/motorcade-trace-XXXXXX";
    write_file(path, "one,two\n1,2\n");
    options.path = path;
    assert_int_equal(replay_run(&options, &err), -1);
    assert_non_null(strstr(err.text, "--map"));
    unlink(path);
    tear_down();
}

static void test_replay_of_cut_gzip_fails_after_sending_what_there_is(void **state)
{
    (void)state;
    /* gzip of "vehicle,lat,lon\na,1,2\n", stored, without its trailer. */
    static const unsigned char cut[] = {0x1f, 0x8b, 8,   0,    0,    0,   0,   0,   0,   3,
                                        1,    22,   0,   0xe9, 0xff, 'v', 'e', 'h', 'i', 'c',
                                        'l',  'e',  ',', 'l',  'a',  't', ',', 'l', 'o', 'n',
                                        '\n', 'a',  ',', '1',  ',',  '2', '\n'};
    set_up();
    char path[] = "/tmp/motorcade-trace-XXXXXX";
    int file = mkstemp(path);
    assert_int_equal(write(file, cut, sizeof cut), sizeof cut);
    close(file);
    struct replay_options options = replay_of(path);
    struct error err = {0};
    assert_int_equal(with_report(run_replay, &options, &err), -1);
    assert_int_equal(err.kind, ERROR_CORRUPT);
    check_report("\"acked\":1");
    unlink(path);
    tear_down();
}

static void test_replay_of_a_day_of_cabs(void **state)
{
    (void)state;
    const char *path = getenv("MOTORCADE_CABS");
    if (path == NULL || access(path, R_OK) != 0) {
        /* Not skip(): cmocka prints "not ok … # SKIP", which meson counts as failed. */
        print_message("# SKIP: no sf-cabs-2008-05-20.csv.gz beside the repository\n");
        return;
    }
    set_up();
    struct replay_options options = replay_of(path);
    options.speed = 0;
    struct error err = {0};
    if (with_report(run_replay, &options, &err) != 0)
        fail_msg("%s", err.text);
    check_report("\"sent\":442977,\"acked\":442977,\"rejected\":0");
    check_report("\"bad_lines\":0");
    tear_down();
    assert_int_equal(gateway.received, 442977);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_count_of_packets),
        cmocka_unit_test(test_loops_share_the_fleet),
        cmocka_unit_test(test_posts_in_batches),
        cmocka_unit_test(test_a_duration_at_a_rate),
        cmocka_unit_test(test_plain_clients),
        cmocka_unit_test(test_nobody_acks),
        cmocka_unit_test(test_impossible_options),
        cmocka_unit_test(test_ctrl_c_ends_it_with_a_report),
        cmocka_unit_test(test_replay_keeps_its_rhythm),
        cmocka_unit_test(test_replay_of_what_is_no_trace),
        cmocka_unit_test(test_replay_of_cut_gzip_fails_after_sending_what_there_is),
        cmocka_unit_test(test_replay_of_a_day_of_cabs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
