/* SPDX-License-Identifier: Apache-2.0 */
/* The writing process's view of the store's folder: one file per span of
 * received time, named by the span's start, and the runs in each. Guarded by
 * the writer's mutex. */
#pragma once

#include "sink/sqlite/db.h"

struct span_run {
    struct run run;
    bool is_stuck; /* merging it failed: left as it is until the next start */
};

struct span {
    int64_t start_ns;
    int64_t end_ns;
    struct span_run *runs; /* in order of id: the newest last */
    size_t run_count, run_cap;
    int64_t next_run, next_page;
    int64_t building;       /* the run that a merge is writing; 0 = none */
    int64_t chunk_since_ns; /* monotonic: when the oldest chunk came; 0 = no chunks */
    bool has_orphans;       /* maybe: pages of dropped runs */
    bool is_damaged;        /* to be set aside by the merging thread */
    struct db *db;          /* the writer's connection; NULL = closed */
    uint64_t last_use;
    char path[];
};

struct directory {
    char *path; /* <data>/store */
    int64_t span_ns;
    struct span **spans; /* in order of start */
    size_t count, cap;
    uint64_t uses;
};

enum { SPAN_NAME_MAX = 32, DIRECTORY_OPEN_MAX = 8 };

/* "20080520T070000Z.db", and back; false for other names. */
void span_name(char out[SPAN_NAME_MAX], int64_t start_ns);
bool span_start(const char *name, int64_t *start_ns);

/* Makes the folder when it isn't there. */
int directory_open(struct directory *directory, const char *path, int64_t span_ns,
                   struct error *err);
/* Reads every file's runs. A file that is no database is set aside (renamed to
 * *.corrupt) with an error in the log. */
int directory_scan(struct directory *directory, struct error *err);
void directory_close(struct directory *directory);
/* The span that a received time falls into; made when it isn't there. */
struct span *directory_span(struct directory *directory, int64_t received_ns, struct error *err);
/* The writer's connection to it; at most DIRECTORY_OPEN_MAX stay open. */
struct db *directory_db(struct directory *directory, struct span *span, struct error *err);
/* The file turned out not to be a database: set it aside and forget it. */
void directory_set_aside(struct directory *directory, struct span *span);
/* Retention: unlink the file and forget the span. */
void directory_delete(struct directory *directory, struct span *span);

int span_reserve_run(struct span *span); /* so that the next span_add_run can't fail */
int span_add_run(struct span *span, const struct run *run); /* -1 without memory */
void span_remove_run(struct span *span, int64_t run);
void span_close(struct span *span); /* its connection */
/* Chunks that wait for a merge. */
size_t span_chunks(const struct span *span, int64_t *rows);
