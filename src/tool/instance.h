/* SPDX-License-Identifier: Apache-2.0 */
/* The roles of one process and what they share: broker, ruleset, database, the
 * admin address, signals. `motorcade run` is an instance with all roles,
 * `motorcade gateway` one with one. */
#pragma once

#include "base/error.h"
#include "config/config.h"

enum instance_role {
    ROLE_GATEWAY = 1 << 0,
    ROLE_HANDLER = 1 << 1,
    ROLE_STORE = 1 << 2,
    ROLE_LIVE = 1 << 3,
    ROLE_ALL = ROLE_GATEWAY | ROLE_HANDLER | ROLE_STORE | ROLE_LIVE,
};

struct instance_options {
    unsigned roles;        /* enum instance_role */
    const char *name;      /* the subcommand, for the log */
    const char *data_dir;  /* made when it isn't there */
    struct config *config; /* borrowed */
    /* A fresh snapshot of the same sources, for SIGHUP. */
    int (*reload)(void *context, struct config **out, struct error *err);
    void *context;
};

/* Start, run until SIGINT, SIGTERM or a failure, stop in order. A second signal
 * ends at once with exit code 1. Returns the exit code; errors are logged. */
int instance_run(const struct instance_options *options);
