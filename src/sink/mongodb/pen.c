/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/mongodb/pen.h"

#include <stdalign.h>
#include <stdlib.h>

#include "observe/log.h"
#include "observe/metrics.h"
#include "sink/mongodb/decode.h"
#include "sink/mongodb/encode.h"

enum { NO_COLLECTION = -1, VERIFY_DOCS = 100 /* read back with one question */ };

struct pen {
    struct pen_ground ground;
    struct encoder *encoder;
    struct decoder *decoder; /* for what is read back */
    struct buf out;
    mongoc_client_t *client; /* while it writes */
    /* the slice in hand */
    const struct sink_row *rows;
    struct pen_result *results;
    size_t count;
    size_t cap;
    size_t *places;      /* a row's document in out … */
    size_t *lens;        /* … and its length */
    int *homes;          /* its collection; NO_COLLECTION: nothing to send */
    bson_t *documents;   /* views */
    const bson_t **list; /* what is sent */
    size_t *listed;      /* their rows */
    /* the collection looked up last */
    char category[NAME_MAX_BYTES];
    size_t category_len;
    int month;
    int home;
    uint64_t random;
};

struct pen *pen_new(const struct pen_ground *ground)
{
    struct pen *pen = calloc(1, sizeof *pen);
    if (pen == NULL)
        return NULL;
    pen->ground = *ground;
    pen->home = NO_COLLECTION;
    pen->random = (uint64_t)(uintptr_t)pen | 1;
    buf_init(&pen->out, 0);
    pen->encoder = encoder_new();
    pen->decoder = decoder_new();
    if (pen->encoder != NULL && pen->decoder != NULL)
        return pen;
    pen_free(pen);
    return NULL;
}

static void free_slice(struct pen *pen)
{
    free(pen->places);
    free(pen->lens);
    free(pen->homes);
    free(pen->documents);
    free(pen->list);
    free(pen->listed);
}

void pen_free(struct pen *pen)
{
    if (pen == NULL)
        return;
    encoder_free(pen->encoder);
    decoder_free(pen->decoder);
    buf_deinit(&pen->out);
    free_slice(pen);
    free(pen);
}

static bool grow(struct pen *pen, size_t count)
{
    if (count <= pen->cap)
        return true;
    free_slice(pen);
    pen->cap = 0;
    pen->places = calloc(count, sizeof *pen->places);
    pen->lens = calloc(count, sizeof *pen->lens);
    pen->homes = calloc(count, sizeof *pen->homes);
    /* bson_t wants to lie on cache lines. */
    pen->documents = aligned_alloc(alignof(bson_t), count * sizeof *pen->documents);
    pen->list = calloc(count, sizeof(const bson_t *));
    pen->listed = calloc(count, sizeof *pen->listed);
    if (pen->places == NULL || pen->lens == NULL || pen->homes == NULL || pen->documents == NULL ||
        pen->list == NULL || pen->listed == NULL)
        return false;
    pen->cap = count;
    return true;
}

static void note(struct pen *pen, size_t row, enum outcome outcome, const char *detail, size_t len)
{
    struct pen_result *result = &pen->results[row];
    result->outcome = outcome;
    free(result->detail);
    result->detail = outcome <= OUTCOME_DUPLICATE
                         ? NULL
                         : strndup(detail, len < SERVER_REASON_MAX ? len : SERVER_REASON_MAX);
}

static void note_text(struct pen *pen, size_t row, enum outcome outcome, const char *detail)
{
    note(pen, row, outcome, detail, strlen(detail));
}

/* ---- encoding ---- */

static int home_of(struct pen *pen, struct bytes category, const struct packet *packet)
{
    bool has_time = (packet->fields & PACKET_HAS_TIME) != 0;
    int month =
        pen->ground.config->is_by_month ? name_month(has_time, packet->time_ms) : NAME_MONTH_NONE;
    char name[NAME_MAX_BYTES + 1];
    if (pen->home != NO_COLLECTION && month == pen->month &&
        bytes_equal(category, bytes_of(pen->category, pen->category_len)))
        return pen->home;
    name_of(category, month, name);
    pen->home = collections_find(pen->ground.collections, name);
    pen->month = month;
    pen->category_len = category.len < sizeof pen->category ? category.len : 0;
    memcpy(pen->category, category.ptr, pen->category_len);
    if (pen->category_len != category.len)
        pen->month = NAME_MONTH_NONE - 1; /* too long to be remembered */
    return pen->home;
}

static void encode_row(struct pen *pen, size_t i)
{
    struct bytes category = {NULL, 0};
    pen->homes[i] = NO_COLLECTION;
    pen->places[i] = pen->out.len;
    switch (encoder_put(pen->encoder, &pen->rows[i], &pen->out, &category)) {
    case ENCODE_DONE:
        pen->homes[i] = home_of(pen, category, &pen->rows[i].packet);
        pen->lens[i] = pen->out.len - pen->places[i];
        if (pen->homes[i] == NO_COLLECTION)
            note_text(pen, i, OUTCOME_UNREACHED, "no memory for one more collection");
        return;
    case ENCODE_UNDECODABLE:
        note_text(pen, i, OUTCOME_REFUSED, "this is no canonical packet");
        return;
    case ENCODE_TOO_LARGE:
        note_text(pen, i, OUTCOME_REFUSED, "the document would be larger than 16 MiB");
        return;
    case ENCODE_NO_MEMORY:
        note_text(pen, i, OUTCOME_UNREACHED, "no memory for a document");
        return;
    }
}

static void encode_rows(struct pen *pen)
{
    buf_clear(&pen->out);
    for (size_t i = 0; i < pen->count; i++) {
        note(pen, i, OUTCOME_STORED, NULL, 0);
        encode_row(pen, i);
    }
    for (size_t i = 0; i < pen->count; i++)
        if (pen->homes[i] != NO_COLLECTION &&
            !bson_init_static(&pen->documents[i], (const uint8_t *)pen->out.ptr + pen->places[i],
                              pen->lens[i])) {
            pen->homes[i] = NO_COLLECTION;
            note_text(pen, i, OUTCOME_REFUSED, "the document could not be built");
        }
}

/* ---- what the server says of single documents ---- */

static struct bytes text_at(const bson_t *document, const char *key)
{
    bson_iter_t iter;
    uint32_t len = 0;
    const char *text = "";
    if (bson_iter_init_find(&iter, document, key) && BSON_ITER_HOLDS_UTF8(&iter))
        text = bson_iter_utf8(&iter, &len);
    return bytes_of(text, len);
}

static int64_t number_at(const bson_t *document, const char *key, int64_t otherwise)
{
    bson_iter_t iter;
    return bson_iter_init_find(&iter, document, key) && BSON_ITER_HOLDS_NUMBER(&iter)
               ? bson_iter_as_int64(&iter)
               : otherwise;
}

static bool document_at(const bson_iter_t *iter, bson_t *out)
{
    const uint8_t *data;
    uint32_t len;
    if (BSON_ITER_HOLDS_DOCUMENT(iter))
        bson_iter_document(iter, &len, &data);
    else if (BSON_ITER_HOLDS_ARRAY(iter))
        bson_iter_array(iter, &len, &data);
    else
        return false;
    return bson_init_static(out, data, len);
}

/* Row `listed[from + index]` failed. Its place among those sent; SIZE_MAX: none. */
static size_t take_item(struct pen *pen, size_t from, size_t to, const bson_t *item)
{
    bson_iter_t iter;
    bson_t pattern;
    int64_t index = number_at(item, "index", -1);
    int code = (int)number_at(item, "code", 0);
    struct bytes message = text_at(item, "errmsg");
    bool has_pattern =
        bson_iter_init_find(&iter, item, "keyPattern") && document_at(&iter, &pattern);
    if (index < 0 || index >= (int64_t)(to - from))
        return SIZE_MAX;
    size_t row = pen->listed[from + (size_t)index];
    if (message.len == 0)
        message = BYTES("the server gave no reason");
    switch (server_item_fault(code, message, has_pattern ? &pattern : NULL)) {
    case FAULT_DUPLICATE:
        note(pen, row, OUTCOME_DUPLICATE, NULL, 0);
        break;
    case FAULT_DOCUMENT:
        note(pen, row, OUTCOME_REFUSED, message.ptr, message.len);
        break;
    case FAULT_SERVER:
        note(pen, row, OUTCOME_UNREACHED, message.ptr, message.len);
        break;
    case FAULT_PASSING:
        note(pen, row, OUTCOME_FAILED, message.ptr, message.len);
        break;
    }
    return from + (size_t)index;
}

/* The items of reply[key]: their number; *last: the place of the last one. */
static size_t take_items(struct pen *pen, size_t from, size_t to, const bson_t *reply, size_t *last)
{
    bson_iter_t list, item;
    bson_t document;
    size_t count = 0;
    if (!bson_iter_init_find(&list, reply, "writeErrors") || !BSON_ITER_HOLDS_ARRAY(&list) ||
        !bson_iter_recurse(&list, &item))
        return 0;
    for (; bson_iter_next(&item); count++)
        if (document_at(&item, &document))
            *last = take_item(pen, from, to, &document);
    return count;
}

static bool has_concern_error(const bson_t *reply)
{
    bson_iter_t list, item;
    return (bson_iter_init_find(&list, reply, "writeConcernErrors") &&
            BSON_ITER_HOLDS_ARRAY(&list) && bson_iter_recurse(&list, &item) &&
            bson_iter_next(&item)) ||
           bson_iter_init_find(&list, reply, "writeConcernError");
}

/* All of them but what was refused: nothing says that they are durable. */
static void note_unreached(struct pen *pen, size_t from, size_t to, const char *detail)
{
    for (size_t i = from; i < to; i++)
        if (pen->results[pen->listed[i]].outcome != OUTCOME_REFUSED)
            note_text(pen, pen->listed[i], OUTCOME_UNREACHED, detail);
}

static void note_cause(struct pen *pen, size_t from, size_t to, const bson_error_t *cause)
{
    char reason[SERVER_REASON_MAX];
    server_reason(cause, reason, sizeof reason);
    note_unreached(pen, from, to, reason);
}

/* ---- sending ---- */

enum sent {
    SENT_SETTLED,  /* every document has its outcome */
    SENT_STOPPED,  /* ordered: those after *stopped were not tried */
    SENT_TO_BLAME, /* the command was refused because of a document in it */
};

static enum sent send_once(struct pen *pen, mongoc_collection_t *collection, size_t from, size_t to,
                           size_t *stopped, bson_error_t *cause)
{
    bson_t reply;
    enum sent sent = SENT_SETTLED;
    size_t last = SIZE_MAX;
    if (mongoc_collection_insert_many(collection, pen->list + from, to - from, pen->ground.options,
                                      &reply, cause)) {
        bson_destroy(&reply);
        return SENT_SETTLED;
    }
    size_t items = take_items(pen, from, to, &reply, &last);
    if (has_concern_error(&reply) || cause->domain == MONGOC_ERROR_STREAM ||
        cause->domain == MONGOC_ERROR_SERVER_SELECTION || (items > 0 && last == SIZE_MAX)) {
        note_cause(pen, from, to, cause);
    } else if (items == 0) {
        sent = server_blames_document(cause) ? SENT_TO_BLAME : SENT_SETTLED;
        if (sent == SENT_SETTLED)
            note_cause(pen, from, to, cause);
    } else if (pen->ground.config->is_ordered && last + 1 < to) {
        sent = SENT_STOPPED;
        *stopped = last;
    }
    bson_destroy(&reply);
    return sent;
}

/* The documents listed[from..to). Bounded: each turn has fewer of them. */
static void send_range(struct pen *pen, mongoc_collection_t *collection, size_t from, size_t to)
{
    bson_error_t cause = {0};
    size_t stopped = from;
    if (from == to)
        return;
    switch (send_once(pen, collection, from, to, &stopped, &cause)) {
    case SENT_SETTLED:
        return;
    case SENT_TO_BLAME:
        if (to - from == 1) {
            note_text(pen, pen->listed[from], OUTCOME_REFUSED, cause.message);
            return;
        }
        send_range(pen, collection, from, from + (to - from) / 2);
        send_range(pen, collection, from + (to - from) / 2, to);
        return;
    case SENT_STOPPED:
        break;
    }
    /* Ordered: go on after what is settled, but never past what is not. */
    while (stopped + 1 < to && pen->results[pen->listed[stopped]].outcome <= OUTCOME_REFUSED) {
        from = stopped + 1;
        enum sent sent = send_once(pen, collection, from, to, &stopped, &cause);
        if (sent == SENT_TO_BLAME)
            send_range(pen, collection, from, to);
        if (sent != SENT_STOPPED)
            return;
    }
    note_unreached(pen, stopped + 1, to, "it waits for the one before it");
}

/* ---- reading back ---- */

static bool is_sampled(struct pen *pen)
{
    /* xorshift64* (Vigna 2014) */
    pen->random ^= pen->random >> 12;
    pen->random ^= pen->random << 25;
    pen->random ^= pen->random >> 27;
    double share = (double)(pen->random * UINT64_C(2685821657736338717) >> 11) * 0x1p-53;
    return share < pen->ground.config->verify_rate;
}

enum { VERIFIED_SAME, VERIFIED_MISSING, VERIFIED_DIFFERENT };

static void judge_sample(struct pen *pen, size_t row, bool is_same)
{
    if (is_same) {
        metrics_add(METRIC_SINK_VERIFIED, VERIFIED_SAME, 1);
        pen->results[row].outcome = OUTCOME_STORED;
        return;
    }
    metrics_add(METRIC_SINK_VERIFIED, VERIFIED_DIFFERENT, 1);
    log_event(LOG_ERROR, "store", "a document read back is not what was written",
              LOG_B("vehicle", pen->rows[row].packet.vehicle));
    note_text(pen, row, OUTCOME_REFUSED, "the document read back is not what was written");
}

static void compare_sample(struct pen *pen, const size_t *sample, size_t count,
                           const bson_t *document)
{
    struct sink_row row;
    struct row_key key;
    struct error err;
    if (decoder_key(document, &key, &err) != 0)
        return;
    struct packet_identity identity = key_identity(&key);
    for (size_t i = 0; i < count; i++) {
        const struct sink_row *sent = &pen->rows[sample[i]];
        if (memcmp(&identity, &sent->packet.identity, sizeof identity) != 0)
            continue;
        judge_sample(pen, sample[i],
                     decoder_row(pen->decoder, document, &row, &err) == 0 &&
                         bytes_equal(row.canonical, sent->canonical));
    }
}

static void verify_sample(struct pen *pen, mongoc_collection_t *collection, const size_t *sample,
                          size_t count)
{
    bson_t filter = BSON_INITIALIZER, in, ids;
    const bson_t *found;
    BSON_APPEND_DOCUMENT_BEGIN(&filter, "_id", &in);
    BSON_APPEND_ARRAY_BEGIN(&in, "$in", &ids);
    for (size_t i = 0; i < count; i++) {
        bson_iter_t id;
        char buffer[16];
        const char *index;
        bson_uint32_to_string((uint32_t)i, &index, buffer, sizeof buffer);
        if (bson_iter_init_find(&id, &pen->documents[sample[i]], "_id"))
            BSON_APPEND_VALUE(&ids, index, bson_iter_value(&id));
        pen->results[sample[i]].outcome = OUTCOME_FAILED; /* until it is found */
    }
    bson_append_array_end(&in, &ids);
    bson_append_document_end(&filter, &in);
    mongoc_cursor_t *cursor = mongoc_collection_find_with_opts(collection, &filter, NULL, NULL);
    while (mongoc_cursor_next(cursor, &found))
        compare_sample(pen, sample, count, found);
    mongoc_cursor_destroy(cursor);
    bson_destroy(&filter);
    for (size_t i = 0; i < count; i++) {
        if (pen->results[sample[i]].outcome != OUTCOME_FAILED)
            continue;
        metrics_add(METRIC_SINK_VERIFIED, VERIFIED_MISSING, 1);
        note_text(pen, sample[i], OUTCOME_FAILED, "written, but not there when read back");
    }
}

static void verify(struct pen *pen, mongoc_collection_t *collection, size_t listed)
{
    size_t sample[VERIFY_DOCS], count = 0;
    for (size_t i = 0; i < listed; i++) {
        /* What was there before may be another sending of the packet. */
        if (pen->results[pen->listed[i]].outcome != OUTCOME_STORED || !is_sampled(pen))
            continue;
        sample[count++] = pen->listed[i];
        if (count < VERIFY_DOCS)
            continue;
        verify_sample(pen, collection, sample, count);
        count = 0;
    }
    if (count > 0)
        verify_sample(pen, collection, sample, count);
}

/* ---- a slice ---- */

/* The rows from `first` on that go where `first` goes. */
static size_t list_home(struct pen *pen, size_t first)
{
    int home = pen->homes[first];
    size_t listed = 0;
    for (size_t i = first; i < pen->count; i++) {
        if (pen->homes[i] != home)
            continue;
        pen->list[listed] = &pen->documents[i];
        pen->listed[listed++] = i;
        pen->homes[i] = NO_COLLECTION;
    }
    return listed;
}

static void write_home(struct pen *pen, int home, size_t listed)
{
    struct error err;
    char name[NAME_MAX_BYTES + 1];
    if (collections_prepare(pen->ground.collections, pen->client, home, &err) != 0) {
        note_unreached(pen, 0, listed, err.text);
        return;
    }
    collections_name(pen->ground.collections, home, name);
    mongoc_collection_t *collection =
        mongoc_client_get_collection(pen->client, pen->ground.server->database, name);
    send_range(pen, collection, 0, listed);
    if (pen->ground.config->verify_rate > 0)
        verify(pen, collection, listed);
    mongoc_collection_destroy(collection);
}

void pen_write(struct pen *pen, const struct sink_row *rows, struct pen_result *results,
               size_t count)
{
    pen->rows = rows;
    pen->results = results;
    pen->count = count;
    if (!grow(pen, count)) {
        for (size_t i = 0; i < count; i++)
            note_text(pen, i, OUTCOME_UNREACHED, "no memory for a batch");
        return;
    }
    encode_rows(pen);
    pen->client = server_pop(pen->ground.server);
    for (size_t i = 0; i < count; i++) {
        int home = pen->homes[i];
        if (home != NO_COLLECTION)
            write_home(pen, home, list_home(pen, i));
    }
    server_push(pen->ground.server, pen->client);
    pen->client = NULL;
}
