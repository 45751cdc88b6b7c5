/* SPDX-License-Identifier: Apache-2.0 */
/* The store: reads the category topics as a consumer group and writes every packet
 * to the database, once. A position is committed only after the database said
 * STORED for all before it: a crash repeats, and the identity makes repeats
 * harmless.
 *
 * What can't be stored becomes a dead letter (<ingest>.dead-letters: the topic's
 * name up to its last dot), durable before the position moves: records that
 * can't be decoded, that the database refuses for ever, or that crashed the
 * process three times. While the database is away nothing is fetched: the broker
 * is the buffer. */
#pragma once

#include "base/error.h"
#include "broker/broker.h"
#include "sink/config.h"
#include "sink/sink.h"
#include "vehicle/transform/shape.h"

#define STORE_GROUP "store"

struct store;

struct store_config {
    struct sink_config sink;       /* batches, retries */
    const char *group;             /* NULL or "": STORE_GROUP */
    const char *name;              /* of its health check, static; NULL: "store" */
    const struct shape *shape;     /* what is changed before writing; outlives the store; or NULL */
    int64_t transform_vehicles;    /* of which the shape remembers something */
    const char *state_dir;         /* where attempts are remembered, or NULL */
    const char *dead_letter_topic; /* NULL: derived from each topic's name */
    int64_t drain_timeout_ns;      /* at a stop: how long the last batch is tried; 0 = 10 s */
    /* The database wants to be opened anew (SINK_RECONNECT); NULL: tried again
     * as it is. Called on the store's thread. */
    struct sink *(*reopen)(void *context, struct sink *old, struct error *err);
    void *context;
};

/* Starts the thread. Topics that don't exist are made. The config need not
 * outlive the call; the broker and the sink must outlive the store, and nobody
 * else writes the sink. Sets the health check `name`. */
int store_start(struct store **out, const struct store_config *config, struct broker *broker,
                struct sink *sink, const char *const *topics, size_t topic_count,
                struct error *err);
/* From any thread: read these topics as well, from their beginning. They are made
 * where they are missing; those that are read already are passed over. */
int store_add_topics(struct store *store, const char *const *topics, size_t topic_count,
                     struct error *err);
/* Write what is in hand, commit, join. NULL is fine. */
void store_stop(struct store *store);
