/* SPDX-License-Identifier: Apache-2.0 */
/* The collections that this process has written to: known by name, made with
 * their indexes before the first document. Any thread. */
#pragma once

#include <pthread.h>

#include "sink/mongodb/indexes.h"
#include "sink/mongodb/names.h"
#include "sink/mongodb/server.h"

enum { COLLECTIONS_MAX = 8192 };

struct collection;

struct collections {
    pthread_mutex_t lock;
    struct collection *items;
    size_t count, cap;
    struct server *server;
    struct indexes indexes;
};

int collections_init(struct collections *collections, struct server *server,
                     const struct sink_config *config, struct error *err);
void collections_deinit(struct collections *collections);
/* Its number, the same for ever; -1 without memory. */
int collections_find(struct collections *collections, const char *name);
/* How many there are: their numbers are 0 to this. */
size_t collections_count(struct collections *collections);
/* Copies the name of number `index`. */
void collections_name(struct collections *collections, int index, char out[NAME_MAX_BYTES + 1]);
/* Its indexes are made, or will never be. -1: not now. */
int collections_prepare(struct collections *collections, mongoc_client_t *client, int index,
                        struct error *err);
