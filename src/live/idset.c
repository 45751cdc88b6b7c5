/* SPDX-License-Identifier: Apache-2.0 */
#include "live/idset.h"

#include <stdlib.h>
#include <string.h>

void idset_init(struct idset *set, uint32_t limit)
{
    *set = (struct idset){.limit = limit};
}

void idset_deinit(struct idset *set)
{
    free(set->queue);
    free(set->slots);
    idset_init(set, set->limit);
}

void idset_clear(struct idset *set)
{
    idset_deinit(set);
}

static uint32_t slot_mask(const struct idset *set)
{
    return set->cap * 2 - 1;
}

/* Ids are our own, dense numbers: spreading them (Knuth's multiplier) is enough. */
static uint32_t home(const struct idset *set, uint32_t id)
{
    return (id * UINT32_C(2654435761) >> 7) & slot_mask(set);
}

static uint32_t find(const struct idset *set, uint32_t id)
{
    uint32_t slot = home(set, id);
    while (set->slots[slot] != IDSET_NONE && set->slots[slot] != id)
        slot = (slot + 1) & slot_mask(set);
    return slot;
}

static int grow(struct idset *set)
{
    uint32_t cap = set->cap == 0 ? 16 : set->cap * 2;
    struct idset grown = {.cap = cap, .limit = set->limit, .count = set->count};
    grown.queue = malloc(cap * sizeof *grown.queue);
    grown.slots = malloc(2 * (size_t)cap * sizeof *grown.slots);
    if (grown.queue == NULL || grown.slots == NULL) {
        idset_deinit(&grown);
        return -1;
    }
    memset(grown.slots, 0xff, 2 * (size_t)cap * sizeof *grown.slots);
    for (uint32_t i = 0; i < set->count; i++) {
        uint32_t id = set->queue[(set->first + i) & (set->cap - 1)];
        grown.queue[i] = id;
        grown.slots[find(&grown, id)] = id;
    }
    idset_deinit(set);
    *set = grown;
    return 0;
}

enum idset_result idset_add(struct idset *set, uint32_t id)
{
    if (set->count != 0 && set->slots[find(set, id)] == id)
        return IDSET_PRESENT;
    if (set->count >= set->limit || (set->count == set->cap && grow(set) != 0))
        return IDSET_FULL;
    /* NOLINTNEXTLINE: what grow() freed is no longer the set's */
    set->slots[find(set, id)] = id;
    set->queue[(set->first + set->count++) & (set->cap - 1)] = id;
    return IDSET_ADDED;
}

/* Close the hole: pull back each follower that may stand there. */
static void take_slot(struct idset *set, uint32_t hole)
{
    uint32_t mask = slot_mask(set);
    for (uint32_t i = (hole + 1) & mask; set->slots[i] != IDSET_NONE; i = (i + 1) & mask) {
        if (((i - home(set, set->slots[i])) & mask) >= ((i - hole) & mask)) {
            set->slots[hole] = set->slots[i];
            hole = i;
        }
    }
    set->slots[hole] = IDSET_NONE;
}

uint32_t idset_take(struct idset *set)
{
    if (set->count == 0)
        return IDSET_NONE;
    uint32_t id = set->queue[set->first];
    set->first = (set->first + 1) & (set->cap - 1);
    set->count--;
    take_slot(set, find(set, id));
    return id;
}
