/* SPDX-License-Identifier: Apache-2.0 */
/* A database back end: writes packets so that writing them again changes
 * nothing (the identity is the key), and finds them. registry.c lists them;
 * memory.c is the template; all pass tests/contract/test_sink.c. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "vehicle/packet.h"

struct sink;

/* The record a row came from; topic empty: unknown. */
struct sink_source {
    struct bytes topic;
    int partition;
    int64_t offset;
};

struct sink_row {
    /* Borrowed. When writing, only vehicle, identity, order, time_ms,
     * received_ns and fields are read: canonical holds the rest. When reading,
     * it is complete. */
    struct packet packet;
    struct bytes canonical; /* its canonical bytes; come back byte for byte */
    /* When writing: for databases that note it. When reading: not filled in. */
    struct sink_source source;
};

enum sink_verdict {
    SINK_STORED,    /* all durable (new or known before) */
    SINK_RETRY,     /* try the same batch again later */
    SINK_RECONNECT, /* close, open, then try again */
    SINK_POISON,    /* row `poison_index` can never be stored; the others were not written */
    SINK_PARTIAL,   /* all durable but those that result->failures names */
};

/* Why one row of a batch is not stored, when the others are. */
enum sink_fate {
    SINK_REFUSED,   /* can never be stored: as poison */
    SINK_FAILED,    /* its own failure, which may pass: try it again */
    SINK_UNREACHED, /* not this row's fault (a connection broke): try it again */
};

struct sink_failure {
    size_t index; /* of the row */
    enum sink_fate fate;
    const char *detail; /* what the database said; never NULL */
};

enum {
    SINK_PAGE_MAX = 4096,          /* rows that one call of find or latest gives at most */
    SINK_CANONICAL_MAX = 16 << 20, /* a longer row is poison */
};

struct sink_write_result {
    size_t stored;     /* new rows */
    size_t duplicates; /* rows whose identity was there before, or twice in the batch */
    size_t conflicts;  /* same (vehicle, order), other content: kept, both */
    size_t poison_index;
    /* PARTIAL: in ascending order of index; the sink's, valid until its next write. */
    const struct sink_failure *failures;
    size_t failure_count;
};

struct sink_query {
    struct bytes vehicle; /* empty: all vehicles (find only pages through by vehicle) */
    int64_t from_ms;      /* event time >= from_ms */
    int64_t to_ms;        /* event time <  to_ms */
};

/* Opaque place in a result; zeroed = its beginning. Survives the process. */
struct sink_cursor {
    uint8_t bytes[64];
    bool is_end;
};

/* false stops the walk (the cursor stands after this row). */
typedef bool (*sink_row_fn)(void *context, const struct sink_row *row);

/* Open for writing (one process) or reading only (any number, while another
 * process writes). `kind`: "sqlite", "memory". `where`: the data folder. */
struct sink_config;
/* Threads: one writes; find, latest and count may be called from any thread
 * beside it (they wait for each other). A failed open leaves *out NULL. */
int sink_open(struct sink **out, const struct sink_config *config, bool is_read_only,
              struct error *err);
void sink_close(struct sink *sink);

/* `result` is filled on STORED, PARTIAL and POISON; err on everything but STORED. Poison
 * is a row whose identity does not begin with H64(vehicle), whose vehicle is
 * empty or too long, or whose canonical bytes are too many. */
enum sink_verdict sink_write(struct sink *sink, const struct sink_row *rows, size_t count,
                             struct sink_write_result *result, struct error *err);

/* Rows of the query, at most limit (and SINK_PAGE_MAX), from *cursor on; *cursor
 * moves, is_end when nothing is left. Order: (H64(vehicle), time, identity): for
 * one vehicle by time, the vehicles in an order that stays the same for ever, so
 * that a cursor of fixed size can name any place. Rows are valid in the callback
 * only; it must not call the sink. Short read transactions: a long walk is many
 * pages, and a row written meanwhile behind the cursor is not seen. */
int sink_find(struct sink *sink, const struct sink_query *query, struct sink_cursor *cursor,
              size_t limit, sink_row_fn fn, void *context, struct error *err);
/* Each vehicle's newest row (by order, then received), in order of
 * (H64(vehicle), vehicle). */
int sink_latest(struct sink *sink, struct sink_cursor *cursor, size_t limit, sink_row_fn fn,
                void *context, struct error *err);
/* Rows of the query (vehicle empty: all). */
int sink_count(struct sink *sink, const struct sink_query *query, uint64_t *out, struct error *err);

/* ---- for operators; databases that are servers ---- */

enum sink_finding {
    SINK_FINE,
    SINK_NOTE,    /* worth knowing */
    SINK_FAULT,   /* not as the settings want it */
    SINK_COMMAND, /* to be given to the database's own shell */
};

struct sink_report {
    const char *const *categories; /* that packets may have */
    size_t category_count;
    void (*fn)(void *context, enum sink_finding finding, const char *text);
    void *context;
};

/* Is the database as the settings want it: each finding goes to the report.
 * A kind that has nothing to look at (a file of our own) reports nothing. -1: it
 * could not be asked. */
int sink_verify(const struct sink_config *config, const struct sink_report *report,
                struct error *err);
/* How it would be spread over several servers. Asks nobody. */
int sink_plan(const struct sink_config *config, const struct sink_report *report,
              struct error *err);
