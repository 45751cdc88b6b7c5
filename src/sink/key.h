/* SPDX-License-Identifier: Apache-2.0 */
/* The place of a row in the order of results: (H64(vehicle), event time, the
 * rest of the identity). Unique, because identities are. */
#pragma once

#include "base/hash.h"
#include "sink/sink.h"

struct row_key {
    uint64_t hash; /* H64(vehicle), the identity's first part */
    int64_t time_ms;
    uint64_t order;
    uint64_t content; /* H64(content), the identity's last part */
};

static inline uint64_t key_load_be64(const uint8_t *p)
{
    uint64_t value;
    memcpy(&value, p, sizeof value);
    return __builtin_bswap64(value);
}

static inline void key_store_be64(uint8_t *p, uint64_t value)
{
    value = __builtin_bswap64(value);
    memcpy(p, &value, sizeof value);
}

static inline struct row_key key_of(const struct packet *packet)
{
    const uint8_t *identity = packet->identity.bytes;
    return (struct row_key){key_load_be64(identity), packet->time_ms, key_load_be64(identity + 8),
                            key_load_be64(identity + 16)};
}

static inline struct packet_identity key_identity(const struct row_key *key)
{
    struct packet_identity identity;
    key_store_be64(identity.bytes, key->hash);
    key_store_be64(identity.bytes + 8, key->order);
    key_store_be64(identity.bytes + 16, key->content);
    return identity;
}

static inline int key_compare(const struct row_key *a, const struct row_key *b)
{
    if (a->hash != b->hash)
        return a->hash < b->hash ? -1 : 1;
    if (a->time_ms != b->time_ms)
        return a->time_ms < b->time_ms ? -1 : 1;
    if (a->order != b->order)
        return a->order < b->order ? -1 : 1;
    if (a->content != b->content)
        return a->content < b->content ? -1 : 1;
    return 0;
}

/* A cursor of find: byte 0 is 1, then the last row's key. Zeroed: the beginning. */
void key_to_cursor(const struct row_key *key, struct sink_cursor *cursor);
/* false at the beginning. */
bool key_from_cursor(const struct sink_cursor *cursor, struct row_key *key);

/* A cursor of latest: the last vehicle, padded with zeros (a vehicle has no
 * control characters, so none can end it early). Empty at the beginning. */
void key_vehicle_to_cursor(struct bytes vehicle, struct sink_cursor *cursor);
struct bytes key_vehicle_from_cursor(const struct sink_cursor *cursor);

/* (hash, vehicle) in the order of latest. */
static inline int key_compare_vehicle(uint64_t hash_a, struct bytes a, uint64_t hash_b,
                                      struct bytes b)
{
    if (hash_a != hash_b)
        return hash_a < hash_b ? -1 : 1;
    return bytes_compare(a, b);
}

/* A row from what is stored: canonical decoded, and what it can't hold (the
 * event time that was taken from the received time) put in. -1: ERROR_CORRUPT. */
int key_row(struct packet_scratch *scratch, const struct row_key *key, struct bytes canonical,
            struct sink_row *row, struct error *err);
