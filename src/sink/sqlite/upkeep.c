/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/sqlite/upkeep.h"

#include <stdlib.h>

#include "base/clock.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "sink/sqlite/merge.h"
#include "sink/sqlite/usage.h"

enum {
    DROP_PAGES = 512, /* deleted in one transaction */
    WAL_PAGES = 4096, /* checkpoint when the log is longer */
};

bool upkeep_is_stopping(struct writer *writer)
{
    pthread_mutex_lock(&writer->mutex);
    bool stops = writer->is_stopping;
    pthread_mutex_unlock(&writer->mutex);
    return stops;
}

struct db *upkeep_db(struct writer *writer, struct span *span, struct error *err)
{
    if (writer->merge_span == span)
        return writer->merge_db;
    db_close(writer->merge_db);
    writer->merge_span = NULL;
    if (db_open(&writer->merge_db, span->path, DB_MERGE, false, err) == 0)
        writer->merge_span = span;
    return writer->merge_db;
}

static void close_merge_db(struct writer *writer)
{
    db_close(writer->merge_db);
    writer->merge_db = NULL;
    writer->merge_span = NULL;
}

/* ---- the log's length ---- */

/* Most of it beside the writer; the rest with the writer held back, so that the
 * next commit starts the log anew. */
static int checkpoint(struct writer *writer, struct span *span, struct error *err)
{
    struct db *db = upkeep_db(writer, span, err);
    if (db == NULL || db_checkpoint(db, err) != 0)
        return -1;
    pthread_mutex_lock(&writer->mutex);
    int rc = db_checkpoint(db, err);
    db_forget_wal(db);
    if (span->db != NULL)
        db_forget_wal(span->db);
    pthread_mutex_unlock(&writer->mutex);
    return rc;
}

int upkeep_checkpoint(struct writer *writer, struct span *span, struct error *err)
{
    pthread_mutex_lock(&writer->mutex);
    int64_t pages = span->db != NULL ? db_wal_pages(span->db) : 0;
    pthread_mutex_unlock(&writer->mutex);
    if (writer->merge_span == span && writer->merge_db != NULL) {
        int64_t own = db_wal_pages(writer->merge_db);
        pages = own > pages ? own : pages;
    }
    return pages < WAL_PAGES ? 0 : checkpoint(writer, span, err);
}

/* ---- pages of dropped runs ---- */

static int drop_some(struct writer *writer, struct db *db, int64_t run, size_t *count,
                     struct error *err)
{
    struct place *places = malloc(DROP_PAGES * sizeof *places);
    if (places == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a merge");
    pthread_mutex_lock(&writer->mutex);
    int rc = db_begin(db, err);
    if (rc == 0) {
        rc = db_first_places(db, run, places, DROP_PAGES, count, err);
        for (size_t i = 0; i < *count && rc == 0; i++)
            rc = db_drop_page(db, &places[i], err);
        if (rc == 0)
            rc = db_commit(db, err);
        else
            db_rollback(db);
    }
    pthread_mutex_unlock(&writer->mutex);
    free(places);
    return rc;
}

/* Asked while no chunk can be committed: its pages would be there before its run
 * is seen. */
static int find_orphan(struct writer *writer, struct db *db, int64_t *orphan, struct error *err)
{
    pthread_mutex_lock(&writer->mutex);
    int rc = db_find_orphan(db, 0, orphan, err);
    pthread_mutex_unlock(&writer->mutex);
    return rc;
}

/* Pages that belong to no run. */
static int drop_orphans(struct writer *writer, struct span *span, struct error *err)
{
    struct db *db = upkeep_db(writer, span, err);
    for (;;) {
        int64_t orphan;
        size_t count = 1;
        if (db == NULL || find_orphan(writer, db, &orphan, err) != 0)
            return -1;
        if (orphan == 0)
            break;
        while (count > 0) {
            if (upkeep_is_stopping(writer))
                return 0;
            if (drop_some(writer, db, orphan, &count, err) != 0 ||
                upkeep_checkpoint(writer, span, err) != 0)
                return -1;
        }
    }
    pthread_mutex_lock(&writer->mutex);
    span->has_orphans = false;
    pthread_mutex_unlock(&writer->mutex);
    return 0;
}

/* ---- retention and damage ---- */

static void delete_expired(struct writer *writer)
{
    int64_t before_ns = clock_wall_ns() - writer->config.retention_ns;
    struct directory *directory = &writer->directory;
    struct error err;
    bool is_changed = false;
    close_merge_db(writer);
    pthread_mutex_lock(&writer->mutex);
    for (size_t i = directory->count; i > 0; i--) {
        if (directory->spans[i - 1]->end_ns > before_ns)
            continue;
        directory_delete(directory, directory->spans[i - 1]);
        is_changed = true;
    }
    pthread_mutex_unlock(&writer->mutex);
    if (is_changed && latest_expire(&writer->latest, before_ns, &err) != 0)
        log_error("sink", "retention could not forget expired positions", &err);
}

static bool check_retention(struct writer *writer)
{
    int64_t now_ns = clock_monotonic_ns();
    if (writer->config.retention_ns == 0 || now_ns < writer->retention_at_ns)
        return false;
    writer->retention_at_ns = now_ns + 60 * NS_PER_S;
    delete_expired(writer);
    return true;
}

static bool set_damaged_aside(struct writer *writer)
{
    bool is_changed = false;
    struct directory *directory = &writer->directory;
    pthread_mutex_lock(&writer->mutex);
    for (size_t i = directory->count; i > 0; i--) {
        if (!directory->spans[i - 1]->is_damaged)
            continue;
        if (writer->merge_span == directory->spans[i - 1])
            close_merge_db(writer);
        directory_set_aside(directory, directory->spans[i - 1]);
        is_changed = true;
    }
    pthread_mutex_unlock(&writer->mutex);
    return is_changed;
}

/* ---- the thread ---- */

static struct span *next_orphaned(struct writer *writer)
{
    struct span *found = NULL;
    pthread_mutex_lock(&writer->mutex);
    if (clock_monotonic_ns() >= writer->wait_until_ns)
        for (size_t i = 0; i < writer->directory.count && found == NULL; i++)
            if (writer->directory.spans[i]->has_orphans)
                found = writer->directory.spans[i];
    pthread_mutex_unlock(&writer->mutex);
    return found;
}

/* The span whose log the writer has made longest. */
static struct span *next_long(struct writer *writer)
{
    struct span *found = NULL;
    pthread_mutex_lock(&writer->mutex);
    for (size_t i = 0; i < writer->directory.count; i++) {
        struct span *span = writer->directory.spans[i];
        if (span->db != NULL && db_wal_pages(span->db) >= WAL_PAGES &&
            (found == NULL || db_wal_pages(span->db) > db_wal_pages(found->db)))
            found = span;
    }
    pthread_mutex_unlock(&writer->mutex);
    return found;
}

static void observe_backlog(struct writer *writer)
{
    int64_t total = 0, rows;
    pthread_mutex_lock(&writer->mutex);
    for (size_t i = 0; i < writer->directory.count; i++) {
        span_chunks(writer->directory.spans[i], &rows);
        total += rows;
    }
    pthread_mutex_unlock(&writer->mutex);
    static _Thread_local int64_t shown;
    metrics_add(METRIC_SINK_BACKLOG_ROWS, 0, total - shown);
    shown = total;
}

/* One piece of work; false when there is none. */
static bool work(struct writer *writer)
{
    struct error err = {0};
    struct span *span;
    if (set_damaged_aside(writer) || check_retention(writer))
        return true;
    observe_backlog(writer);
    usage_observe(writer, clock_monotonic_ns());
    if ((span = next_long(writer)) != NULL) {
        if (checkpoint(writer, span, &err) == 0)
            return true;
        log_error("sink", "a checkpoint failed", &err);
        return false;
    }
    if ((span = next_orphaned(writer)) != NULL) {
        if (drop_orphans(writer, span, &err) == 0)
            return true;
        log_error("sink", "merged pages could not be deleted", &err);
        writer->wait_until_ns = clock_monotonic_ns() + NS_PER_S;
        return false;
    }
    return merge_next(writer);
}

static void wait_a_little(struct writer *writer)
{
    int64_t wait_ns = writer->config.merge_interval_ns / 8;
    if (wait_ns > 100 * NS_PER_MS)
        wait_ns = 100 * NS_PER_MS;
    int64_t until_ns = clock_monotonic_ns() + wait_ns;
    struct timespec until = {.tv_sec = until_ns / NS_PER_S, .tv_nsec = until_ns % NS_PER_S};
    pthread_mutex_lock(&writer->mutex);
    if (!writer->is_stopping)
        pthread_cond_timedwait(&writer->cond, &writer->mutex, &until);
    pthread_mutex_unlock(&writer->mutex);
}

void *upkeep_thread(void *context)
{
    struct writer *writer = context;
    pthread_setname_np(pthread_self(), "store-merge");
    while (!upkeep_is_stopping(writer))
        if (!work(writer))
            wait_a_little(writer);
    usage_end();
    return NULL;
}
