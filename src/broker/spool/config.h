/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of the spool (module "spool"). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "config/schema.h"

struct spool_config {
    bool is_enabled;
    const char *folder; /* "" = <data>/spool */
    int64_t after_ns;   /* without any delivery: the broker is away */
    int64_t cap_bytes;  /* 0 = 10 % of the disk */
    int64_t age_limit_ns;
    int64_t drain_share; /* percent of the time, while other packets pass */
    int64_t drain_rate;  /* records/s; 0 = no limit */
    int64_t retry_max_ns;
};

extern const struct config_module spool_module;
