/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that is taken piece by piece and given back all at once. */
#pragma once

#include <stddef.h>

struct arena_chunk;

struct arena {
    struct arena_chunk *first;
    struct arena_chunk *current;
    size_t used;  /* of the current chunk */
    size_t total; /* bytes handed out since the last reset */
};

void arena_init(struct arena *arena);
void arena_deinit(struct arena *arena);
/* Everything taken is gone; the memory is kept for the next round. */
void arena_reset(struct arena *arena);
/* 16-byte aligned; NULL without memory. */
void *arena_take(struct arena *arena, size_t len);
