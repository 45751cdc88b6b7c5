/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "simulate/template.h"

#define WALL_NS (INT64_C(1779260400123) * NS_PER_MS + 456789)

static struct random_source source;

static char *expand(struct template *template)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    assert_int_equal(template_expand(template, &source, WALL_NS, &out, NULL), 0);
    char *text = bytes_dup_text(buf_bytes(&out));
    buf_deinit(&out);
    return text;
}

static struct template *parse(const char *text)
{
    struct template *template;
    struct error err = {0};
    if (template_new(&template, bytes_from_text(text), &err) != 0)
        fail_msg("%s", err.text);
    return template;
}

static void expect(const char *text, const char *expected)
{
    struct template *template = parse(text);
    char *got = expand(template);
    assert_string_equal(got, expected);
    free(got);
    template_free(template);
}

static void refuse(const char *text, const char *in_message)
{
    struct template *template;
    struct error err = {0};
    assert_int_equal(template_new(&template, bytes_from_text(text), &err), -1);
    if (strstr(err.text, in_message) == NULL)
        fail_msg("\"%s\" lacks \"%s\"", err.text, in_message);
}

static void test_text_stays_as_it_is(void **state)
{
    (void)state;
    expect("{\"a\":{\"b\":[1]}}", "{\"a\":{\"b\":[1]}}");
    expect("no } json }} { at all", "no } json }} { at all");
    expect("{{braces}}uuid}}", "{{uuid}}");
}

static void test_times(void **state)
{
    (void)state;
    expect("{{timestamp}}", "2026-05-20T07:00:00.123Z");
    expect("{{ timestamp s }},{{timestamp ms}}", "1779260400,1779260400123");
    expect("{{timestamp us}},{{timestamp ns}}", "1779260400123456,1779260400123456789");
}

static void test_counters(void **state)
{
    (void)state;
    struct template *template =
        parse("{{counter}} {{counter 10 -5}} {{counter 9223372036854775807}}");
    char *first = expand(template), *second = expand(template);
    assert_string_equal(first, "1 10 9223372036854775807");
    assert_string_equal(second, "2 5 -9223372036854775808");
    free(first);
    free(second);
    template_free(template);
}

static void test_uuids_are_of_version_4_and_differ(void **state)
{
    (void)state;
    struct template *template = parse("{{uuid}}");
    char *a = expand(template), *b = expand(template);
    assert_int_equal(strlen(a), 36);
    assert_int_equal(a[14], '4');
    assert_non_null(strchr("89ab", a[19]));
    assert_int_equal(strspn(a, "0123456789abcdef-"), 36);
    assert_string_not_equal(a, b);
    free(a);
    free(b);
    template_free(template);
}

static void check_range(const char *text, double min, double max, bool wants_ends)
{
    struct template *template = parse(text);
    double least = max, most = min;
    for (int i = 0; i < 2000; i++) {
        char *got = expand(template);
        double value;
        assert_true(text_to_double(bytes_from_text(got), &value));
        assert_true(value >= min && value <= max);
        least = value < least ? value : least;
        most = value > most ? value : most;
        free(got);
    }
    assert_true(!wants_ends || (least == min && most == max));
    template_free(template);
}

static void test_numbers_keep_to_their_ends(void **state)
{
    (void)state;
    check_range("{{int -3 3}}", -3, 3, true);
    check_range("{{int -9223372036854775808 9223372036854775807}}", -9.3e18, 9.3e18, false);
    check_range("{{float -1.5 1.5 1}}", -1.5, 1.5, true);
    check_range("{{float 0.96 1.04 1}}", 1.0, 1.0, true);
    check_range("{{float 37.70 37.82}}", 37.70, 37.82, false);
    expect("{{int 7 7}} {{float -0.5 -0.5 2}} {{float 3 3 0}}", "7 -0.50 3");
    refuse("{{float 0.97 0.98 1}}", "wants MIN MAX [PLACES]");
}

static void test_strings(void **state)
{
    (void)state;
    struct template *template = parse("{{string}}|{{string 3}}|{{string 0 2}}");
    for (int i = 0; i < 200; i++) {
        char *got = expand(template);
        char *bar = strchr(got, '|');
        assert_int_equal(bar - got, 8);
        assert_int_equal(strchr(bar + 1, '|') - bar - 1, 3);
        assert_in_range(strlen(strchr(bar + 1, '|') + 1), 0, 2);
        free(got);
    }
    template_free(template);
}

/* Every one of `count` texts comes up, and nothing else. */
static void check_all_come(const char *text, const char *const *expected, size_t count)
{
    struct template *template = parse(text);
    unsigned seen = 0;
    for (int i = 0; i < 500; i++) {
        char *got = expand(template);
        size_t n = 0;
        while (n < count && strcmp(expected[n], got) != 0)
            n++;
        if (n == count)
            fail_msg("unexpected \"%s\"", got);
        seen |= 1U << n;
        free(got);
    }
    assert_int_equal(seen, (1U << count) - 1);
    template_free(template);
}

static void test_choices(void **state)
{
    (void)state;
    static const char *const words[] = {"a", "\"b c }} \\\" d\"", "null"};
    check_all_come("{{choice a \"b c }} \\\" d\" null}}", words, 3);
    static const char *const bools[] = {"true", "false"};
    check_all_come("{{bool}}", bools, 2);
}

static void test_blocks_nest(void **state)
{
    (void)state;
    static const char *const either[] = {"{\"a\":5}", "[]", "\"x\"", ""};
    check_all_come("{{either}}{\"a\":{{int 5 5}}}{{or}}[]{{or}}{{either}}\"x\"{{end}}{{or}}{{end}}",
                   either, 4);
    static const char *const repeats[] = {"[]", "[1]", "[1,1]"};
    check_all_come("[{{repeat 0 2}}{{int 1 1}}{{end}}]", repeats, 3);
    expect("{{repeat 2}}{{repeat 2}}{{counter}}{{end}};{{end}}", "1,2;,3,4;");
}

static void test_faults_say_where(void **state)
{
    (void)state;
    refuse("", "1 to");
    refuse("a\n  {{uuid", "line 2, column 3");
    refuse("{{}}", "empty");
    refuse("{{uid}}", "{{uid}}: expected uuid");
    refuse("{{uuid 4}}", "takes nothing more");
    refuse("{{int 1}}", "MIN MAX");
    refuse("{{int 2 1}}", "MIN MAX");
    refuse("{{int 1 99999999999999999999}}", "MIN MAX");
    refuse("{{float 0 1e300}}", "at most 15 digits");
    refuse("{{float 0 1 16}}", "0-15 places");
    refuse("{{float 0 NaN}}", "wants");
    refuse("{{string 65537}}", "0 to 65536");
    refuse("{{choice}}", "at least one word");
    refuse("{{timestamp unix}}", "rfc3339");
    refuse("{{repeat 1 10001}}x{{end}}", "0 to 10000");
    refuse("{{repeat 1}}x{{or}}y{{end}}", "between {{either}} and {{end}}");
    refuse("{{end}}", "there is no");
    refuse("{{either}}x", "{{end}} is missing");
    char deep[20 * 10 + 1] = "";
    for (int i = 0; i < 20; i++)
        strcat(deep, "{{either}}");
    refuse(deep, "deeper than 16");
}

/* 10,000^3 empty rounds would take for ever, and 10,000 strings fill the memory. */
static void test_a_hostile_template_is_bounded(void **state)
{
    (void)state;
    struct template *template =
        parse("{{repeat 10000}}{{repeat 10000}}{{repeat 10000}}{{end}}{{end}}{{end}}");
    struct error err = {0};
    struct buf out;
    buf_init(&out, 0);
    assert_int_equal(template_expand(template, &source, 0, &out, &err), -1);
    assert_int_equal(err.kind, ERROR_FULL);
    template_free(template);
    buf_deinit(&out);

    template = parse("{{repeat 10000}}{{string 65536}}{{end}}");
    buf_init(&out, 100000);
    assert_int_equal(template_expand(template, &source, 0, &out, &err), -1);
    assert_non_null(strstr(err.text, "larger than 100000 bytes"));
    assert_true(out.len <= 100000);
    template_free(template);
    buf_deinit(&out);

    struct buf many;
    buf_init(&many, 0);
    for (int i = 0; i < TEMPLATE_PARTS_MAX + 1; i++)
        buf_append_text(&many, "{{bool}}");
    assert_int_equal(template_new(&template, buf_bytes(&many), &err), -1);
    assert_non_null(strstr(err.text, "too many parts"));
    buf_deinit(&many);
}

static void test_a_seed_gives_the_same_again(void **state)
{
    (void)state;
    struct template *template = parse("{{uuid}} {{int 0 1000000}} {{string 20}}");
    source.state = 7;
    char *a = expand(template);
    source.state = 7;
    char *b = expand(template);
    assert_string_equal(a, b);
    free(a);
    free(b);
    template_free(template);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_stays_as_it_is),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_counters),
        cmocka_unit_test(test_uuids_are_of_version_4_and_differ),
        cmocka_unit_test(test_numbers_keep_to_their_ends),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_choices),
        cmocka_unit_test(test_blocks_nest),
        cmocka_unit_test(test_faults_say_where),
        cmocka_unit_test(test_a_hostile_template_is_bounded),
        cmocka_unit_test(test_a_seed_gives_the_same_again),
    };
    return cmocka_run_group_tests_name("simulate/template", tests, NULL, NULL);
}
