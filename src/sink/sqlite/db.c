/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/sqlite/db.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/must.h"

enum statement {
    SQL_BEGIN_WRITE,
    SQL_BEGIN_READ,
    SQL_COMMIT,
    SQL_ROLLBACK,
    SQL_GET_META,
    SQL_SET_META,
    SQL_RUNS,
    SQL_PUT_RUN,
    SQL_DROP_RUN,
    SQL_NEXT_RUN,
    SQL_NEXT_PAGE,
    SQL_NEXT_PLACE_RUN,
    SQL_PUT_PLACE,
    SQL_PUT_PAGE,
    SQL_DROP_PLACE,
    SQL_DROP_PAGE,
    SQL_FIRST_PLACES,
    SQL_SEEK,
    SQL_WALK,
    SQL_PAGE,
    SQL_COUNT
};

#define PLACE_COLUMNS "run, hash, time, page, rows, min_time, max_time, min_order, max_order"

static const char *const statements[SQL_COUNT] = {
    [SQL_BEGIN_WRITE] = "BEGIN IMMEDIATE",
    [SQL_BEGIN_READ] = "BEGIN",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_GET_META] = "SELECT value FROM meta WHERE name = ?1",
    [SQL_SET_META] = "INSERT OR REPLACE INTO meta(name, value) VALUES(?1, ?2)",
    [SQL_RUNS] = "SELECT id, tier, rows, vehicles, bytes, min_time, max_time, min_order, max_order "
                 "FROM run ORDER BY id",
    [SQL_PUT_RUN] = "INSERT INTO run(id, tier, rows, vehicles, bytes, min_time, max_time, "
                    "min_order, max_order) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    [SQL_DROP_RUN] = "DELETE FROM run WHERE id = ?1",
    [SQL_NEXT_RUN] = "SELECT coalesce(max(id), 0) + 1 FROM run",
    [SQL_NEXT_PAGE] = "SELECT coalesce(max(id), 0) + 1 FROM page",
    /* The first run number above ?1 that has pages. */
    [SQL_NEXT_PLACE_RUN] = "SELECT run FROM place WHERE run > ?1 ORDER BY run LIMIT 1",
    [SQL_PUT_PLACE] =
        "INSERT INTO place(" PLACE_COLUMNS ") VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    [SQL_PUT_PAGE] = "INSERT INTO page(id, data) VALUES(?1, ?2)",
    [SQL_DROP_PLACE] = "DELETE FROM place WHERE run = ?1 AND hash = ?2 AND time = ?3 AND page = ?4",
    [SQL_DROP_PAGE] = "DELETE FROM page WHERE id = ?1",
    [SQL_FIRST_PLACES] = "SELECT " PLACE_COLUMNS " FROM place WHERE run = ?1 LIMIT ?2",
    /* The last page that begins before (hash, time): the first that can hold it. */
    [SQL_SEEK] = "SELECT hash, time, page FROM place WHERE run = ?1 AND (hash, time) < (?2, ?3) "
                 "ORDER BY hash DESC, time DESC, page DESC LIMIT 1",
    [SQL_WALK] = "SELECT " PLACE_COLUMNS " FROM place WHERE run = ?1 "
                 "AND (hash, time, page) >= (?2, ?3, ?4) ORDER BY hash, time, page",
    [SQL_PAGE] = "SELECT data FROM page WHERE id = ?1",
};

static const char schema[] =
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE run(id INTEGER PRIMARY KEY, tier INTEGER NOT NULL, rows INTEGER NOT NULL, "
    "vehicles INTEGER NOT NULL, bytes INTEGER NOT NULL, min_time INTEGER NOT NULL, "
    "max_time INTEGER NOT NULL, min_order INTEGER, max_order INTEGER);"
    "CREATE TABLE place(run INTEGER NOT NULL, hash INTEGER NOT NULL, time INTEGER NOT NULL, "
    "page INTEGER NOT NULL, rows INTEGER NOT NULL, min_time INTEGER NOT NULL, "
    "max_time INTEGER NOT NULL, min_order INTEGER, max_order INTEGER, "
    "PRIMARY KEY(run, hash, time, page)) WITHOUT ROWID;"
    "CREATE TABLE page(id INTEGER PRIMARY KEY, data BLOB NOT NULL);";

enum { APPLICATION_ID = 0x6d636462 /* "mcdb" */, BUSY_MS = 10000 };

struct db {
    sqlite3 *handle;
    sqlite3_stmt *prepared[SQL_COUNT];
    enum db_mode mode;
    int64_t wal_pages;
    char path[];
};

/* ---- ranges ---- */

void ranges_add(struct ranges *ranges, const struct row_key *key)
{
    if (key->time_ms < ranges->min_time)
        ranges->min_time = key->time_ms;
    if (key->time_ms > ranges->max_time)
        ranges->max_time = key->time_ms;
    if (key->order == (uint64_t)key->time_ms)
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

/* ---- plumbing ---- */

static int fail(struct db *db, struct error *err, const char *what)
{
    int code = sqlite3_errcode(db->handle) & 0xff;
    enum error_kind kind = code == SQLITE_CORRUPT || code == SQLITE_NOTADB ? ERROR_CORRUPT
                           : code == SQLITE_NOMEM                          ? ERROR_MEMORY
                                                                           : ERROR_IO;
    error_set(err, kind, "%s: %s: %s", db->path, what, sqlite3_errmsg(db->handle));
    if (err != NULL)
        err->is_transient = kind != ERROR_CORRUPT;
    return -1;
}

static sqlite3_stmt *statement(struct db *db, enum statement which, struct error *err)
{
    if (db->prepared[which] == NULL &&
        sqlite3_prepare_v3(db->handle, statements[which], -1, SQLITE_PREPARE_PERSISTENT,
                           &db->prepared[which], NULL) != SQLITE_OK)
        fail(db, err, "preparing");
    return db->prepared[which];
}

static int64_t from_unsigned(uint64_t value)
{
    return (int64_t)(value ^ UINT64_C(1) << 63);
}

static uint64_t to_unsigned(int64_t value)
{
    return (uint64_t)value ^ UINT64_C(1) << 63;
}

/* Run a statement that gives no rows. */
static int finish(struct db *db, sqlite3_stmt *stmt, const char *what, struct error *err)
{
    int rc = sqlite3_step(stmt) == SQLITE_DONE ? 0 : fail(db, err, what);
    sqlite3_reset(stmt);
    return rc;
}

/* Run a statement that gives one integer, or nothing (*out stays). */
static int one_integer(struct db *db, sqlite3_stmt *stmt, int64_t *out, struct error *err)
{
    int code = sqlite3_step(stmt);
    if (code == SQLITE_ROW)
        *out = sqlite3_column_int64(stmt, 0);
    int rc = code == SQLITE_ROW || code == SQLITE_DONE ? 0 : fail(db, err, "reading");
    sqlite3_reset(stmt);
    return rc;
}

static int execute(struct db *db, const char *sql, struct error *err)
{
    if (sqlite3_exec(db->handle, sql, NULL, NULL, NULL) == SQLITE_OK)
        return 0;
    return fail(db, err, "opening");
}

static int pragma_value(struct db *db, const char *sql, int64_t *out, struct error *err)
{
    sqlite3_stmt *stmt = NULL;
    *out = 0;
    if (sqlite3_prepare_v2(db->handle, sql, -1, &stmt, NULL) != SQLITE_OK)
        return fail(db, err, "opening");
    int rc = one_integer(db, stmt, out, err);
    sqlite3_finalize(stmt);
    return rc;
}

/* ---- opening ---- */

static int count_wal_pages(void *context, sqlite3 *handle, const char *name, int pages)
{
    (void)handle;
    (void)name;
    struct db *db = context;
    __atomic_store_n(&db->wal_pages, pages, __ATOMIC_RELAXED);
    return SQLITE_OK;
}

static int create_schema(struct db *db, struct error *err)
{
    char version[64];
    snprintf(version, sizeof version, "PRAGMA user_version=%d", DB_VERSION);
    char application[64];
    snprintf(application, sizeof application, "PRAGMA application_id=%d", APPLICATION_ID);
    if (execute(db, "BEGIN IMMEDIATE", err) == 0 && execute(db, schema, err) == 0 &&
        execute(db, application, err) == 0 && execute(db, version, err) == 0 &&
        execute(db, "COMMIT", err) == 0)
        return 0;
    sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
    return -1;
}

static int check_version(struct db *db, bool create, struct error *err)
{
    int64_t version, application;
    if (pragma_value(db, "PRAGMA user_version", &version, err) != 0 ||
        pragma_value(db, "PRAGMA application_id", &application, err) != 0)
        return -1;
    if (version == 0 && application == 0)
        return create ? create_schema(db, err)
                      : error_set(err, ERROR_NOT_FOUND, "%s is being made", db->path);
    if (application != APPLICATION_ID)
        return error_set(err, ERROR_CORRUPT, "%s is not a file of this store", db->path);
    if (version > DB_VERSION)
        return error_set(err, ERROR_CONFIG,
                         "%s was written by a newer motorcade (store version %lld, this one knows "
                         "%d): use that version",
                         db->path, (long long)version, DB_VERSION);
    return 0;
}

static int configure(struct db *db, bool create, struct error *err)
{
    sqlite3_busy_timeout(db->handle, BUSY_MS);
    if (db->mode != DB_READ) {
        if (execute(db,
                    "PRAGMA page_size=8192; PRAGMA journal_mode=WAL; "
                    "PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=-16384;",
                    err) != 0 ||
            execute(db,
                    db->mode == DB_WRITE ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL",
                    err) != 0)
            return -1;
        sqlite3_wal_hook(db->handle, count_wal_pages, db);
    }
    return check_version(db, create, err);
}

static int open_handle(struct db *db, bool create, bool is_immutable, struct error *err)
{
    char uri[3 * 4096 + 32];
    size_t n = (size_t)snprintf(uri, sizeof uri, "file:");
    for (const char *p = db->path; *p != '\0' && n + 32 < sizeof uri; p++)
        n += (size_t)snprintf(uri + n, 4, strchr("?#%", *p) != NULL ? "%%%02x" : "%c",
                              (unsigned char)*p);
    snprintf(uri + n, sizeof uri - n, is_immutable ? "?immutable=1" : "");
    int flags = SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX;
    flags |= db->mode == DB_READ ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
    flags |= create ? SQLITE_OPEN_CREATE : 0;
    if (sqlite3_open_v2(uri, &db->handle, flags, NULL) != SQLITE_OK) {
        if (db->handle == NULL)
            return error_set(err, ERROR_MEMORY, "no memory to open %s", db->path);
        return fail(db, err, "opening");
    }
    return configure(db, create, err);
}

/* A reader that may not write the folder can't make the shared memory of a log;
 * when there is no log, the file alone is complete. */
static bool can_be_immutable(const struct db *db)
{
    char wal[4096 + 8];
    snprintf(wal, sizeof wal, "%s-wal", db->path);
    return db->mode == DB_READ && sqlite3_errcode(db->handle) == SQLITE_CANTOPEN &&
           access(wal, F_OK) != 0;
}

int db_open(struct db **out, const char *path, enum db_mode mode, bool create, struct error *err)
{
    *out = NULL;
    if (!create && access(path, F_OK) != 0)
        return error_set(err, ERROR_NOT_FOUND, "%s is not there", path);
    if (strlen(path) > 4000)
        return error_set(err, ERROR_CONFIG, "the path of the store is too long");
    size_t len = strlen(path) + 1;
    struct db *db = calloc(1, sizeof *db + len);
    if (db == NULL)
        return error_set(err, ERROR_MEMORY, "no memory to open %s", path);
    memcpy(db->path, path, len);
    db->mode = mode;
    if (open_handle(db, create, false, err) == 0) {
        *out = db;
        return 0;
    }
    if (db->handle != NULL && can_be_immutable(db)) {
        sqlite3_close(db->handle);
        db->handle = NULL;
        if (open_handle(db, false, true, err) == 0) {
            *out = db;
            return 0;
        }
    }
    db_close(db);
    return -1;
}

void db_close(struct db *db)
{
    if (db == NULL)
        return;
    for (size_t i = 0; i < SQL_COUNT; i++)
        sqlite3_finalize(db->prepared[i]);
    sqlite3_close(db->handle);
    free(db);
}

const char *db_path(const struct db *db)
{
    return db->path;
}

/* ---- transactions ---- */

static int simple(struct db *db, enum statement which, const char *what, struct error *err)
{
    sqlite3_stmt *stmt = statement(db, which, err);
    return stmt != NULL ? finish(db, stmt, what, err) : -1;
}

/* A page that was read keeps a snapshot open. */
static void release_page(struct db *db)
{
    if (db->prepared[SQL_PAGE] != NULL)
        sqlite3_reset(db->prepared[SQL_PAGE]);
}

int db_begin(struct db *db, struct error *err)
{
    release_page(db);
    return simple(db, db->mode == DB_READ ? SQL_BEGIN_READ : SQL_BEGIN_WRITE, "beginning", err);
}

int db_commit(struct db *db, struct error *err)
{
    release_page(db);
    if (simple(db, SQL_COMMIT, "committing", err) == 0)
        return 0;
    db_rollback(db);
    return -1;
}

void db_rollback(struct db *db)
{
    release_page(db);
    if (!sqlite3_get_autocommit(db->handle))
        simple(db, SQL_ROLLBACK, "rolling back", NULL);
}

int64_t db_wal_pages(const struct db *db)
{
    return __atomic_load_n(&db->wal_pages, __ATOMIC_RELAXED);
}

void db_forget_wal(struct db *db)
{
    __atomic_store_n(&db->wal_pages, 0, __ATOMIC_RELAXED);
}

int db_checkpoint(struct db *db, struct error *err)
{
    int code = sqlite3_wal_checkpoint_v2(db->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    return code == SQLITE_OK || code == SQLITE_BUSY ? 0 : fail(db, err, "checkpointing");
}

/* ---- meta and runs ---- */

int db_get_meta(struct db *db, const char *name, int64_t *out, struct error *err)
{
    *out = 0;
    sqlite3_stmt *stmt = statement(db, SQL_GET_META, err);
    if (stmt == NULL)
        return -1;
    sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
    return one_integer(db, stmt, out, err);
}

int db_set_meta(struct db *db, const char *name, int64_t value, struct error *err)
{
    sqlite3_stmt *stmt = statement(db, SQL_SET_META, err);
    if (stmt == NULL)
        return -1;
    sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 2, value);
    return finish(db, stmt, "writing", err);
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
    sqlite3_stmt *stmt = statement(db, SQL_RUNS, err);
    if (stmt == NULL)
        return -1;
    int code, rc = 0;
    while ((code = sqlite3_step(stmt)) == SQLITE_ROW && rc == 0)
        if (append_run(out, count, stmt) != 0)
            rc = error_set(err, ERROR_MEMORY, "no memory for the runs of %s", db->path);
    if (rc == 0 && code != SQLITE_DONE)
        rc = fail(db, err, "reading");
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
    sqlite3_stmt *stmt = statement(db, SQL_PUT_RUN, err);
    if (stmt == NULL)
        return -1;
    sqlite3_bind_int64(stmt, 1, run->id);
    sqlite3_bind_int64(stmt, 2, run->tier);
    sqlite3_bind_int64(stmt, 3, run->rows);
    sqlite3_bind_int64(stmt, 4, run->vehicles);
    sqlite3_bind_int64(stmt, 5, run->bytes);
    bind_ranges(stmt, 6, &run->ranges);
    return finish(db, stmt, "writing", err);
}

int db_drop_run(struct db *db, int64_t run, struct error *err)
{
    sqlite3_stmt *stmt = statement(db, SQL_DROP_RUN, err);
    if (stmt == NULL)
        return -1;
    sqlite3_bind_int64(stmt, 1, run);
    return finish(db, stmt, "writing", err);
}

static int next_place_run(struct db *db, int64_t after, int64_t *run, struct error *err)
{
    sqlite3_stmt *stmt = statement(db, SQL_NEXT_PLACE_RUN, err);
    *run = 0;
    if (stmt == NULL)
        return -1;
    sqlite3_bind_int64(stmt, 1, after);
    return one_integer(db, stmt, run, err);
}

int db_next_numbers(struct db *db, int64_t *run, int64_t *page, struct error *err)
{
    sqlite3_stmt *next_run = statement(db, SQL_NEXT_RUN, err);
    sqlite3_stmt *next_page = statement(db, SQL_NEXT_PAGE, err);
    if (next_run == NULL || next_page == NULL || one_integer(db, next_run, run, err) != 0 ||
        one_integer(db, next_page, page, err) != 0)
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
    sqlite3_stmt *put_place = statement(db, SQL_PUT_PLACE, err);
    sqlite3_stmt *put_page = statement(db, SQL_PUT_PAGE, err);
    if (put_place == NULL || put_page == NULL)
        return -1;
    bind_place_key(put_place, place);
    sqlite3_bind_int64(put_place, 5, place->rows);
    bind_ranges(put_place, 6, &place->ranges);
    sqlite3_bind_int64(put_page, 1, place->page);
    sqlite3_bind_blob64(put_page, 2, page.ptr, page.len, SQLITE_STATIC);
    if (finish(db, put_place, "writing", err) != 0)
        return -1;
    int rc = finish(db, put_page, "writing", err);
    sqlite3_clear_bindings(put_page);
    return rc;
}

int db_drop_page(struct db *db, const struct place *place, struct error *err)
{
    sqlite3_stmt *drop_place = statement(db, SQL_DROP_PLACE, err);
    sqlite3_stmt *drop_page = statement(db, SQL_DROP_PAGE, err);
    if (drop_place == NULL || drop_page == NULL)
        return -1;
    bind_place_key(drop_place, place);
    sqlite3_bind_int64(drop_page, 1, place->page);
    if (finish(db, drop_place, "deleting", err) != 0)
        return -1;
    return finish(db, drop_page, "deleting", err);
}

int db_first_places(struct db *db, int64_t run, struct place *out, size_t max, size_t *count,
                    struct error *err)
{
    *count = 0;
    sqlite3_stmt *stmt = statement(db, SQL_FIRST_PLACES, err);
    if (stmt == NULL)
        return -1;
    sqlite3_bind_int64(stmt, 1, run);
    sqlite3_bind_int64(stmt, 2, (int64_t)max);
    int code;
    while ((code = sqlite3_step(stmt)) == SQLITE_ROW && *count < max)
        out[(*count)++] = column_place(stmt);
    int rc = code == SQLITE_DONE || code == SQLITE_ROW ? 0 : fail(db, err, "reading");
    sqlite3_reset(stmt);
    return rc;
}

static int seek(struct db *db, int64_t run, uint64_t hash, int64_t time_ms, struct place *first,
                struct error *err)
{
    sqlite3_stmt *stmt = statement(db, SQL_SEEK, err);
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
    int rc = code == SQLITE_ROW || code == SQLITE_DONE ? 0 : fail(db, err, "reading");
    sqlite3_reset(stmt);
    return rc;
}

int walk_start(struct walk *walk, struct db *db, int64_t run, uint64_t low_hash, int64_t low_time,
               uint64_t high_hash, int64_t high_time, struct error *err)
{
    struct place first;
    *walk = (struct walk){.db = db, .high_hash = high_hash, .high_time = high_time};
    sqlite3_stmt *stmt = statement(db, SQL_WALK, err);
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
    int rc = code == SQLITE_ROW || code == SQLITE_DONE ? 0 : fail(walk->db, err, "reading");
    walk_stop(walk);
    return rc;
}

void walk_stop(struct walk *walk)
{
    if (walk->is_busy) {
        sqlite3_reset(walk->db->prepared[SQL_WALK]);
        release_page(walk->db);
    }
    walk->is_busy = false;
}

int db_page(struct db *db, int64_t page, struct bytes *out, struct error *err)
{
    sqlite3_stmt *stmt = statement(db, SQL_PAGE, err);
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
    return fail(db, err, "reading");
}
