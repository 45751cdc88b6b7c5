/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces of BSON (bsonspec.org, version 1.1) written at p, which has room; each
 * returns where the next one goes. Names hold no NUL. */
#pragma once

#include <stdint.h>
#include <string.h>

#include "base/bytes.h"

enum bson_kind {
    KIND_DOUBLE = 0x01,
    KIND_STRING = 0x02,
    KIND_DOCUMENT = 0x03,
    KIND_ARRAY = 0x04,
    KIND_BOOL = 0x08,
    KIND_DATE = 0x09,
    KIND_NULL = 0x0A,
    KIND_INT32 = 0x10,
    KIND_INT64 = 0x12,
};

/* Little-endian, as BSON is everywhere. */
static inline char *put_u32(char *p, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        p[i] = (char)(value >> (8 * i));
    return p + 4;
}

static inline char *put_u64(char *p, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        p[i] = (char)(value >> (8 * i));
    return p + 8;
}

static inline char *put_bytes(char *p, struct bytes bytes)
{
    if (bytes.len > 0)
        memcpy(p, bytes.ptr, bytes.len);
    return p + bytes.len;
}

static inline char *put_name(char *p, enum bson_kind kind, struct bytes name)
{
    *p++ = (char)kind;
    p = put_bytes(p, name);
    *p++ = '\0';
    return p;
}

/* What follows the name of a string. */
static inline char *put_text(char *p, struct bytes text)
{
    p = put_u32(p, (uint32_t)text.len + 1);
    p = put_bytes(p, text);
    *p++ = '\0';
    return p;
}

static inline char *put_string(char *p, struct bytes name, struct bytes text)
{
    return put_text(put_name(p, KIND_STRING, name), text);
}

static inline char *put_int64(char *p, struct bytes name, int64_t value)
{
    return put_u64(put_name(p, KIND_INT64, name), (uint64_t)value);
}

static inline char *put_int32(char *p, struct bytes name, int32_t value)
{
    return put_u32(put_name(p, KIND_INT32, name), (uint32_t)value);
}

static inline char *put_date(char *p, struct bytes name, int64_t ms)
{
    return put_u64(put_name(p, KIND_DATE, name), (uint64_t)ms);
}

static inline char *put_bits(char *p, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return put_u64(p, bits);
}

static inline char *put_double(char *p, struct bytes name, double value)
{
    return put_bits(put_name(p, KIND_DOUBLE, name), value);
}

/* End the document whose length stands at `start`. */
static inline char *put_end(char *p, char *start)
{
    *p++ = '\0';
    put_u32(start, (uint32_t)(p - start));
    return p;
}
