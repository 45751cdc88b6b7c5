/* SPDX-License-Identifier: Apache-2.0 */
/* What the kinds inside and outside share: their settings, their fences, the test. */
#pragma once

#include "vehicle/geofence/fences.h"
#include "vehicle/rule/rule.h"

enum rule_fence_match { RULE_FENCE_ANY, RULE_FENCE_ALL };

struct rule_fence {
    struct rule_file file;
    struct rule_texts names;
    int match; /* enum rule_fence_match */
    double lat, lon, radius_m, width_m;
    const struct fences *fences; /* owned by the ruleset */
};

extern const struct rule_setting rule_fence_settings[];
extern const struct rule_fence rule_fence_defaults;

int rule_fence_compile(struct rule_build *build, void *check, struct rule_test *test,
                       struct error *err);

/* Is there a position? Both kinds let a packet without one pass. */
static inline bool rule_fence_has_place(const struct packet *packet)
{
    const uint32_t both = PACKET_HAS_LAT | PACKET_HAS_LON;
    return (packet->fields & both) == both;
}

/* Does the position lie in a fence, or with `match: all` in all of them? */
bool rule_fence_holds(const struct rule_fence *fence, const struct packet *packet);

/* "position 52.5, 13.4 is inside the fence "Depot" of depots.geojson". */
void rule_fence_explain(const void *check, const struct packet *packet,
                        const struct rule_context *context, char *out, size_t cap);
