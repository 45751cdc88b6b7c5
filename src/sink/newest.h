/* SPDX-License-Identifier: Apache-2.0 */
/* Each vehicle's newest order, in memory: what is newer is new without a look
 * at the disk. An entry is an upper bound of what is stored, never less.
 *
 * Bounded: the table has two generations; when the young one is full it becomes
 * the old one, and what the old one still held is forgotten. A vehicle that may
 * have been forgotten is UNKNOWN and must be looked up. Places come from a
 * seeded mix of the hash, so that nobody can prepare long probe sequences. One
 * thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct newest_generation {
    struct newest_entry *entries;
    size_t mask;
    size_t count;
};

struct newest {
    struct newest_generation young, old;
    size_t generation_max;
    uint64_t seed;
    bool has_forgotten;
};

enum newest_answer {
    NEWEST_NONE,    /* nothing of this vehicle is stored */
    NEWEST_KNOWN,   /* *order is the bound */
    NEWEST_UNKNOWN, /* look at the disk */
};

int newest_init(struct newest *newest, size_t vehicles_max, struct error *err);
void newest_deinit(struct newest *newest);
void newest_prefetch(const struct newest *newest, uint64_t hash);
enum newest_answer newest_get(const struct newest *newest, uint64_t hash, uint64_t *order);
/* A row of that order is stored: the bound is at least `order` from now on. An
 * UNKNOWN vehicle stays so: one row tells nothing of the others it may have.
 * Without memory the vehicle may be forgotten, never wrong. */
void newest_raise(struct newest *newest, uint64_t hash, uint64_t order);
/* All that is stored of the vehicle was looked at, and none is newer than `order`. */
void newest_set(struct newest *newest, uint64_t hash, uint64_t order);
