/* SPDX-License-Identifier: Apache-2.0 */
#include "net/outbox.h"

#include <stdlib.h>

#include "base/must.h"

enum {
    POOL_CHUNK_BYTES = 512, /* header included; an ack or a small answer fits */
    POOL_CHUNKS_MAX = 4096,
    GROWN_CHUNK_BYTES = 64 * 1024,
};

struct out_chunk {
    struct out_chunk *next;
    size_t begin, end, cap; /* of data; the tail's free room is cap - end */
    char data[];
};

enum { POOL_CHUNK_CAP = POOL_CHUNK_BYTES - sizeof(struct out_chunk) };

void outbox_pool_deinit(struct outbox_pool *pool)
{
    for (struct out_chunk *next; pool->free != NULL; pool->free = next) {
        next = pool->free->next;
        free(pool->free);
    }
    pool->count = 0;
}

static void give_back(struct outbox_pool *pool, struct out_chunk *chunk)
{
    if (chunk->cap != POOL_CHUNK_CAP || pool->count == POOL_CHUNKS_MAX) {
        free(chunk);
        return;
    }
    chunk->next = pool->free;
    pool->free = chunk;
    pool->count++;
}

static struct out_chunk *take(struct outbox_pool *pool, size_t cap)
{
    struct out_chunk *chunk = pool->free;
    if (cap == POOL_CHUNK_CAP && chunk != NULL) {
        pool->free = chunk->next;
        pool->count--;
    } else {
        chunk = malloc(sizeof *chunk + cap);
        if (chunk == NULL)
            return NULL;
    }
    *chunk = (struct out_chunk){.cap = cap};
    return chunk;
}

/* A chain that has grown long gets larger chunks, so that one writev takes it. */
static size_t cap_for(const struct outbox *outbox, size_t len)
{
    size_t cap = outbox->bytes < POOL_CHUNK_CAP      ? (size_t)POOL_CHUNK_CAP
                 : outbox->bytes < GROWN_CHUNK_BYTES ? outbox->bytes * 2
                                                     : (size_t)GROWN_CHUNK_BYTES;
    return cap < len ? len : cap;
}

char *outbox_reserve(struct outbox *outbox, struct outbox_pool *pool, size_t len)
{
    struct out_chunk *tail = outbox->tail;
    if (tail != NULL && tail->cap - tail->end >= len)
        return tail->data + tail->end;
    struct out_chunk *chunk = take(pool, cap_for(outbox, len));
    if (chunk == NULL)
        return NULL;
    if (tail == NULL)
        outbox->head = chunk;
    else
        tail->next = chunk;
    outbox->tail = chunk;
    return chunk->data;
}

void outbox_commit(struct outbox *outbox, size_t len)
{
    must(len <= outbox->tail->cap - outbox->tail->end);
    outbox->tail->end += len;
    outbox->bytes += len;
}

size_t outbox_views(const struct outbox *outbox, struct outbox_view *views, size_t max)
{
    size_t n = 0;
    for (struct out_chunk *chunk = outbox->head; chunk != NULL && n < max; chunk = chunk->next)
        if (chunk->end > chunk->begin)
            views[n++] =
                (struct outbox_view){chunk->data + chunk->begin, chunk->end - chunk->begin};
    return n;
}

void outbox_consume(struct outbox *outbox, struct outbox_pool *pool, size_t len)
{
    must(len <= outbox->bytes);
    outbox->bytes -= len;
    while (outbox->head != NULL) {
        struct out_chunk *head = outbox->head;
        size_t here = head->end - head->begin;
        if (len < here) {
            head->begin += len;
            return;
        }
        len -= here;
        outbox->head = head->next;
        if (outbox->head == NULL)
            outbox->tail = NULL;
        give_back(pool, head);
    }
}

void outbox_clear(struct outbox *outbox, struct outbox_pool *pool)
{
    outbox_consume(outbox, pool, outbox->bytes);
}
