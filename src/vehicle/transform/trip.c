/* SPDX-License-Identifier: Apache-2.0 */
/* trip: which trip a packet belongs to. A trip begins after a gap, and its name
 * is when it began, so that a second run gives the same names. For that the
 * beginning must follow from the records of a bounded time: a trip ends at the
 * latest where the clock (UTC) passes a whole multiple of `longest`. */
#include "base/clock.h"
#include "base/text.h"
#include "vehicle/transform/transform.h"

struct trip {
    struct field into;
    int64_t gap_ns;
    int64_t longest_ns;
    int when;
};

struct state {
    int64_t first_ms, last_ms;
    bool is_known;
};

static const struct trip defaults = {
    .into = {.name = {"trip", 4}, .type = FIELD_SIGNAL},
    .longest_ns = 12 * 3600 * NS_PER_S,
};

static const struct rule_setting settings[] = {
    {"gap", RULE_SETTING_DURATION, offsetof(struct trip, gap_ns), true, NULL,
     "after so long without a packet, by event times, a new trip begins"},
    {"longest", RULE_SETTING_DURATION, offsetof(struct trip, longest_ns), false, NULL,
     "a trip also ends where the time passes a multiple of this (UTC); default `12h`. What is "
     "remembered of a vehicle reaches back as far"},
    {"into", RULE_SETTING_FIELD, offsetof(struct trip, into), false, NULL,
     "where it goes; default is the signal `trip`"},
    TRANSFORM_WHEN(trip),
    {0},
};

static int compile(struct rule_build *build, void *step, struct transform_needs *needs,
                   struct error *err)
{
    const struct trip *trip = step;
    const struct yaml_node *node = build->node;
    if (trip->gap_ns <= 0)
        return yaml_error(yaml_get(node, "gap"), err, "gap must be more than 0");
    if (trip->longest_ns < trip->gap_ns)
        return yaml_error(node, err, "longest must not be shorter than gap");
    if (trip->into.type != FIELD_SIGNAL)
        return yaml_error(yaml_get(node, "into"), err,
                          "a trip's name is text: it goes into a signal");
    *needs = (struct transform_needs){TEXT_TIME_MAX + 2, sizeof(struct state), trip->longest_ns};
    return 0;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static bool begins(const struct trip *trip, const struct state *state, int64_t time_ms)
{
    int64_t longest_ms = trip->longest_ns / NS_PER_MS;
    return !state->is_known || time_ms - state->last_ms > trip->gap_ns / NS_PER_MS ||
           floor_div(time_ms, longest_ms) != floor_div(state->first_ms, longest_ms);
}

/* A packet that comes late belongs to the trip under way if it lies in it. */
static bool find_trip(const struct trip *trip, struct state *state, int64_t time_ms)
{
    if (state->is_known && time_ms < state->last_ms)
        return time_ms >= state->first_ms;
    if (begins(trip, state, time_ms))
        state->first_ms = time_ms;
    state->last_ms = time_ms;
    state->is_known = true;
    return true;
}

static void run(const void *step, struct transform_run *run)
{
    const struct trip *trip = step;
    struct state *state = transform_state(run);
    if (!find_trip(trip, state, run->packet->time_ms) ||
        (trip->when == TRANSFORM_WHEN_ABSENT && field_is_present(&trip->into, run->packet)))
        return;
    char *text = transform_text(run, TEXT_TIME_MAX + 2);
    text[0] = '"';
    size_t len = 1 + text_from_time_ms(text + 1, state->first_ms);
    text[len] = '"';
    transform_write_signal(run, &trip->into, bytes_of(text, len + 1), SIGNAL_STRING);
}

const struct transform_kind transform_trip = {
    .name = "trip",
    .help = "The trip that a packet belongs to: the event time of the trip's first packet, which "
            "names it together with the vehicle.",
    .example = "{op: trip, gap: 15m}",
    .settings = settings,
    .settings_size = sizeof(struct trip),
    .defaults = &defaults,
    .compile = compile,
    .run = run,
};
