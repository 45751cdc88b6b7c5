/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "broker/kafka/stats.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "observe/metrics.h"

enum { BROKERS_MAX = 64, LABELS_MAX = 384 };

struct figure {
    enum metric metric;
    const char *path[2]; /* path[1] NULL: one level */
    int64_t scale;       /* of what librdkafka counts in; 0 = 1 */
};

static const struct figure broker_figures[] = {
    {METRIC_KAFKA_RTT_AVERAGE, {"rtt", "avg"}, NS_PER_US},
    {METRIC_KAFKA_RTT_P99, {"rtt", "p99"}, NS_PER_US},
    {METRIC_KAFKA_OUTBUF, {"outbuf_cnt"}},
    {METRIC_KAFKA_WAITING, {"waitresp_cnt"}},
    {METRIC_KAFKA_RETRIES, {"txretries"}},
    {METRIC_KAFKA_TIMEOUTS, {"req_timeouts"}},
    {METRIC_KAFKA_SENT_BYTES, {"txbytes"}},
    {METRIC_KAFKA_RECEIVED_BYTES, {"rxbytes"}},
    {METRIC_KAFKA_DISCONNECTS, {"disconnects"}},
};

static const struct figure client_figures[] = {
    {METRIC_KAFKA_QUEUE_RECORDS, {"msg_cnt"}},
    {METRIC_KAFKA_QUEUE_BYTES, {"msg_size"}},
    {METRIC_KAFKA_SENT_RECORDS, {"txmsgs"}},
    {METRIC_KAFKA_RECEIVED_RECORDS, {"rxmsgs"}},
    {METRIC_KAFKA_ASSIGNED, {"cgrp", "assignment_size"}},
    {METRIC_KAFKA_GROUP_REBALANCES, {"cgrp", "rebalance_cnt"}},
};

static void set(enum metric metric, const char *labels, int64_t value)
{
    metric_series_set(metrics_series(metric, labels), value);
}

static void set_all(const struct figure *figures, size_t count, const json_t *from,
                    const char *labels)
{
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_object_get(from, figures[i].path[0]);
        if (figures[i].path[1] != NULL)
            value = json_object_get(value, figures[i].path[1]);
        if (json_is_integer(value))
            set(figures[i].metric, labels,
                json_integer_value(value) * (figures[i].scale == 0 ? 1 : figures[i].scale));
    }
}

static void take_broker(const char *client, const json_t *broker)
{
    char labels[LABELS_MAX];
    const char *name = json_string_value(json_object_get(broker, "nodename"));
    const char *state = json_string_value(json_object_get(broker, "state"));
    json_int_t id = json_integer_value(json_object_get(broker, "nodeid"));
    /* Addresses to begin with and the group's coordinator are no brokers of their own. */
    if (name == NULL || state == NULL || id < 0 || strpbrk(name, "\"\\\n") != NULL)
        return;
    snprintf(labels, sizeof labels, "client=\"%s\",broker=\"%s\"", client, name);
    set(METRIC_KAFKA_BROKER_UP, labels, strcmp(state, "UP") == 0 ? 1 : 0);
    set_all(broker_figures, sizeof broker_figures / sizeof broker_figures[0], broker, labels);
}

/* Producers only: consumers send no batches. */
static void take_topic(const char *client, const char *name, const json_t *topic)
{
    char labels[LABELS_MAX];
    const json_t *average = json_object_get(json_object_get(topic, "batchcnt"), "avg");
    if (json_integer_value(average) < 1 || strpbrk(name, "\"\\\n") != NULL)
        return;
    snprintf(labels, sizeof labels, "client=\"%s\",topic=\"%s\"", client, name);
    set(METRIC_KAFKA_BATCH_RECORDS, labels, json_integer_value(average));
}

void kafka_stats_take(const char *client, const char *json, size_t len)
{
    json_t *root = json_loadb(json, len, 0, NULL);
    char labels[LABELS_MAX];
    snprintf(labels, sizeof labels, "client=\"%s\"", client);
    set_all(client_figures, sizeof client_figures / sizeof client_figures[0], root, labels);
    const char *name;
    json_t *broker;
    json_t *topic;
    int count = 0;
    json_object_foreach(json_object_get(root, "brokers"), name, broker) if (count++ < BROKERS_MAX)
        take_broker(client, broker);
    json_object_foreach(json_object_get(root, "topics"), name, topic)
        take_topic(client, name, topic);
    json_decref(root);
}
