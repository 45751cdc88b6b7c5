/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/mongodb/sources.h"

#include <stdlib.h>

#include "sink/mongodb/names.h"

int key_compare_id(const struct row_key *a, const struct row_key *b)
{
    if (a->hash != b->hash)
        return a->hash < b->hash ? -1 : 1;
    if (a->order != b->order)
        return a->order < b->order ? -1 : 1;
    if (a->content != b->content)
        return a->content < b->content ? -1 : 1;
    return 0;
}

static int list_names(struct sources *sources, struct error *err)
{
    bson_error_t cause;
    mongoc_database_t *database =
        mongoc_client_get_database(sources->client, sources->server->database);
    sources->names = mongoc_database_get_collection_names_with_opts(database, NULL, &cause);
    mongoc_database_destroy(database);
    return sources->names != NULL ? 0
                                  : server_error(err, &cause, "its collections can't be listed");
}

int sources_begin(struct sources *sources, struct server *server, int64_t from_ms, int64_t to_ms,
                  struct error *err)
{
    size_t names = 0;
    *sources = (struct sources){.server = server, .client = server_pop(server)};
    if (list_names(sources, err) != 0)
        return -1;
    while (sources->names[names] != NULL)
        names++;
    sources->items = calloc(names + 1, sizeof *sources->items);
    if (sources->items == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the collections");
    for (size_t i = 0; i < names; i++) {
        const char *name = sources->names[i];
        if (strncmp(name, "system.", 7) != 0 && name_may_hold(name, from_ms, to_ms))
            sources->items[sources->count++].collection =
                mongoc_client_get_collection(sources->client, server->database, name);
    }
    return 0;
}

static void end_answer(struct source *source)
{
    if (source->cursor != NULL)
        mongoc_cursor_destroy(source->cursor);
    source->cursor = NULL;
    source->document = NULL;
}

void sources_end(struct sources *sources)
{
    for (size_t i = 0; i < sources->count; i++) {
        end_answer(&sources->items[i]);
        mongoc_collection_destroy(sources->items[i].collection);
    }
    free(sources->items);
    bson_strfreev(sources->names);
    server_push(sources->server, sources->client);
}

int sources_ask(struct sources *sources, const bson_t *filter, const bson_t *options,
                struct error *err)
{
    for (size_t i = 0; i < sources->count; i++) {
        struct source *source = &sources->items[i];
        end_answer(source);
        source->cursor =
            mongoc_collection_find_with_opts(source->collection, filter, options, NULL);
        if (source_advance(source, err) != 0)
            return -1;
    }
    return 0;
}

int source_advance(struct source *source, struct error *err)
{
    bson_error_t cause;
    if (mongoc_cursor_next(source->cursor, &source->document))
        return decoder_key(source->document, &source->key, err);
    source->document = NULL;
    return mongoc_cursor_error(source->cursor, &cause)
               ? server_error(err, &cause, "packets can't be read")
               : 0;
}

struct source *sources_first(struct sources *sources, key_order order)
{
    struct source *first = NULL;
    for (size_t i = 0; i < sources->count; i++) {
        struct source *source = &sources->items[i];
        if (source->document != NULL && (first == NULL || order(&source->key, &first->key) < 0))
            first = source;
    }
    return first;
}
