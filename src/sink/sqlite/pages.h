/* SPDX-License-Identifier: Apache-2.0 */
/* Sorted rows cut into encoded pages that wait to be put into a file. */
#pragma once

#include "sink/sqlite/db.h"

struct pages {
    struct buf bytes;
    struct place *places; /* run and page are set when they are put */
    size_t *lengths;
    size_t count, cap;
    size_t vehicles; /* groups of rows in all pages */
    struct ranges ranges;
    int64_t rows;
};

void pages_init(struct pages *pages);
void pages_deinit(struct pages *pages);
void pages_clear(struct pages *pages);

/* Cut rows[0..count) (sorted by key) and append them. `rows_wanted` is the size
 * that a page should have; cuts lie where the vehicle changes if that is near,
 * and, when `prefix_bits` > 0, wherever these top bits of the hash change, so
 * that slices of several runs fit onto each other. -1 without memory. */
int pages_add(struct pages *pages, const struct row *const *rows, size_t count, size_t rows_wanted,
              unsigned prefix_bits);
/* Inside a transaction: put all of them as pages of `run`, numbered from
 * *next_page. */
int pages_put(const struct pages *pages, struct db *db, int64_t run, int64_t *next_page,
              struct error *err);
