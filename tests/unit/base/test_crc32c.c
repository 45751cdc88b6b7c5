/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/crc32c.h"

/* RFC 3720 appendix B.4; there the CRCs stand as bytes in the order sent. */
static void test_rfc_3720_vectors(void **state)
{
    (void)state;
    unsigned char data[32];
    memset(data, 0, sizeof data);
    assert_int_equal(crc32c(0, data, 32), 0x8A9136AA);
    memset(data, 0xff, sizeof data);
    assert_int_equal(crc32c(0, data, 32), 0x62A8AB43);
    for (unsigned i = 0; i < 32; i++)
        data[i] = (unsigned char)i;
    assert_int_equal(crc32c(0, data, 32), 0x46DD794E);
    for (unsigned i = 0; i < 32; i++)
        data[i] = (unsigned char)(31 - i);
    assert_int_equal(crc32c(0, data, 32), 0x113FDB5C);
    static const unsigned char read_command[48] = {
        0x01, 0xc0, 0, 0, 0, 0, 0,    0, 0,    0, 0, 0,    0, 0, 0, 0,
        0x14, 0,    0, 0, 0, 0, 0x04, 0, 0,    0, 0, 0x14, 0, 0, 0, 0x18,
        0x28, 0,    0, 0, 0, 0, 0,    0, 0x02, 0, 0, 0,    0, 0, 0, 0};
    assert_int_equal(crc32c(0, read_command, 48), 0xD9963A56);
    assert_int_equal(crc32c(0, "123456789", 9), 0xE3069283);
    assert_int_equal(crc32c(0, NULL, 0), 0);
}

/* Bit by bit, from the definition. */
static uint32_t slow_crc(uint32_t crc, const unsigned char *p, size_t len)
{
    crc = ~crc;
    for (size_t i = 0; i < len; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ ((crc & 1) != 0 ? UINT32_C(0x82F63B78) : 0);
    }
    return ~crc;
}

static unsigned char large[3 * 3 * 1024 + 100];

static void fill_large(void)
{
    uint32_t x = 12345;
    for (size_t i = 0; i < sizeof large; i++) {
        x = x * 1664525 + 1013904223;
        large[i] = (unsigned char)(x >> 24);
    }
}

static void test_every_length_agrees_with_the_definition(void **state)
{
    (void)state;
    fill_large();
    for (size_t len = 0; len < 200; len++)
        for (size_t start = 0; start < 9; start++)
            assert_int_equal(crc32c(7, large + start, len), slow_crc(7, large + start, len));
    /* Around the three lanes of 1024 bytes, once and twice. */
    for (size_t len = 3 * 1024 - 10; len < 3 * 1024 + 20; len++)
        assert_int_equal(crc32c(0, large, len), slow_crc(0, large, len));
    for (size_t len = 6 * 1024 - 10; len < 6 * 1024 + 20; len++)
        assert_int_equal(crc32c(0, large, len), slow_crc(0, large, len));
    assert_int_equal(crc32c(0, large, sizeof large), slow_crc(0, large, sizeof large));
}

static void test_splits_do_not_matter(void **state)
{
    (void)state;
    fill_large();
    uint32_t whole = crc32c(0, large, sizeof large);
    for (size_t at = 0; at <= sizeof large; at += 37) {
        uint32_t first = crc32c(0, large, at);
        assert_int_equal(crc32c(first, large + at, sizeof large - at), whole);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc_3720_vectors),
        cmocka_unit_test(test_every_length_agrees_with_the_definition),
        cmocka_unit_test(test_splits_do_not_matter),
    };
    return cmocka_run_group_tests_name("crc32c", tests, NULL, NULL);
}
