/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that is taken piece by piece and given back all at once. */
#pragma once

#include <stddef.h>

struct pool_chunk;

struct pool {
    struct pool_chunk *first;
    struct pool_chunk *current;
    size_t used;  /* of the current chunk */
    size_t total; /* bytes handed out since the last reset */
};

void pool_init(struct pool *pool);
void pool_deinit(struct pool *pool);
/* Everything taken is gone; the memory is kept for the next round. */
void pool_reset(struct pool *pool);
/* 16-byte aligned; NULL without memory. */
void *pool_take(struct pool *pool, size_t len);
