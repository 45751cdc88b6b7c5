/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/kafka/kafka.h"

#include <stdlib.h>
#include <string.h>

#include "base/must.h"

static int kafka_open(struct broker **out, const struct broker_config *config, struct error *err)
{
    must(config->kafka != NULL);
    struct kafka *kafka = calloc(1, sizeof *kafka);
    if (kafka == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a broker");
    if (kafka_client_open_plain(&kafka->ask, config->kafka, err) != 0) {
        free(kafka);
        return -1;
    }
    broker_init(&kafka->base, &kafka_driver, config);
    kafka->base.config.partitions = config->kafka->topic.partitions;
    kafka->config = config->kafka;
    must(pthread_mutex_init(&kafka->ask_lock, NULL) == 0);
    must(pthread_mutex_init(&kafka->consumers_lock, NULL) == 0);
    list_init(&kafka->consumers);
    *out = &kafka->base;
    return 0;
}

static void kafka_close(struct broker *broker)
{
    struct kafka *kafka = as_kafka(broker);
    kafka_client_close(&kafka->ask);
    pthread_mutex_destroy(&kafka->ask_lock);
    pthread_mutex_destroy(&kafka->consumers_lock);
    broker_deinit(broker);
    free(kafka);
}

static int kafka_add_topic(struct broker *broker, int number, struct error *err)
{
    struct topic *topic = &broker->topics.items[number];
    int partitions = topic->partitions;
    if (kafka_ask_topic(as_kafka(broker), topic->name, &partitions, err) != 0)
        return -1;
    topic->partitions = partitions;
    return 0;
}

static int kafka_offsets(struct broker *broker, int topic, int partition,
                         struct broker_offsets *out, struct error *err)
{
    return kafka_ask_offsets(as_kafka(broker), topics_get(&broker->topics, topic)->name, partition,
                             out, err);
}

int kafka_take_slot(struct kafka *kafka)
{
    pthread_mutex_lock(&kafka->consumers_lock);
    int slot = 0;
    while (slot < KAFKA_SLOTS_MAX && (kafka->producer_slots >> slot & 1) != 0)
        slot++;
    if (slot < KAFKA_SLOTS_MAX)
        kafka->producer_slots |= UINT64_C(1) << slot;
    pthread_mutex_unlock(&kafka->consumers_lock);
    return slot;
}

void kafka_put_slot(struct kafka *kafka, int slot)
{
    if (slot >= KAFKA_SLOTS_MAX)
        return;
    pthread_mutex_lock(&kafka->consumers_lock);
    kafka->producer_slots &= ~(UINT64_C(1) << slot);
    pthread_mutex_unlock(&kafka->consumers_lock);
}

static int64_t kafka_committed(struct broker *broker, const char *group, int topic, int partition)
{
    int64_t here = kafka_committed_here(as_kafka(broker), group, topic, partition);
    return here >= 0 ? here : kafka_ask_committed(as_kafka(broker), group, topic, partition);
}

const struct broker_driver kafka_driver = {
    .name = "kafka",
    .open = kafka_open,
    .close = kafka_close,
    .add_topic = kafka_add_topic,
    .offsets = kafka_offsets,
    .committed = kafka_committed,
    .refresh_lag = kafka_refresh_lag,
    .producer_open = kafka_producer_open,
    .publish = kafka_publish,
    .flush = kafka_flush,
    .poll = kafka_poll,
    .wait = kafka_wait,
    .recall = kafka_recall,
    .producer_close = kafka_producer_close,
    .consumer_open = kafka_consumer_open,
    .fetch = kafka_fetch,
    .idle = kafka_idle,
    .commit = kafka_commit,
    .seek = kafka_seek,
    .next_offset = kafka_next_offset,
    .lag = kafka_lag,
    .owned = kafka_owned,
    .consumer_close = kafka_consumer_close,
};
