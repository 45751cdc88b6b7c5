/* SPDX-License-Identifier: Apache-2.0 */
#include "live/watch.h"

#include <stdlib.h>
#include <string.h>

#include "base/must.h"

void watches_init(struct watches *watches, struct roster *roster)
{
    table_init(&watches->by_vehicle);
    watches->roster = roster;
}

void watches_deinit(struct watches *watches)
{
    must(watches->by_vehicle.count == 0);
    table_deinit(&watches->by_vehicle);
}

static bool has_name(const void *item, const void *key)
{
    const struct bytes *vehicle = key;
    return bytes_equal(watch_vehicle(item), *vehicle);
}

static struct watch *find(const struct watches *watches, struct bytes vehicle, uint64_t hash)
{
    return table_find(&watches->by_vehicle, hash, has_name, &vehicle);
}

static struct watch *make(struct watches *watches, struct bytes vehicle, uint64_t hash)
{
    struct watch *watch = malloc(sizeof *watch + vehicle.len);
    if (watch == NULL)
        return NULL;
    *watch = (struct watch){.hash = hash, .vehicle_len = vehicle.len};
    memcpy(watch->vehicle, vehicle.ptr, vehicle.len);
    list_init(&watch->links);
    if (table_put(&watches->by_vehicle, hash, watch) != 0) {
        free(watch);
        return NULL;
    }
    watch->entry = roster_find(watches->roster, vehicle);
    if (watch->entry != NULL)
        watch->entry->watch = watch;
    return watch;
}

static void drop_if_unused(struct watches *watches, struct watch *watch)
{
    if (!list_is_empty(&watch->links))
        return;
    if (watch->entry != NULL)
        watch->entry->watch = NULL;
    struct bytes vehicle = watch_vehicle(watch);
    must(table_take(&watches->by_vehicle, watch->hash, has_name, &vehicle) == watch);
    free(watch);
}

static struct watch_link *find_link(struct watch *watch, const struct rider *rider)
{
    for (struct list *node = watch->links.next; node != &watch->links; node = node->next) {
        struct watch_link *link = list_item(node, struct watch_link, of_watch);
        if (link->rider == rider)
            return link;
    }
    return NULL;
}

struct watch_link *watch_find(const struct watches *watches, struct bytes vehicle,
                              const struct rider *rider)
{
    struct watch *watch = find(watches, vehicle, roster_hash(vehicle));
    return watch == NULL ? NULL : find_link(watch, rider);
}

struct watch_link *watch_add(struct watches *watches, struct bytes vehicle, struct rider *rider,
                             struct list *links, bool *is_new)
{
    uint64_t hash = roster_hash(vehicle);
    struct watch *watch = find(watches, vehicle, hash);
    if (watch == NULL && (watch = make(watches, vehicle, hash)) == NULL)
        return NULL;
    struct watch_link *link = find_link(watch, rider);
    *is_new = link == NULL;
    if (link != NULL)
        return link;
    link = malloc(sizeof *link);
    if (link == NULL) {
        drop_if_unused(watches, watch);
        return NULL;
    }
    *link = (struct watch_link){.rider = rider, .watch = watch};
    list_append(&watch->links, &link->of_watch);
    list_append(links, &link->of_rider);
    list_init(&link->dirty);
    return link;
}

void watch_remove(struct watches *watches, struct watch_link *link)
{
    list_remove(&link->of_watch);
    list_remove(&link->of_rider);
    list_remove(&link->dirty);
    drop_if_unused(watches, link->watch);
    free(link);
}

void watch_entry_added(struct watches *watches, struct roster_entry *entry)
{
    if (watches->by_vehicle.count == 0)
        return;
    struct watch *watch = find(watches, roster_vehicle(entry), entry->hash);
    entry->watch = watch;
    if (watch != NULL)
        watch->entry = entry;
}

void watch_entry_leaves(const struct roster_entry *entry)
{
    if (entry->watch != NULL)
        entry->watch->entry = NULL;
}
