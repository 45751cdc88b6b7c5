/* SPDX-License-Identifier: Apache-2.0 */
/* The kinds inside and outside, through rulesets. */
#include <unistd.h>

#include "rules_support.h"

static char folder[64];

static void path_of(char *out, size_t cap, const char *name)
{
    snprintf(out, cap, "%s/%s", folder, name);
}

static void write_file(const char *name, const char *text)
{
    char path[128];
    path_of(path, sizeof path, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static const char fences[] =
    "{\"type\":\"FeatureCollection\",\"features\":[\n"
    "{\"type\":\"Feature\",\"properties\":{\"name\":\"Depot\"},\"geometry\":{\"type\":\"Polygon\","
    "\"coordinates\":[[[0,0],[4,0],[4,4],[0,4],[0,0]]]}},\n"
    "{\"type\":\"Feature\",\"properties\":{\"name\":\"Yard\"},\"geometry\":{\"type\":\"Polygon\","
    "\"coordinates\":[[[2,2],[6,2],[6,6],[2,6],[2,2]]]}}]}";

static int begin(void **state)
{
    snprintf(folder, sizeof folder, "/tmp/test-fence-XXXXXX");
    if (mkdtemp(folder) == NULL || make_scratch(state) != 0)
        return -1;
    write_file("f.geojson", fences);
    return 0;
}

static int end(void **state)
{
    char path[128];
    path_of(path, sizeof path, "f.geojson");
    unlink(path);
    path_of(path, sizeof path, "rules.yaml");
    unlink(path);
    return rmdir(folder) | free_scratch(state);
}

static int load_rule(const char *rule, struct ruleset **out, struct error *err)
{
    char text[1024], path[128];
    snprintf(text, sizeof text, "rules:\n  - {id: r, %s}\n", rule);
    write_file("rules.yaml", text);
    path_of(path, sizeof path, "rules.yaml");
    return ruleset_load_file(out, path, err);
}

static void assert_detail(const char *rule, const char *place, const char *detail)
{
    struct ruleset *ruleset;
    struct error err;
    if (load_rule(rule, &ruleset, &err) != 0)
        fail_msg("%s", err.text);
    char json[256];
    snprintf(json, sizeof json, "{\"obuid\":1,%s\"time\":1779278400}", place);
    struct packet packet = packet_of(json);
    struct decision decision;
    enum verdict verdict = apply(ruleset, &packet, &decision);
    if (detail == NULL) {
        assert_int_equal(verdict, VERDICT_PASS);
    } else {
        assert_int_equal(verdict, VERDICT_DEAD_LETTER);
        assert_string_equal(decision.detail, detail);
    }
    ruleset_unref(ruleset);
}

static void inside_any(void **state)
{
    (void)state;
    const char *rule = "kind: inside, file: f.geojson";
    assert_detail(rule, "\"lat\":1,\"lon\":1,", NULL);
    assert_detail(rule, "\"lat\":5,\"lon\":5,", NULL);
    assert_detail(rule, "\"lat\":0,\"lon\":4,", NULL);
    assert_detail(rule, "\"lat\":1,\"lon\":5,",
                  "position 1, 5 is outside the 2 fences of f.geojson (rule r)");
    assert_detail(rule, "\"lat\":91,\"lon\":1,",
                  "position 91, 1 is outside the 2 fences of f.geojson (rule r)");
    assert_detail(rule, "\"lat\":1,", NULL);
    assert_detail(rule, "", NULL);
}

static void inside_all(void **state)
{
    (void)state;
    const char *rule = "kind: inside, file: f.geojson, match: all";
    assert_detail(rule, "\"lat\":3,\"lon\":3,", NULL);
    assert_detail(rule, "\"lat\":1,\"lon\":1,",
                  "position 1, 1 is inside the fence \"Depot\" of f.geojson alone, of 2 (rule r)");
    assert_detail(rule, "\"lat\":9,\"lon\":9,",
                  "position 9, 9 is outside the 2 fences of f.geojson (rule r)");
}

static void inside_named(void **state)
{
    (void)state;
    const char *rule = "kind: inside, file: f.geojson, names: [Yard]";
    assert_detail(rule, "\"lat\":5,\"lon\":5,", NULL);
    assert_detail(rule, "\"lat\":1,\"lon\":1,",
                  "position 1, 1 is outside the fence \"Yard\" of f.geojson (rule r)");
}

static void outside_any(void **state)
{
    (void)state;
    const char *rule = "kind: outside, file: f.geojson";
    assert_detail(rule, "\"lat\":1,\"lon\":5,", NULL);
    assert_detail(rule, "\"lat\":91,\"lon\":1,", NULL);
    assert_detail(rule, "\"lon\":1,", NULL);
    assert_detail(rule, "\"lat\":5,\"lon\":6,",
                  "position 5, 6 is inside the fence \"Yard\" of f.geojson (rule r)");
    assert_detail("kind: outside, file: f.geojson, names: Depot", "\"lat\":5,\"lon\":5,", NULL);
}

static void outside_all(void **state)
{
    (void)state;
    const char *rule = "kind: outside, file: f.geojson, match: all";
    assert_detail(rule, "\"lat\":1,\"lon\":1,", NULL);
    assert_detail(rule, "\"lat\":3,\"lon\":3,",
                  "position 3, 3 is inside 2 of the 2 fences of f.geojson (rule r)");
}

static void a_circle(void **state)
{
    (void)state;
    const char *rule = "kind: inside, lat: 52.5, lon: 13.4, radius: 2 km";
    assert_detail(rule, "\"lat\":52.51,\"lon\":13.41,", NULL);
    assert_detail(rule, "\"lat\":52.52,\"lon\":13.4,",
                  "position 52.52, 13.4 is outside the fence \"circle\" of the rule (rule r)");
    assert_detail("kind: outside, lat: 52.5, lon: 13.4, radius: 2 km",
                  "\"lat\":52.51,\"lon\":13.41,",
                  "position 52.51, 13.41 is inside the fence \"circle\" of the rule (rule r)");
}

static void assert_error(const char *rule, const char *part)
{
    struct ruleset *ruleset = NULL;
    struct error err = {0};
    if (load_rule(rule, &ruleset, &err) == 0)
        fail_msg("this was accepted: %s", rule);
    assert_int_equal(err.kind, ERROR_CONFIG);
    assert_contains(err.text, "rules.yaml:2:");
    assert_contains(err.text, part);
}

static void settings_that_make_no_fence(void **state)
{
    (void)state;
    assert_error("kind: inside", "a fence is a file, or a circle: lat, lon and a radius");
    assert_error("kind: inside, lat: 1, lon: 2", "a radius above 0");
    assert_error("kind: inside, lat: 1, lon: 2, radius: 0 m", "a radius above 0");
    assert_error("kind: inside, lat: 1, lon: 2, radius: 500", "km");
    assert_error("kind: inside, lat: 1, lon: 2, radius: 5 m, names: [a]",
                 "\"names\" and \"width\"");
    assert_error("kind: inside, lat: 91, lon: 2, radius: 5 m", "lat");
    assert_error("kind: outside, file: f.geojson, lat: 1", "make two rules");
    assert_error("kind: outside, file: none.geojson", "none.geojson");
    assert_error("kind: outside, file: f.geojson, names: [Yrad]", "did you mean \"Yard\"?");
    assert_error("kind: outside, file: f.geojson, match: some", "match");
    assert_error("kind: outside, fil: f.geojson", "did you mean \"file\"?");
    write_file("f.geojson", "{\"type\":\"Polygon\",\"coordinates\":[[]]}");
    assert_error("kind: outside, file: f.geojson",
                 "f.geojson: \"coordinates\" holds an empty list");
    write_file("f.geojson", fences);
}

static void all_of_too_many(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 0);
    buf_append_text(&text, "{\"type\":\"FeatureCollection\",\"features\":[");
    for (int i = 0; i < 65; i++)
        buf_printf(&text,
                   "%s{\"type\":\"Feature\",\"geometry\":{\"type\":\"Polygon\",\"coordinates\":"
                   "[[[0,0],[1,0],[1,%d],[0,0]]]}}",
                   i == 0 ? "" : ",", i + 1);
    buf_append_text(&text, "]}");
    buf_append_char(&text, '\0');
    write_file("f.geojson", text.ptr);
    buf_deinit(&text);
    assert_error("kind: inside, file: f.geojson, match: all", "takes 64 fences at most");
    write_file("f.geojson", fences);
}

/* config/rules/cookbook/geofences.yaml does what it says. */
static void assert_recipe(const struct ruleset *ruleset, const char *place, enum verdict expected,
                          const char *flags)
{
    char json[256], text[256] = "";
    snprintf(json, sizeof json, "{\"obuid\":1,%s,\"time\":1779278400}", place);
    struct packet packet = packet_of(json);
    struct decision decision;
    enum verdict verdict = apply(ruleset, &packet, &decision);
    for (size_t i = 0; i < packet.flag_count; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), " %s", packet.flags[i].ptr);
    if (verdict != expected || (verdict != VERDICT_DEAD_LETTER && strcmp(text, flags) != 0))
        fail_msg("%s: verdict %d, flags%s", place, verdict, text);
}

static void the_cookbooks_recipe(void **state)
{
    (void)state;
    struct ruleset *ruleset;
    struct error err;
    if (ruleset_load_file(&ruleset, COOKBOOK_DIR "/geofences.yaml", &err) != 0)
        fail_msg("%s", err.text);
    assert_recipe(ruleset, "\"lat\":52.6,\"lon\":13.35", VERDICT_FLAG, " at-depot");
    assert_recipe(ruleset, "\"lat\":52.52,\"lon\":13.3805", VERDICT_PASS, "");
    assert_recipe(ruleset, "\"lat\":52.52,\"lon\":13.39", VERDICT_FLAG, " off-route");
    assert_recipe(ruleset, "\"lat\":52.37,\"lon\":13.5", VERDICT_FLAG, " at-airport");
    assert_recipe(ruleset, "\"lat\":52.43,\"lon\":13.65", VERDICT_DEAD_LETTER, "");
    assert_recipe(ruleset, "\"lat\":48.1,\"lon\":11.6", VERDICT_DEAD_LETTER, "");
    ruleset_unref(ruleset);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inside_any),
        cmocka_unit_test(inside_all),
        cmocka_unit_test(inside_named),
        cmocka_unit_test(outside_any),
        cmocka_unit_test(outside_all),
        cmocka_unit_test(a_circle),
        cmocka_unit_test(settings_that_make_no_fence),
        cmocka_unit_test(all_of_too_many),
        cmocka_unit_test(the_cookbooks_recipe),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
