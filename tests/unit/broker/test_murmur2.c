/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

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

/* tests/vectors/partitions.json is what Java's producer chose. */
static void chooses_the_partition_that_javas_producer_chose(void **state)
{
    (void)state;
    static const int counts[] = {6, 7, 64};
    static const char *const names[] = {"of_6", "of_7", "of_64"};
    json_error_t error;
    json_t *cases = json_load_file(VECTORS_DIR "/partitions.json", 0, &error), *one;
    if (cases == NULL)
        fail_msg("%s", error.text);
    assert_true(json_array_size(cases) > 300);
    size_t i;
    json_array_foreach(cases, i, one)
    {
        struct bytes key = bytes_from_text(json_string_value(json_object_get(one, "key")));
        for (size_t c = 0; c < 3; c++)
            assert_int_equal(murmur2_partition(key, counts[c]),
                             json_integer_value(json_object_get(one, names[c])));
    }
    json_decref(cases);
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
        cmocka_unit_test(chooses_the_partition_that_javas_producer_chose),
        cmocka_unit_test(a_partition_is_never_negative),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
