/* SPDX-License-Identifier: Apache-2.0 */
/* LEB128 variable-length integers, and zigzag for signed ones (as in Protocol
 * Buffers' encoding). Readers never pass the end. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { VARINT_MAX = 10 };

static inline uint8_t *varint_put(uint8_t *p, uint64_t value)
{
    while (value >= 0x80) {
        *p++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *p++ = (uint8_t)value;
    return p;
}

static inline uint64_t varint_zigzag(int64_t value)
{
    return (uint64_t)value << 1 ^ (uint64_t)(value >> 63);
}

static inline int64_t varint_unzigzag(uint64_t value)
{
    return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

/* The difference a - b, wrapping, as a zigzag varint. */
static inline uint8_t *varint_put_delta(uint8_t *p, int64_t a, int64_t b)
{
    return varint_put(p, varint_zigzag((int64_t)((uint64_t)a - (uint64_t)b)));
}

/* A place in bytes being read; has_failed stays set once something was wrong,
 * so that a reader asks once at the end. */
struct reader {
    const uint8_t *p;
    const uint8_t *end;
    bool has_failed;
};

static inline uint64_t reader_varint(struct reader *reader)
{
    const uint8_t *p = reader->p;
    if (p < reader->end && *p < 0x80) {
        reader->p = p + 1;
        return *p;
    }
    uint64_t value = 0;
    for (unsigned shift = 0; p < reader->end && shift < 64; shift += 7) {
        uint8_t byte = *p++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            reader->p = p;
            return value;
        }
    }
    reader->has_failed = true;
    return 0;
}

static inline int64_t reader_delta(struct reader *reader, int64_t base)
{
    return (int64_t)((uint64_t)base + (uint64_t)varint_unzigzag(reader_varint(reader)));
}

/* len bytes in place; NULL when there are fewer. */
static inline const uint8_t *reader_take(struct reader *reader, uint64_t len)
{
    if (reader->has_failed || len > (uint64_t)(reader->end - reader->p)) {
        reader->has_failed = true;
        return NULL;
    }
    const uint8_t *taken = reader->p;
    reader->p += len;
    return taken;
}
