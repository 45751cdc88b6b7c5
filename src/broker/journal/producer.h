/* SPDX-License-Identifier: Apache-2.0 */
/* A producer of the journal: see producer.c. */
#pragma once

#include "broker/journal/journal.h"

/* One accepted record: its tag, and the batch that knows its fate. */
struct pending {
    uint64_t tag;
    struct batch *batch;
};

struct journal_producer {
    struct producer base;
    struct journal *journal;
    struct batch **open[TOPICS_MAX]; /* by topic, then partition; NULL = none open */
    struct batch *opened;            /* those that flush must push, by next_free */
    size_t opened_bytes;             /* payload in them */
    struct batch *free_batches;
    size_t free_bytes;
    struct pending *pending; /* a ring; its size is a power of two */
    size_t mask, head, tail; /* head - tail are undelivered */
    size_t bytes;            /* payload undelivered */
    size_t batch_bytes_max;
    /* the writer's, for the group at hand */
    bool is_touched;
    struct journal_producer *next_touched;
    size_t settled; /* of its batches */
    /* after a close that could not wait */
    atomic_size_t in_flight;
    bool is_closed; /* under wake_lock */
    struct journal_producer *next_zombie;
};
