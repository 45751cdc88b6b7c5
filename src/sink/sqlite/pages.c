/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/sqlite/pages.h"

#include <stdlib.h>

void pages_init(struct pages *pages)
{
    memset(pages, 0, sizeof *pages);
    buf_init(&pages->bytes, 0);
    ranges_init(&pages->ranges);
}

void pages_deinit(struct pages *pages)
{
    buf_deinit(&pages->bytes);
    free(pages->places);
    free(pages->lengths);
    pages_init(pages);
}

void pages_clear(struct pages *pages)
{
    buf_clear(&pages->bytes);
    pages->count = 0;
    pages->vehicles = 0;
    pages->rows = 0;
    ranges_init(&pages->ranges);
}

static int reserve(struct pages *pages)
{
    if (pages->count < pages->cap)
        return 0;
    size_t cap = pages->cap == 0 ? 64 : 2 * pages->cap;
    struct place *places = realloc(pages->places, cap * sizeof *places);
    if (places == NULL)
        return -1;
    pages->places = places;
    size_t *lengths = realloc(pages->lengths, cap * sizeof *lengths);
    if (lengths == NULL)
        return -1;
    pages->lengths = lengths;
    pages->cap = cap;
    return 0;
}

static int add_page(struct pages *pages, const struct row *const *rows, size_t count)
{
    size_t start = pages->bytes.len;
    if (reserve(pages) != 0 || page_encode(rows, count, &pages->bytes) != 0)
        return -1;
    struct place *place = &pages->places[pages->count];
    *place = (struct place){
        .hash = rows[0]->key.hash, .time_ms = rows[0]->key.time_ms, .rows = (int64_t)count};
    ranges_init(&place->ranges);
    for (size_t i = 0; i < count; i++) {
        ranges_add(&place->ranges, &rows[i]->key);
        pages->vehicles += i == 0 || rows[i]->key.hash != rows[i - 1]->key.hash;
    }
    ranges_join(&pages->ranges, &place->ranges);
    pages->rows += (int64_t)count;
    pages->lengths[pages->count++] = pages->bytes.len - start;
    return 0;
}

/* Rows of a merge lie all over memory: have them near before they are encoded. */
static void prefetch(const struct row *const *rows, size_t at, size_t count)
{
    enum { ROW_AHEAD = 24, PARTS_AHEAD = 12 };
    if (at + ROW_AHEAD >= count)
        return;
    const char *row = (const char *)rows[at + ROW_AHEAD];
    __builtin_prefetch(row);
    __builtin_prefetch(row + 64);
    __builtin_prefetch(rows[at + PARTS_AHEAD]->vehicle.ptr);
    __builtin_prefetch(rows[at + PARTS_AHEAD]->numbers);
}

/* How many of the rows go into the next page. */
static size_t page_end(const struct row *const *rows, size_t count, size_t rows_wanted,
                       unsigned prefix_bits)
{
    size_t weight = row_weight(rows[0]), end = 1, last_change = 0;
    const unsigned shift = prefix_bits > 0 ? 64 - prefix_bits : 63;
    for (; end < count && end < PAGE_ROWS_MAX; end++) {
        const struct row_key *key = &rows[end]->key, *last = &rows[end - 1]->key;
        prefetch(rows, end, count);
        if (key->hash != last->hash) {
            if (prefix_bits > 0 && key->hash >> shift != last->hash >> shift)
                return end;
            last_change = end;
        }
        weight += row_weight(rows[end]);
        if (end >= rows_wanted || weight > PAGE_WEIGHT_MAX)
            break;
    }
    bool is_near = last_change >= end / 2 && last_change > 0;
    return end < count && is_near ? last_change : end;
}

int pages_add(struct pages *pages, const struct row *const *rows, size_t count, size_t rows_wanted,
              unsigned prefix_bits)
{
    while (count > 0) {
        size_t end = page_end(rows, count, rows_wanted, prefix_bits);
        if (add_page(pages, rows, end) != 0)
            return -1;
        rows += end;
        count -= end;
    }
    return 0;
}

int pages_put(const struct pages *pages, struct db *db, int64_t run, int64_t *next_page,
              struct error *err)
{
    const char *bytes = pages->bytes.ptr;
    for (size_t i = 0; i < pages->count; i++) {
        struct place place = pages->places[i];
        place.run = run;
        place.page = (*next_page)++;
        if (db_put_page(db, &place, bytes_of(bytes, pages->lengths[i]), err) != 0)
            return -1;
        bytes += pages->lengths[i];
    }
    return 0;
}
