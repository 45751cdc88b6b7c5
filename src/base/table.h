/* SPDX-License-Identifier: Apache-2.0 */
/* Hash table of pointers, open addressing, linear probing, deletion by
 * back-shift (no tombstones). The caller computes the hash (base/hash.h; seeded
 * where the key is a stranger's) and compares the item. The table owns its
 * slots, never the items. One thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct table_slot {
    uint64_t hash;
    void *item; /* NULL = free */
};

struct table {
    struct table_slot *slots;
    size_t mask; /* slots - 1; 0 with slots == NULL */
    size_t count;
};

/* Does this item have this key? */
typedef bool (*table_equal_fn)(const void *item, const void *key);

void table_init(struct table *table);
void table_deinit(struct table *table);

void *table_find(const struct table *table, uint64_t hash, table_equal_fn equal, const void *key);
/* Put an item whose key is not in the table yet. -1 without memory. */
int table_put(struct table *table, uint64_t hash, void *item);
/* Take the item out and return it; NULL when it is not there. */
void *table_take(struct table *table, uint64_t hash, table_equal_fn equal, const void *key);

/* Walk: for (size_t i = 0; (item = table_next(table, &i)) != NULL;). The table
 * must not change meanwhile. */
void *table_next(const struct table *table, size_t *cursor);
