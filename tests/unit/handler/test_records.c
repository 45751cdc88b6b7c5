/* SPDX-License-Identifier: Apache-2.0 */
/* tests/vectors/records.json: what other programs may rely on. The hash of the
 * rules is 0 there, since it changes with them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/text.h"
#include "handler/judge.h"

enum { RULES_AT = 36, RULES_LEN = 8 }; /* docs/reference/packet.md */

static struct bytes text_of(const json_t *one, const char *name)
{
    const char *text = json_string_value(json_object_get(one, name));
    if (text == NULL)
        fail_msg("%s is missing", name);
    return bytes_from_text(text);
}

static int64_t int_of(const json_t *one, const char *name)
{
    return strtoll(text_of(one, name).ptr, NULL, 10);
}

static void assert_text(struct bytes got, struct bytes expected, struct bytes note)
{
    if (!bytes_equal(got, expected))
        fail_msg("%s: got %.*s, expected %s", note.ptr, (int)got.len, got.ptr, expected.ptr);
}

static struct bytes mc_of(const json_t *one, uint8_t out[MC_MAX])
{
    size_t len = 0;
    struct bytes hex = text_of(one, "mc");
    for (; len < hex.len / 2; len++) {
        char digits[3] = {hex.ptr[2 * len], hex.ptr[2 * len + 1], '\0'};
        out[len] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return bytes_of((const char *)out, len);
}

static void assert_output(const struct ruleset *ruleset, const struct judgement *judgement,
                          const char *ingest, const json_t *expected, struct bytes note)
{
    char topic[128], hex[2 * MC_MAX];
    struct error err;
    if (ruleset_topic(ruleset, ingest, judgement->category, topic, &err) != 0)
        fail_msg("%s", err.text);
    assert_text(bytes_from_text(topic), text_of(expected, "topic"), note);
    assert_text(judgement->record.key, text_of(expected, "key"), note);
    assert_text(judgement->record.value, text_of(expected, "value"), note);
    uint8_t mc[MC_MAX];
    memcpy(mc, judgement->record.mc.ptr, judgement->record.mc.len);
    memset(mc + RULES_AT, 0, RULES_LEN);
    assert_text(bytes_of(hex, text_from_hex(hex, mc, judgement->record.mc.len)),
                text_of(expected, "mc"), note);
}

static void each_ingest_record_becomes_the_record_beside_it(void **state)
{
    (void)state;
    struct ruleset *ruleset;
    struct judge judge;
    struct error err;
    if (ruleset_load_default(&ruleset, &err) != 0 || judge_init(&judge, &err) != 0)
        fail_msg("%s", err.text);
    json_error_t error;
    json_t *cases = json_load_file(VECTORS_DIR "/records.json", 0, &error), *one;
    if (cases == NULL)
        fail_msg("%s", error.text);
    assert_true(json_array_size(cases) > 0);
    size_t i;
    json_array_foreach(cases, i, one)
    {
        const json_t *ingest = json_object_get(one, "ingest");
        uint8_t mc[MC_MAX];
        struct consumed in = {.record = {.key = text_of(ingest, "key"),
                                         .value = text_of(ingest, "value"),
                                         .mc = mc_of(ingest, mc),
                                         .timestamp_ns = int_of(ingest, "timestamp_ms") * 1000000},
                              .partition = (int)int_of(ingest, "partition"),
                              .offset = int_of(ingest, "offset")};
        const char *topic = text_of(ingest, "topic").ptr;
        struct judgement judgement;
        judge_record(&judge, ruleset, &in, topic, &judgement);
        assert_output(ruleset, &judgement, topic, json_object_get(one, "becomes"),
                      text_of(one, "note"));
    }
    json_decref(cases);
    judge_deinit(&judge);
    ruleset_unref(ruleset);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_ingest_record_becomes_the_record_beside_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
