/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/sqlite/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "sink/sqlite/merge.h"
#include "sink/sqlite/upkeep.h"

enum { CHUNK_PAGE_ROWS = 512, CHUNK_SLICE_ROWS = 256, PREFIX_BITS_MAX = 6 };

/* ---- opening ---- */

static int lock_folder(struct writer *writer, struct error *err)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/lock", writer->directory.path);
    writer->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (writer->lock_fd < 0)
        return error_set_errno(err, ERROR_IO, errno, "can't open %s", path);
    if (flock(writer->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno == EWOULDBLOCK)
        return error_set(err, ERROR_BUSY, "another process writes the store in %s",
                         writer->directory.path);
    return error_set_errno(err, ERROR_IO, errno, "can't lock %s", path);
}

static void raise_newest(void *context, uint64_t hash, uint64_t order)
{
    newest_raise(context, hash, order);
}

static int load_chunk(struct writer *writer, struct db *db, const struct run *run,
                      struct error *err)
{
    struct walk walk;
    if (walk_start(&walk, db, run->id, 0, INT64_MIN, UINT64_MAX, INT64_MAX, err) != 0)
        return -1;
    int rc;
    while ((rc = walk_next(&walk, err)) == 1) {
        if (lookup_load(&writer->lookup, db, &walk.place, err) != 0) {
            walk_stop(&walk);
            return -1;
        }
        for (size_t i = 0; i < writer->lookup.row_count; i++)
            newest_raise(&writer->newest, writer->lookup.rows[i].key.hash,
                         writer->lookup.rows[i].key.order);
    }
    return rc;
}

/* The bounds of all vehicles: what was merged lies in latest.db, the rest in
 * chunks. */
static int load_newest(struct writer *writer, struct error *err)
{
    struct directory *directory = &writer->directory;
    if (latest_each(writer->latest_db, raise_newest, &writer->newest, err) != 0)
        return -1;
    for (size_t s = 0; s < directory->count; s++) {
        struct span *span = directory->spans[s];
        for (size_t r = 0; r < span->run_count; r++) {
            const struct run *run = &span->runs[r].run;
            if (run->tier != 0)
                continue;
            struct db *db = directory_db(directory, span, err);
            if (db == NULL || load_chunk(writer, db, run, err) != 0)
                return -1;
        }
    }
    return 0;
}

static int load(struct writer *writer, const char *folder, struct error *err)
{
    char latest_path[4096];
    bool is_new;
    if (latest_open(&writer->latest, folder, &is_new, err) != 0 ||
        (is_new && merge_fill_latest(writer, err) != 0))
        return -1;
    snprintf(latest_path, sizeof latest_path, "%s/" LATEST_NAME, folder);
    if (db_open(&writer->latest_db, latest_path, DB_READ, false, err) != 0)
        return -1;
    return load_newest(writer, err);
}

static void init_sync(struct writer *writer)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&writer->cond, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&writer->mutex, NULL);
}

static void free_writer(struct writer *writer)
{
    db_close(writer->merge_db);
    db_close(writer->latest_db);
    latest_close(&writer->latest);
    directory_close(&writer->directory);
    newest_deinit(&writer->newest);
    batch_deinit(&writer->batch);
    lookup_deinit(&writer->lookup);
    pages_deinit(&writer->pages);
    sorter_deinit(&writer->sorter);
    pthread_mutex_destroy(&writer->mutex);
    pthread_cond_destroy(&writer->cond);
    if (writer->lock_fd >= 0)
        close(writer->lock_fd);
    free(writer);
}

/* The lock first: a second process must not touch the files. */
static int open_all(struct writer *writer, const char *folder, struct error *err)
{
    if (directory_open(&writer->directory, folder, writer->config.span_ns, err) != 0 ||
        lock_folder(writer, err) != 0 || directory_scan(&writer->directory, err) != 0 ||
        newest_init(&writer->newest, (size_t)writer->config.vehicles_in_memory, err) != 0)
        return -1;
    return load(writer, folder, err);
}

int writer_open(struct writer **out, const struct sink_config *config, struct error *err)
{
    char folder[4000];
    if (snprintf(folder, sizeof folder, "%s/store", config->data_dir) >= (int)sizeof folder - 100)
        return error_set(err, ERROR_CONFIG, "the data folder's path is too long");
    struct writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the store");
    writer->config = *config;
    writer->lock_fd = -1;
    init_sync(writer);
    batch_init(&writer->batch);
    lookup_init(&writer->lookup);
    pages_init(&writer->pages);
    sorter_init(&writer->sorter);
    if (open_all(writer, folder, err) != 0) {
        free_writer(writer);
        return -1;
    }
    if (pthread_create(&writer->thread, NULL, upkeep_thread, writer) != 0) {
        free_writer(writer);
        return error_set(err, ERROR_IO, "can't start the store's merging thread");
    }
    *out = writer;
    return 0;
}

void writer_close(struct writer *writer)
{
    pthread_mutex_lock(&writer->mutex);
    writer->is_stopping = true;
    pthread_cond_signal(&writer->cond);
    pthread_mutex_unlock(&writer->mutex);
    pthread_join(writer->thread, NULL);
    free_writer(writer);
}

/* ---- what is known already ---- */

static bool may_hold(const struct run *run, const struct batch *batch)
{
    for (size_t c = 0; c < batch->candidate_count; c++) {
        const struct candidate *candidate = &batch->candidates[c];
        int64_t time_ms = packet_order_to_time(candidate->key.order);
        if (candidate->is_known)
            continue;
        if (time_ms >= run->ranges.min_time && time_ms <= run->ranges.max_time)
            return true;
        if (!candidate->is_by_time && run->ranges.has_orders &&
            candidate->key.order >= run->ranges.min_order &&
            candidate->key.order <= run->ranges.max_order)
            return true;
    }
    return false;
}

static int look_in_span(struct writer *writer, struct span *span, struct error *err)
{
    struct batch *batch = &writer->batch;
    for (size_t r = span->run_count; r > 0; r--) {
        const struct run *run = &span->runs[r - 1].run;
        if (!may_hold(run, batch))
            continue;
        struct db *db = directory_db(&writer->directory, span, err);
        if (db == NULL || lookup_run(&writer->lookup, db, run, batch->candidates,
                                     batch->candidate_count, err) != 0) {
            span->is_damaged |= err->kind == ERROR_CORRUPT;
            return -1;
        }
    }
    return 0;
}

/* Newest files and runs first: repeats are mostly of what came last. */
static int look_up(struct writer *writer, struct error *err)
{
    struct directory *directory = &writer->directory;
    writer->lookup.page = 0;
    for (size_t s = directory->count; s > 0; s--)
        if (look_in_span(writer, directory->spans[s - 1], err) != 0)
            return -1;
    return 0;
}

/* An upper bound of the orders in all chunks. */
static uint64_t largest_chunk_order(const struct directory *directory)
{
    uint64_t largest = 0;
    for (size_t s = 0; s < directory->count; s++) {
        for (size_t r = 0; r < directory->spans[s]->run_count; r++) {
            const struct run *run = &directory->spans[s]->runs[r].run;
            if (run->tier != 0)
                continue;
            uint64_t last = packet_order_from_time(run->ranges.max_time);
            if (last > largest)
                largest = last;
            if (run->ranges.has_orders && run->ranges.max_order > largest)
                largest = run->ranges.max_order;
        }
    }
    return largest;
}

/* Vehicles that memory may have forgotten get a bound again before their rows
 * are written: from the file of newest rows, and from the chunks. */
static int find_bounds(struct writer *writer, size_t count, struct error *err)
{
    struct batch *batch = &writer->batch;
    uint64_t chunk_order = 0;
    bool is_known = false;
    writer->lookup.page = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t hash = batch->sorted[i]->key.hash, order = 0;
        bool is_there;
        if (!batch->unknowns[i] || (i > 0 && batch->sorted[i - 1]->key.hash == hash))
            continue;
        if (!is_known)
            chunk_order = largest_chunk_order(&writer->directory);
        is_known = true;
        if (latest_order(writer->latest_db, &writer->lookup, hash, &order, &is_there, err) != 0)
            return -1;
        newest_set(&writer->newest, hash, is_there && order > chunk_order ? order : chunk_order);
    }
    writer->lookup.page = 0;
    return 0;
}

static int find_new_rows(struct writer *writer, struct sink_write_result *result, size_t *count,
                         struct error *err)
{
    int rc = 0;
    batch_mark(&writer->batch, &writer->newest);
    bool needs_disk = writer->batch.candidate_count > 0;
    if (needs_disk)
        pthread_mutex_lock(&writer->mutex);
    if (needs_disk)
        rc = look_up(writer, err);
    *count = rc == 0 ? batch_settle(&writer->batch, result) : 0;
    if (needs_disk && rc == 0)
        rc = find_bounds(writer, *count, err);
    if (needs_disk)
        pthread_mutex_unlock(&writer->mutex);
    return rc;
}

/* ---- writing ---- */

static int put_chunk(struct writer *writer, struct db *db, struct span *span, const struct run *run,
                     struct error *err)
{
    int64_t next_page = span->next_page;
    if (db_begin(db, err) != 0)
        return -1;
    if (pages_put(&writer->pages, db, run->id, &next_page, err) != 0 ||
        db_put_run(db, run, err) != 0) {
        db_rollback(db);
        return -1;
    }
    if (db_commit(db, err) != 0)
        return -1;
    span->next_page = next_page;
    span->next_run = run->id + 1;
    /* The room was made before the commit. */
    span_add_run(span, run);
    return 0;
}

static int commit_chunk(struct writer *writer, int64_t received_ns, struct error *err)
{
    struct span *span = directory_span(&writer->directory, received_ns, err);
    struct db *db = span != NULL ? directory_db(&writer->directory, span, err) : NULL;
    if (db == NULL)
        return -1;
    if (span_reserve_run(span) != 0)
        return error_set(err, ERROR_MEMORY, "no memory for a chunk");
    const struct pages *pages = &writer->pages;
    struct run run = {.id = span->next_run,
                      .rows = pages->rows,
                      .vehicles = (int64_t)pages->vehicles,
                      .bytes = (int64_t)pages->bytes.len,
                      .ranges = pages->ranges};
    int rc = put_chunk(writer, db, span, &run, err);
    span->is_damaged |= rc != 0 && err->kind == ERROR_CORRUPT;
    return rc;
}

static unsigned prefix_bits(size_t rows)
{
    unsigned bits = 0;
    while (bits < PREFIX_BITS_MAX && rows >> (bits + 1) >= CHUNK_SLICE_ROWS)
        bits++;
    return bits;
}

static void raise_rows(struct writer *writer, const struct row *const *rows, size_t count)
{
    enum { AHEAD = 8 };
    for (size_t i = 0; i < count; i++) {
        if (i + AHEAD < count)
            newest_prefetch(&writer->newest, rows[i + AHEAD]->key.hash);
        newest_raise(&writer->newest, rows[i]->key.hash, rows[i]->key.order);
    }
}

/* Rows of one span: one transaction. */
static int write_chunk(struct writer *writer, const struct row **rows, size_t count,
                       struct error *err)
{
    struct pages *pages = &writer->pages;
    pages_clear(pages);
    if (batch_sort_by_key(&writer->sorter, rows, count) != 0 ||
        pages_add(pages, rows, count, CHUNK_PAGE_ROWS, prefix_bits(count)) != 0)
        return error_set(err, ERROR_MEMORY, "no memory for a chunk of %zu rows", count);
    pthread_mutex_lock(&writer->mutex);
    int rc = commit_chunk(writer, rows[0]->received_ns, err);
    pthread_mutex_unlock(&writer->mutex);
    if (rc == 0)
        raise_rows(writer, rows, count);
    return rc;
}

static int64_t span_number(const struct writer *writer, const struct row *row)
{
    int64_t span_ns = writer->config.span_ns;
    return row->received_ns / span_ns - (row->received_ns % span_ns < 0);
}

/* Rows of one span to the front; returns how many. Nearly always all. */
static size_t gather_span(const struct writer *writer, const struct row **rows, size_t count)
{
    int64_t number = span_number(writer, rows[0]);
    size_t same = 0;
    for (size_t i = 0; i < count; i++) {
        if (span_number(writer, rows[i]) != number)
            continue;
        const struct row *row = rows[i];
        rows[i] = rows[same];
        rows[same++] = row;
    }
    return same;
}

enum sink_verdict writer_write(struct writer *writer, const struct sink_row *rows, size_t count,
                               struct sink_write_result *result, struct error *err)
{
    struct error cause = {0};
    size_t left;
    int rc = batch_fill(&writer->batch, rows, count, &cause);
    if (rc == 0)
        rc = find_new_rows(writer, result, &left, &cause);
    const struct row **next = writer->batch.sorted;
    while (rc == 0 && left > 0) {
        size_t same = gather_span(writer, next, left);
        rc = write_chunk(writer, next, same, &cause);
        next += same;
        left -= same;
    }
    if (rc == 0)
        return SINK_STORED;
    if (err != NULL)
        *err = cause;
    return SINK_RETRY;
}
