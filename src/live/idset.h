/* SPDX-License-Identifier: Apache-2.0 */
/* A first-in-first-out queue of distinct ids, up to a limit: what has changed for
 * a rider since it was last told. An id that is queued already is not queued
 * again: that is the whole of conflation. One thread. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct idset {
    uint32_t *queue; /* ring */
    uint32_t *slots; /* hash of the queued ids; IDSET_NONE = free */
    uint32_t first, count;
    uint32_t cap; /* of the ring, a power of two; slots are twice as many */
    uint32_t limit;
};

enum { IDSET_NONE = UINT32_MAX };
enum idset_result { IDSET_ADDED, IDSET_PRESENT, IDSET_FULL /* limit or memory */ };

void idset_init(struct idset *set, uint32_t limit);
void idset_deinit(struct idset *set);
enum idset_result idset_add(struct idset *set, uint32_t id);
/* The id queued first, or IDSET_NONE. */
uint32_t idset_take(struct idset *set);
/* Empty, and without memory. */
void idset_clear(struct idset *set);
