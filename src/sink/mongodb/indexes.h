/* SPDX-License-Identifier: Apache-2.0 */
/* The indexes of each collection, as sink.mongodb.indexes declares them:
 *
 *   vehicle+time+_id     fields in order; a leading - descends
 *   location:2dsphere    geographic
 *   received:ttl         deletes documents sink.retention after that time
 */
#pragma once

#include <mongoc/mongoc.h>

#include "base/buf.h"
#include "base/error.h"
#include "sink/config.h"

enum { INDEXES_MAX = 16, INDEX_FIELDS_MAX = 8, INDEX_TEXT_MAX = 200 };

struct index {
    char fields[INDEX_FIELDS_MAX][64];
    int directions[INDEX_FIELDS_MAX]; /* 1 or -1; 0 = 2dsphere */
    size_t field_count;
    bool is_ttl;
    int64_t ttl_s;
};

struct indexes {
    struct index items[INDEXES_MAX];
    size_t count;
};

/* Those that are to be there: without the TTL one when nothing is deleted. -1:
 * ERROR_CONFIG. */
int indexes_read(struct indexes *indexes, const struct sink_config *config, struct error *err);

/* Make what is missing. -1: the server can't be asked now, try again. What it
 * will not make is logged, and store verify names it: packets come first. */
int indexes_make(const struct indexes *indexes, mongoc_client_t *client, const char *database,
                 const char *collection, struct error *err);

enum index_state { INDEX_THERE, INDEX_MISSING, INDEX_OTHER_TTL };
/* Look for one among the collection's indexes. */
int indexes_look(const struct index *index, mongoc_client_t *client, const char *database,
                 const char *collection, enum index_state *out, struct error *err);
/* As the shell takes it: {vehicle: 1, time: 1}, {expireAfterSeconds: 60}. */
void index_print(const struct index *index, struct buf *out);
