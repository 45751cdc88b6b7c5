/* SPDX-License-Identifier: Apache-2.0 */
/* A row's text taken apart: the skeleton (shape), which most rows of a fleet
 * share, and the numbers that fill its slots. Lossless by construction: a slot
 * takes a text only if writing the slot's value gives the same bytes; all else
 * stays in the skeleton as it was. So nothing here depends on what exactly the
 * canonical packet holds: new fields and signals are numbers or literals.
 *
 * In a skeleton a slot is one control byte (enum shape_slot); canonical JSON
 * has no control bytes of its own, and a text that does has no shape. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/table.h"
#include "vehicle/packet.h"

enum shape_slot {
    SHAPE_NUMBER = 1,   /* a decimal, see below */
    SHAPE_VEHICLE = 2,  /* the vehicle's bytes */
    SHAPE_IDENTITY = 3, /* 48 hex digits */
    SHAPE_TIME = 4,     /* RFC 3339 UTC with ms, of time_ms */
    SHAPE_RECEIVED = 5, /* RFC 3339 UTC with ns, of received_ns */
};

enum {
    SHAPE_NUMBERS_MAX = 64,
    SHAPE_LITERAL_MAX = 8192, /* bytes of a skeleton */
    SHAPE_TABLE_MAX = 2048,   /* shapes that a table holds */
    SHAPE_TABLE_BYTES_MAX = 4 << 20,
};

/* A decimal is one int64: mantissa * 32 + digits after the point. Its text has
 * no leading zeros, no trailing zeros after the point, no exponent and at most
 * 17 digits, so that value and text are the same thing. */
static inline int64_t decimal_pack(int64_t mantissa, unsigned scale)
{
    return (int64_t)((uint64_t)mantissa << 5 | scale);
}
static inline int64_t decimal_mantissa(int64_t decimal)
{
    return decimal >> 5;
}
static inline unsigned decimal_scale(int64_t decimal)
{
    return (unsigned)(decimal & 31);
}
/* The decimal that starts at p; returns the end of its text, NULL when the text
 * is no decimal. Reads up to `end`. */
const char *decimal_parse(const char *p, const char *end, int64_t *out);
/* Writes at most 24 bytes; returns the length. */
size_t decimal_print(char *out, int64_t decimal);

struct shape {
    uint64_t hash;
    uint32_t number; /* of it in its table, from 0 */
    uint32_t len;
    uint32_t number_count; /* SHAPE_NUMBER slots */
    char skeleton[];
};

/* The fields of a row that have slots of their own. */
struct shape_fields {
    struct bytes vehicle;
    struct packet_identity identity;
    int64_t time_ms;
    int64_t received_ns;
};

/* All shapes of a writer, a merge or a decoded page. One thread. */
struct shape_table {
    struct table table;
    struct shape *shapes[SHAPE_TABLE_MAX];
    uint32_t count;
    size_t bytes;
    struct shape *recent[4]; /* most recently matched first */
};

void shape_table_init(struct shape_table *table);
void shape_table_deinit(struct shape_table *table); /* frees the shapes */
bool shape_table_is_full(const struct shape_table *table);
/* The table's own copy of a skeleton; NULL when the table is full, the skeleton
 * malformed or memory short. */
struct shape *shape_intern(struct shape_table *table, struct bytes skeleton);

/* Take a text apart: the shape, and its numbers in `numbers` (room for
 * SHAPE_NUMBERS_MAX). NULL: no shape fits and the text is kept whole. */
struct shape *shape_split(struct shape_table *table, struct bytes text,
                          const struct shape_fields *fields, int64_t *numbers);
/* The text again. 0, or -1 when out is full. */
int shape_join(const struct shape *shape, const struct shape_fields *fields, const int64_t *numbers,
               struct buf *out);
