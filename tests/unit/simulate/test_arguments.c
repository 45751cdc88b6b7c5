/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/clock.h"
#include "simulate/arguments.h"

static struct error err;

static void check_usage(int result, const char *part)
{
    assert_int_equal(result, -1);
    assert_int_equal(err.kind, ERROR_USAGE);
    if (strstr(err.text, part) == NULL)
        fail_msg("%s is not in %s", part, err.text);
}

static void test_counts(void **state)
{
    (void)state;
    uint64_t value = 7;
    assert_int_equal(argument_count("batch", NULL, 1, 1000, &value, &err), 0);
    assert_int_equal(value, 7);
    assert_int_equal(argument_count("batch", "1000", 1, 1000, &value, &err), 0);
    assert_int_equal(value, 1000);
    check_usage(argument_count("batch", "1001", 1, 1000, &value, &err), "--batch 1001");
    check_usage(argument_count("batch", "0", 1, 1000, &value, &err), "from 1 to 1000");
    check_usage(argument_count("batch", "ten", 1, 1000, &value, &err), "--batch ten");
    assert_int_equal(value, 1000);
}

static void test_rates_and_durations(void **state)
{
    (void)state;
    double rate = 1;
    int64_t duration_ns = 1;
    assert_int_equal(argument_rate("rate", "0.1", &rate, &err), 0);
    assert_true(rate > 0.09 && rate < 0.11);
    check_usage(argument_rate("rate", "0", &rate, &err), "--rate 0");
    check_usage(argument_rate("rate", "1e7", &rate, &err), "--rate");
    check_usage(argument_rate("rate", "-1", &rate, &err), "--rate");
    assert_int_equal(argument_duration("duration", "1.5h", &duration_ns, &err), 0);
    assert_true(duration_ns == 5400 * NS_PER_S);
    check_usage(argument_duration("duration", "0s", &duration_ns, &err), "--duration 0s");
    check_usage(argument_duration("duration", "30", &duration_ns, &err), "30s");
}

static void test_boxes(void **state)
{
    (void)state;
    double box[4];
    assert_int_equal(argument_box("box", "37.7,-122.5,37.8,-122.4", box, &err), 0);
    assert_true(box[1] < -122.4 && box[1] > -122.6);
    check_usage(argument_box("box", "37.7,-122.5,37.8", box, &err), "--box");
    check_usage(argument_box("box", "37.7,-122.5,37.8,1,2", box, &err), "--box");
    check_usage(argument_box("box", "a,b,c,d", box, &err), "--box");
    check_usage(argument_box("box", "", box, &err), "--box");
}

static void test_a_missing_path_is_the_gateways(void **state)
{
    (void)state;
    struct client_target target;
    assert_int_equal(argument_target("ws://127.0.0.1:30000", &target, &err), 0);
    assert_string_equal(target.path, "/ws");
    assert_int_equal(argument_target("http://127.0.0.1:30000/", &target, &err), 0);
    assert_string_equal(target.path, "/packets");
    assert_int_equal(argument_target("http://127.0.0.1:30000/in", &target, &err), 0);
    assert_string_equal(target.path, "/in");
}

static void test_windows(void **state)
{
    (void)state;
    assert_int_equal(argument_window(1, 1), 16384);
    assert_int_equal(argument_window(1000, 1), 262);
    assert_int_equal(argument_window(100000, 1), 64);
    assert_int_equal(argument_window(100000, 100), 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),  cmocka_unit_test(test_rates_and_durations),
        cmocka_unit_test(test_boxes),   cmocka_unit_test(test_a_missing_path_is_the_gateways),
        cmocka_unit_test(test_windows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
