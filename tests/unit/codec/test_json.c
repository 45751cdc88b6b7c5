/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "codec/json.h"

enum { KEYS_MAX = 5000, TEXT_MAX = 1000 };

static int setup(void **state)
{
    *state = json_reader_new(KEYS_MAX, TEXT_MAX);
    return *state == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    json_reader_free(*state);
    return 0;
}

/* All events: true for JSON_END. */
static bool read_all(struct json_reader *reader, struct bytes text)
{
    struct json_token token;
    enum json_event event;
    json_reader_start(reader, text);
    while ((event = json_reader_next(reader, &token)) != JSON_END)
        if (event == JSON_FAULT)
            return false;
    return true;
}

static void assert_fault(struct json_reader *reader, const char *text, enum json_fault_kind kind,
                         size_t offset)
{
    if (read_all(reader, bytes_from_text(text)))
        fail_msg("accepted: %s", text);
    const struct json_fault *fault = json_reader_fault(reader);
    if (fault->kind != kind || fault->offset != offset)
        fail_msg("%s: kind %d at %zu, expected %d at %zu", text, (int)fault->kind, fault->offset,
                 (int)kind, offset);
}

static void test_all_that_rfc_8259_allows(void **state)
{
    static const char *const good[] = {
        "0",
        "-0",
        "1e400",
        "-1.5E-3",
        "123456789012345678901234567890",
        "\"\"",
        "\"\\u0000\"",
        " \t\r\n[ ] ",
        "{}",
        "[{},[],null,true,false]",
        "{\"\":{\"\":1}}",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\ud83d\\ude95\\uD7FF\\uE000\"",
        "\"\x7F\xC3\xA9\xF0\x9F\x9A\x95\"",
        "{\"a\":1,\"b\":{\"a\":1},\"c\":[{\"a\":1},{\"a\":1}]}",
        "[1 , 2]",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (!read_all(*state, bytes_from_text(good[i])))
            fail_msg("refused: %s: %s", good[i], json_reader_fault(*state)->expected);
}

static void test_nothing_else(void **state)
{
    static const struct {
        const char *text;
        size_t offset;
    } bad[] = {
        {"", 0},
        {"  ", 2},
        {"nul", 0},
        {"True", 0},
        {"01", 0},
        {"1.", 0},
        {".5", 0},
        {"+1", 0},
        {"1e", 0},
        {"-", 0},
        {"NaN", 0},
        {"[1,]", 3},
        {"[,1]", 1},
        {"[1 2]", 3},
        {"[1", 2},
        {"{\"a\"}", 4},
        {"{\"a\":}", 5},
        {"{\"a\":1,}", 7},
        {"{a:1}", 1},
        {"{\"a\":1", 6},
        {"{1:2}", 1},
        {"]", 0},
        {"[}", 1},
        {"{]", 1},
        {"1 2", 2},
        {"\"abc", 4},
        {"\"\\x\"", 1},
        {"\"\\u12g4\"", 1},
        {"\"\n\"", 1},
        {"'a'", 0},
        {"\xEF\xBB\xBF{}", 0},
        {"[1]]", 3},
        {"{\"a\":1 \"b\":2}", 7},
        {"//", 0},
        {"\"\\", 1},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_fault(*state, bad[i].text, JSON_FAULT_SYNTAX, bad[i].offset);
    assert_false(read_all(*state, bytes_of("1\0", 2)));
}

static void test_utf8_and_surrogates(void **state)
{
    assert_fault(*state, "\"ab\xFF\"", JSON_FAULT_UTF8, 3);
    assert_fault(*state, "\"0123456789\xC3\"", JSON_FAULT_UTF8, 11);
    assert_fault(*state, "\"\xC0\x80\"", JSON_FAULT_UTF8, 1);
    assert_fault(*state, "\"\xED\xA0\x80\"", JSON_FAULT_UTF8, 1);
    assert_fault(*state, "\"\\ud800\"", JSON_FAULT_UTF8, 1);
    assert_fault(*state, "\"x\\udc00\"", JSON_FAULT_UTF8, 2);
    assert_fault(*state, "\"\\ud800\\u0041\"", JSON_FAULT_UTF8, 1);
    assert_fault(*state, "{\"\xFF\":1}", JSON_FAULT_UTF8, 2);
}

static void test_duplicate_keys(void **state)
{
    assert_fault(*state, "{\"a\":1,\"a\":2}", JSON_FAULT_DUPLICATE, 7);
    assert_fault(*state, "{\"a\":1,\"\\u0061\":2}", JSON_FAULT_DUPLICATE, 7);
    assert_fault(*state, "{\"\\u0061\":{\"a\":1},\"a\":2}", JSON_FAULT_DUPLICATE, 18);
    assert_fault(*state, "[{\"\":{},\"\":0}]", JSON_FAULT_DUPLICATE, 8);
}

/* `count` keys, the last of them `last`; nested objects between them. */
static void print_many(struct buf *out, int count, int last)
{
    buf_clear(out);
    buf_append_char(out, '{');
    for (int i = 0; i < count; i++)
        buf_printf(out, "\"k%d\":{\"k0\":%d},", i, i);
    buf_printf(out, "\"k%d\":0}", last);
}

static void test_duplicates_among_thousands(void **state)
{
    struct buf text;
    buf_init(&text, 0);
    for (int count = 1; count <= 4000; count = count * 3 / 2 + 1) {
        print_many(&text, count, count);
        assert_true(read_all(*state, buf_bytes(&text)));
        for (int twice = 0; twice < count; twice += count / 7 + 1) {
            print_many(&text, count, twice);
            assert_false(read_all(*state, buf_bytes(&text)));
            assert_int_equal(json_reader_fault(*state)->kind, JSON_FAULT_DUPLICATE);
        }
    }
    buf_deinit(&text);
}

/* Far more keys over time than the table has slots: it is wiped on the way. */
static void test_many_objects_with_many_keys(void **state)
{
    struct buf text;
    buf_init(&text, 0);
    for (int twice = 0; twice < 2; twice++) {
        buf_clear(&text);
        buf_append_text(&text, "{\"outer\":[");
        for (int object = 0; object < 3000; object++) {
            buf_append_text(&text, object == 0 ? "{" : ",{");
            for (int i = 0; i < 20; i++)
                buf_printf(&text, "%s\"k%d\":1", i == 0 ? "" : ",", i);
            buf_append_char(&text, '}');
        }
        buf_append_char(&text, ']');
        for (int i = 0; i < 30; i++)
            buf_printf(&text, ",\"k%d\":1", i);
        buf_append_text(&text, twice ? ",\"outer\":1}" : "}");
        assert_int_equal(read_all(*state, buf_bytes(&text)), !twice);
    }
    buf_deinit(&text);
}

static void test_bounds(void **state)
{
    struct buf text;
    buf_init(&text, 0);
    print_many(&text, KEYS_MAX, KEYS_MAX);
    assert_false(read_all(*state, buf_bytes(&text)));
    assert_int_equal(json_reader_fault(*state)->kind, JSON_FAULT_KEYS);
    buf_clear(&text);
    buf_append_text(&text, "{\"\\n");
    for (int i = 0; i < TEXT_MAX; i++)
        buf_append_char(&text, 'x');
    buf_append_text(&text, "\":1}");
    assert_false(read_all(*state, buf_bytes(&text)));
    assert_int_equal(json_reader_fault(*state)->kind, JSON_FAULT_KEYS);
    buf_deinit(&text);
}

static void test_depth(void **state)
{
    char text[2 * JSON_DEPTH_MAX + 3];
    memset(text, '[', JSON_DEPTH_MAX);
    memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
    assert_true(read_all(*state, bytes_of(text, 2 * (size_t)JSON_DEPTH_MAX)));
    memset(text, '[', JSON_DEPTH_MAX + 1);
    text[JSON_DEPTH_MAX + 1] = '\0';
    assert_fault(*state, text, JSON_FAULT_DEPTH, JSON_DEPTH_MAX);
}

static void test_events_and_tokens(void **state)
{
    static const char text[] = " {\"a\\n\" : [-1.5, \"x\\t\", true]} ";
    static const struct {
        enum json_event event;
        const char *raw;
    } expected[] = {
        {JSON_OBJECT, "{"},    {JSON_KEY, "\"a\\n\""},    {JSON_ARRAY, "["},
        {JSON_NUMBER, "-1.5"}, {JSON_STRING, "\"x\\t\""}, {JSON_TRUE, "true"},
        {JSON_ARRAY_END, "]"}, {JSON_OBJECT_END, "}"},
    };
    struct json_token token;
    json_reader_start(*state, bytes_from_text(text));
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        assert_int_equal(json_reader_next(*state, &token), expected[i].event);
        assert_true(bytes_equal_text(token.raw, expected[i].raw));
        if (expected[i].event == JSON_KEY)
            assert_true(token.has_escapes && bytes_equal_text(token.text, "a\n"));
    }
    assert_int_equal(json_reader_offset(*state), sizeof text - 2);
    assert_int_equal(json_reader_next(*state, &token), JSON_END);
    assert_int_equal(json_reader_next(*state, &token), JSON_END);
}

static void test_unescape(void **state)
{
    (void)state;
    static const char raw[] = "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u20AC\\ud83d\\ude95z\"";
    char out[sizeof raw];
    size_t len = json_unescape(bytes_from_text(raw), out);
    assert_true(bytes_equal_text(bytes_of(out, len),
                                 "\"\\/\b\f\n\r\tA\xC3\xA9\xE2\x82\xAC\xF0\x9F\x9A\x95z"));
}

static void test_fault_text(void **state)
{
    char out[80];
    struct bytes text = BYTES("{\"a\":1;}");
    assert_false(read_all(*state, text));
    json_fault_text(json_reader_fault(*state), text, out, sizeof out);
    assert_string_equal(out, "byte 6: expected ',' or '}', found ';'");
    text = BYTES("[1");
    assert_false(read_all(*state, text));
    json_fault_text(json_reader_fault(*state), text, out, sizeof out);
    assert_string_equal(out, "byte 2: expected ',' or ']', found the end");
    text = BYTES("\"\x01\"");
    assert_false(read_all(*state, text));
    json_fault_text(json_reader_fault(*state), text, out, 20);
    assert_int_equal(strlen(out), 19);
}

static void test_skip_value(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int used; /* -1: does not end */
        size_t depth;
    } cases[] = {
        {"{\"a\":[1,\"]\"]},2", 13, 2},
        {"12,", 2, 0},
        {"\"a\\\"b\",", 6, 0},
        {"[[", -1, 2},
        {"\"abc", -1, 0},
        {"\"\\", -1, 0},
        {"{\"a\\", -1, 1},
        {"]", 0, 0},
        {"true", 4, 0},
        {"{}{}", 2, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t depth;
        const char *end = cases[i].text + strlen(cases[i].text);
        const char *next = json_skip_value(cases[i].text, end, &depth);
        assert_int_equal(next == NULL ? -1 : next - cases[i].text, cases[i].used);
        assert_int_equal(depth, cases[i].depth);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_that_rfc_8259_allows),
        cmocka_unit_test(test_nothing_else),
        cmocka_unit_test(test_utf8_and_surrogates),
        cmocka_unit_test(test_duplicate_keys),
        cmocka_unit_test(test_duplicates_among_thousands),
        cmocka_unit_test(test_many_objects_with_many_keys),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_events_and_tokens),
        cmocka_unit_test(test_unescape),
        cmocka_unit_test(test_fault_text),
        cmocka_unit_test(test_skip_value),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
