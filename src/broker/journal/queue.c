/* SPDX-License-Identifier: Apache-2.0 */
/* Many pushers, one taker: a stack by compare-and-swap that the writer takes as
 * a whole and turns round. The order of pushing is total, over all threads: so
 * a commit that was pushed after a batch is written after it. The bounds are
 * the producers' own. Who pushes onto an empty stack, or over the byte mark,
 * wakes the writer; the others cost one exchange. */
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "broker/journal/journal.h"

void queue_init(struct queue *queue)
{
    memset(queue, 0, sizeof *queue);
    pthread_condattr_t monotonic;
    must(pthread_mutex_init(&queue->lock, NULL) == 0);
    pthread_condattr_init(&monotonic);
#ifdef __linux__
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
#endif
    must(pthread_cond_init(&queue->pushed, &monotonic) == 0);
    pthread_condattr_destroy(&monotonic);
}

void queue_deinit(struct queue *queue)
{
    pthread_mutex_destroy(&queue->lock);
    pthread_cond_destroy(&queue->pushed);
}

void queue_wake(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    pthread_cond_signal(&queue->pushed);
    pthread_mutex_unlock(&queue->lock);
}

void queue_push(struct queue *queue, struct item *newest, struct item *oldest, size_t bytes,
                size_t wake_bytes)
{
    size_t before = atomic_fetch_add(&queue->bytes, bytes);
    struct item *head = atomic_load_explicit(&queue->head, memory_order_relaxed);
    do {
        oldest->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&queue->head, &head, newest,
                                                    memory_order_release, memory_order_relaxed));
    if (head == NULL || (before < wake_bytes && before + bytes >= wake_bytes))
        queue_wake(queue);
}

struct item *queue_take(struct queue *queue)
{
    struct item *newest = atomic_exchange_explicit(&queue->head, NULL, memory_order_acquire);
    struct item *oldest = NULL;
    while (newest != NULL) {
        struct item *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}
