/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "handler/flights.h"

static struct flights flights;

static int make_flights(void **state)
{
    (void)state;
    int result = flights_init(&flights, 2, 4, NULL);
    flights_reset(&flights, 100);
    return result;
}

static int free_flights(void **state)
{
    (void)state;
    flights_deinit(&flights);
    return 0;
}

/* One output, one record, closed. Returns the tag. */
static uint64_t fly(int partition, int64_t offset)
{
    uint64_t tag = flights.open;
    flights_published(&flights);
    flights_add(&flights, 7, "t", partition, offset);
    flights_close(&flights);
    flights_begin(&flights, 200);
    return tag;
}

static void a_flight_is_durable_when_all_its_outputs_are(void **state)
{
    (void)state;
    uint64_t tag = flights.open;
    flights_published(&flights);
    flights_published(&flights);
    flights_add(&flights, 7, "t", 0, 5);
    flights_close(&flights);
    assert_int_equal(flights_waiting(&flights), 1);
    flights_delivered(&flights, tag);
    assert_null(flights_peek_durable(&flights));
    flights_delivered(&flights, tag);
    const struct flight *flight = flights_peek_durable(&flights);
    assert_non_null(flight);
    assert_int_equal(flight->begun_ns, 100);
    flights_drop_oldest(&flights);
    assert_int_equal(flights_waiting(&flights), 0);
    assert_null(flights_peek_durable(&flights));
}

/* What is durable early waits for those before it. */
static void flights_are_taken_in_order(void **state)
{
    (void)state;
    uint64_t first = fly(0, 1), second = fly(0, 2);
    flights_delivered(&flights, second);
    assert_null(flights_peek_durable(&flights));
    flights_delivered(&flights, first);
    assert_int_equal(flights_peek_durable(&flights)->ranges[0].next, 2);
    flights_drop_oldest(&flights);
    assert_int_equal(flights_peek_durable(&flights)->ranges[0].next, 3);
}

static void ranges_cover_what_was_added_per_partition(void **state)
{
    (void)state;
    flights_add(&flights, 7, "t", 1, 10);
    flights_add(&flights, 7, "t", 1, 11);
    flights_add(&flights, 8, "u", 1, 3);
    flights_add(&flights, 7, "t", 2, 50);
    flights_add(&flights, 7, "t", 1, 15); /* gaps are legal */
    flights_close(&flights);
    const struct flight *flight = flights_peek_durable(&flights);
    assert_int_equal(flight->range_count, 3);
    assert_int_equal(flight->topics[0], 7);
    assert_int_equal(flight->ranges[0].partition, 1);
    assert_int_equal(flight->ranges[0].first, 10);
    assert_int_equal(flight->ranges[0].next, 16);
    assert_int_equal(flight->topics[1], 8);
    assert_string_equal(flight->ranges[1].topic, "u");
    assert_int_equal(flight->ranges[2].next, 51);
}

static void an_empty_flight_does_not_wait(void **state)
{
    (void)state;
    flights_close(&flights);
    assert_int_equal(flights_waiting(&flights), 0);
}

static void a_reset_forgets(void **state)
{
    (void)state;
    fly(0, 1);
    flights_reset(&flights, 300);
    assert_int_equal(flights_waiting(&flights), 0);
    uint64_t tag = fly(1, 9);
    flights_delivered(&flights, tag);
    assert_int_equal(flights_peek_durable(&flights)->range_count, 1);
    assert_int_equal(flights_peek_durable(&flights)->ranges[0].first, 9);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_flights, free_flights)
    const struct CMUnitTest tests[] = {
        TEST(a_flight_is_durable_when_all_its_outputs_are),
        TEST(flights_are_taken_in_order),
        TEST(ranges_cover_what_was_added_per_partition),
        TEST(an_empty_flight_does_not_wait),
        TEST(a_reset_forgets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
