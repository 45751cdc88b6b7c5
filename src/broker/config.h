/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of the broker (module "broker"). */
#pragma once

#include <stdint.h>

#include "config/schema.h"

enum broker_kind { BROKER_JOURNAL, BROKER_MEMORY, BROKER_KAFKA };
enum broker_durability { DURABILITY_FSYNC, DURABILITY_INTERVAL, DURABILITY_NONE };

struct kafka_config;

struct broker_config {
    int kind;                 /* enum broker_kind */
    const char *data_dir;     /* the journal lies in <data_dir>/journal; from --data */
    int64_t partitions;       /* of a new topic */
    int durability;           /* enum broker_durability */
    int64_t sync_interval_ns; /* for DURABILITY_INTERVAL */
    int64_t group_delay_ns;   /* wait this long for company before a sync */
    int64_t group_bytes;      /* … or for this many bytes */
    int64_t segment_bytes;
    int64_t cap_bytes;    /* 0 = 10 % of the disk */
    int64_t retention_ns; /* by received time; only below every group's position */
    int64_t dead_letter_cap_bytes;
    int64_t producer_queue_records; /* per producer: more is PUBLISH_FULL */
    int64_t producer_queue_bytes;
    int64_t record_bytes_max;
    const struct kafka_config *kafka; /* module "kafka"; NULL: not BROKER_KAFKA */
};

extern const struct config_module broker_module;
