/* SPDX-License-Identifier: Apache-2.0 */
/* What every rule may say: when, sample, enabled, message, route, category. */
#include "rules_support.h"

static enum verdict verdict_of(const char *yaml, const char *json, struct decision *decision)
{
    struct ruleset *ruleset = ruleset_of(yaml);
    struct packet packet = packet_of(json);
    enum verdict verdict = apply(ruleset, &packet, decision);
    ruleset_unref(ruleset);
    return verdict;
}

static void when_selects_packets(void **state)
{
    (void)state;
    static const char yaml[] = "rules:\n"
                               "  - id: r\n"
                               "    kind: range\n"
                               "    field: speed\n"
                               "    max: 30\n"
                               "    when: {dialect: obu, where: [{field: town, equals: true}]}\n";
    struct decision decision;
    assert_int_equal(verdict_of(yaml, "{\"obuid\":1,\"speed\":31,\"town\":true}", &decision),
                     VERDICT_DEAD_LETTER);
    assert_string_equal(decision.detail, "speed 31 is above 30 (rule r)");
    assert_int_equal(verdict_of(yaml, "{\"obuid\":1,\"speed\":31,\"town\":false}", &decision),
                     VERDICT_PASS);
    assert_int_equal(verdict_of(yaml, "{\"obuid\":1,\"speed\":30,\"town\":true}", &decision),
                     VERDICT_PASS);
}

static void a_rule_that_is_not_enabled_is_checked_and_left_aside(void **state)
{
    (void)state;
    struct ruleset *ruleset =
        ruleset_of("rules:\n"
                   "  - {id: a, kind: required, fields: lat, enabled: false}\n"
                   "  - {id: b, kind: rate, limit: 1, per: 1m, enabled: false}\n");
    assert_int_equal(ruleset_rule_count(ruleset), 2);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(ruleset_rule(ruleset, i)->index, i);
    assert_int_equal(ruleset_lookback_ns(ruleset), 0);
    ruleset_unref(ruleset);
    struct decision decision;
    assert_int_equal(verdict_of("rules: [{id: a, kind: required, fields: lat, enabled: false}]",
                                "{\"obuid\":1}", &decision),
                     VERDICT_PASS);
    assert_contains(error_of("rules: [{id: a, kind: required, feilds: lat, enabled: false}]"),
                    "did you mean \"fields\"");
}

static void messages_replace_details(void **state)
{
    (void)state;
    struct decision decision;
    assert_int_equal(
        verdict_of("rules: [{id: r, kind: range, field: speed, max: 30, message: '{vehicle} drives "
                   "{speed} m/s ({detail})'}]",
                   "{\"obuid\":7,\"speed\":31}", &decision),
        VERDICT_DEAD_LETTER);
    assert_string_equal(decision.detail, "7 drives 31 m/s (speed 31 is above 30) (rule r)");
}

/* ---- sample ---- */

static int count_failures(struct ruleset *ruleset, struct rule_thread *thread, int vehicles,
                          int each, bool *failed)
{
    int count = 0;
    for (int v = 0; v < vehicles; v++) {
        for (int i = 0; i < each; i++) {
            char json[64];
            snprintf(json, sizeof json, "{\"obuid\":%d,\"seq\":%d}", v, i + 1);
            struct packet packet = packet_of(json);
            struct rule_context context = {.received_ns = packet.received_ns, .thread = thread};
            struct decision decision;
            failed[v * each + i] =
                ruleset_apply(ruleset, &packet, &context, &decision) != VERDICT_PASS;
            count += failed[v * each + i];
        }
    }
    return count;
}

static void a_sample_is_a_share_of_packets_and_always_the_same(void **state)
{
    (void)state;
    struct ruleset *ruleset =
        ruleset_of("rules: [{id: r, kind: required, fields: lat, sample: 0.25}]");
    bool first[4000], second[4000];
    int count = count_failures(ruleset, NULL, 100, 40, first);
    assert_in_range(count, 850, 1150);
    assert_int_equal(count_failures(ruleset, NULL, 100, 40, second), count);
    assert_memory_equal(first, second, sizeof first);
    ruleset_unref(ruleset);
}

static void a_rule_that_remembers_samples_vehicles(void **state)
{
    (void)state;
    struct ruleset *ruleset =
        ruleset_of("rules: [{id: r, kind: rate, limit: 1, per: 1h, sample: 0.25}]");
    const struct state_limits limits = {1000, 1 << 20};
    struct rule_thread *thread;
    assert_int_equal(ruleset_thread_new(&thread, ruleset, &limits, NULL, NULL), 0);
    bool failed[800];
    int count = count_failures(ruleset, thread, 400, 2, failed);
    assert_in_range(count, 70, 130);
    for (int v = 0; v < 400; v++)
        assert_false(failed[2 * v]);
    ruleset_thread_free(thread);
    ruleset_unref(ruleset);
}

/* ---- route ---- */

static const char routes[] = "categories:\n"
                             "  - name: position\n"
                             "    match: {dialect: obu}\n"
                             "    rules:\n"
                             "      - {id: a, kind: required, fields: lat, on_fail: flag}\n"
                             "      - {id: b, kind: range, field: speed, max: 50, on_fail: route, "
                             "to: fast, flag: speeding}\n"
                             "      - {id: c, kind: range, field: speed, max: 60}\n"
                             "      - {id: d, kind: required, fields: lon, on_fail: route, to: "
                             "other}\n"
                             "  - name: fast\n"
                             "    match: {dialect: envelope}\n"
                             "    rules: [{id: e, kind: required, fields: heading}]\n";

static void a_route_leads_to_another_category_and_ends_the_work(void **state)
{
    (void)state;
    struct ruleset *ruleset = ruleset_of(routes);
    struct decision decision;
    struct packet packet = packet_of("{\"obuid\":1,\"speed\":70}");
    assert_int_equal(apply(ruleset, &packet, &decision), VERDICT_ROUTE);
    assert_int_equal(decision.category, 1);
    assert_true(bytes_equal_text(packet.category, "fast"));
    assert_int_equal(packet.flag_count, 2);
    assert_true(bytes_equal_text(packet.flags[1], "speeding"));
    assert_int_equal(decision.failed_count, 2);
    assert_string_equal(decision.failed[1]->id.ptr, "b");
    packet = packet_of("{\"obuid\":1,\"lat\":1}");
    assert_int_equal(apply(ruleset, &packet, &decision), VERDICT_ROUTE);
    assert_int_equal(decision.category, 2);
    assert_int_equal(packet.flag_count, 0);
    ruleset_unref(ruleset);
}

/* ---- category ---- */

static void a_rule_can_be_added_to_categories_from_outside(void **state)
{
    (void)state;
    struct ruleset *ruleset =
        ruleset_of("rules:\n"
                   "  - {id: added, kind: required, fields: lon, category: [a, other]}\n"
                   "  - {id: common, kind: required, fields: vehicle}\n"
                   "categories:\n"
                   "  - {name: b, match: {present: heading}}\n"
                   "  - {name: a, match: {present: lat}, rules: [{id: own, kind: required, fields: "
                   "speed}]}\n");
    struct decision decision;
    struct packet packet = packet_of("{\"obuid\":1,\"lat\":1}");
    assert_int_equal(apply(ruleset, &packet, &decision), VERDICT_DEAD_LETTER);
    assert_contains(decision.detail, "(rule own)");
    packet = packet_of("{\"obuid\":1,\"lat\":1,\"speed\":1}");
    assert_int_equal(apply(ruleset, &packet, &decision), VERDICT_DEAD_LETTER);
    assert_contains(decision.detail, "(rule added)");
    packet = packet_of("{\"obuid\":1,\"heading\":1}");
    assert_int_equal(apply(ruleset, &packet, &decision), VERDICT_PASS);
    packet = packet_of("{\"obuid\":1}");
    assert_int_equal(apply(ruleset, &packet, &decision), VERDICT_DEAD_LETTER);
    assert_contains(decision.detail, "(rule added)");
    ruleset_unref(ruleset);
}

/* ---- mistakes ---- */

#define RULE(rest) "rules:\n  - {id: a, kind: required, fields: lat, " rest "}\n"

static void mistakes_are_named_with_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *error;
    } rows[] = {
        {RULE("on_fail: route"), "test.yaml:2:5: on_fail: route needs \"to\""},
        {RULE("to: other"), "test.yaml:2:46: \"to\" is for rules with on_fail: route"},
        {RULE("on_fail: route, to: othr"),
         "test.yaml:2:62: no category is named \"othr\"; did you mean \"other\"?"},
        {RULE("category: positon") "categories: [{name: position, match: {}}]\n",
         "test.yaml:2:52: no category is named \"positon\"; did you mean \"position\"?"},
        {RULE("category: [other, zzz]"), "test.yaml:2:60: no category is named \"zzz\""},
        {RULE("category: [other, other]"), "test.yaml:2:60: the category is named twice"},
        {"categories: [{name: other, rules: [{id: a, kind: required, fields: lat, category: "
         "other}]}]\n",
         "stands in a category already"},
        {RULE("sample: 0"), "sample must be between"},
        {RULE("sample: 10%"), "sample wants a number"},
        {RULE("enabled: maybe"), "enabled wants true or false"},
        {RULE("when: lat"), "a condition is a mapping"},
        {RULE("when: {presnt: lat}"), "did you mean \"present\""},
        {RULE("message: '{spede}'"), "did you mean \"speed\""},
        {RULE("on_fail: drop, flag: x"), "\"flag\" is for rules with on_fail: flag or route"},
        {RULE("on_fail: dead-letter"), "did you mean \"dead_letter\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_contains(error_of(rows[i].yaml), rows[i].error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(when_selects_packets),
        cmocka_unit_test(a_rule_that_is_not_enabled_is_checked_and_left_aside),
        cmocka_unit_test(messages_replace_details),
        cmocka_unit_test(a_sample_is_a_share_of_packets_and_always_the_same),
        cmocka_unit_test(a_rule_that_remembers_samples_vehicles),
        cmocka_unit_test(a_route_leads_to_another_category_and_ends_the_work),
        cmocka_unit_test(a_rule_can_be_added_to_categories_from_outside),
        cmocka_unit_test(mistakes_are_named_with_their_place),
    };
    return cmocka_run_group_tests(tests, make_scratch, free_scratch);
}
