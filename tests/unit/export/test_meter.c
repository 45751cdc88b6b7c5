/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "export/meter.h"

static void test_a_steady_stream_has_its_rate_everywhere(void **state)
{
    (void)state;
    struct meter meter = {0};
    for (int i = 0; i <= 60; i++)
        meter_tick(&meter, 500, i * 10 * NS_PER_S);
    assert_float_equal(meter_mean(&meter), 50, 1e-9);
    assert_float_equal(meter.m1, 50, 1e-9);
    assert_float_equal(meter.m15, 50, 1e-9);
}

/* After a minute of silence the one-minute average has fallen to 1/e. */
static void test_averages_decay(void **state)
{
    (void)state;
    struct meter meter = {0};
    meter_tick(&meter, 0, NS_PER_S);
    meter_tick(&meter, 100, 2 * NS_PER_S);
    for (int i = 1; i <= 12; i++)
        meter_tick(&meter, 0, (2 + i * 5) * NS_PER_S);
    assert_float_equal(meter.m1, 100 * exp(-1), 1e-9);
    assert_float_equal(meter.m5, 100 * exp(-1.0 / 5), 1e-9);
    assert_float_equal(meter.m15, 100 * exp(-1.0 / 15), 1e-9);
    assert_float_equal(meter_mean(&meter), 100.0 / 61, 1e-9);
}

static void test_a_new_meter_and_a_still_clock_are_zero(void **state)
{
    (void)state;
    struct meter meter = {0};
    assert_float_equal(meter_mean(&meter), 0, 0);
    meter_tick(&meter, 1000, NS_PER_S); /* came before the first look */
    meter_tick(&meter, 5, NS_PER_S);
    assert_float_equal(meter_mean(&meter), 0, 0);
    meter_tick(&meter, 5, 2 * NS_PER_S);
    assert_float_equal(meter_mean(&meter), 10, 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_steady_stream_has_its_rate_everywhere),
        cmocka_unit_test(test_averages_decay),
        cmocka_unit_test(test_a_new_meter_and_a_still_clock_are_zero),
    };
    return cmocka_run_group_tests_name("meter", tests, NULL, NULL);
}
