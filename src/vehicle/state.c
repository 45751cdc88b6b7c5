/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of one size lie in slabs, which are taken as vehicles come and kept
 * until the end; free ones are chained. A list holds the entries in the order in
 * which they were last asked for, so the silent stand first: each lookup lets
 * at most one of them go, which is as many as it may add. */
#include "vehicle/state.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/list.h"
#include "base/must.h"
#include "base/table.h"
#include "vehicle/packet.h"

enum { SLAB_BYTES = 256 << 10, ALIGN = 16 };

struct entry {
    struct list by_silence; /* or in the chain of free ones */
    uint64_t hash;
    int64_t heard_ns; /* newest received time */
    uint32_t stream;
    uint8_t vehicle_len;
    char vehicle[PACKET_VEHICLE_MAX];
    alignas(ALIGN) unsigned char block[];
};

struct slab {
    struct slab *next;
    alignas(ALIGN) unsigned char entries[];
};

struct state_table {
    size_t bytes;  /* of a block */
    size_t stride; /* of an entry */
    size_t max;    /* entries */
    int64_t ttl_ns;
    struct table by_vehicle;
    struct list by_silence;
    struct list free;
    struct slab *slabs;
    struct entry *spare; /* when there is no memory for a first one */
    int64_t *clocks;     /* by stream: the newest received time */
    size_t clock_count;
    uint64_t expired, displaced;
};

struct key {
    struct bytes vehicle;
    uint32_t stream;
};

/* ---- life ---- */

static size_t align_up(size_t size)
{
    return (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

int state_table_new(struct state_table **out, size_t bytes, int64_t ttl_ns,
                    const struct state_limits *limits, struct error *err)
{
    must(bytes > 0 && bytes <= STATE_BYTES_MAX);
    struct state_table *table = calloc(1, sizeof *table);
    size_t stride = sizeof(struct entry) + align_up(bytes);
    struct entry *spare = calloc(1, stride);
    if (table == NULL || spare == NULL) {
        free(table);
        free(spare);
        return error_set(err, ERROR_MEMORY, "no memory for vehicles' states");
    }
    size_t fit = limits->bytes / (stride + 2 * sizeof(struct table_slot));
    *table = (struct state_table){.bytes = bytes, .stride = stride, .ttl_ns = ttl_ns};
    table->spare = spare;
    table->max = limits->vehicles < fit ? limits->vehicles : fit;
    table_init(&table->by_vehicle);
    list_init(&table->by_silence);
    list_init(&table->free);
    list_init(&spare->by_silence);
    *out = table;
    return 0;
}

void state_table_free(struct state_table *table)
{
    if (table == NULL)
        return;
    while (table->slabs != NULL) {
        struct slab *next = table->slabs->next;
        free(table->slabs);
        table->slabs = next;
    }
    table_deinit(&table->by_vehicle);
    free(table->spare);
    free(table->clocks);
    free(table);
}

/* ---- entries ---- */

static bool has_key(const void *item, const void *wanted)
{
    const struct entry *entry = item;
    const struct key *key = wanted;
    return entry->stream == key->stream && entry->vehicle_len == key->vehicle.len &&
           memcmp(entry->vehicle, key->vehicle.ptr, key->vehicle.len) == 0;
}

static struct key key_of(const struct entry *entry)
{
    return (struct key){bytes_of(entry->vehicle, entry->vehicle_len), entry->stream};
}

static void let_go(struct state_table *table, struct entry *entry)
{
    struct key key = key_of(entry);
    table_take(&table->by_vehicle, entry->hash, has_key, &key);
    list_remove(&entry->by_silence);
    list_append(&table->free, &entry->by_silence);
}

static struct entry *most_silent(const struct state_table *table)
{
    if (list_is_empty(&table->by_silence))
        return NULL;
    return list_item(table->by_silence.next, struct entry, by_silence);
}

static bool add_slab(struct state_table *table)
{
    size_t count = SLAB_BYTES / table->stride + 1;
    struct slab *slab = malloc(sizeof *slab + count * table->stride);
    if (slab == NULL)
        return false;
    slab->next = table->slabs;
    table->slabs = slab;
    for (size_t i = 0; i < count; i++) {
        struct entry *entry = (void *)(slab->entries + i * table->stride);
        list_append(&table->free, &entry->by_silence);
    }
    return true;
}

/* A free entry, if need be of the vehicle that was silent longest. NULL: there
 * is no memory for a single one. */
static struct entry *take_free(struct state_table *table)
{
    bool is_full = table->by_vehicle.count >= table->max;
    if (is_full || (list_is_empty(&table->free) && !add_slab(table))) {
        struct entry *oldest = most_silent(table);
        if (oldest == NULL)
            return NULL;
        let_go(table, oldest);
        table->displaced++;
    }
    struct entry *entry = list_item(table->free.next, struct entry, by_silence);
    list_remove(&entry->by_silence);
    return entry;
}

/* Without memory or with a limit of none: forgotten at once, and counted. */
static struct entry *use_spare(struct state_table *table)
{
    table->displaced++;
    memset(table->spare->block, 0, table->bytes);
    return table->spare;
}

static struct entry *add(struct state_table *table, uint64_t hash, const struct key *key)
{
    struct entry *entry = table->max == 0 ? NULL : take_free(table);
    if (entry == NULL)
        return use_spare(table);
    entry->hash = hash;
    entry->stream = key->stream;
    entry->vehicle_len = (uint8_t)key->vehicle.len;
    memcpy(entry->vehicle, key->vehicle.ptr, key->vehicle.len);
    memset(entry->block, 0, table->bytes);
    if (table_put(&table->by_vehicle, hash, entry) != 0) {
        list_append(&table->free, &entry->by_silence);
        return use_spare(table);
    }
    list_append(&table->by_silence, &entry->by_silence);
    return entry;
}

/* ---- time ---- */

static int64_t *clock_of(struct state_table *table, unsigned stream)
{
    must(stream < STATE_STREAMS_MAX);
    if (stream < table->clock_count)
        return &table->clocks[stream];
    size_t count = stream < 16 ? 16 : 2 * (size_t)stream;
    int64_t *clocks = realloc(table->clocks, count * sizeof *clocks);
    if (clocks == NULL)
        return NULL; /* nothing of this stream expires but by being displaced */
    for (size_t i = table->clock_count; i < count; i++)
        clocks[i] = INT64_MIN;
    table->clocks = clocks;
    table->clock_count = count;
    return &clocks[stream];
}

static bool is_silent(const struct state_table *table, const struct entry *entry, int64_t now_ns)
{
    int64_t silence_ns;
    return !__builtin_sub_overflow(now_ns, entry->heard_ns, &silence_ns) &&
           silence_ns > table->ttl_ns;
}

static void let_one_expire(struct state_table *table)
{
    struct entry *oldest = most_silent(table);
    if (oldest == NULL || oldest->stream >= table->clock_count ||
        !is_silent(table, oldest, table->clocks[oldest->stream]))
        return;
    let_go(table, oldest);
    table->expired++;
}

/* ---- the interface ---- */

static void hear(struct state_table *table, struct entry *entry, int64_t received_ns)
{
    if (entry == table->spare)
        return;
    list_remove(&entry->by_silence);
    list_append(&table->by_silence, &entry->by_silence);
    if (received_ns > entry->heard_ns)
        entry->heard_ns = received_ns;
}

void *state_table_get(struct state_table *table, unsigned stream, struct bytes vehicle,
                      int64_t received_ns)
{
    must(vehicle.len <= PACKET_VEHICLE_MAX);
    struct key key = {vehicle, stream};
    uint64_t hash = hash64_local(vehicle) + stream * UINT64_C(0x9E3779B97F4A7C15);
    int64_t *clock = clock_of(table, stream);
    if (clock != NULL && received_ns > *clock)
        *clock = received_ns;
    struct entry *entry = table_find(&table->by_vehicle, hash, has_key, &key);
    if (entry == NULL) {
        let_one_expire(table);
        entry = add(table, hash, &key);
        entry->heard_ns = received_ns;
    } else if (is_silent(table, entry, received_ns)) {
        memset(entry->block, 0, table->bytes);
        table->expired++;
    }
    hear(table, entry, received_ns);
    return entry->block;
}

void state_table_forget(struct state_table *table, unsigned stream)
{
    struct list *next;
    for (struct list *node = table->by_silence.next; node != &table->by_silence; node = next) {
        next = node->next;
        struct entry *entry = list_item(node, struct entry, by_silence);
        if (entry->stream == stream)
            let_go(table, entry);
    }
    if (stream < table->clock_count)
        table->clocks[stream] = INT64_MIN;
}

void state_table_move(struct state_table *to, const struct state_table *from,
                      const struct state_move *moves, size_t count)
{
    const struct list *end = &from->by_silence;
    for (struct list *node = end->next; node != end; node = node->next) {
        const struct entry *old = list_item(node, struct entry, by_silence);
        struct bytes vehicle = bytes_of(old->vehicle, old->vehicle_len);
        unsigned char *block = state_table_get(to, old->stream, vehicle, old->heard_ns);
        for (size_t i = 0; i < count; i++)
            memcpy(block + moves[i].to, old->block + moves[i].from, moves[i].bytes);
    }
}

struct state_counts state_table_counts(const struct state_table *table)
{
    return (struct state_counts){.vehicles = table->by_vehicle.count,
                                 .expired = table->expired,
                                 .displaced = table->displaced};
}
