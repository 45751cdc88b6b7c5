/* SPDX-License-Identifier: Apache-2.0 */
#include "vehicle_support.h"

#include <math.h>
#include <stdlib.h>

#include "base/buf.h"

static void test_obu_minimal(void **state)
{
    struct packet packet;
    assert_decodes(*state, "{\"obuid\":8674665223082153551,\"lat\":45.23,\"lon\":67.89}", &packet);
    assert_int_equal(packet.dialect, DIALECT_OBU);
    assert_bytes(packet.vehicle, "8674665223082153551");
    assert_int_equal(packet.fields, PACKET_HAS_LAT | PACKET_HAS_LON);
    assert_true(packet.lat == 45.23 && packet.lon == 67.89);
    assert_int_equal(packet.signal_count, 0);
    assert_bytes(packet.content, "{\"obuid\":8674665223082153551,\"lat\":45.23,\"lon\":67.89}");
}

static void test_obu_all_fields(void **state)
{
    struct packet packet;
    assert_decodes(*state,
                   "{\"obuid\":\"cab-7\",\"seq\":12,\"epoch\":3,\"time\":1211266800,\"speed\":13.5,"
                   "\"heading\":271,\"altitude\":-3.25,\"accuracy\":4e0,\"lat\":-0.0,\"lon\":1e-3}",
                   &packet);
    assert_bytes(packet.vehicle, "cab-7");
    assert_int_equal(packet.fields, PACKET_HAS_TIME | PACKET_HAS_LAT | PACKET_HAS_LON |
                                        PACKET_HAS_SPEED | PACKET_HAS_HEADING |
                                        PACKET_HAS_ALTITUDE | PACKET_HAS_ACCURACY | PACKET_HAS_SEQ);
    assert_int_equal(packet.time_ms, INT64_C(1211266800000));
    assert_true(packet.order == (UINT64_C(3) << 32 | 12));
    assert_true(packet.speed_ms == 13.5 && packet.heading_deg == 271 && packet.altitude_m == -3.25);
    assert_true(packet.accuracy_m == 4 && packet.lon == 0.001);
    assert_true(packet.lat == 0 && signbit(packet.lat));
}

static void test_obu_null_is_absent(void **state)
{
    struct packet packet;
    assert_decodes(*state,
                   "{\"obuid\":1,\"lat\":null,\"lon\":2,\"time\":null,\"seq\":null,\"fuel\":null}",
                   &packet);
    assert_int_equal(packet.fields, PACKET_HAS_LON);
    assert_int_equal(packet.signal_count, 1);
    assert_signal(&packet, "fuel", "null", SIGNAL_NULL);
}

static void test_vehicle_integers_are_exact(void **state)
{
    static const char *const good[] = {"0", "-1", "1234567890", "18446744073709551615",
                                       "-9223372036854775808"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        char text[80];
        struct packet packet;
        snprintf(text, sizeof text, "{\"obuid\":%s}", good[i]);
        assert_decodes(*state, text, &packet);
        assert_bytes(packet.vehicle, good[i]);
    }
    struct packet packet;
    assert_decodes(*state, "{\"obuid\":-0}", &packet);
    assert_bytes(packet.vehicle, "0");
    assert_refused(*state, "{\"obuid\":18446744073709551616}", REASON_BAD_VEHICLE);
    assert_refused(*state, "{\"obuid\":-9223372036854775809}", REASON_BAD_VEHICLE);
    assert_refused(*state, "{\"obuid\":1e3}", REASON_BAD_VEHICLE);
    assert_refused(*state, "{\"obuid\":1.0}", REASON_BAD_VEHICLE);
}

static void test_vehicle_texts(void **state)
{
    struct packet packet;
    assert_decodes(*state, "{\"obuid\":\"\\u0041\\ud83d\\ude95\"}", &packet);
    assert_bytes(packet.vehicle, "A\xF0\x9F\x9A\x95");
    char text[100];
    snprintf(text, sizeof text, "{\"obuid\":\"%064d\"}", 7);
    assert_decodes(*state, text, &packet);
    snprintf(text, sizeof text, "{\"obuid\":\"%065d\"}", 7);
    assert_refused(*state, text, REASON_BAD_VEHICLE);
    static const char *const bad[] = {"\"\"",          "\"a\\u0000b\"", "\"a\\n\"",
                                      "\"\\u007f\"",   "\"\xC2\x85\"",  "true",
                                      "{\"a\":\"b\"}", "[1]",           "{}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(text, sizeof text, "{\"obuid\":%s}", bad[i]);
        bool is_nested = bad[i][0] == '{' || bad[i][0] == '[';
        bool is_empty = bytes_equal_text(bytes_from_text(bad[i]), "{}");
        assert_refused(*state, text,
                       is_nested && !is_empty ? REASON_WRONG_TYPE : REASON_BAD_VEHICLE);
    }
}

static void test_no_vehicle(void **state)
{
    assert_refused(*state, "{\"lat\":1,\"lon\":2}", REASON_NO_VEHICLE);
    assert_refused(*state, "{\"obuid\":null,\"lat\":1}", REASON_NO_VEHICLE);
    assert_refused(*state, "{\"payload\":{\"a\":1}}", REASON_NO_VEHICLE);
    assert_refused(*state, "{\"source\":null,\"payload\":{}}", REASON_NO_VEHICLE);
    assert_refused(*state, "{}", REASON_UNKNOWN_DIALECT);
    assert_refused(*state, "{\"name\":\"x\"}", REASON_UNKNOWN_DIALECT);
}

static void check_time(struct packet_scratch *scratch, const char *time, int64_t expected)
{
    char text[160];
    struct packet packet;
    snprintf(text, sizeof text, "{\"obuid\":1,\"time\":%s}", time);
    assert_decodes(scratch, text, &packet);
    assert_true((packet.fields & PACKET_HAS_TIME) != 0);
    if (packet.time_ms != expected)
        fail_msg("%s: %lld, expected %lld", time, (long long)packet.time_ms, (long long)expected);
}

static void test_times(void **state)
{
    check_time(*state, "0", 0);
    check_time(*state, "-0", 0);
    check_time(*state, "1211266800", INT64_C(1211266800000));
    check_time(*state, "1211266800.123999", INT64_C(1211266800123));
    check_time(*state, "1211266800.1234567890123456789", INT64_C(1211266800123));
    check_time(*state, "1.2112668e9", INT64_C(1211266800000));
    check_time(*state, "12112668e2", INT64_C(1211266800000));
    check_time(*state, "1211266800123", INT64_C(1211266800123));
    check_time(*state, "1211266800123.9", INT64_C(1211266800123));
    check_time(*state, "99999999999", INT64_C(99999999999000));
    check_time(*state, "100000000000", INT64_C(100000000000));
    check_time(*state, "-1.5", -1500);
    check_time(*state, "-1.0001", -1001);
    check_time(*state, "-1.00000000000000000001", -1001);
    check_time(*state, "1e-30", 0);
    check_time(*state, "-1e-30", -1);
    check_time(*state, "\"2008-05-20T07:00:00.000Z\"", INT64_C(1211266800000));
    check_time(*state, "\"2008-05-20T09:00:00.5+02:00\"", INT64_C(1211266800500));
    check_time(*state, "\"2008-05-20T07:00:00\\u005A\"", INT64_C(1211266800000));
    check_time(*state, "253402300799999", INT64_C(253402300799999));
    check_time(*state, "-62167219200", INT64_C(-62167219200000));
}

static void test_bad_times(void **state)
{
    static const char *const bad[] = {
        "253402300800000",         "-62167219200.001", "1e400", "1e99999999999",
        "\"2008-05-20T07:00:00\"", "\"yesterday\"",    "\"\"",  "\"0000-01-01T00:00:00+00:01\"",
    };
    char text[100];
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(text, sizeof text, "{\"obuid\":1,\"time\":%s}", bad[i]);
        assert_refused(*state, text, REASON_BAD_TIME);
    }
    assert_refused(*state, "{\"obuid\":1,\"time\":true}", REASON_WRONG_TYPE);
    assert_refused(*state, "{\"obuid\":1,\"time\":{\"s\":1}}", REASON_WRONG_TYPE);
}

static void test_wrong_types_and_numbers(void **state)
{
    assert_refused(*state, "{\"obuid\":1,\"lat\":\"45\"}", REASON_WRONG_TYPE);
    assert_refused(*state, "{\"obuid\":1,\"lat\":[45]}", REASON_WRONG_TYPE);
    assert_refused(*state, "{\"obuid\":1,\"lat\":[]}", REASON_WRONG_TYPE);
    assert_refused(*state, "{\"obuid\":1,\"speed\":true}", REASON_WRONG_TYPE);
    assert_refused(*state, "{\"obuid\":1,\"lat\":1e400}", REASON_BAD_NUMBER);
    assert_refused(*state, "{\"obuid\":1,\"seq\":-1}", REASON_BAD_NUMBER);
    assert_refused(*state, "{\"obuid\":1,\"seq\":1.0}", REASON_BAD_NUMBER);
    assert_refused(*state, "{\"obuid\":1,\"seq\":4294967296}", REASON_BAD_NUMBER);
    assert_refused(*state, "{\"obuid\":1,\"epoch\":99999999999999999999999}", REASON_BAD_NUMBER);
    assert_refused(*state, "{\"obuid\":1,\"seq\":\"1\"}", REASON_WRONG_TYPE);
    struct packet packet;
    assert_decodes(*state, "{\"obuid\":1,\"seq\":4294967295,\"epoch\":4294967295}", &packet);
    assert_true(packet.order == UINT64_MAX);
}

static void test_signals_are_paths(void **state)
{
    struct packet packet;
    assert_decodes(
        *state,
        "{\"obuid\":1,\"doors\":{\"front\":{\"left\":true},\"rear\":[false,null,{}]},"
        "\"a.b\":1e400,\"c\\\\d\":\"x\\ny\",\"e\":[],\"\":{\"\":12345678901234567890123}}",
        &packet);
    assert_int_equal(packet.signal_count, 8);
    assert_signal(&packet, "doors.front.left", "true", SIGNAL_BOOL);
    assert_signal(&packet, "doors.rear.0", "false", SIGNAL_BOOL);
    assert_signal(&packet, "doors.rear.1", "null", SIGNAL_NULL);
    assert_signal(&packet, "doors.rear.2", "{}", SIGNAL_EMPTY);
    assert_signal(&packet, "a\\.b", "1e400", SIGNAL_NUMBER);
    assert_signal(&packet, "c\\\\d", "\"x\\ny\"", SIGNAL_STRING);
    assert_signal(&packet, "e", "[]", SIGNAL_EMPTY);
    assert_signal(&packet, ".", "12345678901234567890123", SIGNAL_NUMBER);
    double number;
    assert_true(signal_number(packet_find_signal(&packet, BYTES("a\\.b")), &number));
    assert_true(isinf(number));
    assert_false(signal_number(packet_find_signal(&packet, BYTES("e")), &number));
}

static void test_empty_containers_keep_their_path(void **state)
{
    struct packet packet;
    assert_decodes(*state, "{\"obuid\":1,\"a\":{\"b\":{ \n},\"c\":[[],{}]},\"d\":[ ]}", &packet);
    assert_int_equal(packet.signal_count, 4);
    assert_signal(&packet, "a.b", "{ \n}", SIGNAL_EMPTY);
    assert_signal(&packet, "a.c.0", "[]", SIGNAL_EMPTY);
    assert_signal(&packet, "a.c.1", "{}", SIGNAL_EMPTY);
    assert_signal(&packet, "d", "[ ]", SIGNAL_EMPTY);
}

static void test_too_many_signals(void **state)
{
    struct buf text;
    buf_init(&text, 0);
    for (int extra = 0; extra < 2; extra++) {
        buf_clear(&text);
        buf_append_text(&text, "{\"obuid\":1,\"s\":[0");
        for (int i = 1; i < PACKET_SIGNALS_MAX + extra; i++)
            buf_append_text(&text, ",0");
        buf_append(&text, "]}", 3);
        struct packet packet;
        if (extra == 0)
            assert_decodes(*state, text.ptr, &packet);
        else
            assert_refused(*state, text.ptr, REASON_TOO_MANY_SIGNALS);
    }
    buf_deinit(&text);
}

/* Each leaf repeats the long key: 200 KB of packet would be 400 MB of paths. */
static void test_paths_are_bounded(void **state)
{
    struct buf text;
    buf_init(&text, 0);
    buf_append_text(&text, "{\"obuid\":1,\"");
    for (int i = 0; i < 200000; i++)
        buf_append_char(&text, 'k');
    buf_append_text(&text, "\":[0");
    for (int i = 0; i < 2000; i++)
        buf_append_text(&text, ",0");
    buf_append(&text, "]}", 3);
    assert_refused(*state, text.ptr, REASON_TOO_MANY_SIGNALS);
    buf_deinit(&text);
}

static void test_envelope(void **state)
{
    struct packet packet;
    assert_decodes(
        *state,
        "{\"id\":\"m-1\",\"timestamp\":\"2008-05-20T07:00:00Z\",\"source\":123,"
        "\"type\":\"position\",\"payload\":{\"lat\":1.5,\"longitude\":-2,\"speed\":\"x\","
        "\"engine\":{\"rpm\":900}},\"metadata\":{\"sent\":1},\"v\":2}",
        &packet);
    assert_int_equal(packet.dialect, DIALECT_ENVELOPE);
    assert_bytes(packet.vehicle, "123");
    assert_bytes(packet.type, "position");
    assert_bytes(packet.id, "m-1");
    assert_int_equal(packet.fields, PACKET_HAS_TIME | PACKET_HAS_LAT | PACKET_HAS_LON);
    assert_true(packet.lat == 1.5 && packet.lon == -2);
    assert_int_equal(packet.signal_count, 6);
    assert_signal(&packet, "payload.lat", "1.5", SIGNAL_NUMBER);
    assert_signal(&packet, "payload.speed", "\"x\"", SIGNAL_STRING);
    assert_signal(&packet, "payload.engine.rpm", "900", SIGNAL_NUMBER);
    assert_signal(&packet, "metadata.sent", "1", SIGNAL_NUMBER);
    assert_signal(&packet, "v", "2", SIGNAL_NUMBER);
}

static void test_envelope_types(void **state)
{
    struct packet packet;
    assert_decodes(*state, "{\"source\":\"a\",\"payload\":null,\"metadata\":{},\"id\":77}",
                   &packet);
    assert_int_equal(packet.signal_count, 0);
    assert_bytes(packet.id, "77");
    assert_decodes(
        *state, "{\"source\":\"a\",\"payload\":{\"lat\":1,\"latitude\":2,\"lng\":1e400}}", &packet);
    assert_true(packet.lat == 1);
    assert_int_equal(packet.fields, PACKET_HAS_LAT);
    assert_refused(*state, "{\"source\":\"a\",\"payload\":[1]}", REASON_WRONG_TYPE);
    assert_refused(*state, "{\"source\":\"a\",\"payload\":[]}", REASON_WRONG_TYPE);
    assert_refused(*state, "{\"source\":\"a\",\"payload\":\"x\"}", REASON_WRONG_TYPE);
    assert_refused(*state, "{\"source\":\"a\",\"metadata\":[{}]}", REASON_WRONG_TYPE);
    assert_refused(*state, "{\"source\":\"a\",\"type\":5}", REASON_WRONG_TYPE);
    assert_refused(*state, "{\"source\":\"a\",\"id\":true}", REASON_WRONG_TYPE);
}

static void test_envelope_content_leaves_metadata_out(void **state)
{
    struct packet packet;
    assert_decodes(*state, "{\"source\":1,\"metadata\":{\"try\":1},\"payload\":{ \"a\":1}}",
                   &packet);
    assert_int_equal(packet.content.len, 1 + 1 + 1 + 1 + 8 + 1);
    assert_memory_equal(packet.content.ptr, "1\0\0\0{ \"a\":1}", 13);
}

static void test_sniffing(void **state)
{
    struct packet packet;
    assert_decodes(*state, "{\"source\":\"s\",\"obuid\":5,\"payload\":{\"lat\":1}}", &packet);
    assert_int_equal(packet.dialect, DIALECT_OBU);
    assert_signal(&packet, "payload.lat", "1", SIGNAL_NUMBER);
    assert_decodes(*state, "{\"source\":\"s\",\"lat\":1}", &packet);
    assert_int_equal(packet.dialect, DIALECT_ENVELOPE);
    assert_ptr_equal(dialect_by_id(DIALECT_OBU), dialect_by_name(BYTES("obu")));
    assert_null(dialect_by_id(DIALECT_NONE));
    assert_null(dialect_by_name(BYTES("ob")));
}

static void test_bad_json(void **state)
{
    assert_refused(*state, "", REASON_NOT_JSON);
    assert_refused(*state, "hello", REASON_NOT_JSON);
    assert_refused(*state, "{\"obuid\":1,\"lat\":NaN}", REASON_NOT_JSON);
    assert_refused(*state, "{\"obuid\":1,}", REASON_NOT_JSON);
    assert_refused(*state, "{\"obuid\":1}x", REASON_NOT_JSON);
    assert_refused(*state, "{\"obuid\":1}{\"obuid\":1}", REASON_NOT_JSON);
    assert_refused(*state, "{\"obuid\":01}", REASON_NOT_JSON);
    assert_refused(*state, "[1,2]", REASON_NOT_OBJECT);
    assert_refused(*state, "17", REASON_NOT_OBJECT);
    assert_refused(*state, "{\"obuid\":\"\xFF\"}", REASON_BAD_UTF8);
    assert_refused(*state, "{\"obuid\":\"\\ud800\"}", REASON_BAD_UTF8);
    assert_refused(*state, "{\"obuid\":1,\"a\":1,\"\\u0061\":2}", REASON_DUPLICATE_KEY);
    struct packet packet;
    struct reject reject;
    assert_false(dialect_decode(*state, BYTES("{\"obuid\" 1}"), &packet, &reject));
    assert_string_equal(reject.detail, "byte 9: expected ':', found '1'");
}

static void test_depth(void **state)
{
    char text[400] = "{\"obuid\":1,\"a\":";
    struct packet packet;
    memset(text + 15, '[', 63);
    memset(text + 15 + 63, ']', 63);
    text[15 + 126] = '}';
    assert_decodes(*state, text, &packet);
    memset(text + 15, '[', 64);
    memset(text + 15 + 64, ']', 64);
    text[15 + 128] = '}';
    text[15 + 129] = '\0';
    assert_refused(*state, text, REASON_TOO_DEEP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_obu_minimal),
        cmocka_unit_test(test_obu_all_fields),
        cmocka_unit_test(test_obu_null_is_absent),
        cmocka_unit_test(test_vehicle_integers_are_exact),
        cmocka_unit_test(test_vehicle_texts),
        cmocka_unit_test(test_no_vehicle),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_bad_times),
        cmocka_unit_test(test_wrong_types_and_numbers),
        cmocka_unit_test(test_signals_are_paths),
        cmocka_unit_test(test_empty_containers_keep_their_path),
        cmocka_unit_test(test_too_many_signals),
        cmocka_unit_test(test_paths_are_bounded),
        cmocka_unit_test(test_envelope),
        cmocka_unit_test(test_envelope_types),
        cmocka_unit_test(test_envelope_content_leaves_metadata_out),
        cmocka_unit_test(test_sniffing),
        cmocka_unit_test(test_bad_json),
        cmocka_unit_test(test_depth),
    };
    return cmocka_run_group_tests(tests, new_scratch, free_scratch);
}
