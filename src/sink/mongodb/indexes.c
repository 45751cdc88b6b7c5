/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/mongodb/indexes.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "observe/log.h"
#include "sink/mongodb/server.h"

enum { INDEX_OPTIONS_CONFLICT = 85 /* error_codes.yml: it is there with another TTL */ };

/* ---- reading the setting ---- */

static bool read_field(struct index *index, struct bytes text)
{
    if (index->field_count == INDEX_FIELDS_MAX)
        return false;
    int direction = text.len > 0 && text.ptr[0] == '-' ? -1 : 1;
    if (direction < 0)
        text = bytes_of(text.ptr + 1, text.len - 1);
    if (text.len == 0 || text.len >= sizeof index->fields[0] || text.ptr[0] == '$' ||
        memchr(text.ptr, ' ', text.len) != NULL)
        return false;
    snprintf(index->fields[index->field_count], sizeof index->fields[0], "%.*s", (int)text.len,
             text.ptr);
    index->directions[index->field_count++] = direction;
    return true;
}

static bool read_fields(struct index *index, struct bytes text)
{
    for (;;) {
        const char *plus = text.len == 0 ? NULL : memchr(text.ptr, '+', text.len);
        size_t len = plus != NULL ? (size_t)(plus - text.ptr) : text.len;
        if (!read_field(index, bytes_of(text.ptr, len)))
            return false;
        if (plus == NULL)
            return true;
        text = bytes_of(plus + 1, text.len - len - 1);
    }
}

static bool read_index(struct index *index, struct bytes text, int64_t retention_ns)
{
    const char *colon = text.len == 0 ? NULL : memchr(text.ptr, ':', text.len);
    *index = (struct index){0};
    if (colon == NULL)
        return read_fields(index, text);
    struct bytes kind = bytes_of(colon + 1, text.len - (size_t)(colon - text.ptr) - 1);
    struct bytes field = bytes_of(text.ptr, (size_t)(colon - text.ptr));
    if (memchr(field.ptr, '+', field.len) != NULL || !read_field(index, field))
        return false;
    index->is_ttl = bytes_equal_text(kind, "ttl");
    index->ttl_s = (retention_ns + NS_PER_S - 1) / NS_PER_S;
    if (bytes_equal_text(kind, "2dsphere"))
        index->directions[0] = 0;
    return index->is_ttl || index->directions[0] == 0;
}

int indexes_read(struct indexes *indexes, const struct sink_config *config, struct error *err)
{
    const struct setting_list *list = &config->mongodb.indexes;
    indexes->count = 0;
    if (list->count > INDEXES_MAX)
        return error_set(err, ERROR_CONFIG, "sink.mongodb.indexes: more than %d", INDEXES_MAX);
    for (size_t i = 0; i < list->count; i++) {
        struct index *index = &indexes->items[indexes->count];
        if (!read_index(index, bytes_trim(bytes_from_text(list->items[i])), config->retention_ns))
            return error_set(
                err, ERROR_CONFIG,
                "sink.mongodb.indexes: %.80s: wants fields joined by +, FIELD:2dsphere "
                "or FIELD:ttl",
                list->items[i]);
        indexes->count += !index->is_ttl || config->retention_ns > 0;
    }
    return 0;
}

/* ---- commands ---- */

static void append_key(const struct index *index, bson_t *key)
{
    for (size_t i = 0; i < index->field_count; i++) {
        if (index->directions[i] == 0)
            BSON_APPEND_UTF8(key, index->fields[i], "2dsphere");
        else
            BSON_APPEND_INT32(key, index->fields[i], index->directions[i]);
    }
}

/* As MongoDB names them itself: vehicle_1_time_1. */
static void make_name(const struct index *index, char *out, size_t size)
{
    size_t len = 0;
    out[0] = '\0';
    for (size_t i = 0; i < index->field_count && len < size; i++) {
        char direction[12];
        snprintf(direction, sizeof direction, "%d", index->directions[i]);
        len +=
            (size_t)snprintf(out + len, size - len, "%s%s_%s", i > 0 ? "_" : "", index->fields[i],
                             index->directions[i] == 0 ? "2dsphere" : direction);
    }
}

static bool run(mongoc_client_t *client, const char *database, const bson_t *command,
                bson_error_t *cause)
{
    bson_t reply;
    bool is_fine =
        mongoc_client_write_command_with_opts(client, database, command, NULL, &reply, cause);
    bson_destroy(&reply);
    return is_fine;
}

static bool create(const struct index *index, mongoc_client_t *client, const char *database,
                   const char *collection, bson_error_t *cause)
{
    bson_t command = BSON_INITIALIZER, list, item, key;
    char name[INDEX_TEXT_MAX];
    make_name(index, name, sizeof name);
    BSON_APPEND_UTF8(&command, "createIndexes", collection);
    BSON_APPEND_ARRAY_BEGIN(&command, "indexes", &list);
    BSON_APPEND_DOCUMENT_BEGIN(&list, "0", &item);
    BSON_APPEND_DOCUMENT_BEGIN(&item, "key", &key);
    append_key(index, &key);
    bson_append_document_end(&item, &key);
    BSON_APPEND_UTF8(&item, "name", name);
    if (index->is_ttl)
        BSON_APPEND_INT64(&item, "expireAfterSeconds", index->ttl_s);
    bson_append_document_end(&list, &item);
    bson_append_array_end(&command, &list);
    bool is_made = run(client, database, &command, cause);
    bson_destroy(&command);
    return is_made;
}

/* The retention was changed: the index stays, its time moves. */
static bool change_ttl(const struct index *index, mongoc_client_t *client, const char *database,
                       const char *collection, bson_error_t *cause)
{
    bson_t command = BSON_INITIALIZER, item, key;
    BSON_APPEND_UTF8(&command, "collMod", collection);
    BSON_APPEND_DOCUMENT_BEGIN(&command, "index", &item);
    BSON_APPEND_DOCUMENT_BEGIN(&item, "keyPattern", &key);
    append_key(index, &key);
    bson_append_document_end(&item, &key);
    BSON_APPEND_INT64(&item, "expireAfterSeconds", index->ttl_s);
    bson_append_document_end(&command, &item);
    bool is_changed = run(client, database, &command, cause);
    bson_destroy(&command);
    return is_changed;
}

/* What it says of the index itself, it will say again; and what it does not know
 * (a server that has no such index) comes with all sorts of codes. */
static bool is_final(const bson_error_t *cause)
{
    if (cause->domain == MONGOC_ERROR_SERVER)
        return !server_is_state_code((int)cause->code);
    /* A long build on a large collection: it goes on there without us. */
    return cause->domain == MONGOC_ERROR_STREAM && cause->code == MONGOC_ERROR_STREAM_SOCKET &&
           strstr(cause->message, "timeout") != NULL;
}

int indexes_make(const struct indexes *indexes, mongoc_client_t *client, const char *database,
                 const char *collection, struct error *err)
{
    for (size_t i = 0; i < indexes->count; i++) {
        const struct index *index = &indexes->items[i];
        bson_error_t cause = {0};
        bool is_made = create(index, client, database, collection, &cause);
        if (!is_made && index->is_ttl && cause.domain == MONGOC_ERROR_SERVER &&
            cause.code == INDEX_OPTIONS_CONFLICT)
            is_made = change_ttl(index, client, database, collection, &cause);
        if (is_made)
            continue;
        if (!is_final(&cause))
            return server_error(err, &cause, "an index can't be made yet");
        char name[INDEX_TEXT_MAX];
        make_name(index, name, sizeof name);
        log_event(
            LOG_WARN, "store", "an index is not made; go on without it (motorcade store verify)",
            LOG_T("collection", collection), LOG_T("index", name), LOG_T("detail", cause.message));
    }
    return 0;
}

/* ---- looking ---- */

/* Numbers may come back as double, a 2dsphere as text. */
static bool is_same_key(const struct index *index, const bson_iter_t *key)
{
    bson_iter_t field;
    size_t i = 0;
    if (!BSON_ITER_HOLDS_DOCUMENT(key) || !bson_iter_recurse(key, &field))
        return false;
    for (; bson_iter_next(&field); i++) {
        if (i == index->field_count || strcmp(bson_iter_key(&field), index->fields[i]) != 0)
            return false;
        bool is_same = index->directions[i] == 0
                           ? BSON_ITER_HOLDS_UTF8(&field) &&
                                 strcmp(bson_iter_utf8(&field, NULL), "2dsphere") == 0
                           : bson_iter_as_int64(&field) == index->directions[i];
        if (!is_same)
            return false;
    }
    return i == index->field_count;
}

static enum index_state state_of(const struct index *index, const bson_t *found)
{
    bson_iter_t iter;
    if (!bson_iter_init_find(&iter, found, "key") || !is_same_key(index, &iter))
        return INDEX_MISSING;
    if (!index->is_ttl)
        return INDEX_THERE;
    bool is_same = bson_iter_init_find(&iter, found, "expireAfterSeconds") &&
                   bson_iter_as_int64(&iter) == index->ttl_s;
    return is_same ? INDEX_THERE : INDEX_OTHER_TTL;
}

int indexes_look(const struct index *index, mongoc_client_t *client, const char *database,
                 const char *collection, enum index_state *out, struct error *err)
{
    mongoc_collection_t *handle = mongoc_client_get_collection(client, database, collection);
    mongoc_cursor_t *cursor = mongoc_collection_find_indexes_with_opts(handle, NULL);
    const bson_t *found;
    bson_error_t cause;
    *out = INDEX_MISSING;
    while (*out == INDEX_MISSING && mongoc_cursor_next(cursor, &found))
        *out = state_of(index, found);
    int result = mongoc_cursor_error(cursor, &cause)
                     ? server_error(err, &cause, "its indexes can't be read")
                     : 0;
    mongoc_cursor_destroy(cursor);
    mongoc_collection_destroy(handle);
    return result;
}

void index_print(const struct index *index, struct buf *out)
{
    buf_append_char(out, '{');
    for (size_t i = 0; i < index->field_count; i++) {
        buf_printf(out, "%s\"%s\": ", i > 0 ? ", " : "", index->fields[i]);
        if (index->directions[i] == 0)
            buf_append_text(out, "\"2dsphere\"");
        else
            buf_printf(out, "%d", index->directions[i]);
    }
    buf_append_char(out, '}');
    if (index->is_ttl)
        buf_printf(out, ", {expireAfterSeconds: %lld}", (long long)index->ttl_s);
}
