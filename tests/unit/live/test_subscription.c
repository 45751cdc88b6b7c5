/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "live/subscription.h"

struct fixture {
    struct subscription wish;
    struct json_reader *reader;
};

static int setup(void **state)
{
    static struct fixture fixture;
    subscription_init(&fixture.wish, 3);
    fixture.reader = json_reader_new(64, 4096);
    *state = &fixture;
    return fixture.reader == NULL;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    subscription_deinit(&f->wish);
    json_reader_free(f->reader);
    return 0;
}

static void assert_names(const struct subscription *wish, const char *joined)
{
    char text[400] = "";
    struct bytes name;
    for (size_t at = 0, n = 0; subscription_name(wish, &at, &name); n++) {
        size_t len = strlen(text);
        snprintf(text + len, sizeof text - len, "%s%.*s", n == 0 ? "" : "|", (int)name.len,
                 name.ptr);
    }
    assert_string_equal(text, joined);
}

static void assert_message_refused(struct fixture *f, const char *message, const char *because)
{
    assert_false(subscription_parse_message(&f->wish, f->reader, bytes_from_text(message)));
    if (strstr(f->wish.problem, because) == NULL)
        fail_msg("%s: \"%s\" does not say \"%s\"", message, f->wish.problem, because);
}

static void test_query_names_and_box(void **state)
{
    struct fixture *f = *state;
    assert_true(
        subscription_parse_query(&f->wish, BYTES("vehicles=a,b%20c%2Cd&bbox=-1,-2,3%2C4.5")));
    assert_names(&f->wish, "a|b c|d");
    assert_true(f->wish.has_area);
    assert_true(f->wish.area.west == -1 && f->wish.area.north == 4.5);
    assert_true(subscription_parse_query(&f->wish, BYTES("")));
    assert_names(&f->wish, "");
    assert_false(f->wish.has_area);
}

static void test_query_mistakes_are_named(void **state)
{
    struct fixture *f = *state;
    assert_false(subscription_parse_query(&f->wish, BYTES("vehicle=a")));
    assert_non_null(strstr(f->wish.problem, "known here: vehicles, bbox"));
    assert_false(subscription_parse_query(&f->wish, BYTES("vehicles=a&vehicles=b")));
    assert_non_null(strstr(f->wish.problem, "twice"));
    assert_false(subscription_parse_query(&f->wish, BYTES("vehicles=%zz")));
    assert_non_null(strstr(f->wish.problem, "percent"));
    assert_false(subscription_parse_query(&f->wish, BYTES("vehicles=a,,b")));
    assert_non_null(strstr(f->wish.problem, "1 to 64 bytes"));
    assert_false(subscription_parse_query(&f->wish, BYTES("vehicles=a,b,c,d")));
    assert_non_null(strstr(f->wish.problem, "more than 3 vehicles"));
    assert_false(subscription_parse_query(&f->wish, BYTES("bbox=1,2,3")));
    assert_non_null(strstr(f->wish.problem, "four numbers"));
}

static void test_messages(void **state)
{
    struct fixture *f = *state;
    assert_true(subscription_parse_message(
        &f->wish, f->reader,
        BYTES("{\"subscribe\":{\"vehicles\":[\"a\\u0062\",17,-3],\"bbox\":[1,2,3.5e0,4]}}")));
    assert_names(&f->wish, "ab|17|-3");
    assert_true(f->wish.has_area && f->wish.area.east == 3.5);
    assert_false(f->wish.is_end);
    assert_true(subscription_parse_message(&f->wish, f->reader,
                                           BYTES("{\"unsubscribe\":{\"bbox\":true}}")));
    assert_true(f->wish.is_end && f->wish.has_area && !f->wish.is_all);
    assert_names(&f->wish, "");
    assert_true(
        subscription_parse_message(&f->wish, f->reader, BYTES(" {\"unsubscribe\":\"all\"} ")));
    assert_true(f->wish.is_end && f->wish.is_all);
}

static void test_unknown_messages_are_refused_with_the_fix(void **state)
{
    struct fixture *f = *state;
    assert_message_refused(f, "hello", "not JSON");
    assert_message_refused(f, "", "not JSON");
    assert_message_refused(f, "[]", "a message is");
    assert_message_refused(f, "{}", "a message is");
    assert_message_refused(f, "{\"subscibe\":{}}", "unknown member \"subscibe\"");
    assert_message_refused(f, "{\"subscribe\":{}}", "follow what?");
    assert_message_refused(f, "{\"subscribe\":\"all\"}", "takes an object");
    assert_message_refused(f, "{\"subscribe\":{\"boxes\":1}}", "unknown member \"boxes\"");
    assert_message_refused(f, "{\"subscribe\":{\"vehicles\":\"a\"}}", "array");
    assert_message_refused(f, "{\"subscribe\":{\"vehicles\":[1.5]}}", "whole numbers");
    assert_message_refused(f, "{\"subscribe\":{\"vehicles\":[null]}}", "whole numbers");
    assert_message_refused(f, "{\"subscribe\":{\"vehicles\":[\"\"]}}", "1 to 64 bytes");
    assert_message_refused(f, "{\"subscribe\":{\"vehicles\":[\"a\\u0000\"]}}", "control");
    assert_message_refused(f, "{\"subscribe\":{\"vehicles\":[1,2,3,4]}}", "more than 3");
    assert_message_refused(f, "{\"subscribe\":{\"bbox\":[1,2,3]}}", "four numbers");
    assert_message_refused(f, "{\"subscribe\":{\"bbox\":[1,2,3,4,5]}}", "four numbers");
    assert_message_refused(f, "{\"subscribe\":{\"bbox\":[1,2,3,\"4\"]}}", "four numbers");
    assert_message_refused(f, "{\"subscribe\":{\"bbox\":[1,2,3,1e999]}}", "within");
    assert_message_refused(f, "{\"subscribe\":{\"bbox\":[1,4,3,2]}}", "south above");
    assert_message_refused(f, "{\"subscribe\":{\"bbox\":true}}", "four numbers");
    assert_message_refused(f, "{\"subscribe\":{\"bbox\":[1,2,3,4]},\"x\":1}", "a message is");
    assert_message_refused(f, "{\"subscribe\":{\"bbox\":[1,2,3,4]}} x", "not JSON");
    assert_message_refused(f, "{\"subscribe\":{\"vehicles\":[", "not JSON");
}

static void test_vehicle_names(void **state)
{
    (void)state;
    char longest[65];
    memset(longest, 'x', sizeof longest);
    assert_true(subscription_is_vehicle(bytes_of(longest, 64)));
    assert_false(subscription_is_vehicle(bytes_of(longest, 65)));
    assert_false(subscription_is_vehicle(bytes_of("", 0)));
    assert_false(subscription_is_vehicle(BYTES("a\nb")));
    assert_false(subscription_is_vehicle(BYTES("\xff")));
    assert_true(subscription_is_vehicle(BYTES("a\"\\/ö")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_query_names_and_box),
        cmocka_unit_test(test_query_mistakes_are_named),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_unknown_messages_are_refused_with_the_fix),
        cmocka_unit_test(test_vehicle_names),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
