/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/journal/frame.h"

#include <string.h>

#include "base/crc32c.h"

void frame_encode(const struct frame *frame, uint8_t out[FRAME_HEADER_BYTES])
{
    le_put(out + 4, 4, frame->payload_len);
    le_put(out + 8, 4, frame->payload_crc);
    le_put(out + 12, 4, frame->count);
    le_put(out + 16, 8, frame->position);
    le_put(out + 24, 8, frame->durable);
    le_put(out + 32, 8, (uint64_t)frame->base_offset);
    le_put(out + 40, 2, frame->type);
    le_put(out + 42, 2, frame->topic);
    le_put(out + 44, 2, frame->partition);
    le_put(out + 46, 2, frame->flags);
    le_put(out + 48, 8, (uint64_t)frame->time_min);
    le_put(out + 56, 8, (uint64_t)frame->time_max);
    le_put(out, 4, crc32c(0, out + 4, FRAME_HEADER_BYTES - 4));
}

static bool is_zero(const uint8_t in[FRAME_HEADER_BYTES])
{
    static const uint8_t zeros[FRAME_HEADER_BYTES];
    return memcmp(in, zeros, sizeof zeros) == 0;
}

enum frame_state frame_decode(const uint8_t in[FRAME_HEADER_BYTES], uint64_t position,
                              struct frame *frame)
{
    if (le_get(in + 16, 8) != position ||
        le_get(in, 4) != crc32c(0, in + 4, FRAME_HEADER_BYTES - 4))
        return is_zero(in) ? FRAME_END : FRAME_BAD;
    *frame = (struct frame){
        .payload_len = (uint32_t)le_get(in + 4, 4),
        .payload_crc = (uint32_t)le_get(in + 8, 4),
        .count = (uint32_t)le_get(in + 12, 4),
        .position = position,
        .durable = le_get(in + 24, 8),
        .base_offset = (int64_t)le_get(in + 32, 8),
        .type = (uint16_t)le_get(in + 40, 2),
        .topic = (uint16_t)le_get(in + 42, 2),
        .partition = (uint16_t)le_get(in + 44, 2),
        .flags = (uint16_t)le_get(in + 46, 2),
        .time_min = (int64_t)le_get(in + 48, 8),
        .time_max = (int64_t)le_get(in + 56, 8),
    };
    /* The CRC of 64 zero bytes is not zero, so position 0 needs no case of its own. */
    return FRAME_GOOD;
}

bool frame_check_payload(const struct frame *frame, const uint8_t *payload)
{
    return frame->type == FRAME_GAP || crc32c(0, payload, frame->payload_len) == frame->payload_crc;
}

static inline uint8_t *put_varint(uint8_t *out, size_t value)
{
    while (value >= 0x80) {
        *out++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *out++ = (uint8_t)value;
    return out;
}

static inline uint8_t *put_bytes(uint8_t *out, struct bytes bytes)
{
    if (bytes.len > 0)
        memcpy(out, bytes.ptr, bytes.len);
    return out + bytes.len;
}

size_t record_encode(const struct record *record, uint8_t *out)
{
    uint8_t *at = out;
    at = put_varint(at, record->key.len);
    at = put_varint(at, record->value.len);
    at = put_varint(at, record->mc.len);
    at = put_varint(at, record->traceparent.len);
    le_put(at, 8, (uint64_t)record->timestamp_ns);
    at += 8;
    at = put_bytes(at, record->key);
    at = put_bytes(at, record->value);
    at = put_bytes(at, record->mc);
    at = put_bytes(at, record->traceparent);
    return (size_t)(at - out);
}

/* At most 5 bytes: lengths are below 2^32. */
static inline const uint8_t *get_varint(const uint8_t *at, const uint8_t *end, size_t *value)
{
    *value = 0;
    for (unsigned shift = 0; at < end && shift < 35; shift += 7) {
        *value |= (size_t)(*at & 0x7f) << shift;
        if ((*at++ & 0x80) == 0)
            return at;
    }
    return NULL;
}

static inline struct bytes take(const uint8_t **at, size_t len)
{
    struct bytes bytes = {(const char *)*at, len};
    *at += len;
    return bytes;
}

bool record_decode(const uint8_t **at, const uint8_t *end, struct record *record)
{
    size_t len[4];
    const uint8_t *p = *at;
    for (int i = 0; i < 4; i++) {
        p = get_varint(p, end, &len[i]);
        if (p == NULL)
            return false;
    }
    /* Each length is below 2^35: the sum can't overflow. */
    if ((size_t)(end - p) < 8 + len[0] + len[1] + len[2] + len[3])
        return false;
    record->timestamp_ns = (int64_t)le_get(p, 8);
    p += 8;
    record->key = take(&p, len[0]);
    record->value = take(&p, len[1]);
    record->mc = take(&p, len[2]);
    record->traceparent = take(&p, len[3]);
    *at = p;
    return true;
}
