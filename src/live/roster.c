/* SPDX-License-Identifier: Apache-2.0 */
/* Entries never move: they lie in blocks that are found by id. The name and the
 * canonical packet share one allocation, so that an update touches the table's
 * slot, the entry and that text, and nothing else while the vehicle stays in its
 * cell. */
#include "live/roster.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/must.h"

enum { BLOCK_ENTRIES = 4096, TEXT_ROUND = 64 };

int roster_init(struct roster *roster, const struct roster_limits *limits)
{
    *roster = (struct roster){.limits = *limits, .free_id = GRID_NONE};
    list_init(&roster->by_age);
    table_init(&roster->by_vehicle);
    size_t blocks = limits->max_vehicles / BLOCK_ENTRIES + 1;
    roster->blocks = calloc(blocks, sizeof(struct roster_entry *));
    if (roster->blocks == NULL || grid_init(&roster->grid) != 0) {
        roster_deinit(roster);
        return -1;
    }
    return 0;
}

void roster_deinit(struct roster *roster)
{
    for (uint32_t id = 0; id < roster->id_end; id++) /* NOLINTNEXTLINE: ids have blocks */
        free(roster->blocks[id / BLOCK_ENTRIES][id % BLOCK_ENTRIES].text);
    for (uint32_t id = 0; id < roster->id_end; id += BLOCK_ENTRIES)
        free(roster->blocks[id / BLOCK_ENTRIES]);
    free(roster->blocks);
    roster->blocks = NULL;
    roster->id_end = 0;
    table_deinit(&roster->by_vehicle);
    grid_deinit(&roster->grid);
}

uint64_t roster_hash(struct bytes vehicle)
{
    return hash64_local(vehicle);
}

/* ---- finding ---- */

static bool has_name(const void *item, const void *key)
{
    const struct roster_entry *entry = item;
    const struct bytes *vehicle = key;
    return bytes_equal(roster_vehicle(entry), *vehicle);
}

static struct roster_entry *find_hashed(const struct roster *roster, struct bytes vehicle,
                                        uint64_t hash)
{
    return table_find(&roster->by_vehicle, hash, has_name, &vehicle);
}

struct roster_entry *roster_find(const struct roster *roster, struct bytes vehicle)
{
    return find_hashed(roster, vehicle, roster_hash(vehicle));
}

static struct roster_entry *entry_at(const struct roster *roster, uint32_t id)
{
    return &roster->blocks[id / BLOCK_ENTRIES][id % BLOCK_ENTRIES];
}

struct roster_entry *roster_by_id(const struct roster *roster, uint32_t id)
{
    if (id >= roster->id_end)
        return NULL;
    struct roster_entry *entry = entry_at(roster, id);
    return entry->cell == GRID_NONE ? NULL : entry;
}

static const struct table_slot *home_slot(const struct roster *roster, uint64_t hash)
{
    const struct table *table = &roster->by_vehicle;
    return table->slots == NULL ? NULL : &table->slots[hash & table->mask];
}

void roster_fetch_slot(const struct roster *roster, uint64_t hash)
{
    __builtin_prefetch(home_slot(roster, hash));
}

/* A vehicle that was pushed out of its home slot is not fetched ahead: that is
 * slower, not wrong. */
void roster_fetch_entry(const struct roster *roster, uint64_t hash)
{
    const struct table_slot *slot = home_slot(roster, hash);
    if (slot == NULL || slot->item == NULL || slot->hash != hash)
        return;
    __builtin_prefetch(slot->item, 1);
    __builtin_prefetch((const char *)slot->item + 64, 1);
}

void roster_fetch_text(const struct roster *roster, uint64_t hash)
{
    const struct table_slot *slot = home_slot(roster, hash);
    if (slot == NULL || slot->item == NULL || slot->hash != hash)
        return;
    const struct roster_entry *entry = slot->item;
    for (size_t at = 0; at < entry->text_cap && at < 512; at += 64)
        __builtin_prefetch(entry->text + at, 1);
}

/* ---- coming and going ---- */

static struct roster_entry *take_entry(struct roster *roster)
{
    uint32_t id = roster->free_id;
    if (id != GRID_NONE) {
        struct roster_entry *entry = entry_at(roster, id);
        roster->free_id = entry->slot;
        return entry;
    }
    id = roster->id_end;
    struct roster_entry **block = &roster->blocks[id / BLOCK_ENTRIES];
    if (id % BLOCK_ENTRIES == 0) {
        *block = calloc(BLOCK_ENTRIES, sizeof **block);
        if (*block == NULL)
            return NULL;
    }
    roster->id_end++;
    struct roster_entry *entry = entry_at(roster, id);
    entry->id = id;
    return entry;
}

static void give_entry(struct roster *roster, struct roster_entry *entry)
{
    free(entry->text);
    *entry = (struct roster_entry){.id = entry->id, .cell = GRID_NONE, .slot = roster->free_id};
    roster->free_id = entry->id;
}

static void leave_cell(struct roster *roster, uint32_t cell, uint32_t slot)
{
    uint32_t moved = grid_remove(&roster->grid, cell, slot);
    if (moved != GRID_NONE)
        entry_at(roster, moved)->slot = slot;
}

static void let_go(struct roster *roster, struct roster_entry *entry, enum roster_leave why)
{
    if (roster->on_leave != NULL)
        roster->on_leave(roster->context, entry, why);
    struct bytes vehicle = roster_vehicle(entry);
    must(table_take(&roster->by_vehicle, entry->hash, has_name, &vehicle) == entry);
    leave_cell(roster, entry->cell, entry->slot);
    list_remove(&entry->age);
    give_entry(roster, entry);
}

static struct roster_entry *oldest(const struct roster *roster)
{
    return list_item(roster->by_age.next, struct roster_entry, age);
}

size_t roster_expire(struct roster *roster, int64_t now_ns, size_t most)
{
    size_t gone = 0;
    while (gone < most && !list_is_empty(&roster->by_age) &&
           now_ns - oldest(roster)->seen_ns > roster->limits.ttl_ns) {
        let_go(roster, oldest(roster), ROSTER_EXPIRED);
        gone++;
    }
    return gone;
}

/* ---- updates ---- */

static int reserve_text(struct roster_entry *entry, size_t len)
{
    if (len <= entry->text_cap)
        return 0;
    size_t cap = (len + TEXT_ROUND - 1) / TEXT_ROUND * TEXT_ROUND;
    char *text = realloc(entry->text, cap);
    if (text == NULL)
        return -1;
    entry->text = text;
    entry->text_cap = (uint32_t)cap;
    return 0;
}

static void set_packet(struct roster *roster, struct roster_entry *entry,
                       const struct roster_report *report, int64_t now_ns)
{
    memcpy(entry->text + entry->vehicle_len, report->json.ptr, report->json.len);
    entry->json_len = (uint32_t)report->json.len;
    entry->lat = report->lat;
    entry->lon = report->lon;
    entry->order = report->order;
    entry->received_ns = report->received_ns;
    entry->seen_ns = now_ns;
    list_remove(&entry->age);
    list_append(&roster->by_age, &entry->age);
}

static int place_new(struct roster *roster, struct roster_entry *entry,
                     const struct roster_report *report)
{
    if (reserve_text(entry, report->vehicle.len + report->json.len) != 0)
        return -1;
    memcpy(entry->text, report->vehicle.ptr, report->vehicle.len);
    entry->vehicle_len = (uint32_t)report->vehicle.len;
    entry->hash = report->hash;
    list_init(&entry->age);
    if (grid_add(&roster->grid, entry->id, report->lat, report->lon, &entry->cell, &entry->slot) !=
        0)
        return -1;
    if (table_put(&roster->by_vehicle, entry->hash, entry) == 0)
        return 0;
    leave_cell(roster, entry->cell, entry->slot);
    return -1;
}

static enum roster_verdict add(struct roster *roster, const struct roster_report *report,
                               int64_t now_ns, struct roster_change *change)
{
    if (roster_count(roster) >= roster->limits.max_vehicles)
        let_go(roster, oldest(roster), ROSTER_DISPLACED);
    struct roster_entry *entry = take_entry(roster);
    if (entry == NULL)
        return ROSTER_NO_MEMORY;
    if (place_new(roster, entry, report) != 0) {
        give_entry(roster, entry);
        return ROSTER_NO_MEMORY;
    }
    set_packet(roster, entry, report, now_ns);
    *change = (struct roster_change){.entry = entry, .old_cell = GRID_NONE};
    return ROSTER_ADDED;
}

static bool is_newer(const struct roster_report *report, const struct roster_entry *entry)
{
    if (report->order != entry->order)
        return report->order > entry->order;
    return report->received_ns > entry->received_ns;
}

/* The new cell first: the old one, once empty, may be reused for any place. */
static int move(struct roster *roster, struct roster_entry *entry,
                const struct roster_report *report)
{
    uint32_t old_cell = entry->cell, old_slot = entry->slot;
    if (grid_is_in(&roster->grid, old_cell, report->lat, report->lon))
        return 0;
    if (grid_add(&roster->grid, entry->id, report->lat, report->lon, &entry->cell, &entry->slot) !=
        0)
        return -1;
    leave_cell(roster, old_cell, old_slot);
    return 0;
}

enum roster_verdict roster_put(struct roster *roster, const struct roster_report *report,
                               int64_t now_ns, struct roster_change *change)
{
    struct roster_entry *entry = find_hashed(roster, report->vehicle, report->hash);
    if (entry == NULL)
        return add(roster, report, now_ns, change);
    if (!is_newer(report, entry))
        return ROSTER_STALE;
    *change = (struct roster_change){entry, entry->lat, entry->lon, entry->cell,
                                     report->received_ns - entry->received_ns};
    if (reserve_text(entry, entry->vehicle_len + report->json.len) != 0 ||
        move(roster, entry, report) != 0)
        return ROSTER_NO_MEMORY;
    set_packet(roster, entry, report, now_ns);
    return ROSTER_UPDATED;
}

/* ---- order of age ---- */

static int compare_seen(const void *a, const void *b)
{
    const struct roster_entry *const *left = a, *const *right = b;
    int64_t x = (*left)->seen_ns, y = (*right)->seen_ns;
    return x < y ? -1 : x > y;
}

void roster_sort_by_age(struct roster *roster)
{
    struct roster_entry **all = malloc((roster_count(roster) + 1) * sizeof(struct roster_entry *));
    if (all == NULL)
        return;
    size_t count = 0;
    while (!list_is_empty(&roster->by_age)) {
        all[count++] = oldest(roster);
        list_remove(roster->by_age.next);
    }
    qsort(all, count, sizeof(struct roster_entry *), compare_seen);
    for (size_t i = 0; i < count; i++)
        list_append(&roster->by_age, &all[i]->age);
    free(all);
}
