/* SPDX-License-Identifier: Apache-2.0 */
/* Interest in vehicles by name, known to the roster or not yet. A watch is one
 * name with the riders who asked for it; it lives while there is one. One thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/list.h"
#include "base/table.h"
#include "live/roster.h"

struct rider;

struct watch {
    struct roster_entry *entry; /* NULL while the roster doesn't have it */
    struct list links;          /* watch_link.of_watch */
    uint64_t hash;
    size_t vehicle_len;
    char vehicle[];
};

struct watch_link {
    struct list of_watch;
    struct list of_rider;
    struct list dirty; /* in the rider's list of what is to be told, or alone */
    struct rider *rider;
    struct watch *watch;
};

struct watches {
    struct table by_vehicle;
    struct roster *roster;
};

static inline struct bytes watch_vehicle(const struct watch *watch)
{
    return bytes_of(watch->vehicle, watch->vehicle_len);
}

void watches_init(struct watches *watches, struct roster *roster);
/* Every link is gone before. */
void watches_deinit(struct watches *watches);

/* A link for this rider, on the list of its links; the one it has already when it
 * asks twice (*is_new false). NULL without memory. */
struct watch_link *watch_add(struct watches *watches, struct bytes vehicle, struct rider *rider,
                             struct list *links, bool *is_new);
void watch_remove(struct watches *watches, struct watch_link *link);
/* The rider's link for that name, or NULL. */
struct watch_link *watch_find(const struct watches *watches, struct bytes vehicle,
                              const struct rider *rider);

/* The fleet has got this vehicle, or is about to lose it. */
void watch_entry_added(struct watches *watches, struct roster_entry *entry);
void watch_entry_leaves(const struct roster_entry *entry);
