/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/sqlite/batch.h"

#include <stdlib.h>

void batch_init(struct batch *batch)
{
    memset(batch, 0, sizeof *batch);
    pool_init(&batch->pool);
    shape_table_init(&batch->shapes);
    sorter_init(&batch->sorter);
}

static void free_arrays(struct batch *batch)
{
    free(batch->rows);
    free(batch->sorted);
    free(batch->states);
    free(batch->conflicts);
    free(batch->unknowns);
    free(batch->candidates);
    batch->cap = 0;
}

void batch_deinit(struct batch *batch)
{
    free_arrays(batch);
    pool_deinit(&batch->pool);
    shape_table_deinit(&batch->shapes);
    sorter_deinit(&batch->sorter);
}

static int reserve(struct batch *batch, size_t count)
{
    if (sorter_reserve(&batch->sorter, count) != 0)
        return -1;
    if (count <= batch->cap)
        return 0;
    free_arrays(batch);
    batch->rows = malloc(count * sizeof *batch->rows);
    batch->sorted = malloc(count * sizeof(struct row *));
    batch->states = malloc(count);
    batch->conflicts = malloc(count * sizeof *batch->conflicts);
    batch->unknowns = malloc(count * sizeof *batch->unknowns);
    batch->candidates = malloc(count * sizeof *batch->candidates);
    if (batch->rows == NULL || batch->sorted == NULL || batch->states == NULL ||
        batch->conflicts == NULL || batch->unknowns == NULL || batch->candidates == NULL) {
        free_arrays(batch);
        batch->rows = NULL;
        batch->sorted = NULL;
        batch->states = NULL;
        batch->conflicts = batch->unknowns = NULL;
        batch->candidates = NULL;
        return -1;
    }
    batch->cap = count;
    return 0;
}

static int split_row(struct batch *batch, const struct sink_row *from, struct row *row)
{
    int64_t numbers[SHAPE_NUMBERS_MAX];
    *row = (struct row){.key = key_of(&from->packet),
                        .received_ns = from->packet.received_ns,
                        .vehicle = from->packet.vehicle,
                        .text = from->canonical};
    struct shape_fields fields = row_fields(row);
    row->shape = shape_split(&batch->shapes, from->canonical, &fields, numbers);
    if (row->shape == NULL)
        return 0;
    size_t len = row->shape->number_count * sizeof *numbers;
    int64_t *kept = pool_take(&batch->pool, len);
    if (kept == NULL)
        return -1;
    memcpy(kept, numbers, len);
    row->numbers = kept;
    return 0;
}

int batch_fill(struct batch *batch, const struct sink_row *rows, size_t count, struct error *err)
{
    if (shape_table_is_full(&batch->shapes))
        shape_table_deinit(&batch->shapes);
    pool_reset(&batch->pool);
    batch->count = 0;
    if (reserve(batch, count) != 0)
        return error_set(err, ERROR_MEMORY, "no memory for a batch of %zu rows", count);
    for (size_t i = 0; i < count; i++) {
        struct row *row = &batch->rows[i];
        if (split_row(batch, &rows[i], row) != 0)
            return error_set(err, ERROR_MEMORY, "no memory for a batch of %zu rows", count);
        batch->sorter.items[i] =
            (struct sort_item){{row->key.hash, row->key.order, row->key.content, 0}, row};
    }
    sorter_sort(&batch->sorter, count);
    for (size_t i = 0; i < count; i++)
        batch->sorted[i] = batch->sorter.items[i].row;
    batch->count = count;
    return 0;
}

static void add_candidate(struct batch *batch, size_t i, uint32_t fields)
{
    const struct row *row = batch->sorted[i];
    batch->states[i] = ROW_CANDIDATE;
    batch->candidates[batch->candidate_count++] = (struct candidate){
        .key = row->key,
        .is_by_time = (fields & PACKET_HAS_TIME) != 0 &&
                      row->key.order == packet_order_from_time(row->key.time_ms),
        .row = (uint32_t)i,
    };
}

/* The event time stands in the text of a row whose time is the car's. */
static uint32_t fields_of(const struct row *row)
{
    if (row->shape == NULL)
        return 0; /* unknown: looked up both ways */
    bool has_time = memchr(row->shape->skeleton, SHAPE_TIME, row->shape->len) != NULL;
    return has_time ? PACKET_HAS_TIME : 0;
}

static void mark(struct batch *batch, const struct newest *newest, size_t i)
{
    const struct row_key *key = &batch->sorted[i]->key;
    batch->states[i] = ROW_NEW;
    batch->conflicts[i] = batch->unknowns[i] = false;
    if (i > 0) {
        const struct row_key *last = &batch->sorted[i - 1]->key;
        if (last->hash == key->hash && last->order == key->order) {
            batch->conflicts[i] = last->content != key->content;
            if (!batch->conflicts[i]) {
                batch->states[i] = ROW_KNOWN;
                return;
            }
        }
    }
    uint64_t order;
    switch (newest_get(newest, key->hash, &order)) {
    case NEWEST_NONE:
        return;
    case NEWEST_KNOWN:
        if (key->order <= order)
            add_candidate(batch, i, fields_of(batch->sorted[i]));
        return;
    case NEWEST_UNKNOWN:
        batch->unknowns[i] = true;
        add_candidate(batch, i, fields_of(batch->sorted[i]));
        return;
    }
}

void batch_mark(struct batch *batch, const struct newest *newest)
{
    enum { AHEAD = 8 };
    batch->candidate_count = 0;
    for (size_t i = 0; i < batch->count; i++) {
        if (i + AHEAD < batch->count)
            newest_prefetch(newest, batch->sorted[i + AHEAD]->key.hash);
        mark(batch, newest, i);
    }
}

size_t batch_settle(struct batch *batch, struct sink_write_result *result)
{
    for (size_t c = 0; c < batch->candidate_count; c++) {
        const struct candidate *candidate = &batch->candidates[c];
        batch->states[candidate->row] = candidate->is_known ? ROW_KNOWN : ROW_NEW;
        batch->conflicts[candidate->row] |= candidate->is_conflict;
    }
    size_t kept = 0;
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->states[i] == ROW_KNOWN) {
            result->duplicates++;
            continue;
        }
        result->conflicts += batch->conflicts[i];
        batch->unknowns[kept] = batch->unknowns[i];
        batch->sorted[kept++] = batch->sorted[i];
    }
    result->stored = kept;
    return kept;
}

int batch_sort_by_key(struct sorter *sorter, const struct row **rows, size_t count)
{
    bool is_sorted = true;
    for (size_t i = 1; i < count && is_sorted; i++)
        is_sorted = key_compare(&rows[i - 1]->key, &rows[i]->key) < 0;
    if (is_sorted)
        return 0;
    if (sorter_reserve(sorter, count) != 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        const struct row_key *key = &rows[i]->key;
        sorter->items[i] = (struct sort_item){
            {key->hash, sort_part(key->time_ms), key->order, key->content}, rows[i]};
    }
    sorter_sort(sorter, count);
    for (size_t i = 0; i < count; i++)
        rows[i] = sorter->items[i].row;
    return 0;
}
