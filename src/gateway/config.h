/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of the gateway (module "gateway"). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "config/schema.h"
#include "net/server.h"

struct gateway_config {
    const char *listen;
    int64_t loops; /* 0 = one per core */
    bool echo;
    int64_t recent_identities; /* per loop */
    int64_t vehicle_packets_per_s;
    int64_t packet_bytes;
    int64_t held_bytes; /* per loop: messages that wait for room */
    int64_t drain_deadline_ns;
    struct server_limits limits;
};

extern const struct config_module gateway_module;
