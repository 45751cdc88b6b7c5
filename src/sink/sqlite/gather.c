/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/sqlite/gather.h"

#include <stdlib.h>

void gather_init(struct gather *gather, size_t max, bool is_latest)
{
    memset(gather, 0, sizeof *gather);
    gather->max = max;
    gather->is_latest = is_latest;
    buf_init(&gather->text, 0);
}

void gather_deinit(struct gather *gather)
{
    for (size_t i = 0; i < gather->count; i++)
        free(gather->items[i]);
    free(gather->items);
    buf_deinit(&gather->text);
    gather->items = NULL;
    gather->count = 0;
}

static struct bytes bound_vehicle(const struct gather *gather)
{
    return bytes_of(gather->bound_vehicle, gather->bound_vehicle_len);
}

bool gather_wants(const struct gather *gather, const struct row *row)
{
    if (!gather->is_full)
        return true;
    if (gather->is_latest)
        return key_compare_vehicle(row->key.hash, row->vehicle, gather->bound_key.hash,
                                   bound_vehicle(gather)) <= 0;
    return key_compare(&row->key, &gather->bound_key) < 0;
}

bool gather_wants_place(const struct gather *gather, uint64_t hash, int64_t time_ms)
{
    const struct row_key *bound = &gather->bound_key;
    return !gather->is_full || hash < bound->hash ||
           (hash == bound->hash && (gather->is_latest || time_ms <= bound->time_ms));
}

static int compare_keys(const void *a, const void *b)
{
    return key_compare(&(*(struct gathered *const *)a)->key, &(*(struct gathered *const *)b)->key);
}

static int compare_vehicles(const void *a, const void *b)
{
    const struct gathered *x = *(struct gathered *const *)a, *y = *(struct gathered *const *)b;
    int order =
        key_compare_vehicle(x->key.hash, gathered_vehicle(x), y->key.hash, gathered_vehicle(y));
    if (order != 0)
        return order;
    if (x->key.order != y->key.order)
        return x->key.order > y->key.order ? -1 : 1;
    return x->received_ns > y->received_ns ? -1 : x->received_ns < y->received_ns;
}

/* Of a vehicle already taken: an older row of it. */
static bool is_older(const struct gather *gather, const struct gathered *item,
                     const struct gathered *last)
{
    return gather->is_latest && item->key.hash == last->key.hash &&
           bytes_equal(gathered_vehicle(item), gathered_vehicle(last));
}

void gather_finish(struct gather *gather)
{
    if (gather->count == 0)
        return;
    qsort(gather->items, gather->count, sizeof(struct gathered *),
          gather->is_latest ? compare_vehicles : compare_keys);
    size_t kept = 0;
    for (size_t i = 0; i < gather->count; i++) {
        struct gathered *item = gather->items[i];
        if (kept == gather->max || (kept > 0 && is_older(gather, item, gather->items[kept - 1])))
            free(item);
        else
            gather->items[kept++] = item;
    }
    gather->count = kept;
    gather->is_full = kept == gather->max;
    const struct gathered *last = gather->items[kept - 1];
    gather->bound_key = last->key;
    gather->bound_vehicle_len = last->vehicle_len;
    memcpy(gather->bound_vehicle, last->text, last->vehicle_len);
}

static struct gathered *gathered_new(const struct row *row, struct buf *text)
{
    buf_clear(text);
    if (row_text(row, text) != 0)
        return NULL;
    struct gathered *item = malloc(sizeof *item + row->vehicle.len + text->len);
    if (item == NULL)
        return NULL;
    *item = (struct gathered){row->key, row->received_ns, row->vehicle.len, text->len};
    memcpy(item->text, row->vehicle.ptr, row->vehicle.len);
    memcpy(item->text + row->vehicle.len, text->ptr, text->len);
    return item;
}

int gather_add(struct gather *gather, const struct row *row, struct error *err)
{
    if (gather->count == gather->cap) {
        size_t cap = gather->cap == 0 ? 256 : 2 * gather->cap;
        struct gathered **items = realloc(gather->items, cap * sizeof(struct gathered *));
        if (items == NULL)
            return error_set(err, ERROR_MEMORY, "no memory for a query");
        gather->items = items;
        gather->cap = cap;
    }
    struct gathered *item = gathered_new(row, &gather->text);
    if (item == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a query");
    gather->items[gather->count++] = item;
    if (gather->count >= 2 * gather->max + 64)
        gather_finish(gather);
    return 0;
}
