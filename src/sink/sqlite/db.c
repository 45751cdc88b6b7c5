/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/sqlite/db_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/must.h"

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

/* ---- plumbing ---- */

int db_fail(struct db *db, struct error *err, const char *what)
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

sqlite3_stmt *db_statement(struct db *db, enum statement which, struct error *err)
{
    if (db->prepared[which] == NULL &&
        sqlite3_prepare_v3(db->handle, statements[which], -1, SQLITE_PREPARE_PERSISTENT,
                           &db->prepared[which], NULL) != SQLITE_OK)
        db_fail(db, err, "preparing");
    return db->prepared[which];
}

int db_finish(struct db *db, sqlite3_stmt *stmt, const char *what, struct error *err)
{
    int rc = sqlite3_step(stmt) == SQLITE_DONE ? 0 : db_fail(db, err, what);
    sqlite3_reset(stmt);
    return rc;
}

int db_one_integer(struct db *db, sqlite3_stmt *stmt, int64_t *out, struct error *err)
{
    int code = sqlite3_step(stmt);
    if (code == SQLITE_ROW)
        *out = sqlite3_column_int64(stmt, 0);
    int rc = code == SQLITE_ROW || code == SQLITE_DONE ? 0 : db_fail(db, err, "reading");
    sqlite3_reset(stmt);
    return rc;
}

static int execute(struct db *db, const char *sql, struct error *err)
{
    if (sqlite3_exec(db->handle, sql, NULL, NULL, NULL) == SQLITE_OK)
        return 0;
    return db_fail(db, err, "opening");
}

static int pragma_value(struct db *db, const char *sql, int64_t *out, struct error *err)
{
    sqlite3_stmt *stmt = NULL;
    *out = 0;
    if (sqlite3_prepare_v2(db->handle, sql, -1, &stmt, NULL) != SQLITE_OK)
        return db_fail(db, err, "opening");
    int rc = db_one_integer(db, stmt, out, err);
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
    } else {
        sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        if (execute(db, "PRAGMA query_only=ON", err) != 0)
            return -1;
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
    /* A reader, too, may be the one who has to recover the log that a killed
     * writer left; query_only keeps it from anything else (see configure()). */
    flags |= is_immutable ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
    flags |= create ? SQLITE_OPEN_CREATE : 0;
    if (sqlite3_open_v2(uri, &db->handle, flags, NULL) != SQLITE_OK) {
        if (db->handle == NULL)
            return error_set(err, ERROR_MEMORY, "no memory to open %s", db->path);
        return db_fail(db, err, "opening");
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
    sqlite3_stmt *stmt = db_statement(db, which, err);
    return stmt != NULL ? db_finish(db, stmt, what, err) : -1;
}

void db_release_page(struct db *db)
{
    if (db->prepared[SQL_PAGE] != NULL)
        sqlite3_reset(db->prepared[SQL_PAGE]);
}

int db_begin(struct db *db, struct error *err)
{
    db_release_page(db);
    return simple(db, db->mode == DB_READ ? SQL_BEGIN_READ : SQL_BEGIN_WRITE, "beginning", err);
}

int db_commit(struct db *db, struct error *err)
{
    db_release_page(db);
    if (simple(db, SQL_COMMIT, "committing", err) == 0)
        return 0;
    db_rollback(db);
    return -1;
}

void db_rollback(struct db *db)
{
    db_release_page(db);
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
    return code == SQLITE_OK || code == SQLITE_BUSY ? 0 : db_fail(db, err, "checkpointing");
}
