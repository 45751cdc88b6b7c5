/* SPDX-License-Identifier: Apache-2.0 */
/* Chunks of one file that have waited long enough, or are
 * many, become one run of blocks; eight runs of a tier whose vehicles still have
 * few rows each become one of the next tier.
 *
 * A merge goes slice by slice over the order of keys: read the slice of every
 * input, sort, encode, put the pages under a run number that nobody sees yet.
 * The last transaction makes the new run visible and the inputs invisible; then
 * the inputs' pages are deleted bit by bit. A crash leaves pages that belong to
 * no run: they are deleted at the next start. Memory is bounded by the slice,
 * the time a writer waits by the transaction. */
#include "sink/sqlite/merge.h"

#include <stdlib.h>

#include "base/clock.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "sink/sqlite/upkeep.h"

enum {
    BLOCK_ROWS = 512,
    PREFIX_BITS = 6,
    INPUTS_MAX = 2048,
    CHUNKS_DUE = 512,
    TIER_RUNS = 8,
    TIER_MAX = 6,
    ROWS_PER_VEHICLE_ENOUGH = 256,
};
static const int64_t chunk_rows_due = 8 << 20;
static const int64_t input_rows_max = 16 << 20;
static const int64_t tier_rows_max = 64 << 20;
static const size_t slice_bytes = 64 << 20;
static const size_t transaction_bytes = 8 << 20;

struct cut {
    uint64_t hash;
    int64_t time_ms;
    size_t weight;
};

struct merge {
    struct writer *writer;
    struct span *span;
    struct db *db;
    struct run inputs[INPUTS_MAX];
    size_t input_count;
    size_t reading; /* the input being read: to blame when a page is damaged */
    bool has_chunks;
    struct run target;

    struct cut *cuts; /* slices: from one to the next */
    size_t cut_count, cut_cap;

    struct shape_table shapes;
    struct pool pool;
    const struct row **rows;
    size_t row_count, row_cap;
    struct sorter sorter;
    struct pages pages;
};

/* ---- slices ---- */

static int add_cut(struct merge *merge, const struct place *place, size_t weight)
{
    if (merge->cut_count == merge->cut_cap) {
        size_t cap = merge->cut_cap == 0 ? 1024 : 2 * merge->cut_cap;
        struct cut *cuts = realloc(merge->cuts, cap * sizeof *cuts);
        if (cuts == NULL)
            return -1;
        merge->cuts = cuts;
        merge->cut_cap = cap;
    }
    merge->cuts[merge->cut_count++] = (struct cut){place->hash, place->time_ms, weight};
    return 0;
}

static int compare_cuts(const void *a, const void *b)
{
    const struct cut *x = a, *y = b;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return x->time_ms < y->time_ms ? -1 : x->time_ms > y->time_ms;
}

static int collect_places(struct merge *merge, const struct run *run, struct error *err)
{
    struct walk walk;
    size_t row_weight = 192 + 2 * (size_t)(run->bytes / (run->rows > 0 ? run->rows : 1));
    if (walk_start(&walk, merge->db, run->id, 0, INT64_MIN, UINT64_MAX, INT64_MAX, err) != 0)
        return -1;
    int rc;
    while ((rc = walk_next(&walk, err)) == 1) {
        if (add_cut(merge, &walk.place, row_weight * (size_t)walk.place.rows) != 0) {
            walk_stop(&walk);
            return error_set(err, ERROR_MEMORY, "no memory for a merge");
        }
    }
    return rc;
}

/* Slices begin at pages' first keys. Where it is possible they begin at a change
 * of the hash's top bits, as pages do: no page then lies in two slices. */
static struct cut slice_start(const struct cut *page, const struct cut *last)
{
    struct cut start = {page->hash & ~(UINT64_MAX >> PREFIX_BITS), INT64_MIN, 0};
    return compare_cuts(&start, last) > 0 ? start : (struct cut){page->hash, page->time_ms, 0};
}

static int plan_slices(struct merge *merge, struct error *err)
{
    merge->cut_count = 0;
    for (size_t i = 0; i < merge->input_count; i++) {
        merge->reading = i;
        if (collect_places(merge, &merge->inputs[i], err) != 0)
            return -1;
    }
    if (merge->cut_count == 0)
        return error_set(err, ERROR_CORRUPT, "%s: a run has no pages", merge->span->path);
    qsort(merge->cuts, merge->cut_count, sizeof *merge->cuts, compare_cuts);
    struct cut last = {0, INT64_MIN, 0};
    size_t kept = 1, weight = 0, count = merge->cut_count;
    for (size_t i = 0; i < count; i++) {
        struct cut page = merge->cuts[i], start = slice_start(&page, &last);
        if (weight > 0 && weight + page.weight > slice_bytes && compare_cuts(&start, &last) > 0) {
            merge->cuts[kept++] = last = start;
            weight = 0;
        }
        weight += page.weight;
    }
    merge->cuts[0] = (struct cut){0, INT64_MIN, 0};
    merge->cut_count = kept;
    return 0;
}

static bool is_at_or_after(const struct row_key *key, const struct cut *cut)
{
    return key->hash > cut->hash || (key->hash == cut->hash && key->time_ms >= cut->time_ms);
}

static int add_rows(struct merge *merge, const struct row *rows, size_t count,
                    const struct cut *from, const struct cut *to)
{
    if (merge->row_count + count > merge->row_cap) {
        size_t cap = 2 * (merge->row_count + count);
        const struct row **grown = realloc(merge->rows, cap * sizeof(struct row *));
        if (grown == NULL)
            return -1;
        merge->rows = grown;
        merge->row_cap = cap;
    }
    for (size_t i = 0; i < count; i++)
        if (is_at_or_after(&rows[i].key, from) && (to == NULL || !is_at_or_after(&rows[i].key, to)))
            merge->rows[merge->row_count++] = &rows[i];
    return 0;
}

static int read_page(struct merge *merge, int64_t number, const struct cut *from,
                     const struct cut *to, struct error *err)
{
    struct bytes page;
    struct row *rows;
    size_t count;
    if (db_page(merge->db, number, &page, err) != 0)
        return -1;
    char *copy = pool_take(&merge->pool, page.len); /* rows point into it */
    if (copy == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a merge");
    memcpy(copy, page.ptr, page.len);
    if (page_decode(bytes_of(copy, page.len), &merge->shapes, &merge->pool, &rows, &count, err) !=
        0)
        return error_prefix(err, "%s: page %lld", merge->span->path, (long long)number);
    return add_rows(merge, rows, count, from, to) == 0
               ? 0
               : error_set(err, ERROR_MEMORY, "no memory for a merge");
}

static int read_run(struct merge *merge, int64_t run, const struct cut *from, const struct cut *to,
                    struct error *err)
{
    struct walk walk;
    if (walk_start(&walk, merge->db, run, from->hash, from->time_ms,
                   to != NULL ? to->hash : UINT64_MAX, to != NULL ? to->time_ms : INT64_MAX,
                   err) != 0)
        return -1;
    int rc;
    while ((rc = walk_next(&walk, err)) == 1) {
        if (read_page(merge, walk.place.page, from, to, err) != 0) {
            walk_stop(&walk);
            return -1;
        }
    }
    return rc;
}

static int read_slice(struct merge *merge, size_t slice, struct error *err)
{
    const struct cut *from = &merge->cuts[slice];
    const struct cut *to = slice + 1 < merge->cut_count ? from + 1 : NULL;
    pool_reset(&merge->pool);
    shape_table_deinit(&merge->shapes);
    merge->row_count = 0;
    for (size_t i = 0; i < merge->input_count; i++) {
        merge->reading = i;
        if (read_run(merge, merge->inputs[i].id, from, to, err) != 0)
            return -1;
    }
    return batch_sort_by_key(&merge->sorter, merge->rows, merge->row_count) == 0
               ? 0
               : error_set(err, ERROR_MEMORY, "no memory for a merge");
}

/* ---- writing ---- */

static int put_pages(struct merge *merge, struct error *err)
{
    struct run *target = &merge->target;
    struct pages *pages = &merge->pages;
    pthread_mutex_lock(&merge->writer->mutex);
    int rc = db_begin(merge->db, err);
    if (rc == 0) {
        rc = pages_put(pages, merge->db, target->id, &merge->span->next_page, err);
        if (rc == 0)
            rc = db_commit(merge->db, err);
        else
            db_rollback(merge->db);
    }
    pthread_mutex_unlock(&merge->writer->mutex);
    target->rows += pages->rows;
    target->vehicles += (int64_t)pages->vehicles;
    target->bytes += (int64_t)pages->bytes.len;
    ranges_join(&target->ranges, &pages->ranges);
    pages_clear(pages);
    return rc;
}

/* The slice in transactions of bounded size. */
static int write_slice(struct merge *merge, unsigned prefix_bits, struct error *err)
{
    enum { STEP = 64 * BLOCK_ROWS };
    size_t done = 0;
    while (done < merge->row_count) {
        size_t end = done + STEP < merge->row_count ? done + STEP : merge->row_count;
        while (end < merge->row_count && end - done < 2 * STEP &&
               merge->rows[end]->key.hash == merge->rows[end - 1]->key.hash)
            end++;
        if (pages_add(&merge->pages, merge->rows + done, end - done, BLOCK_ROWS, prefix_bits) != 0)
            return error_set(err, ERROR_MEMORY, "no memory for a merge");
        done = end;
        if ((done == merge->row_count || merge->pages.bytes.len >= transaction_bytes) &&
            put_pages(merge, err) != 0)
            return -1;
    }
    return 0;
}

/* The one transaction that matters: the new run for the old ones. */
static int swap_runs(struct merge *merge, struct error *err)
{
    if (db_begin(merge->db, err) != 0)
        return -1;
    int rc = db_put_run(merge->db, &merge->target, err);
    for (size_t i = 0; i < merge->input_count && rc == 0; i++)
        rc = db_drop_run(merge->db, merge->inputs[i].id, err);
    if (rc != 0) {
        db_rollback(merge->db);
        return -1;
    }
    return db_commit(merge->db, err);
}

static int finish(struct merge *merge, struct error *err)
{
    struct writer *writer = merge->writer;
    struct span *span = merge->span;
    int64_t expected = 0;
    for (size_t i = 0; i < merge->input_count; i++)
        expected += merge->inputs[i].rows;
    if (expected != merge->target.rows)
        return error_set(err, ERROR_CORRUPT, "%s: %lld rows to merge, %lld found", span->path,
                         (long long)expected, (long long)merge->target.rows);
    pthread_mutex_lock(&writer->mutex);
    int rc = span_reserve_run(span) == 0 ? swap_runs(merge, err)
                                         : error_set(err, ERROR_MEMORY, "no memory for a merge");
    if (rc == 0) {
        for (size_t i = 0; i < merge->input_count; i++)
            span_remove_run(span, merge->inputs[i].id);
        span_add_run(span, &merge->target);
        span->has_orphans = true;
    }
    pthread_mutex_unlock(&writer->mutex);
    return rc;
}

static int merge_slices(struct merge *merge, struct error *err)
{
    struct writer *writer = merge->writer;
    int64_t rows = 0;
    for (size_t i = 0; i < merge->input_count; i++)
        rows += merge->inputs[i].rows;
    unsigned prefix_bits = rows >> PREFIX_BITS >= BLOCK_ROWS ? PREFIX_BITS : 0;
    if (plan_slices(merge, err) != 0)
        return -1;
    for (size_t slice = 0; slice < merge->cut_count; slice++) {
        if (upkeep_is_stopping(writer))
            return error_set(err, ERROR_BUSY, "the store is being closed");
        if (read_slice(merge, slice, err) != 0)
            return -1;
        merge->reading = INPUTS_MAX;
        if ((merge->has_chunks &&
             latest_update(&writer->latest, merge->rows, merge->row_count, err) != 0) ||
            write_slice(merge, prefix_bits, err) != 0 ||
            upkeep_checkpoint(writer, merge->span, err) != 0)
            return -1;
    }
    return finish(merge, err);
}

static void merge_deinit(struct merge *merge)
{
    free(merge->cuts);
    free(merge->rows);
    shape_table_deinit(&merge->shapes);
    pool_deinit(&merge->pool);
    sorter_deinit(&merge->sorter);
    pages_deinit(&merge->pages);
    free(merge);
}

/* What was written so far belongs to no run. A damaged input is left alone from
 * now on; after other failures the merge is tried again a little later. */
static void give_up(struct merge *merge, const struct error *err)
{
    struct writer *writer = merge->writer;
    pthread_mutex_lock(&writer->mutex);
    if (err->kind == ERROR_CORRUPT) {
        for (size_t i = 0; i < merge->span->run_count; i++)
            for (size_t j = 0; j < merge->input_count; j++)
                if ((merge->reading == j || merge->reading == INPUTS_MAX) &&
                    merge->span->runs[i].run.id == merge->inputs[j].id)
                    merge->span->runs[i].is_stuck = true;
        metrics_add(METRIC_SINK_CORRUPT_PAGES, 0, 1);
    }
    merge->span->has_orphans = true;
    writer->wait_until_ns = clock_monotonic_ns() + NS_PER_S;
    pthread_mutex_unlock(&writer->mutex);
    if (err->kind != ERROR_BUSY)
        log_error("sink", "a merge failed; its packets stay where they are", err);
}

static void run_merge(struct merge *merge)
{
    struct writer *writer = merge->writer;
    struct error err = {0};
    int64_t start_ns = clock_monotonic_ns();
    shape_table_init(&merge->shapes);
    pool_init(&merge->pool);
    sorter_init(&merge->sorter);
    pages_init(&merge->pages);
    merge->reading = INPUTS_MAX;
    merge->db = upkeep_db(writer, merge->span, &err);
    int rc = merge->db != NULL ? merge_slices(merge, &err) : -1;
    pthread_mutex_lock(&writer->mutex);
    merge->span->building = 0;
    pthread_mutex_unlock(&writer->mutex);
    if (rc == 0) {
        metrics_add(METRIC_SINK_MERGED_ROWS, 0, merge->target.rows);
        metrics_observe(METRIC_SINK_MERGE_SECONDS, 0, clock_monotonic_ns() - start_ns);
    } else {
        give_up(merge, &err);
    }
}

/* ---- what to do next ---- */

static bool is_due(const struct writer *writer, const struct span *span, int64_t now_ns)
{
    int64_t rows;
    size_t chunks = span_chunks(span, &rows);
    return chunks > 0 && (now_ns - span->chunk_since_ns >= writer->config.merge_interval_ns ||
                          rows >= chunk_rows_due || chunks >= CHUNKS_DUE);
}

static void take_input(struct merge *merge, const struct run *run)
{
    merge->inputs[merge->input_count++] = *run;
    merge->has_chunks |= run->tier == 0;
}

static void pick_chunks(struct merge *merge, const struct span *span)
{
    int64_t rows = 0;
    for (size_t i = 0; i < span->run_count && merge->input_count < INPUTS_MAX; i++) {
        const struct span_run *run = &span->runs[i];
        if (run->run.tier != 0 || run->is_stuck)
            continue;
        rows += run->run.rows;
        if (merge->input_count > 0 && rows > input_rows_max)
            break;
        take_input(merge, &run->run);
    }
    merge->target.tier = 1;
}

/* Eight runs of one tier, if their vehicles still have few rows in each. */
static void pick_tier(struct merge *merge, const struct span *span)
{
    for (int64_t tier = 1; tier <= TIER_MAX; tier++) {
        int64_t rows = 0, vehicles = 0;
        merge->input_count = 0;
        for (size_t i = 0; i < span->run_count && merge->input_count < TIER_RUNS; i++) {
            const struct span_run *run = &span->runs[i];
            if (run->run.tier != tier || run->is_stuck)
                continue;
            rows += run->run.rows;
            vehicles += run->run.vehicles;
            take_input(merge, &run->run);
        }
        merge->target.tier = tier + 1;
        if (merge->input_count == TIER_RUNS && rows <= tier_rows_max &&
            rows < vehicles * ROWS_PER_VEHICLE_ENOUGH)
            return;
    }
    merge->input_count = 0;
}

/* With the mutex held. */
static struct merge *pick_merge(struct writer *writer)
{
    int64_t now_ns = clock_monotonic_ns();
    struct merge *merge = calloc(1, sizeof *merge);
    if (merge == NULL || now_ns < writer->wait_until_ns) {
        free(merge);
        return NULL;
    }
    struct directory *directory = &writer->directory;
    for (size_t s = 0; s < directory->count && merge->input_count == 0; s++) {
        struct span *span = directory->spans[s];
        merge->span = span;
        if (is_due(writer, span, now_ns))
            pick_chunks(merge, span);
        else
            pick_tier(merge, span);
    }
    if (merge->input_count == 0) {
        free(merge);
        return NULL;
    }
    merge->writer = writer;
    merge->target.id = merge->span->next_run++;
    merge->span->building = merge->target.id;
    ranges_init(&merge->target.ranges);
    return merge;
}

bool merge_next(struct writer *writer)
{
    pthread_mutex_lock(&writer->mutex);
    struct merge *merge = pick_merge(writer);
    pthread_mutex_unlock(&writer->mutex);
    if (merge == NULL)
        return false;
    run_merge(merge);
    merge_deinit(merge);
    return true;
}

/* ---- latest.db anew ---- */

static int fill_from_run(struct merge *merge, const struct run *run, struct error *err)
{
    merge->inputs[0] = *run;
    merge->input_count = 1;
    if (plan_slices(merge, err) != 0)
        return -1;
    for (size_t slice = 0; slice < merge->cut_count; slice++)
        if (read_slice(merge, slice, err) != 0 ||
            latest_update(&merge->writer->latest, merge->rows, merge->row_count, err) != 0)
            return -1;
    return 0;
}

static int fill_latest(struct merge *merge, struct error *err)
{
    struct directory *directory = &merge->writer->directory;
    for (size_t s = 0; s < directory->count; s++) {
        merge->span = directory->spans[s];
        for (size_t r = 0; r < merge->span->run_count; r++) {
            const struct run *run = &merge->span->runs[r].run;
            if (run->tier == 0)
                continue;
            merge->db = directory_db(directory, merge->span, err);
            if (merge->db == NULL || fill_from_run(merge, run, err) != 0)
                return -1;
        }
    }
    return 0;
}

int merge_fill_latest(struct writer *writer, struct error *err)
{
    struct merge *merge = calloc(1, sizeof *merge);
    if (merge == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the store");
    merge->writer = writer;
    shape_table_init(&merge->shapes);
    pool_init(&merge->pool);
    sorter_init(&merge->sorter);
    pages_init(&merge->pages);
    int rc = fill_latest(merge, err);
    merge_deinit(merge);
    return rc;
}
