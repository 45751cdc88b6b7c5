/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes on their way out of a connection: a chain of chunks, filled at the end,
 * emptied at the front. Chunks of the common size come from a pool that all
 * connections of a loop share: an idle connection owns none, a busy one costs no
 * malloc. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct out_chunk;

struct outbox_pool {
    struct out_chunk *free;
    size_t count;
};

struct outbox {
    struct out_chunk *head;
    struct out_chunk *tail;
    size_t bytes;
};

struct outbox_view {
    char *ptr;
    size_t len;
};

void outbox_pool_deinit(struct outbox_pool *pool);

/* Contiguous room for len bytes, to be filled and then committed; NULL without
 * memory. */
char *outbox_reserve(struct outbox *outbox, struct outbox_pool *pool, size_t len);
void outbox_commit(struct outbox *outbox, size_t len);
/* The first chunks as views, at most `max`; returns their number. What they show
 * stays where it is until consumed, also while more is added. */
size_t outbox_views(const struct outbox *outbox, struct outbox_view *views, size_t max);
void outbox_consume(struct outbox *outbox, struct outbox_pool *pool, size_t len);
void outbox_clear(struct outbox *outbox, struct outbox_pool *pool);
