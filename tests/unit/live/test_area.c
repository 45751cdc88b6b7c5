/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "live/area.h"

static struct area parsed(const char *text)
{
    struct area area;
    char problem[AREA_PROBLEM_MAX];
    assert_true(area_parse(&area, bytes_from_text(text), problem));
    return area;
}

static void assert_refused(const char *text, const char *because)
{
    struct area area;
    char problem[AREA_PROBLEM_MAX];
    assert_false(area_parse(&area, bytes_from_text(text), problem));
    assert_non_null(strstr(problem, because));
}

static void test_order_is_west_south_east_north(void **state)
{
    (void)state;
    struct area area = parsed("-122.5, 37.7,-122.3,37.9");
    assert_true(area.west == -122.5 && area.south == 37.7);
    assert_true(area.east == -122.3 && area.north == 37.9);
}

static void test_hostile_boxes_are_refused_with_the_fix(void **state)
{
    (void)state;
    assert_refused("", "four numbers");
    assert_refused("1,2,3", "four numbers");
    assert_refused("1,2,3,4,5", "four numbers");
    assert_refused("1,2,3,", "no number");
    assert_refused("nan,2,3,4", "no number");
    assert_refused("1,2,3,inf", "no number");
    assert_refused("1,2,0x3,4", "no number");
    assert_refused("1,2,3,1e400", "within");
    assert_refused("1,-91,3,4", "within");
    assert_refused("-181,2,3,4", "within");
    assert_refused("1,5,3,4", "south above its north");
    struct area area;
    char problem[AREA_PROBLEM_MAX];
    assert_false(area_set(&area, (double[4]){NAN, 0, 1, 1}, problem));
}

static void test_edges_belong_to_it(void **state)
{
    (void)state;
    struct area area = parsed("1,2,3,4");
    assert_true(area_contains(&area, 2, 1));
    assert_true(area_contains(&area, 4, 3));
    assert_false(area_contains(&area, nextafter(4, 5), 3));
    assert_false(area_contains(&area, 3, nextafter(3, 4)));
}

static void test_west_above_east_crosses_the_antimeridian(void **state)
{
    (void)state;
    struct area area = parsed("170,-20,-170,20");
    assert_true(area_contains(&area, 0, 175));
    assert_true(area_contains(&area, 0, -175));
    assert_true(area_contains(&area, 0, 180));
    assert_true(area_contains(&area, 0, -180));
    assert_false(area_contains(&area, 0, 0));
    assert_false(area_contains(&area, 0, 169));
}

static void test_both_names_of_the_antimeridian_are_one(void **state)
{
    (void)state;
    struct area east = parsed("170,0,180,1"), west = parsed("-180,0,-170,1");
    assert_true(area_contains(&east, 0.5, -180));
    assert_true(area_contains(&west, 0.5, 180));
}

static void test_positions_out_of_range_are_none(void **state)
{
    (void)state;
    assert_true(area_is_position(90, -180));
    assert_false(area_is_position(90.1, 0));
    assert_false(area_is_position(0, 180.5));
    assert_false(area_is_position(NAN, 0));
    assert_false(area_is_position(0, INFINITY));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_is_west_south_east_north),
        cmocka_unit_test(test_hostile_boxes_are_refused_with_the_fix),
        cmocka_unit_test(test_edges_belong_to_it),
        cmocka_unit_test(test_west_above_east_crosses_the_antimeridian),
        cmocka_unit_test(test_both_names_of_the_antimeridian_are_one),
        cmocka_unit_test(test_positions_out_of_range_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
