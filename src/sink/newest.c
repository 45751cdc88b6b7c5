/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/newest.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"

/* One more than the order, so that a zero is a free entry; the largest order
 * stands for itself (an upper bound is all that is promised). */
struct newest_entry {
    uint64_t hash;
    uint64_t bound;
};

enum { FIRST_SLOTS = 1024 };

static uint64_t bound_of(uint64_t order)
{
    return order == UINT64_MAX ? order : order + 1;
}

static size_t slot_of(const struct newest *newest, const struct newest_generation *generation,
                      uint64_t hash)
{
    uint64_t mixed = (hash ^ newest->seed) * UINT64_C(0x9E3779B97F4A7C15);
    return (mixed ^ mixed >> 32) & generation->mask;
}

/* The vehicle's entry, or the free one where it would stand. */
static struct newest_entry *entry_of(const struct newest *newest,
                                     const struct newest_generation *generation, uint64_t hash)
{
    size_t i = slot_of(newest, generation, hash);
    while (generation->entries[i].bound != 0 && generation->entries[i].hash != hash)
        i = (i + 1) & generation->mask;
    return &generation->entries[i];
}

static int generation_init(struct newest_generation *generation, size_t slots)
{
    *generation = (struct newest_generation){.mask = slots - 1};
    generation->entries = calloc(slots, sizeof(struct newest_entry));
    return generation->entries != NULL ? 0 : -1;
}

int newest_init(struct newest *newest, size_t vehicles_max, struct error *err)
{
    *newest = (struct newest){.generation_max = vehicles_max < 2 ? 1 : vehicles_max / 2};
    if (getentropy(&newest->seed, sizeof newest->seed) != 0)
        newest->seed = (uint64_t)clock_wall_ns();
    if (generation_init(&newest->young, FIRST_SLOTS) != 0)
        return error_set(err, ERROR_MEMORY, "no memory for the vehicles");
    return 0;
}

void newest_deinit(struct newest *newest)
{
    free(newest->young.entries);
    free(newest->old.entries);
    newest->young.entries = newest->old.entries = NULL;
}

void newest_prefetch(const struct newest *newest, uint64_t hash)
{
    __builtin_prefetch(&newest->young.entries[slot_of(newest, &newest->young, hash)]);
}

enum newest_answer newest_get(const struct newest *newest, uint64_t hash, uint64_t *order)
{
    const struct newest_entry *entry = entry_of(newest, &newest->young, hash);
    if (entry->bound == 0 && newest->old.entries != NULL)
        entry = entry_of(newest, &newest->old, hash);
    if (entry->bound == 0)
        return newest->has_forgotten ? NEWEST_UNKNOWN : NEWEST_NONE;
    *order = entry->bound == UINT64_MAX ? UINT64_MAX : entry->bound - 1;
    return NEWEST_KNOWN;
}

static void grow(struct newest *newest)
{
    struct newest_generation larger;
    if (generation_init(&larger, 2 * (newest->young.mask + 1)) != 0)
        return; /* a fuller table is only slower; it is never quite full, see below */
    for (size_t i = 0; i <= newest->young.mask; i++) {
        const struct newest_entry *entry = &newest->young.entries[i];
        if (entry->bound != 0)
            *entry_of(newest, &larger, entry->hash) = *entry;
    }
    larger.count = newest->young.count;
    free(newest->young.entries);
    newest->young = larger;
}

/* The young generation becomes the old one. */
static void turn(struct newest *newest)
{
    struct newest_generation fresh;
    if (generation_init(&fresh, newest->young.mask + 1) != 0) {
        memset(newest->young.entries, 0, (newest->young.mask + 1) * sizeof(struct newest_entry));
        newest->young.count = 0;
        newest->has_forgotten = true;
        return;
    }
    newest->has_forgotten |= newest->old.entries != NULL;
    free(newest->old.entries);
    newest->old = newest->young;
    newest->young = fresh;
}

void newest_set(struct newest *newest, uint64_t hash, uint64_t order)
{
    struct newest_entry *entry = entry_of(newest, &newest->young, hash);
    uint64_t bound = bound_of(order);
    if (entry->bound == 0) {
        uint64_t before;
        if (newest->old.entries != NULL && newest_get(newest, hash, &before) == NEWEST_KNOWN &&
            bound_of(before) > bound)
            bound = bound_of(before);
        if (newest->young.count >= newest->generation_max)
            turn(newest);
        if (2 * newest->young.count > newest->young.mask)
            grow(newest);
        if (newest->young.count == newest->young.mask)
            turn(newest); /* could not grow */
        entry = entry_of(newest, &newest->young, hash);
        entry->hash = hash;
        newest->young.count++;
    }
    if (bound > entry->bound)
        entry->bound = bound;
}

void newest_raise(struct newest *newest, uint64_t hash, uint64_t order)
{
    uint64_t before;
    if (!newest->has_forgotten || newest_get(newest, hash, &before) == NEWEST_KNOWN)
        newest_set(newest, hash, order);
}
