/* SPDX-License-Identifier: Apache-2.0 */
/* A line every few seconds of what the process is doing, from its own metrics. */
#pragma once

#include <stdint.h>

#include "config/schema.h"
#include "net/loop.h"

/* Settings of a process as a whole (module "run"). */
struct run_config {
    int64_t status_interval_ns; /* 0 = never */
};

extern const struct config_module run_module;

struct status;
/* NULL without memory. `name` speaks in the log and must stay. */
struct status *status_start(struct loop *loop, const char *name, const struct run_config *config);
void status_stop(struct status *status); /* NULL is fine */
