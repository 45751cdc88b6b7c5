/* SPDX-License-Identifier: Apache-2.0 */
/* The roster: each vehicle's newest packet that has a position, findable by name
 * and by place. Bounded: when it holds max_vehicles the one silent for longest
 * goes; so does one silent for longer than ttl_ns. One thread.
 *
 * Newest is by order (contracts: identity), then by received time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/list.h"
#include "base/table.h"
#include "live/grid.h"

struct watch;

struct roster_entry {
    char *text; /* the vehicle, then the canonical packet */
    uint32_t vehicle_len, json_len, text_cap;
    uint32_t id;         /* stable while the vehicle is here, then given to another */
    uint32_t cell, slot; /* in the grid; cell GRID_NONE = a free entry */
    double lat, lon;
    uint64_t order;
    int64_t received_ns; /* wall clock, at the gateway */
    int64_t seen_ns;     /* monotonic: for the ttl */
    uint64_t hash;
    struct list age;     /* the longest silent first */
    struct watch *watch; /* riders who asked for it by name; NULL = none */
};

static inline struct bytes roster_vehicle(const struct roster_entry *entry)
{
    return bytes_of(entry->text, entry->vehicle_len);
}

static inline struct bytes roster_json(const struct roster_entry *entry)
{
    return bytes_of(entry->text + entry->vehicle_len, entry->json_len);
}

struct roster_limits {
    size_t max_vehicles; /* at most GRID_NONE - 1 */
    int64_t ttl_ns;
};

enum roster_leave { ROSTER_EXPIRED, ROSTER_DISPLACED };

struct roster {
    struct roster_limits limits;
    struct grid grid;
    struct table by_vehicle;
    struct roster_entry **blocks; /* entries by id */
    uint32_t id_end;              /* one past the highest id ever used */
    uint32_t free_id;             /* chain through slot */
    struct list by_age;
    /* Before an entry goes; may be NULL. */
    void (*on_leave)(void *context, const struct roster_entry *entry, enum roster_leave why);
    void *context;
};

/* -1 without memory. */
int roster_init(struct roster *roster, const struct roster_limits *limits);
void roster_deinit(struct roster *roster);
static inline size_t roster_count(const struct roster *roster)
{
    return roster->by_vehicle.count;
}

/* A packet to take in. Everything is copied. */
struct roster_report {
    struct bytes vehicle; /* at most PACKET_VEHICLE_MAX bytes */
    struct bytes json;    /* what riders are shown */
    uint64_t hash;        /* roster_hash(vehicle) */
    uint64_t order;
    int64_t received_ns;
    double lat, lon; /* area_is_position() holds */
};

enum roster_verdict {
    ROSTER_ADDED,
    ROSTER_UPDATED,
    ROSTER_STALE, /* not newer than what is here: nothing changed */
    ROSTER_NO_MEMORY,
};

struct roster_change {
    struct roster_entry *entry;
    double old_lat, old_lon; /* ROSTER_UPDATED */
    uint32_t old_cell; /* equal to entry->cell when it stayed in its cell; GRID_NONE when new */
    int64_t gap_ns;    /* ROSTER_UPDATED: between the receipts of the packet before and this one */
};

uint64_t roster_hash(struct bytes vehicle);
enum roster_verdict roster_put(struct roster *roster, const struct roster_report *report,
                               int64_t now_ns, struct roster_change *change);

/* Ask the memory for what a later roster_put of this hash will touch: first for
 * the table's slot, a few packets later for the entry, then for its text. */
void roster_fetch_slot(const struct roster *roster, uint64_t hash);
void roster_fetch_entry(const struct roster *roster, uint64_t hash);
void roster_fetch_text(const struct roster *roster, uint64_t hash);

struct roster_entry *roster_find(const struct roster *roster, struct bytes vehicle);
/* NULL for an id that is not in use. */
struct roster_entry *roster_by_id(const struct roster *roster, uint32_t id);

/* Let go the vehicles silent for longer than the ttl, at most `most` of them. */
size_t roster_expire(struct roster *roster, int64_t now_ns, size_t most);
/* Bring by_age in order again after entries came in no order of age (loading).
 * Without memory it stays as it is: some expire later. */
void roster_sort_by_age(struct roster *roster);
