/* SPDX-License-Identifier: Apache-2.0 */
/* One question put to every collection of the database at once, and the answers
 * merged in order. A client is held from begin to end. */
#pragma once

#include "sink/mongodb/decode.h"
#include "sink/mongodb/server.h"

struct source {
    mongoc_collection_t *collection;
    mongoc_cursor_t *cursor;
    const bson_t *document; /* the next one; NULL: no more */
    struct row_key key;
};

struct sources {
    struct server *server;
    mongoc_client_t *client;
    char **names; /* of the collections; NULL-terminated */
    struct source *items;
    size_t count;
};

typedef int (*key_order)(const struct row_key *a, const struct row_key *b);

/* By _id: (hash, order, content). */
int key_compare_id(const struct row_key *a, const struct row_key *b);

/* Collections that may hold from_ms <= time < to_ms. end also after a failure. */
int sources_begin(struct sources *sources, struct server *server, int64_t from_ms, int64_t to_ms,
                  struct error *err);
void sources_end(struct sources *sources);
/* Ask: the filter and options of find. Before it another question's answers end. */
int sources_ask(struct sources *sources, const bson_t *filter, const bson_t *options,
                struct error *err);
/* The source whose document is next; NULL: no more. */
struct source *sources_first(struct sources *sources, key_order order);
int source_advance(struct source *source, struct error *err);
