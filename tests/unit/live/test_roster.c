/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "live/roster.h"

struct fixture {
    struct roster roster;
    char left[256]; /* names in order of leaving */
};

static void note_leave(void *context, const struct roster_entry *entry, enum roster_leave why)
{
    struct fixture *fixture = context;
    size_t len = strlen(fixture->left);
    snprintf(fixture->left + len, sizeof fixture->left - len, "%.*s%c", (int)entry->vehicle_len,
             entry->text, why == ROSTER_EXPIRED ? '.' : '!');
}

static void setup(struct fixture *fixture, size_t max_vehicles)
{
    *fixture = (struct fixture){0};
    struct roster_limits limits = {.max_vehicles = max_vehicles, .ttl_ns = 1000};
    assert_int_equal(roster_init(&fixture->roster, &limits), 0);
    fixture->roster.on_leave = note_leave;
    fixture->roster.context = fixture;
}

static enum roster_verdict put(struct fixture *fixture, const char *vehicle, uint64_t order,
                               int64_t received_ns, int64_t now_ns, const char *json)
{
    struct roster_report report = {.vehicle = bytes_from_text(vehicle),
                                   .json = bytes_from_text(json),
                                   .order = order,
                                   .received_ns = received_ns,
                                   .lat = (double)(order % 90),
                                   .lon = 2};
    report.hash = roster_hash(report.vehicle);
    struct roster_change change;
    return roster_put(&fixture->roster, &report, now_ns, &change);
}

static void assert_shows(const struct fixture *fixture, const char *vehicle, const char *json)
{
    const struct roster_entry *entry = roster_find(&fixture->roster, bytes_from_text(vehicle));
    assert_non_null(entry);
    assert_true(bytes_equal_text(roster_json(entry), json));
}

static void test_newest_is_by_order_then_by_received(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f, 10);
    assert_int_equal(put(&f, "a", 5, 100, 0, "five"), ROSTER_ADDED);
    assert_int_equal(put(&f, "a", 4, 200, 0, "four, late"), ROSTER_STALE);
    assert_int_equal(put(&f, "a", 5, 100, 0, "five again"), ROSTER_STALE);
    assert_shows(&f, "a", "five");
    assert_int_equal(put(&f, "a", 5, 101, 0, "five, later received"), ROSTER_UPDATED);
    assert_int_equal(put(&f, "a", 6, 50, 0, "six"), ROSTER_UPDATED);
    assert_shows(&f, "a", "six");
    assert_int_equal(roster_count(&f.roster), 1);
    roster_deinit(&f.roster);
}

static void test_the_longest_silent_makes_room(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f, 2);
    put(&f, "a", 1, 1, 1, "a1");
    put(&f, "b", 1, 1, 2, "b1");
    put(&f, "a", 2, 2, 3, "a2");
    put(&f, "c", 1, 1, 4, "c1");
    assert_string_equal(f.left, "b!");
    assert_null(roster_find(&f.roster, BYTES("b")));
    assert_shows(&f, "a", "a2");
    assert_shows(&f, "c", "c1");
    roster_deinit(&f.roster);
}

static void test_the_silent_expire_and_may_come_back(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f, 10);
    put(&f, "a", 1, 1, 0, "a1");
    put(&f, "b", 1, 1, 500, "b1");
    assert_int_equal(roster_expire(&f.roster, 1000, 99), 0);
    assert_int_equal(roster_expire(&f.roster, 1001, 99), 1);
    assert_string_equal(f.left, "a.");
    assert_int_equal(put(&f, "a", 2, 2, 1002, "a2"), ROSTER_ADDED);
    assert_int_equal(roster_expire(&f.roster, 9999, 1), 1);
    assert_string_equal(f.left, "a.b.");
    roster_deinit(&f.roster);
}

static void test_ids_are_reused_and_stay_dense(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f, 100);
    char name[16];
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < 100; i++) {
            snprintf(name, sizeof name, "%d-%d", round, i);
            assert_int_equal(put(&f, name, 1, 1, round * 2000, "x"), ROSTER_ADDED);
        }
        assert_int_equal(roster_expire(&f.roster, round * 2000 + 1001, 99), 99);
        f.left[0] = '\0';
    }
    assert_in_range(f.roster.id_end, 100, 101);
    for (uint32_t id = 0, here = 0; id <= f.roster.id_end; id++) {
        here += roster_by_id(&f.roster, id) != NULL;
        assert_true(id < f.roster.id_end || here == roster_count(&f.roster));
    }
    roster_deinit(&f.roster);
}

static void test_sorting_by_age_lets_the_right_one_expire(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f, 10);
    put(&f, "young", 1, 1, 5000, "y");
    put(&f, "old", 1, 1, 100, "o");
    put(&f, "middle", 1, 1, 3000, "m");
    assert_int_equal(roster_expire(&f.roster, 4500, 99), 0); /* hidden behind the young one */
    roster_sort_by_age(&f.roster);
    assert_int_equal(roster_expire(&f.roster, 4500, 99), 2);
    assert_string_equal(f.left, "old.middle.");
    roster_deinit(&f.roster);
}

static void test_longer_and_shorter_packets_take_each_others_place(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f, 10);
    char longer[2001];
    memset(longer, 'x', 2000);
    longer[2000] = '\0';
    put(&f, "a", 1, 1, 0, "short");
    put(&f, "a", 2, 2, 0, longer);
    assert_shows(&f, "a", longer);
    put(&f, "a", 3, 3, 0, "s");
    assert_shows(&f, "a", "s");
    roster_deinit(&f.roster);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_newest_is_by_order_then_by_received),
        cmocka_unit_test(test_the_longest_silent_makes_room),
        cmocka_unit_test(test_the_silent_expire_and_may_come_back),
        cmocka_unit_test(test_ids_are_reused_and_stay_dense),
        cmocka_unit_test(test_sorting_by_age_lets_the_right_one_expire),
        cmocka_unit_test(test_longer_and_shorter_packets_take_each_others_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
