/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/ack_window.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/must.h"

/* A ring of bits for settled + 1 … settled + capacity. */
struct ack_ring {
    uint32_t capacity; /* a power of two, at least 64 */
    uint32_t count;    /* bits set */
    uint64_t words[];
};

void ack_window_deinit(struct ack_window *window)
{
    free(window->ahead);
    window->ahead = NULL;
}

static uint64_t *word_of(struct ack_ring *ring, uint64_t n)
{
    return &ring->words[(n & (ring->capacity - 1)) / 64];
}

static uint64_t bit_of(uint64_t n)
{
    return UINT64_C(1) << (n & 63);
}

static void set(struct ack_ring *ring, uint64_t n)
{
    must((*word_of(ring, n) & bit_of(n)) == 0);
    *word_of(ring, n) |= bit_of(n);
    ring->count++;
}

static bool take(struct ack_ring *ring, uint64_t n)
{
    if ((*word_of(ring, n) & bit_of(n)) == 0)
        return false;
    *word_of(ring, n) &= ~bit_of(n);
    ring->count--;
    return true;
}

/* Make room for bits up to `distance` past settled; bits move to their new places. */
static int grow(struct ack_window *window, uint64_t distance)
{
    struct ack_ring *old = window->ahead;
    uint64_t capacity = old == NULL ? 64 : old->capacity;
    while (capacity < distance)
        capacity *= 2;
    if (capacity > UINT32_MAX)
        return -1;
    struct ack_ring *ring = calloc(1, sizeof *ring + capacity / 8);
    if (ring == NULL)
        return -1;
    ring->capacity = (uint32_t)capacity;
    for (uint64_t n = window->settled + 1; old != NULL && old->count > 0; n++)
        if (take(old, n))
            set(ring, n);
    free(old);
    window->ahead = ring;
    return 0;
}

static void advance(struct ack_window *window)
{
    window->settled++;
    struct ack_ring *ring = window->ahead;
    while (ring != NULL && ring->count > 0 && take(ring, window->settled + 1))
        window->settled++;
    /* In order again: an idle connection holds no ring. */
    if (ring != NULL && ring->count == 0)
        ack_window_deinit(window);
}

int ack_window_settle(struct ack_window *window, uint64_t n)
{
    must(n > window->settled);
    if (n == window->settled + 1) {
        advance(window);
        return 0;
    }
    uint64_t distance = n - window->settled;
    if ((window->ahead == NULL || distance > window->ahead->capacity) &&
        grow(window, distance) != 0)
        return -1;
    set(window->ahead, n);
    return 0;
}
