/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "gateway/pace.h"

static const int64_t START_NS = 1000 * INT64_C(1000000000);

static unsigned take_at(struct pace *pace, struct bytes vehicle, int64_t now_ns, unsigned tries)
{
    unsigned taken = 0;
    for (unsigned i = 0; i < tries; i++)
        taken += pace_take(pace, vehicle, now_ns) == 0;
    return taken;
}

static void test_one_second_s_worth_at_once(void **state)
{
    (void)state;
    struct pace pace;
    assert_int_equal(pace_init(&pace, 100), 0);
    assert_int_equal(take_at(&pace, BYTES("cab"), START_NS, 500), 100);
    /* Another vehicle has its own bucket. */
    assert_int_equal(take_at(&pace, BYTES("taxi"), START_NS, 500), 100);
    /* Half a second later half of it is back; after an hour no more than all. */
    assert_int_equal(take_at(&pace, BYTES("cab"), START_NS + NS_PER_S / 2, 500), 50);
    assert_int_equal(take_at(&pace, BYTES("cab"), START_NS + 3600 * NS_PER_S, 500), 100);
    pace_deinit(&pace);
}

static void test_answers_how_long_to_wait(void **state)
{
    (void)state;
    struct pace pace;
    assert_int_equal(pace_init(&pace, 10), 0);
    take_at(&pace, BYTES("cab"), START_NS, 10);
    int64_t wait_ns = pace_take(&pace, BYTES("cab"), START_NS);
    assert_int_equal(wait_ns, NS_PER_S / 10);
    assert_int_equal(pace_take(&pace, BYTES("cab"), START_NS + wait_ns), 0);
    pace_deinit(&pace);
}

static void test_no_limit(void **state)
{
    (void)state;
    struct pace pace;
    assert_int_equal(pace_init(&pace, 0), 0);
    assert_int_equal(take_at(&pace, BYTES("cab"), START_NS, 100000), 100000);
    pace_deinit(&pace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_second_s_worth_at_once),
        cmocka_unit_test(test_answers_how_long_to_wait),
        cmocka_unit_test(test_no_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
