/* SPDX-License-Identifier: Apache-2.0 */
/* Each vehicle's newest row among the merged ones, in a file of its own
 * (latest.db: one run, number 1, in pages like all others). A merge of chunks
 * updates it before the chunks disappear, so that chunks and this file together
 * always hold every vehicle's newest row: latest() and the bounds in memory need
 * nothing else, however long the history is. Made anew when it is missing.
 *
 * One thread writes (the merging one); readers use their own connection. */
#pragma once

#include "sink/sqlite/db.h"
#include "sink/sqlite/lookup.h"

enum { LATEST_RUN = 1 };
#define LATEST_NAME "latest.db"

struct latest {
    struct db *db;
    int64_t next_page;
    struct pool pool;
    struct shape_table shapes;
    struct buf page;
};

/* *is_new: it wasn't there, or was damaged and set aside: fill it from all
 * merged runs. */
int latest_open(struct latest *latest, const char *folder, bool *is_new, struct error *err);
void latest_close(struct latest *latest);

/* true when a is to be preferred: the larger order, then received later. */
bool latest_is_newer(const struct row *a, const struct row *b);

/* rows sorted by key. Of those of one vehicle the newest counts. Durable when it
 * returns. */
int latest_update(struct latest *latest, const struct row *const *rows, size_t count,
                  struct error *err);
/* Retention: drop rows received before. */
int latest_expire(struct latest *latest, int64_t before_ns, struct error *err);

/* All (hash, order) it holds; from any connection. */
int latest_each(struct db *db, void (*fn)(void *context, uint64_t hash, uint64_t order),
                void *context, struct error *err);
/* The newest order of a vehicle's hash; false when there is none. Uses the
 * lookup's page when it is the right one. */
int latest_order(struct db *db, struct lookup *lookup, uint64_t hash, uint64_t *order,
                 bool *is_there, struct error *err);
