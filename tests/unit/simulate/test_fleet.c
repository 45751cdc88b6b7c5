/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "simulate/fleet.h"

static const struct fleet_options options = {
    .seed = 3,
    .first = 10,
    .count = 5,
    .epoch_s = 1700000000,
    .box = {37.70, -122.52, 37.82, -122.36},
};

static void test_packet_fields(void **state)
{
    (void)state;
    struct fleet *fleet;
    assert_int_equal(fleet_new(&fleet, &options, NULL), 0);
    for (unsigned seq = 1; seq <= 50; seq++) {
        char text[FLEET_PACKET_MAX + 1];
        int64_t time_ms = 1700000000123 + (int64_t)seq * 1000;
        struct fleet_packet packet = fleet_next_packet(fleet, 2, time_ms, text);
        text[packet.len] = '\0';
        unsigned long long vehicle, time;
        unsigned got_seq, epoch;
        double lat, lon, speed, heading, accuracy;
        int end = 0;
        int fields = sscanf(text,
                            "{\"obuid\":%llu,\"seq\":%u,\"epoch\":%u,\"time\":%llu,\"lat\":%lf,"
                            "\"lon\":%lf,\"speed\":%lf,\"heading\":%lf,\"accuracy\":%lf}%n",
                            &vehicle, &got_seq, &epoch, &time, &lat, &lon, &speed, &heading,
                            &accuracy, &end);
        assert_int_equal(fields, 9);
        assert_int_equal(end, packet.len);
        assert_int_equal(vehicle, 3000012);
        assert_int_equal(packet.vehicle, 3000012);
        assert_int_equal(got_seq, seq);
        assert_int_equal(epoch, 1700000000);
        assert_int_equal(time, time_ms);
        assert_true(lat >= 37.70 && lat <= 37.82 && lon >= -122.52 && lon <= -122.36);
        assert_true(speed >= 0 && speed < 15 && heading < 360 && accuracy > 2 && accuracy < 9);
    }
    fleet_free(fleet);
}

static void test_longest_packet_fits(void **state)
{
    (void)state;
    struct fleet_options longest = options;
    longest.seed = UINT64_MAX;
    longest.epoch_s = UINT32_MAX;
    longest.box = (struct street_box){-89, -180, -88, -179};
    struct fleet *fleet;
    assert_int_equal(fleet_new(&fleet, &longest, NULL), 0);
    char text[FLEET_PACKET_MAX];
    assert_true(fleet_next_packet(fleet, 0, INT64_MAX, text).len <= FLEET_PACKET_MAX - 20);
    fleet_free(fleet);
}

static void test_slices_make_up_the_fleet(void **state)
{
    (void)state;
    struct fleet_options whole_options = options;
    whole_options.first = 0;
    whole_options.count = 20;
    struct fleet *slice, *whole;
    assert_int_equal(fleet_new(&slice, &options, NULL), 0);
    assert_int_equal(fleet_new(&whole, &whole_options, NULL), 0);
    char a[FLEET_PACKET_MAX], b[FLEET_PACKET_MAX];
    struct fleet_packet one = fleet_next_packet(slice, 1, 1000, a);
    struct fleet_packet same = fleet_next_packet(whole, 11, 1000, b);
    assert_int_equal(one.len, same.len);
    assert_memory_equal(a, b, one.len);
    fleet_free(slice);
    fleet_free(whole);
}

static void test_plain_client(void **state)
{
    (void)state;
    struct fleet_options plain = options;
    plain.is_obu = true;
    struct fleet *fleet;
    assert_int_equal(fleet_new(&fleet, &plain, NULL), 0);
    int invalid = 0;
    for (int i = 0; i < 1000; i++) {
        char text[FLEET_PACKET_MAX + 1];
        struct fleet_packet packet = fleet_next_packet(fleet, (uint32_t)i % 5, 1000, text);
        text[packet.len] = '\0';
        unsigned long long vehicle;
        double lat, lon;
        int end = 0;
        assert_int_equal(
            sscanf(text, "{\"obuid\":%llu,\"lat\":%lf,\"lon\":%lf}%n", &vehicle, &lat, &lon, &end),
            3);
        assert_int_equal(end, packet.len);
        assert_true(vehicle > 1000000000 && vehicle == packet.vehicle);
        assert_true(lat >= 1 && lat <= 100 && lon >= 1 && lon <= 100);
        invalid += lat > 90;
    }
    assert_in_range(invalid, 50, 150);
    fleet_free(fleet);
}

static void test_an_empty_box_is_refused(void **state)
{
    (void)state;
    struct fleet_options wrong = options;
    wrong.box = (struct street_box){1, 1, 1, 1};
    struct fleet *fleet;
    struct error err;
    assert_int_equal(fleet_new(&fleet, &wrong, &err), -1);
    assert_int_equal(err.kind, ERROR_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_packet_fields),
        cmocka_unit_test(test_longest_packet_fits),
        cmocka_unit_test(test_slices_make_up_the_fleet),
        cmocka_unit_test(test_plain_client),
        cmocka_unit_test(test_an_empty_box_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
