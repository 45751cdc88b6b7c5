/* SPDX-License-Identifier: Apache-2.0 */
/* How far each consumer group is: what `topics lag` prints and `topics grow` waits
 * for. Of Kafka by its administration, of the journal by reading it. */
#pragma once

#include "base/buf.h"
#include "broker/broker.h"
#include "broker/kafka/client.h"

struct lag_row {
    char group[KAFKA_NAME_MAX + 1];
    char topic[KAFKA_NAME_MAX + 1];
    int partition;
    int64_t position; /* what the group reads next; -1: it has committed nothing there */
    int64_t end;
    int64_t lag;
};

struct lag_table {
    struct lag_row *rows; /* by group, topic, partition */
    size_t count, cap;
    bool has_failed; /* memory */
};

/* `group` NULL: every group. */
int lag_read_kafka(struct lag_table *table, struct kafka_client *client, const char *group,
                   struct error *err);
int lag_read_journal(struct lag_table *table, struct broker *broker, const char *group,
                     struct error *err);
void lag_table_deinit(struct lag_table *table);

/* Sum over the partitions of a topic; of every group. */
int64_t lag_of_topic(const struct lag_table *table, const char *topic);
bool lag_has_topic(const struct lag_table *table, const char *topic);

void lag_put_text(const struct lag_table *table, struct buf *out);
void lag_put_json(const struct lag_table *table, struct buf *out);
