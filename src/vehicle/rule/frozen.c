/* SPDX-License-Identifier: Apache-2.0 */
/* frozen: the vehicle says that it moves, and its position stays the same: a
 * receiver that repeats itself. Packets further apart than `for` say nothing of
 * each other, so that the answer follows from twice that time. */
#include <stdio.h>

#include "base/text.h"
#include "vehicle/rule/rule.h"

struct frozen {
    int64_t for_ns;
    double min_speed_ms;
    struct state_slot slot;
};

struct memory {
    double lat, lon;
    int64_t since_ns; /* received; 0: the vehicle does not seem frozen */
    int64_t last_ns;
};

static const struct rule_setting settings[] = {
    {"for", RULE_SETTING_DURATION, offsetof(struct frozen, for_ns), true, NULL,
     "how long, by the time of receipt, the position may stay exactly the same"},
    {"min_speed", RULE_SETTING_NUMBER, offsetof(struct frozen, min_speed_ms), false, NULL,
     "the vehicle moves when its speed is above this; default 0", .min = 0, .max = 1e5,
     .unit = RULE_UNIT_SPEED},
    {0},
};

static int compile(struct rule_build *build, void *check, struct rule_test *test, struct error *err)
{
    (void)test;
    struct frozen *frozen = check;
    int64_t lookback_ns;
    if (frozen->for_ns <= 0)
        return yaml_error(yaml_get(build->node, "for"), err, "for must be longer than 0");
    if (__builtin_mul_overflow(frozen->for_ns, 2, &lookback_ns))
        lookback_ns = INT64_MAX;
    return rule_claim_state(build, sizeof(struct memory), lookback_ns, &frozen->slot, err);
}

static bool is_moving(const struct frozen *frozen, const struct packet *packet)
{
    return (packet->fields & PACKET_HAS_SPEED) != 0 && packet->speed_ms > frozen->min_speed_ms;
}

static bool run(const void *check, const struct packet *packet, const struct rule_context *context)
{
    const uint32_t place = PACKET_HAS_LAT | PACKET_HAS_LON;
    const struct frozen *frozen = check;
    if ((packet->fields & place) != place)
        return true;
    struct memory *memory = rule_state(context, packet, frozen->slot);
    int64_t now_ns = context->received_ns;
    bool goes_on = memory->since_ns != 0 && now_ns - memory->last_ns <= frozen->for_ns &&
                   packet->lat == memory->lat && packet->lon == memory->lon;
    if (!is_moving(frozen, packet)) {
        *memory = (struct memory){0};
        return true;
    }
    *memory = (struct memory){.lat = packet->lat,
                              .lon = packet->lon,
                              .since_ns = goes_on ? memory->since_ns : now_ns,
                              .last_ns = now_ns};
    return now_ns - memory->since_ns < frozen->for_ns;
}

static void explain(const void *check, const struct packet *packet,
                    const struct rule_context *context, char *out, size_t cap)
{
    (void)context;
    const struct frozen *frozen = check;
    char time[TEXT_UNIT_MAX];
    int time_len = (int)text_from_duration_ns(time, frozen->for_ns);
    snprintf(out, cap, "the same position for at least %.*s at %.4g m/s", time_len, time,
             packet->speed_ms);
}

const struct rule_kind rule_frozen = {
    .name = "frozen",
    .help = "The position of a vehicle that moves changes: it fails when each of its packets had "
            "exactly the same one for `for` and a speed above `min_speed`.",
    .example = "{id: frozen, kind: frozen, for: 10m, min_speed: 5 km/h, on_fail: flag}",
    .reason = REASON_RULE_FROZEN,
    .settings = settings,
    .check_size = sizeof(struct frozen),
    .compile = compile,
    .run = run,
    .explain = explain,
};
