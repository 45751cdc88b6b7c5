/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker/murmur2.h"

/* The values of UtilsTest.testMurmur2 in Apache Kafka. */
static void hashes_as_javas_client(void **state)
{
    (void)state;
    assert_int_equal((int32_t)murmur2(BYTES("21")), -973932308);
    assert_int_equal((int32_t)murmur2(BYTES("foobar")), -790332482);
    assert_int_equal((int32_t)murmur2(BYTES("a-little-bit-long-string")), -985981536);
    assert_int_equal((int32_t)murmur2(BYTES("a-little-bit-longer-string")), -1486304829);
    assert_int_equal((int32_t)murmur2(BYTES("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8")),
                     -58897971);
    assert_int_equal((int32_t)murmur2(BYTES("abc")), 479470107);
}

static void a_partition_is_never_negative(void **state)
{
    (void)state;
    for (int i = 0; i < 1000; i++) {
        char key[4] = {(char)i, (char)(i >> 8), 'x', 'y'};
        int partition = murmur2_partition(bytes_of(key, 4), 7);
        assert_in_range(partition, 0, 6);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_as_javas_client),
        cmocka_unit_test(a_partition_is_never_negative),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
