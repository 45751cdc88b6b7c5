/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vehicle/schema/regex.h"

static bool finds(const char *expression, const char *text)
{
    struct regex *regex;
    struct error err;
    if (regex_new(&regex, bytes_from_text(expression), &err) != 0)
        fail_msg("%s: %s", expression, err.text);
    struct json_chars chars = {text, text + strlen(text), false};
    bool result = regex_finds(regex, chars);
    regex_free(regex);
    return result;
}

static const struct {
    const char *expression, *found, *not_found; /* texts apart by a space */
} rows[] = {
    {"", "a", ""},
    {"a", "a ba ab", "b"},
    {"^a", "a ab", "ba b"},
    {"a$", "a ba", "ab"},
    {"^a*$", "a aa", "ab b"},
    {"^(ab|cd)+$", "ab abcd cdcd", "abc acd"},
    {"^a{2,3}$", "aa aaa", "a aaaa"},
    {"^a{2}$", "aa", "a aaa"},
    {"^a{2,}b$", "aab aaaab", "ab"},
    {"^a{0}b$", "b", "ab"},
    {"^(a?b){2}$", "bb abab abb", "b ababab"},
    {"^(a{2}){2}$", "aaaa", "aaa aaaaa"},
    {"^(a|b)c$", "ac bc", "abc"},
    {"x(^b|c)", "xc", "xb b"},
    {"(^a|b$)", "ax xb", "xa bx"},
    {"^[^a-c]$", "d \xc3\xa9", "a b"},
    {"^[a\\-z]+$", "a- z", "b"},
    {"^\\d\\D\\w\\W$", "1ab- 9x_.", "abcd"},
    {"^.$", "a \xc3\xa9 \xf0\x9f\x98\x80", "ab \n"},
    {"^\\u00e9\\x41\\u{1F600}$",
     "\xc3\xa9"
     "A\xf0\x9f\x98\x80",
     "eA"},
    {"^[\\u0400-\\u04ff]+$", "\xd0\xb4\xd0\xb0", "da"},
    {"^(?:ab)*?c", "ababc c", "abab"},
    {"\\.\\/\\\\", "./\\", "a"},
};

static void each(const char *expression, const char *texts, bool is_found)
{
    char copy[128], *rest = NULL;
    snprintf(copy, sizeof copy, "%s", texts);
    for (char *text = strtok_r(copy, " ", &rest); text != NULL; text = strtok_r(NULL, " ", &rest))
        if (finds(expression, text) != is_found)
            fail_msg("%s on %s is not %d", expression, text, is_found);
}

static void expressions_find_what_ecma_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        each(rows[i].expression, rows[i].found, true);
        each(rows[i].expression, rows[i].not_found, false);
    }
    assert_true(finds("^$", ""));
    assert_false(finds("^$", "a"));
    assert_true(finds("x*", ""));
}

static void what_is_not_known_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "(?=a)",       "(?!a)", "(?<=a)",  "(?<n>a)", "\\1",     "\\b",
        "\\p{L}",      "a**",   "*a",      "(",       ")",       "[a",
        "a{2,1}",      "a{",    "a{1001}", "[b-a]",   "[a-\\d]", "^*",
        "^^",          "\\u12", "\\",      "a]",      "\\u{}",   "((((a{9}){9}){9}){9})",
        "(){1000}{2}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct regex *regex = NULL;
        struct error err;
        if (regex_new(&regex, bytes_from_text(bad[i]), &err) == 0)
            fail_msg("%s was taken", bad[i]);
        assert_true(err.text[0] != '\0');
    }
}

/* Hours for a matcher that goes back; here the text is read once. */
static void no_text_makes_it_slow(void **state)
{
    (void)state;
    char text[4096];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_false(finds("^(a+)+$x", text));
    assert_false(finds("^(a|aa|a?)*b$", text));
    assert_false(finds(".*.*.*.*.*.*.*.*b", text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expressions_find_what_ecma_says),
        cmocka_unit_test(what_is_not_known_is_refused),
        cmocka_unit_test(no_text_makes_it_slow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
