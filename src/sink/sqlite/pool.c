/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/sqlite/pool.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNK_LEN = 1 << 20, ALIGNMENT = 16 };

struct pool_chunk {
    struct pool_chunk *next;
    size_t len;
    _Alignas(ALIGNMENT) char bytes[];
};

void pool_init(struct pool *pool)
{
    memset(pool, 0, sizeof *pool);
}

void pool_deinit(struct pool *pool)
{
    struct pool_chunk *next;
    for (struct pool_chunk *chunk = pool->first; chunk != NULL; chunk = next) {
        next = chunk->next;
        free(chunk);
    }
    pool_init(pool);
}

void pool_reset(struct pool *pool)
{
    pool->current = pool->first;
    pool->used = 0;
    pool->total = 0;
}

static struct pool_chunk *chunk_new(size_t len)
{
    if (len < CHUNK_LEN)
        len = CHUNK_LEN;
    struct pool_chunk *chunk = malloc(sizeof *chunk + len);
    if (chunk != NULL) {
        chunk->next = NULL;
        chunk->len = len;
    }
    return chunk;
}

/* Go on in the next chunk that has room, or in a new one put right here. */
static int next_chunk(struct pool *pool, size_t len)
{
    struct pool_chunk *next = pool->current != NULL ? pool->current->next : pool->first;
    if (next == NULL || next->len < len) {
        struct pool_chunk *chunk = chunk_new(len);
        if (chunk == NULL)
            return -1;
        chunk->next = next;
        if (pool->current != NULL)
            pool->current->next = chunk;
        else
            pool->first = chunk;
        next = chunk;
    }
    pool->current = next;
    pool->used = 0;
    return 0;
}

void *pool_take(struct pool *pool, size_t len)
{
    len = (len + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if ((pool->current == NULL || len > pool->current->len - pool->used) &&
        next_chunk(pool, len) != 0)
        return NULL;
    void *taken = pool->current->bytes + pool->used;
    pool->used += len;
    pool->total += len;
    return taken;
}
