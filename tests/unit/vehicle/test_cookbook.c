/* SPDX-License-Identifier: Apache-2.0 */
/* config/rules/cookbook: each example loads alone and does to the packets of
 * tests/vectors/cookbook/<name>.json what stands there. A step:
 *   {"at": seconds, "packet": {…}, "verdict": "pass" | "flag" | "dead_letter" |
 *    "drop" | "route", and maybe "category", "flags": […], "detail": "a part",
 *    "canonical": {members that the packet has afterwards}} */
#include <dirent.h>
#include <jansson.h>

#include "rules_support.h"
#include "vehicle/canonical.h"

static const char *const verdict_names[] = {"pass", "flag", "dead_letter", "drop", "route"};

struct kitchen {
    const char *name;
    struct ruleset *ruleset;
    struct rule_thread *thread;
    int counts[VERDICT_COUNT];
    bool has_canonical;
};

static const char *text_of(const json_t *step, const char *key)
{
    return json_string_value(json_object_get(step, key));
}

static void check_flags(const struct kitchen *kitchen, const json_t *step, size_t number,
                        const struct packet *packet)
{
    const json_t *flags = json_object_get(step, "flags");
    if (flags == NULL)
        return;
    if (json_array_size(flags) != packet->flag_count)
        fail_msg("%s, step %zu: %zu flags", kitchen->name, number, packet->flag_count);
    for (size_t i = 0; i < packet->flag_count; i++)
        if (!bytes_equal_text(packet->flags[i], json_string_value(json_array_get(flags, i))))
            fail_msg("%s, step %zu: flag %s", kitchen->name, number, packet->flags[i].ptr);
}

static void check_canonical(struct kitchen *kitchen, const json_t *step, size_t number,
                            const struct packet *packet)
{
    json_t *wanted = json_object_get(step, "canonical");
    if (wanted == NULL)
        return;
    kitchen->has_canonical = true;
    struct buf text;
    buf_init(&text, 0);
    assert_int_equal(canonical_encode(packet, &text), 0);
    json_t *found = json_loadb(text.ptr, text.len, 0, NULL);
    assert_non_null(found);
    const char *key;
    json_t *value;
    json_object_foreach(wanted, key, value)
    {
        if (!json_equal(value, json_object_get(found, key)))
            fail_msg("%s, step %zu: %s in %.*s", kitchen->name, number, key, (int)text.len,
                     text.ptr);
    }
    json_decref(found);
    buf_deinit(&text);
}

static void check_step(struct kitchen *kitchen, const json_t *step, size_t number)
{
    char *json = json_dumps(json_object_get(step, "packet"), JSON_COMPACT);
    assert_non_null(json);
    struct packet packet = packet_of(json);
    int64_t at_ns = json_integer_value(json_object_get(step, "at")) * NS_PER_S;
    packet_identify(&packet, received_ns() + at_ns, number);
    struct rule_context context = {.received_ns = packet.received_ns, .thread = kitchen->thread};
    struct decision decision;
    enum verdict verdict = ruleset_apply(kitchen->ruleset, &packet, &context, &decision);
    kitchen->counts[verdict]++;
    const char *wanted = text_of(step, "verdict");
    if (wanted == NULL || strcmp(wanted, verdict_names[verdict]) != 0)
        fail_msg("%s, step %zu: %s, not %s%s%s", kitchen->name, number, verdict_names[verdict],
                 wanted, verdict == VERDICT_DEAD_LETTER ? ": " : "",
                 verdict == VERDICT_DEAD_LETTER ? decision.detail : "");
    const char *category = text_of(step, "category"), *detail = text_of(step, "detail");
    if (category != NULL && !bytes_equal_text(packet.category, category))
        fail_msg("%s, step %zu: category %s", kitchen->name, number, packet.category.ptr);
    if (detail != NULL)
        assert_contains(decision.detail, detail);
    check_flags(kitchen, step, number, &packet);
    check_canonical(kitchen, step, number, &packet);
    free(json);
}

static json_t *load_steps(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/cookbook/%s.json", VECTORS_DIR, name);
    json_error_t error;
    json_t *steps = json_load_file(path, 0, &error);
    if (steps == NULL)
        fail_msg("%s:%d: %s", path, error.line, error.text);
    return steps;
}

static void check_example(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s.yaml", COOKBOOK_DIR, name);
    struct kitchen kitchen = {.name = name};
    const struct state_limits limits = {1000, 1 << 20};
    struct error err;
    if (ruleset_load_file(&kitchen.ruleset, path, &err) != 0 ||
        ruleset_thread_new(&kitchen.thread, kitchen.ruleset, &limits, NULL, &err) != 0)
        fail_msg("%s", err.text);
    json_t *steps = load_steps(name);
    for (size_t i = 0; i < json_array_size(steps); i++)
        check_step(&kitchen, json_array_get(steps, i), i);
    int failed = (int)json_array_size(steps) - kitchen.counts[VERDICT_PASS];
    if (kitchen.counts[VERDICT_PASS] == 0 || (failed == 0 && !kitchen.has_canonical))
        fail_msg("%s: wants packets that pass and packets that fail", name);
    json_decref(steps);
    ruleset_thread_free(kitchen.thread);
    ruleset_unref(kitchen.ruleset);
}

static void every_example_does_what_it_says(void **state)
{
    (void)state;
    DIR *folder = opendir(COOKBOOK_DIR);
    assert_non_null(folder);
    int count = 0;
    const struct dirent *entry;
    while ((entry = readdir(folder)) != NULL) {
        char name[256];
        size_t len = strlen(entry->d_name);
        if (len < 6 || strcmp(entry->d_name + len - 5, ".yaml") != 0)
            continue;
        snprintf(name, sizeof name, "%.*s", (int)(len - 5), entry->d_name);
        check_example(name);
        count++;
    }
    closedir(folder);
    assert_in_range(count, 10, 100);
}

/* docs/rules-cookbook.md names each of them, and shows it as it is. */
static void every_example_is_in_the_book(void **state)
{
    (void)state;
    FILE *book = fopen(COOKBOOK_PAGE, "r");
    assert_non_null(book);
    static char page[1 << 18];
    page[fread(page, 1, sizeof page - 1, book)] = '\0';
    fclose(book);
    DIR *folder = opendir(COOKBOOK_DIR);
    const struct dirent *entry;
    while ((entry = readdir(folder)) != NULL)
        if (strstr(entry->d_name, ".yaml") != NULL && strstr(page, entry->d_name) == NULL)
            fail_msg("docs/rules-cookbook.md does not name %s", entry->d_name);
    closedir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_example_does_what_it_says),
        cmocka_unit_test(every_example_is_in_the_book),
    };
    return cmocka_run_group_tests(tests, make_scratch, free_scratch);
}
