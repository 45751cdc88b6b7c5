/* SPDX-License-Identifier: Apache-2.0 */
/* Operations on packets: what the canonical packet shows of them, what of a
 * packet never changes, what they remember of a vehicle, and what is refused. */
#include <math.h>

#include "rules_support.h"
#include "vehicle/canonical.h"
#include "vehicle/transform/transform.h"
#include "vehicle/transform/unit.h"

static const struct state_limits limits = {.vehicles = 100, .bytes = 1 << 20};

/* A ruleset and the thread that applies it. */
static struct ruleset *ruleset;
static struct rule_thread *thread;

static void begin(const char *yaml)
{
    struct error err;
    ruleset = ruleset_of(yaml);
    if (ruleset_thread_new(&thread, ruleset, &limits, NULL, &err) != 0)
        fail_msg("%s", err.text);
}

static void end(void)
{
    ruleset_thread_free(thread);
    ruleset_unref(ruleset);
}

static enum verdict change(struct packet *packet, struct decision *decision)
{
    struct rule_context context = {.received_ns = packet->received_ns, .thread = thread};
    return ruleset_apply(ruleset, packet, &context, decision);
}

/* The canonical packet from its position on; valid until the next call. */
static const char *changed(const char *json)
{
    static char text[4096];
    struct decision decision;
    struct packet packet = packet_of(json), before = packet;
    change(&packet, &decision);
    assert_memory_equal(&packet.identity, &before.identity, sizeof before.identity);
    assert_true(bytes_equal(packet.original, bytes_from_text(json)));
    struct buf out;
    buf_init(&out, 0);
    assert_int_equal(canonical_encode(&packet, &out), 0);
    buf_append_char(&out, '\0');
    const char *from = strstr(out.ptr, "\"received\":");
    snprintf(text, sizeof text, "%s", strchr(from, 'Z') + 2);
    buf_deinit(&out);
    return text;
}

/* One operation, one packet, what comes out (without its end, which is the same). */
static const struct {
    const char *operation, *packet, *result;
} rows[] = {
    {"{op: rename, from: v, to: speed}", "{\"obuid\":1,\"v\":12.5}", ",\"speed\":12.5"},
    {"{op: rename, from: v, to: speed}", "{\"obuid\":1,\"v\":\"fast\"}",
     ",\"signals\":{\"v\":\"fast\"}"},
    {"{op: rename, from: v, to: w}", "{\"obuid\":1,\"v\":1.50,\"x\":2}",
     ",\"signals\":{\"x\":2,\"w\":1.50}"},
    {"{op: rename, from: v, to: x}", "{\"obuid\":1,\"v\":\"a\",\"x\":2}",
     ",\"signals\":{\"x\":\"a\"}"},
    {"{op: rename, from: v, to: w}", "{\"obuid\":1,\"x\":2}", ",\"signals\":{\"x\":2}"},
    {"{op: rename, from: altitude, to: height}", "{\"obuid\":1,\"altitude\":7.5}",
     ",\"signals\":{\"height\":7.5}"},
    {"{op: drop, fields: [a, speed, b.c.*]}",
     "{\"obuid\":1,\"a\":1,\"speed\":3,\"b\":{\"c\":{\"x\":1,\"y\":[2]},\"cc\":3,\"c2\":4}}",
     ",\"signals\":{\"b.cc\":3,\"b.c2\":4}"},
    {"{op: drop, fields: [lat, lon]}", "{\"obuid\":1,\"lat\":1,\"lon\":2,\"k\":\"\\u0041\"}",
     ",\"signals\":{\"k\":\"\\u0041\"}"},
    {"{op: round, fields: [lat, lon], digits: 2}", "{\"obuid\":1,\"lat\":2.675,\"lon\":-0.004}",
     ",\"lat\":2.68,\"lon\":0"},
    {"{op: round, fields: [a, b, c, d, e, f], digits: 1}",
     "{\"obuid\":1,\"a\":0.25,\"b\":-0.25,\"c\":12345678901234567890.16,\"d\":1e3,\"e\":\"2.55\","
     "\"f\":25e-30}",
     ",\"signals\":{\"a\":0.3,\"b\":-0.3,\"c\":12345678901234567890.16,\"d\":1e3,\"e\":\"2.55\","
     "\"f\":0}"},
    {"{op: round, fields: a, digits: 0}", "{\"obuid\":1,\"a\":9.5}", ",\"signals\":{\"a\":10}"},
    {"{op: round, fields: a, digits: 3}", "{\"obuid\":1,\"a\":0.0125}",
     ",\"signals\":{\"a\":0.013}"},
    {"{op: units, fields: speed, from: km/h, to: m/s}", "{\"obuid\":1,\"speed\":36}",
     ",\"speed\":10"},
    {"{op: units, fields: [t], from: degF, to: degC}", "{\"obuid\":1,\"t\":212}",
     ",\"signals\":{\"t\":100}"},
    {"{op: constant, field: fleet, value: \"a \\\"b\\\"\"}", "{\"obuid\":1}",
     ",\"signals\":{\"fleet\":\"a \\\"b\\\"\"}"},
    {"{op: constant, field: fleet, value: 5}", "{\"obuid\":1,\"fleet\":4}",
     ",\"signals\":{\"fleet\":4}"},
    {"{op: constant, field: fleet, value: true, when: always}", "{\"obuid\":1,\"fleet\":4}",
     ",\"signals\":{\"fleet\":true}"},
    {"{op: constant, field: accuracy, value: 5}", "{\"obuid\":1}", ",\"accuracy\":5"},
    {"{op: constant, field: x, value: null}", "{\"obuid\":1}", ",\"signals\":{\"x\":null}"},
};

static void each_operation_shows_in_the_canonical_packet(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char yaml[512], wanted[512];
        snprintf(yaml, sizeof yaml, "transform: [%s]", rows[i].operation);
        snprintf(wanted, sizeof wanted, "%s,\"category\":\"other\",\"dialect\":\"obu\"}",
                 rows[i].result);
        begin(yaml);
        assert_string_equal(changed(rows[i].packet), wanted);
        end();
    }
}

static void the_category_and_its_rules_see_what_was_changed(void **state)
{
    (void)state;
    begin("transform: [{op: rename, from: kmh, to: speed},\n"
          "            {op: units, fields: speed, from: km/h, to: m/s}]\n"
          "categories:\n"
          "  - name: fast\n"
          "    match: {where: [{field: speed, above: 20}]}\n"
          "    transform: [{op: constant, field: lane, value: 3}]\n"
          "    rules: [{id: lane, kind: range, field: lane, max: 2, on_fail: flag}]\n"
          "  - name: other\n"
          "    transform: [{op: drop, fields: note}]\n");
    assert_string_equal(changed("{\"obuid\":1,\"kmh\":108,\"note\":1}"),
                        ",\"speed\":30,\"signals\":{\"note\":1,\"lane\":3},\"flags\":[\"lane\"],"
                        "\"category\":\"fast\",\"dialect\":\"obu\"}");
    assert_string_equal(changed("{\"obuid\":1,\"kmh\":36,\"note\":1}"),
                        ",\"speed\":10,\"category\":\"other\",\"dialect\":\"obu\"}");
    end();
}

static const char *at(int second, double lat, double lon)
{
    static char json[160];
    snprintf(json, sizeof json, "{\"obuid\":7,\"time\":%d,\"lat\":%.6f,\"lon\":%.6f}",
             1779278400 + second, lat, lon);
    return json;
}

static double number_in(const char *text, const char *key)
{
    const char *found = strstr(text, key);
    return found == NULL ? NAN : strtod(found + strlen(key), NULL);
}

static void speed_heading_and_distance_come_from_two_points(void **state)
{
    (void)state;
    begin("transform: [{op: speed, max_gap: 1m}, {op: heading, max_gap: 1m, min_distance: 50 m},\n"
          "            {op: distance, max_gap: 1m, into: step}]");
    const char *text = changed(at(0, 50, 8));
    assert_null(strstr(text, "speed"));
    assert_null(strstr(text, "heading"));
    /* A thousandth of a degree north is 111.195 m on this sphere. */
    text = changed(at(10, 50.001, 8));
    assert_float_equal(number_in(text, "\"speed\":"), 11.1195, 1e-3);
    assert_float_equal(number_in(text, "\"heading\":"), 0, 1e-9);
    assert_float_equal(number_in(text, "\"step\":"), 111.195, 1e-2);
    /* Too short a way for a heading: the last stays. */
    text = changed(at(20, 50.001, 8.0001));
    assert_float_equal(number_in(text, "\"heading\":"), 0, 1e-9);
    assert_float_equal(number_in(text, "\"step\":"), 7.1475, 1e-2);
    /* ... and adds up: now it is far enough from where it was measured last. */
    text = changed(at(30, 50.001, 8.001));
    assert_float_equal(number_in(text, "\"heading\":"), 90, 1e-2);
    /* Late and equal times give nothing and move nothing. */
    assert_null(strstr(changed(at(25, 51, 8)), "speed"));
    assert_null(strstr(changed(at(30, 51, 8)), "speed"));
    /* A gap begins anew. */
    assert_null(strstr(changed(at(91, 50.002, 8.001)), "speed"));
    assert_float_equal(number_in(changed(at(101, 50.003, 8.001)), "\"speed\":"), 11.1195, 1e-3);
    /* What the vehicle says counts more; no place is no step. */
    text = changed("{\"obuid\":7,\"time\":1779278502,\"lat\":50.004,\"lon\":8.001,\"speed\":3}");
    assert_float_equal(number_in(text, "\"speed\":"), 3, 0);
    assert_null(strstr(changed("{\"obuid\":7,\"time\":1779278503,\"lat\":91,\"lon\":8}"), "speed"));
    end();
}

static void vehicles_do_not_mix(void **state)
{
    (void)state;
    begin("transform: [{op: speed}]");
    changed("{\"obuid\":1,\"time\":1779278400,\"lat\":1,\"lon\":1}");
    assert_null(strstr(changed("{\"obuid\":2,\"time\":1779278410,\"lat\":1,\"lon\":1}"), "speed"));
    assert_non_null(
        strstr(changed("{\"obuid\":1,\"time\":1779278410,\"lat\":1,\"lon\":1}"), "\"speed\":0"));
    end();
}

static void trips_begin_after_a_gap_and_at_fixed_times(void **state)
{
    (void)state;
    begin("transform: [{op: trip, gap: 10m, longest: 1h}]");
    /* 12:00:00; a packet of 12:05 belongs to its trip, also when it comes late. */
    assert_non_null(strstr(changed(at(0, 1, 1)), "\"trip\":\"2026-05-20T12:00:00.000Z\""));
    assert_non_null(strstr(changed(at(600, 1, 1)), "\"trip\":\"2026-05-20T12:00:00.000Z\""));
    assert_non_null(strstr(changed(at(300, 1, 1)), "\"trip\":\"2026-05-20T12:00:00.000Z\""));
    assert_non_null(strstr(changed(at(1201, 1, 1)), "\"trip\":\"2026-05-20T12:20:01.000Z\""));
    /* Before it began: nobody knows any more. */
    assert_null(strstr(changed(at(900, 1, 1)), "trip"));
    for (int s = 1800; s < 3600; s += 300)
        assert_non_null(strstr(changed(at(s, 1, 1)), "\"trip\":\"2026-05-20T12:20:01.000Z\""));
    assert_non_null(strstr(changed(at(3600, 1, 1)), "\"trip\":\"2026-05-20T13:00:00.000Z\""));
    end();
}

static void a_reload_keeps_what_the_same_operations_remember(void **state)
{
    (void)state;
    begin("transform: [{op: speed}]");
    changed(at(0, 50, 8));
    struct ruleset *next = ruleset_of("transform: [{op: drop, fields: x}, {op: speed}]");
    struct rule_thread *taken;
    assert_int_equal(ruleset_thread_new(&taken, next, &limits, thread, NULL), 0);
    end();
    ruleset = next;
    thread = taken;
    assert_float_equal(number_in(changed(at(10, 50.001, 8)), "\"speed\":"), 11.1195, 1e-3);
    end();
}

/* As many signals as a packet may have, and one more. */
static void a_full_packet_gets_no_new_signal(void **state)
{
    (void)state;
    struct buf json;
    buf_init(&json, 0);
    buf_append_text(&json, "{\"obuid\":1");
    for (int i = 0; i < PACKET_SIGNALS_MAX; i++)
        buf_printf(&json, ",\"s%d\":%d.25", i, i);
    buf_append_text(&json, "}");
    buf_append_char(&json, '\0');
    begin("transform: [{op: constant, field: new, value: 1},\n"
          "            {op: constant, field: s9, value: 1, when: always},\n"
          "            {op: rename, from: s8, to: t8}]");
    struct decision decision;
    struct packet packet = packet_of(json.ptr);
    change(&packet, &decision);
    assert_int_equal(packet.signal_count, PACKET_SIGNALS_MAX);
    assert_null(packet_find_signal(&packet, BYTES("new")));
    assert_true(bytes_equal(packet_find_signal(&packet, BYTES("s9"))->raw, BYTES("1")));
    assert_true(bytes_equal(packet_find_signal(&packet, BYTES("t8"))->raw, BYTES("8.25")));
    end();
    buf_deinit(&json);
}

static const struct {
    const char *operation, *error;
} refused[] = {
    {"{op: renam, from: a, to: b}", "test.yaml:1:18: op: unknown value \"renam\"; did you mean"},
    {"{from: a, to: b}", "the operation has no \"op\""},
    {"{op: rename, from: a}", "the operation rename needs \"to\""},
    {"{op: rename, from: a, too: b}", "did you mean \"to\""},
    {"{op: rename, from: a, to: a}", "from and to are the same"},
    {"{op: rename, from: a, to: vehicle}", "\"vehicle\" is what a packet is found by"},
    {"{op: drop, fields: [time]}", "\"time\" is what a packet is found by"},
    {"{op: round, fields: a, digits: 13}", "digits must be between 0 and 12"},
    {"{op: units, fields: a, from: kmh, to: m/s}", "unknown unit \"kmh\"; did you mean \"km/h\""},
    {"{op: units, fields: a, from: km/h, to: bar}", "km/h is a unit of speed, bar one of pressure"},
    {"{op: constant, field: speed, value: fast}", "\"speed\" takes a number"},
    {"{op: constant, field: x, value: [1]}", "a value is text, a number"},
    {"{op: trip, gap: 0s}", "gap must be more than 0"},
    {"{op: trip, gap: 2h, longest: 1h}", "longest must not be shorter than gap"},
    {"{op: trip, gap: 1m, into: speed}", "goes into a signal"},
    {"{op: speed, max_gap: 8d}", "looks back further than 7 days"},
    {"{op: heading, min_distance: 5}", "write it with its unit"},
    {"5", "an operation is a mapping"},
};

static void mistakes_are_refused_with_their_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        char yaml[256];
        snprintf(yaml, sizeof yaml, "transform: [%s]", refused[i].operation);
        assert_contains(error_of(yaml), refused[i].error);
        assert_contains(error_of(yaml), "test.yaml:1:");
    }
    assert_contains(error_of("transform: {op: drop}"), "transform must be a list");
}

static void examples_compile_and_units_agree(void **state)
{
    (void)state;
    for (size_t i = 0; transform_registry[i] != NULL; i++) {
        char yaml[512];
        snprintf(yaml, sizeof yaml, "transform: [%s]", transform_registry[i]->example);
        ruleset_unref(ruleset_of(yaml));
    }
    for (const struct unit *a = unit_table; a->name != NULL; a++)
        for (const struct unit *b = unit_table; b->name != NULL; b++)
            if (strcmp(a->dimension, b->dimension) == 0)
                assert_float_equal(unit_convert(unit_convert(17.5, a, b), b, a), 17.5, 1e-9);
    assert_float_equal(unit_convert(-40, unit_find(BYTES("degF")), unit_find(BYTES("degC"))), -40,
                       1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_operation_shows_in_the_canonical_packet),
        cmocka_unit_test(the_category_and_its_rules_see_what_was_changed),
        cmocka_unit_test(speed_heading_and_distance_come_from_two_points),
        cmocka_unit_test(vehicles_do_not_mix),
        cmocka_unit_test(trips_begin_after_a_gap_and_at_fixed_times),
        cmocka_unit_test(a_reload_keeps_what_the_same_operations_remember),
        cmocka_unit_test(a_full_packet_gets_no_new_signal),
        cmocka_unit_test(mistakes_are_refused_with_their_place),
        cmocka_unit_test(examples_compile_and_units_agree),
    };
    return cmocka_run_group_tests(tests, make_scratch, free_scratch);
}
