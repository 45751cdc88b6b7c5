/* SPDX-License-Identifier: Apache-2.0 */
/* A topic as it should be (settings kafka.topic.*) against one as it is. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "broker/kafka/config.h"

enum { KAFKA_VALUE_MAX = 48, KAFKA_DIFFERENCES_MAX = 8 };

struct kafka_topic_state {
    bool exists;
    bool is_ready; /* each partition has a leader */
    int partitions;
    int replicas; /* of the partition that has the fewest */
    /* As the cluster says them, its defaults included; "" = not told. */
    char min_insync_replicas[KAFKA_VALUE_MAX];
    char retention_ms[KAFKA_VALUE_MAX];
    char compression[KAFKA_VALUE_MAX];
    char max_message_bytes[KAFKA_VALUE_MAX];
    char cleanup_policy[KAFKA_VALUE_MAX];
};

struct kafka_difference {
    const char *setting; /* as Kafka calls it; "topic" when there is none */
    char expected[KAFKA_VALUE_MAX];
    char found[KAFKA_VALUE_MAX];
    /* A role can't keep its promise with it: a record that was acked would not fit. */
    bool is_fatal;
};

/* The settings of a topic that is created, in Kafka's words; name == NULL ends it. */
struct kafka_topic_setting {
    const char *name;
    char value[KAFKA_VALUE_MAX];
};
void kafka_topic_settings(const struct kafka_config *config,
                          struct kafka_topic_setting out[KAFKA_DIFFERENCES_MAX]);

/* More partitions, more copies and room for larger batches than asked for are no
 * difference. `record_bytes_max`: what gateways accept. Returns how many. */
size_t kafka_topic_compare(const struct kafka_config *config, int64_t record_bytes_max,
                           const struct kafka_topic_state *state,
                           struct kafka_difference out[KAFKA_DIFFERENCES_MAX]);
