/* SPDX-License-Identifier: Apache-2.0 */
/* The MongoDB deployment: one pool of clients, a client for each thread while it
 * works (libmongoc, "Connection Pooling"), the write concern, and what an error
 * means. Nothing connects before it is needed. */
#pragma once

#include <mongoc/mongoc.h>

#include "base/bytes.h"
#include "base/error.h"
#include "sink/config.h"

struct server {
    mongoc_client_pool_t *pool;
    mongoc_write_concern_t *concern;
    const char *database;
};

/* The config must outlive it. -1 with ERROR_CONFIG: the URI or a setting. */
int server_init(struct server *server, const struct sink_config *config, struct error *err);
void server_deinit(struct server *server);

/* Any thread; waits while all are in use. */
mongoc_client_t *server_pop(struct server *server);
void server_push(struct server *server, mongoc_client_t *client);

/* A client outside of the pool, for one thread that must not wait for long: no
 * question takes more than timeout_ns at each of its steps. -1: ERROR_CONFIG. */
int server_client_new(mongoc_client_t **out, const struct mongodb_config *config,
                      int64_t timeout_ns, struct error *err);

enum { SERVER_UNAUTHORIZED = 13 }; /* a code of error_codes.yml */

enum server_fault {
    FAULT_DUPLICATE, /* the _id is there */
    FAULT_DOCUMENT,  /* this document will never be taken */
    FAULT_SERVER,    /* the server's own state: no primary, no room on its disk, a shard away */
    FAULT_PASSING,   /* anything else: try again, though not for ever */
};

/* Of one item: its code, message and keyPattern (NULL when not given). Codes:
 * MongoDB's src/mongo/base/error_codes.yml. */
enum server_fault server_item_fault(int code, struct bytes message, const bson_t *key_pattern);
/* A state of the server that passes, not its opinion of what was sent. */
bool server_is_state_code(int code);
/* Of a whole command: is one of its documents to blame? */
bool server_blames_document(const bson_error_t *cause);
enum { SERVER_REASON_MAX = 512 };
/* What the library says, with a hint for what an operator can mend. */
void server_reason(const bson_error_t *cause, char *out, size_t size);
/* ERROR_REMOTE, transient; with the same hint. */
int server_error(struct error *err, const bson_error_t *cause, const char *what);
