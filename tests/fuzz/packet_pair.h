/* SPDX-License-Identifier: Apache-2.0 */
/* Two decoders side by side: one that learns layouts and takes the fast path,
 * one that has only the general path. Whatever is decoded, they must agree. */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "vehicle/canonical.h"
#include "vehicle/dialect.h"
#include "vehicle/scratch.h"

struct packet_pair {
    struct packet_scratch *fast;
    struct packet_scratch *general;
};

typedef bool (*packet_decode_fn)(struct packet_scratch *scratch, struct bytes text,
                                 struct packet *packet, struct reject *reject);

static inline void packet_pair_init(struct packet_pair *pair)
{
    pair->fast = packet_scratch_new();
    pair->general = packet_scratch_new();
    must(pair->fast != NULL && pair->general != NULL);
    pair->general->is_general_only = true;
}

static inline void must_equal_bytes(struct bytes a, struct bytes b)
{
    must(bytes_equal(a, b));
}

static inline void must_equal_packets(const struct packet *a, const struct packet *b)
{
    must_equal_bytes(a->vehicle, b->vehicle);
    must(a->order == b->order && a->time_ms == b->time_ms && a->fields == b->fields);
    must(a->epoch == b->epoch && a->seq == b->seq && a->dialect == b->dialect);
    must(memcmp(&a->lat, &b->lat, 6 * sizeof a->lat) == 0);
    must_equal_bytes(a->type, b->type);
    must_equal_bytes(a->id, b->id);
    must_equal_bytes(a->category, b->category);
    must_equal_bytes(a->original, b->original);
    must_equal_bytes(a->content, b->content);
    must(a->flag_count == b->flag_count && a->signal_count == b->signal_count);
    for (size_t i = 0; i < a->flag_count; i++)
        must_equal_bytes(a->flags[i], b->flags[i]);
    for (size_t i = 0; i < a->signal_count; i++) {
        must_equal_bytes(a->signals[i].path, b->signals[i].path);
        must_equal_bytes(a->signals[i].raw, b->signals[i].raw);
        must(a->signals[i].type == b->signals[i].type);
    }
}

/* Decode with both; they agree. Twice, so that a layout is learnt. */
static inline bool packet_pair_decode(struct packet_pair *pair, packet_decode_fn decode,
                                      struct bytes text, struct packet *packet,
                                      struct reject *reject)
{
    struct packet other;
    struct reject other_reject;
    bool is_taken = decode(pair->general, text, packet, reject);
    for (int i = 0; i < 3; i++) {
        must(decode(pair->fast, text, &other, &other_reject) == is_taken);
        if (is_taken)
            must_equal_packets(packet, &other);
        else
            must(reject->reason == other_reject.reason &&
                 strcmp(reject->detail, other_reject.detail) == 0);
    }
    return is_taken;
}

/* `data` is an edit (where, how many bytes go, how many come, those) and a text:
 * the text as it is into `before`, and edited into `after`: another packet of a
 * layout that was just learnt. Both are allocated to the byte, so that reading
 * beyond is seen. */
static inline bool packet_pair_split(const uint8_t *data, size_t size, struct bytes *before,
                                     struct bytes *after)
{
    if (size < 4)
        return false;
    size_t come = data[3] % 32;
    if (size < 4 + come)
        return false;
    const char *insert = (const char *)data + 4;
    size_t len = size - 4 - come;
    size_t where = len == 0 ? 0 : (data[0] | (size_t)data[1] << 8) % (len + 1);
    size_t go = data[2] % 32 < len - where ? data[2] % 32 : len - where;
    char *first = malloc(len > 0 ? len : 1);
    char *second = malloc(len - go + come > 0 ? len - go + come : 1);
    must(first != NULL && second != NULL);
    memcpy(first, insert + come, len);
    memcpy(second, first, where);
    memcpy(second + where, insert, come);
    memcpy(second + where + come, first + where + go, len - where - go);
    *before = bytes_of(first, len);
    *after = bytes_of(second, len - go + come);
    return true;
}
