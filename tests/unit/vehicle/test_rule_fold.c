/* SPDX-License-Identifier: Apache-2.0 */
/* Rules together decide what they decide one by one: random rulesets, whose
 * rules overlap, flag, drop and call, against each rule as a ruleset of its own. */
#include <math.h>

#include "rules_support.h"

enum { RULES = 12, ROUNDS = 300, PACKETS = 20 };

static uint32_t seed = 20080520;

static unsigned random_below(unsigned n)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % n;
}

static void random_rule(char *out, size_t cap, unsigned number)
{
    static const char *const fields[] = {"lat",      "lon",      "speed", "heading",
                                         "altitude", "accuracy", "soc"};
    static const char *const actions[] = {"dead_letter", "dead_letter", "flag", "drop"};
    const char *field = fields[random_below(7)];
    const char *action = actions[random_below(4)];
    unsigned low = random_below(6);
    switch (random_below(5)) {
    case 0:
        snprintf(out, cap, "{id: r%u, kind: required, fields: [%s], on_fail: %s}", number, field,
                 action);
        return;
    case 1:
        snprintf(out, cap, "{id: r%u, kind: max_%s, limit: %uh, on_fail: %s}", number,
                 random_below(2) ? "age" : "ahead", low, action);
        return;
    default:
        snprintf(out, cap, "{id: r%u, kind: range, field: %s, min: %u, max: %u, on_fail: %s}",
                 number, field, low, low + random_below(20), action);
        return;
    }
}

static struct packet random_packet(char *json, size_t cap)
{
    static const char *const fields[] = {"lat",      "lon",      "speed", "heading",
                                         "altitude", "accuracy", "soc"};
    int len = snprintf(json, cap, "{\"obuid\":1");
    for (size_t i = 0; i < 7; i++)
        if (random_below(3) > 0)
            len +=
                snprintf(json + len, cap - (size_t)len, ",\"%s\":%u", fields[i], random_below(20));
    if (random_below(2))
        len += snprintf(json + len, cap - (size_t)len, ",\"time\":\"2026-05-20T%02u:30:00Z\"",
                        8 + random_below(9));
    snprintf(json + len, cap - (size_t)len, "}");
    struct packet packet = packet_of(json);
    /* Absent numbers hold whatever memory held. */
    double *numbers = &packet.lat;
    for (unsigned i = 0; i < 6; i++)
        if ((packet.fields & (uint32_t)PACKET_HAS_LAT << i) == 0)
            numbers[i] = random_below(2) ? NAN : -1e300;
    return packet;
}

static void check_packet(const struct ruleset *whole, struct ruleset *const *alone)
{
    char json[512];
    struct packet packet = random_packet(json, sizeof json);
    struct decision decision, one;
    enum verdict found = apply(whole, &packet, &decision), wanted = VERDICT_PASS;
    size_t failed = 0;
    for (size_t i = 0; i < RULES && wanted != VERDICT_DEAD_LETTER && wanted != VERDICT_DROP; i++) {
        enum verdict verdict = apply(alone[i], &packet, &one);
        if (verdict == VERDICT_PASS)
            continue;
        wanted = verdict;
        assert_true(failed < decision.failed_count);
        assert_true(bytes_equal(decision.failed[failed++]->id, one.failed[0]->id));
    }
    assert_int_equal(found, wanted);
    assert_int_equal(decision.failed_count, failed);
    if (found == VERDICT_DEAD_LETTER)
        assert_string_equal(decision.detail, one.detail);
}

static void rules_together_decide_as_one_by_one(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        char all[RULES * 128] = "rules:\n";
        struct ruleset *alone[RULES];
        for (unsigned i = 0; i < RULES; i++) {
            char rule[128], yaml[160];
            random_rule(rule, sizeof rule, i);
            snprintf(yaml, sizeof yaml, "rules:\n  - %s\n", rule);
            alone[i] = ruleset_of(yaml);
            strcat(strcat(strcat(all, "  - "), rule), "\n");
        }
        struct ruleset *whole = ruleset_of(all);
        for (int i = 0; i < PACKETS; i++)
            check_packet(whole, alone);
        for (unsigned i = 0; i < RULES; i++)
            ruleset_unref(alone[i]);
        ruleset_unref(whole);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_together_decide_as_one_by_one),
    };
    return cmocka_run_group_tests(tests, make_scratch, free_scratch);
}
