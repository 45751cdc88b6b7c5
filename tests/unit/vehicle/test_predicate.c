/* SPDX-License-Identifier: Apache-2.0 */
/* Conditions: one row a case, seen through a category that matches or not. */
#include "rules_support.h"

static bool matches(const char *match, const char *json)
{
    char yaml[1024];
    snprintf(yaml, sizeof yaml, "categories: [{name: yes, match: %s}]", match);
    struct ruleset *ruleset = ruleset_of(yaml);
    struct packet packet = packet_of(json);
    struct decision decision;
    assert_int_equal(apply(ruleset, &packet, &decision), VERDICT_PASS);
    bool is_yes = bytes_equal(packet.category, BYTES("yes"));
    assert_true(is_yes || bytes_equal(packet.category, BYTES("other")));
    ruleset_unref(ruleset);
    return is_yes;
}

static const char obu[] =
    "{\"obuid\":1,\"lat\":1,\"lon\":2,\"speed\":10,\"mode\":\"b\",\"n\":\"5\"}";
static const char envelope[] = "{\"id\":\"a\",\"timestamp\":\"" RECEIVED_TEXT
                               "\",\"source\":\"v\",\"type\":\"door\",\"payload\":{\"open\":true}}";

static void every_condition_holds_and_fails(void **state)
{
    (void)state;
    static const struct {
        const char *match, *json;
        bool holds;
    } rows[] = {
        {"{}", obu, true},
        {"{dialect: obu}", obu, true},
        {"{dialect: obu}", envelope, false},
        {"{dialect: [envelope, obu]}", obu, true},
        {"{type: door}", envelope, true},
        {"{type: [window, door]}", envelope, true},
        {"{type: window}", envelope, false},
        {"{type: door}", obu, false},
        {"{present: [lat, lon]}", obu, true},
        {"{present: [lat, heading]}", obu, false},
        {"{present: [lat, mode]}", obu, true},
        {"{present: [lat, nope]}", obu, false},
        {"{present: type}", envelope, true},
        {"{present: type}", obu, false},
        {"{absent: heading}", obu, true},
        {"{absent: [heading, lat]}", obu, false},
        {"{absent: [heading, nope]}", obu, true},
        {"{absent: mode}", obu, false},
        {"{where: [{field: speed, above: 9.9}]}", obu, true},
        {"{where: [{field: speed, above: 10}]}", obu, false},
        {"{where: [{field: speed, at_least: 10}]}", obu, true},
        {"{where: [{field: speed, below: 10}]}", obu, false},
        {"{where: [{field: speed, at_most: 10}]}", obu, true},
        {"{where: [{field: speed, above: 5, below: 11}]}", obu, true},
        {"{where: [{field: speed, above: 5, below: 6}]}", obu, false},
        {"{where: [{field: heading, above: -1}]}", obu, false},
        {"{where: [{field: mode, equals: b}]}", obu, true},
        {"{where: [{field: mode, equals: c}]}", obu, false},
        {"{where: [{field: mode, one_of: [a, b]}]}", obu, true},
        {"{where: [{field: mode, starts_with: b}]}", obu, true},
        {"{where: [{field: mode, starts_with: [a, bc]}]}", obu, false},
        {"{where: [{field: vehicle, starts_with: 1}]}", obu, true},
        {"{where: [{field: vehicle, starts_with: [x, v]}]}", envelope, true},
        {"{where: [{field: vehicle, starts_with: vv}]}", envelope, false},
        {"{where: [{field: payload.open, starts_with: t}]}", envelope, false},
        {"{where: [{field: nope, starts_with: t}]}", envelope, false},
        {"{where: [{field: esc, starts_with: bus}]}", "{\"obuid\":1,\"esc\":\"\\u0062us-1\"}",
         true},
        {"{where: [{field: n, equals: 5}]}", obu, false},
        {"{where: [{field: n, equals: '5'}]}", obu, true},
        {"{where: [{field: n, above: 1}]}", obu, false},
        {"{where: [{field: nope, equals: null}]}", obu, false},
        {"{where: [{field: speed, above: 5}, {field: mode, equals: c}]}", obu, false},
        {"{any: [{dialect: envelope}, {present: lat}]}", obu, true},
        {"{any: [{dialect: envelope}, {present: heading}]}", obu, false},
        {"{all: [{dialect: obu}, {present: lat}]}", obu, true},
        {"{all: [{dialect: obu}, {present: heading}]}", obu, false},
        {"{not: {dialect: obu}}", obu, false},
        {"{not: {dialect: envelope}}", obu, true},
        {"{not: {dialect: obu, present: heading}}", obu, true},
        {"{dialect: obu, not: {any: [{present: heading}, {present: altitude}]}}", obu, true},
        {"{not: {not: {any: [{all: [{}, {dialect: obu}]}]}}}", obu, true},
        {"{any: [{present: [nope, mode]}, {absent: [nope, mode]}, {present: mode}]}", obu, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (matches(rows[i].match, rows[i].json) != rows[i].holds)
            fail_msg("%s of %s", rows[i].match, rows[i].json);
}

static void mistakes_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *match, *error;
    } rows[] = {
        {"[]", "a condition is a mapping"},
        {"{dialekt: obu}", "dialect"},
        {"{dialect: obo}", "did you mean \"obu\""},
        {"{dialect: smoke}", "known are obu, envelope"},
        {"{present: []}", "between 1 and"},
        {"{present: latt}", "did you mean \"lat\""},
        {"{where: {field: lat}}", "a list"},
        {"{where: []}", "at least one"},
        {"{where: [{field: lat}]}", "a comparison has a field and either"},
        {"{where: [{above: 1}]}", "no \"field\""},
        {"{where: [{field: lat, above: x}]}", "above"},
        {"{where: [{field: lat, above: 1, at_least: 2}]}", "\"above\" and \"at_least\" together"},
        {"{where: [{field: lat, above: 1, equals: 2}]}", "a comparison has a field and either"},
        {"{where: [{field: type, above: 1}]}", "\"type\" is no number"},
        {"{where: [{field: lat, starts_with: 1}]}", "\"lat\" is a number"},
        {"{where: [{field: type, starts_with: []}]}", "at least one"},
        {"{where: [{field: type, starts_with: ''}]}", "at least one"},
        {"{where: [{field: type, starts_with: a, equals: b}]}", "and either"},
        {"{where: [{field: time, equals: 1}]}", "time can't be compared"},
        {"{where: [{field: lat, equals: [1]}]}", "equals"},
        {"{any: {}}", "a list"},
        {"{not: obu}", "a condition is a mapping"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char yaml[512];
        snprintf(yaml, sizeof yaml, "categories:\n  - name: yes\n    match: %s\n", rows[i].match);
        const char *error = error_of(yaml);
        assert_contains(error, rows[i].error);
        assert_contains(error, "test.yaml:3:");
    }
}

static void depth_and_size_are_bounded(void **state)
{
    (void)state;
    char deep[2048] = "categories: [{name: deep, match: ";
    for (int i = 0; i < 17; i++)
        strcat(deep, "{not: ");
    strcat(deep, "{}");
    for (int i = 0; i < 17; i++)
        strcat(deep, "}");
    strcat(deep, "}]");
    assert_contains(error_of(deep), "nest at most 16 deep");
    char wide[8192] = "categories: [{name: wide, match: {any: [{}";
    for (int i = 0; i < 300; i++)
        strcat(wide, ", {}");
    strcat(wide, "]}}]");
    assert_contains(error_of(wide), "at most 256 parts");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_condition_holds_and_fails),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(depth_and_size_are_bounded),
    };
    return cmocka_run_group_tests(tests, make_scratch, free_scratch);
}
