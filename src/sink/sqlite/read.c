/* SPDX-License-Identifier: Apache-2.0 */
/* A result is gathered run by run: each run gives those of its rows that may be
 * among the first `limit` after the cursor. Since a run is sorted and the gather
 * knows its bound, later runs are left after a page or two. */
#include "sink/sqlite/read.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "sink/sqlite/directory.h"
#include "sink/sqlite/gather.h"
#include "sink/sqlite/latest.h"

int store_reader_init(struct store_reader *reader, const char *folder, struct error *err)
{
    memset(reader, 0, sizeof *reader);
    pthread_mutex_init(&reader->mutex, NULL);
    pool_init(&reader->pool);
    shape_table_init(&reader->shapes);
    reader->folder = strdup(folder);
    reader->scratch = packet_scratch_new();
    if (reader->folder != NULL && reader->scratch != NULL)
        return 0;
    store_reader_deinit(reader);
    return error_set(err, ERROR_MEMORY, "no memory for the store");
}

void store_reader_deinit(struct store_reader *reader)
{
    for (size_t i = 0; i < READ_OPEN_MAX; i++)
        db_close(reader->files[i].db);
    free(reader->folder);
    packet_scratch_free(reader->scratch);
    pool_deinit(&reader->pool);
    shape_table_deinit(&reader->shapes);
    pthread_mutex_destroy(&reader->mutex);
}

/* ---- files ---- */

static int print_path(const struct store_reader *reader, const char *name, char *out, size_t size)
{
    return snprintf(out, size, "%s/%s", reader->folder, name) < (int)size ? 0 : -1;
}

/* An open connection, or the slot for a new one. */
static struct read_file *file_slot(struct store_reader *reader, const char *name, uint64_t inode)
{
    struct read_file *oldest = &reader->files[0];
    for (size_t i = 0; i < READ_OPEN_MAX; i++) {
        struct read_file *file = &reader->files[i];
        if (file->db != NULL && strcmp(file->name, name) == 0 && file->inode == inode)
            return file;
        if (file->last_use < oldest->last_use)
            oldest = file;
    }
    db_close(oldest->db);
    *oldest = (struct read_file){.inode = inode};
    snprintf(oldest->name, sizeof oldest->name, "%s", name);
    return oldest;
}

/* *out is NULL when the file has gone meanwhile, or is only being made. */
static int open_file(struct store_reader *reader, const char *name, struct db **out,
                     struct error *err)
{
    char path[4096];
    struct stat status;
    struct error cause;
    *out = NULL;
    if (print_path(reader, name, path, sizeof path) != 0 || stat(path, &status) != 0)
        return 0;
    struct read_file *file = file_slot(reader, name, status.st_ino);
    file->last_use = ++reader->uses;
    if (file->db == NULL && db_open(&file->db, path, DB_READ, false, &cause) != 0) {
        file->last_use = 0;
        if (cause.kind == ERROR_NOT_FOUND)
            return 0;
        if (err != NULL)
            *err = cause;
        return -1;
    }
    *out = file->db;
    return 0;
}

struct names {
    char (*items)[SPAN_NAME_MAX];
    size_t count, cap;
};

static int add_name(struct names *names, int64_t start_ns)
{
    if (names->count == names->cap) {
        size_t cap = names->cap == 0 ? 32 : 2 * names->cap;
        void *items = realloc(names->items, cap * SPAN_NAME_MAX);
        if (items == NULL)
            return -1;
        names->items = items;
        names->cap = cap;
    }
    span_name(names->items[names->count++], start_ns);
    return 0;
}

static int list_files(const struct store_reader *reader, struct names *names, struct error *err)
{
    DIR *dir = opendir(reader->folder);
    if (dir == NULL)
        return error_set_errno(err, ERROR_IO, errno, "can't read %s", reader->folder);
    struct dirent *entry;
    int64_t start_ns;
    int rc = 0;
    while (rc == 0 && (entry = readdir(dir)) != NULL)
        if (span_start(entry->d_name, &start_ns))
            rc = add_name(names, start_ns);
    closedir(dir);
    return rc == 0 ? 0 : error_set(err, ERROR_MEMORY, "no memory for a query");
}

/* ---- a walk over all runs ---- */

struct job {
    struct store_reader *reader;
    struct db *db;
    struct error *err;
    const struct sink_query *query;
    uint64_t hash; /* of query->vehicle */
    struct row_key after;
    bool has_after;
    struct bytes after_vehicle; /* of latest; empty at the beginning */
    struct gather gather;
    uint64_t total;
    int (*run)(struct job *job, const struct run *run);
};

static int visit_runs(struct job *job)
{
    struct run *runs;
    size_t count;
    int rc = db_begin(job->db, job->err);
    if (rc != 0)
        return rc;
    rc = db_runs(job->db, &runs, &count, job->err);
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = job->run(job, &runs[i]);
    free(runs);
    db_rollback(job->db); /* only a snapshot ends */
    return rc;
}

static int visit_file(struct job *job, const char *name)
{
    if (open_file(job->reader, name, &job->db, job->err) != 0)
        return -1;
    return job->db == NULL ? 0 : visit_runs(job);
}

static int visit_spans(struct job *job)
{
    struct names names = {0};
    int rc = list_files(job->reader, &names, job->err);
    for (size_t i = 0; i < names.count && rc == 0; i++)
        rc = visit_file(job, names.items[i]);
    free(names.items);
    return rc;
}

static int load_page(struct job *job, const struct place *place, bool keys_only, struct row **rows,
                     size_t *count)
{
    struct store_reader *reader = job->reader;
    struct bytes page;
    pool_reset(&reader->pool);
    if (shape_table_is_full(&reader->shapes))
        shape_table_deinit(&reader->shapes);
    if (db_page(job->db, place->page, &page, job->err) != 0)
        return -1;
    int rc = keys_only ? page_decode_keys(page, &reader->pool, rows, count, job->err)
                       : page_decode(page, &reader->shapes, &reader->pool, rows, count, job->err);
    if (rc != 0)
        error_prefix(job->err, "%s: page %lld", db_path(job->db), (long long)place->page);
    return rc;
}

static bool overlaps(const struct ranges *ranges, const struct sink_query *query)
{
    return ranges->max_time >= query->from_ms && ranges->min_time < query->to_ms;
}

static bool matches(const struct job *job, const struct row *row)
{
    const struct sink_query *query = job->query;
    if (row->key.time_ms < query->from_ms || row->key.time_ms >= query->to_ms)
        return false;
    return query->vehicle.len == 0 ||
           (row->key.hash == job->hash && bytes_equal(row->vehicle, query->vehicle));
}

/* The part of a run's order that the query can lie in. */
static int start_walk(const struct job *job, const struct run *run, struct walk *walk)
{
    const struct sink_query *query = job->query;
    bool is_one = query->vehicle.len > 0;
    uint64_t low_hash = is_one ? job->hash : 0, high_hash = is_one ? job->hash : UINT64_MAX;
    int64_t low_time = is_one ? query->from_ms : INT64_MIN;
    int64_t high_time = is_one ? query->to_ms : INT64_MAX;
    if (job->has_after && (job->after.hash > low_hash ||
                           (job->after.hash == low_hash && job->after.time_ms > low_time))) {
        low_hash = job->after.hash;
        low_time = job->after.time_ms;
    }
    return walk_start(walk, job->db, run->id, low_hash, low_time, high_hash, high_time, job->err);
}

/* ---- find ---- */

static int find_in_page(struct job *job, const struct place *place)
{
    struct row *rows;
    size_t count;
    if (load_page(job, place, false, &rows, &count) != 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (!matches(job, &rows[i]) ||
            (job->has_after && key_compare(&rows[i].key, &job->after) <= 0) ||
            !gather_wants(&job->gather, &rows[i]))
            continue;
        if (gather_add(&job->gather, &rows[i], job->err) != 0)
            return -1;
    }
    return 0;
}

static int find_in_run(struct job *job, const struct run *run)
{
    struct walk walk;
    if (!overlaps(&run->ranges, job->query))
        return 0;
    if (start_walk(job, run, &walk) != 0)
        return -1;
    int rc;
    while ((rc = walk_next(&walk, job->err)) == 1) {
        if (!gather_wants_place(&job->gather, walk.place.hash, walk.place.time_ms))
            break;
        if (!overlaps(&walk.place.ranges, job->query))
            continue;
        if (find_in_page(job, &walk.place) != 0) {
            walk_stop(&walk);
            return -1;
        }
    }
    walk_stop(&walk);
    return rc < 0 ? -1 : 0;
}

/* Up to limit rows to fn; the cursor follows. */
static int give(struct job *job, struct sink_cursor *cursor, size_t limit, sink_row_fn fn,
                void *context)
{
    struct gather *gather = &job->gather;
    bool goes_on = true;
    size_t i = 0;
    for (; i < gather->count && i < limit && goes_on; i++) {
        const struct gathered *item = gather->items[i];
        struct sink_row row;
        if (key_row(job->reader->scratch, &item->key, gathered_canonical(item), &row, job->err) !=
            0)
            return -1;
        goes_on = fn(context, &row);
        if (gather->is_latest)
            key_vehicle_to_cursor(gathered_vehicle(item), cursor);
        else
            key_to_cursor(&item->key, cursor);
    }
    cursor->is_end = i == gather->count;
    return 0;
}

static void job_init(struct job *job, struct store_reader *reader, const struct sink_query *query,
                     struct error *err)
{
    *job = (struct job){.reader = reader, .query = query, .err = err};
    job->hash = hash64(query->vehicle);
}

int read_find(struct store_reader *reader, const struct sink_query *query,
              struct sink_cursor *cursor, size_t limit, sink_row_fn fn, void *context,
              struct error *err)
{
    struct job job;
    pthread_mutex_lock(&reader->mutex);
    job_init(&job, reader, query, err);
    job.run = find_in_run;
    job.has_after = key_from_cursor(cursor, &job.after);
    gather_init(&job.gather, limit + 1, false); /* one more: is there a next page? */
    int rc = visit_spans(&job);
    if (rc == 0) {
        gather_finish(&job.gather);
        rc = give(&job, cursor, limit, fn, context);
    }
    gather_deinit(&job.gather);
    pthread_mutex_unlock(&reader->mutex);
    return rc;
}

/* ---- latest ---- */

static bool is_same_vehicle(const struct row *a, const struct row *b)
{
    return a->key.hash == b->key.hash && bytes_equal(a->vehicle, b->vehicle);
}

static int latest_in_page(struct job *job, const struct place *place)
{
    struct row *rows;
    size_t count;
    if (load_page(job, place, false, &rows, &count) != 0)
        return -1;
    for (size_t i = 0, end; i < count; i = end) {
        const struct row *best = &rows[i];
        for (end = i + 1; end < count && is_same_vehicle(&rows[i], &rows[end]); end++)
            if (latest_is_newer(&rows[end], best))
                best = &rows[end];
        bool is_done = job->after_vehicle.len > 0 &&
                       key_compare_vehicle(best->key.hash, best->vehicle, job->after.hash,
                                           job->after_vehicle) <= 0;
        if (!is_done && gather_wants(&job->gather, best) &&
            gather_add(&job->gather, best, job->err) != 0)
            return -1;
    }
    return 0;
}

static int latest_in_run(struct job *job, const struct run *run)
{
    struct walk walk;
    if (walk_start(&walk, job->db, run->id, job->after.hash, INT64_MIN, UINT64_MAX, INT64_MAX,
                   job->err) != 0)
        return -1;
    int rc;
    while ((rc = walk_next(&walk, job->err)) == 1) {
        if (!gather_wants_place(&job->gather, walk.place.hash, walk.place.time_ms))
            break;
        if (latest_in_page(job, &walk.place) != 0) {
            walk_stop(&walk);
            return -1;
        }
    }
    walk_stop(&walk);
    return rc < 0 ? -1 : 0;
}

static int latest_in_chunk(struct job *job, const struct run *run)
{
    return run->tier == 0 ? latest_in_run(job, run) : 0;
}

/* Chunks first, then what was merged: what is merged in between is in both. */
int read_latest(struct store_reader *reader, struct sink_cursor *cursor, size_t limit,
                sink_row_fn fn, void *context, struct error *err)
{
    struct job job;
    struct sink_query all = {.from_ms = INT64_MIN, .to_ms = INT64_MAX};
    char after_vehicle[sizeof cursor->bytes];
    pthread_mutex_lock(&reader->mutex);
    job_init(&job, reader, &all, err);
    memcpy(after_vehicle, cursor->bytes, sizeof after_vehicle);
    job.after_vehicle = key_vehicle_from_cursor(cursor);
    job.after_vehicle.ptr = after_vehicle;
    job.after.hash = job.after_vehicle.len > 0 ? hash64(job.after_vehicle) : 0;
    gather_init(&job.gather, limit + 1, true);
    job.run = latest_in_chunk;
    int rc = visit_spans(&job);
    job.run = latest_in_run;
    if (rc == 0)
        rc = visit_file(&job, LATEST_NAME);
    if (rc == 0) {
        gather_finish(&job.gather);
        rc = give(&job, cursor, limit, fn, context);
    }
    gather_deinit(&job.gather);
    pthread_mutex_unlock(&reader->mutex);
    return rc;
}

/* ---- count ---- */

static int count_in_page(struct job *job, const struct place *place)
{
    struct row *rows;
    size_t count;
    if (load_page(job, place, true, &rows, &count) != 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        job->total += matches(job, &rows[i]);
    return 0;
}

static bool is_inside(const struct ranges *ranges, const struct sink_query *query)
{
    return query->vehicle.len == 0 && ranges->min_time >= query->from_ms &&
           ranges->max_time < query->to_ms;
}

static int count_in_run(struct job *job, const struct run *run)
{
    struct walk walk;
    if (!overlaps(&run->ranges, job->query))
        return 0;
    if (is_inside(&run->ranges, job->query)) {
        job->total += (uint64_t)run->rows;
        return 0;
    }
    if (start_walk(job, run, &walk) != 0)
        return -1;
    int rc;
    while ((rc = walk_next(&walk, job->err)) == 1) {
        if (is_inside(&walk.place.ranges, job->query)) {
            job->total += (uint64_t)walk.place.rows;
            continue;
        }
        if (overlaps(&walk.place.ranges, job->query) && count_in_page(job, &walk.place) != 0) {
            walk_stop(&walk);
            return -1;
        }
    }
    return rc;
}

int read_count(struct store_reader *reader, const struct sink_query *query, uint64_t *out,
               struct error *err)
{
    struct job job;
    pthread_mutex_lock(&reader->mutex);
    job_init(&job, reader, query, err);
    job.run = count_in_run;
    int rc = visit_spans(&job);
    *out = job.total;
    pthread_mutex_unlock(&reader->mutex);
    return rc;
}
