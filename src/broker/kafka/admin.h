/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to the cluster and changes of its topics, by name without
 * kafka.prefix. Each blocks, at most kafka.start_timeout, and fails with one line
 * that names the fix. For tools and starts, never on a loop. */
#pragma once

#include "broker/broker.h"
#include "broker/kafka/client.h"
#include "broker/kafka/topic_check.h"

/* One topic as it is; !out->exists when there is none. */
int kafka_admin_describe(struct kafka_client *client, const char *topic,
                         struct kafka_topic_state *out, struct error *err);
/* How many it has; 0: no such topic. */
int kafka_admin_partitions(struct kafka_client *client, const char *topic, int *out,
                           struct error *err);
/* As the settings say, but for the partitions; can be used when it returns.
 * ERROR_BUSY when it exists already. */
int kafka_admin_create(struct kafka_client *client, const char *topic, int partitions,
                       struct error *err);
/* To `partitions` in all. */
int kafka_admin_grow(struct kafka_client *client, const char *topic, int partitions,
                     struct error *err);

/* First offset kept, and one past the last record. */
int kafka_admin_offsets(struct kafka_client *client, const char *topic, int partition,
                        struct broker_offsets *out, struct error *err);
/* Delete all of one partition below `before`. */
int kafka_admin_delete_records(struct kafka_client *client, const char *topic, int partition,
                               int64_t before, struct error *err);

/* ---- groups ---- */

struct kafka_groups {
    char (*names)[KAFKA_NAME_MAX + 1]; /* without the prefix */
    size_t count;
};
/* Those whose names begin with the prefix. */
int kafka_admin_groups(struct kafka_client *client, struct kafka_groups *out, struct error *err);
void kafka_groups_deinit(struct kafka_groups *groups);

/* The group's committed offsets, one after the other; topics whose names lack the
 * prefix are left out. */
typedef void (*kafka_position_fn)(void *context, const char *topic, int partition, int64_t offset);
int kafka_admin_positions(struct kafka_client *client, const char *group, kafka_position_fn fn,
                          void *context, struct error *err);
