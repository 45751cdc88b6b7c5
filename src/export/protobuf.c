/* SPDX-License-Identifier: Apache-2.0 */
#include "export/protobuf.h"

enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, LENGTH_BYTES = 4 };

static void append_varint(struct buf *out, uint64_t value)
{
    char bytes[10];
    size_t len = 0;
    for (; value >= 0x80; value >>= 7)
        bytes[len++] = (char)(value | 0x80);
    bytes[len++] = (char)value;
    buf_append(out, bytes, len);
}

static void append_key(struct buf *out, unsigned field, unsigned wire)
{
    append_varint(out, (uint64_t)field << 3 | wire);
}

void protobuf_varint(struct buf *out, unsigned field, uint64_t value)
{
    append_key(out, field, WIRE_VARINT);
    append_varint(out, value);
}

void protobuf_fixed64(struct buf *out, unsigned field, uint64_t value)
{
    char bytes[8];
    for (int i = 0; i < 8; i++, value >>= 8)
        bytes[i] = (char)value;
    append_key(out, field, WIRE_FIXED64);
    buf_append(out, bytes, sizeof bytes);
}

void protobuf_bytes(struct buf *out, unsigned field, struct bytes value)
{
    append_key(out, field, WIRE_BYTES);
    append_varint(out, value.len);
    buf_append_bytes(out, value);
}

size_t protobuf_begin(struct buf *out, unsigned field)
{
    append_key(out, field, WIRE_BYTES);
    buf_append(out, "\0\0\0\0", LENGTH_BYTES);
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
