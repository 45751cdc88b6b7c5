/* SPDX-License-Identifier: Apache-2.0 */
/* max_speed_between_points: could the vehicle have driven from where it was to
 * where it says it is? Distance by haversine, time by the two points' event times.
 *
 * One wild point fails and the good one after it passes, because that fits the
 * last but one, to which the one before had fitted as well. A vehicle that was
 * carried elsewhere fails once. Two vehicles under one name fail all the time.
 * All this follows from the last three points. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/text.h"
#include "vehicle/geo.h"
#include "vehicle/rule/rule.h"

struct max_speed {
    double limit_ms;
    double tolerance_m;
    int64_t within_ns;
    struct state_slot slot;
};

struct point {
    double lat, lon;
    int64_t time_ms;
    int64_t received_ns; /* 0: no point */
};

enum { POINTS = 3 };

struct memory {
    struct point points[POINTS]; /* the newest first */
};

static const struct max_speed defaults = {.tolerance_m = 100, .within_ns = 600 * NS_PER_S};

static const struct rule_setting settings[] = {
    {"limit", RULE_SETTING_NUMBER, offsetof(struct max_speed, limit_ms), true, NULL,
     "the highest speed believed", .min = 0.1, .max = 1e5, .unit = RULE_UNIT_SPEED},
    {"tolerance", RULE_SETTING_NUMBER, offsetof(struct max_speed, tolerance_m), false, NULL,
     "distance that costs no time: positions err, times are rounded; default 100 m", .min = 0,
     .max = 1e6, .unit = RULE_UNIT_DISTANCE},
    {"within", RULE_SETTING_DURATION, offsetof(struct max_speed, within_ns), false, NULL,
     "points received longer ago are forgotten; default 10m"},
    {0},
};

static int compile(struct rule_build *build, void *check, struct rule_test *test, struct error *err)
{
    (void)test;
    struct max_speed *rule = check;
    if (rule->within_ns <= 0)
        return yaml_error(yaml_get(build->node, "within"), err, "within must be longer than 0");
    return rule_claim_state(build, sizeof(struct memory), rule->within_ns, &rule->slot, err);
}

static bool is_known(const struct max_speed *rule, const struct point *point,
                     const struct point *now)
{
    return point->received_ns != 0 && now->received_ns - point->received_ns <= rule->within_ns;
}

static double distance_m(const struct point *a, const struct point *b)
{
    return geo_distance_m(a->lat, a->lon, b->lat, b->lon);
}

static bool is_reachable(const struct max_speed *rule, const struct point *a, const struct point *b)
{
    double seconds = fabs((double)b->time_ms - (double)a->time_ms) / 1e3;
    return distance_m(a, b) <= rule->tolerance_m + rule->limit_ms * seconds;
}

/* points[0] is the one to judge. */
static bool is_believable(const struct max_speed *rule, const struct point points[POINTS + 1])
{
    const struct point *now = &points[0];
    if (!is_known(rule, &points[1], now) || is_reachable(rule, &points[1], now))
        return true;
    return is_known(rule, &points[2], now) && is_reachable(rule, &points[2], now) &&
           (!is_known(rule, &points[3], now) || is_reachable(rule, &points[3], &points[2]));
}

static bool run(const void *check, const struct packet *packet, const struct rule_context *context)
{
    const uint32_t place = PACKET_HAS_LAT | PACKET_HAS_LON;
    const struct max_speed *rule = check;
    if ((packet->fields & place) != place)
        return true;
    struct memory *memory = rule_state(context, packet, rule->slot);
    struct point points[POINTS + 1] = {
        {packet->lat, packet->lon, packet->time_ms, context->received_ns}};
    memcpy(points + 1, memory->points, sizeof memory->points);
    memcpy(memory->points, points, sizeof memory->points);
    if (is_believable(rule, points))
        return true;
    struct rule_notes *notes = &context->thread->notes;
    notes->numbers[0] = distance_m(&points[0], &points[1]);
    notes->integers[0] = llabs(points[0].time_ms - points[1].time_ms);
    return false;
}

static void explain(const void *check, const struct packet *packet,
                    const struct rule_context *context, char *out, size_t cap)
{
    (void)packet;
    const struct max_speed *rule = check;
    const struct rule_notes *notes = &context->thread->notes;
    snprintf(out, cap, "%.0f m in %.3g s from the point before: faster than %.4g m/s",
             notes->numbers[0], (double)notes->integers[0] / 1e3, rule->limit_ms);
}

const struct rule_kind rule_max_speed_between_points = {
    .name = "max_speed_between_points",
    .help = "The vehicle could have come from its point before to this one: the distance over the "
            "time between the two events is no higher speed than `limit`. A single wild point "
            "fails, the good one after it does not.",
    .example = "{id: jump, kind: max_speed_between_points, limit: 250 km/h, on_fail: flag}",
    .reason = REASON_RULE_MAX_SPEED,
    .settings = settings,
    .check_size = sizeof(struct max_speed),
    .defaults = &defaults,
    .compile = compile,
    .run = run,
    .explain = explain,
};
