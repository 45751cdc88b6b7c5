/* SPDX-License-Identifier: Apache-2.0 */
/* A simulated fleet against a gateway: what `motorcade simulate` does. */
#pragma once

#include "simulate/fleet.h"
#include "simulate/sender.h"

struct simulate_options {
    const char *url;
    uint32_t vehicles;
    uint32_t connections; /* 0: one for each vehicle, up to 1,000 */
    uint32_t loops;
    double rate;         /* packets of each vehicle a second */
    int64_t duration_ns; /* 0: no end by time */
    uint64_t count;      /* packets in all; 0: no end by number */
    uint32_t batch;
    uint64_t window; /* packets of each connection; 0: a good one */
    int64_t grace_ns;
    struct street_box box;
    uint64_t seed;
    const char *ack_log; /* path, or NULL */
    bool is_obu;
    bool has_no_acks;
    bool is_frame_per_write;
    bool is_json;
    bool is_quiet;
};

/* 500 vehicles in San Francisco, one packet a second each, one loop, 10 s of
 * grace, ws://127.0.0.1:30000/ws. */
void simulate_options_defaults(struct simulate_options *options);

/* Blocks until its end; see crew_run(). */
int simulate_run(const struct simulate_options *options, struct error *err);
