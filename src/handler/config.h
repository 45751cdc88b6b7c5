/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of the handler (module "handler"). */
#pragma once

#include <stdint.h>

#include "config/schema.h"

struct handler_config {
    int64_t threads;
    int64_t batch_records;
    int64_t batches_in_flight;           /* per thread, waiting to be durable */
    int64_t drain_timeout_ns;            /* at a stop: what is not durable by then is done again */
    int64_t state_vehicles, state_bytes; /* what rules remember; of all threads */
    const char *group;                   /* "" = HANDLER_GROUP */
    const char *rules;                   /* file or folder; "" = the default */
    /* Not settings: the ingest topics (module "topics"; none = the dialects' own),
     * and where attempts are remembered (the data folder), or NULL. */
    struct setting_list topics;
    const char *state_dir;
};

extern const struct config_module handler_module;
