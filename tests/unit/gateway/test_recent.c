/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/recent.h"

static struct packet_identity identity_of(unsigned seed)
{
    struct packet_identity identity;
    for (unsigned i = 0; i < PACKET_IDENTITY_LEN; i++)
        identity.bytes[i] = (uint8_t)(seed * 167 + i * 31 + (seed >> 8) * 7);
    return identity;
}

static void test_remembers(void **state)
{
    (void)state;
    struct recent recent;
    assert_int_equal(recent_init(&recent, 1000), 0);
    struct packet_identity a = identity_of(1);
    struct packet_identity b = identity_of(2);
    assert_int_equal(recent_find(&recent, &a), 0);
    recent_remember(&recent, &a, 17);
    assert_int_equal(recent_find(&recent, &a), 17);
    assert_int_equal(recent_find(&recent, &b), 0);
    recent_forget_all(&recent);
    assert_int_equal(recent_find(&recent, &a), 0);
    recent_deinit(&recent);
}

/* Full or not, an answer is never another identity's. */
static void test_never_confuses(void **state)
{
    (void)state;
    struct recent recent;
    assert_int_equal(recent_init(&recent, 16), 0);
    for (unsigned seed = 1; seed < 5000; seed++) {
        struct packet_identity identity = identity_of(seed);
        uint64_t found = recent_find(&recent, &identity);
        if (found != 0) {
            struct packet_identity other = identity_of((unsigned)found);
            assert_memory_equal(other.bytes, identity.bytes, PACKET_IDENTITY_LEN);
        }
        recent_remember(&recent, &identity, seed);
        assert_int_equal(recent_find(&recent, &identity), seed);
    }
    recent_deinit(&recent);
}

static void test_size_zero_remembers_nothing(void **state)
{
    (void)state;
    struct recent recent;
    assert_int_equal(recent_init(&recent, 0), 0);
    struct packet_identity a = identity_of(1);
    recent_remember(&recent, &a, 1);
    assert_int_equal(recent_find(&recent, &a), 0);
    recent_forget_all(&recent);
    recent_deinit(&recent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_remembers),
        cmocka_unit_test(test_never_confuses),
        cmocka_unit_test(test_size_zero_remembers_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
