/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of the store's database (module "sink"). */
#pragma once

#include <stdint.h>

#include "config/schema.h"
#include "sink/mongodb/config.h"

enum sink_kind { SINK_SQLITE, SINK_MEMORY, SINK_MONGODB };
enum { SINK_KINDS = SINK_MONGODB + 1 };
enum sink_exhausted { SINK_DEAD_LETTER, SINK_PAUSE };

struct sink_config {
    int kind;                  /* enum sink_kind: what history is read from */
    struct setting_list sinks; /* names of kinds that are written to; none = kind */
    const char *data_dir;      /* the database lies in <data_dir>/store; from --data */
    int64_t span_ns;           /* received time that one file covers */
    int64_t retention_ns;      /* 0 = keep for ever */
    int64_t batch_rows;
    int64_t batch_bytes;
    int64_t batch_age_ns;
    int64_t retry_delay_max_ns;
    int64_t item_attempts; /* of one packet whose batch is stored otherwise */
    int on_exhausted;      /* enum sink_exhausted: what comes after them */
    int64_t breaker_failures;
    int64_t breaker_delay_ns;
    int64_t merge_interval_ns;
    int64_t vehicles_in_memory; /* whose newest order is kept in memory */
    struct mongodb_config mongodb;
};

/* The kinds that are written to, `kind` first; their number. */
size_t sink_kinds(const struct sink_config *config, enum sink_kind kinds[SINK_KINDS]);
const char *sink_kind_name(enum sink_kind kind);

extern const struct config_module sink_module;
