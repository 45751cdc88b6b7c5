/* SPDX-License-Identifier: Apache-2.0 */
/* A page: up to some hundred rows, sorted, in columns, with a checksum. Chunks
 * and merged blocks are both made of pages (see sqlite.c); a page of a block
 * holds one vehicle, or several neighbours when they have few rows each.
 *
 *   offset  bytes  field (little-endian)
 *        0      3  "mcp"
 *        3      1  version (1)
 *        4      4  CRC-32C of all that follows
 *        8      4  rows
 *       12      4  vehicles (groups of rows)
 *       16      4  shapes
 *       20      4  flags: bit 0 each order equals its time; bit 1 all rows have shape 1
 *       24      8  first time; 32  8  first received
 *       40      …  groups: rows (varint); vehicle: varint 2n and n bytes of text, or
 *                  2n + 1 and n bytes of a little-endian integer (decimal text)
 *        …      …  times: zigzag deltas. Orders, unless bit 0: zigzag deltas
 *        …      …  contents: 8 bytes each. Received: zigzag deltas
 *        …      …  shapes: length (varint) and skeleton
 *        …      …  a row's shape (varint, 0 = kept whole), unless bit 1
 *        …      …  of each shape, of each of its numbers: scale (1 byte), then
 *                  zigzag deltas of value * 10^scale; scale 255: of packed decimals
 *        …      …  rows kept whole: length (varint) and bytes */
#pragma once

#include "base/error.h"
#include "sink/key.h"
#include "sink/sqlite/pool.h"
#include "sink/sqlite/shape.h"

/* A row taken apart. */
struct row {
    struct row_key key;
    int64_t received_ns;
    struct bytes vehicle;
    const struct shape *shape; /* NULL: text holds the canonical bytes */
    const int64_t *numbers;    /* shape->number_count of them */
    struct bytes text;
};

enum {
    PAGE_ROWS_MAX = 1024,
    PAGE_WEIGHT_MAX = 128 << 10,
    PAGE_LEN_MAX = 64 << 20, /* what a reader accepts */
};

/* Bytes that the row takes in a page, about. */
static inline size_t row_weight(const struct row *row)
{
    return 32 + (row->shape != NULL ? 4 * row->shape->number_count : row->text.len);
}

struct shape_fields row_fields(const struct row *row);
/* The row's canonical bytes appended to out; -1 when out is full. */
int row_text(const struct row *row, struct buf *out);

/* Append rows[0..count) (sorted by key; shapes of one table) to out as a page.
 * -1 without memory. */
int page_encode(const struct row *const *rows, size_t count, struct buf *out);

/* The number of rows; 0 when the header is wrong. Cheap, no checksum. */
uint32_t page_row_count(struct bytes page);
/* All rows, in pool; their texts and vehicles may point into `page`. Shapes
 * are interned in `shapes`. -1: ERROR_CORRUPT or ERROR_MEMORY. */
int page_decode(struct bytes page, struct shape_table *shapes, struct pool *pool, struct row **rows,
                size_t *count, struct error *err);
/* The same, but only key and vehicle of each row are filled. */
int page_decode_keys(struct bytes page, struct pool *pool, struct row **rows, size_t *count,
                     struct error *err);
