/* SPDX-License-Identifier: Apache-2.0 */
/* Durable streams of records, whatever keeps them: the embedded journal, Apache
 * Kafka, memory (tests; the template). Topic, partition, offset, consumer
 * group and lag mean what they mean in Kafka.
 *
 * broker.c is the front: it dispatches through the table in driver.h and does
 * metrics once. Every back end passes tests/contract/test_broker.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"

struct broker;
struct producer;
struct consumer;

struct record {
    struct bytes key; /* the vehicle; may be empty */
    struct bytes value;
    struct bytes mc;          /* the header `mc`; may be empty */
    struct bytes traceparent; /* only when sampled; else empty */
    int64_t timestamp_ns;     /* received time, ns since 1970 UTC; kept to the ms at least */
};

/* ---- the broker: one per process; any thread ---- */

/* See broker/config.h for the settings; they, and config->kafka, outlive it. */
struct broker_config;
int broker_open(struct broker **out, const struct broker_config *config, struct error *err);
/* Producers and consumers are closed before. Flushes and checkpoints. */
void broker_close(struct broker *broker);

/* The first failure from which the broker can't go on (a failed fsync): called
 * once, from any thread; nothing is acked after it. The process should exit 1. */
void broker_on_failure(struct broker *broker, void (*fn)(void *context, const struct error *err),
                       void *context);

/* The topic's number, from 0; made with `partitions` (0 = the configured number)
 * when it isn't there; over Kafka it must be there, or kafka.topic.create be set. Names:
 * [a-z0-9._-], 1-100 bytes; those that end in
 * ".dead-letters" lie in the dead-letter log with its own quota. -1 on error. */
int broker_topic(struct broker *broker, const char *name, int partitions, struct error *err);
int broker_find_topic(struct broker *broker, const char *name); /* -1 when unknown */
const char *broker_topic_name(const struct broker *broker, int topic);
int broker_topic_count(const struct broker *broker);
int broker_partitions(const struct broker *broker, int topic);

struct broker_offsets {
    int64_t earliest; /* first offset kept */
    int64_t end;      /* one past the last durable record */
};
int broker_offsets(struct broker *broker, int topic, int partition, struct broker_offsets *out,
                   struct error *err);

/* ---- producing: one owner thread each ---- */

enum publish_result {
    PUBLISH_ACCEPTED, /* on_delivery will come, exactly once */
    PUBLISH_FULL,     /* keep it, pause the source, wait for on_room */
    PUBLISH_REFUSED,  /* can never be accepted (too large): a verdict for the sender */
};

enum delivery { DELIVERY_DURABLE, DELIVERY_FAILED };

struct producer_handler {
    /* On the owner's thread, from producer_poll or producer_close. `tag` is what
     * was given to publish. In order per partition; over the journal in order
     * of publishing. FAILED: not durable, will not be; never ack it. */
    void (*on_delivery)(void *context, uint64_t tag, enum delivery delivery, int64_t offset);
    /* Optional: instead of FAILED, the record as it was published comes back,
     * borrowed for the call, in order per key: for an owner that knows another
     * way for it. FAILED is left for what the broker will never take. It may
     * turn up in the broker nevertheless, as after any failure. */
    void (*on_return)(void *context, uint64_t tag, int topic, const struct record *record);
    /* Room again after PUBLISH_FULL. On the owner's thread, from producer_poll. */
    void (*on_room)(void *context);
    /* From any thread: call producer_poll soon. Must not block. NULL: the owner
     * polls by itself (producer_wait). */
    void (*wake)(void *context);
    void *context;
    /* What is published was made from consumed records (the handler's outputs):
     * may use the reserve that is kept free at the cap, without which a full
     * broker could never be worked off. Sources leave it false. */
    bool uses_reserve;
};

int producer_open(struct producer **out, struct broker *broker,
                  const struct producer_handler *handler, struct error *err);

/* Copy the record into the producer's batch. Never blocks. The partition is
 * murmur2 of the key, as Java's clients choose it; without key round robin. */
enum publish_result producer_publish(struct producer *producer, int topic,
                                     const struct record *record, uint64_t tag);
/* Hand over what publish has gathered: at the end of each loop turn or batch. */
void producer_flush(struct producer *producer);
/* Deliver what has become durable. */
void producer_poll(struct producer *producer);
/* For owners that are plain threads: flush, then wait until something can be
 * delivered or timeout_ns passed, then poll. */
void producer_wait(struct producer *producer, int64_t timeout_ns);
/* Don't wait any longer for what was accepted: all that isn't durable is given
 * back in the next polls (on_return; FAILED without it), in order per key, and
 * what turns out durable meanwhile is delivered as such. The journal gives back
 * what it hasn't been handed (flush); what it has it writes first. What is
 * published after the call isn't concerned. */
void producer_recall(struct producer *producer);
/* Records accepted and not yet delivered. */
size_t producer_pending(const struct producer *producer);
/* Flush, wait up to timeout_ns for durability, give the rest back (on_return) or
 * report it FAILED, free. */
void producer_close(struct producer *producer, int64_t timeout_ns);

/* ---- consuming: one owner thread each ---- */

/* Where to begin. In a group it holds for partitions in which the group has no
 * position yet; else the position does. */
enum consumer_start {
    CONSUMER_FROM_COMMITTED, /* the group's position; earliest where there is none */
    CONSUMER_FROM_EARLIEST,
    CONSUMER_FROM_LATEST,
    CONSUMER_FROM_OFFSET, /* start_value, in every partition */
    CONSUMER_FROM_TIME,   /* start_value: received ns; first record at or after */
};

struct consumer_partition {
    int topic, partition;
};

struct consumer_options {
    const char *group; /* NULL: broadcast: all partitions, no group, no commit */
    const int *topics;
    size_t topic_count;
    /* Broadcast: these partitions of the topics are enough (0: all). A back end may
     * give others, too. Read during consumer_open. */
    const struct consumer_partition *only;
    size_t only_count;
    enum consumer_start start;
    int64_t start_value;
    /* Nobody waits for what becomes of the records: they may come some tens of ms
     * later, in fewer and larger fetches. A back end may ignore it. */
    bool is_patient;
    /* From any thread, when records may have arrived after a fetch found none.
     * NULL: the owner waits in fetch. Must not block. */
    void (*wake)(void *context);
    /* Optional; on the owner's thread, within a fetch: partitions are about to go
     * to other members. What was fetched can still be settled and committed here;
     * what is not is done again by those. Don't take longer than a few seconds. */
    void (*on_revoke)(void *context);
    void *context;
};

struct consumed {
    struct record record;
    int topic;
    int partition;
    int64_t offset;
};

struct consumed_batch {
    const struct consumed *records; /* borrowed until the next fetch or close */
    size_t count;
};

int consumer_open(struct consumer **out, struct broker *broker,
                  const struct consumer_options *options, struct error *err);
/* Up to max records, waiting at most timeout_ns for the first (0 = don't wait).
 * 0 with count 0 = nothing yet. Only durable records are seen; a partition's
 * records come in order of offset; gaps are legal. -1: *err; transient ones may
 * be tried again. */
int consumer_fetch(struct consumer *consumer, struct consumed_batch *out, size_t max,
                   int64_t timeout_ns, struct error *err);
/* Still there: for an owner that can't fetch for a while (a database that is
 * away, outputs that are not durable yet). Call it at least once a second
 * meanwhile, else a broker that others share may think that the owner hangs and
 * give its partitions away. They may change hands here, too, without on_revoke. */
void consumer_idle(struct consumer *consumer);
/* Partitions that the consumer reads at present. */
size_t consumer_owned(const struct consumer *consumer);
/* The group is done with everything of that partition below `next_offset`. Never
 * moves a position back. -1 with ERROR_BUSY: the partition has gone to another
 * member, which goes on from the group's position; not a failure of this one.
 * Partitions change hands only in consumer_fetch (and consumer_idle): what was
 * fetched before can be committed until then.
 * Becomes durable in the background, and when the consumer is closed. The journal
 * does that never before the outputs that the same thread published before this
 * call were durable; over Kafka nothing ties the two: commit what depends on
 * outputs after their on_delivery. */
int consumer_commit(struct consumer *consumer, int topic, int partition, int64_t next_offset,
                    struct error *err);
/* Go on from an offset (broadcast consumers; snapshots). */
int consumer_seek(struct consumer *consumer, int topic, int partition, int64_t offset,
                  struct error *err);
/* End of the partition minus the next offset this consumer will fetch. */
int64_t consumer_lag(struct consumer *consumer, int topic, int partition);
/* The group's committed offset; -1 when there is none. */
int64_t broker_committed(struct broker *broker, const char *group, int topic, int partition);
void consumer_close(struct consumer *consumer);
