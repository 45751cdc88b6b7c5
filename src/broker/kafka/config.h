/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of Apache Kafka (module "kafka"); they count with broker.kind kafka. */
#pragma once

#include <stdint.h>

#include "config/schema.h"

enum kafka_mechanism {
    KAFKA_MECHANISM_NONE,
    KAFKA_MECHANISM_PLAIN,
    KAFKA_MECHANISM_SCRAM_SHA_256,
    KAFKA_MECHANISM_SCRAM_SHA_512,
};
enum kafka_profile { KAFKA_PROFILE_LATENCY, KAFKA_PROFILE_THROUGHPUT };
enum kafka_commit { KAFKA_COMMIT_BATCH, KAFKA_COMMIT_INTERVAL, KAFKA_COMMIT_COUNT };

struct kafka_config {
    struct setting_list brokers; /* host:port */
    const char *client_id;
    const char *prefix; /* before the name of every topic and group */
    int64_t start_timeout_ns;
    struct setting_list properties; /* "name=value", librdkafka's own */
    int profile;                    /* enum kafka_profile */

    struct {
        bool is_on;
        const char *ca;   /* file, or "" = the system's */
        const char *cert; /* file; the client's own, or "" */
        const char *key;
        const char *key_password;
        bool verifies;
    } tls;
    struct {
        int mechanism; /* enum kafka_mechanism */
        const char *username;
        const char *password;
    } sasl;
    struct {
        bool verifies;   /* compare with the settings, at start */
        bool may_create; /* when a role finds that it is missing */
        int64_t partitions;
        int64_t replication;
        int64_t min_insync_replicas;
        int64_t retention_ns;
        int compression; /* index: the topic's compression.type */
        int64_t max_message_bytes;
    } topic;
    struct {
        int64_t linger_ns; /* 0 = as the profile says */
        int compression;
        int64_t batch_records;
        int64_t batch_bytes;
        int64_t timeout_ns;
    } producer;
    struct {
        int strategy;                  /* index: partition.assignment.strategy */
        const char *group_instance_id; /* static membership; "" = dynamic */
        int64_t session_timeout_ns;
        int64_t poll_interval_ns;
        int commit; /* enum kafka_commit */
        int64_t commit_interval_ns;
        int64_t commit_records;
        int64_t fetch_wait_ns; /* 0 = as the profile says */
        int64_t queue_records;
        int64_t queue_bytes;
    } consumer;
};

/* What the choices are called; by the fields above. */
extern const char *const kafka_compressions[];       /* of producers */
extern const char *const kafka_topic_compressions[]; /* of topics */
extern const char *const kafka_strategies[];

extern const struct config_module kafka_module;
