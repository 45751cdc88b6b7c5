/* SPDX-License-Identifier: Apache-2.0 */
/* outside: the position lies in no geofence. */
#include "vehicle/rule/fence.h"

static bool run(const void *check, const struct packet *packet, const struct rule_context *context)
{
    (void)context;
    return !rule_fence_has_place(packet) || !rule_fence_holds(check, packet);
}

const struct rule_kind rule_outside = {
    .name = "outside",
    .help = "The contrary of `inside`, with the same settings: the position lies in no geofence "
            "(with `match: all`, not in all of them). No position passes.",
    .example = "{id: not-the-yard, kind: outside, lat: 52.52, lon: 13.405, radius: 250 m, on_fail: "
               "flag}",
    .reason = REASON_RULE_OUTSIDE,
    .settings = rule_fence_settings,
    .check_size = sizeof(struct rule_fence),
    .defaults = &rule_fence_defaults,
    .compile = rule_fence_compile,
    .run = run,
    .explain = rule_fence_explain,
};
