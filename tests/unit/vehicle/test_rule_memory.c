/* SPDX-License-Identifier: Apache-2.0 */
/* Kinds of rules that remember: sequences of packets of a vehicle, one row each. */
#include "rules_support.h"

struct step {
    int64_t seconds;    /* received, after the beginning */
    const char *packet; /* JSON behind "obuid" */
    const char *detail; /* NULL: it passes; else how the sentence begins */
};

static void check_steps(const char *rule, const struct step *steps, size_t count)
{
    char yaml[1024];
    snprintf(yaml, sizeof yaml, "rules: [{id: r, %s}]", rule);
    struct ruleset *ruleset = ruleset_of(yaml);
    struct rule_thread *thread;
    const struct state_limits limits = {1000, 1 << 20};
    struct error err;
    assert_true(ruleset_needs_thread(ruleset));
    if (ruleset_thread_new(&thread, ruleset, &limits, NULL, &err) != 0)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < count; i++) {
        char json[512];
        snprintf(json, sizeof json, "{\"obuid\":%s}", steps[i].packet);
        struct packet packet = packet_of(json);
        /* whole minutes since 1970 at 0: stretches of a minute begin there */
        packet_identify(&packet, received_ns() + steps[i].seconds * NS_PER_S, i + 1);
        struct rule_context context = {.received_ns = packet.received_ns, .thread = thread};
        struct decision decision;
        enum verdict verdict = ruleset_apply(ruleset, &packet, &context, &decision);
        const char *wanted = steps[i].detail;
        if (verdict != (wanted == NULL ? VERDICT_PASS : VERDICT_DEAD_LETTER))
            fail_msg("%s, step %zu (%s): verdict %d %s", rule, i, json, verdict,
                     verdict == VERDICT_DEAD_LETTER ? decision.detail : "");
        if (wanted != NULL)
            assert_contains(decision.detail, wanted);
    }
    ruleset_thread_free(thread);
    ruleset_unref(ruleset);
}

#define CHECK(rule, ...)                                  \
    check_steps(rule, (const struct step[]){__VA_ARGS__}, \
                sizeof((const struct step[]){__VA_ARGS__}) / sizeof(struct step))

static void rate_counts_in_stretches(void **state)
{
    (void)state;
    CHECK("kind: rate, limit: 2, per: 1m", {0, "1", NULL}, {1, "1", NULL},
          {2, "1", "more than 2 packets in 1m (rule r)"}, {3, "2", NULL}, {59, "1", "more than"},
          {60, "1", NULL}, {61, "1", NULL}, {119, "1", "more than"}, {600, "1", NULL});
}

static void max_gap_finds_silence(void **state)
{
    (void)state;
    CHECK("kind: max_gap, limit: 60s, forget: 10m", {0, "1", NULL}, {60, "1", NULL},
          {121, "1", "61.000 s since the packet before; at most 1m"}, {122, "1", NULL},
          {130, "2", NULL}, {722, "1", "600.000 s since"}, {1323, "1", NULL});
    CHECK("kind: max_gap, limit: 60s, forget: 10m, clock: event",
          {0, "1,\"time\":1000000000", NULL}, {1, "1,\"time\":1000000060", NULL},
          {2, "1,\"time\":1000000121", "61.000 s since"}, {3, "1,\"time\":1000000000", NULL},
          {4, "1,\"time\":99999999999", "s since the packet before"});
}

/* A degree of latitude is 111,195 m on the sphere. */
static void max_speed_finds_jumps(void **state)
{
    (void)state;
    const char *rule = "kind: max_speed_between_points, limit: 100 m/s, tolerance: 0 m";
    CHECK(rule, {0, "1,\"lat\":0,\"lon\":0,\"time\":1000000000", NULL},
          {1, "1,\"lat\":0.0098,\"lon\":0,\"time\":1000000011", NULL},
          {2, "1,\"lat\":0.02,\"lon\":0,\"time\":1000000021",
           "1134 m in 10 s from the point before: faster than 100 m/s"},
          {3, "1,\"lat\":0.02,\"lon\":0,\"time\":1000000021", NULL}, {4, "1,\"speed\":3", NULL});
    /* one wild point */
    CHECK(rule, {0, "1,\"lat\":0,\"lon\":0,\"time\":1000000000", NULL},
          {10, "1,\"lat\":0.001,\"lon\":0,\"time\":1000000010", NULL},
          {20, "1,\"lat\":50,\"lon\":50,\"time\":1000000020", "from the point before"},
          {30, "1,\"lat\":0.002,\"lon\":0,\"time\":1000000030", NULL},
          {40, "1,\"lat\":0.003,\"lon\":0,\"time\":1000000040", NULL});
    /* carried elsewhere: once */
    CHECK(rule, {0, "1,\"lat\":0,\"lon\":0,\"time\":1000000000", NULL},
          {10, "1,\"lat\":50,\"lon\":50,\"time\":1000000010", "from the point before"},
          {20, "1,\"lat\":50,\"lon\":50,\"time\":1000000020", NULL},
          {30, "1,\"lat\":50,\"lon\":50,\"time\":1000000030", NULL});
    /* two of one name: nearly all the time */
    CHECK(rule, {0, "1,\"lat\":0,\"lon\":0,\"time\":1000000000", NULL},
          {1, "1,\"lat\":50,\"lon\":50,\"time\":1000000001", "from the point before"},
          {2, "1,\"lat\":0,\"lon\":0,\"time\":1000000002", NULL},
          {3, "1,\"lat\":50,\"lon\":50,\"time\":1000000003", "from the point before"},
          {4, "1,\"lat\":0,\"lon\":0,\"time\":1000000004", "from the point before"},
          {5, "1,\"lat\":50,\"lon\":50,\"time\":1000000005", "from the point before"});
    /* across the antimeridian, out of order, forgotten */
    CHECK(rule, {0, "1,\"lat\":0,\"lon\":179.9999,\"time\":1000000010", NULL},
          {1, "1,\"lat\":0,\"lon\":-179.9999,\"time\":1000000009", NULL},
          {602, "1,\"lat\":50,\"lon\":0,\"time\":1000000010", NULL});
}

static void the_tolerance_costs_no_time(void **state)
{
    (void)state;
    CHECK("kind: max_speed_between_points, limit: 10 m/s",
          {0, "1,\"lat\":0,\"lon\":0,\"time\":1000000000", NULL},
          {1, "1,\"lat\":0.00089,\"lon\":0,\"time\":1000000000", NULL},
          {2, "1,\"lat\":0.00180,\"lon\":0,\"time\":1000000000", "101 m in 0 s"});
}

static void frozen_wants_movement(void **state)
{
    (void)state;
#define AT(lat, speed) "1,\"lat\":" lat ",\"lon\":7,\"speed\":" speed
    const char *rule = "kind: frozen, for: 60s, min_speed: 1 m/s";
    CHECK(rule, {0, AT("5", "3"), NULL}, {30, AT("5", "3"), NULL}, {59, AT("5", "3"), NULL},
          {60, AT("5", "3"), "the same position for at least 1m at 3 m/s"},
          {61, AT("5", "9"), "the same position"}, {62, AT("5.000001", "3"), NULL},
          {121, AT("5.000001", "3"), NULL}, {122, AT("5.000001", "3"), "the same position"});
    /* it stands, it is silent, it says nothing of its speed */
    CHECK(rule, {0, AT("5", "3"), NULL}, {50, AT("5", "1"), NULL}, {70, AT("5", "3"), NULL},
          {129, AT("5", "3"), NULL}, {130, AT("5", "3"), "the same position"});
    CHECK(rule, {0, AT("5", "3"), NULL}, {61, AT("5", "3"), NULL},
          {121, AT("5", "3"), "the same position"});
    CHECK(rule, {0, "1,\"lat\":5,\"lon\":7", NULL}, {90, "1,\"lat\":5,\"lon\":7", NULL});
#undef AT
}

static void duplicate_compares_other_packets(void **state)
{
    (void)state;
    const char *rule = "kind: duplicate, fields: [lat, soc], within: 1m, last: 2";
    CHECK(rule, {0, "1,\"lat\":5,\"soc\":7,\"seq\":1", NULL},
          {1, "1,\"lat\":5,\"soc\":7.0,\"seq\":2",
           "lat and the other fields as in another packet within 1m"},
          {2, "1,\"lat\":5,\"soc\":7.0,\"seq\":2", "lat and"}, /* 1 said it, too */
          {3, "1,\"lat\":5,\"seq\":3", NULL}, {4, "1,\"lat\":5,\"soc\":8,\"seq\":4", NULL},
          {5, "1,\"lat\":5,\"soc\":7,\"seq\":5", NULL}, /* two lie between */
          {6, "2,\"lat\":5,\"soc\":7,\"seq\":5", NULL},
          {65, "1,\"lat\":5,\"soc\":7,\"seq\":6", "lat and"},
          {126, "1,\"lat\":5,\"soc\":7,\"seq\":7", NULL});
    /* the same packet once more is none */
    CHECK(rule, {0, "1,\"lat\":5,\"seq\":1", NULL}, {1, "1,\"lat\":5,\"seq\":1", NULL},
          {2, "1,\"lat\":5,\"seq\":1", NULL});
}

static void changed_only_passes_changes(void **state)
{
    (void)state;
    CHECK("kind: changed_only, fields: door", {0, "1,\"door\":\"open\"", NULL},
          {1, "1,\"door\":\"\\u006fpen\"", "door is still '\\u006fpen'"}, {2, "1", NULL},
          {3, "1,\"door\":\"open\"", "door is still 'open'"}, {4, "1,\"door\":\"shut\"", NULL},
          {5, "2,\"door\":\"shut\"", NULL}, {6, "1,\"door\":null", NULL},
          {3607, "1,\"door\":null", NULL});
    CHECK("kind: changed_only, fields: [a, b]", {0, "1,\"a\":1", NULL},
          {1, "1,\"a\":1,\"b\":2", NULL}, {2, "1,\"a\":1.0,\"b\":2", "none of the 2 fields"},
          {3, "1,\"b\":2", "none of the 2"}, {4, "1,\"a\":2,\"b\":2", NULL});
    CHECK("kind: changed_only, fields: a, at_least_every: 1m, forget: 10m", {0, "1,\"a\":1", NULL},
          {59, "1,\"a\":1", "a is still 1"}, {60, "1,\"a\":1", NULL},
          {61, "1,\"a\":1", "a is still 1"}, {300, "1,\"a\":1", NULL}, {301, "1,\"a\":2", NULL},
          {302, "1,\"a\":2", "a is still 2"});
    /* numbers beyond what a double tells apart */
    CHECK("kind: changed_only, fields: n", {0, "1,\"n\":9007199254740993", NULL},
          {1, "1,\"n\":9007199254740992", NULL}, {2, "1,\"n\":9007199254740992", "n is still"});
}

static void slots_lie_beside_each_other(void **state)
{
    (void)state;
    struct ruleset *ruleset =
        ruleset_of("rules:\n"
                   "  - {id: a, kind: rate, limit: 1, per: 1m, on_fail: flag}\n"
                   "  - {id: b, kind: rate, limit: 2, per: 1m, on_fail: flag}\n"
                   "  - {id: c, kind: max_gap, limit: 1s, forget: 2h, on_fail: flag}\n");
    const struct state_limits limits = {1000, 1 << 20};
    struct rule_thread *thread;
    assert_int_equal(ruleset_thread_new(&thread, ruleset, &limits, NULL, NULL), 0);
    assert_int_equal(ruleset_lookback_ns(ruleset), INT64_C(7200) * NS_PER_S);
    static const size_t failed[] = {0, 2, 3, 3};
    for (size_t i = 0; i < 4; i++) {
        struct packet packet = packet_of("{\"obuid\":1}");
        struct rule_context context = {.received_ns = received_ns() + (int64_t)i * 2 * NS_PER_S,
                                       .thread = thread};
        struct decision decision;
        ruleset_apply(ruleset, &packet, &context, &decision);
        assert_int_equal(decision.failed_count, failed[i]);
    }
    ruleset_thread_free(thread);
    ruleset_unref(ruleset);
}

/* A rule that ends packets decides what the next one sees. */
static void lookbacks_add_up_behind_rules_that_end(void **state)
{
    (void)state;
    struct ruleset *ruleset =
        ruleset_of("rules:\n"
                   "  - {id: a, kind: rate, limit: 1, per: 1m, on_fail: flag}\n"
                   "  - {id: b, kind: rate, limit: 1, per: 3m, on_fail: drop}\n"
                   "categories:\n"
                   "  - name: x\n"
                   "    match: {dialect: obu}\n"
                   "    rules:\n"
                   "      - {id: c, kind: rate, limit: 1, per: 10m}\n"
                   "      - {id: d, kind: rate, limit: 1, per: 20m, on_fail: flag}\n"
                   "      - {id: e, kind: rate, limit: 1, per: 5m, on_fail: flag}\n");
    assert_int_equal(ruleset_lookback_ns(ruleset), INT64_C(60) * (3 + 10 + 20) * NS_PER_S);
    ruleset_unref(ruleset);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rate_counts_in_stretches, make_scratch, free_scratch),
        cmocka_unit_test_setup_teardown(max_gap_finds_silence, make_scratch, free_scratch),
        cmocka_unit_test_setup_teardown(max_speed_finds_jumps, make_scratch, free_scratch),
        cmocka_unit_test_setup_teardown(the_tolerance_costs_no_time, make_scratch, free_scratch),
        cmocka_unit_test_setup_teardown(frozen_wants_movement, make_scratch, free_scratch),
        cmocka_unit_test_setup_teardown(duplicate_compares_other_packets, make_scratch,
                                        free_scratch),
        cmocka_unit_test_setup_teardown(changed_only_passes_changes, make_scratch, free_scratch),
        cmocka_unit_test(lookbacks_add_up_behind_rules_that_end),
        cmocka_unit_test_setup_teardown(slots_lie_beside_each_other, make_scratch, free_scratch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
