/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "live/idset.h"

static void test_an_id_waits_once_in_order(void **state)
{
    (void)state;
    struct idset set;
    idset_init(&set, 100);
    assert_int_equal(idset_add(&set, 7), IDSET_ADDED);
    assert_int_equal(idset_add(&set, 3), IDSET_ADDED);
    assert_int_equal(idset_add(&set, 7), IDSET_PRESENT);
    assert_int_equal(idset_take(&set), 7);
    assert_int_equal(idset_add(&set, 7), IDSET_ADDED);
    assert_int_equal(idset_take(&set), 3);
    assert_int_equal(idset_take(&set), 7);
    assert_int_equal(idset_take(&set), IDSET_NONE);
    idset_deinit(&set);
}

static void test_full_at_its_limit(void **state)
{
    (void)state;
    struct idset set;
    idset_init(&set, 3);
    for (uint32_t id = 0; id < 3; id++)
        assert_int_equal(idset_add(&set, id), IDSET_ADDED);
    assert_int_equal(idset_add(&set, 3), IDSET_FULL);
    assert_int_equal(idset_add(&set, 2), IDSET_PRESENT);
    idset_clear(&set);
    assert_int_equal(idset_take(&set), IDSET_NONE);
    assert_int_equal(idset_add(&set, 3), IDSET_ADDED);
    idset_deinit(&set);
}

/* Against a plain array of flags and a plain queue. */
static void test_random_use_agrees_with_a_plain_queue(void **state)
{
    (void)state;
    enum { IDS = 500, STEPS = 200000 };
    static uint32_t queue[STEPS];
    bool waits[IDS] = {false};
    size_t first = 0, end = 0;
    struct idset set;
    idset_init(&set, IDS);
    uint64_t seed = 42;
    for (int step = 0; step < STEPS; step++) {
        seed = seed * UINT64_C(6364136223846793005) + 1;
        uint32_t id = (uint32_t)(seed >> 33) % IDS;
        /* Phases of growth and of draining, so that the ring wraps. */
        if ((seed >> 20) % 10 < (step / 1000 % 2 ? 7U : 3U)) {
            assert_int_equal(idset_add(&set, id), waits[id] ? IDSET_PRESENT : IDSET_ADDED);
            if (!waits[id])
                queue[end++] = id;
            waits[id] = true;
        } else if (first < end) {
            assert_int_equal(idset_take(&set), queue[first]);
            waits[queue[first++]] = false;
        } else {
            assert_int_equal(idset_take(&set), IDSET_NONE);
        }
    }
    idset_deinit(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_id_waits_once_in_order),
        cmocka_unit_test(test_full_at_its_limit),
        cmocka_unit_test(test_random_use_agrees_with_a_plain_queue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
