/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/mongodb/collections.h"

#include <stdlib.h>
#include <string.h>

struct collection {
    char name[NAME_MAX_BYTES + 1];
    bool is_prepared;
};

int collections_init(struct collections *collections, struct server *server,
                     const struct sink_config *config, struct error *err)
{
    *collections = (struct collections){.server = server};
    pthread_mutex_init(&collections->lock, NULL);
    return indexes_read(&collections->indexes, config, err);
}

void collections_deinit(struct collections *collections)
{
    free(collections->items);
    pthread_mutex_destroy(&collections->lock);
}

static int find_locked(struct collections *collections, const char *name)
{
    for (size_t i = 0; i < collections->count; i++)
        if (strcmp(collections->items[i].name, name) == 0)
            return (int)i;
    if (collections->count == COLLECTIONS_MAX)
        return -1;
    if (collections->count == collections->cap) {
        size_t cap = collections->cap == 0 ? 16 : 2 * collections->cap;
        struct collection *items = realloc(collections->items, cap * sizeof *items);
        if (items == NULL)
            return -1;
        collections->items = items;
        collections->cap = cap;
    }
    struct collection *collection = &collections->items[collections->count];
    memset(collection, 0, sizeof *collection);
    memcpy(collection->name, name, strnlen(name, NAME_MAX_BYTES));
    return (int)collections->count++;
}

int collections_find(struct collections *collections, const char *name)
{
    pthread_mutex_lock(&collections->lock);
    int index = find_locked(collections, name);
    pthread_mutex_unlock(&collections->lock);
    return index;
}

size_t collections_count(struct collections *collections)
{
    pthread_mutex_lock(&collections->lock);
    size_t count = collections->count;
    pthread_mutex_unlock(&collections->lock);
    return count;
}

void collections_name(struct collections *collections, int index, char out[NAME_MAX_BYTES + 1])
{
    pthread_mutex_lock(&collections->lock);
    memcpy(out, collections->items[index].name, NAME_MAX_BYTES + 1);
    pthread_mutex_unlock(&collections->lock);
}

/* One thread makes them, the others wait: it happens once a collection. */
int collections_prepare(struct collections *collections, mongoc_client_t *client, int index,
                        struct error *err)
{
    int result = 0;
    pthread_mutex_lock(&collections->lock);
    struct collection *collection = &collections->items[index];
    if (!collection->is_prepared) {
        result = indexes_make(&collections->indexes, client, collections->server->database,
                              collection->name, err);
        collection->is_prepared = result == 0;
    }
    pthread_mutex_unlock(&collections->lock);
    return result;
}
