/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of the role live (module "live"). */
#pragma once

#include <stdint.h>

#include "config/schema.h"
#include "net/server.h"

struct live_config {
    const char *listen;
    const char *data_dir;    /* the snapshot lies in <data_dir>/live; "" or NULL: none is kept */
    const char *store_group; /* whose committed offsets the sink stands for; NULL: "store" */
    int64_t threads;
    int64_t max_vehicles;
    int64_t ttl_ns;
    int64_t packet_bytes;
    int64_t snapshot_interval_ns; /* 0: none but the one at the end */
    int64_t push_interval_ns;     /* 0: at the end of each turn of the loop */
    int64_t max_riders;
    int64_t vehicles_per_rider;
    int64_t changes_per_rider;
    int64_t messages_per_s;
    int64_t push_bytes;
    int64_t stall_ns;
    int64_t keep_alive_ns;
    int64_t page_vehicles;
    struct server_limits limits;
};

extern const struct config_module live_module;
