/* SPDX-License-Identifier: Apache-2.0 */
/* Against strtod, which glibc rounds correctly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/decimal.h"

static uint64_t random_next(void)
{
    static uint64_t state = 42;
    uint64_t z = (state += 0x9E3779B97F4A7C15u);
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static void check(const char *text)
{
    struct decimal decimal, plain;
    struct bytes in = bytes_from_text(text);
    const char *end = in.ptr + in.len;
    assert_ptr_equal(decimal_scan(in.ptr, end, &decimal), end);
    double expected = strtod(text, NULL);
    double value = decimal_to_double(&decimal, in);
    if (memcmp(&value, &expected, sizeof value) != 0)
        fail_msg("%s: %.17g, expected %.17g", text, value, expected);
    if (in.len < 8 || decimal_scan_plain(in.ptr, end, &plain) == NULL)
        return;
    value = decimal_to_double_plain(&plain, in);
    if (memcmp(&value, &expected, sizeof value) != 0)
        fail_msg("plain %s: %.17g, expected %.17g", text, value, expected);
}

static void test_known_hard_ones(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "0",
        "-0",
        "-0.0000000",
        "1",
        "9007199254740993",
        "9007199254740992",
        "9007199254740993.0",
        "9007199254740991.5",
        "1e22",
        "1e23",
        "8.5e22",
        "1e-22",
        "1e400",
        "-1e400",
        "1e-400",
        "4.9e-324",
        "2.4703282292062327e-324",
        "2.4703282292062328e-324",
        "1.7976931348623157e308",
        "1.7976931348623159e308",
        "18446744073709551615",
        "18446744073709551616",
        "0.1",
        "0.30000000000000004",
        "37.774929000000001",
        "-122.41941550000001",
        "1234567890123456789.0",
        "0.000000000000000000000000000001",
        "9.5367431640625e-7",
        "1.00000000000000011102230246251565",
        "100000000000000000000000",
        "1.000000000000000111022302462515655",
        "123456789012345678.9e-18",
        "7450580596923828125e-27",
        "0.5000000000000000277555756156289135105907917022705078125",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        check(texts[i]);
}

static void test_random_ones(void **state)
{
    (void)state;
    char text[80];
    for (int i = 0; i < 300000; i++) {
        uint64_t bits = random_next();
        unsigned digits = 1 + bits % 20, places = (bits >> 8) % (digits + 1);
        int len = snprintf(text, sizeof text, "%s%0*llu", bits >> 16 & 1 ? "-" : "", (int)digits,
                           (unsigned long long)(random_next() % UINT64_C(10000000000000000000)));
        const char *first = text + (text[0] == '-');
        if (first[0] == '0')
            text[first - text] = '7';
        if (places > 0 && (size_t)places < strlen(first)) {
            memmove(text + len - places + 1, text + len - places, places + 1);
            text[len - (int)places] = '.';
            len++;
        }
        if ((bits >> 20 & 7) == 0)
            snprintf(text + len, sizeof text - (size_t)len, "e%d", (int)(bits >> 24 & 63) - 32);
        check(text);
    }
}

/* Doubles with the digits that Python or JavaScript would print. */
static void test_doubles_in_seventeen_digits(void **state)
{
    (void)state;
    char text[80];
    for (int i = 0; i < 300000; i++) {
        uint64_t bits = random_next();
        double value = (double)(int64_t)bits * 0x1p-63 * (i % 3 == 0 ? 180 : i % 3 == 1 ? 1 : 1e6);
        snprintf(text, sizeof text, "%.*g", 15 + (int)(bits % 3), value);
        check(text);
    }
}

static void test_parts(void **state)
{
    (void)state;
    struct decimal d;
    const char *text = "-0012";
    assert_null(decimal_scan(text, text + 5, &d));
    text = "-120.0450";
    assert_ptr_equal(decimal_scan(text, text + 9, &d), text + 9);
    assert_true(d.digits == 1200450 && d.exp10 == -4 && d.is_negative && !d.is_integer &&
                !d.is_cut);
    text = "12345678901234567890123";
    assert_ptr_equal(decimal_scan(text, text + 23, &d), text + 23);
    assert_true(d.digits == 1234567890123456789 && d.exp10 == 4 && d.is_cut && d.is_integer);
    text = "1e99999999999999999999";
    assert_ptr_equal(decimal_scan(text, text + 22, &d), text + 22);
    assert_int_equal(d.exp10, 1000000);
    text = "12,";
    assert_ptr_equal(decimal_scan(text, text + 3, &d), text + 2);
    static const char *const bad[] = {"", "-", "+1", ".5", "1.", "1.e5", "1e", "1e+", "a", "-a"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *end = bad[i] + strlen(bad[i]);
        if (decimal_scan(bad[i], end, &d) == end && end != bad[i])
            fail_msg("taken: %s", bad[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_hard_ones),
        cmocka_unit_test(test_random_ones),
        cmocka_unit_test(test_doubles_in_seventeen_digits),
        cmocka_unit_test(test_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
