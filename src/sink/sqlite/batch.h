/* SPDX-License-Identifier: Apache-2.0 */
/* A batch on its way to the disk: rows taken apart, sorted, and each marked as
 * new, known or to be looked up. */
#pragma once

#include "sink/sqlite/lookup.h"
#include "sink/newest.h"
#include "sink/sqlite/sort.h"

enum row_state { ROW_NEW, ROW_KNOWN, ROW_CANDIDATE };

struct batch {
    struct pool pool;          /* numbers */
    struct shape_table shapes; /* kept from batch to batch */
    struct row *rows;
    const struct row **sorted; /* by (hash, order, content); after batch_settle: the new rows */
    uint8_t *states;           /* enum row_state, as sorted */
    bool *conflicts;           /* as sorted */
    bool *unknowns;            /* as sorted: the vehicle's bound must be found */
    struct candidate *candidates;
    size_t count, cap;
    size_t candidate_count;
    struct sorter sorter;
};

void batch_init(struct batch *batch);
void batch_deinit(struct batch *batch);
/* Take the rows apart and sort them; they stay borrowed. -1: ERROR_MEMORY. */
int batch_fill(struct batch *batch, const struct sink_row *rows, size_t count, struct error *err);
/* Mark what is known without the disk; the rest become candidates. */
void batch_mark(struct batch *batch, const struct newest *newest);
/* Put the candidates' answers in; batch->sorted holds the new rows, the number
 * of which is returned. Counts duplicates and conflicts. */
size_t batch_settle(struct batch *batch, struct sink_write_result *result);
/* Sort pointers by key. -1 without memory. */
int batch_sort_by_key(struct sorter *sorter, const struct row **rows, size_t count);
