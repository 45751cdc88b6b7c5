/* SPDX-License-Identifier: Apache-2.0 */
/* Where a vehicle has been, read from the database on a thread of its own: a loop
 * never waits for a disk. One question at a time, a short queue, all hubs share
 * it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/list.h"
#include "net/loop.h"
#include "sink/sink.h"
#include "vehicle/packet.h"

struct history;

struct history_question {
    char vehicle[PACKET_VEHICLE_MAX];
    size_t vehicle_len;
    int64_t from_ms, to_ms; /* event time: from <= t < to */
    size_t limit;           /* rows */
    size_t limit_bytes;
    struct sink_cursor cursor;

    struct loop *loop; /* where the answer is wanted */
    void (*on_answer)(struct history_question *question);
    void *owner, *asker; /* the asker's own; only its loop's thread looks at them */
    struct list of_asker;

    /* the answer */
    bool has_failed;
    struct buf text; /* canonical packets with commas between */
    size_t count;
    struct list of_all; /* the history's own */
    struct list of_queue;
};

/* From now on nobody else uses the sink. */
int history_start(struct history **out, struct sink *sink, struct error *err);
/* The loops of the askers have ended. Unanswered questions are freed. */
void history_stop(struct history *history);

/* A question to fill in; NULL: too many are waiting, or no memory. */
struct history_question *history_question_new(struct history *history);
/* Ask: on_answer() comes on its loop, unless that ends before. */
void history_ask(struct history *history, struct history_question *question);
/* After the answer, or instead of asking. */
void history_question_free(struct history *history, struct history_question *question);
