/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/text.h"

static uint64_t random_state = 88172645463325252u;

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* ---- integers ---- */

static void test_integers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_u64, is_i64;
    } rows[] = {
        {"0", true, true},
        {"-0", false, true},
        {"18446744073709551615", true, false},
        {"18446744073709551616", false, false},
        {"99999999999999999999999", false, false},
        {"9223372036854775807", true, true},
        {"9223372036854775808", true, false},
        {"-9223372036854775808", false, true},
        {"-9223372036854775809", false, false},
        {"", false, false},
        {"-", false, false},
        {"+1", false, false},
        {" 1", false, false},
        {"1 ", false, false},
        {"1a", false, false},
        {"--1", false, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t u;
        int64_t s;
        struct bytes text = bytes_from_text(rows[i].text);
        assert_int_equal(text_to_u64(text, &u), rows[i].is_u64);
        assert_int_equal(text_to_i64(text, &s), rows[i].is_i64);
        char back[TEXT_U64_MAX];
        if (rows[i].is_u64)
            assert_true(bytes_equal(text, bytes_of(back, text_from_u64(back, u))));
        if (rows[i].is_i64 && s != 0)
            assert_true(bytes_equal(text, bytes_of(back, text_from_i64(back, s))));
    }
}

/* ---- doubles ---- */

static void check_double(double value)
{
    char text[TEXT_DOUBLE_MAX + 1];
    size_t len = text_from_double(text, value);
    assert_true(len <= TEXT_DOUBLE_MAX);
    text[len] = '\0';
    double back;
    if (!text_to_double(bytes_of(text, len), &back))
        fail_msg("%a printed as %s is no JSON number", value, text);
    if (memcmp(&back, &value, sizeof value) != 0)
        fail_msg("%a printed as %s reads as %a", value, text, back);
    /* No shorter text reads back the same. */
    char shorter[64];
    snprintf(shorter, sizeof shorter, "%.17g", value);
    assert_true(len <= strlen(shorter) + 6);
}

static void test_doubles_read_back_the_same(void **state)
{
    (void)state;
    static const double edges[] = {0.0,
                                   -0.0,
                                   1.0,
                                   0.1,
                                   -0.5,
                                   1e7,
                                   1e-7,
                                   1e-8,
                                   4.9e-324,
                                   2.2250738585072014e-308,
                                   1.7976931348623157e308,
                                   45.23,
                                   67.89,
                                   0.3,
                                   1e21,
                                   1e22,
                                   1e23,
                                   9007199254740993.0,
                                   899999999.99999995,
                                   5e-5,
                                   1.0 / 3};
    for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++)
        check_double(edges[i]);
    for (int i = 0; i < 200000; i++) {
        uint64_t bits = next_random();
        double value;
        memcpy(&value, &bits, sizeof value);
        if (isfinite(value))
            check_double(value);
        check_double((double)(int64_t)(next_random() % 3600000000u) / 1e7 - 180);
        check_double((double)(next_random() % 100000) / 1000);
    }
}

static void test_doubles_are_short(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } rows[] = {{0, "0"},         {-0.0, "-0"},        {45.23, "45.23"}, {-122.4194, "-122.4194"},
                {0.1, "0.1"},     {1e-7, "0.0000001"}, {100, "100"},     {0.5, "0.5"},
                {1e300, "1e+300"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[TEXT_DOUBLE_MAX + 1];
        text[text_from_double(text, rows[i].value)] = '\0';
        assert_string_equal(text, rows[i].text);
    }
}

static void test_number_grammar(void **state)
{
    (void)state;
    static const char *const good[] = {"0", "-0", "1.5", "1e5", "1E+5", "1e-5", "-1.25e2", "10.0"};
    static const char *const bad[] = {"",    "-",   "01",  "1.", ".5", "1e",   "1e+", "+1",
                                      "0x1", "nan", "inf", "1 ", " 1", "1.5.", "--1", "1,5"};
    double value;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(text_to_double(bytes_from_text(good[i]), &value));
        assert_true(value == strtod(good[i], NULL));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (text_to_double(bytes_from_text(bad[i]), &value))
            fail_msg("%s was read", bad[i]);
    assert_true(text_to_double(BYTES("1e400"), &value) && isinf(value));
    char digits[200]; /* longer than the reader's stack copy */
    memset(digits, '1', sizeof digits);
    assert_true(text_to_double(bytes_of(digits, sizeof digits), &value));
    assert_true(value > 1e198 && value < 1.2e199);
}

/* ---- times ---- */

static void check_time(const char *text, int64_t want)
{
    int64_t got;
    if (!text_to_time_ms(bytes_from_text(text), &got))
        fail_msg("%s was not read", text);
    if (got != want)
        fail_msg("%s read as %lld, want %lld", text, (long long)got, (long long)want);
}

static void test_times(void **state)
{
    (void)state;
    check_time("1970-01-01T00:00:00Z", 0);
    check_time("2008-05-20T07:00:00.000Z", INT64_C(1211266800000));
    check_time("2008-05-20t07:00:00z", INT64_C(1211266800000));
    check_time("2008-05-20 07:00:00Z", INT64_C(1211266800000));
    check_time("2008-05-20T00:00:00-07:00", INT64_C(1211266800000));
    check_time("2008-05-20T12:45:00+05:45", INT64_C(1211266800000));
    check_time("1969-12-31T23:59:59.999Z", -1);
    check_time("1970-01-01T00:00:00.1Z", 100);
    check_time("1970-01-01T00:00:00.1239999999999999999Z", 123);
    check_time("1969-12-31T23:59:59.0009Z", -1000); /* cut toward the past */
    check_time("2000-02-29T00:00:00Z", INT64_C(951782400000));
    check_time("2400-02-29T00:00:00Z", INT64_C(13574563200000));
    check_time("2016-12-31T23:59:60Z", INT64_C(1483228800000));
    check_time("0000-01-01T00:00:00Z", INT64_C(-62167219200000));
    check_time("9999-12-31T23:59:59.999Z", INT64_C(253402300799999));
    check_time("1970-01-01T00:00:00-00:00", 0);
}

static void test_wrong_times(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "2008",
        "2008-05-20",
        "2008-05-20T07:00:00",
        "2008-05-20T07:00Z",
        "2008-05-20T7:00:00Z",
        "2008-5-20T07:00:00Z",
        "2008-13-01T00:00:00Z",
        "2008-00-01T00:00:00Z",
        "2008-04-31T00:00:00Z",
        "2008-05-00T00:00:00Z",
        "2007-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2008-05-20T24:00:00Z",
        "2008-05-20T07:60:00Z",
        "2008-05-20T07:00:61Z",
        "2008-05-20T07:00:00.Z",
        "2008-05-20T07:00:00+0700",
        "2008-05-20T07:00:00+24:00",
        "2008-05-20T07:00:00+07:60",
        "2008-05-20T07:00:00Z ",
        " 2008-05-20T07:00:00Z",
        "2008-05-20X07:00:00Z",
        "-2008-05-20T07:00:00Z",
        "12008-05-20T07:00:00Z",
        "2008-05-20T07:00:00,5Z",
    };
    int64_t time;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (text_to_time_ms(bytes_from_text(bad[i]), &time))
            fail_msg("%s was read", bad[i]);
    assert_false(text_to_time_ms(bytes_of("1970-01-01\0"
                                          "00:00:00Z",
                                          20),
                                 &time));
}

static void test_times_read_back_the_same(void **state)
{
    (void)state;
    char text[TEXT_TIME_MAX];
    for (int i = 0; i < 200000; i++) {
        int64_t time = (int64_t)(next_random() % 315569520000000u) - INT64_C(62167219200000);
        int64_t back;
        assert_true(text_to_time_ms(bytes_of(text, text_from_time_ms(text, time)), &back));
        assert_int_equal(back, time);
    }
    assert_int_equal(text_from_time_ms(text, INT64_MAX), 24);
    assert_memory_equal(text, "9999-12-31T23:59:59.999Z", 24);
    assert_int_equal(text_from_time_ms(text, INT64_MIN), 24);
    assert_memory_equal(text, "0000-01-01T00:00:00.000Z", 24);
}

/* ---- units ---- */

static void test_durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ns; /* -1 = refused */
    } rows[] = {
        {"0", 0},
        {"0s", 0},
        {"250ms", 250 * NS_PER_MS},
        {"5s", 5 * NS_PER_S},
        {"1.5h", 5400 * NS_PER_S},
        {"7d", 7 * 86400 * NS_PER_S},
        {"10 m", 600 * NS_PER_S},
        {"1ns", 1},
        {"0.5ns", 0},
        {"1.0000000019s", NS_PER_S + 1},
        {"9223372036854775807ns", INT64_MAX},
        {"9007199254740993ns", INT64_C(9007199254740993)},
        {"9223372036854775808ns", -1},
        {"106752d", -1},
        {"5", -1},
        {"", -1},
        {"s", -1},
        {"-5s", -1},
        {"5S", -1},
        {"5 s ", 5 * NS_PER_S},
        {"5ss", -1},
        {"1.s", -1},
        {".5s", -1},
        {"1e3s", -1},
        {"1..5s", -1},
        {"99999999999999999999s", -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t ns = -1;
        bool is_read = text_to_duration_ns(bytes_from_text(rows[i].text), &ns);
        if (is_read != (rows[i].ns >= 0) || (is_read && ns != rows[i].ns))
            fail_msg("\"%s\" gave %d, %lld", rows[i].text, is_read, (long long)ns);
    }
}

static void test_sizes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t bytes;
    } rows[] = {
        {"0", 0},
        {"4096", 4096},
        {"64k", 65536},
        {"64K", 65536},
        {"1MiB", 1 << 20},
        {"2G", INT64_C(2) << 30},
        {"1.5KiB", 1536},
        {"8TiB", INT64_C(8) << 40},
        {"12B", 12},
        {"9223372036854775807", INT64_MAX},
        {"9223372036854775808", -1},
        {"8388608T", -1},
        {"1MB", -1},
        {"-1", -1},
        {"0x10", -1},
        {"1kib", -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t bytes = -1;
        bool is_read = text_to_size_bytes(bytes_from_text(rows[i].text), &bytes);
        if (is_read != (rows[i].bytes >= 0) || (is_read && bytes != rows[i].bytes))
            fail_msg("\"%s\" gave %d, %lld", rows[i].text, is_read, (long long)bytes);
    }
}

static void test_units_read_back_the_same(void **state)
{
    (void)state;
    char text[TEXT_UNIT_MAX];
    for (int i = 0; i < 100000; i++) {
        int64_t value = (int64_t)(next_random() >> (1 + next_random() % 63));
        int64_t back;
        if (i % 3 == 0)
            value = value / NS_PER_S * NS_PER_S;
        assert_true(text_to_duration_ns(bytes_of(text, text_from_duration_ns(text, value)), &back));
        assert_int_equal(back, value);
        assert_true(text_to_size_bytes(bytes_of(text, text_from_size_bytes(text, value)), &back));
        assert_int_equal(back, value);
    }
    assert_int_equal(text_from_duration_ns(text, 1500 * NS_PER_MS), 6);
    assert_memory_equal(text, "1500ms", 6);
    assert_int_equal(text_from_size_bytes(text, 1 << 20), 4);
    assert_memory_equal(text, "1MiB", 4);
}

/* ---- hex, UTF-8, distance ---- */

static void test_hex(void **state)
{
    (void)state;
    unsigned char bytes[3] = {0x00, 0xab, 0xff}, back[3];
    char text[6];
    assert_int_equal(text_from_hex(text, bytes, 3), 6);
    assert_memory_equal(text, "00abff", 6);
    assert_true(text_to_hex_bytes(BYTES("00ABfF"), back, 3));
    assert_memory_equal(back, bytes, 3);
    assert_false(text_to_hex_bytes(BYTES("00abf"), back, 3));
    assert_false(text_to_hex_bytes(BYTES("00abff00"), back, 3));
    assert_false(text_to_hex_bytes(BYTES("00abfg"), back, 3));
    assert_false(text_to_hex_bytes(BYTES("00ab@f"), back, 3));
}

/* Independent of the table: decode, then ask whether the code point may stand
 * in so many bytes (RFC 3629 section 3). */
static bool is_character(const unsigned char *p, size_t len)
{
    uint32_t code = p[0];
    if (len == 2)
        code &= 0x1f;
    if (len == 3)
        code &= 0x0f;
    if (len == 4)
        code &= 0x07;
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return false;
        code = code << 6 | (p[i] & 0x3f);
    }
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    static const unsigned char lead_mask[] = {0, 0x80, 0xE0, 0xF0, 0xF8};
    static const unsigned char lead[] = {0, 0x00, 0xC0, 0xE0, 0xF0};
    return (p[0] & lead_mask[len]) == lead[len] && code >= least[len] && code <= 0x10FFFF &&
           !(code >= 0xD800 && code <= 0xDFFF);
}

static void test_utf8_agrees_with_the_definition(void **state)
{
    (void)state;
    /* All sequences of two bytes, and of four with edges in the last two. */
    static const unsigned char edges[] = {0x00, 0x7f, 0x80, 0xbf, 0xc0, 0xff};
    for (unsigned a = 0; a < 256; a++)
        for (unsigned b = 0; b < 256; b++)
            for (size_t c = 0; c < sizeof edges; c++)
                for (size_t d = 0; d < sizeof edges; d++) {
                    unsigned char p[4] = {(unsigned char)a, (unsigned char)b, edges[c], edges[d]};
                    size_t want = 0;
                    for (size_t len = 1; len <= 4 && want == 0; len++)
                        if (is_character(p, len))
                            want = len;
                    size_t got = text_utf8_len(bytes_of((char *)p, 4));
                    if (got != want)
                        fail_msg("%02x %02x %02x %02x: %zu, want %zu", a, b, p[2], p[3], got, want);
                }
}

static void test_utf8_text(void **state)
{
    (void)state;
    assert_true(text_is_utf8(BYTES("")));
    assert_int_equal(text_utf8_len(BYTES("")), 0);
    assert_true(text_is_utf8(BYTES("eight by")));
    assert_true(text_is_utf8(BYTES("seven 7 \xC3\xA9 and \xF0\x9F\x98\x80 more")));
    static const char *const bad[] = {
        "\x80",     "\xC3",         "\xE2\x82",         "\xF0\x9F\x98",
        "\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80",
        "\xFF",     "\xC3\x28"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[64]; /* at every place of the eight that are read at once */
        for (size_t before = 0; before < 17; before++) {
            memset(text, 'a', sizeof text);
            size_t len = strlen(bad[i]);
            memcpy(text + before, bad[i], len);
            assert_false(text_is_utf8(bytes_of(text, before + len)));
            assert_false(text_is_utf8(bytes_of(text, sizeof text)));
        }
    }
}

static void test_distance(void **state)
{
    (void)state;
    assert_int_equal(text_distance("", ""), 0);
    assert_int_equal(text_distance("listen", "listen"), 0);
    assert_int_equal(text_distance("lisen", "listen"), 1);
    assert_int_equal(text_distance("lisetn", "listen"), 1); /* swapped */
    assert_int_equal(text_distance("abc", ""), 3);
    assert_int_equal(text_distance("kitten", "sitting"), 3);
    char large[1000];
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    assert_int_equal(text_distance(large, ""), 63);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_doubles_read_back_the_same),
        cmocka_unit_test(test_doubles_are_short),
        cmocka_unit_test(test_number_grammar),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_wrong_times),
        cmocka_unit_test(test_times_read_back_the_same),
        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_units_read_back_the_same),
        cmocka_unit_test(test_hex),
        cmocka_unit_test(test_utf8_agrees_with_the_definition),
        cmocka_unit_test(test_utf8_text),
        cmocka_unit_test(test_distance),
    };
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
