/* SPDX-License-Identifier: Apache-2.0 */
/* The journal back end: what its parts share.
 *
 * Threads. Owners of producers fill batches and push them; the writer's thread
 * takes everything that was pushed, in order of pushing, appends it, syncs once
 * and then tells producers, consumers and followers. A commit is pushed like a
 * batch: it stands in the log behind all that its thread published before.
 *
 *   producer.c --push--> queue --take--> writer.c --> seglog, sync
 *        ^                                  |
 *        '------- batch->state, wake -------'---- visible, wake --> consumer.c */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "base/list.h"
#include "broker/driver.h"
#include "broker/journal/files.h"
#include "broker/journal/prepare.h"

enum item_kind { ITEM_BATCH, ITEM_COMMIT };

/* What is pushed. */
struct item {
    struct item *next;
    enum item_kind kind;
};

/* FAILED also: recalled before it was pushed. */
enum batch_state { BATCH_OPEN, BATCH_QUEUED, BATCH_DURABLE, BATCH_FAILED };

/* Belongs to its producer; to the writer while it is QUEUED. */
struct batch {
    struct item item;
    struct journal_producer *producer;
    _Atomic int state; /* enum batch_state */
    struct frame frame;
    size_t len;         /* of the payload in bytes[FRAME_HEADER_BYTES…] */
    size_t cap;         /* of bytes */
    uint32_t delivered; /* records that the owner was told of */
    size_t returned;    /* bytes of payload that went back to the owner */
    bool is_to_free;
    uint8_t *bytes;
    struct batch *next_free;
};

struct commit {
    struct item item;
    struct position *position;
    int64_t offset;
    bool is_start; /* the group begins here */
};

struct queue {
    _Atomic(struct item *) head; /* newest first */
    atomic_size_t bytes;         /* of payload, pushed and not settled */
    pthread_mutex_t lock;        /* only to sleep */
    pthread_cond_t pushed;
    atomic_bool is_hurried; /* no delay: somebody closes */
};

enum fullness { FULL_NOT, FULL_FOR_SOURCES, FULL_FOR_ALL };

struct journal {
    struct broker base;
    const struct journal_io *io;
    struct journal_files files;
    struct preparer *preparer;
    struct queue queue;
    pthread_t writer;
    bool has_writer;
    atomic_bool should_stop;
    atomic_int fullness; /* enum fullness, as last logged */
    /* What may still be pushed: by sources; by all, the reserve included. */
    _Atomic int64_t source_room_bytes, room_bytes;
    int64_t cap_bytes, reserve_bytes;
    /* Waiting owners, and the lists of whom to wake. A wake callback is called
     * with wake_lock held, so that none comes after a close. */
    pthread_mutex_t wake_lock;
    pthread_cond_t progress;
    unsigned waiters; /* under wake_lock */
    struct list consumers;
    struct journal_producer *zombies; /* closed with batches in the writer's hands */
};

/* The pushed items, oldest first; never blocks. */
void queue_init(struct queue *queue);
void queue_deinit(struct queue *queue);
/* first..last are linked newest first, as in head. `bytes` of payload. */
void queue_push(struct queue *queue, struct item *newest, struct item *oldest, size_t bytes,
                size_t wake_bytes);
struct item *queue_take(struct queue *queue);
void queue_wake(struct queue *queue);

int writer_start(struct journal *journal, struct error *err);
/* Writes what was pushed, then ends. */
void writer_stop(struct journal *journal);

/* retention.c, on the writer's thread: remove what may go, set fullness. */
void retention_run(struct journal *journal);
/* After each group. */
void retention_set_room(struct journal *journal);

static inline struct journal *as_journal(struct broker *broker)
{
    return (struct journal *)(void *)broker;
}

static inline struct partition_state *journal_partition(struct journal *journal, int topic,
                                                        int partition)
{
    return &journal->files.partitions[topic][partition];
}

/* Sleep until there is progress or the deadline (monotonic ns). The caller holds
 * wake_lock and has looked whether it must wait since taking it. False: deadline. */
bool journal_wait_progress(struct journal *journal, int64_t deadline_ns);
/* Progress: wake all that wait. With wake_lock held. */
void journal_wake_waiters(struct journal *journal);
/* With wake_lock held: those consumers that read one of `topics` (NULL: all). */
void journal_wake_consumers(struct journal *journal, const bool topics[TOPICS_MAX]);
void journal_producer_free(struct journal_producer *producer);
/* With wake_lock held. */
void journal_producer_wake(struct journal_producer *producer);

/* As broker_open, over another disk; for tests. */
int journal_open_over(struct broker **out, const struct broker_config *config,
                      const struct journal_io *io, struct error *err);

/* The drivers' functions, by file. */
int journal_producer_open(struct producer **out, struct broker *broker, struct error *err);
enum publish_result journal_publish(struct producer *producer, int topic, int partition,
                                    const struct record *record, uint64_t tag);
void journal_flush(struct producer *producer);
void journal_poll(struct producer *producer);
void journal_wait(struct producer *producer, int64_t timeout_ns);
void journal_recall(struct producer *producer);
void journal_producer_close(struct producer *producer, int64_t timeout_ns);

int journal_consumer_open(struct consumer **out, struct broker *broker,
                          const struct consumer_options *options, struct error *err);
int journal_fetch(struct consumer *consumer, struct consumed_batch *out, size_t max,
                  int64_t timeout_ns, struct error *err);
int journal_commit(struct consumer *consumer, int topic, int partition, int64_t next_offset,
                   struct error *err);
int journal_seek(struct consumer *consumer, int topic, int partition, int64_t offset,
                 struct error *err);
int64_t journal_next_offset(struct consumer *consumer, int topic, int partition);
size_t journal_owned(const struct consumer *consumer);
void journal_consumer_close(struct consumer *consumer);
/* A follower's: segments and topics that came since. */
void journal_refresh(struct journal *journal);
