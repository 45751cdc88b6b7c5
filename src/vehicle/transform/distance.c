/* SPDX-License-Identifier: Apache-2.0 */
/* distance: metres from the vehicle's last point to this one. */
#include "base/clock.h"
#include "vehicle/transform/track.h"
#include "vehicle/transform/transform.h"

struct distance {
    struct field into;
    int64_t max_gap_ns;
    int when;
};

static const struct distance defaults = {
    .into = {.name = {"distance", 8}, .type = FIELD_SIGNAL},
    .max_gap_ns = 10 * 60 * NS_PER_S,
};

static const struct rule_setting settings[] = {
    {"into", RULE_SETTING_FIELD, offsetof(struct distance, into), false, NULL,
     "where it goes, in metres; default is the signal `distance`"},
    {"max_gap", RULE_SETTING_DURATION, offsetof(struct distance, max_gap_ns), false, NULL,
     "points further apart in time give no distance; default `10m`. What is remembered of a "
     "vehicle reaches back as far"},
    TRANSFORM_WHEN(distance),
    {0},
};

static int compile(struct rule_build *build, void *step, struct transform_needs *needs,
                   struct error *err)
{
    const struct distance *distance = step;
    if (distance->max_gap_ns <= 0)
        return yaml_error(yaml_get(build->node, "max_gap"), err, "max_gap must be more than 0");
    *needs = (struct transform_needs){TRANSFORM_NUMBER, sizeof(struct track), distance->max_gap_ns};
    return transform_check_target(yaml_get(build->node, "into"), "into", &distance->into, err);
}

static void run(const void *step, struct transform_run *run)
{
    const struct distance *distance = step;
    if (!track_has_point(run->packet))
        return;
    struct track *track = transform_state(run);
    struct track_step way;
    bool is_wanted =
        distance->when == TRANSFORM_WHEN_ALWAYS || !field_is_present(&distance->into, run->packet);
    if (is_wanted && track_measure(track, run->packet, distance->max_gap_ns, &way))
        transform_write_number(run, &distance->into, way.distance_m);
    track_move(track, run->packet);
}

const struct transform_kind transform_distance = {
    .name = "distance",
    .help = "Metres between the vehicle's last point and this one, along the great circle.",
    .example = "{op: distance, into: step_m}",
    .settings = settings,
    .settings_size = sizeof(struct distance),
    .defaults = &defaults,
    .compile = compile,
    .run = run,
};
