/* SPDX-License-Identifier: Apache-2.0 */
/* Rows in memory: for trials and tests, and the template of a back end. A hash
 * table of identities says what is known; an array of the same rows is sorted
 * when somebody reads. Bounded: when it is full, a write says RETRY. */
#include <pthread.h>
#include <stdlib.h>

#include "base/table.h"
#include "sink/driver.h"
#include "sink/key.h"

enum {
    MEMORY_ROWS_MAX = 4 << 20,
    MEMORY_BYTES_MAX = 1 << 30,
};

struct item {
    struct row_key key;
    int64_t received_ns;
    size_t vehicle_len;
    size_t canonical_len;
    char text[]; /* vehicle, then canonical */
};

struct memory_sink {
    struct sink sink;
    pthread_mutex_t mutex;
    struct packet_scratch *scratch;
    struct table identities;
    struct table orders; /* one item of each (vehicle, order) */
    struct item **items;
    size_t count, cap, bytes;
    bool is_sorted;
};

static struct bytes item_vehicle(const struct item *item)
{
    return bytes_of(item->text, item->vehicle_len);
}

static struct bytes item_canonical(const struct item *item)
{
    return bytes_of(item->text + item->vehicle_len, item->canonical_len);
}

static void memory_close(struct sink *base)
{
    struct memory_sink *sink = (struct memory_sink *)base;
    for (size_t i = 0; i < sink->count; i++)
        free(sink->items[i]);
    free(sink->items);
    table_deinit(&sink->identities);
    table_deinit(&sink->orders);
    packet_scratch_free(sink->scratch);
    pthread_mutex_destroy(&sink->mutex);
    free(sink);
}

static int memory_open(struct sink **out, const struct sink_config *config, bool is_read_only,
                       struct error *err)
{
    (void)config;
    if (is_read_only)
        return error_set(err, ERROR_CONFIG,
                         "a store in memory can only be read by the process that writes it");
    struct memory_sink *sink = calloc(1, sizeof *sink);
    struct packet_scratch *scratch = packet_scratch_new();
    if (sink == NULL || scratch == NULL) {
        free(sink);
        packet_scratch_free(scratch);
        return error_set(err, ERROR_MEMORY, "no memory for the store");
    }
    sink->sink.driver = &memory_sink_driver;
    sink->scratch = scratch;
    pthread_mutex_init(&sink->mutex, NULL);
    table_init(&sink->identities);
    table_init(&sink->orders);
    *out = &sink->sink;
    return 0;
}

/* ---- writing ---- */

static uint64_t identity_hash(const struct row_key *key, bool with_content)
{
    uint64_t parts[3] = {key->hash, key->order, with_content ? key->content : 0};
    return hash64_local(bytes_of((const char *)parts, sizeof parts));
}

static bool has_identity(const void *item, const void *key)
{
    const struct row_key *a = &((const struct item *)item)->key, *b = key;
    return a->hash == b->hash && a->order == b->order && a->content == b->content;
}

static bool has_order(const void *item, const void *key)
{
    const struct row_key *a = &((const struct item *)item)->key, *b = key;
    return a->hash == b->hash && a->order == b->order;
}

static struct item *item_new(const struct sink_row *row)
{
    struct bytes vehicle = row->packet.vehicle, canonical = row->canonical;
    struct item *item = malloc(sizeof *item + vehicle.len + canonical.len);
    if (item == NULL)
        return NULL;
    item->key = key_of(&row->packet);
    item->received_ns = row->packet.received_ns;
    item->vehicle_len = vehicle.len;
    item->canonical_len = canonical.len;
    memcpy(item->text, vehicle.ptr, vehicle.len);
    memcpy(item->text + vehicle.len, canonical.ptr, canonical.len);
    return item;
}

static bool has_room(struct memory_sink *sink, size_t more_bytes)
{
    if (sink->count >= MEMORY_ROWS_MAX || sink->bytes + more_bytes > MEMORY_BYTES_MAX)
        return false;
    if (sink->count < sink->cap)
        return true;
    size_t cap = sink->cap == 0 ? 1024 : 2 * sink->cap;
    struct item **items = realloc(sink->items, cap * sizeof(struct item *));
    if (items == NULL)
        return false;
    sink->items = items;
    sink->cap = cap;
    return true;
}

/* 0, or -1 when there is no room. */
static int put_row(struct memory_sink *sink, const struct sink_row *row,
                   struct sink_write_result *result)
{
    struct row_key key = key_of(&row->packet);
    uint64_t identity = identity_hash(&key, true), order = identity_hash(&key, false);
    if (table_find(&sink->identities, identity, has_identity, &key) != NULL) {
        result->duplicates++;
        return 0;
    }
    struct item *item = has_room(sink, row->canonical.len) ? item_new(row) : NULL;
    if (item == NULL || table_put(&sink->identities, identity, item) != 0) {
        free(item);
        return -1;
    }
    if (table_find(&sink->orders, order, has_order, &key) != NULL) {
        result->conflicts++;
    } else if (table_put(&sink->orders, order, item) != 0) {
        table_take(&sink->identities, identity, has_identity, &key);
        free(item);
        return -1;
    }
    sink->items[sink->count++] = item;
    sink->bytes += sizeof *item + item->vehicle_len + item->canonical_len;
    sink->is_sorted = false;
    result->stored++;
    return 0;
}

static enum sink_verdict memory_write(struct sink *base, const struct sink_row *rows, size_t count,
                                      struct sink_write_result *result, struct error *err)
{
    struct memory_sink *sink = (struct memory_sink *)base;
    enum sink_verdict verdict = SINK_STORED;
    pthread_mutex_lock(&sink->mutex);
    for (size_t i = 0; i < count && verdict == SINK_STORED; i++) {
        if (put_row(sink, &rows[i], result) != 0) {
            error_set(err, ERROR_FULL, "the store in memory is full (%zu rows)", sink->count);
            verdict = SINK_RETRY; /* the rows put so far are duplicates next time */
        }
    }
    pthread_mutex_unlock(&sink->mutex);
    return verdict;
}

/* ---- reading ---- */

static int compare_items(const void *a, const void *b)
{
    return key_compare(&(*(struct item *const *)a)->key, &(*(struct item *const *)b)->key);
}

static void sort_items(struct memory_sink *sink)
{
    if (!sink->is_sorted && sink->count > 0)
        qsort(sink->items, sink->count, sizeof(struct item *), compare_items);
    sink->is_sorted = true;
}

/* Index of the first item after `key`. */
static size_t first_after(const struct memory_sink *sink, const struct row_key *key)
{
    size_t low = 0, high = sink->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (key_compare(&sink->items[middle]->key, key) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool matches(const struct item *item, const struct sink_query *query)
{
    return item->key.time_ms >= query->from_ms && item->key.time_ms < query->to_ms &&
           (query->vehicle.len == 0 || bytes_equal(item_vehicle(item), query->vehicle));
}

static int give(struct memory_sink *sink, const struct item *item, sink_row_fn fn, void *context,
                bool *goes_on, struct error *err)
{
    struct sink_row row;
    if (key_row(sink->scratch, &item->key, item_canonical(item), &row, err) != 0)
        return -1;
    *goes_on = fn(context, &row);
    return 0;
}

static int find_locked(struct memory_sink *sink, const struct sink_query *query,
                       struct sink_cursor *cursor, size_t limit, sink_row_fn fn, void *context,
                       struct error *err)
{
    struct row_key last;
    bool goes_on = true;
    sort_items(sink);
    size_t i = key_from_cursor(cursor, &last) ? first_after(sink, &last) : 0;
    for (; i < sink->count; i++) {
        if (!matches(sink->items[i], query))
            continue;
        if (limit-- == 0 || !goes_on)
            return 0;
        if (give(sink, sink->items[i], fn, context, &goes_on, err) != 0)
            return -1;
        key_to_cursor(&sink->items[i]->key, cursor);
    }
    cursor->is_end = true;
    return 0;
}

static int memory_find(struct sink *base, const struct sink_query *query,
                       struct sink_cursor *cursor, size_t limit, sink_row_fn fn, void *context,
                       struct error *err)
{
    struct memory_sink *sink = (struct memory_sink *)base;
    pthread_mutex_lock(&sink->mutex);
    int rc = find_locked(sink, query, cursor, limit, fn, context, err);
    pthread_mutex_unlock(&sink->mutex);
    return rc;
}

static int compare_latest(const void *a, const void *b)
{
    const struct item *x = *(struct item *const *)a, *y = *(struct item *const *)b;
    int order = key_compare_vehicle(x->key.hash, item_vehicle(x), y->key.hash, item_vehicle(y));
    if (order != 0)
        return order;
    if (x->key.order != y->key.order)
        return x->key.order > y->key.order ? -1 : 1;
    return x->received_ns > y->received_ns ? -1 : x->received_ns < y->received_ns;
}

static int latest_locked(struct memory_sink *sink, struct sink_cursor *cursor, size_t limit,
                         sink_row_fn fn, void *context, struct error *err)
{
    bool goes_on = true;
    sink->is_sorted = false; /* in another order than find wants */
    if (sink->count > 0)
        qsort(sink->items, sink->count, sizeof(struct item *), compare_latest);
    for (size_t i = 0; i < sink->count; i++) {
        const struct item *item = sink->items[i];
        struct bytes done = key_vehicle_from_cursor(cursor);
        if (done.len > 0 &&
            key_compare_vehicle(item->key.hash, item_vehicle(item), hash64(done), done) <= 0)
            continue;
        if (limit-- == 0 || !goes_on)
            return 0;
        if (give(sink, item, fn, context, &goes_on, err) != 0)
            return -1;
        key_vehicle_to_cursor(item_vehicle(item), cursor);
    }
    cursor->is_end = true;
    return 0;
}

static int memory_latest(struct sink *base, struct sink_cursor *cursor, size_t limit,
                         sink_row_fn fn, void *context, struct error *err)
{
    struct memory_sink *sink = (struct memory_sink *)base;
    pthread_mutex_lock(&sink->mutex);
    int rc = latest_locked(sink, cursor, limit, fn, context, err);
    pthread_mutex_unlock(&sink->mutex);
    return rc;
}

static int memory_count(struct sink *base, const struct sink_query *query, uint64_t *out,
                        struct error *err)
{
    (void)err;
    struct memory_sink *sink = (struct memory_sink *)base;
    pthread_mutex_lock(&sink->mutex);
    for (size_t i = 0; i < sink->count; i++)
        *out += matches(sink->items[i], query);
    pthread_mutex_unlock(&sink->mutex);
    return 0;
}

const struct sink_driver memory_sink_driver = {
    .name = "memory",
    .open = memory_open,
    .close = memory_close,
    .write = memory_write,
    .find = memory_find,
    .latest = memory_latest,
    .count = memory_count,
};
