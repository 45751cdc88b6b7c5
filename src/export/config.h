/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of what is pushed out (modules "graphite", "statsd", "tracing"). */
#pragma once

#include <stdint.h>

#include "config/schema.h"

struct graphite_config {
    const char *address; /* host:port; "" = off */
    int64_t interval_ns;
    const char *prefix; /* {host} and {role} are filled in */
    int style;          /* enum graphite_style */
    struct setting_list tags;
    int64_t timeout_ns;
    int64_t backlog_bytes;
};
extern const struct config_module graphite_module;

struct statsd_config {
    const char *address;
    int64_t interval_ns;
    const char *prefix;
};
extern const struct config_module statsd_module;

struct tracing_config {
    const char *endpoint; /* http://host:4318; "" = off */
    const char *authorization;
    double ratio;
    int64_t slow_ns;
    int64_t per_s;
    int64_t timeout_ns;
};
extern const struct config_module tracing_module;
