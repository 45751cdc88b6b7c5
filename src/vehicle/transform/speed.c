/* SPDX-License-Identifier: Apache-2.0 */
/* speed: from where the vehicle was to where it is, by the time between. */
#include "base/clock.h"
#include "vehicle/transform/track.h"
#include "vehicle/transform/transform.h"

struct speed {
    struct field into;
    int64_t max_gap_ns;
    int when;
};

static const struct speed defaults = {
    .into = {.name = {"speed", 5},
             .type = FIELD_NUMBER,
             .offset = offsetof(struct packet, speed_ms),
             .mask = PACKET_HAS_SPEED},
    .max_gap_ns = 10 * 60 * NS_PER_S,
};

static const struct rule_setting settings[] = {
    {"into", RULE_SETTING_FIELD, offsetof(struct speed, into), false, NULL,
     "where it goes, in m/s; default `speed`"},
    {"max_gap", RULE_SETTING_DURATION, offsetof(struct speed, max_gap_ns), false, NULL,
     "points further apart in time give no speed; default `10m`. What is remembered of a vehicle "
     "reaches back as far"},
    TRANSFORM_WHEN(speed),
    {0},
};

static int compile(struct rule_build *build, void *step, struct transform_needs *needs,
                   struct error *err)
{
    const struct speed *speed = step;
    if (speed->max_gap_ns <= 0)
        return yaml_error(yaml_get(build->node, "max_gap"), err, "max_gap must be more than 0");
    *needs = (struct transform_needs){TRANSFORM_NUMBER, sizeof(struct track), speed->max_gap_ns};
    return transform_check_target(yaml_get(build->node, "into"), "into", &speed->into, err);
}

static void run(const void *step, struct transform_run *run)
{
    const struct speed *speed = step;
    if (!track_has_point(run->packet))
        return;
    struct track *track = transform_state(run);
    struct track_step way;
    bool is_wanted =
        speed->when == TRANSFORM_WHEN_ALWAYS || !field_is_present(&speed->into, run->packet);
    if (is_wanted && track_measure(track, run->packet, speed->max_gap_ns, &way))
        transform_write_number(run, &speed->into, way.distance_m / way.seconds);
    track_move(track, run->packet);
}

const struct transform_kind transform_speed = {
    .name = "speed",
    .help = "The speed between the vehicle's last point and this one, in m/s, by their event "
            "times. A point that is older than the last gives none.",
    .example = "{op: speed, max_gap: 5m}",
    .settings = settings,
    .settings_size = sizeof(struct speed),
    .defaults = &defaults,
    .compile = compile,
    .run = run,
};
