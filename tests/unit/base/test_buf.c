/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/buf.h"

static void test_appends(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 0);
    assert_int_equal(buf_append(&buf, NULL, 0), 0);
    buf_append_text(&buf, "a");
    buf_append_char(&buf, 'b');
    buf_append_u64(&buf, UINT64_MAX);
    buf_append_i64(&buf, INT64_MIN);
    buf_printf(&buf, "%s-%d", "x", 7);
    buf_append_bytes(&buf, BYTES("z"));
    assert_false(buf.has_failed);
    assert_true(
        bytes_equal_text(buf_bytes(&buf), "ab18446744073709551615-9223372036854775808x-7z"));
    buf_deinit(&buf);
    buf_deinit(&buf);
}

static void test_limit_holds_and_a_failed_append_changes_nothing(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 200);
    char block[150];
    memset(block, 'x', sizeof block);
    assert_int_equal(buf_append(&buf, block, sizeof block), 0);
    assert_int_equal(buf_append(&buf, block, sizeof block), -1);
    assert_true(buf.has_failed);
    assert_int_equal(buf.len, 150);
    assert_int_equal(buf_append(&buf, block, 50), 0); /* to the brim */
    assert_int_equal(buf.len, 200);
    assert_true(buf.cap <= 200);
    assert_int_equal(buf_append_char(&buf, 'y'), -1);
    assert_int_equal(buf_reserve(&buf, SIZE_MAX), -1);
    buf_clear(&buf);
    assert_false(buf.has_failed);
    assert_int_equal(buf_printf(&buf, "%0300d", 1), -1);
    assert_int_equal(buf.len, 0);
    buf_deinit(&buf);
    assert_int_equal(buf.limit, 200);
}

static void test_printf_may_fill_to_the_limit(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 10);
    assert_int_equal(buf_printf(&buf, "%s", "0123456789"), 0);
    assert_int_equal(buf.len, 10);
    assert_int_equal(buf_printf(&buf, "%s", "x"), -1);
    buf_deinit(&buf);
}

static void test_consume(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 0);
    buf_append_text(&buf, "hello world");
    buf_consume(&buf, 6);
    assert_true(bytes_equal_text(buf_bytes(&buf), "world"));
    buf_consume(&buf, 0);
    buf_consume(&buf, 5);
    assert_int_equal(buf.len, 0);
    buf_deinit(&buf);
}

static void check_json(struct bytes text, const char *want)
{
    struct buf buf;
    buf_init(&buf, 0);
    assert_int_equal(buf_append_json(&buf, text), 0);
    buf_append_char(&buf, '\0');
    assert_string_equal(buf.ptr, want);
    buf_deinit(&buf);
}

static void test_json_strings(void **state)
{
    (void)state;
    check_json(BYTES(""), "\"\"");
    check_json(BYTES("plain"), "\"plain\"");
    check_json(BYTES("a\"b\\\\c"), "\"a\\\"b\\\\\\\\c\"");
    check_json(BYTES("\b\f\n\r\t\x01\x1f\x7f"), "\"\\b\\f\\n\\r\\t\\u0001\\u001f\\u007f\"");
    check_json(bytes_of("a\0b", 3), "\"a\\u0000b\"");
    check_json(BYTES("\xC2\x85\xC3\xA9\xF0\x9F\x98\x80"), "\"\\u0085\xC3\xA9\xF0\x9F\x98\x80\"");
    check_json(BYTES("\xFFx\xC3"), "\"\xEF\xBF\xBDx\xEF\xBF\xBD\"");
}

static void test_json_strings_read_back_the_same(void **state)
{
    (void)state;
    uint32_t x = 1;
    for (int round = 0; round < 20000; round++) {
        char text[16];
        size_t len = 0;
        while (len < 8) { /* characters below U+0800, NUL too */
            x = x * 1664525 + 1013904223;
            unsigned code = x >> 21;
            if (code < 0x80) {
                text[len++] = (char)code;
            } else {
                text[len++] = (char)(0xC0 | code >> 6);
                text[len++] = (char)(0x80 | (code & 63));
            }
        }
        struct buf buf;
        buf_init(&buf, 0);
        assert_int_equal(buf_append_json(&buf, bytes_of(text, len)), 0);
        json_t *value = json_loadb(buf.ptr, buf.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        assert_non_null(value);
        assert_int_equal(json_string_length(value), len);
        assert_memory_equal(json_string_value(value), text, len);
        json_decref(value);
        buf_deinit(&buf);
    }
}

static void test_a_json_string_is_whole_or_not_there(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 20);
    buf_append_text(&buf, "0123456789");
    assert_int_equal(buf_append_json(&buf, BYTES("\x01\x01")), -1);
    assert_true(buf.has_failed);
    assert_int_equal(buf.len, 10);
    assert_int_equal(buf_append_json(&buf, BYTES("fits")), 0);
    assert_true(buf.has_failed); /* what failed before stays said */
    assert_true(bytes_equal_text(buf_bytes(&buf), "0123456789\"fits\""));
    buf_deinit(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_appends),
        cmocka_unit_test(test_limit_holds_and_a_failed_append_changes_nothing),
        cmocka_unit_test(test_printf_may_fill_to_the_limit),
        cmocka_unit_test(test_consume),
        cmocka_unit_test(test_json_strings),
        cmocka_unit_test(test_json_strings_read_back_the_same),
        cmocka_unit_test(test_a_json_string_is_whole_or_not_there),
    };
    return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
