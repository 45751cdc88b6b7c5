/* SPDX-License-Identifier: Apache-2.0 */
/* When each vehicle of a fleet sends, and on which link: a player's source. Open
 * loop: the schedule never waits for the gateway. The packets of all vehicles
 * are spread evenly over the interval; vehicle i sends on link i mod links. A
 * link without room falls behind and catches up later, each packet keeping the
 * time at which it was due. */
#pragma once

#include "simulate/fleet.h"
#include "simulate/player.h"

struct traffic_options {
    struct fleet_options fleet;
    double rate;         /* packets of each vehicle a second */
    uint32_t links;      /* at most fleet.count */
    int64_t offset_ns;   /* of the first packet: several loops interleave */
    int64_t duration_ns; /* 0: until `count`, or without end */
    uint64_t count;      /* packets in all; 0: no limit */
    bool has_notes;      /* "vehicle,seq,time\n" for the ack log */
};

struct traffic;

int traffic_new(struct traffic **out, const struct traffic_options *options, struct stats *stats,
                struct error *err);
void traffic_free(struct traffic *traffic);
struct player_source traffic_source(struct traffic *traffic);
