/* SPDX-License-Identifier: Apache-2.0 */
/* A vehicle's way from one point to the next, for the operations that derive
 * from it. A slot of the vehicle's state; zeros: no point yet. */
#pragma once

#include "vehicle/packet.h"

struct track {
    double lat, lon;
    int64_t time_ms;
    bool is_known;
};

struct track_step {
    double distance_m;
    double seconds; /* more than 0 */
    double bearing_deg;
};

/* Has the packet a point of its own, on the globe? */
bool track_has_point(const struct packet *packet);
/* From the last point to the packet's; false: there is none, it is not older, or
 * it is older than max_gap_ns. Nothing is remembered by this. */
bool track_measure(const struct track *track, const struct packet *packet, int64_t max_gap_ns,
                   struct track_step *out);
/* The packet's point is the last one from now on, unless a later one was seen. */
void track_move(struct track *track, const struct packet *packet);
