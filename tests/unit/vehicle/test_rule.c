/* SPDX-License-Identifier: Apache-2.0 */
/* Every kind of rule at its boundaries: one row a case. */
#include <unistd.h>

#include "rules_support.h"

struct row {
    const char *rule;   /* settings, without id */
    const char *packet; /* JSON */
    const char *detail; /* NULL: it passes; else how the sentence begins */
};

static void check(const struct row *row)
{
    char yaml[1024];
    snprintf(yaml, sizeof yaml, "rules: [{id: r, %s}]", row->rule);
    struct ruleset *ruleset = ruleset_of(yaml);
    struct packet packet = packet_of(row->packet);
    struct decision decision;
    enum verdict verdict = apply(ruleset, &packet, &decision);
    if (verdict != (row->detail == NULL ? VERDICT_PASS : VERDICT_DEAD_LETTER))
        fail_msg("%s of %s: verdict %d", row->rule, row->packet, verdict);
    if (row->detail != NULL) {
        char whole[RULESET_DETAIL_MAX];
        snprintf(whole, sizeof whole, "%s (rule r)", row->detail);
        assert_string_equal(decision.detail, whole);
        assert_int_equal(decision.failed_count, 1);
        assert_int_equal(decision.reason, decision.failed[0]->kind->reason);
    }
    ruleset_unref(ruleset);
}

#define CHECK_ALL(rows)                                       \
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) \
    check(&rows[i])

#define OBU(rest) "{\"obuid\":1" rest "}"
#define ENVELOPE(rest) \
    "{\"id\":\"a\",\"timestamp\":\"" RECEIVED_TEXT "\",\"source\":\"v\",\"type\":\"t\"" rest "}"

static void required(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"kind: required, fields: lat", OBU(",\"lat\":0"), NULL},
        {"kind: required, fields: lat", OBU(",\"lon\":0"), "lat is missing"},
        {"kind: required, fields: [lat, lon]", OBU(",\"lat\":0,\"lon\":0"), NULL},
        {"kind: required, fields: [lat, lon]", OBU(",\"lat\":0"), "lon is missing"},
        {"kind: required, fields: time", OBU(",\"lat\":0"), "time is missing"},
        {"kind: required, fields: battery", OBU(",\"battery\":null"), NULL},
        {"kind: required, fields: battery", OBU(",\"lat\":0"), "battery is missing"},
        {"kind: required, fields: [lat, can.rpm]", OBU(",\"lat\":0,\"can\":{\"rpm\":1}"), NULL},
        {"kind: required, fields: [lat, can.rpm]", OBU(",\"lat\":0,\"can\":{\"x\":1}"),
         "can.rpm is missing"},
        {"kind: required, fields: signals.time2", OBU(",\"time2\":0"), NULL},
        {"kind: required, fields: [vehicle, dialect]", OBU(""), NULL},
        {"kind: required, fields: type", OBU(""), "type is missing"},
        {"kind: required, fields: [type, id]", ENVELOPE(""), NULL},
    };
    CHECK_ALL(rows);
}

static void range(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"kind: range, field: lat, min: -90, max: 90", OBU(",\"lat\":90"), NULL},
        {"kind: range, field: lat, min: -90, max: 90", OBU(",\"lat\":-90.0"), NULL},
        {"kind: range, field: lat, min: -90, max: 90", OBU(",\"lat\":90.0000001"),
         "lat 90.0000001 is outside -90..90"},
        {"kind: range, field: lat, min: -90, max: 90", OBU(",\"lat\":-90.5"),
         "lat -90.5 is outside -90..90"},
        {"kind: range, field: lat, min: -90, max: 90", OBU(""), NULL},
        {"kind: range, field: speed, min: 0", OBU(",\"speed\":0"), NULL},
        {"kind: range, field: speed, min: 0", OBU(",\"speed\":1e300"), NULL},
        {"kind: range, field: speed, min: 0", OBU(",\"speed\":-0.1"), "speed -0.1 is below 0"},
        {"kind: range, field: speed, max: 1.5", OBU(",\"speed\":2"), "speed 2 is above 1.5"},
        {"kind: range, field: rpm, min: 0, max: 9000", OBU(",\"rpm\":9000"), NULL},
        {"kind: range, field: rpm, min: 0, max: 9000", OBU(",\"rpm\":9001"),
         "rpm 9001 is outside 0..9000"},
        {"kind: range, field: rpm, min: 0, max: 9000", OBU(",\"rpm\":1e999"),
         "rpm 1e999 is outside 0..9000"},
        {"kind: range, field: rpm, min: 0, max: 9000", OBU(",\"rpm\":\"fast\""),
         "rpm is 'fast', not a number"},
        {"kind: range, field: rpm, min: 0, max: 9000", OBU(",\"rpm\":null"),
         "rpm is null, not a number"},
        {"kind: range, field: rpm, min: 0, max: 9000", OBU(",\"rpm\":{}"),
         "rpm is an empty object or array, not a number"},
        {"kind: range, field: rpm, min: 0, max: 9000", OBU(""), NULL},
    };
    CHECK_ALL(rows);
}

static void one_of(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"kind: one_of, field: gear, values: [P, R]", OBU(",\"gear\":\"R\""), NULL},
        {"kind: one_of, field: gear, values: [P, R]", OBU(",\"gear\":\"\\u0052\""), NULL},
        {"kind: one_of, field: gear, values: [P, R]", OBU(",\"gear\":\"r\""),
         "gear 'r' is not one of the 2 allowed"},
        {"kind: one_of, field: gear, values: [P, R]", OBU(",\"gear\":\"RR\""),
         "gear 'RR' is not one of the 2 allowed"},
        {"kind: one_of, field: gear, values: [1, 2]", OBU(",\"gear\":2.0"), NULL},
        {"kind: one_of, field: gear, values: [1, 2]", OBU(",\"gear\":\"2\""),
         "gear '2' is not one of the 2 allowed"},
        {"kind: one_of, field: gear, values: ['1', '2']", OBU(",\"gear\":\"2\""), NULL},
        {"kind: one_of, field: gear, values: [9007199254740993]", OBU(",\"gear\":9007199254740993"),
         NULL},
        {"kind: one_of, field: gear, values: [9007199254740993]", OBU(",\"gear\":9007199254740992"),
         "gear 9007199254740992 is not one of the 1 allowed"},
        {"kind: one_of, field: on, values: [true, null]", OBU(",\"on\":true"), NULL},
        {"kind: one_of, field: on, values: [true, null]", OBU(",\"on\":null"), NULL},
        {"kind: one_of, field: on, values: [true, null]", OBU(",\"on\":false"),
         "on false is not one of the 2 allowed"},
        {"kind: one_of, field: on, values: [true]", OBU(""), NULL},
        {"kind: one_of, field: vehicle, values: ['1', '2']", OBU(""), NULL},
        {"kind: one_of, field: vehicle, values: ['2']", OBU(""),
         "vehicle '1' is not one of the 1 allowed"},
        {"kind: one_of, field: dialect, values: [envelope]", OBU(""),
         "dialect 'obu' is not one of the 1 allowed"},
        {"kind: one_of, field: heading, values: [0, 90]", OBU(",\"heading\":90"), NULL},
        {"kind: one_of, field: heading, values: [0, 90]", OBU(",\"heading\":91"),
         "heading 91 is not one of the 2 allowed"},
    };
    CHECK_ALL(rows);
}

static void type(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"kind: type, field: x, is: number", OBU(",\"x\":1.5"), NULL},
        {"kind: type, field: x, is: number", OBU(",\"x\":\"1\""), "x is '1', not of type number"},
        {"kind: type, field: x, is: integer", OBU(",\"x\":18446744073709551615"), NULL},
        {"kind: type, field: x, is: integer", OBU(",\"x\":2.0"), NULL},
        {"kind: type, field: x, is: integer", OBU(",\"x\":2.5"), "x is 2.5, not of type integer"},
        {"kind: type, field: x, is: integer", OBU(",\"x\":1e999"),
         "x is 1e999, not of type integer"},
        {"kind: type, field: x, is: string", OBU(",\"x\":\"\""), NULL},
        {"kind: type, field: x, is: string", OBU(",\"x\":true"), "x is true, not of type string"},
        {"kind: type, field: x, is: bool", OBU(",\"x\":false"), NULL},
        {"kind: type, field: x, is: bool", OBU(",\"x\":0"), "x is 0, not of type bool"},
        {"kind: type, field: x, is: null", OBU(",\"x\":null"), NULL},
        {"kind: type, field: x, is: null", OBU(",\"x\":[]"),
         "x is an empty object or array, not of type null"},
        {"kind: type, field: x, is: number", OBU(",\"y\":true"), NULL},
    };
    CHECK_ALL(rows);
}

static void pattern(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"kind: pattern, field: x, matches: '[A-Z]{2}-\\d?[0-9]{1,4}'", OBU(",\"x\":\"AB-1234\""),
         NULL},
        {"kind: pattern, field: x, matches: '[A-Z]{2}[0-9]{1,4}'", OBU(",\"x\":\"AB1\""), NULL},
        {"kind: pattern, field: x, matches: '[A-Z]{2}[0-9]{1,4}'", OBU(",\"x\":\"AB\""),
         "x 'AB' does not match [A-Z]{2}[0-9]{1,4}"},
        {"kind: pattern, field: x, matches: '[A-Z]{2}[0-9]{1,4}'", OBU(",\"x\":\"AB12345\""),
         "x 'AB12345' does not match [A-Z]{2}[0-9]{1,4}"},
        {"kind: pattern, field: x, matches: '[A-Z]{2}[0-9]{1,4}'", OBU(",\"x\":\"aB1\""),
         "x 'aB1' does not match [A-Z]{2}[0-9]{1,4}"},
        {"kind: pattern, field: x, matches: 'a*b'", OBU(",\"x\":\"b\""), NULL},
        {"kind: pattern, field: x, matches: 'a*b'", OBU(",\"x\":\"aaaaaab\""), NULL},
        {"kind: pattern, field: x, matches: 'a*b'", OBU(",\"x\":\"aaaaaa\""),
         "x 'aaaaaa' does not match a*b"},
        {"kind: pattern, field: x, matches: 'a+b'", OBU(",\"x\":\"b\""),
         "x 'b' does not match a+b"},
        {"kind: pattern, field: x, matches: 'a+a+a'", OBU(",\"x\":\"aaa\""), NULL},
        {"kind: pattern, field: x, matches: 'a+a+a'", OBU(",\"x\":\"aa\""),
         "x 'aa' does not match a+a+a"},
        {"kind: pattern, field: x, matches: '.+@.+'", OBU(",\"x\":\"a@b@c\""), NULL},
        {"kind: pattern, field: x, matches: '[^/]*'", OBU(",\"x\":\"\""), NULL},
        {"kind: pattern, field: x, matches: '[^/]*'", OBU(",\"x\":\"a/b\""),
         "x 'a/b' does not match [^/]*"},
        {"kind: pattern, field: x, matches: '\\[\\]'", OBU(",\"x\":\"[]\""), NULL},
        {"kind: pattern, field: x, matches: '[\\]\\-a]+'", OBU(",\"x\":\"]-a\""), NULL},
        {"kind: pattern, field: x, matches: '[a-]+'", OBU(",\"x\":\"a-a\""), NULL},
        {"kind: pattern, field: x, matches: 'colou?r'", OBU(",\"x\":\"color\""), NULL},
        {"kind: pattern, field: x, matches: 'A'", OBU(",\"x\":\"\\u0041\""), NULL},
        {"kind: pattern, field: x, matches: '[0-9]+'", OBU(",\"x\":1234"), NULL},
        {"kind: pattern, field: x, matches: '[0-9]+'", OBU(",\"x\":-1"),
         "x -1 does not match [0-9]+"},
        {"kind: pattern, field: x, matches: '.*'", OBU(",\"x\":true"), "x is true, not text"},
        {"kind: pattern, field: x, matches: '.*'", OBU(""), NULL},
        {"kind: pattern, field: x, min_length: 2, max_length: 3", OBU(",\"x\":\"ab\""), NULL},
        {"kind: pattern, field: x, min_length: 2, max_length: 3", OBU(",\"x\":\"a\""),
         "x 'a' is shorter than 2 bytes"},
        {"kind: pattern, field: x, min_length: 2, max_length: 3", OBU(",\"x\":\"abcd\""),
         "x 'abcd' is longer than 3 bytes"},
        {"kind: pattern, field: vehicle, matches: '[0-9]+'", OBU(""), NULL},
        {"kind: pattern, field: type, matches: '[a-z]'", ENVELOPE(""), NULL},
    };
    CHECK_ALL(rows);
}

/* What makes a backtracking matcher count for ever. */
static void a_pattern_takes_the_texts_length(void **state)
{
    (void)state;
    char json[1100] = "{\"obuid\":1,\"x\":\"";
    size_t len = strlen(json);
    memset(json + len, 'a', 1000);
    strcpy(json + len + 1000, "\"}");
    struct ruleset *ruleset = ruleset_of("rules: [{id: r, kind: pattern, field: x, matches: "
                                         "'a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b'}]");
    struct packet packet = packet_of(json);
    struct decision decision;
    assert_int_equal(apply(ruleset, &packet, &decision), VERDICT_DEAD_LETTER);
    ruleset_unref(ruleset);
}

static void compare(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"kind: compare, field: a, is: below, other: b", OBU(",\"a\":1,\"b\":2"), NULL},
        {"kind: compare, field: a, is: below, other: b", OBU(",\"a\":2,\"b\":2"),
         "a 2 is not below b 2"},
        {"kind: compare, field: a, is: at_most, other: b", OBU(",\"a\":2,\"b\":2"), NULL},
        {"kind: compare, field: a, is: at_most, other: b", OBU(",\"a\":3,\"b\":2"),
         "a 3 is not at most b 2"},
        {"kind: compare, field: a, is: at_least, other: b", OBU(",\"a\":2,\"b\":2.0"), NULL},
        {"kind: compare, field: a, is: above, other: b", OBU(",\"a\":2.5,\"b\":2"), NULL},
        {"kind: compare, field: a, is: above, other: b", OBU(",\"a\":\"x\",\"b\":2"),
         "a 'x' is not above b 2"},
        {"kind: compare, field: a, is: above, other: b", OBU(",\"a\":2"), NULL},
        {"kind: compare, field: a, is: equals, other: b", OBU(",\"a\":2,\"b\":2.0"), NULL},
        {"kind: compare, field: a, is: equals, other: b", OBU(",\"a\":2,\"b\":\"2\""),
         "a 2 is not equal to b '2'"},
        {"kind: compare, field: a, is: equals, other: b", OBU(",\"a\":\"\\u0041\",\"b\":\"A\""),
         NULL},
        {"kind: compare, field: a, is: differs, other: b", OBU(",\"a\":\"x\",\"b\":\"y\""), NULL},
        {"kind: compare, field: a, is: differs, other: b", OBU(",\"a\":null,\"b\":null"),
         "a null is not other than b null"},
        {"kind: compare, field: lat, is: differs, other: lon", OBU(",\"lat\":5,\"lon\":5"),
         "lat 5 is not other than lon 5"},
        {"kind: compare, field: speed, is: at_most, other: limit",
         OBU(",\"speed\":20,\"limit\":25"), NULL},
        {"kind: compare, field: a, is: below, other: b",
         OBU(",\"a\":\"2026-05-20T12:00:00Z\",\"b\":\"2026-05-20T14:00:00+01:00\""), NULL},
        {"kind: compare, field: time, is: at_least, other: a",
         OBU(",\"time\":\"2026-05-20T12:00:00Z\",\"a\":\"2026-05-20T12:00:00Z\""), NULL},
        {"kind: compare, field: a, is: below, other: b",
         OBU(",\"a\":\"2026-05-20T12:00:00Z\",\"b\":5"),
         "a '2026-05-20T12:00:00Z' is not below b 5"},
    };
    CHECK_ALL(rows);
}

static void max_age(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"kind: max_age, limit: 1h", OBU(",\"time\":\"2026-05-20T11:00:00.000Z\""), NULL},
        {"kind: max_age, limit: 1h", OBU(",\"time\":\"2026-05-20T10:59:59.999Z\""),
         "time 2026-05-20T10:59:59.999Z is 1 h before its arrival; at most 1 h"},
        {"kind: max_age, limit: 7d", OBU(",\"time\":\"2026-05-01T12:00:00Z\""),
         "time 2026-05-01T12:00:00.000Z is 19 days before its arrival; at most 7 days"},
        {"kind: max_age, limit: 1h", OBU(",\"time\":\"2126-05-20T11:00:00Z\""), NULL},
        {"kind: max_age, limit: 0s", OBU(",\"time\":\"" RECEIVED_TEXT "\""), NULL},
        {"kind: max_age, limit: 0s", OBU(""), NULL},
    };
    CHECK_ALL(rows);
}

static void max_ahead(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"kind: max_ahead, limit: 24h", OBU(",\"time\":\"2026-05-21T12:00:00.000Z\""), NULL},
        {"kind: max_ahead, limit: 24h", OBU(",\"time\":\"2026-05-21T12:00:00.001Z\""),
         "time 2026-05-21T12:00:00.001Z is 1 days after its arrival; at most 1 days"},
        {"kind: max_ahead, limit: 24h", OBU(",\"time\":\"2008-05-20T12:00:00Z\""), NULL},
        {"kind: max_ahead, limit: 0s", OBU(""), NULL},
    };
    CHECK_ALL(rows);
}

/* Times at the ends of 64 bits must not wrap into the range. */
static void age_does_not_overflow(void **state)
{
    (void)state;
    struct ruleset *ruleset = ruleset_of("rules: [{id: a, kind: max_age, limit: 1d},"
                                         "{id: b, kind: max_ahead, limit: 1d}]");
    struct packet packet = packet_of(OBU(",\"time\":\"" RECEIVED_TEXT "\""));
    struct decision decision;
    packet.time_ms = INT64_MIN;
    assert_int_equal(apply(ruleset, &packet, &decision), VERDICT_DEAD_LETTER);
    assert_int_equal(decision.reason, REASON_RULE_MAX_AGE);
    packet.time_ms = INT64_MAX;
    assert_int_equal(apply(ruleset, &packet, &decision), VERDICT_DEAD_LETTER);
    assert_int_equal(decision.reason, REASON_RULE_MAX_AHEAD);
    ruleset_unref(ruleset);
}

/* NaN can't come from JSON, but must never pass for a number in range. */
static void nan_is_in_no_range(void **state)
{
    (void)state;
    struct ruleset *ruleset = ruleset_of("rules: [{id: r, kind: range, field: lat, min: -90}]");
    struct packet packet = packet_of(OBU(",\"lat\":1"));
    struct decision decision;
    packet.lat = __builtin_nan("");
    assert_int_equal(apply(ruleset, &packet, &decision), VERDICT_DEAD_LETTER);
    ruleset_unref(ruleset);
}

static void details_are_cut_between_characters(void **state)
{
    (void)state;
    char yaml[1024], json[1024], path[300] = "";
    for (int i = 0; i < 140; i++)
        strcat(path, "\xC3\xA9");
    snprintf(yaml, sizeof yaml, "rules: [{id: r, kind: type, field: \"%s\", is: bool}]", path);
    snprintf(json, sizeof json, "{\"obuid\":1,\"%s\":\"a\\u0007\xC3\xA9\x7F\"}", path);
    struct ruleset *ruleset = ruleset_of(yaml);
    struct packet packet = packet_of(json);
    struct decision decision;
    assert_int_equal(apply(ruleset, &packet, &decision), VERDICT_DEAD_LETTER);
    assert_true(text_is_utf8(bytes_from_text(decision.detail)));
    assert_contains(decision.detail, "(rule r)");
    ruleset_unref(ruleset);
}

/* ---- json_schema ---- */

static const char event[] = "{\"id\":\"1\",\"timestamp\":\"2026-05-20T12:00:00Z\",\"source\":"
                            "\"WVWZZZ1JZXW000001\",\"type\":\"battery\",\"payload\":{\"soc\":%d}}";

static void a_json_schema_decides_on_what_was_sent(void **state)
{
    (void)state;
    const struct state_limits limits = {.vehicles = 10, .bytes = 1 << 20};
    struct ruleset *ruleset;
    struct rule_context context = {.thread = NULL};
    assert_int_equal(ruleset_load_bytes(&ruleset, EXAMPLES_DIR "/test.yaml",
                                        BYTES("rules: [{id: form, kind: json_schema, schema: "
                                              "event.schema.json}]"),
                                        NULL),
                     0);
    assert_int_equal(ruleset_thread_new(&context.thread, ruleset, &limits, NULL, NULL), 0);
    for (int soc = 99; soc <= 101; soc++) {
        char json[256];
        snprintf(json, sizeof json, event, soc);
        struct packet packet = packet_of(json);
        struct decision decision;
        context.received_ns = packet.received_ns;
        enum verdict verdict = ruleset_apply(ruleset, &packet, &context, &decision);
        assert_int_equal(verdict, soc > 100 ? VERDICT_DEAD_LETTER : VERDICT_PASS);
        if (verdict == VERDICT_PASS)
            continue;
        assert_string_equal(decision.detail,
                            "/payload/soc: 101 is not valid for \"maximum\": 100 (rule form)");
        assert_int_equal(decision.reason, REASON_RULE_JSON_SCHEMA);
    }
    ruleset_thread_free(context.thread);
    ruleset_unref(ruleset);
}

static void a_schema_with_a_mistake_is_refused_with_both_places(void **state)
{
    (void)state;
    assert_contains(error_of("rules: [{id: a, kind: json_schema, schema: none.json}]"),
                    "test.yaml:1:");
    char folder[] = "/tmp/test-schema-XXXXXX", name[64], yaml[128];
    assert_non_null(mkdtemp(folder));
    snprintf(name, sizeof name, "%s/bad.json", folder);
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    fputs("{\"properties\":{\"a\":{\"minimun\":1}}}", file);
    fclose(file);
    snprintf(yaml, sizeof yaml, "rules: [{id: a, kind: json_schema, schema: %s}]", name);
    assert_contains(error_of(yaml), "test.yaml:1:44: ");
    assert_contains(error_of(yaml), "bad.json: /properties/a/minimun: unknown keyword; did you "
                                    "mean \"minimum\"?");
    unlink(name);
    rmdir(folder);
}

/* The examples of the reference are rulesets; files that they name are in
 * examples/. */
static void examples_compile(void **state)
{
    (void)state;
    for (size_t i = 0; rule_registry[i] != NULL; i++) {
        char yaml[512];
        struct ruleset *ruleset;
        struct error err;
        snprintf(yaml, sizeof yaml, "rules: [%s]", rule_registry[i]->example);
        if (ruleset_load_bytes(&ruleset, EXAMPLES_DIR "/test.yaml", bytes_from_text(yaml), &err) !=
            0)
            fail_msg("%s: %s", yaml, err.text);
        assert_ptr_equal(ruleset_rule(ruleset, 0)->kind, rule_registry[i]);
        assert_ptr_equal(rule_kind_by_name(bytes_from_text(rule_registry[i]->name)),
                         rule_registry[i]);
        ruleset_unref(ruleset);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(required),
        cmocka_unit_test(range),
        cmocka_unit_test(one_of),
        cmocka_unit_test(type),
        cmocka_unit_test(pattern),
        cmocka_unit_test(a_pattern_takes_the_texts_length),
        cmocka_unit_test(compare),
        cmocka_unit_test(max_age),
        cmocka_unit_test(max_ahead),
        cmocka_unit_test(age_does_not_overflow),
        cmocka_unit_test(nan_is_in_no_range),
        cmocka_unit_test(details_are_cut_between_characters),
        cmocka_unit_test(a_json_schema_decides_on_what_was_sent),
        cmocka_unit_test(a_schema_with_a_mistake_is_refused_with_both_places),
        cmocka_unit_test(examples_compile),
    };
    return cmocka_run_group_tests(tests, make_scratch, free_scratch);
}
