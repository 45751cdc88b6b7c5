/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/sqlite/arena.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNK_LEN = 1 << 20, ALIGNMENT = 16 };

struct arena_chunk {
    struct arena_chunk *next;
    size_t len;
    _Alignas(ALIGNMENT) char bytes[];
};

void arena_init(struct arena *arena)
{
    memset(arena, 0, sizeof *arena);
}

void arena_deinit(struct arena *arena)
{
    struct arena_chunk *next;
    for (struct arena_chunk *chunk = arena->first; chunk != NULL; chunk = next) {
        next = chunk->next;
        free(chunk);
    }
    arena_init(arena);
}

void arena_reset(struct arena *arena)
{
    arena->current = arena->first;
    arena->used = 0;
    arena->total = 0;
}

static struct arena_chunk *chunk_new(size_t len)
{
    if (len < CHUNK_LEN)
        len = CHUNK_LEN;
    struct arena_chunk *chunk = malloc(sizeof *chunk + len);
    if (chunk != NULL) {
        chunk->next = NULL;
        chunk->len = len;
    }
    return chunk;
}

/* Go on in the next chunk that has room, or in a new one put right here. */
static int next_chunk(struct arena *arena, size_t len)
{
    struct arena_chunk *next = arena->current != NULL ? arena->current->next : arena->first;
    if (next == NULL || next->len < len) {
        struct arena_chunk *chunk = chunk_new(len);
        if (chunk == NULL)
            return -1;
        chunk->next = next;
        if (arena->current != NULL)
            arena->current->next = chunk;
        else
            arena->first = chunk;
        next = chunk;
    }
    arena->current = next;
    arena->used = 0;
    return 0;
}

void *arena_take(struct arena *arena, size_t len)
{
    len = (len + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if ((arena->current == NULL || len > arena->current->len - arena->used) &&
        next_chunk(arena, len) != 0)
        return NULL;
    void *taken = arena->current->bytes + arena->used;
    arena->used += len;
    arena->total += len;
    return taken;
}
