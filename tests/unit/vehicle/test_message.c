/* SPDX-License-Identifier: Apache-2.0 */
#include "vehicle_support.h"

#include <stdlib.h>

enum { STEPS_MAX = 2000 };

/* Where the walk goes on is copied elsewhere, as for a message that has to wait. */
static char *move_elsewhere(struct message_iter *iter, char *old)
{
    struct bytes rest = message_iter_rest(iter);
    char *copy = malloc(rest.len + 1);
    assert_non_null(copy);
    memcpy(copy, rest.ptr, rest.len);
    message_iter_move(iter, copy);
    free(old);
    return copy;
}

static void walk(const char *message, bool is_moving, char out[STEPS_MAX])
{
    struct message_iter iter;
    struct bytes one;
    struct reject reject;
    enum message_step step;
    size_t len = 0;
    char *place = NULL;
    out[0] = '\0';
    message_iter_init(&iter, bytes_from_text(message));
    for (;;) {
        if (is_moving)
            place = move_elsewhere(&iter, place);
        step = message_next(&iter, &one, &reject);
        if (step == MESSAGE_END)
            break;
        const char *gap = len == 0 ? "" : " ; ";
        if (step == MESSAGE_PACKET)
            len +=
                (size_t)snprintf(out + len, STEPS_MAX - len, "%s%.*s", gap, (int)one.len, one.ptr);
        else
            len += (size_t)snprintf(out + len, STEPS_MAX - len, "%s!%s", gap,
                                    reason_code(reject.reason));
        assert_true(len < STEPS_MAX);
    }
    assert_int_equal(message_next(&iter, &one, &reject), MESSAGE_END);
    free(place);
}

/* The steps of a message as text: packets as they are, rejects as "!reason",
 * joined by " ; ". */
static const char *steps(const char *message)
{
    static char out[STEPS_MAX], moved[STEPS_MAX];
    walk(message, false, out);
    walk(message, true, moved);
    assert_string_equal(out, moved);
    return out;
}

static void test_one_object(void **state)
{
    (void)state;
    assert_string_equal(steps("{\"a\":1}"), "{\"a\":1}");
    assert_string_equal(steps(" \r\n{\"a\":1}\n"), "{\"a\":1}");
    assert_string_equal(steps("{\n \"a\": [\n1 ]\n}\n"), "{\n \"a\": [\n1 ]\n}");
}

static void test_nothing(void **state)
{
    (void)state;
    assert_string_equal(steps(""), "!empty");
    assert_string_equal(steps(" \n\t\r\n "), "!empty");
    assert_string_equal(steps("[]"), "!empty");
    assert_string_equal(steps(" [ \n ] "), "!empty");
    assert_string_equal(steps("[]\n[ ]"), "!empty");
}

static void test_no_json_is_one_packet(void **state)
{
    (void)state;
    assert_string_equal(steps("hello"), "hello");
    assert_string_equal(steps("hello\nworld"), "hello\nworld");
}

static void test_array(void **state)
{
    (void)state;
    assert_string_equal(steps("[{\"a\":1},{\"b\":[1,2]}]"), "{\"a\":1} ; {\"b\":[1,2]}");
    assert_string_equal(steps(" [ {\"a\":\"],}\\\"\"} ,\n 17 , \"x\"\n] "),
                        "{\"a\":\"],}\\\"\"} ; 17 ; \"x\"");
    assert_string_equal(steps("[{\"a\":tru},{\"b\":1}]"), "{\"a\":tru} ; {\"b\":1}");
    assert_string_equal(steps("[[1],{}]"), "[1] ; {}");
}

/* A broken array is never counted beyond the elements that are there. */
static void test_broken_array(void **state)
{
    (void)state;
    assert_string_equal(steps("[{\"a\":1},{\"b\":2}"), "{\"a\":1} ; !not_json");
    assert_string_equal(steps("[{\"a\":1},{\"b\":"), "{\"a\":1} ; !not_json");
    assert_string_equal(steps("[{\"a\":1},"), "!not_json");
    assert_string_equal(steps("[{\"a\":1},]"), "!not_json");
    assert_string_equal(steps("[{\"a\":1} {\"b\":2}]"), "!not_json");
    assert_string_equal(steps("[{\"a\":1}] x"), "!not_json");
    assert_string_equal(steps("[,1]"), "!not_json");
    assert_string_equal(steps("[1,,2]"), "!not_json");
    assert_string_equal(steps("["), "!not_json");
}

static void test_lines(void **state)
{
    (void)state;
    assert_string_equal(steps("{\"a\":1}\n{\"b\":2}"), "{\"a\":1} ; {\"b\":2}");
    assert_string_equal(
        steps("{\"a\":1}\r\n\r\n {\"b\":2} \n[{\"c\":3},{\"d\":4}]\n[]\n{\"e\":5}\n"),
        "{\"a\":1} ; {\"b\":2} ; {\"c\":3} ; {\"d\":4} ; {\"e\":5}");
}

static void test_a_broken_line_hides_nothing(void **state)
{
    (void)state;
    assert_string_equal(steps("{\"a\":1}\n{\"b\"\n{\"c\":3}\n"), "{\"a\":1} ; {\"b\" ; {\"c\":3}");
    assert_string_equal(steps("{broken\n{\"c\":3}\n"), "{broken ; {\"c\":3}");
    assert_string_equal(steps("garbage\n{\"c\":3}\n"), "garbage ; {\"c\":3}");
    assert_string_equal(steps("[{\"a\":1},{]\n{\"c\":3}\n"), "{\"a\":1} ; !not_json ; {\"c\":3}");
}

/* The sender counts one packet: its lines must not be counted instead. */
static void test_broken_pretty_print_is_one_packet(void **state)
{
    (void)state;
    assert_string_equal(steps("{\n \"a\": 1,\n \"b\": {\n"), "{\n \"a\": 1,\n \"b\": {");
    assert_string_equal(steps("[\n{\"a\":1},\n{\"b\":2}\n"), "{\"a\":1} ; !not_json");
}

static void test_hostile_nesting(void **state)
{
    (void)state;
    enum { DEEP = 10000 };
    char *text = malloc(2 * DEEP + 1);
    assert_non_null(text);
    memset(text, '[', DEEP);
    memset(text + DEEP, ']', DEEP);
    text[2 * DEEP] = '\0';
    assert_string_equal(steps(text), "!too_deep");
    text[DEEP] = '\0';
    assert_string_equal(steps(text), "!too_deep");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_object),
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_no_json_is_one_packet),
        cmocka_unit_test(test_array),
        cmocka_unit_test(test_broken_array),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_a_broken_line_hides_nothing),
        cmocka_unit_test(test_broken_pretty_print_is_one_packet),
        cmocka_unit_test(test_hostile_nesting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
