/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/ack_window.h"

#include <stdlib.h>

#include "base/must.h"

void ack_window_deinit(struct ack_window *window)
{
    free(window->ahead);
    *window = (struct ack_window){.settled = window->settled};
}

static uint64_t *word_of(const struct ack_window *window, uint64_t n)
{
    return &window->ahead[(n & (window->capacity - 1)) / 64];
}

static uint64_t bit_of(uint64_t n)
{
    return UINT64_C(1) << (n & 63);
}

/* Make room for bits up to `distance` past settled; bits move to their new places. */
static int grow(struct ack_window *window, uint64_t distance)
{
    uint64_t capacity = window->capacity == 0 ? 64 : window->capacity;
    while (capacity < distance)
        capacity *= 2;
    if (capacity > UINT32_MAX)
        return -1;
    struct ack_window wider = {.settled = window->settled, .capacity = (uint32_t)capacity};
    wider.ahead = calloc(capacity / 64, sizeof(uint64_t));
    if (wider.ahead == NULL)
        return -1;
    for (uint64_t n = window->settled + 1; n <= window->settled + window->capacity; n++)
        if ((*word_of(window, n) & bit_of(n)) != 0)
            *word_of(&wider, n) |= bit_of(n);
    wider.ahead_count = window->ahead_count;
    free(window->ahead);
    *window = wider;
    return 0;
}

static void advance(struct ack_window *window)
{
    window->settled++;
    while (window->ahead_count > 0) {
        uint64_t next = window->settled + 1;
        uint64_t *word = word_of(window, next);
        if ((*word & bit_of(next)) == 0)
            return;
        *word &= ~bit_of(next);
        window->ahead_count--;
        window->settled = next;
    }
    /* In order again: an idle connection holds no ring. */
    if (window->ahead != NULL)
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
    if (distance > window->capacity && grow(window, distance) != 0)
        return -1;
    must((*word_of(window, n) & bit_of(n)) == 0);
    *word_of(window, n) |= bit_of(n);
    window->ahead_count++;
    return 0;
}
