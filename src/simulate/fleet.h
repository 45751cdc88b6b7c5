/* SPDX-License-Identifier: Apache-2.0 */
/* N vehicles and the packets they send. Pure: time is a parameter, the same seed
 * gives the same fleet. One thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "simulate/drive.h"

enum {
    FLEET_PACKET_MAX = 256, /* bytes of one packet, at most */
    FLEET_VEHICLES_MAX = 1000000,
};

struct fleet_options {
    uint64_t seed;
    uint32_t first; /* a slice of the fleet: vehicles first .. first + count - 1 */
    uint32_t count;
    uint32_t epoch_s; /* distinguishes runs: sent as "epoch" */
    bool is_obu;      /* the plain client: {"obuid","lat","lon"}, numbers of 1.0-100.0 */
    struct street_box box;
};

struct fleet;

struct fleet_packet {
    uint64_t vehicle; /* the obuid */
    uint32_t seq;     /* 0: the plain client does not number */
    int64_t time_ms;
    size_t len;
};

/* ERROR_USAGE for a box without streets. Vehicle i of seed s is named
 * s * 1,000,000 + i; a plain client's is some number of 63 bits. */
int fleet_new(struct fleet **out, const struct fleet_options *options, struct error *err);
void fleet_free(struct fleet *fleet);

/* Vehicle i (0 .. count - 1 of the slice) drives on to time_ms and writes its next
 * packet into out (FLEET_PACKET_MAX bytes). */
struct fleet_packet fleet_next_packet(struct fleet *fleet, uint32_t i, int64_t time_ms, char *out);
