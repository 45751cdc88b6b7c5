/* SPDX-License-Identifier: Apache-2.0 */
/* The one process that writes a store: its folder locked, its runs and vehicles
 * in memory, one thread that writes and one that merges (upkeep.c).
 *
 * The mutex guards the directory and is held for every write transaction, so
 * that the two threads never wait for SQLite's own lock; long work (taking
 * apart, sorting, encoding, decoding) is done outside. Everything else belongs
 * to the thread that it is listed under. Private to sink/sqlite/. */
#pragma once

#include <pthread.h>

#include "sink/config.h"
#include "sink/sqlite/batch.h"
#include "sink/sqlite/directory.h"
#include "sink/sqlite/latest.h"
#include "sink/sqlite/pages.h"

struct writer {
    struct sink_config config;
    int lock_fd;
    pthread_mutex_t mutex;
    pthread_cond_t cond; /* on CLOCK_MONOTONIC: something to merge, or the end */
    bool is_stopping;
    struct directory directory;

    /* the writing thread */
    struct newest newest;
    struct batch batch;
    struct lookup lookup;
    struct pages pages;
    struct sorter sorter;
    struct db *latest_db;

    /* the merging thread */
    pthread_t thread;
    struct latest latest;
    struct span *merge_span; /* the file that merge_db is open on */
    struct db *merge_db;
    int64_t retention_at_ns; /* monotonic: the next look at retention */
    int64_t usage_at_ns;     /* monotonic: the next look at the store's size */
    int64_t wait_until_ns;   /* monotonic: not before, after a failure */
};

/* ERROR_BUSY when another process writes this store. */
int writer_open(struct writer **out, const struct sink_config *config, struct error *err);
void writer_close(struct writer *writer);
enum sink_verdict writer_write(struct writer *writer, const struct sink_row *rows, size_t count,
                               struct sink_write_result *result, struct error *err);
