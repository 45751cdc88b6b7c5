/* SPDX-License-Identifier: Apache-2.0 */
#include "export/protobuf.h"

#include <string.h>

enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, LENGTH_BYTES = 4, VARINT_MAX = 10 };

/* A span is some fifty fields: each makes room once and is written in place.
 * NULL when there is none. */
static char *make_room(struct buf *out, size_t most)
{
    return buf_reserve(out, most) == 0 ? out->ptr + out->len : NULL;
}

static char *put_varint(char *at, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        *at++ = (char)(value | 0x80);
    *at++ = (char)value;
    return at;
}

static char *put_key(char *at, unsigned field, unsigned wire)
{
    return put_varint(at, (uint64_t)field << 3 | wire);
}

static void take_until(struct buf *out, const char *end)
{
    out->len = (size_t)(end - out->ptr);
}

void protobuf_varint(struct buf *out, unsigned field, uint64_t value)
{
    char *at = make_room(out, 2 * (size_t)VARINT_MAX);
    if (at != NULL)
        take_until(out, put_varint(put_key(at, field, WIRE_VARINT), value));
}

void protobuf_fixed64(struct buf *out, unsigned field, uint64_t value)
{
    char *at = make_room(out, VARINT_MAX + sizeof value);
    if (at == NULL)
        return;
    at = put_key(at, field, WIRE_FIXED64);
    for (int i = 0; i < 8; i++, value >>= 8)
        *at++ = (char)value;
    take_until(out, at);
}

void protobuf_bytes(struct buf *out, unsigned field, struct bytes value)
{
    char *at = make_room(out, 2 * (size_t)VARINT_MAX + value.len);
    if (at == NULL)
        return;
    at = put_varint(put_key(at, field, WIRE_BYTES), value.len);
    if (value.len > 0)
        memcpy(at, value.ptr, value.len);
    take_until(out, at + value.len);
}

size_t protobuf_begin(struct buf *out, unsigned field)
{
    char *at = make_room(out, VARINT_MAX + LENGTH_BYTES);
    if (at == NULL)
        return out->len;
    at = put_key(at, field, WIRE_BYTES);
    memset(at, 0, LENGTH_BYTES);
    take_until(out, at + LENGTH_BYTES);
    return out->len;
}

void protobuf_end(struct buf *out, size_t begun)
{
    size_t len = out->len - begun;
    if (len >= 1U << 28)
        out->has_failed = true;
    if (out->has_failed)
        return;
    for (int i = 0; i < LENGTH_BYTES; i++, len >>= 7)
        out->ptr[begun - LENGTH_BYTES + (size_t)i] =
            (char)((len & 0x7f) | (i < LENGTH_BYTES - 1 ? 0x80 : 0));
}
