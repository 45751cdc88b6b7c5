/* SPDX-License-Identifier: Apache-2.0 */
/* A producer's inside: what producer.c (publishing, the idea), session.c (the
 * connection) and reports.c (what became of records) share. Private to
 * broker/kafka/; all on the owner's thread. */
#pragma once

#include "base/bell.h"
#include "broker/kafka/kafka.h"

enum { ENTRIES_CHUNK = 1024, CHUNKS_MAX = 16384, PURGE_AGAIN_MS = 100 };

struct entry {
    struct entry *next_free;
    uint64_t tag;
    uint64_t sequence; /* from 1; 0: free */
    int64_t timestamp_ns;
    int topic;
    uint32_t bytes;
    bool is_held;
};

/* A failed record inside a held event. */
struct held {
    struct entry *entry;
    const rd_kafka_message_t *message;
};

/* What happens with reports: told at once, or held till the end of a pass, which
 * gives back what failed or publishes it again. */
enum pass { PASS_NONE, PASS_PUBLISH_AGAIN, PASS_RETURN };

struct kafka_producer {
    struct producer base;
    struct kafka_client client;
    const struct kafka_config *config;
    rd_kafka_topic_t *topics[TOPICS_MAX]; /* of client */
    struct bell bell;
    bool is_armed; /* events wake the owner */
    /* entries */
    struct entry *chunks[CHUNKS_MAX];
    size_t chunk_count;
    struct entry *free_entries;
    uint64_t sequence; /* the last given */
    size_t count, bytes;
    /* a pass over failures */
    enum pass pass;
    uint64_t pass_sequence;   /* concerns what was published up to here */
    uint64_t return_sequence; /* give back up to here; what is beyond is published again */
    size_t pass_left;         /* of those, still to be reported */
    struct held *held;
    size_t held_count, held_cap;
    size_t untold; /* held ones that nothing has become of yet */
    rd_kafka_event_t **events;
    size_t event_count, event_cap;
    int64_t purge_at_ns;  /* monotonic: the pass needs another push */
    bool is_closing;      /* no successor any more */
    bool is_broken;       /* after a fatal error: needs a new connection */
    int64_t revive_at_ns; /* monotonic: when it is tried (again) */
    int64_t revived_at_ns;
    int slot;         /* the number in its label */
    pthread_t reaper; /* ends the connection before */
    bool has_reaper;
};

static inline struct kafka_producer *as_kafka_producer(struct producer *producer)
{
    return (struct kafka_producer *)(void *)producer;
}

/* ---- session.c ---- */

/* NULL without memory. */
struct entry *kafka_entry_take(struct kafka_producer *producer);
void kafka_entry_put(struct kafka_producer *producer, struct entry *entry);

/* A new connection in producer->client. */
int kafka_session_connect(struct kafka_producer *producer, struct error *err);
/* From now on events wake the owner. */
void kafka_session_arm(struct kafka_producer *producer);
/* Wake the owner; also what librdkafka's threads call. */
void kafka_session_ring(rd_kafka_t *rk, void *context);
rd_kafka_resp_err_t kafka_session_produce(struct kafka_producer *producer, int partition,
                                          const struct record *record, struct entry *entry);
void kafka_session_forget_topics(struct kafka_producer *producer);
/* End an old connection without waiting for it; and wait for that. */
void kafka_session_discard(struct kafka_producer *producer, struct kafka_client old);
void kafka_session_join(struct kafka_producer *producer);

/* ---- reports.c ---- */

/* Serve the events that are there, waiting at most so long for the first. */
void kafka_reports_take(struct kafka_producer *producer, int timeout_ms);
/* Has the connection had a fatal error? */
bool kafka_session_is_fatal(const struct kafka_producer *producer);
/* Hold reports until all that is under way is reported. */
void kafka_pass_begin(struct kafka_producer *producer, enum pass pass);
/* After a fatal error: a pass, then a new connection. */
void kafka_pass_break_off(struct kafka_producer *producer);
/* Purge, once in a while, until all is reported. */
void kafka_pass_push(struct kafka_producer *producer);
/* Push it, and end it when it is time. */
void kafka_pass_look_after(struct kafka_producer *producer);
void kafka_pass_end(struct kafka_producer *producer);
/* What was never reported though purged has failed. */
void kafka_pass_fail_unreported(struct kafka_producer *producer);
