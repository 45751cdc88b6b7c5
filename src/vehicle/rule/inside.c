/* SPDX-License-Identifier: Apache-2.0 */
/* inside: the position lies in a geofence. */
#include "vehicle/rule/fence.h"

static bool run(const void *check, const struct packet *packet, const struct rule_context *context)
{
    (void)context;
    return !rule_fence_has_place(packet) || rule_fence_holds(check, packet);
}

const struct rule_kind rule_inside = {
    .name = "inside",
    .help =
        "The position lies in a geofence of a GeoJSON file, or in a circle; its edge belongs to "
        "it. No position passes.",
    .example = "{id: in-berlin, kind: inside, lat: 52.52, lon: 13.405, radius: 30 km}",
    .reason = REASON_RULE_INSIDE,
    .settings = rule_fence_settings,
    .check_size = sizeof(struct rule_fence),
    .defaults = &rule_fence_defaults,
    .compile = rule_fence_compile,
    .run = run,
    .explain = rule_fence_explain,
};
