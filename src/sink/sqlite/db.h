/* SPDX-License-Identifier: Apache-2.0 */
/* One connection to one file of the store, and what is done through it. A file
 * holds runs; a run is a sorted sequence of pages:
 *
 *   run(id, tier, rows, vehicles, bytes, min_time, max_time, min_order, max_order)
 *   place(run, hash, time, page, …)   a page's first (hash, time), and its ranges
 *   page(id, data)                    page.h
 *   meta(name, value)                 span_start, span (ns)
 *
 * Tier 0 are chunks, one per commit; higher tiers are merged blocks. A run
 * without its row in `run` does not exist yet or any more: its pages are seen by
 * nobody. Hashes and orders are unsigned: SQLite's signed integers hold them
 * with the top bit flipped, so that they sort. Ranges of orders leave out rows
 * whose order is their time (those are found by time).
 *
 * A connection belongs to one thread at a time. Errors: ERROR_IO (transient),
 * ERROR_CORRUPT, ERROR_CONFIG for a file of a newer version. */
#pragma once

#include "sink/sqlite/page.h"

struct db;

enum db_mode {
    DB_WRITE, /* synchronous: a commit is durable */
    DB_MERGE, /* commits keep their order but may be lost by a power cut */
    DB_READ,
};

enum { DB_VERSION = 1 };

struct ranges {
    int64_t min_time, max_time;
    bool has_orders;
    uint64_t min_order, max_order;
};
static inline void ranges_init(struct ranges *ranges)
{
    *ranges = (struct ranges){.min_time = INT64_MAX, .max_time = INT64_MIN};
}
void ranges_add(struct ranges *ranges, const struct row_key *key);
void ranges_join(struct ranges *ranges, const struct ranges *other);

struct run {
    int64_t id;
    int64_t tier;
    int64_t rows;
    int64_t vehicles; /* groups of rows, about the vehicles */
    int64_t bytes;
    struct ranges ranges;
};

struct place {
    int64_t run;
    uint64_t hash; /* of the first row */
    int64_t time_ms;
    int64_t page;
    int64_t rows;
    struct ranges ranges;
};

/* `create`: make it when it isn't there (not in DB_READ). Not there and not to
 * be made: ERROR_NOT_FOUND. */
int db_open(struct db **out, const char *path, enum db_mode mode, bool create, struct error *err);
void db_close(struct db *db);
const char *db_path(const struct db *db);

int db_begin(struct db *db, struct error *err);      /* IMMEDIATE, or for a reader a snapshot */
int db_commit(struct db *db, struct error *err);     /* rolled back when it fails */
void db_rollback(struct db *db);                     /* harmless outside a transaction */
int64_t db_wal_pages(const struct db *db);           /* after this connection's last commit */
void db_forget_wal(struct db *db);                   /* … 0 until its next commit */
int db_checkpoint(struct db *db, struct error *err); /* as far as possible without waiting */

int db_get_meta(struct db *db, const char *name, int64_t *out, struct error *err); /* 0 if absent */
int db_set_meta(struct db *db, const char *name, int64_t value, struct error *err);

/* The runs in order of id; *out is malloced. */
int db_runs(struct db *db, struct run **out, size_t *count, struct error *err);
int db_put_run(struct db *db, const struct run *run, struct error *err);
int db_drop_run(struct db *db, int64_t run, struct error *err); /* its row; pages stay */
/* First numbers that nothing in the file has used. */
int db_next_numbers(struct db *db, int64_t *run, int64_t *page, struct error *err);
/* A run that has pages but no row and is not `building`; 0 when there is none. */
int db_find_orphan(struct db *db, int64_t building, int64_t *run, struct error *err);

int db_put_page(struct db *db, const struct place *place, struct bytes page, struct error *err);
int db_drop_page(struct db *db, const struct place *place, struct error *err);
/* Up to max places of a run, from its first. For dropping a run bit by bit. */
int db_first_places(struct db *db, int64_t run, struct place *out, size_t max, size_t *count,
                    struct error *err);

/* The pages of a run that can hold (hash, time) in [low, high], in order. */
struct walk {
    struct db *db;
    struct place place;
    bool is_busy;
    bool is_past; /* it ended at `place`, the first page beyond; else at the run's end */
    uint64_t high_hash;
    int64_t high_time;
};
int walk_start(struct walk *walk, struct db *db, int64_t run, uint64_t low_hash, int64_t low_time,
               uint64_t high_hash, int64_t high_time, struct error *err);
/* 1: walk->place is the next page's; 0: no more; -1. One walk per connection at
 * a time, db_put_page, db_drop_page and so on only after its end. */
int walk_next(struct walk *walk, struct error *err);
void walk_stop(struct walk *walk);
/* The page's bytes, valid until the next db_page, the end of the walk or of the
 * transaction. */
int db_page(struct db *db, int64_t page, struct bytes *out, struct error *err);
