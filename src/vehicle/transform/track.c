/* SPDX-License-Identifier: Apache-2.0 */
#include "vehicle/transform/track.h"

#include <math.h>

#include "base/clock.h"
#include "vehicle/geo.h"

bool track_has_point(const struct packet *packet)
{
    const uint32_t wanted = PACKET_HAS_LAT | PACKET_HAS_LON;
    return (packet->fields & wanted) == wanted && fabs(packet->lat) <= 90 &&
           fabs(packet->lon) <= 180;
}

bool track_measure(const struct track *track, const struct packet *packet, int64_t max_gap_ns,
                   struct track_step *out)
{
    if (!track->is_known || packet->time_ms <= track->time_ms ||
        packet->time_ms - track->time_ms > max_gap_ns / NS_PER_MS)
        return false;
    *out = (struct track_step){
        .distance_m = geo_distance_m(track->lat, track->lon, packet->lat, packet->lon),
        .seconds = (double)(packet->time_ms - track->time_ms) / 1000,
        .bearing_deg = geo_bearing_deg(track->lat, track->lon, packet->lat, packet->lon),
    };
    return true;
}

void track_move(struct track *track, const struct packet *packet)
{
    if (track->is_known && packet->time_ms <= track->time_ms)
        return;
    *track = (struct track){packet->lat, packet->lon, packet->time_ms, true};
}
