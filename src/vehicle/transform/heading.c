/* SPDX-License-Identifier: Apache-2.0 */
/* heading: the direction from the vehicle's last point to this one. A vehicle
 * that stands seems to jump about; so a step shorter than min_distance keeps the
 * last heading, and its point is not taken for the next one's beginning. */
#include "base/clock.h"
#include "vehicle/transform/track.h"
#include "vehicle/transform/transform.h"

struct heading {
    struct field into;
    int64_t max_gap_ns;
    double min_distance_m;
    int when;
};

struct state {
    struct track track;
    double heading_deg;
    bool has_heading;
};

static const struct heading defaults = {
    .into = {.name = {"heading", 7},
             .type = FIELD_NUMBER,
             .offset = offsetof(struct packet, heading_deg),
             .mask = PACKET_HAS_HEADING},
    .max_gap_ns = 10 * 60 * NS_PER_S,
    .min_distance_m = 10,
};

static const struct rule_setting settings[] = {
    {"into", RULE_SETTING_FIELD, offsetof(struct heading, into), false, NULL,
     "where it goes, in degrees clockwise from north; default `heading`"},
    {"max_gap", RULE_SETTING_DURATION, offsetof(struct heading, max_gap_ns), false, NULL,
     "points further apart in time give no heading; default `10m`. What is remembered of a vehicle "
     "reaches back as far"},
    {.name = "min_distance",
     .type = RULE_SETTING_NUMBER,
     .offset = offsetof(struct heading, min_distance_m),
     .help = "a shorter way keeps the last heading; default `10 m`",
     .unit = RULE_UNIT_DISTANCE},
    TRANSFORM_WHEN(heading),
    {0},
};

static int compile(struct rule_build *build, void *step, struct transform_needs *needs,
                   struct error *err)
{
    const struct heading *heading = step;
    if (heading->max_gap_ns <= 0)
        return yaml_error(yaml_get(build->node, "max_gap"), err, "max_gap must be more than 0");
    if (heading->min_distance_m < 0)
        return yaml_error(yaml_get(build->node, "min_distance"), err,
                          "min_distance can't be below 0");
    *needs = (struct transform_needs){TRANSFORM_NUMBER, sizeof(struct state), heading->max_gap_ns};
    return transform_check_target(yaml_get(build->node, "into"), "into", &heading->into, err);
}

static void run(const void *step, struct transform_run *run)
{
    const struct heading *heading = step;
    if (!track_has_point(run->packet))
        return;
    struct state *state = transform_state(run);
    struct track_step way;
    bool is_next = track_measure(&state->track, run->packet, heading->max_gap_ns, &way);
    bool is_older = state->track.is_known && run->packet->time_ms <= state->track.time_ms;
    if (is_older)
        return;
    bool has_moved = !is_next || (way.distance_m > 0 && way.distance_m >= heading->min_distance_m);
    if (has_moved) {
        state->has_heading = is_next;
        state->heading_deg = is_next ? way.bearing_deg : 0;
        track_move(&state->track, run->packet);
    }
    if (state->has_heading &&
        (heading->when == TRANSFORM_WHEN_ALWAYS || !field_is_present(&heading->into, run->packet)))
        transform_write_number(run, &heading->into, state->heading_deg);
}

const struct transform_kind transform_heading = {
    .name = "heading",
    .help = "The direction from the vehicle's last point to this one, in degrees clockwise from "
            "north.",
    .example = "{op: heading, min_distance: 20 m}",
    .settings = settings,
    .settings_size = sizeof(struct heading),
    .defaults = &defaults,
    .compile = compile,
    .run = run,
};
