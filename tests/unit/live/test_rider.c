/* SPDX-License-Identifier: Apache-2.0 */
/* What a rider is told, over a socket that the test opens and shuts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "live/rider.h"
#include "observe/metrics.h"

/* ---- the socket: `struct conn` of these tests ---- */

struct conn {
    struct buf wire; /* messages, one a line */
    size_t unsent;
    bool is_stuck; /* takes bytes into `unsent` and keeps them there */
    bool is_ended;
};

static bool socket_send(struct conn *conn, struct bytes message)
{
    buf_append_bytes(&conn->wire, message);
    buf_append_char(&conn->wire, '\n');
    if (conn->is_stuck)
        conn->unsent += message.len;
    return true;
}

static size_t socket_unsent(const struct conn *conn)
{
    return conn->unsent;
}

static void socket_end(struct conn *conn, const char *why)
{
    (void)why;
    conn->is_ended = true;
}

static const struct rider_transport transport = {.before = "",
                                                 .after = "",
                                                 .keep_alive = ":",
                                                 .send = socket_send,
                                                 .unsent_bytes = socket_unsent,
                                                 .end = socket_end};

/* ---- a small world ---- */

struct world {
    struct roster roster;
    struct riders riders;
    struct conn conn;
    uint64_t order;
};

static void on_leave(void *context, const struct roster_entry *entry, enum roster_leave why)
{
    (void)why;
    struct world *world = context;
    riders_left(&world->riders, entry);
}

static struct world *world_new(void)
{
    struct world *world = calloc(1, sizeof *world);
    struct roster_limits roster_limits = {.max_vehicles = 100000, .ttl_ns = 1000};
    struct rider_limits limits = {.max_riders = 4,
                                  .max_vehicles = 3,
                                  .max_changes = 100,
                                  .message_bytes = 1000,
                                  .stall_ns = 30,
                                  .keep_alive_ns = 10};
    assert_int_equal(roster_init(&world->roster, &roster_limits), 0);
    world->roster.on_leave = on_leave;
    world->roster.context = world;
    riders_init(&world->riders, &limits, &world->roster);
    buf_init(&world->conn.wire, 0);
    return world;
}

static void world_free(struct world *world)
{
    while (!list_is_empty(&world->riders.all))
        rider_free(list_item(world->riders.all.next, struct rider, of_all));
    riders_deinit(&world->riders);
    roster_deinit(&world->roster);
    buf_deinit(&world->conn.wire);
    free(world);
}

/* Shown as "name@lat,lon" in place of a packet. */
static void drive(struct world *world, const char *vehicle, double lat, double lon)
{
    char json[64];
    snprintf(json, sizeof json, "%s@%g,%g", vehicle, lat, lon);
    struct roster_report report = {.vehicle = bytes_from_text(vehicle),
                                   .json = bytes_from_text(json),
                                   .order = ++world->order,
                                   .lat = lat,
                                   .lon = lon};
    report.hash = roster_hash(report.vehicle);
    struct roster_change change;
    enum roster_verdict verdict = roster_put(&world->roster, &report, 0, &change);
    assert_true(verdict == ROSTER_ADDED || verdict == ROSTER_UPDATED);
    riders_changed(&world->riders, &change);
}

static struct rider *ride(struct world *world, const struct area *area)
{
    struct rider *rider = rider_new(&world->riders, &transport, &world->conn, 0);
    assert_non_null(rider);
    if (area != NULL)
        assert_int_equal(rider_set_area(rider, area), RIDER_OK);
    rider_restart(rider);
    return rider;
}

/* Push, and compare with what was sent since the last time. */
static void assert_told(struct world *world, const char *wanted)
{
    while (riders_push(&world->riders, 0))
        ;
    buf_append_char(&world->conn.wire, '\0');
    assert_string_equal(world->conn.wire.ptr, wanted);
    buf_clear(&world->conn.wire);
}

static const struct area city = {10, 50, 11, 51}, everywhere = {-180, -90, 180, 90};

static void test_snapshot_first_then_changes(void **state)
{
    (void)state;
    struct world *world = world_new();
    drive(world, "a", 50.5, 10.5);
    drive(world, "far", 0, 0);
    ride(world, &city);
    assert_told(world, "{\"snapshot\":[a@50.5,10.5],\"begin\":true,\"end\":true}\n");
    drive(world, "a", 50.6, 10.5);
    drive(world, "far", 1, 1);
    assert_told(world, "{\"positions\":[a@50.6,10.5]}\n");
    assert_told(world, "");
    world_free(world);
}

static void test_nothing_there_is_an_empty_snapshot(void **state)
{
    (void)state;
    struct world *world = world_new();
    ride(world, &city);
    assert_told(world, "{\"snapshot\":[],\"begin\":true,\"end\":true}\n");
    world_free(world);
}

static void test_many_changes_of_one_vehicle_are_told_once(void **state)
{
    (void)state;
    struct world *world = world_new();
    ride(world, &city);
    assert_told(world, "{\"snapshot\":[],\"begin\":true,\"end\":true}\n");
    int64_t before = metrics_value(METRIC_LIVE_CONFLATED, 0);
    for (int i = 0; i < 10; i++)
        drive(world, "a", 50 + i / 10.0, 10.5);
    assert_told(world, "{\"positions\":[a@50.9,10.5]}\n");
    assert_int_equal(metrics_value(METRIC_LIVE_CONFLATED, 0) - before, 9);
    world_free(world);
}

static void test_leaving_the_box_is_told(void **state)
{
    (void)state;
    struct world *world = world_new();
    drive(world, "a", 50.5, 10.5);
    drive(world, "b\"", 50.5, 10.5);
    ride(world, &city);
    ride(world, &everywhere);
    while (riders_push(&world->riders, 0))
        ;
    buf_clear(&world->conn.wire);
    drive(world, "a", 52, 10.5);
    drive(world, "b\"", 50.5, 12);
    assert_told(world, "{\"positions\":[a@52,10.5,b\"@50.5,12]}\n{\"left\":[\"a\",\"b\\\"\"]}\n");
    world_free(world);
}

static void test_coming_back_before_it_is_told_ends_inside(void **state)
{
    (void)state;
    struct world *world = world_new();
    drive(world, "a", 50.5, 10.5);
    ride(world, &city);
    while (riders_push(&world->riders, 0))
        ;
    buf_clear(&world->conn.wire);
    drive(world, "a", 60, 10.5);
    drive(world, "a", 50.7, 10.5);
    assert_told(world, "{\"left\":[\"a\"]}\n{\"positions\":[a@50.7,10.5]}\n");
    drive(world, "a", 50.8, 10.5);
    drive(world, "a", 60, 10.5);
    assert_told(world, "{\"left\":[\"a\"]}\n");
    world_free(world);
}

static void test_leaving_the_roster_is_told(void **state)
{
    (void)state;
    struct world *world = world_new();
    drive(world, "a", 50.5, 10.5);
    drive(world, "b", 50.5, 10.5);
    struct rider *rider = ride(world, &city);
    assert_int_equal(rider_follow(rider, BYTES("b")), RIDER_OK);
    while (riders_push(&world->riders, 0))
        ;
    buf_clear(&world->conn.wire);
    drive(world, "a", 50.6, 10.5); /* its id will be another's when this is told */
    assert_int_equal(roster_expire(&world->roster, 2000, 99), 2);
    drive(world, "c", 50.5, 10.7);
    assert_told(world, "{\"left\":[\"b\",\"b\",\"a\"]}\n{\"positions\":[c@50.5,10.7]}\n");
    drive(world, "b", 0, 0); /* followed by name: wherever it is, and again */
    assert_told(world, "{\"positions\":[b@0,0]}\n");
    world_free(world);
}

static void test_followed_by_name_before_it_exists(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct rider *rider = ride(world, NULL);
    assert_int_equal(rider_follow(rider, BYTES("a")), RIDER_OK);
    assert_int_equal(rider_follow(rider, BYTES("a")), RIDER_OK);
    assert_int_equal(rider->link_count, 1);
    assert_told(world, "{\"snapshot\":[],\"begin\":true,\"end\":true}\n");
    drive(world, "a", 1, 1);
    drive(world, "b", 1, 1);
    drive(world, "a", 2, 2);
    assert_told(world, "{\"positions\":[a@2,2]}\n");
    rider_unfollow(rider, BYTES("a"));
    drive(world, "a", 3, 3);
    assert_told(world, "");
    world_free(world);
}

static void test_vehicles_by_name_are_bounded(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct rider *rider = ride(world, NULL);
    assert_int_equal(rider_follow(rider, BYTES("a")), RIDER_OK);
    assert_int_equal(rider_follow(rider, BYTES("b")), RIDER_OK);
    assert_int_equal(rider_follow(rider, BYTES("c")), RIDER_OK);
    assert_int_equal(rider_follow(rider, BYTES("d")), RIDER_TOO_MANY_VEHICLES);
    assert_int_equal(rider_follow(rider, BYTES("b")), RIDER_OK);
    rider_unfollow(rider, BYTES("c"));
    assert_int_equal(rider_follow(rider, BYTES("d")), RIDER_OK);
    world_free(world);
}

static void test_riders_are_bounded(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct rider *first = ride(world, &city);
    for (int i = 0; i < 3; i++)
        ride(world, &city);
    assert_null(rider_new(&world->riders, &transport, &world->conn, 0));
    rider_free(first);
    assert_non_null(rider_new(&world->riders, &transport, &world->conn, 0));
    world_free(world);
}

static void test_large_snapshot_comes_in_pieces(void **state)
{
    (void)state;
    struct world *world = world_new();
    char name[8];
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "v%03d", i);
        drive(world, name, 50 + i / 400.0, 10.5);
    }
    ride(world, &city);
    while (riders_push(&world->riders, 0))
        ;
    buf_append_char(&world->conn.wire, '\0');
    int pieces = 0;
    for (char *line = strtok(world->conn.wire.ptr, "\n"); line;
         line = strtok(NULL, "\n"), pieces++) {
        assert_in_range(strlen(line), 1, 1100);
        assert_int_equal(strstr(line, "\"begin\":true") != NULL, pieces == 0);
    }
    assert_in_range(pieces, 4, 8);
    world_free(world);
}

/* The heart of it: a stuck rider costs a bounded list, and is told only the newest. */
static void test_slow_rider_gets_the_newest_when_it_reads_again(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct rider *rider = ride(world, &city);
    assert_told(world, "{\"snapshot\":[],\"begin\":true,\"end\":true}\n");
    world->conn.is_stuck = true;
    world->conn.unsent = 1 << 20;
    for (int i = 0; i < 1000; i++) {
        drive(world, "a", 50 + i / 1000.0, 10.5);
        drive(world, "b", 50 + i / 1000.0, 10.6);
        riders_push(&world->riders, 0);
    }
    assert_told(world, "");
    assert_int_equal(rider->changes.count, 2);
    world->conn.unsent = 0;
    rider_drained(rider);
    assert_told(world, "{\"positions\":[a@50.999,10.5,b@50.999,10.6]}\n");
    world_free(world);
}

static void test_rider_too_far_behind_gets_a_new_snapshot(void **state)
{
    (void)state;
    struct world *world = world_new();
    struct rider *rider = ride(world, &city);
    assert_told(world, "{\"snapshot\":[],\"begin\":true,\"end\":true}\n");
    world->conn.unsent = 1 << 20;
    char name[8];
    for (int i = 0; i < 101; i++) { /* max_changes is 100 */
        snprintf(name, sizeof name, "v%d", i);
        drive(world, name, 50.5, 10.5);
        riders_push(&world->riders, 0);
    }
    assert_int_equal(rider->changes.count, 0);
    for (int i = 1; i < 101; i++) {
        snprintf(name, sizeof name, "v%d", i);
        drive(world, name, 0, 0);
    }
    assert_int_equal(rider->left.len, 0);
    world->conn.unsent = 0;
    rider_drained(rider);
    assert_told(world, "{\"snapshot\":[v0@50.5,10.5],\"begin\":true,\"end\":true}\n");
    world_free(world);
}

static void test_rider_that_takes_nothing_is_ended(void **state)
{
    (void)state;
    struct world *world = world_new();
    ride(world, &city);
    world->conn.unsent = 1 << 20;
    riders_push(&world->riders, 100);
    riders_check(&world->riders, 130);
    assert_false(world->conn.is_ended);
    riders_check(&world->riders, 131);
    assert_true(world->conn.is_ended);
    world_free(world);
}

static void test_silence_is_broken_by_a_sign_of_life(void **state)
{
    (void)state;
    struct world *world = world_new();
    ride(world, &city);
    assert_told(world, "{\"snapshot\":[],\"begin\":true,\"end\":true}\n");
    riders_check(&world->riders, 9);
    assert_told(world, "");
    riders_check(&world->riders, 10);
    assert_told(world, ":\n");
    world_free(world);
}

static void test_new_box_is_a_new_snapshot(void **state)
{
    (void)state;
    struct world *world = world_new();
    drive(world, "a", 50.5, 10.5);
    drive(world, "b", 50.5, 12.5);
    struct rider *rider = ride(world, &city);
    assert_told(world, "{\"snapshot\":[a@50.5,10.5],\"begin\":true,\"end\":true}\n");
    assert_int_equal(rider_set_area(rider, &(struct area){12, 50, 13, 51}), RIDER_OK);
    rider_restart(rider);
    assert_told(world, "{\"snapshot\":[b@50.5,12.5],\"begin\":true,\"end\":true}\n");
    drive(world, "a", 50.6, 10.5);
    assert_told(world, "");
    world_free(world);
}

/* Random drives; a rider that reads only now and then must, whenever it has read
 * everything, know exactly what is in its box. */
static void test_what_a_rider_knows_is_what_is_there(void **state)
{
    (void)state;
    enum { VEHICLES = 60 };
    struct world *world = world_new();
    static const struct area box = {179.5, -1, -179.5, 1};
    struct rider *rider = ride(world, &box);
    char known[VEHICLES][32] = {{0}};
    double at[VEHICLES][2] = {{0}};
    uint64_t seed = 7;
    for (int step = 0; step < 20000; step++) {
        seed = seed * UINT64_C(6364136223846793005) + 1;
        int i = (int)(seed >> 40) % VEHICLES;
        at[i][0] = (double)((seed >> 33) % 300) / 100 - 1.5;
        at[i][1] = (seed & 1 << 20 ? 1 : -1) * (179 + (double)((seed >> 50) % 101) / 100);
        char name[8];
        snprintf(name, sizeof name, "v%02d", i);
        drive(world, name, at[i][0], at[i][1]);
        if (seed >> 60 != 0)
            continue;
        world->conn.unsent = 0;
        rider_drained(rider);
        while (riders_push(&world->riders, 0))
            ;
        buf_append_char(&world->conn.wire, '\0');
        for (char *line = strtok(world->conn.wire.ptr, "\n"); line; line = strtok(NULL, "\n")) {
            if (strstr(line, "\"begin\":true") != NULL)
                memset(known, 0, sizeof known);
            for (char *v = line; (v = strchr(v, 'v')) != NULL; v++) {
                if (v[1] < '0' || v[1] > '9')
                    continue;
                int number = (v[1] - '0') * 10 + v[2] - '0';
                known[number][0] = '\0';
                if (v[3] == '@') {
                    size_t len = strcspn(v + 1, "]v") + 1;
                    snprintf(known[number], sizeof known[number], "%.*s",
                             (int)(v[len - 1] == ',' ? len - 1 : len), v);
                }
            }
        }
        buf_clear(&world->conn.wire);
        for (int v = 0; v < VEHICLES; v++) {
            char wanted[32] = "";
            if (at[v][1] != 0 && area_contains(&box, at[v][0], at[v][1]))
                snprintf(wanted, sizeof wanted, "v%02d@%g,%g", v, at[v][0], at[v][1]);
            assert_string_equal(known[v], wanted);
        }
        world->conn.unsent = seed & 1 << 10 ? 1 << 20 : 0;
    }
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_snapshot_first_then_changes),
        cmocka_unit_test(test_nothing_there_is_an_empty_snapshot),
        cmocka_unit_test(test_many_changes_of_one_vehicle_are_told_once),
        cmocka_unit_test(test_leaving_the_box_is_told),
        cmocka_unit_test(test_coming_back_before_it_is_told_ends_inside),
        cmocka_unit_test(test_leaving_the_roster_is_told),
        cmocka_unit_test(test_followed_by_name_before_it_exists),
        cmocka_unit_test(test_vehicles_by_name_are_bounded),
        cmocka_unit_test(test_riders_are_bounded),
        cmocka_unit_test(test_large_snapshot_comes_in_pieces),
        cmocka_unit_test(test_slow_rider_gets_the_newest_when_it_reads_again),
        cmocka_unit_test(test_rider_too_far_behind_gets_a_new_snapshot),
        cmocka_unit_test(test_rider_that_takes_nothing_is_ended),
        cmocka_unit_test(test_silence_is_broken_by_a_sign_of_life),
        cmocka_unit_test(test_new_box_is_a_new_snapshot),
        cmocka_unit_test(test_what_a_rider_knows_is_what_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
