/* SPDX-License-Identifier: Apache-2.0 */
#include "base/table.h"

#include <stdlib.h>

void table_init(struct table *table)
{
    *table = (struct table){0};
}

void table_deinit(struct table *table)
{
    free(table->slots);
    table_init(table);
}

static struct table_slot *find_slot(const struct table *table, uint64_t hash, table_equal_fn equal,
                                    const void *key)
{
    if (table->slots == NULL)
        return NULL;
    for (size_t i = hash & table->mask;; i = (i + 1) & table->mask) {
        struct table_slot *slot = &table->slots[i];
        if (slot->item == NULL)
            return NULL;
        if (slot->hash == hash && equal(slot->item, key))
            return slot;
    }
}

void *table_find(const struct table *table, uint64_t hash, table_equal_fn equal, const void *key)
{
    struct table_slot *slot = find_slot(table, hash, equal, key);
    return slot == NULL ? NULL : slot->item;
}

static void place(struct table *table, struct table_slot entry)
{
    size_t i = entry.hash & table->mask;
    /* NOLINTNEXTLINE: table_put makes room before it places */
    while (table->slots[i].item != NULL)
        i = (i + 1) & table->mask;
    table->slots[i] = entry;
}

static int grow(struct table *table)
{
    size_t old_slots = table->slots == NULL ? 0 : table->mask + 1;
    size_t new_slots = old_slots == 0 ? 16 : old_slots * 2;
    struct table_slot *old = table->slots;
    struct table_slot *fresh = calloc(new_slots, sizeof *fresh);
    if (fresh == NULL)
        return -1;
    table->slots = fresh;
    table->mask = new_slots - 1;
    for (size_t i = 0; i < old_slots; i++)
        if (old[i].item != NULL)
            place(table, old[i]);
    free(old);
    return 0;
}

int table_put(struct table *table, uint64_t hash, void *item)
{
    /* At most 3/4 full: probes stay short and find_slot always ends. */
    size_t slots = table->slots == NULL ? 0 : table->mask + 1;
    if ((table->count + 1) * 4 > slots * 3 && grow(table) != 0)
        return -1;
    place(table, (struct table_slot){hash, item});
    table->count++;
    return 0;
}

/* Close the hole at i: pull back each follower that may stand there. */
static void close_hole(struct table *table, size_t hole)
{
    for (size_t i = (hole + 1) & table->mask; table->slots[i].item != NULL;
         i = (i + 1) & table->mask) {
        size_t home = table->slots[i].hash & table->mask;
        if (((i - home) & table->mask) >= ((i - hole) & table->mask)) {
            table->slots[hole] = table->slots[i];
            hole = i;
        }
    }
    table->slots[hole] = (struct table_slot){0};
}

void *table_take(struct table *table, uint64_t hash, table_equal_fn equal, const void *key)
{
    struct table_slot *slot = find_slot(table, hash, equal, key);
    if (slot == NULL)
        return NULL;
    void *item = slot->item;
    close_hole(table, (size_t)(slot - table->slots));
    table->count--;
    return item;
}

void *table_next(const struct table *table, size_t *cursor)
{
    if (table->slots == NULL)
        return NULL;
    while (*cursor <= table->mask) {
        void *item = table->slots[(*cursor)++].item;
        if (item != NULL)
            return item;
    }
    return NULL;
}
