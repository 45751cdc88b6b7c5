/* SPDX-License-Identifier: Apache-2.0 */
/* The frame round a sink, the same for every back end: rows are gathered into a
 * batch by count, bytes and age; a batch is written until it is settled. What
 * fails is tried again after a random wait below a bound that doubles ("full
 * jitter": Brooker, Exponential Backoff And Jitter, 2015); after some failures
 * in a row the circuit opens, and the database is left alone but for one probe
 * now and then. Rows that can never be stored are handed out one by one. Rows
 * that fail alone are tried again alone, sink.item_attempts times.
 *
 * One batch is all it holds: who adds rows stops when it is full. One thread,
 * but for sink_worker_interrupt. */
#pragma once

#include "base/bell.h"
#include "sink/config.h"
#include "sink/sink.h"

struct sink_worker;

enum sink_circuit { CIRCUIT_CLOSED, CIRCUIT_HALF_OPEN, CIRCUIT_OPEN };

struct sink_worker_handler {
    /* A row that the database refuses for ever: make it durable elsewhere before
     * the batch's positions are committed. `detail` is the database's answer.
     * The row is taken out of the batch afterwards. */
    void (*on_poison)(void *context, uint64_t tag, const struct sink_row *row, const char *detail);
    /* The database asked to be opened again (SINK_RECONNECT): close the old one,
     * return the new one; NULL with *err: later. NULL function: as RETRY. */
    struct sink *(*reopen)(void *context, struct sink *old, struct error *err);
    /* Round each attempt to write, never round a wait. May be NULL. */
    void (*on_attempt)(void *context, bool begins);
    /* Looked at between attempts: true ends sink_worker_flush. */
    bool (*must_stop)(void *context);
    /* The circuit opened or closed, with the failure that opened it. May be NULL. */
    void (*on_circuit)(void *context, enum sink_circuit circuit, const struct error *err);
    void *context;
};

int sink_worker_new(struct sink_worker **out, struct sink *sink, const struct sink_config *config,
                    const struct sink_worker_handler *handler, struct error *err);
void sink_worker_free(struct sink_worker *worker);

enum sink_worker_add {
    SINK_WORKER_ADDED,
    SINK_WORKER_FULL, /* flush, then add it again; also when memory is short */
};

/* Copies the row (canonical, vehicle and what sink_write reads of the packet);
 * source.topic is borrowed until the batch is settled.
 * Any one row fits into an empty batch. now_ns: monotonic. */
enum sink_worker_add sink_worker_add(struct sink_worker *worker, const struct sink_row *row,
                                     uint64_t tag, int64_t now_ns);
size_t sink_worker_count(const struct sink_worker *worker);
/* Nanoseconds until the batch should be written: 0 = now; INT64_MAX = empty. */
int64_t sink_worker_due_in(const struct sink_worker *worker, int64_t now_ns);

/* Write the batch until every row is stored, known before or given to on_poison:
 * 0, and the batch is empty. -1: must_stop said so first; the batch is kept. */
int sink_worker_flush(struct sink_worker *worker, struct error *err);
/* Forget the batch (at the end, when it could not be written). */
void sink_worker_clear(struct sink_worker *worker);
/* Any thread: must_stop may answer otherwise now; ends a wait. */
void sink_worker_interrupt(struct sink_worker *worker);
enum sink_circuit sink_worker_circuit(const struct sink_worker *worker);
