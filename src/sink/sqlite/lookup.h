/* SPDX-License-Identifier: Apache-2.0 */
/* Is a packet stored already? Looks into the pages of a run that may hold its
 * (vehicle, order). */
#pragma once

#include "sink/sqlite/db.h"

struct candidate {
    struct row_key key;
    /* The event time is the car's and is its order: a resend has the same time,
     * so looking at (vehicle, time) is enough. Else its time may be that of the
     * reception, and all pages with its order in their range are looked at. */
    bool is_by_time;
    bool is_known;    /* the same identity is stored */
    bool is_conflict; /* the same (vehicle, order) with another content is */
    uint32_t row;     /* the caller's */
};

struct lookup {
    struct pool pool;
    struct db *db; /* whose page is loaded */
    struct row *rows;
    size_t row_count;
    int64_t page;          /* the loaded page; 0 = none */
    struct place first;    /* its place */
    struct place next;     /* the place after it; page 0 = none */
    uint64_t pages_loaded; /* for tests and tuning */
};

void lookup_init(struct lookup *lookup);
void lookup_deinit(struct lookup *lookup);
/* The keys of one page into lookup->rows; kept when they are there already. A page
 * that is damaged is logged and empty. */
int lookup_load(struct lookup *lookup, struct db *db, const struct place *place, struct error *err);
/* Candidates sorted by (hash, order). A page that can't be read is logged,
 * counted and taken as empty: rows may then be stored again, none is lost.
 * -1: the database failed. */
int lookup_run(struct lookup *lookup, struct db *db, const struct run *run,
               struct candidate *candidates, size_t count, struct error *err);
