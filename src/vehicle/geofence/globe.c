/* SPDX-License-Identifier: Apache-2.0 */
#include "vehicle/geofence/globe.h"

static const double TURN = 360;

/* What to add to the next point's longitude so that the edge goes the short way. */
static double turn_between(double from, double to, bool keeps_steps)
{
    double step = to - from;
    if (keeps_steps && fabs(step) == TURN && fabs(from) == 180)
        return 0;
    if (step > 180)
        return -TURN * ceil((step - 180) / TURN);
    if (step < -180)
        return TURN * ceil((-180 - step) / TURN);
    return 0;
}

/* The frame in which the first point lies within ±180. */
static double first_turn(double x)
{
    return x > 180 ? -TURN : x < -180 ? TURN : 0;
}

static void unroll(struct point *points, size_t count, bool keeps_steps, double *turn)
{
    *turn = first_turn(points[0].x);
    double last = points[0].x;
    points[0].x += *turn;
    for (size_t i = 1; i < count; i++) {
        double x = points[i].x;
        *turn += turn_between(last, x, keeps_steps);
        points[i].x = x + *turn;
        last = x;
    }
}

static double span(const struct point *points, size_t count)
{
    double low = points[0].x;
    double high = low;
    for (size_t i = 1; i < count; i++) {
        low = fmin(low, points[i].x);
        high = fmax(high, points[i].x);
    }
    return high - low;
}

bool globe_unroll_line(struct point *points, size_t count)
{
    double turn;
    unroll(points, count, false, &turn);
    return span(points, count) <= TURN;
}

/* An edge between -180 and 180 exactly is a whole turn, as in the frame of the world,
 * or the step across the antimeridian. Where their number is odd, it must be the
 * step: the ring goes around a pole. */
static bool has_odd_steps(const struct point *points, size_t count)
{
    bool odd = false;
    for (size_t i = 0; i < count; i++) {
        double from = points[i].x, to = points[i + 1 < count ? i + 1 : 0].x;
        odd ^= fabs(to - from) == TURN && fabs(from) == 180;
    }
    return odd;
}

/* Twice the area between the line and the equator: its sign says which hemisphere
 * most of a line toward the east lies in. */
static double lean(const struct point *points, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i + 1 < count; i++)
        sum += (points[i + 1].x - points[i].x) * (points[i].y + points[i + 1].y);
    return sum;
}

static void reverse(struct point *points, size_t count)
{
    for (size_t i = 0; i < count / 2; i++) {
        struct point point = points[i];
        points[i] = points[count - 1 - i];
        points[count - 1 - i] = point;
    }
}

/* The ring comes back a whole turn away (points[count] is its first point there).
 * It is cut open at the corner nearest to the pole, where nothing lies between, and
 * closed along the pole. */
static size_t close_at_pole(struct point *points, size_t count, double turn)
{
    double pole = lean(points, count + 1) * turn >= 0 ? 90 : -90;
    size_t nearest = 0;
    for (size_t i = 1; i < count; i++)
        if (points[i].y * pole > points[nearest].y * pole)
            nearest = i;
    for (size_t i = 0; i < nearest; i++)
        points[i].x += turn;
    reverse(points, nearest);
    reverse(points + nearest, count - nearest);
    reverse(points, count);
    double shift = first_turn(points[0].x);
    for (size_t i = 0; i < count; i++)
        points[i].x += shift;
    points[count] = (struct point){points[0].x + turn, points[0].y};
    points[count + 1] = (struct point){points[count].x, pole};
    points[count + 2] = (struct point){points[0].x, pole};
    return count + 3;
}

size_t globe_unroll_ring(struct point *points, size_t count, const char **why)
{
    struct point first = points[0], last = points[count - 1];
    bool keeps_steps = !has_odd_steps(points, count);
    double turn;
    unroll(points, count, keeps_steps, &turn);
    turn += turn_between(last.x, first.x, keeps_steps) - first_turn(first.x);
    double width = span(points, count);
    points[count] = (struct point){points[0].x + turn, first.y};
    if (turn == 0 && width <= TURN)
        return count;
    if (fabs(turn) == TURN && width < 2 * TURN)
        return close_at_pole(points, count, turn);
    *why = "goes more than once around the earth: cut it into several polygons";
    return 0;
}

void globe_circle(struct point centre, double radius_m, struct point out[GLOBE_CIRCLE_POINTS])
{
    const double radian = GLOBE_PI / 180;
    double half_step = GLOBE_PI / GLOBE_CIRCLE_POINTS;
    double angle = radius_m / GEO_RADIUS_M * (1 + (1 - cos(half_step)) / 2);
    double lat = centre.y * radian;
    for (int i = 0; i < GLOBE_CIRCLE_POINTS; i++) {
        double bearing = 2 * half_step * i;
        double sine = sin(lat) * cos(angle) + cos(lat) * sin(angle) * cos(bearing);
        double y = asin(fmax(-1, fmin(1, sine)));
        double x = atan2(sin(bearing) * sin(angle) * cos(lat), cos(angle) - sin(lat) * sine);
        out[i] = (struct point){centre.x + x / radian, y / radian};
    }
}
