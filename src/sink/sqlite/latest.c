/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/sqlite/latest.h"

#include <stdio.h>
#include <stdlib.h>

#include "observe/log.h"
#include "sink/sqlite/pages.h"

enum { ROWS_WANTED = 256, WAL_PAGES = 4096 };

static int put_empty_run(struct db *db, struct error *err)
{
    struct run run = {.id = LATEST_RUN, .tier = 1};
    ranges_init(&run.ranges);
    return db_begin(db, err) == 0 && db_put_run(db, &run, err) == 0 ? db_commit(db, err) : -1;
}

static int open_file(struct latest *latest, const char *path, bool *is_new, struct error *err)
{
    struct run *runs;
    size_t count;
    int64_t next_run;
    if (db_open(&latest->db, path, DB_WRITE, true, err) != 0)
        return -1;
    if (db_runs(latest->db, &runs, &count, err) != 0 ||
        db_next_numbers(latest->db, &next_run, &latest->next_page, err) != 0)
        return -1;
    free(runs);
    *is_new = count == 0;
    return *is_new ? put_empty_run(latest->db, err) : 0;
}

int latest_open(struct latest *latest, const char *folder, bool *is_new, struct error *err)
{
    char path[4096], aside[4200];
    struct error cause;
    memset(latest, 0, sizeof *latest);
    pool_init(&latest->pool);
    shape_table_init(&latest->shapes);
    buf_init(&latest->page, 0);
    snprintf(path, sizeof path, "%s/" LATEST_NAME, folder);
    int rc = open_file(latest, path, is_new, &cause);
    if (rc != 0 && cause.kind == ERROR_CORRUPT) {
        log_error("sink", "the file of newest packets is damaged and made anew", &cause);
        db_close(latest->db);
        latest->db = NULL;
        snprintf(aside, sizeof aside, "%s.corrupt", path);
        rename(path, aside);
        rc = open_file(latest, path, is_new, &cause);
    }
    if (rc == 0)
        return 0;
    if (err != NULL)
        *err = cause;
    latest_close(latest);
    return -1;
}

void latest_close(struct latest *latest)
{
    db_close(latest->db);
    latest->db = NULL;
    pool_deinit(&latest->pool);
    shape_table_deinit(&latest->shapes);
    buf_deinit(&latest->page);
}

bool latest_is_newer(const struct row *a, const struct row *b)
{
    if (a->key.order != b->key.order)
        return a->key.order > b->key.order;
    return a->received_ns > b->received_ns;
}

/* ---- updating ---- */

/* The pages around one hash, with the rows that belong there now. */
struct group {
    struct place *places;
    size_t place_count, place_cap;
    const struct row **rows;
    size_t row_count, row_cap;
    bool has_next;
    struct place next; /* the first page after the group */
};

static int grow(void **items, size_t *cap, size_t wanted, size_t size)
{
    if (wanted <= *cap)
        return 0;
    size_t larger = wanted < 64 ? 64 : 2 * wanted;
    void *grown = realloc(*items, larger * size);
    if (grown == NULL)
        return -1;
    *items = grown;
    *cap = larger;
    return 0;
}

static int add_row(struct group *group, const struct row *row)
{
    void *rows = group->rows;
    if (grow(&rows, &group->row_cap, group->row_count + 1, sizeof(struct row *)) != 0)
        return -1;
    group->rows = rows;
    group->rows[group->row_count++] = row;
    return 0;
}

static int add_place(struct group *group, const struct place *place)
{
    void *places = group->places;
    if (grow(&places, &group->place_cap, group->place_count + 1, sizeof *place) != 0)
        return -1;
    group->places = places;
    group->places[group->place_count++] = *place;
    return 0;
}

static int load_page(struct latest *latest, struct group *group, const struct place *place,
                     struct error *err)
{
    struct bytes page;
    struct row *rows;
    size_t count;
    if (db_page(latest->db, place->page, &page, err) != 0)
        return -1;
    char *copy = pool_take(&latest->pool, page.len); /* rows point into it */
    if (copy == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a page");
    memcpy(copy, page.ptr, page.len);
    if (page_decode(bytes_of(copy, page.len), &latest->shapes, &latest->pool, &rows, &count, err) !=
        0)
        return error_prefix(err, "%s", db_path(latest->db));
    for (size_t i = 0; i < count; i++)
        if (add_row(group, &rows[i]) != 0)
            return error_set(err, ERROR_MEMORY, "no memory for a page");
    return add_place(group, place) == 0 ? 0 : error_set(err, ERROR_MEMORY, "no memory for a page");
}

static int load_group(struct latest *latest, struct group *group, uint64_t hash, struct error *err)
{
    struct walk walk;
    group->place_count = group->row_count = 0;
    if (walk_start(&walk, latest->db, LATEST_RUN, hash, INT64_MIN, hash, INT64_MAX, err) != 0)
        return -1;
    int rc;
    while ((rc = walk_next(&walk, err)) == 1) {
        if (load_page(latest, group, &walk.place, err) != 0) {
            walk_stop(&walk);
            return -1;
        }
    }
    group->has_next = walk.is_past;
    group->next = walk.place;
    return rc;
}

static int compare_vehicles(const void *a, const void *b)
{
    const struct row *x = *(const struct row *const *)a, *y = *(const struct row *const *)b;
    int order = key_compare_vehicle(x->key.hash, x->vehicle, y->key.hash, y->vehicle);
    if (order != 0)
        return order;
    return latest_is_newer(x, y) ? -1 : latest_is_newer(y, x);
}

static int compare_keys(const void *a, const void *b)
{
    return key_compare(&(*(const struct row *const *)a)->key,
                       &(*(const struct row *const *)b)->key);
}

/* One row a vehicle, sorted by key. */
static void keep_newest(struct group *group)
{
    if (group->row_count == 0)
        return;
    qsort(group->rows, group->row_count, sizeof(struct row *), compare_vehicles);
    size_t kept = 1;
    for (size_t i = 1; i < group->row_count; i++) {
        const struct row *row = group->rows[i], *last = group->rows[kept - 1];
        if (row->key.hash != last->key.hash || !bytes_equal(row->vehicle, last->vehicle))
            group->rows[kept++] = row;
    }
    group->row_count = kept;
    qsort(group->rows, group->row_count, sizeof(struct row *), compare_keys);
}

static int store_group(struct latest *latest, const struct group *group, struct error *err)
{
    struct pages pages;
    for (size_t i = 0; i < group->place_count; i++)
        if (db_drop_page(latest->db, &group->places[i], err) != 0)
            return -1;
    pages_init(&pages);
    int rc = pages_add(&pages, group->rows, group->row_count, ROWS_WANTED, 0) == 0
                 ? pages_put(&pages, latest->db, LATEST_RUN, &latest->next_page, err)
                 : error_set(err, ERROR_MEMORY, "no memory for a page");
    pages_deinit(&pages);
    return rc;
}

/* Shapes of rows that come from elsewhere are of another table: join and split
 * them again. Few rows a vehicle, so that costs little. */
static const struct row *adopt(struct latest *latest, const struct row *from, struct error *err)
{
    int64_t numbers[SHAPE_NUMBERS_MAX];
    struct row *row = pool_take(&latest->pool, sizeof *row);
    buf_clear(&latest->page);
    if (row == NULL || row_text(from, &latest->page) != 0)
        goto failed;
    *row = *from;
    struct shape_fields fields = row_fields(row);
    row->shape = shape_split(&latest->shapes, buf_bytes(&latest->page), &fields, numbers);
    size_t len = row->shape != NULL ? row->shape->number_count * sizeof *numbers : latest->page.len;
    void *kept = pool_take(&latest->pool, len);
    if (kept == NULL)
        goto failed;
    memcpy(kept, row->shape != NULL ? (void *)numbers : latest->page.ptr, len);
    row->numbers = row->shape != NULL ? kept : NULL;
    row->text = row->shape != NULL ? bytes_of(NULL, 0) : bytes_of(kept, len);
    return row;
failed:
    error_set(err, ERROR_MEMORY, "no memory for a page");
    return NULL;
}

/* The last row of the vehicles' rows [i, …) that lies in the group; newest only. */
static int add_updates(struct latest *latest, struct group *group, const struct row *const *rows,
                       size_t count, size_t *done, struct error *err)
{
    size_t i = *done;
    while (i < count && (!group->has_next || rows[i]->key.hash < group->next.hash || i == *done)) {
        size_t best = i, end = i + 1;
        for (; end < count && rows[end]->key.hash == rows[i]->key.hash &&
               bytes_equal(rows[end]->vehicle, rows[i]->vehicle);
             end++)
            if (latest_is_newer(rows[end], rows[best]))
                best = end;
        const struct row *row = adopt(latest, rows[best], err);
        if (row == NULL)
            return -1;
        if (add_row(group, row) != 0)
            return error_set(err, ERROR_MEMORY, "no memory for a page");
        i = end;
    }
    *done = i;
    return 0;
}

static int update_groups(struct latest *latest, struct group *group, const struct row *const *rows,
                         size_t count, struct error *err)
{
    for (size_t done = 0; done < count;) {
        pool_reset(&latest->pool);
        if (shape_table_is_full(&latest->shapes))
            shape_table_deinit(&latest->shapes);
        if (load_group(latest, group, rows[done]->key.hash, err) != 0 ||
            add_updates(latest, group, rows, count, &done, err) != 0)
            return -1;
        keep_newest(group);
        if (store_group(latest, group, err) != 0)
            return -1;
    }
    return 0;
}

static void group_deinit(struct group *group)
{
    free(group->places);
    free(group->rows);
}

int latest_update(struct latest *latest, const struct row *const *rows, size_t count,
                  struct error *err)
{
    struct group group = {0};
    if (db_begin(latest->db, err) != 0)
        return -1;
    int rc = update_groups(latest, &group, rows, count, err);
    group_deinit(&group);
    if (rc != 0) {
        db_rollback(latest->db);
        return -1;
    }
    if (db_commit(latest->db, err) != 0)
        return -1;
    return db_wal_pages(latest->db) < WAL_PAGES ? 0 : db_checkpoint(latest->db, err);
}

/* ---- retention ---- */

static size_t drop_older(struct group *group, int64_t before_ns)
{
    size_t kept = 0, count = group->row_count;
    for (size_t i = 0; i < count; i++)
        if (group->rows[i]->received_ns >= before_ns)
            group->rows[kept++] = group->rows[i];
    group->row_count = kept;
    return count - kept;
}

static int expire_groups(struct latest *latest, struct group *group, int64_t before_ns,
                         struct error *err)
{
    uint64_t hash = 0;
    do {
        pool_reset(&latest->pool);
        if (load_group(latest, group, hash, err) != 0)
            return -1;
        hash = group->next.hash;
        if (drop_older(group, before_ns) > 0 && store_group(latest, group, err) != 0)
            return -1;
    } while (group->has_next);
    return 0;
}

int latest_expire(struct latest *latest, int64_t before_ns, struct error *err)
{
    struct group group = {0};
    if (db_begin(latest->db, err) != 0)
        return -1;
    int rc = expire_groups(latest, &group, before_ns, err);
    group_deinit(&group);
    if (rc != 0) {
        db_rollback(latest->db);
        return -1;
    }
    return db_commit(latest->db, err);
}

/* ---- reading ---- */

int latest_each(struct db *db, void (*fn)(void *context, uint64_t hash, uint64_t order),
                void *context, struct error *err)
{
    struct walk walk;
    struct pool pool;
    pool_init(&pool);
    int rc = walk_start(&walk, db, LATEST_RUN, 0, INT64_MIN, UINT64_MAX, INT64_MAX, err);
    while (rc == 0 && (rc = walk_next(&walk, err)) == 1) {
        struct bytes page;
        struct row *rows;
        size_t count;
        pool_reset(&pool);
        rc = db_page(db, walk.place.page, &page, err) == 0 &&
                     page_decode_keys(page, &pool, &rows, &count, err) == 0
                 ? 0
                 : -1;
        for (size_t i = 0; rc == 0 && i < count; i++)
            fn(context, rows[i].key.hash, rows[i].key.order);
    }
    walk_stop(&walk);
    pool_deinit(&pool);
    return rc;
}

int latest_order(struct db *db, struct lookup *lookup, uint64_t hash, uint64_t *order,
                 bool *is_there, struct error *err)
{
    struct walk walk;
    *is_there = false;
    if (walk_start(&walk, db, LATEST_RUN, hash, INT64_MIN, hash, INT64_MAX, err) != 0)
        return -1;
    int rc;
    while ((rc = walk_next(&walk, err)) == 1) {
        if (lookup_load(lookup, db, &walk.place, err) != 0) {
            walk_stop(&walk);
            return -1;
        }
        for (size_t i = 0; i < lookup->row_count; i++) {
            const struct row_key *key = &lookup->rows[i].key;
            if (key->hash != hash || (*is_there && key->order <= *order))
                continue;
            *order = key->order;
            *is_there = true;
        }
    }
    return rc;
}
