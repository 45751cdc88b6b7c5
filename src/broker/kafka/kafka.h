/* SPDX-License-Identifier: Apache-2.0 */
/* The Kafka back end's own parts: what its files share. Private to broker/kafka/.
 *
 * Each producer and each consumer is a connection of its own (rd_kafka_t), so
 * that nothing is shared between owner threads; one more, `ask`, answers
 * questions about topics and offsets. Topic numbers are this process's: a topic
 * gets one when it is first asked for and found on the cluster. */
#pragma once

#include "broker/driver.h"
#include "broker/kafka/client.h"

/* What a record is larger on the wire than its key, value and headers: the
 * batch's head (61), the record's and the headers' names. */
enum { KAFKA_RECORD_OVERHEAD = 512, KAFKA_SLOTS_MAX = 64 };

struct kafka {
    struct broker base;
    const struct kafka_config *config;
    pthread_mutex_t ask_lock; /* ask, committed_* */
    struct kafka_client ask;
    bool has_warned; /* that an ack may rest on a single broker */
    /* The last answer about a group's positions in a topic. */
    char committed_group[GROUP_NAME_MAX + 1];
    int committed_topic;
    int64_t committed_at_ns; /* monotonic; 0: none */
    int64_t committed[PARTITIONS_MAX];
    pthread_mutex_t consumers_lock; /* consumers, producer_slots */
    struct list consumers;
    uint64_t producer_slots; /* a bit each: the number in its label is taken */
};

static inline struct kafka *as_kafka(struct broker *broker)
{
    return (struct kafka *)(void *)broker;
}

/* ---- questions (ask.c); any thread; they wait up to kafka.start_timeout ---- */

/* Partitions of a topic on the cluster, made where the settings allow it. */
int kafka_ask_topic(struct kafka *kafka, const char *name, int *partitions, struct error *err);
int kafka_ask_offsets(struct kafka *kafka, const char *name, int partition,
                      struct broker_offsets *out, struct error *err);
/* The offsets for timestamps in ms (-1: the end; -2: the earliest) in the list's
 * offsets; an end where there is none so late. Names as on the cluster. */
int kafka_ask_times(struct kafka *kafka, rd_kafka_topic_partition_list_t *list, struct error *err);
/* A group's position as the cluster has it, at most a second old; -1: none. */
int64_t kafka_ask_committed(struct kafka *kafka, const char *group, int topic, int partition);

/* ---- numbers (kafka.c) ---- */

/* The least free number of a producer, for its label; from 64 on all share one. */
int kafka_take_slot(struct kafka *kafka);
void kafka_put_slot(struct kafka *kafka, int slot);

/* ---- producing (producer.c) ---- */

int kafka_producer_open(struct producer **out, struct broker *broker, struct error *err);
enum publish_result kafka_publish(struct producer *producer, int topic, int partition,
                                  const struct record *record, uint64_t tag);
void kafka_flush(struct producer *producer);
void kafka_poll(struct producer *producer);
void kafka_wait(struct producer *producer, int64_t timeout_ns);
void kafka_recall(struct producer *producer);
void kafka_producer_close(struct producer *producer, int64_t timeout_ns);

/* ---- consuming (consumer.c) ---- */

int kafka_consumer_open(struct consumer **out, struct broker *broker,
                        const struct consumer_options *options, struct error *err);
int kafka_fetch(struct consumer *consumer, struct consumed_batch *out, size_t max,
                int64_t timeout_ns, struct error *err);
void kafka_idle(struct consumer *consumer);
int kafka_commit(struct consumer *consumer, int topic, int partition, int64_t next_offset,
                 struct error *err);
int kafka_seek(struct consumer *consumer, int topic, int partition, int64_t offset,
               struct error *err);
int64_t kafka_next_offset(struct consumer *consumer, int topic, int partition);
int64_t kafka_lag(struct consumer *consumer, int topic, int partition);
size_t kafka_owned(const struct consumer *consumer);
void kafka_consumer_close(struct consumer *consumer);
/* Any thread: what a consumer of this process has committed; -1: none has. */
int64_t kafka_committed_here(struct kafka *kafka, const char *group, int topic, int partition);
void kafka_refresh_lag(struct broker *broker);
