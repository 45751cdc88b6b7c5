/* SPDX-License-Identifier: Apache-2.0 */
/* What the store makes of packets by category: rows as they came, changed rows,
 * and those that a schema refuses. */
#include <unistd.h>

#include "rules_support.h"
#include "vehicle/canonical.h"
#include "vehicle/transform/shape.h"

static char folder[64];
static struct packet_scratch *reading;
static const struct state_limits limits = {.vehicles = 100, .bytes = 1 << 20};

static int begin(void **state)
{
    snprintf(folder, sizeof folder, "/tmp/test-shape-XXXXXX");
    reading = packet_scratch_new();
    return reading == NULL || mkdtemp(folder) == NULL || make_scratch(state) != 0;
}

static const char *path_of(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int end(void **state)
{
    packet_scratch_free(reading);
    unlink(path_of("shape.yaml"));
    unlink(path_of("soc.json"));
    return rmdir(folder) | free_scratch(state);
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(path_of(name), "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static struct shape *shape;
static struct shaper *shaper;

static void use(const char *yaml)
{
    struct error err;
    write_file("shape.yaml", yaml);
    if (shape_load(&shape, path_of("shape.yaml"), &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(shaper_new(&shaper, shape, &limits, NULL), 0);
}

static void unuse(void)
{
    shaper_free(shaper);
    shape_free(shape);
}

/* As the store does it: from the record's bytes; the outcome's text lives in *text. */
static enum shaped shape_one(const char *json, const char *category, struct buf *text,
                             char detail[SHAPE_DETAIL_MAX])
{
    struct packet packet = packet_of(json), read;
    struct buf record;
    struct reject reject;
    enum reason reason;
    packet.category = bytes_from_text(category);
    buf_init(&record, 0);
    assert_int_equal(canonical_encode(&packet, &record), 0);
    assert_true(canonical_decode(reading, buf_bytes(&record), &read, &reject));
    struct bytes canonical = buf_bytes(&record);
    enum shaped shaped = shaper_apply(shaper, 0, &read, &canonical, &reason, detail);
    assert_true(shaped != SHAPED_SAME || canonical.ptr == record.ptr);
    assert_memory_equal(&read.identity, &packet.identity, sizeof packet.identity);
    buf_init(text, 0);
    buf_append_bytes(text, canonical);
    buf_append_char(text, '\0');
    buf_deinit(&record);
    return shaped;
}

static const char json[] =
    "{\"obuid\":1,\"time\":1779278400,\"lat\":1.2345678,\"lon\":2,\"soc\":%d}";

static void categories_without_an_entry_stay_as_they_came(void **state)
{
    (void)state;
    struct buf text;
    char detail[SHAPE_DETAIL_MAX];
    use("categories: [{name: position, transform: [{op: drop, fields: soc}]}]");
    assert_int_equal(shape_one("{\"obuid\":1,\"soc\":50}", "other", &text, detail), SHAPED_SAME);
    buf_deinit(&text);
    unuse();
}

static void a_category_is_changed_and_decodes_again(void **state)
{
    (void)state;
    struct buf text;
    char detail[SHAPE_DETAIL_MAX], one[128];
    use("version: 1\n"
        "categories:\n"
        "  - name: position\n"
        "    transform:\n"
        "      - {op: round, fields: [lat], digits: 3}\n"
        "      - {op: rename, from: soc, to: battery}\n"
        "      - {op: trip, gap: 15m}\n");
    assert_int_equal(shape_lookback_ns(shape), INT64_C(12) * 3600 * NS_PER_S);
    snprintf(one, sizeof one, json, 50);
    assert_int_equal(shape_one(one, "position", &text, detail), SHAPED_CHANGED);
    assert_contains(text.ptr, ",\"lat\":1.235,\"lon\":2,\"signals\":{\"battery\":50,\"trip\":"
                              "\"2026-05-20T12:00:00.000Z\"},\"category\":\"position\"");
    struct packet packet;
    struct reject reject;
    assert_true(canonical_decode(reading, bytes_of(text.ptr, text.len - 1), &packet, &reject));
    assert_non_null(packet_find_signal(&packet, BYTES("battery")));
    buf_deinit(&text);
    unuse();
}

static void a_schema_refuses_with_its_reason(void **state)
{
    (void)state;
    struct buf text;
    char detail[SHAPE_DETAIL_MAX], one[128];
    write_file("soc.json", "{\"properties\":{\"signals\":{\"properties\":{\"battery\":{\"maximum\":"
                           "100}},\"required\":[\"battery\"]}}}");
    use("categories:\n"
        "  - name: position\n"
        "    transform: [{op: rename, from: soc, to: battery}]\n"
        "    schema: soc.json\n"
        "  - {name: plain, schema: soc.json}\n");
    snprintf(one, sizeof one, json, 101);
    assert_int_equal(shape_one(one, "position", &text, detail), SHAPED_REFUSED);
    assert_string_equal(detail, "/signals/battery: 101 is not valid for \"maximum\": 100");
    buf_deinit(&text);
    snprintf(one, sizeof one, json, 100);
    assert_int_equal(shape_one(one, "position", &text, detail), SHAPED_CHANGED);
    buf_deinit(&text);
    assert_int_equal(shape_one(one, "plain", &text, detail), SHAPED_REFUSED);
    assert_string_equal(detail, "/signals: \"battery\" is missing");
    buf_deinit(&text);
    unuse();
}

static const struct {
    const char *yaml, *error;
} refused[] = {
    {"categories: [{transform: []}]", "shape.yaml:1:14: the category has no \"name\""},
    {"categories: [{name: a, transfrom: []}]", "did you mean \"transform\""},
    {"categories: [{name: a}, {name: a}]", "two categories have the name \"a\""},
    {"categories: [{name: a, schema: none.json}]", "shape.yaml:1:32: schema: "},
    {"categories: [{name: a, transform: [{op: drop}]}]", "the operation drop needs \"fields\""},
    {"categories: 5", "\"categories\" must be a list"},
    {"version: 2", "this program reads version 1"},
    {"[]", "it is a mapping"},
};

static void mistakes_are_refused_with_their_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct shape *none = NULL;
        struct error err;
        write_file("shape.yaml", refused[i].yaml);
        assert_int_equal(shape_load(&none, path_of("shape.yaml"), &err), -1);
        assert_int_equal(err.kind, ERROR_CONFIG);
        assert_contains(err.text, refused[i].error);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(categories_without_an_entry_stay_as_they_came),
        cmocka_unit_test(a_category_is_changed_and_decodes_again),
        cmocka_unit_test(a_schema_refuses_with_its_reason),
        cmocka_unit_test(mistakes_are_refused_with_their_place),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
