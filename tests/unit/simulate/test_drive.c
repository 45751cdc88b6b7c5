/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "simulate/drive.h"

static const struct street_box city = {37.70, -122.52, 37.82, -122.36};

static void check_step(const struct drive_fix *before, const struct drive_fix *after,
                       const struct street_grid *grid, float dt)
{
    double north_m = (after->lat_udeg - before->lat_udeg) / (double)grid->lat_udeg_per_m;
    double east_m = (after->lon_udeg - before->lon_udeg) / (double)grid->lon_udeg_per_m;
    double moved_m = fabs(north_m) + fabs(east_m); /* along streets */
    double slow = fmin(before->speed_cms, after->speed_cms) / 100.0;
    double fast = fmax(before->speed_cms, after->speed_cms) / 100.0;
    /* No further than the speeds told say; less only where it comes to stand. */
    assert_true(moved_m <= (slow + fast) / 2 * (double)dt + 0.3);
    if (after->speed_cms > 0)
        assert_true(moved_m >= slow * (double)dt - 0.3);
    assert_true((after->speed_cms - (double)before->speed_cms) / 100 <= 1.8 * (double)dt + 0.02);
    assert_true(after->speed_cms < 1401);
    if (before->heading_ddeg == after->heading_ddeg && moved_m > 1) {
        bool is_lengthwise = after->heading_ddeg % 1800 == 0;
        assert_true(is_lengthwise ? fabs(east_m) < 0.3 : fabs(north_m) < 0.3);
        double ahead = is_lengthwise ? north_m : east_m;
        assert_true(after->heading_ddeg < 1800 && after->heading_ddeg != 1800 ? ahead > 0
                                                                              : ahead < 0);
    }
}

static void drive_about(float dt, int steps)
{
    struct street_grid grid;
    assert_true(street_grid_init(&grid, &city));
    int turns = 0, stands = 0;
    double travelled = 0;
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct drive drive;
        drive_init(&drive, &grid, seed);
        struct drive_fix before = drive_fix(&drive, &grid);
        for (int i = 0; i < steps; i++) {
            drive_step(&drive, &grid, dt);
            struct drive_fix after = drive_fix(&drive, &grid);
            check_step(&before, &after, &grid, dt);
            turns += before.heading_ddeg != after.heading_ddeg;
            stands += after.speed_cms == 0;
            travelled += after.speed_cms / 100.0 * (double)dt;
            assert_in_range(after.lat_udeg, 37699999, 37820001);
            assert_true(after.lon_udeg >= -122520001 && after.lon_udeg <= -122359999);
            before = after;
        }
    }
    double mean_ms = travelled / (20.0 * steps * (double)dt);
    assert_true(mean_ms > 2 && mean_ms < 12);
    assert_true(turns > 20);
    assert_true(stands > steps);
}

static void test_positions_speeds_and_headings_agree(void **state)
{
    (void)state;
    drive_about(1.0F, 3000);
    drive_about(0.1F, 20000);
}

static void test_same_seed_same_drive(void **state)
{
    (void)state;
    struct street_grid grid;
    assert_true(street_grid_init(&grid, &city));
    struct drive a, b, c;
    drive_init(&a, &grid, 7);
    drive_init(&b, &grid, 7);
    drive_init(&c, &grid, 8);
    for (int i = 0; i < 500; i++) {
        drive_step(&a, &grid, 1);
        drive_step(&b, &grid, 1);
        drive_step(&c, &grid, 1);
    }
    struct drive_fix fix_a = drive_fix(&a, &grid);
    struct drive_fix fix_b = drive_fix(&b, &grid);
    struct drive_fix fix_c = drive_fix(&c, &grid);
    assert_memory_equal(&fix_a, &fix_b, sizeof fix_a);
    assert_memory_not_equal(&fix_a, &fix_c, sizeof fix_a);
}

static void test_a_box_of_one_block_is_driven_around(void **state)
{
    (void)state;
    struct street_box yard = {37.7, -122.5, 37.7005, -122.4995};
    struct street_grid grid;
    assert_true(street_grid_init(&grid, &yard));
    assert_int_equal(grid.columns, 1);
    assert_int_equal(grid.rows, 1);
    struct drive drive;
    drive_init(&drive, &grid, 1);
    for (int i = 0; i < 2000; i++) {
        drive_step(&drive, &grid, 1);
        struct drive_fix fix = drive_fix(&drive, &grid);
        assert_in_range(fix.lat_udeg, 37699999, 37700501);
    }
}

static void test_boxes_without_streets_are_refused(void **state)
{
    (void)state;
    struct street_grid grid;
    struct street_box upside_down = {37.8, -122.5, 37.7, -122.4};
    struct street_box beyond = {37.7, -182, 37.8, -122.4};
    struct street_box nothing = {37.7, -122.5, 37.8, (double)NAN};
    assert_false(street_grid_init(&grid, &upside_down));
    assert_false(street_grid_init(&grid, &beyond));
    assert_false(street_grid_init(&grid, &nothing));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_positions_speeds_and_headings_agree),
        cmocka_unit_test(test_same_seed_same_drive),
        cmocka_unit_test(test_a_box_of_one_block_is_driven_around),
        cmocka_unit_test(test_boxes_without_streets_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
