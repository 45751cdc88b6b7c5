/* SPDX-License-Identifier: Apache-2.0 */
/* What db.c (the connection) and db_runs.c (what is done through it) share. */
#pragma once

#include <sqlite3.h>

#include "sink/sqlite/db.h"

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

struct db {
    sqlite3 *handle;
    sqlite3_stmt *prepared[SQL_COUNT];
    enum db_mode mode;
    int64_t wal_pages;
    char path[];
};

/* *err from SQLite's last error; returns -1. */
int db_fail(struct db *db, struct error *err, const char *what);
/* Prepared once; NULL with *err. */
sqlite3_stmt *db_statement(struct db *db, enum statement which, struct error *err);
/* Run a statement that gives no rows. */
int db_finish(struct db *db, sqlite3_stmt *stmt, const char *what, struct error *err);
/* Run a statement that gives one integer, or nothing (*out stays). */
int db_one_integer(struct db *db, sqlite3_stmt *stmt, int64_t *out, struct error *err);
/* A page that was read keeps a snapshot open. */
void db_release_page(struct db *db);
