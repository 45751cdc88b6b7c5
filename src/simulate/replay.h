/* SPDX-License-Identifier: Apache-2.0 */
/* A recorded trace against a gateway: what `motorcade replay` does. */
#pragma once

#include "simulate/sender.h"

struct replay_options {
    const char *path; /* "-": standard input */
    const char *url;
    const char *map;      /* see simulate/columns.h; or NULL */
    double speed;         /* 60: an hour in a minute; 0: as fast as it is taken */
    uint32_t connections; /* a vehicle's packets all go over one */
    uint32_t batch;
    uint64_t window; /* packets of each connection; 0: a good one */
    int64_t grace_ns;
    const char *ack_log; /* path, or NULL */
    bool has_no_acks;
    bool is_frame_per_write;
    bool is_json;
    bool is_quiet;
};

/* Speed 1, 8 connections, 10 s of grace, ws://127.0.0.1:30000/ws. */
void replay_options_defaults(struct replay_options *options);

/* Blocks until its end; see crew_run(). */
int replay_run(const struct replay_options *options, struct error *err);
