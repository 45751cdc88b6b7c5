/* SPDX-License-Identifier: Apache-2.0 */
/* Points and edges in the plane of longitude (x) and latitude (y), in degrees, and
 * the one predicate that everything about fences rests on: on which side of a line
 * does a point lie? It never errs: where the error bound of the quick formula can't
 * decide, the determinant is computed exactly (Shewchuk, "Adaptive Precision
 * Floating-Point Arithmetic and Fast Robust Geometric Predicates", 1997).
 * Coordinates nearer to 0 than PLANE_ZERO count as 0, so that nothing underflows. */
#pragma once

#include <math.h>
#include <stdbool.h>

struct point {
    double x, y;
};

struct edge {
    struct point a, b;
};

#define PLANE_ZERO 1e-100

static inline double plane_flush(double value)
{
    return fabs(value) < PLANE_ZERO ? 0 : value;
}

/* The sign of plane_side(), by exact arithmetic. Coordinates within ±1e100. */
int plane_side_exact(struct point a, struct point b, struct point p);

/* > 0: p lies left of the line from a to b; 0: on it; < 0: right of it. */
static inline int plane_side(struct point a, struct point b, struct point p)
{
    double left = (a.x - p.x) * (b.y - p.y);
    double right = (a.y - p.y) * (b.x - p.x);
    double det = left - right;
    /* (3 + 16e) e of the paper, e = 2^-53; the constant keeps what could have
     * underflowed, or come from a coordinate that counts as 0, out of this path. */
    double bound = 3.3306690738754716e-16 * (fabs(left) + fabs(right)) + 1e-90;
    if (__builtin_expect(det > bound, 1))
        return 1;
    if (__builtin_expect(det < -bound, 1))
        return -1;
    return plane_side_exact(a, b, p);
}

/* p is known to lie on the line through a and b: does it lie between them (or on one)? */
static inline bool plane_is_between(struct point a, struct point b, struct point p)
{
    struct point q = {plane_flush(p.x), plane_flush(p.y)};
    return q.x >= fmin(a.x, b.x) && q.x <= fmax(a.x, b.x) && q.y >= fmin(a.y, b.y) &&
           q.y <= fmax(a.y, b.y);
}

/* Does the segment from p to q cross the edge a-b? Neither p nor q may lie on it.
 * What lies exactly on the line p-q counts as left of it: so a path along several
 * edges through their common corner is counted as one crossing or none, and the
 * parity over a closed ring is right. */
static inline bool plane_crosses(struct point p, struct point q, const struct edge *edge)
{
    int side_p = plane_side(edge->a, edge->b, p);
    int side_q = plane_side(edge->a, edge->b, q);
    return side_p * side_q < 0 &&
           (plane_side(p, q, edge->a) >= 0) != (plane_side(p, q, edge->b) >= 0);
}
