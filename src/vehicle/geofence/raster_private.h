/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by raster_build.c and raster_split.c. */
#pragma once

#include "vehicle/geofence/raster.h"

#define RASTER_RIM (1.0 / 256) /* of a cell: edges that come so near count as its own */

struct rect {
    struct point low, high;
};

/* A polygon in a cell. */
struct part {
    uint32_t cell, fence;
    struct point reference;
    bool is_inside;
    size_t first, count; /* its edges, in the pool it came with */
};

struct full {
    uint32_t cell, fence;
};

/* The parts of some cells, and the fences those lie in. */
struct pieces {
    struct part *parts;
    struct full *fulls;
    uint32_t *pool; /* indices of edges */
    size_t part_count, part_cap;
    size_t full_count, full_cap;
    size_t pool_count, pool_cap;
};

struct touch {
    uint32_t cell, edge;
};

struct builder {
    struct raster *raster;
    size_t word_cap;
    const struct edge *edges;
    uint32_t *stamps; /* per edge: the step that looked at it last */
    uint32_t step;
    size_t budget;
    struct touch *touches; /* scratch of one polygon */
    size_t touch_count, touch_cap;
    uint32_t *starts; /* scratch: per cell of a polygon's range, where its edges begin */
    size_t start_cap;
    const char *failure; /* what went wrong; else NULL */
};

/* The cells of a node that one polygon may touch. */
struct range {
    uint32_t column, row, width, height;
};

/* Where a node's cells lie. */
struct frame {
    struct point origin;
    double x_scale, y_scale; /* as in struct raster_node: looking up computes the same */
    uint32_t side;
};

/* Sets the failure; returns false. */
bool raster_fail(struct builder *builder, const char *why);
extern const char raster_no_memory[];

/* *items (a pointer to the array's pointer) gets room for `more` past `count`. */
bool raster_reserve(struct builder *builder, void *items, size_t count, size_t more, size_t *cap,
                    size_t item_size);

struct point raster_in_cells(const struct frame *frame, struct point p);
double raster_clamp(double value, double low, double high);

/* One polygon of a cell, whose edges are in `pool`, into the cells of `range`. */
bool raster_split_part(struct builder *builder, const struct frame *frame,
                       const struct range *range, const struct part *part, const uint32_t *pool,
                       struct pieces *out);
