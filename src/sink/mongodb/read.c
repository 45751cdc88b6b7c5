/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/mongodb/read.h"

#include <stdlib.h>

#include "base/text.h"
#include "sink/mongodb/sources.h"

enum {
    STRETCH_MIN = 256,        /* documents */
    STRETCH_BYTES = 64 << 20, /* of one stretch, held here */
    NEWEST_LOOKED_AT = 16,    /* of one vehicle, for packets of one order */
    ID_CHARS = 2 * PACKET_IDENTITY_LEN,
    HASH_CHARS = 16,
    NAMES_MAX = 8, /* different vehicles of one H64 in a stretch */
};

struct held {
    bson_t *document;
    struct row_key key;
};

struct reader {
    struct server *server;
    struct decoder *decoder;
    struct held held[SINK_PAGE_MAX];
    size_t held_count;
};

struct reader *reader_new(struct server *server)
{
    struct reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return NULL;
    reader->server = server;
    reader->decoder = decoder_new();
    if (reader->decoder != NULL)
        return reader;
    free(reader);
    return NULL;
}

static void drop_held(struct reader *reader)
{
    for (size_t i = 0; i < reader->held_count; i++)
        bson_destroy(reader->held[i].document);
    reader->held_count = 0;
}

void reader_free(struct reader *reader)
{
    if (reader == NULL)
        return;
    decoder_free(reader->decoder);
    free(reader);
}

/* ---- filters ---- */

static void hash_text(uint64_t hash, char out[HASH_CHARS + 2])
{
    uint8_t bytes[8];
    key_store_be64(bytes, hash);
    text_from_hex(out, bytes, sizeof bytes);
    out[HASH_CHARS] = '\0';
}

static void append_times(bson_t *filter, int64_t from_ms, int64_t to_ms)
{
    bson_t range;
    if (from_ms == INT64_MIN && to_ms == INT64_MAX)
        return;
    BSON_APPEND_DOCUMENT_BEGIN(filter, "time", &range);
    if (from_ms != INT64_MIN)
        BSON_APPEND_DATE_TIME(&range, "$gte", from_ms);
    if (to_ms != INT64_MAX)
        BSON_APPEND_DATE_TIME(&range, "$lt", to_ms);
    bson_append_document_end(filter, &range);
}

static void append_vehicle(bson_t *filter, struct bytes vehicle)
{
    bson_append_utf8(filter, "vehicle", -1, vehicle.ptr, (int)vehicle.len);
}

/* _id of hash `first`, or above; not above `only` when that is set. */
static void append_hashes(bson_t *filter, uint64_t first, bool is_only)
{
    bson_t range;
    char text[HASH_CHARS + 2];
    hash_text(first, text);
    BSON_APPEND_DOCUMENT_BEGIN(filter, "_id", &range);
    BSON_APPEND_UTF8(&range, "$gte", text);
    if (is_only) {
        text[HASH_CHARS] = 'g'; /* behind every digit */
        text[HASH_CHARS + 1] = '\0';
        BSON_APPEND_UTF8(&range, "$lt", text);
    }
    bson_append_document_end(filter, &range);
}

/* Behind the row `last` in order of (time, _id). */
static void append_behind(bson_t *filter, const struct row_key *last)
{
    bson_t list, part, range;
    char hex[ID_CHARS + 1];
    struct packet_identity identity = key_identity(last);
    text_from_hex(hex, identity.bytes, sizeof identity.bytes);
    hex[ID_CHARS] = '\0';
    BSON_APPEND_ARRAY_BEGIN(filter, "$or", &list);
    BSON_APPEND_DOCUMENT_BEGIN(&list, "0", &part);
    BSON_APPEND_DOCUMENT_BEGIN(&part, "time", &range);
    BSON_APPEND_DATE_TIME(&range, "$gt", last->time_ms);
    bson_append_document_end(&part, &range);
    bson_append_document_end(&list, &part);
    BSON_APPEND_DOCUMENT_BEGIN(&list, "1", &part);
    BSON_APPEND_DOCUMENT_BEGIN(&part, "_id", &range);
    BSON_APPEND_UTF8(&range, "$gt", hex);
    bson_append_document_end(&part, &range);
    bson_append_document_end(&list, &part);
    bson_append_array_end(filter, &list);
}

static void append_sort(bson_t *options, const char *first, const char *second, int direction,
                        size_t limit)
{
    bson_t sort;
    BSON_APPEND_DOCUMENT_BEGIN(options, "sort", &sort);
    BSON_APPEND_INT32(&sort, first, direction);
    if (second != NULL)
        BSON_APPEND_INT32(&sort, second, direction);
    bson_append_document_end(options, &sort);
    BSON_APPEND_INT64(options, "limit", (int64_t)limit);
    /* Else the first answer holds 101 of them, and the rest is asked for once more. */
    BSON_APPEND_INT64(options, "batchSize", (int64_t)limit);
}

/* ---- a vehicle's rows, by the index ---- */

struct page {
    const struct sink_query *query;
    struct sink_cursor *cursor;
    size_t limit;
    size_t given;
    sink_row_fn fn;
    void *context;
    bool goes_on;
};

static int give(struct reader *reader, const bson_t *document, const struct row_key *key,
                struct page *page, struct error *err)
{
    struct sink_row row;
    if (decoder_row(reader->decoder, document, &row, err) != 0)
        return -1;
    page->goes_on = page->fn(page->context, &row);
    page->given++;
    key_to_cursor(key, page->cursor);
    return 0;
}

static bool is_full(const struct page *page)
{
    return page->given == page->limit || !page->goes_on;
}

/* The filter of the vehicle(s) is made; from `last` on, when that is set. */
static int walk_index(struct reader *reader, struct sources *sources, bson_t *filter,
                      const struct row_key *last, struct page *page, struct error *err)
{
    bson_t options = BSON_INITIALIZER;
    struct source *source;
    int64_t from_ms = page->query->from_ms;
    if (last != NULL && last->time_ms > from_ms)
        from_ms = last->time_ms;
    append_times(filter, from_ms, page->query->to_ms);
    if (last != NULL)
        append_behind(filter, last);
    append_sort(&options, "time", "_id", 1, page->limit);
    int result = sources_ask(sources, filter, &options, err);
    while (result == 0 && !is_full(page) &&
           (source = sources_first(sources, key_compare)) != NULL) {
        result = give(reader, source->document, &source->key, page, err);
        if (result == 0 && !is_full(page))
            result = source_advance(source, err);
    }
    bson_destroy(&options);
    return result;
}

static int find_vehicle(struct reader *reader, struct sources *sources, struct page *page,
                        struct error *err)
{
    bson_t filter = BSON_INITIALIZER;
    struct row_key last;
    bool has_last = key_from_cursor(page->cursor, &last);
    append_vehicle(&filter, page->query->vehicle);
    int result = walk_index(reader, sources, &filter, has_last ? &last : NULL, page, err);
    page->cursor->is_end = result == 0 && !is_full(page);
    bson_destroy(&filter);
    return result;
}

/* ---- all vehicles, by stretches of _id ---- */

static const struct row_key last_of_hash = {0, INT64_MAX, UINT64_MAX, UINT64_MAX};

static bool ends_hash(const struct row_key *key)
{
    return key->time_ms == INT64_MAX && key->order == UINT64_MAX && key->content == UINT64_MAX;
}

static void set_cursor_behind(struct sink_cursor *cursor, uint64_t hash)
{
    struct row_key key = last_of_hash;
    key.hash = hash;
    key_to_cursor(&key, cursor);
}

static int hold(struct reader *reader, struct source *source, struct error *err)
{
    struct held *held = &reader->held[reader->held_count];
    held->document = bson_copy(source->document);
    held->key = source->key;
    reader->held_count++;
    return source_advance(source, err);
}

/* *is_whole: nothing lies behind what is held. */
static int read_stretch(struct reader *reader, struct sources *sources,
                        const struct sink_query *query, uint64_t hash, size_t max, bool *is_whole,
                        struct error *err)
{
    bson_t filter = BSON_INITIALIZER, options = BSON_INITIALIZER;
    struct source *source = NULL;
    size_t bytes = 0;
    append_hashes(&filter, hash, false);
    append_times(&filter, query->from_ms, query->to_ms);
    append_sort(&options, "_id", NULL, 1, max + 1);
    int result = sources_ask(sources, &filter, &options, err);
    while (result == 0 && (source = sources_first(sources, key_compare_id)) != NULL &&
           reader->held_count < max && bytes < STRETCH_BYTES) {
        bytes += source->document->len;
        result = hold(reader, source, err);
    }
    *is_whole = result == 0 && source == NULL;
    bson_destroy(&filter);
    bson_destroy(&options);
    return result;
}

/* How many of those held belong to vehicles that are held whole. */
static size_t count_whole(const struct reader *reader, bool is_whole)
{
    size_t count = reader->held_count;
    if (is_whole || count == 0)
        return count;
    uint64_t last = reader->held[count - 1].key.hash;
    while (count > 0 && reader->held[count - 1].key.hash == last)
        count--;
    return count;
}

static int compare_held(const void *a, const void *b)
{
    return key_compare(&((const struct held *)a)->key, &((const struct held *)b)->key);
}

static int give_held(struct reader *reader, size_t count, const struct row_key *last,
                     struct page *page, struct error *err)
{
    qsort(reader->held, count, sizeof reader->held[0], compare_held);
    for (size_t i = 0; i < count && !is_full(page); i++) {
        const struct held *held = &reader->held[i];
        if (last != NULL && key_compare(&held->key, last) <= 0)
            continue;
        if (give(reader, held->document, &held->key, page, err) != 0)
            return -1;
    }
    return 0;
}

static bool is_among(struct bytes name, const struct bytes *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (bytes_equal(names[i], name))
            return true;
    return false;
}

/* One, but for vehicles of one H64. */
static void append_held_vehicles(const struct reader *reader, bson_t *filter)
{
    bson_t in, list;
    struct bytes names[NAMES_MAX];
    size_t count = 0;
    BSON_APPEND_DOCUMENT_BEGIN(filter, "vehicle", &in);
    BSON_APPEND_ARRAY_BEGIN(&in, "$in", &list);
    for (size_t i = 0; i < reader->held_count && count < NAMES_MAX; i++) {
        bson_iter_t iter;
        uint32_t len;
        if (!bson_iter_init_find(&iter, reader->held[i].document, "vehicle") ||
            !BSON_ITER_HOLDS_UTF8(&iter))
            continue;
        const char *text = bson_iter_utf8(&iter, &len);
        names[count] = bytes_of(text, len);
        if (is_among(names[count], names, count))
            continue;
        char index[2] = {(char)('0' + count), '\0'};
        bson_append_utf8(&list, index, 1, text, (int)len);
        count++;
    }
    bson_append_array_end(&in, &list);
    bson_append_document_end(filter, &in);
}

/* A vehicle larger than a stretch. */
static int give_large(struct reader *reader, struct sources *sources, const struct row_key *last,
                      struct page *page, struct error *err)
{
    bson_t filter = BSON_INITIALIZER;
    uint64_t hash = reader->held[0].key.hash;
    bool is_inside = last != NULL && last->hash == hash;
    append_held_vehicles(reader, &filter);
    int result = walk_index(reader, sources, &filter, is_inside ? last : NULL, page, err);
    if (result == 0 && !is_full(page))
        set_cursor_behind(page->cursor, hash);
    bson_destroy(&filter);
    return result;
}

static int find_all(struct reader *reader, struct sources *sources, struct page *page,
                    struct error *err)
{
    struct row_key last;
    bool has_last = key_from_cursor(page->cursor, &last), is_whole;
    uint64_t hash = has_last ? last.hash : 0;
    if (has_last && ends_hash(&last) && hash++ == UINT64_MAX) {
        page->cursor->is_end = true;
        return 0;
    }
    size_t max = page->limit < STRETCH_MIN ? STRETCH_MIN : page->limit;
    if (read_stretch(reader, sources, page->query, hash, max, &is_whole, err) != 0)
        return -1;
    size_t whole = count_whole(reader, is_whole);
    if (whole == 0 && !is_whole)
        return give_large(reader, sources, has_last ? &last : NULL, page, err);
    uint64_t end = whole > 0 ? reader->held[whole - 1].key.hash : hash;
    if (give_held(reader, whole, has_last ? &last : NULL, page, err) != 0)
        return -1;
    if (!is_full(page) && is_whole)
        page->cursor->is_end = true;
    else if (!is_full(page))
        set_cursor_behind(page->cursor, end);
    return 0;
}

int reader_find(struct reader *reader, const struct sink_query *query, struct sink_cursor *cursor,
                size_t limit, sink_row_fn fn, void *context, struct error *err)
{
    struct sources sources;
    struct page page = {.query = query,
                        .cursor = cursor,
                        .limit = limit,
                        .fn = fn,
                        .context = context,
                        .goes_on = true};
    int result = sources_begin(&sources, reader->server, query->from_ms, query->to_ms, err);
    if (result == 0)
        result = query->vehicle.len > 0 ? find_vehicle(reader, &sources, &page, err)
                                        : find_all(reader, &sources, &page, err);
    drop_held(reader);
    sources_end(&sources);
    return result;
}

/* ---- latest ---- */

/* The first hash that is there, from `hash` on. */
static int next_hash(struct sources *sources, uint64_t *hash, bool *is_end, struct error *err)
{
    bson_t filter = BSON_INITIALIZER, options = BSON_INITIALIZER;
    append_hashes(&filter, *hash, false);
    append_sort(&options, "_id", NULL, 1, 1);
    int result = sources_ask(sources, &filter, &options, err);
    const struct source *first = result == 0 ? sources_first(sources, key_compare_id) : NULL;
    *is_end = first == NULL;
    if (first != NULL)
        *hash = first->key.hash;
    bson_destroy(&filter);
    bson_destroy(&options);
    return result;
}

static int64_t received_of(const bson_t *document)
{
    bson_iter_t iter;
    int64_t ms = 0, ns = 0;
    if (bson_iter_init_find(&iter, document, "received") && BSON_ITER_HOLDS_DATE_TIME(&iter))
        ms = bson_iter_date_time(&iter);
    if (bson_iter_init_find(&iter, document, "received_ns"))
        ns = bson_iter_as_int64(&iter);
    return (int64_t)((uint64_t)ms * 1000000 + (uint64_t)ns);
}

static bool is_newer(const bson_t *a, const struct row_key *key_a, const struct held *b)
{
    if (key_a->order != b->key.order)
        return key_a->order > b->key.order;
    return received_of(a) > received_of(b->document);
}

/* The newest document of a hash is held[0]. */
static int hold_newest(struct reader *reader, struct sources *sources, uint64_t hash,
                       struct error *err)
{
    bson_t filter = BSON_INITIALIZER, options = BSON_INITIALIZER;
    struct source *source;
    append_hashes(&filter, hash, true);
    append_sort(&options, "_id", NULL, -1, NEWEST_LOOKED_AT);
    int result = sources_ask(sources, &filter, &options, err);
    while (result == 0 && (source = sources_first(sources, key_compare_id)) != NULL) {
        if (reader->held_count == 0 || is_newer(source->document, &source->key, &reader->held[0])) {
            drop_held(reader);
            result = hold(reader, source, err);
        } else {
            result = source_advance(source, err);
        }
    }
    bson_destroy(&filter);
    bson_destroy(&options);
    return result;
}

static int walk_latest(struct reader *reader, struct sources *sources, struct page *page,
                       struct error *err)
{
    struct bytes done = key_vehicle_from_cursor(page->cursor);
    uint64_t hash = done.len > 0 ? hash64(done) + 1 : 0;
    bool is_end = done.len > 0 && hash == 0;
    while (!is_end && !is_full(page)) {
        struct sink_row row;
        if (next_hash(sources, &hash, &is_end, err) != 0)
            return -1;
        if (is_end)
            break;
        drop_held(reader);
        if (hold_newest(reader, sources, hash, err) != 0)
            return -1;
        is_end = ++hash == 0;
        if (reader->held_count == 0)
            continue; /* deleted meanwhile */
        if (decoder_row(reader->decoder, reader->held[0].document, &row, err) != 0)
            return -1;
        if (hash64(row.packet.vehicle) != reader->held[0].key.hash)
            return error_set(err, ERROR_CORRUPT, "a document's _id is not its vehicle's");
        page->goes_on = page->fn(page->context, &row);
        page->given++;
        key_vehicle_to_cursor(row.packet.vehicle, page->cursor);
    }
    page->cursor->is_end = is_end;
    return 0;
}

int reader_latest(struct reader *reader, struct sink_cursor *cursor, size_t limit, sink_row_fn fn,
                  void *context, struct error *err)
{
    struct sources sources;
    struct page page = {
        .cursor = cursor, .limit = limit, .fn = fn, .context = context, .goes_on = true};
    int result = sources_begin(&sources, reader->server, INT64_MIN, INT64_MAX, err);
    if (result == 0)
        result = walk_latest(reader, &sources, &page, err);
    drop_held(reader);
    sources_end(&sources);
    return result;
}

/* ---- count ---- */

int reader_count(struct reader *reader, const struct sink_query *query, uint64_t *out,
                 struct error *err)
{
    struct sources sources;
    bson_t filter = BSON_INITIALIZER;
    bson_error_t cause;
    if (query->vehicle.len > 0)
        append_vehicle(&filter, query->vehicle);
    append_times(&filter, query->from_ms, query->to_ms);
    int result = sources_begin(&sources, reader->server, query->from_ms, query->to_ms, err);
    for (size_t i = 0; result == 0 && i < sources.count; i++) {
        int64_t count = mongoc_collection_count_documents(sources.items[i].collection, &filter,
                                                          NULL, NULL, NULL, &cause);
        if (count < 0)
            result = server_error(err, &cause, "packets can't be counted");
        else
            *out += (uint64_t)count;
    }
    bson_destroy(&filter);
    sources_end(&sources);
    return result;
}
