/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/sqlite/db_private.h"

#include <stdlib.h>

/* ---- ranges ---- */

void ranges_add(struct ranges *ranges, const struct row_key *key)
{
    if (key->time_ms < ranges->min_time)
        ranges->min_time = key->time_ms;
    if (key->time_ms > ranges->max_time)
        ranges->max_time = key->time_ms;
    if (key->order == packet_order_from_time(key->time_ms))
        return;
    if (!ranges->has_orders || key->order < ranges->min_order)
        ranges->min_order = key->order;
    if (!ranges->has_orders || key->order > ranges->max_order)
        ranges->max_order = key->order;
    ranges->has_orders = true;
}

void ranges_join(struct ranges *ranges, const struct ranges *other)
{
    if (other->min_time < ranges->min_time)
        ranges->min_time = other->min_time;
    if (other->max_time > ranges->max_time)
        ranges->max_time = other->max_time;
    if (!other->has_orders)
        return;
    if (!ranges->has_orders || other->min_order < ranges->min_order)
        ranges->min_order = other->min_order;
    if (!ranges->has_orders || other->max_order > ranges->max_order)
        ranges->max_order = other->max_order;
    ranges->has_orders = true;
}

static int64_t from_unsigned(uint64_t value)
{
    return (int64_t)(value ^ UINT64_C(1) << 63);
}

static uint64_t to_unsigned(int64_t value)
{
    return (uint64_t)value ^ UINT64_C(1) << 63;
}

/* ---- meta and runs ---- */

int db_get_meta(struct db *db, const char *name, int64_t *out, struct error *err)
{
    *out = 0;
    sqlite3_stmt *stmt = db_statement(db, SQL_GET_META, err);
    if (stmt == NULL)
        return -1;
    sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
    return db_one_integer(db, stmt, out, err);
}

int db_set_meta(struct db *db, const char *name, int64_t value, struct error *err)
{
    sqlite3_stmt *stmt = db_statement(db, SQL_SET_META, err);
    if (stmt == NULL)
        return -1;
    sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 2, value);
    return db_finish(db, stmt, "writing", err);
}

static void bind_ranges(sqlite3_stmt *stmt, int first, const struct ranges *ranges)
{
    sqlite3_bind_int64(stmt, first, ranges->min_time);
    sqlite3_bind_int64(stmt, first + 1, ranges->max_time);
    if (ranges->has_orders) {
        sqlite3_bind_int64(stmt, first + 2, from_unsigned(ranges->min_order));
        sqlite3_bind_int64(stmt, first + 3, from_unsigned(ranges->max_order));
    } else {
        sqlite3_bind_null(stmt, first + 2);
        sqlite3_bind_null(stmt, first + 3);
    }
}

static struct ranges column_ranges(sqlite3_stmt *stmt, int first)
{
    return (struct ranges){
        .min_time = sqlite3_column_int64(stmt, first),
        .max_time = sqlite3_column_int64(stmt, first + 1),
        .has_orders = sqlite3_column_type(stmt, first + 2) != SQLITE_NULL,
        .min_order = to_unsigned(sqlite3_column_int64(stmt, first + 2)),
        .max_order = to_unsigned(sqlite3_column_int64(stmt, first + 3)),
    };
}

static int append_run(struct run **runs, size_t *count, sqlite3_stmt *stmt)
{
    if ((*count & (*count - 1)) == 0) { /* 0 or a power of two: full */
        struct run *grown = realloc(*runs, (*count == 0 ? 1 : 2 * *count) * sizeof **runs);
        if (grown == NULL)
            return -1;
        *runs = grown;
    }
    (*runs)[(*count)++] = (struct run){
        .id = sqlite3_column_int64(stmt, 0),
        .tier = sqlite3_column_int64(stmt, 1),
        .rows = sqlite3_column_int64(stmt, 2),
        .vehicles = sqlite3_column_int64(stmt, 3),
        .bytes = sqlite3_column_int64(stmt, 4),
        .ranges = column_ranges(stmt, 5),
    };
    return 0;
}

int db_runs(struct db *db, struct run **out, size_t *count, struct error *err)
{
    *out = NULL;
    *count = 0;
    sqlite3_stmt *stmt = db_statement(db, SQL_RUNS, err);
    if (stmt == NULL)
        return -1;
    int code, rc = 0;
    while ((code = sqlite3_step(stmt)) == SQLITE_ROW && rc == 0)
        if (append_run(out, count, stmt) != 0)
            rc = error_set(err, ERROR_MEMORY, "no memory for the runs of %s", db->path);
    if (rc == 0 && code != SQLITE_DONE)
        rc = db_fail(db, err, "reading");
    sqlite3_reset(stmt);
    if (rc != 0) {
        free(*out);
        *out = NULL;
        *count = 0;
    }
    return rc;
}

int db_put_run(struct db *db, const struct run *run, struct error *err)
{
    sqlite3_stmt *stmt = db_statement(db, SQL_PUT_RUN, err);
    if (stmt == NULL)
        return -1;
    sqlite3_bind_int64(stmt, 1, run->id);
    sqlite3_bind_int64(stmt, 2, run->tier);
    sqlite3_bind_int64(stmt, 3, run->rows);
    sqlite3_bind_int64(stmt, 4, run->vehicles);
    sqlite3_bind_int64(stmt, 5, run->bytes);
    bind_ranges(stmt, 6, &run->ranges);
    return db_finish(db, stmt, "writing", err);
}

int db_drop_run(struct db *db, int64_t run, struct error *err)
{
    sqlite3_stmt *stmt = db_statement(db, SQL_DROP_RUN, err);
    if (stmt == NULL)
        return -1;
    sqlite3_bind_int64(stmt, 1, run);
    return db_finish(db, stmt, "writing", err);
}

static int next_place_run(struct db *db, int64_t after, int64_t *run, struct error *err)
{
    sqlite3_stmt *stmt = db_statement(db, SQL_NEXT_PLACE_RUN, err);
    *run = 0;
    if (stmt == NULL)
        return -1;
    sqlite3_bind_int64(stmt, 1, after);
    return db_one_integer(db, stmt, run, err);
}

int db_next_numbers(struct db *db, int64_t *run, int64_t *page, struct error *err)
{
    sqlite3_stmt *next_run = db_statement(db, SQL_NEXT_RUN, err);
    sqlite3_stmt *next_page = db_statement(db, SQL_NEXT_PAGE, err);
    if (next_run == NULL || next_page == NULL || db_one_integer(db, next_run, run, err) != 0 ||
        db_one_integer(db, next_page, page, err) != 0)
        return -1;
    int64_t used = *run - 1;
    do {
        if (next_place_run(db, used, &used, err) != 0)
            return -1;
        if (used >= *run)
            *run = used + 1;
    } while (used != 0);
    return 0;
}

int db_find_orphan(struct db *db, int64_t building, int64_t *orphan, struct error *err)
{
    struct run *runs;
    size_t count;
    *orphan = 0;
    if (db_runs(db, &runs, &count, err) != 0)
        return -1;
    int64_t run = 0;
    int rc;
    while ((rc = next_place_run(db, run, &run, err)) == 0 && run != 0) {
        bool is_known = run == building;
        for (size_t i = 0; i < count; i++)
            is_known |= runs[i].id == run;
        if (!is_known) {
            *orphan = run;
            break;
        }
    }
    free(runs);
    return rc;
}

/* ---- pages ---- */

static struct place column_place(sqlite3_stmt *stmt)
{
    return (struct place){
        .run = sqlite3_column_int64(stmt, 0),
        .hash = to_unsigned(sqlite3_column_int64(stmt, 1)),
        .time_ms = sqlite3_column_int64(stmt, 2),
        .page = sqlite3_column_int64(stmt, 3),
        .rows = sqlite3_column_int64(stmt, 4),
        .ranges = column_ranges(stmt, 5),
    };
}

static void bind_place_key(sqlite3_stmt *stmt, const struct place *place)
{
    sqlite3_bind_int64(stmt, 1, place->run);
    sqlite3_bind_int64(stmt, 2, from_unsigned(place->hash));
    sqlite3_bind_int64(stmt, 3, place->time_ms);
    sqlite3_bind_int64(stmt, 4, place->page);
}

int db_put_page(struct db *db, const struct place *place, struct bytes page, struct error *err)
{
    sqlite3_stmt *put_place = db_statement(db, SQL_PUT_PLACE, err);
    sqlite3_stmt *put_page = db_statement(db, SQL_PUT_PAGE, err);
    if (put_place == NULL || put_page == NULL)
        return -1;
    bind_place_key(put_place, place);
    sqlite3_bind_int64(put_place, 5, place->rows);
    bind_ranges(put_place, 6, &place->ranges);
    sqlite3_bind_int64(put_page, 1, place->page);
    sqlite3_bind_blob64(put_page, 2, page.ptr, page.len, SQLITE_STATIC);
    if (db_finish(db, put_place, "writing", err) != 0)
        return -1;
    int rc = db_finish(db, put_page, "writing", err);
    sqlite3_clear_bindings(put_page);
    return rc;
}

int db_drop_page(struct db *db, const struct place *place, struct error *err)
{
    sqlite3_stmt *drop_place = db_statement(db, SQL_DROP_PLACE, err);
    sqlite3_stmt *drop_page = db_statement(db, SQL_DROP_PAGE, err);
    if (drop_place == NULL || drop_page == NULL)
        return -1;
    bind_place_key(drop_place, place);
    sqlite3_bind_int64(drop_page, 1, place->page);
    if (db_finish(db, drop_place, "deleting", err) != 0)
        return -1;
    return db_finish(db, drop_page, "deleting", err);
}

int db_first_places(struct db *db, int64_t run, struct place *out, size_t max, size_t *count,
                    struct error *err)
{
    *count = 0;
    sqlite3_stmt *stmt = db_statement(db, SQL_FIRST_PLACES, err);
    if (stmt == NULL)
        return -1;
    sqlite3_bind_int64(stmt, 1, run);
    sqlite3_bind_int64(stmt, 2, (int64_t)max);
    int code;
    while ((code = sqlite3_step(stmt)) == SQLITE_ROW && *count < max)
        out[(*count)++] = column_place(stmt);
    int rc = code == SQLITE_DONE || code == SQLITE_ROW ? 0 : db_fail(db, err, "reading");
    sqlite3_reset(stmt);
    return rc;
}

static int seek(struct db *db, int64_t run, uint64_t hash, int64_t time_ms, struct place *first,
                struct error *err)
{
    sqlite3_stmt *stmt = db_statement(db, SQL_SEEK, err);
    if (stmt == NULL)
        return -1;
    *first = (struct place){.run = run, .hash = hash, .time_ms = time_ms, .page = 0};
    bind_place_key(stmt, first); /* the fourth parameter does not exist: ignored */
    int code = sqlite3_step(stmt);
    if (code == SQLITE_ROW) {
        first->hash = to_unsigned(sqlite3_column_int64(stmt, 0));
        first->time_ms = sqlite3_column_int64(stmt, 1);
        first->page = sqlite3_column_int64(stmt, 2);
    }
    int rc = code == SQLITE_ROW || code == SQLITE_DONE ? 0 : db_fail(db, err, "reading");
    sqlite3_reset(stmt);
    return rc;
}

int walk_start(struct walk *walk, struct db *db, int64_t run, uint64_t low_hash, int64_t low_time,
               uint64_t high_hash, int64_t high_time, struct error *err)
{
    struct place first;
    *walk = (struct walk){.db = db, .high_hash = high_hash, .high_time = high_time};
    sqlite3_stmt *stmt = db_statement(db, SQL_WALK, err);
    if (stmt == NULL || seek(db, run, low_hash, low_time, &first, err) != 0)
        return -1;
    sqlite3_reset(stmt);
    bind_place_key(stmt, &first);
    walk->is_busy = true;
    return 0;
}

int walk_next(struct walk *walk, struct error *err)
{
    if (!walk->is_busy)
        return 0;
    sqlite3_stmt *stmt = walk->db->prepared[SQL_WALK];
    int code = sqlite3_step(stmt);
    if (code == SQLITE_ROW) {
        walk->place = column_place(stmt);
        if (walk->place.hash < walk->high_hash ||
            (walk->place.hash == walk->high_hash && walk->place.time_ms <= walk->high_time))
            return 1;
        walk->is_past = true;
    }
    int rc = code == SQLITE_ROW || code == SQLITE_DONE ? 0 : db_fail(walk->db, err, "reading");
    walk_stop(walk);
    return rc;
}

void walk_stop(struct walk *walk)
{
    if (walk->is_busy) {
        sqlite3_reset(walk->db->prepared[SQL_WALK]);
        db_release_page(walk->db);
    }
    walk->is_busy = false;
}

int db_page(struct db *db, int64_t page, struct bytes *out, struct error *err)
{
    sqlite3_stmt *stmt = db_statement(db, SQL_PAGE, err);
    if (stmt == NULL)
        return -1;
    sqlite3_reset(stmt);
    sqlite3_bind_int64(stmt, 1, page);
    int code = sqlite3_step(stmt);
    if (code == SQLITE_ROW) {
        *out = bytes_of(sqlite3_column_blob(stmt, 0), (size_t)sqlite3_column_bytes(stmt, 0));
        return 0;
    }
    if (code == SQLITE_DONE)
        return error_set(err, ERROR_CORRUPT, "%s: page %lld is missing", db->path, (long long)page);
    return db_fail(db, err, "reading");
}
