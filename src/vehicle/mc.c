/* SPDX-License-Identifier: Apache-2.0 */
#include "vehicle/mc.h"

#include "base/must.h"

enum { VERSION = 1, FLAG_EVENT_TIME = 1, FLAG_DEAD_LETTER = 2, FLAG_REPLAYED = 4, FLAG_MARK = 8 };

static uint8_t *put(uint8_t *out, uint64_t value, int len)
{
    for (int i = 0; i < len; i++)
        out[i] = (uint8_t)(value >> (8 * (len - 1 - i)));
    return out + len;
}

static uint8_t *put_text(uint8_t *out, struct bytes text)
{
    size_t len = text.len < 255 ? text.len : 255;
    /* Cut between characters, not inside one. */
    while (len < text.len && len > 0 && ((unsigned char)text.ptr[len] & 0xC0) == 0x80)
        len--;
    *out++ = (uint8_t)len;
    if (len > 0)
        memcpy(out, text.ptr, len);
    return out + len;
}

struct mc mc_of_packet(const struct packet *packet)
{
    return (struct mc){
        .dialect = packet->dialect,
        .has_event_time = (packet->fields & PACKET_HAS_TIME) != 0,
        .received_ns = packet->received_ns,
        .identity = packet->identity,
    };
}

static unsigned flags_of(const struct mc *mc)
{
    return (mc->has_event_time ? FLAG_EVENT_TIME : 0U) |
           (mc->is_dead_letter ? FLAG_DEAD_LETTER : 0U) | (mc->replays > 0 ? FLAG_REPLAYED : 0U) |
           (mc->is_mark ? FLAG_MARK : 0U);
}

static uint8_t *put_dead_letter(uint8_t *p, const struct mc *mc)
{
    p = put(p, mc->reason, 2);
    p = put(p, (uint32_t)mc->source_partition, 4);
    p = put(p, (uint64_t)mc->source_offset, 8);
    p = put(p, (uint64_t)mc->first_seen_ns, 8);
    p = put_text(p, mc->source_topic);
    return put_text(p, mc->detail);
}

size_t mc_encode(const struct mc *mc, uint8_t out[MC_MAX])
{
    uint8_t *p = out;
    *p++ = VERSION;
    *p++ = (uint8_t)mc->dialect;
    p = put(p, flags_of(mc), 2);
    p = put(p, (uint64_t)mc->received_ns, 8);
    memcpy(p, mc->identity.bytes, PACKET_IDENTITY_LEN);
    p = put(p + PACKET_IDENTITY_LEN, mc->ruleset_hash, 8);
    if (mc->is_dead_letter)
        p = put_dead_letter(p, mc);
    if (mc->replays > 0) {
        p = put(p, mc->replays, 1);
        p = put(p, (uint64_t)mc->replayed_ns, 8);
    }
    must(p - out <= MC_MAX);
    return (size_t)(p - out);
}

bool mc_is_identified(const struct mc *mc)
{
    static const struct packet_identity none;
    return memcmp(&mc->identity, &none, sizeof none) != 0;
}

/* Bytes not yet read; a read beyond them empties it and sets has_failed. */
struct input {
    struct bytes rest;
    bool has_failed;
};

static struct bytes take_bytes(struct input *in, size_t len)
{
    if (in->has_failed || in->rest.len < len) {
        in->has_failed = true;
        return bytes_of("", 0);
    }
    struct bytes taken = bytes_of(in->rest.ptr, len);
    in->rest = bytes_of(in->rest.ptr + len, in->rest.len - len);
    return taken;
}

static uint64_t take(struct input *in, size_t len)
{
    struct bytes taken = take_bytes(in, len);
    uint64_t value = 0;
    for (size_t i = 0; i < taken.len; i++)
        value = value << 8 | (unsigned char)taken.ptr[i];
    return value;
}

static void take_dead_letter(struct input *in, struct mc *mc)
{
    uint64_t reason = take(in, 2);
    mc->reason = reason < REASON_COUNT ? (enum reason)reason : REASON_UNDECODABLE;
    mc->source_partition = (int32_t)take(in, 4);
    mc->source_offset = (int64_t)take(in, 8);
    mc->first_seen_ns = (int64_t)take(in, 8);
    mc->source_topic = take_bytes(in, (size_t)take(in, 1));
    mc->detail = take_bytes(in, (size_t)take(in, 1));
}

bool mc_decode(struct bytes in, struct mc *mc)
{
    struct input input = {in, false};
    *mc = (struct mc){.source_topic = bytes_of("", 0), .detail = bytes_of("", 0)};
    if (take(&input, 1) != VERSION)
        return false;
    mc->dialect = (enum packet_dialect)take(&input, 1);
    uint64_t flags = take(&input, 2);
    mc->has_event_time = (flags & FLAG_EVENT_TIME) != 0;
    mc->is_dead_letter = (flags & FLAG_DEAD_LETTER) != 0;
    mc->is_mark = (flags & FLAG_MARK) != 0;
    mc->received_ns = (int64_t)take(&input, 8);
    struct bytes identity = take_bytes(&input, PACKET_IDENTITY_LEN);
    memcpy(mc->identity.bytes, identity.ptr, identity.len);
    mc->ruleset_hash = take(&input, 8);
    if (mc->is_dead_letter)
        take_dead_letter(&input, mc);
    if ((flags & FLAG_REPLAYED) != 0) {
        mc->replays = (uint8_t)take(&input, 1);
        mc->replayed_ns = (int64_t)take(&input, 8);
    }
    return !input.has_failed;
}
