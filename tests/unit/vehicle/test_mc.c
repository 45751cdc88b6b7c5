/* SPDX-License-Identifier: Apache-2.0 */
#include "vehicle_support.h"

#include "vehicle/mc.h"

static struct mc example(bool is_dead_letter)
{
    struct mc mc = {
        .dialect = DIALECT_ENVELOPE,
        .has_event_time = true,
        .received_ns = INT64_C(1211266800123456789),
        .ruleset_hash = UINT64_C(0xFEDCBA9876543210),
        .is_dead_letter = is_dead_letter,
        .source_topic = bytes_of("", 0),
        .detail = bytes_of("", 0),
    };
    for (size_t i = 0; i < PACKET_IDENTITY_LEN; i++)
        mc.identity.bytes[i] = (uint8_t)(i + 1);
    if (is_dead_letter) {
        mc.reason = REASON_RULE_RANGE;
        mc.source_partition = 3;
        mc.source_offset = INT64_C(1) << 40;
        mc.first_seen_ns = -5;
        mc.source_topic = BYTES("gpscoords");
        mc.detail = BYTES("lat 91");
    }
    return mc;
}

static void assert_same(const struct mc *a, const struct mc *b)
{
    assert_int_equal(a->dialect, b->dialect);
    assert_int_equal(a->has_event_time, b->has_event_time);
    assert_true(a->received_ns == b->received_ns && a->ruleset_hash == b->ruleset_hash);
    assert_memory_equal(a->identity.bytes, b->identity.bytes, PACKET_IDENTITY_LEN);
    assert_int_equal(a->is_dead_letter, b->is_dead_letter);
    assert_int_equal(a->reason, b->reason);
    assert_int_equal(a->source_partition, b->source_partition);
    assert_true(a->source_offset == b->source_offset && a->first_seen_ns == b->first_seen_ns);
    assert_true(bytes_equal(a->source_topic, b->source_topic));
    assert_true(bytes_equal(a->detail, b->detail));
}

static void test_round_trip(void **state)
{
    (void)state;
    for (int is_dead = 0; is_dead < 2; is_dead++) {
        uint8_t out[MC_MAX];
        struct mc mc = example(is_dead), again;
        size_t len = mc_encode(&mc, out);
        assert_int_equal(len, is_dead ? 44 + 22 + 1 + 9 + 1 + 6 : MC_LEN);
        assert_true(mc_decode(bytes_of((char *)out, len), &again));
        assert_same(&mc, &again);
    }
}

static void test_every_cut_is_refused(void **state)
{
    (void)state;
    uint8_t out[MC_MAX];
    struct mc mc = example(true), again;
    size_t len = mc_encode(&mc, out);
    for (size_t cut = 0; cut < len; cut++)
        assert_false(mc_decode(bytes_of((char *)out, cut), &again));
}

static void test_longer_is_read_and_other_versions_are_not(void **state)
{
    (void)state;
    uint8_t out[MC_MAX + 8] = {0};
    struct mc mc = example(false), again;
    size_t len = mc_encode(&mc, out);
    assert_true(mc_decode(bytes_of((char *)out, len + 8), &again));
    assert_same(&mc, &again);
    out[0] = 2;
    assert_false(mc_decode(bytes_of((char *)out, len), &again));
}

static void test_long_detail_is_cut_between_characters(void **state)
{
    (void)state;
    char detail[400];
    for (size_t i = 0; i < sizeof detail; i += 2)
        memcpy(detail + i, "\xC3\xA9", 2);
    uint8_t out[MC_MAX];
    struct mc mc = example(true), again;
    mc.detail = bytes_of(detail, sizeof detail);
    mc.source_topic = bytes_of(detail, 255);
    size_t len = mc_encode(&mc, out);
    assert_true(len <= MC_MAX);
    assert_true(mc_decode(bytes_of((char *)out, len), &again));
    assert_int_equal(again.detail.len, 254);
    assert_int_equal(again.source_topic.len, 255);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_every_cut_is_refused),
        cmocka_unit_test(test_longer_is_read_and_other_versions_are_not),
        cmocka_unit_test(test_long_detail_is_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
