/* SPDX-License-Identifier: Apache-2.0 */
/* tests/vectors/: what other languages test against, made independently of this
 * code. jansson reads the files. */
#include "vehicle_support.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/text.h"
#include "vehicle/mc.h"

static json_t *load(const char *name)
{
    char path[4096];
    json_error_t error;
    snprintf(path, sizeof path, "%s/%s", VECTORS_DIR, name);
    json_t *cases = json_load_file(path, 0, &error);
    if (cases == NULL)
        fail_msg("%s: %s", path, error.text);
    assert_true(json_array_size(cases) > 0);
    return cases;
}

static const char *text_of(const json_t *one, const char *key)
{
    const char *text = json_string_value(json_object_get(one, key));
    assert_non_null(text);
    return text;
}

static int64_t int_of(const json_t *one, const char *key)
{
    return strtoll(text_of(one, key), NULL, 10);
}

static void assert_hex(const void *ptr, size_t len, const char *expected)
{
    char hex[2 * MC_MAX];
    assert_true(len <= MC_MAX);
    assert_bytes(bytes_of(hex, text_from_hex(hex, ptr, len)), expected);
}

static void test_identity(void **state)
{
    json_t *cases = load("identity.json"), *one;
    size_t i;
    json_array_foreach(cases, i, one)
    {
        struct packet packet;
        assert_decodes(*state, text_of(one, "packet"), &packet);
        packet_identify(&packet, int_of(one, "received_ns"),
                        (uint64_t)int_of(one, "assigned_order"));
        assert_bytes(packet.vehicle, text_of(one, "vehicle"));
        assert_true(packet.order == strtoull(text_of(one, "order"), NULL, 16));
        assert_hex(packet.content.ptr, packet.content.len, text_of(one, "content_hex"));
        assert_hex(packet.identity.bytes, PACKET_IDENTITY_LEN, text_of(one, "identity"));
    }
    json_decref(cases);
}

static void read_dead_letter(const json_t *dead, struct mc *mc)
{
    mc->is_dead_letter = true;
    mc->reason = (enum reason)json_integer_value(json_object_get(dead, "reason"));
    mc->source_partition = (int32_t)json_integer_value(json_object_get(dead, "source_partition"));
    mc->source_offset = int_of(dead, "source_offset");
    mc->first_seen_ns = int_of(dead, "first_seen_ns");
    mc->source_topic = bytes_from_text(text_of(dead, "source_topic"));
    mc->detail = bytes_from_text(text_of(dead, "detail"));
}

static void read_mc(const json_t *one, struct mc *mc)
{
    *mc = (struct mc){
        .dialect = (enum packet_dialect)json_integer_value(json_object_get(one, "dialect")),
        .has_event_time = json_is_true(json_object_get(one, "has_event_time")),
        .received_ns = int_of(one, "received_ns"),
        .ruleset_hash = strtoull(text_of(one, "ruleset_hash"), NULL, 16),
    };
    assert_true(text_to_hex_bytes(bytes_from_text(text_of(one, "identity")), mc->identity.bytes,
                                  PACKET_IDENTITY_LEN));
    mc->replays = (uint8_t)json_integer_value(json_object_get(one, "replays"));
    if (mc->replays > 0)
        mc->replayed_ns = int_of(one, "replayed_ns");
    mc->is_mark = json_is_true(json_object_get(one, "is_mark"));
    if (json_object_get(one, "dead_letter") != NULL)
        read_dead_letter(json_object_get(one, "dead_letter"), mc);
}

static void test_mc(void **state)
{
    (void)state;
    json_t *cases = load("mc.json"), *one;
    size_t i;
    json_array_foreach(cases, i, one)
    {
        struct mc mc, again;
        uint8_t out[MC_MAX];
        read_mc(one, &mc);
        assert_hex(out, mc_encode(&mc, out), text_of(one, "hex"));
        struct bytes hex = bytes_from_text(text_of(one, "hex"));
        assert_true(text_to_hex_bytes(hex, out, hex.len / 2));
        assert_true(mc_decode(bytes_of((char *)out, hex.len / 2), &again));
        assert_int_equal(again.dialect, mc.dialect);
        assert_int_equal(again.has_event_time, mc.has_event_time);
        assert_true(again.received_ns == mc.received_ns && again.ruleset_hash == mc.ruleset_hash);
        assert_int_equal(again.reason, mc.reason);
        assert_int_equal(again.source_partition, mc.source_partition);
        assert_true(again.source_offset == mc.source_offset);
        assert_true(again.first_seen_ns == mc.first_seen_ns);
        assert_true(bytes_equal(again.detail, mc.detail));
        assert_int_equal(again.replays, mc.replays);
        assert_true(again.replayed_ns == mc.replayed_ns);
        assert_int_equal(again.is_mark, mc.is_mark);
        assert_true(bytes_equal(again.source_topic, mc.source_topic));
    }
    json_decref(cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_identity),
        cmocka_unit_test(test_mc),
    };
    return cmocka_run_group_tests(tests, new_scratch, free_scratch);
}
