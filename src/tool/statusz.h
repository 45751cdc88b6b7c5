/* SPDX-License-Identifier: Apache-2.0 */
/* GET /statusz: one page for a person who asks what this process is doing:
 * roles, version, uptime, checks, lag, journal and spool, circuits, topics, the
 * last warnings and errors, the configuration in force with secrets hidden. */
#pragma once

#include "broker/broker.h"
#include "config/config.h"

struct statusz {
    const char *role; /* the subcommand */
    const char *data_dir;
    const struct config *config;
    struct broker *broker;
    int64_t started_ns; /* monotonic */
};

/* Borrowed until statusz_remove, which waits for pages under way. */
void statusz_add(struct statusz *statusz);
void statusz_remove(void);
