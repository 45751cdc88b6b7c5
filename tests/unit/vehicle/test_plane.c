/* SPDX-License-Identifier: Apache-2.0 */
/* The side of a line, against integer arithmetic: coordinates are multiples of 2^-40
 * below 256, so that the determinant fits 128 bits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "vehicle/geofence/plane.h"

static uint64_t seed = 1;

static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

struct place {
    int64_t x, y;
};

static struct point point_of(struct place place)
{
    return (struct point){(double)place.x * 0x1p-40, (double)place.y * 0x1p-40};
}

static int true_side(struct place a, struct place b, struct place p)
{
    __extension__ typedef __int128 wide;
    wide det = (wide)(a.x - p.x) * (b.y - p.y) - (wide)(a.y - p.y) * (b.x - p.x);
    return (det > 0) - (det < 0);
}

static struct place random_place(unsigned bits)
{
    int64_t range = INT64_C(1) << bits;
    return (struct place){(int64_t)(next_random() % (uint64_t)range) - range / 2,
                          (int64_t)(next_random() % (uint64_t)range) - range / 2};
}

/* Points near the line: what the quick formula alone would get wrong. */
static void sides_are_exact(void **state)
{
    (void)state;
    unsigned on_line = 0, near = 0;
    for (int i = 0; i < 300000; i++) {
        struct place a = random_place(46), step = random_place(20);
        int64_t far = (int64_t)(next_random() % (1 << 20)),
                t = (int64_t)(next_random() % (1 << 20));
        struct place b = {a.x + step.x * far, a.y + step.y * far};
        struct place p = {a.x + step.x * t + (int64_t)(next_random() % 3) - 1,
                          a.y + step.y * t + (int64_t)(next_random() % 3) - 1};
        int expected = true_side(a, b, p);
        on_line += expected == 0;
        near += expected != 0;
        assert_int_equal(plane_side(point_of(a), point_of(b), point_of(p)), expected);
        assert_int_equal(plane_side_exact(point_of(a), point_of(b), point_of(p)), expected);
        assert_int_equal(plane_side(point_of(b), point_of(a), point_of(p)), -expected);
    }
    assert_true(on_line > 1000 && near > 1000);
}

static void one_step_of_a_double_counts(void **state)
{
    (void)state;
    struct point a = {0.1, 0.1}, b = {0.3, 0.3};
    double x = 0.2;
    assert_int_equal(plane_side(a, (struct point){0.3, 0.3}, (struct point){x, x}), 0);
    assert_int_equal(plane_side(a, b, (struct point){x, nextafter(x, 1)}), 1);
    assert_int_equal(plane_side(a, b, (struct point){x, nextafter(x, 0)}), -1);
}

/* Products of such numbers vanish: they count as 0. */
static void the_tiniest_count_as_zero(void **state)
{
    (void)state;
    struct point origin = {0, 0};
    assert_int_equal(plane_side(origin, (struct point){1, 0}, (struct point){0.5, 1e-300}), 0);
    assert_int_equal(plane_side(origin, (struct point){1, 0}, (struct point){0.5, 5e-324}), 0);
    assert_int_equal(plane_side(origin, (struct point){1, 0}, (struct point){0.5, 1e-99}), 1);
    assert_int_equal(plane_side(origin, (struct point){1, 0}, (struct point){0.5, -1e-99}), -1);
    assert_true(plane_is_between(origin, (struct point){1, 0}, (struct point){0.5, 1e-300}));
    assert_false(plane_is_between(origin, (struct point){1, 0}, (struct point){1.5, 0}));
}

static void crossing_counts_a_corner_once(void **state)
{
    (void)state;
    struct point p = {0, 0}, q = {2, 0};
    struct edge up = {{1, -1}, {1, 0}}, on = {{1, 0}, {1, 1}}, back = {{1, 0}, {1, -1}};
    assert_int_equal(plane_crosses(p, q, &up) + plane_crosses(p, q, &on), 1);
    assert_int_equal(plane_crosses(p, q, &up) + plane_crosses(p, q, &back), 2);
    struct edge along = {{0.5, 0}, {1.5, 0}};
    assert_false(plane_crosses(p, q, &along));
    struct edge beyond = {{3, -1}, {3, 1}};
    assert_false(plane_crosses(p, q, &beyond));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sides_are_exact),
        cmocka_unit_test(one_step_of_a_double_counts),
        cmocka_unit_test(the_tiniest_count_as_zero),
        cmocka_unit_test(crossing_counts_a_corner_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
