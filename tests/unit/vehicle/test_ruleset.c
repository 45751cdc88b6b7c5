/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "rules_support.h"

/* ---- deciding ---- */

static const char three[] = "rules:\n"
                            "  - {id: common, kind: range, field: speed, max: 100}\n"
                            "categories:\n"
                            "  - name: fast\n"
                            "    match: {where: [{field: speed, above: 50}]}\n"
                            "    rules: [{id: fast-lat, kind: required, fields: lat}]\n"
                            "  - name: all-obu\n"
                            "    match: {dialect: obu}\n"
                            "    rules: [{id: obu-lon, kind: required, fields: lon}]\n"
                            "  - name: other\n"
                            "    rules: [{id: other-id, kind: required, fields: heading}]\n";

static void the_first_category_that_matches_wins(void **state)
{
    (void)state;
    struct ruleset *ruleset = ruleset_of(three);
    assert_int_equal(ruleset_category_count(ruleset), 3);
    struct decision decision;
    struct packet packet = packet_of("{\"obuid\":1,\"lat\":1,\"lon\":1,\"speed\":60}");
    assert_int_equal(apply(ruleset, &packet, &decision), VERDICT_PASS);
    assert_int_equal(decision.category, 0);
    assert_true(bytes_equal(packet.category, BYTES("fast")));
    packet = packet_of("{\"obuid\":1,\"lat\":1,\"lon\":1,\"speed\":50}");
    assert_int_equal(apply(ruleset, &packet, &decision), VERDICT_PASS);
    assert_int_equal(decision.category, 1);
    ruleset_unref(ruleset);
}

static void common_rules_run_first_then_the_categorys_own(void **state)
{
    (void)state;
    struct ruleset *ruleset = ruleset_of(three);
    struct decision decision;
    struct packet packet = packet_of("{\"obuid\":1,\"speed\":101}");
    assert_int_equal(apply(ruleset, &packet, &decision), VERDICT_DEAD_LETTER);
    assert_string_equal(decision.detail, "speed 101 is above 100 (rule common)");
    packet = packet_of("{\"obuid\":1,\"speed\":60}");
    assert_int_equal(apply(ruleset, &packet, &decision), VERDICT_DEAD_LETTER);
    assert_string_equal(decision.detail, "lat is missing (rule fast-lat)");
    ruleset_unref(ruleset);
}

static void what_nothing_matches_is_other_with_its_rules(void **state)
{
    (void)state;
    struct ruleset *ruleset = ruleset_of(three);
    struct decision decision;
    struct packet packet = packet_of("{\"id\":\"a\",\"timestamp\":\"" RECEIVED_TEXT
                                     "\",\"source\":\"v\",\"type\":\"t\"}");
    assert_int_equal(apply(ruleset, &packet, &decision), VERDICT_DEAD_LETTER);
    assert_int_equal(decision.category, 2);
    assert_string_equal(decision.detail, "heading is missing (rule other-id)");
    ruleset_unref(ruleset);
}

static void an_empty_file_is_other_alone(void **state)
{
    (void)state;
    struct ruleset *ruleset = ruleset_of("");
    struct packet packet = packet_of("{\"obuid\":1,\"lat\":999}");
    struct decision decision;
    assert_int_equal(apply(ruleset, &packet, &decision), VERDICT_PASS);
    assert_true(bytes_equal(packet.category, BYTES("other")));
    assert_int_equal(ruleset_category_count(ruleset), 1);
    ruleset_unref(ruleset);
}

static void flags_are_collected_once_each(void **state)
{
    (void)state;
    struct ruleset *ruleset =
        ruleset_of("rules:\n"
                   "  - {id: a, kind: required, fields: lat, on_fail: flag}\n"
                   "  - {id: b, kind: required, fields: lon, on_fail: flag, flag: no-place}\n"
                   "  - {id: c, kind: required, fields: time, on_fail: flag, flag: no-place}\n"
                   "  - {id: d, kind: required, fields: vehicle, on_fail: flag}\n");
    struct packet packet = packet_of("{\"obuid\":1}");
    struct decision decision;
    assert_int_equal(apply(ruleset, &packet, &decision), VERDICT_FLAG);
    assert_int_equal(packet.flag_count, 2);
    assert_true(bytes_equal(packet.flags[0], BYTES("a")));
    assert_true(bytes_equal(packet.flags[1], BYTES("no-place")));
    assert_int_equal(decision.failed_count, 3);
    assert_string_equal(decision.failed[2]->id.ptr, "c");
    assert_int_equal(apply(ruleset, &packet, &decision), VERDICT_FLAG);
    assert_int_equal(packet.flag_count, 2);
    ruleset_unref(ruleset);
}

static void a_drop_ends_the_work(void **state)
{
    (void)state;
    struct ruleset *ruleset = ruleset_of("rules:\n"
                                         "  - {id: a, kind: required, fields: lat, on_fail: drop}\n"
                                         "  - {id: b, kind: required, fields: lon}\n");
    struct packet packet = packet_of("{\"obuid\":1}");
    struct decision decision;
    assert_int_equal(apply(ruleset, &packet, &decision), VERDICT_DROP);
    assert_int_equal(decision.failed_count, 1);
    assert_string_equal(decision.failed[0]->id.ptr, "a");
    ruleset_unref(ruleset);
}

static void the_clock_is_the_records(void **state)
{
    (void)state;
    struct ruleset *ruleset = ruleset_of("rules: [{id: a, kind: max_age, limit: 1d}]");
    struct packet packet = packet_of("{\"obuid\":1,\"time\":\"2008-05-20T07:00:00Z\"}");
    struct decision decision;
    struct rule_context context = {.received_ns = INT64_C(1211266860) * NS_PER_S};
    assert_int_equal(ruleset_apply(ruleset, &packet, &context, &decision), VERDICT_PASS);
    context.received_ns += INT64_C(86400) * NS_PER_S;
    assert_int_equal(ruleset_apply(ruleset, &packet, &context, &decision), VERDICT_DEAD_LETTER);
    ruleset_unref(ruleset);
}

/* ---- the default ---- */

static void check_default(const char *json, enum verdict wanted, const char *category,
                          const char *detail)
{
    struct ruleset *ruleset;
    struct error err;
    if (ruleset_load_default(&ruleset, &err) != 0)
        fail_msg("%s", err.text);
    struct packet packet = packet_of(json);
    struct decision decision;
    if (apply(ruleset, &packet, &decision) != wanted)
        fail_msg("%s", json);
    assert_string_equal(packet.category.ptr, category);
    if (detail != NULL)
        assert_contains(decision.detail, detail);
    if (wanted == VERDICT_FLAG)
        assert_true(packet.flag_count == 1 && bytes_equal(packet.flags[0], BYTES("old")));
    ruleset_unref(ruleset);
}

static void the_default_checks_positions(void **state)
{
    (void)state;
    check_default("{\"obuid\":1,\"lat\":45.23,\"lon\":67.89}", VERDICT_PASS, "position", NULL);
    check_default("{\"obuid\":1,\"lat\":-90,\"lon\":180,\"heading\":360,\"speed\":0}", VERDICT_PASS,
                  "position", NULL);
    check_default("{\"obuid\":1,\"lat\":91,\"lon\":0}", VERDICT_DEAD_LETTER, "position",
                  "lat 91 is outside -90..90 (rule lat-range)");
    check_default("{\"obuid\":1,\"lat\":0,\"lon\":-180.5}", VERDICT_DEAD_LETTER, "position",
                  "(rule lon-range)");
    check_default("{\"obuid\":1,\"lat\":0}", VERDICT_DEAD_LETTER, "position",
                  "lon is missing (rule position-complete)");
    check_default("{\"obuid\":1,\"lat\":0,\"lon\":0,\"heading\":360.1}", VERDICT_DEAD_LETTER,
                  "position", "(rule heading-range)");
    check_default("{\"obuid\":1,\"lat\":0,\"lon\":0,\"accuracy\":-1}", VERDICT_DEAD_LETTER,
                  "position", "(rule accuracy-range)");
}

static void the_default_lets_old_times_flow_but_not_far_ones(void **state)
{
    (void)state;
    check_default("{\"obuid\":1,\"lat\":0,\"lon\":0,\"time\":\"2008-05-20T07:00:00Z\"}",
                  VERDICT_FLAG, "position", NULL);
    check_default("{\"obuid\":1,\"lat\":0,\"lon\":0,\"time\":\"2026-05-21T12:00:00Z\"}",
                  VERDICT_PASS, "position", NULL);
    check_default("{\"obuid\":1,\"lat\":0,\"lon\":0,\"time\":\"2026-05-21T12:00:01Z\"}",
                  VERDICT_DEAD_LETTER, "position", "(rule time-ahead)");
}

static void the_default_knows_events(void **state)
{
    (void)state;
    check_default("{\"id\":\"a\",\"timestamp\":\"" RECEIVED_TEXT
                  "\",\"source\":\"v\",\"type\":\"door\",\"payload\":{\"open\":true}}",
                  VERDICT_PASS, "event", NULL);
}

/* ---- mistakes ---- */

struct mistake {
    const char *yaml, *place, *error;
};

static void check_mistakes(const struct mistake *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *error = error_of(rows[i].yaml);
        assert_contains(error, rows[i].error);
        if (strncmp(error, rows[i].place, strlen(rows[i].place)) != 0)
            fail_msg("not at %s: %s", rows[i].place, error);
    }
}

static void mistakes_are_named_with_their_place(void **state)
{
    (void)state;
    static const struct mistake rows[] = {
        {"rulez: []\n", "test.yaml:1:1: ", "did you mean \"rules\""},
        {"rules: {}\n", "test.yaml:1:8: ", "rules must be a list"},
        {"[]\n", "test.yaml:1:1: ", "a ruleset is a mapping"},
        {"version: 2\n", "test.yaml:1:10: ", "version 2 of rules is not known"},
        {"rules:\n  - lat\n", "test.yaml:2:5: ", "a rule is a mapping"},
        {"rules:\n  - {id: a}\n", "test.yaml:2:5: ", "no \"kind\""},
        {"rules:\n  - {kind: required, fields: lat}\n", "test.yaml:2:5: ", "no \"id\""},
        {"rules:\n  - {id: a, kind: rang}\n", "test.yaml:2:19: ", "did you mean \"range\""},
        {"rules:\n  - {id: a, kind: zzz}\n",
         "test.yaml:2:19: ", "known are required, range, one_of, type, pattern, "},
        {"rules:\n  - {id: a, kind: range, feild: lat}\n",
         "test.yaml:2:26: ", "did you mean \"field\""},
        {"rules:\n  - {id: a, kind: range, field: lat, limit: 1d}\n", "test.yaml:2:38: ", "limit"},
        {"rules:\n  - {id: a, kind: range, min: 1}\n",
         "test.yaml:2:5: ", "a rule of kind range needs \"field\""},
        {"rules:\n  - {id: a, kind: range, field: lat}\n",
         "test.yaml:2:5: ", "a range needs min, max or both"},
        {"rules:\n  - {id: a, kind: range, field: lat, min: 2, max: 1}\n",
         "test.yaml:2:5: ", "min is greater than max"},
        {"rules:\n  - {id: a, kind: range, field: lat, min: x}\n", "test.yaml:2:43: ", "min"},
        {"rules:\n  - {id: a, kind: range, field: laz, min: 1}\n", "test.yaml:2:33: ",
         "did you mean \"lat\"? (a signal of that name is written \"signals.laz\")"},
        {"rules:\n  - {id: a, kind: range, field: type, min: 1}\n",
         "test.yaml:2:5: ", "\"type\" is text"},
        {"rules:\n  - {id: a, kind: range, field: time, min: 1}\n",
         "test.yaml:2:5: ", "max_age and max_ahead"},
        {"rules:\n  - {id: a, kind: one_of, field: lat, values: [1, x]}\n",
         "test.yaml:2:51: ", "\"lat\" is a number"},
        {"rules:\n  - {id: a, kind: one_of, field: type, values: [1]}\n",
         "test.yaml:2:49: ", "\"type\" is text"},
        {"rules:\n  - {id: a, kind: one_of, field: x, values: []}\n",
         "test.yaml:2:45: ", "between 1 and"},
        {"rules:\n  - {id: a, kind: one_of, field: x, values: [[]]}\n",
         "test.yaml:2:46: ", "a value is text"},
        {"rules:\n  - {id: a, kind: type, field: lat, is: number}\n",
         "test.yaml:2:5: ", "\"lat\" is not a signal"},
        {"rules:\n  - {id: a, kind: type, field: x, is: integr}\n",
         "test.yaml:2:39: ", "did you mean \"integer\""},
        {"rules:\n  - {id: a, kind: max_age, limit: 7}\n", "test.yaml:2:35: ", "limit"},
        {"rules:\n  - {id: A b, kind: required, fields: lat}\n",
         "test.yaml:2:10: ", "1-64 of a-z, 0-9 and '-'"},
        {"rules:\n  - {id: a, kind: required, fields: lat, on_fail: flagg}\n",
         "test.yaml:2:51: ", "did you mean \"flag\""},
        {"rules:\n  - {id: a, kind: required, fields: lat, flag: x}\n",
         "test.yaml:2:48: ", "\"flag\" is for rules with on_fail: flag or route"},
        {"rules:\n  - {id: a, kind: required, fields: lat}\n  - {id: a, kind: required, fields: "
         "lon}\n",
         "test.yaml:3:10: ", "two rules have the id \"a\""},
        {"categories: {}\n", "test.yaml:1:13: ", "categories must be a list"},
        {"categories:\n  - {match: {}}\n", "test.yaml:2:5: ", "no \"name\""},
        {"categories:\n  - {name: a}\n", "test.yaml:2:5: ", "category \"a\" has no \"match\""},
        {"categories:\n  - {name: a, match: {}}\n  - {name: a, match: {}}\n",
         "test.yaml:3:12: ", "two categories have the name \"a\""},
        {"categories:\n  - {name: dead-letters, match: {}}\n",
         "test.yaml:2:12: ", "names the topic of dead letters"},
        {"categories:\n  - {name: other, match: {}}\n", "test.yaml:2:26: ", "it has no match"},
        {"categories:\n  - {name: other}\n  - {name: other}\n",
         "test.yaml:3:12: ", "two categories have the name \"other\""},
        {"categories:\n  - {name: a.b, match: {}}\n", "test.yaml:2:12: ", "1-40 of a-z"},
    };
    check_mistakes(rows, sizeof rows / sizeof rows[0]);
}

static void mistakes_of_kinds_are_named_with_their_place(void **state)
{
    (void)state;
    static const struct mistake rows[] = {
        {"rules:\n  - {id: a, kind: pattern, field: x}\n",
         "test.yaml:2:5: ", "a pattern needs matches, min_length or max_length"},
        {"rules:\n  - {id: a, kind: pattern, field: x, matches: '[b-a]'}\n",
         "test.yaml:2:47: ", "a range that goes backwards"},
        {"rules:\n  - {id: a, kind: pattern, field: x, matches: '*'}\n",
         "test.yaml:2:47: ", "nothing to repeat at \"*\""},
        {"rules:\n  - {id: a, kind: pattern, field: x, matches: 'a{64}'}\n",
         "test.yaml:2:47: ", "at most 63 places"},
        {"rules:\n  - {id: a, kind: pattern, field: x, matches: 'a{2,1}'}\n",
         "test.yaml:2:47: ", "{3} or {2,4} is wanted"},
        {"rules:\n  - {id: a, kind: pattern, field: x, matches: 'a{,1}'}\n",
         "test.yaml:2:47: ", "a number is wanted"},
        {"rules:\n  - {id: a, kind: pattern, field: x, matches: '[a'}\n",
         "test.yaml:2:47: ", "ends too early"},
        {"rules:\n  - {id: a, kind: pattern, field: x, matches: '(a|b)'}\n",
         "test.yaml:2:47: ", "written with a \\ before it"},
        {"rules:\n  - {id: a, kind: pattern, field: lat, matches: 'a'}\n",
         "test.yaml:2:5: ", "\"lat\" is no text"},
        {"rules:\n  - {id: a, kind: compare, field: lat, is: belo, other: lon}\n",
         "test.yaml:2:44: ", "did you mean \"below\""},
        {"rules:\n  - {id: a, kind: compare, field: type, is: below, other: lon}\n",
         "test.yaml:2:5: ", "\"type\" is text: it has no order"},
        {"rules:\n  - {id: a, kind: compare, field: time, is: below, other: lon}\n",
         "test.yaml:2:5: ", "a time and a number"},
        {"rules:\n  - {id: a, kind: rate, limit: 0, per: 1m}\n",
         "test.yaml:2:32: ", "limit must be between 1 and"},
        {"rules:\n  - {id: a, kind: rate, limit: 1, per: 0s}\n",
         "test.yaml:2:40: ", "per must be longer than 0"},
        {"rules:\n  - {id: a, kind: rate, limit: 1, per: 8d}\n",
         "test.yaml:2:5: ", "looks back further than 7 days"},
        {"rules:\n  - {id: a, kind: max_gap, limit: 2h}\n",
         "test.yaml:2:5: ", "forget must be longer than limit"},
        {"rules:\n  - {id: a, kind: max_speed_between_points, limit: 130}\n",
         "test.yaml:2:52: ", "write it with its unit (m/s, km/h, mph or kn)"},
        {"rules:\n  - {id: a, kind: frozen, for: 10min}\n", "test.yaml:2:32: ", "for"},
        {"rules:\n  - {id: a, kind: duplicate, fields: lat, last: 65}\n",
         "test.yaml:2:49: ", "last must be between 1 and 64"},
        {"rules:\n  - {id: a, kind: changed_only, fields: x, at_least_every: 2h}\n",
         "test.yaml:2:60: ", "at_least_every must be no longer than forget"},
    };
    check_mistakes(rows, sizeof rows / sizeof rows[0]);
}

static void repeat(struct buf *out, const char *format, int times)
{
    for (int i = 0; i < times; i++)
        for (const char *p = format; *p != '\0'; p++)
            (void)(*p == '#' ? buf_append_i64(out, i) : buf_append_char(out, *p));
    buf_append_char(out, '\0');
}

/* ---- classes of vehicles ---- */

static void assert_class(const struct ruleset *ruleset, const char *json, const char *name)
{
    struct packet packet = packet_of(json);
    struct decision decision;
    apply(ruleset, &packet, &decision);
    assert_string_equal(ruleset_class_name(ruleset, decision.class).ptr, name);
}

static void the_first_class_that_matches_wins_whatever_the_rules_say(void **state)
{
    (void)state;
    struct ruleset *ruleset =
        ruleset_of("classes:\n"
                   "  - {name: bus, match: {where: [{field: vehicle, starts_with: bus-}]}}\n"
                   "  - {name: fast, match: {where: [{field: speed, above: 50}]}}\n"
                   "  - {name: known, match: {dialect: envelope}}\n"
                   "rules: [{id: place, kind: required, fields: lat}]\n");
    assert_int_equal(ruleset_class_count(ruleset), 4);
    assert_class(ruleset, "{\"obuid\":\"bus-1\",\"lat\":1,\"speed\":60}", "bus");
    assert_class(ruleset, "{\"obuid\":\"bus-2\"}", "bus"); /* a dead letter */
    assert_class(ruleset, "{\"obuid\":\"b\",\"lat\":1,\"speed\":60}", "fast");
    assert_class(ruleset, "{\"obuid\":\"b\",\"lat\":1}", "other");
    assert_class(ruleset, "{\"source\":\"b\",\"type\":\"t\",\"payload\":{}}", "known");
    ruleset_unref(ruleset);
}

static void without_classes_all_are_other(void **state)
{
    (void)state;
    struct ruleset *ruleset = ruleset_of("classes:\n");
    assert_int_equal(ruleset_class_count(ruleset), 1);
    assert_class(ruleset, "{\"obuid\":1}", "other");
    ruleset_unref(ruleset);
}

static void the_default_tells_taxis_and_dialects_apart(void **state)
{
    (void)state;
    struct ruleset *ruleset;
    struct error err;
    assert_int_equal(ruleset_load_default(&ruleset, &err), 0);
    assert_class(ruleset, "{\"obuid\":1,\"lat\":1,\"lon\":1,\"occupied\":0}", "taxi");
    assert_class(ruleset, "{\"source\":\"a\",\"payload\":{\"occupied\":true}}", "taxi");
    assert_class(ruleset, "{\"obuid\":1,\"lat\":1,\"lon\":1}", "obu");
    assert_class(ruleset, "{\"source\":\"a\",\"payload\":{\"soc\":1}}", "connected");
    ruleset_unref(ruleset);
}

static void mistakes_in_classes_are_named_with_their_place(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"classes: {}", "test.yaml:1:10: classes must be a list"},
        {"classes: [bus]", "a mapping with name and match"},
        {"classes: [{match: {}}]", "no \"name\""},
        {"classes: [{name: bus}]", "class \"bus\" has no \"match\""},
        {"classes: [{name: Bus, match: {}}]", "name"},
        {"classes: [{name: other, match: {}}]", "\"other\" is what no class matches"},
        {"classes: [{name: bus, match: {}, rules: []}]", "rules"},
        {"classes: [{name: b, match: {}}, {name: b, match: {}}]", "two classes have the name"},
        {"classes: [{name: b, match: {dialect: obo}}]", "did you mean \"obu\""},
        {"clases: []", "did you mean \"classes\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        assert_contains(error_of(rows[i][0]), rows[i][1]);
}

static void numbers_of_everything_are_bounded(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 0);
    buf_append_text(&text, "rules:\n");
    repeat(&text, "  - {id: r#, kind: required, fields: lat}\n", RULESET_RULES_MAX + 1);
    assert_contains(error_of(text.ptr), "more than 1024 rules");
    buf_clear(&text);
    buf_append_text(&text, "categories:\n");
    repeat(&text, "  - {name: c#, match: {}}\n", RULESET_CATEGORIES_MAX);
    assert_contains(error_of(text.ptr), "more than 63 categories");
    buf_clear(&text);
    buf_append_text(&text, "classes:\n");
    repeat(&text, "  - {name: c#, match: {}}\n", RULESET_CLASSES_MAX);
    assert_contains(error_of(text.ptr), "more than 63 classes of vehicles");
    buf_clear(&text);
    buf_append_text(&text, "rules:\n");
    repeat(&text, "  - {id: r#, kind: required, fields: lat, on_fail: flag}\n", 17);
    assert_contains(error_of(text.ptr), "17 rules that flag");
    buf_clear(&text);
    buf_append_text(&text, "rules:\n");
    repeat(&text, "  - {id: r#, kind: required, fields: lat, on_fail: flag}\n", 16);
    struct ruleset *ruleset = ruleset_of(text.ptr);
    struct packet packet = packet_of("{\"obuid\":1}");
    struct decision decision;
    assert_int_equal(apply(ruleset, &packet, &decision), VERDICT_FLAG);
    assert_int_equal(packet.flag_count, 16);
    ruleset_unref(ruleset);
    buf_deinit(&text);
}

static void hostile_yaml_is_refused(void **state)
{
    (void)state;
    error_of("rules: &a [*a]\n");
    error_of("rules: [\n");
    error_of("rules: []\nrules: []\n");
    error_of("--- {}\n--- {}\n");
    error_of("rules: [!!python/object:os.system {}]\n");
    struct buf text;
    buf_init(&text, 0);
    repeat(&text, "[", 5000);
    error_of(text.ptr);
    buf_deinit(&text);
}

/* ---- files ---- */

static char dir[64];

static int make_dir(void **state)
{
    snprintf(dir, sizeof dir, "/tmp/test-ruleset-XXXXXX");
    return mkdtemp(dir) == NULL || make_scratch(state) != 0;
}

static int remove_dir(void **state)
{
    static const char *const names[] = {"a.yaml", "b.yaml", "c.txt"};
    char path[128];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        unlink(path);
    }
    return rmdir(dir) | free_scratch(state);
}

static const char *write_file(const char *name, const char *text)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    return path;
}

static void a_folder_is_one_ruleset_in_order_of_names(void **state)
{
    (void)state;
    write_file("b.yaml", "categories: [{name: second, match: {}}]\n");
    write_file("a.yaml", "categories: [{name: first, match: {}}]\n"
                         "rules: [{id: a, kind: required, fields: vehicle}]\n");
    write_file("c.txt", "no ruleset");
    struct ruleset *ruleset;
    struct error err;
    assert_int_equal(ruleset_load(&ruleset, dir, &err), 0);
    assert_int_equal(ruleset_category_count(ruleset), 3);
    assert_string_equal(ruleset_category_name(ruleset, 0).ptr, "first");
    assert_string_equal(ruleset_category_name(ruleset, 1).ptr, "second");
    assert_int_equal(ruleset_rule_count(ruleset), 1);
    ruleset_unref(ruleset);
}

static void a_name_used_in_two_files_is_an_error_in_the_second(void **state)
{
    (void)state;
    write_file("a.yaml", "categories: [{name: first, match: {}}]\n");
    write_file("b.yaml", "categories: [{name: first, match: {}}]\n");
    struct ruleset *ruleset;
    struct error err;
    assert_int_equal(ruleset_load(&ruleset, dir, &err), -1);
    assert_contains(err.text, "/b.yaml:1:21: two categories have the name \"first\"");
}

static void the_hash_is_that_of_the_text(void **state)
{
    (void)state;
    static const char text[] = "categories: [{name: first, match: {}}]\n";
    struct ruleset *bytes = ruleset_of(text), *file;
    struct error err;
    assert_int_equal(ruleset_load(&file, write_file("a.yaml", text), &err), 0);
    assert_true(ruleset_hash(bytes) == ruleset_hash(file));
    assert_true(ruleset_hash(bytes) == hash64(bytes_from_text(text)));
    struct ruleset *changed = ruleset_of("categories: [{name: first2, match: {}}]\n");
    assert_true(ruleset_hash(bytes) != ruleset_hash(changed));
    ruleset_unref(bytes);
    ruleset_unref(file);
    ruleset_unref(changed);
}

static void what_can_not_be_read_is_an_error(void **state)
{
    (void)state;
    struct ruleset *ruleset;
    struct error err;
    assert_int_equal(ruleset_load(&ruleset, "/nowhere/rules.yaml", &err), -1);
    assert_contains(err.text, "/nowhere/rules.yaml");
    assert_int_equal(err.kind, ERROR_CONFIG);
    assert_int_equal(ruleset_load(&ruleset, dir, &err), -1);
    assert_contains(err.text, "0 files *.yaml");
}

static void no_path_means_the_default(void **state)
{
    (void)state;
    struct ruleset *ruleset;
    struct error err;
    assert_int_equal(ruleset_load(&ruleset, "", &err), 0);
    assert_true(ruleset_hash(ruleset) == hash64(ruleset_default_text()));
    ruleset_unref(ruleset);
}

/* ---- topics ---- */

static void topics_are_a_closed_list(void **state)
{
    (void)state;
    struct ruleset *ruleset = ruleset_of(three);
    static const char *const ingest[] = {"gpscoords", "data-topic"};
    static const char *const wanted[] = {
        "gpscoords.fast",  "gpscoords.all-obu",  "gpscoords.other",  "gpscoords.dead-letters",
        "data-topic.fast", "data-topic.all-obu", "data-topic.other", "data-topic.dead-letters",
    };
    struct topic_list list;
    struct error err;
    assert_int_equal(ruleset_topics(ruleset, ingest, 2, true, &list, &err), 0);
    assert_int_equal(list.count, 8);
    for (size_t i = 0; i < 8; i++)
        assert_string_equal(list.names[i], wanted[i]);
    topic_list_deinit(&list);
    assert_int_equal(ruleset_topics(ruleset, ingest, 2, false, &list, &err), 0);
    assert_int_equal(list.count, 6);
    assert_string_equal(list.names[2], "gpscoords.other");
    assert_string_equal(list.names[3], "data-topic.fast");
    topic_list_deinit(&list);
    ruleset_unref(ruleset);
}

static void a_topic_that_is_too_long_is_an_error(void **state)
{
    (void)state;
    struct ruleset *ruleset = ruleset_of(three);
    char name[TOPIC_NAME_MAX + 1], ingest[101];
    struct error err;
    memset(ingest, 'a', 87);
    ingest[87] = '\0';
    assert_int_equal(ruleset_topic(ruleset, ingest, 3, name, &err), 0);
    assert_int_equal(strlen(name), 100);
    ingest[87] = 'a';
    ingest[88] = '\0';
    assert_int_equal(ruleset_topic(ruleset, ingest, 3, name, &err), -1);
    struct topic_list list;
    const char *const one = ingest;
    assert_int_equal(ruleset_topics(ruleset, &one, 1, true, &list, &err), -1);
    assert_null(list.names);
    ruleset_unref(ruleset);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_scratch, free_scratch)
#define FILE_TEST(name) cmocka_unit_test_setup_teardown(name, make_dir, remove_dir)
    const struct CMUnitTest tests[] = {
        TEST(the_first_category_that_matches_wins),
        TEST(common_rules_run_first_then_the_categorys_own),
        TEST(what_nothing_matches_is_other_with_its_rules),
        TEST(an_empty_file_is_other_alone),
        TEST(flags_are_collected_once_each),
        TEST(a_drop_ends_the_work),
        TEST(the_clock_is_the_records),
        TEST(the_default_checks_positions),
        TEST(the_default_lets_old_times_flow_but_not_far_ones),
        TEST(the_default_knows_events),
        TEST(mistakes_are_named_with_their_place),
        TEST(mistakes_of_kinds_are_named_with_their_place),
        TEST(the_first_class_that_matches_wins_whatever_the_rules_say),
        TEST(without_classes_all_are_other),
        TEST(the_default_tells_taxis_and_dialects_apart),
        TEST(mistakes_in_classes_are_named_with_their_place),
        TEST(numbers_of_everything_are_bounded),
        TEST(hostile_yaml_is_refused),
        FILE_TEST(a_folder_is_one_ruleset_in_order_of_names),
        FILE_TEST(a_name_used_in_two_files_is_an_error_in_the_second),
        FILE_TEST(the_hash_is_that_of_the_text),
        FILE_TEST(what_can_not_be_read_is_an_error),
        TEST(no_path_means_the_default),
        TEST(topics_are_a_closed_list),
        TEST(a_topic_that_is_too_long_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
