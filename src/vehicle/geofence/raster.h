/* SPDX-License-Identifier: Apache-2.0 */
/* Which fences hold a point: a grid of cells over the plane. A cell is empty, lies
 * wholly in one fence, has a block (the fences it lies in, and those whose edges run
 * through it), or is a grid of its own where many edges run.
 *
 * The rule: a polygon holds its inside and every point of its edges, holes' edges
 * too; a fence holds what any of its polygons holds. Decided exactly for the doubles
 * as given: see plane.h.
 *
 * Per polygon a block keeps the edges that touch the cell and a point of the cell,
 * the reference, of which it is known whether it lies inside. A point lies inside
 * when the straight way from the reference to it crosses an even number of edges
 * (odd: outside). Only edges of the cell can be crossed, since the way stays in it.
 * Each edge is turned so that the reference lies left of it: a point that lies left
 * too settles that edge with one test.
 *
 * Rounding when a point's cell is computed is harmless: cells keep the edges of a
 * rim of 1/256 of their size around them as well.
 *
 * Immutable once built; any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vehicle/geofence/outline.h"

/* A cell: a tag in the low bits, above it a fence or an offset in words. */
enum raster_tag { RASTER_EMPTY, RASTER_FULL, RASTER_BLOCK, RASTER_NODE };

/* Where fences are in a block: `full_count` ids (ascending, padded to a whole word),
 * then `part_count` parts in the order of their fences. */
struct raster_block {
    uint32_t full_count, part_count;
    uint32_t full[];
};

struct raster_part {
    uint32_t fence;
    uint32_t edge_count : 31;
    uint32_t is_inside : 1; /* the reference */
    struct point reference;
    struct edge edges[];
};

struct raster_node {
    struct point origin;
    double x_scale, y_scale; /* cells a degree */
    uint32_t side;           /* cells in a row and in a column */
    uint32_t unused;
    uint32_t cells[]; /* row by row, from the south-west */
};

struct raster {
    uint64_t *words; /* nodes and blocks */
    size_t word_count;
    uint32_t root;      /* a cell */
    size_t block_count; /* for those who look at it */
    size_t edge_count;  /* kept in blocks: an edge counts in every cell it touches */
};

/* A point on an edge is inside; `p` within the world. */
int raster_build(struct raster *out, const struct outline *outline, struct error *err);
void raster_deinit(struct raster *raster); /* twice is safe */

enum { RASTER_NONE = -1 };

/* Some fence that holds the point, or RASTER_NONE. The same fence every time. */
int64_t raster_find(const struct raster *raster, struct point p);
/* All that do, each once: the first `cap` into out; returns how many they are. */
size_t raster_list(const struct raster *raster, struct point p, uint32_t *out, size_t cap);

static inline uint32_t raster_cell(enum raster_tag tag, size_t value)
{
    return (uint32_t)value << 2 | (uint32_t)tag;
}
