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

void rule_arena_deinit(struct rule_arena *arena)
{
    while (arena->blocks != NULL) {
        struct rule_block *next = arena->blocks->next;
        free(arena->blocks);
        arena->blocks = next;
    }
}
