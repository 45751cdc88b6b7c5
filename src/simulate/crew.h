/* SPDX-License-Identifier: Apache-2.0 */
/* Players side by side, watched from the main thread: progress, signals, the end
 * and the report. What simulate and replay have in common above a player. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "simulate/player.h"

struct crew_options {
    struct player *const *players; /* not started */
    struct stats *const *stats;    /* of each */
    uint32_t count;
    uint64_t vehicles; /* for the report; 0: not known */
    uint32_t connections;
    bool wants_acks;
    bool is_quiet; /* no progress */
    bool is_json;  /* the report */
    /* How much is done, 0..1; any thread. NULL: not known. */
    double (*share_done)(void *context);
    void *context;
};

/* Raise this process's limit of open files as far as it may; returns the limit. */
uint64_t crew_raise_file_limit(void);

/* Starts the players, blocks until all have ended, and prints the report to
 * standard output and progress to standard error. SIGINT and SIGTERM end playing
 * and leave 5 s for outstanding acks; a second one ends at once. -1: a player did
 * not start, or not all that was sent was acked or rejected (ERROR_REMOTE). */
int crew_run(const struct crew_options *options, struct error *err);
