/* SPDX-License-Identifier: Apache-2.0 */
/* The exact sign of the orientation determinant, as a sum of non-overlapping doubles. */
#include "vehicle/geofence/plane.h"

enum { TERMS = 12 }; /* six products of two doubles each */

/* Adds `value` to the expansion e[0..count): Shewchuk's GROW-EXPANSION. */
static int grow(double *e, int count, double value)
{
    for (int i = 0; i < count; i++) {
        double sum = value + e[i];
        double part = sum - value;
        e[i] = (value - (sum - part)) + (e[i] - part);
        value = sum;
    }
    e[count] = value;
    return count + 1;
}

static int add_product(double *e, int count, double a, double b)
{
    double product = a * b;
    count = grow(e, count, fma(a, b, -product));
    return grow(e, count, product);
}

int plane_side_exact(struct point a, struct point b, struct point p)
{
    p = (struct point){plane_flush(p.x), plane_flush(p.y)};
    a = (struct point){plane_flush(a.x), plane_flush(a.y)};
    b = (struct point){plane_flush(b.x), plane_flush(b.y)};
    double e[TERMS];
    int count = 0;
    count = add_product(e, count, a.x, b.y);
    count = add_product(e, count, -a.x, p.y);
    count = add_product(e, count, -p.x, b.y);
    count = add_product(e, count, -a.y, b.x);
    count = add_product(e, count, a.y, p.x);
    count = add_product(e, count, p.y, b.x);
    /* Non-overlapping, growing: the last that is not zero has the sum's sign. */
    while (count > 0 && e[count - 1] == 0)
        count--;
    return count == 0 ? 0 : e[count - 1] > 0 ? 1 : -1;
}
