/* SPDX-License-Identifier: Apache-2.0 */
#include "vehicle_support.h"

#include "vehicle/canonical.h"

struct fixture {
    struct packet_scratch *scratch;
    struct packet_scratch *second;
    struct buf out;
};

static int setup(void **state)
{
    static struct fixture fixture;
    fixture.scratch = packet_scratch_new();
    fixture.second = packet_scratch_new();
    buf_init(&fixture.out, 0);
    *state = &fixture;
    return fixture.scratch == NULL || fixture.second == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    packet_scratch_free(fixture->scratch);
    packet_scratch_free(fixture->second);
    buf_deinit(&fixture->out);
    return 0;
}

static void assert_same_bytes(struct bytes a, struct bytes b)
{
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.ptr, b.ptr, a.len);
}

static void assert_same_packet(const struct packet *a, const struct packet *b)
{
    assert_same_bytes(a->vehicle, b->vehicle);
    assert_memory_equal(a->identity.bytes, b->identity.bytes, PACKET_IDENTITY_LEN);
    assert_true(a->order == b->order);
    assert_true(a->time_ms == b->time_ms && a->received_ns == b->received_ns);
    assert_int_equal(a->fields & ~(uint32_t)PACKET_HAS_SEQ, b->fields);
    assert_memory_equal(&a->lat, &b->lat, 6 * sizeof a->lat);
    assert_same_bytes(a->type, b->type);
    assert_same_bytes(a->id, b->id);
    assert_int_equal(a->dialect, b->dialect);
    assert_same_bytes(a->category, b->category);
    assert_int_equal(a->flag_count, b->flag_count);
    for (size_t i = 0; i < a->flag_count; i++)
        assert_same_bytes(a->flags[i], b->flags[i]);
    assert_int_equal(a->signal_count, b->signal_count);
    for (size_t i = 0; i < a->signal_count; i++) {
        assert_same_bytes(a->signals[i].path, b->signals[i].path);
        assert_same_bytes(a->signals[i].raw, b->signals[i].raw);
        assert_int_equal(a->signals[i].type, b->signals[i].type);
    }
}

static void check_round_trip(struct fixture *fixture, const char *text, size_t flags)
{
    struct packet packet, again;
    struct reject reject = {0};
    assert_decodes(fixture->scratch, text, &packet);
    packet_identify(&packet, INT64_C(1211266800123456789), 99);
    for (size_t i = 0; i < flags; i++)
        packet.flags[packet.flag_count++] = BYTES("old_time");
    if (flags > 0)
        packet.category = BYTES("position");
    buf_clear(&fixture->out);
    assert_int_equal(canonical_encode(&packet, &fixture->out), 0);
    if (!canonical_decode(fixture->second, buf_bytes(&fixture->out), &again, &reject))
        fail_msg("%.*s: %s", (int)fixture->out.len, fixture->out.ptr, reject.detail);
    assert_same_packet(&packet, &again);
}

static void test_form(void **state)
{
    struct fixture *fixture = *state;
    struct packet packet;
    assert_decodes(fixture->scratch,
                   "{\"obuid\":5,\"lon\":-122.5,\"lat\":37.25,\"time\":1211266800,\"fuel\":0.50,"
                   "\"a\":{\"b\":\"c\"}}",
                   &packet);
    packet_identify(&packet, INT64_C(1300000000000000001), 0);
    memset(packet.identity.bytes, 0xA7, PACKET_IDENTITY_LEN);
    packet.flags[packet.flag_count++] = BYTES("old");
    packet.category = BYTES("position");
    buf_clear(&fixture->out);
    assert_int_equal(canonical_encode(&packet, &fixture->out), 0);
    assert_bytes(
        buf_bytes(&fixture->out),
        "{\"vehicle\":\"5\",\"identity\":\"a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7a7\","
        "\"time\":\"2008-05-20T07:00:00.000Z\",\"received\":\"2011-03-13T07:06:40.000000001Z\","
        "\"lat\":37.25,\"lon\":-122.5,\"signals\":{\"fuel\":0.50,\"a.b\":\"c\"},"
        "\"flags\":[\"old\"],\"category\":\"position\",\"dialect\":\"obu\"}");
}

static void test_round_trips(void **state)
{
    static const char *const texts[] = {
        "{\"obuid\":1}",
        "{\"obuid\":\"a\\\"b\\\\c\xC3\xA9\",\"lat\":-0.0,\"lon\":5e-324}",
        "{\"obuid\":1,\"lat\":1.7976931348623157e308,\"lon\":0.1,\"time\":-62167219200}",
        "{\"obuid\":1,\"lat\":37.774929000000001,\"speed\":123456789012345678,\"heading\":3e-9}",
        "{\"obuid\":1,\"altitude\":-1e22,\"accuracy\":1e23,\"seq\":4294967295,\"epoch\":7}",
        "{\"obuid\":1,\"a.b\":1e400,\"c\\\\d\":\"\\u0000\\ud83d\\ude95\",\"\\n\":{\"\\u0001\":null}"
        "}",
        "{\"obuid\":1,\"e\":{ },\"f\":[[],{\"\":-0}],\"g\":true,\"h\":false,\"\":\"\"}",
        "{\"source\":\"s\",\"type\":\"t\\/"
        "\",\"id\":\"\\\"\",\"timestamp\":1.5,\"payload\":{\"lat\":1}}",
        "{\"source\":9,\"id\":1e5,\"payload\":{\"x\":[1,2,{\"y\":\"z\"}]},\"metadata\":{\"m\":0}}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        check_round_trip(*state, texts[i], 0);
        check_round_trip(*state, texts[i], 2);
        check_round_trip(*state, texts[i], 16);
    }
}

static void test_time_is_received_when_the_car_gave_none(void **state)
{
    struct fixture *fixture = *state;
    struct packet packet, again;
    struct reject reject;
    assert_decodes(fixture->scratch, "{\"obuid\":1}", &packet);
    packet_identify(&packet, -1, 42);
    buf_clear(&fixture->out);
    assert_int_equal(canonical_encode(&packet, &fixture->out), 0);
    assert_true(canonical_decode(fixture->second, buf_bytes(&fixture->out), &again, &reject));
    assert_int_equal(again.fields, 0);
    assert_int_equal(again.time_ms, -1);
    assert_true(again.order == 42 && again.received_ns == -1);
}

static void test_full_buffer_is_left_as_it_was(void **state)
{
    struct fixture *fixture = *state;
    struct packet packet;
    struct buf small;
    assert_decodes(fixture->scratch, "{\"obuid\":1,\"lat\":2,\"sig\":\"value\"}", &packet);
    packet_identify(&packet, 1, 1);
    buf_clear(&fixture->out);
    assert_int_equal(canonical_encode(&packet, &fixture->out), 0);
    size_t needed = fixture->out.len;
    for (size_t limit = 3; limit <= needed + 3; limit++) {
        buf_init(&small, limit);
        buf_append_text(&small, "abc");
        bool fits = limit >= needed + 3;
        assert_int_equal(canonical_encode(&packet, &small), fits ? 0 : -1);
        assert_int_equal(small.len, fits ? needed + 3 : 3);
        buf_deinit(&small);
    }
}

#define IDENTITY "\"identity\":\"000000000000000000000000000000000000000000000007\""
#define RECEIVED "\"received\":\"2011-03-13T07:06:40.000000001Z\""

static void test_unknown_members_are_skipped(void **state)
{
    struct fixture *fixture = *state;
    struct packet packet;
    struct reject reject;
    assert_true(canonical_decode(fixture->scratch,
                                 BYTES("{\"new\":{\"lat\":[1,{\"signals\":{\"x\":1}}]}," RECEIVED
                                       ",\"lat\":1," IDENTITY ",\"vehicle\":\"v\",\"more\":true}"),
                                 &packet, &reject));
    assert_int_equal(packet.fields, PACKET_HAS_LAT);
    assert_int_equal(packet.signal_count, 0);
    assert_bytes(packet.vehicle, "v");
    assert_int_equal(packet.dialect, DIALECT_NONE);
}

static void test_refusals(void **state)
{
    struct fixture *fixture = *state;
    static const char *const bad[] = {
        "{\"vehicle\":\"v\"," IDENTITY "}",
        "{\"vehicle\":\"v\"," RECEIVED "}",
        "{" IDENTITY "," RECEIVED "}",
        "{\"vehicle\":\"v\"," IDENTITY "," RECEIVED,
        "{\"vehicle\":\"v\",\"identity\":\"00\"," RECEIVED "}",
        "{\"vehicle\":\"v\"," IDENTITY ",\"received\":\"now\"}",
        "{\"vehicle\":\"v\"," IDENTITY "," RECEIVED ",\"lat\":\"1\"}",
        "{\"vehicle\":\"v\"," IDENTITY "," RECEIVED ",\"dialect\":\"klingon\"}",
        "",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct packet packet;
        struct reject reject = {0};
        if (canonical_decode(fixture->scratch, bytes_from_text(bad[i]), &packet, &reject))
            fail_msg("accepted: %s", bad[i]);
        assert_true(reject.detail[0] != '\0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_form),
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_time_is_received_when_the_car_gave_none),
        cmocka_unit_test(test_full_buffer_is_left_as_it_was),
        cmocka_unit_test(test_unknown_members_are_skipped),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
