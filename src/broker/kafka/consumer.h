/* SPDX-License-Identifier: Apache-2.0 */
/* A consumer's inside: what consumer.c (records), membership.c (partitions and
 * positions) and lag.c share. Private to broker/kafka/. */
#pragma once

#include "base/bell.h"
#include "broker/kafka/kafka.h"

struct cursor {
    atomic_bool is_owned;
    bool is_left_out;          /* broadcast: not among those asked for */
    bool must_seek;            /* librdkafka has not taken `next` yet: what comes is old */
    _Atomic int64_t next;      /* the next offset to give; -1: known with the first record */
    _Atomic int64_t committed; /* by the owner; -1: not yet */
    int64_t sent, acked;       /* of it, to the cluster; by the cluster */
    int64_t start;             /* where there is no position: -1 = the earliest */
    _Atomic int64_t end;       /* as it was asked for at the opening */
};

struct topic_cursors {
    int topic;
    int partitions;
    char name[KAFKA_NAME_MAX + 1]; /* on the cluster */
    struct cursor *cursors;        /* PARTITIONS_MAX: topics may grow */
};

struct kafka_consumer {
    struct consumer base;
    struct list node; /* in kafka->consumers */
    struct kafka *kafka;
    const struct kafka_config *config;
    char group[GROUP_NAME_MAX + 1]; /* "": none */
    struct kafka_client client;
    rd_kafka_queue_t *records;
    rd_kafka_queue_t *events;
    struct topic_cursors *topics;
    size_t topic_count;
    struct bell bell;
    void (*wake)(void *context);
    void *context;
    /* one batch */
    rd_kafka_message_t **messages;
    struct consumed *out;
    size_t message_count, cap;
    /* the last run's cursor */
    const rd_kafka_topic_t *run_topic;
    struct topic_cursors *run;
    /* commits */
    bool is_committing, has_commits;
    uint64_t commit_records;
    int64_t commit_at_ns; /* monotonic */
    int slot;             /* which of its group's consumers in this process */
    bool is_open;         /* other threads may look (consumers_lock) */
    bool may_settle;      /* in a fetch, not in an idle or a close */
    bool is_assigned;     /* told, or was told by, librdkafka what is read */
    bool must_seek;       /* some cursor must */
    struct error failure; /* found while serving: told by the fetch */
};

static inline struct kafka_consumer *as_consumer(const struct consumer *consumer)
{
    union {
        const struct consumer *in;
        struct kafka_consumer *out;
    } cast = {.in = consumer};
    return cast.out;
}

/* ---- cursors (membership.c) ---- */

/* NULL: not one of its topics. */
struct topic_cursors *kafka_cursors_by_name(struct kafka_consumer *consumer, const char *name);
struct cursor *kafka_cursor(const struct kafka_consumer *consumer, int topic, int partition);
struct cursor *kafka_cursor_of(struct kafka_consumer *consumer,
                               const rd_kafka_topic_partition_t *partition);
/* All partitions of its topics; the caller's. */
rd_kafka_topic_partition_list_t *kafka_all_partitions(const struct kafka_consumer *consumer);

/* ---- positions and partitions (membership.c) ---- */

/* Send what is due, without waiting; and all, waiting a few seconds. */
void kafka_send_commits(struct kafka_consumer *consumer);
void kafka_finish_commits(struct kafka_consumer *consumer);
/* A partition's records go to `records`. Before it is assigned. */
void kafka_forward(struct kafka_consumer *consumer, const rd_kafka_topic_partition_t *partition);
/* librdkafka's callbacks, served by consumer.c on the owner's thread. */
void kafka_on_commit(rd_kafka_t *rk, rd_kafka_resp_err_t code,
                     rd_kafka_topic_partition_list_t *list, void *context);
void kafka_on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t code,
                        rd_kafka_topic_partition_list_t *list, void *context);
