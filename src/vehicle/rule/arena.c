/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "vehicle/ruleset_private.h"

struct rule_block {
    struct rule_block *next;
    max_align_t data[];
};

void *rule_alloc(struct rule_arena *arena, size_t size)
{
    struct rule_block *block = calloc(1, sizeof *block + size);
    if (block == NULL)
        return NULL;
    block->next = arena->blocks;
    arena->blocks = block;
    return block->data;
}

struct rule_deferred {
    struct rule_deferred *next;
    void (*fn)(void *argument);
    void *argument;
};

int rule_defer(struct rule_arena *arena, void (*fn)(void *argument), void *argument,
               struct error *err)
{
    struct rule_deferred *deferred = rule_alloc(arena, sizeof *deferred);
    if (deferred == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a ruleset");
    *deferred = (struct rule_deferred){arena->deferred, fn, argument};
    arena->deferred = deferred;
    return 0;
}

void rule_arena_deinit(struct rule_arena *arena)
{
    for (; arena->deferred != NULL; arena->deferred = arena->deferred->next)
        arena->deferred->fn(arena->deferred->argument);
    while (arena->blocks != NULL) {
        struct rule_block *next = arena->blocks->next;
        free(arena->blocks);
        arena->blocks = next;
    }
}
