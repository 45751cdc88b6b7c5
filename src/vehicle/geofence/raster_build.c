/* SPDX-License-Identifier: Apache-2.0 */
/* Building a grid. A cell is given as its parts (polygons whose edges run through it)
 * and the fences it lies in wholly; it becomes a word, a block, or, when many edges
 * run through it, a node whose cells are built the same way.
 *
 * Bounds: `budget` counts cells of polygons and edges of cells while splitting; a
 * split that would exceed it is made coarser or left out. Then looking up takes
 * longer and is right all the same. */
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "vehicle/geofence/raster_private.h"

enum {
    LEAF_EDGES = 8, /* a cell with more is split */
    DEPTH_MAX = 5,  /* nodes in each other */
    ROOT_SIDE_MAX = 1024,
    NODE_SIDE_MAX = 32,
    BUDGET_PER_EDGE = 16,
    BUDGET_BASE = 1 << 16,
};

static const double SIDE_FACTOR = 1.5;    /* a row's cells, by the root of the edges' number */
static const double CELL_MIN_DEG = 1e-7;  /* 1 cm: far above the rounding of a coordinate */
static const double WORLD_MIN_DEG = 1e-4; /* the whole grid is at least this wide and high */

const char raster_no_memory[] = "no memory for geofences";

bool raster_fail(struct builder *builder, const char *why)
{
    builder->failure = why;
    return false;
}

bool raster_reserve(struct builder *builder, void *items, size_t count, size_t more, size_t *cap,
                    size_t item_size)
{
    void **at = items;
    if (count + more <= *cap)
        return true;
    void *grown = outline_reserve(*at, count, more, cap, item_size);
    if (grown == NULL)
        return raster_fail(builder, raster_no_memory);
    *at = grown;
    return true;
}

static void pieces_deinit(struct pieces *pieces)
{
    free(pieces->parts);
    free(pieces->fulls);
    free(pieces->pool);
}

/* ---- how fine ---- */

static struct rect box_of(const struct builder *builder, const uint32_t *list, size_t count)
{
    struct rect box = {{INFINITY, INFINITY}, {-INFINITY, -INFINITY}};
    for (size_t i = 0; i < count; i++) {
        const struct edge *edge = &builder->edges[list[i]];
        box.low.x = fmin(box.low.x, fmin(edge->a.x, edge->b.x));
        box.low.y = fmin(box.low.y, fmin(edge->a.y, edge->b.y));
        box.high.x = fmax(box.high.x, fmax(edge->a.x, edge->b.x));
        box.high.y = fmax(box.high.y, fmax(edge->a.y, edge->b.y));
    }
    return box;
}

/* The root knows whole polygons: cells beyond a polygon's box are nothing to it. */
static struct range range_of(const struct builder *builder, const struct frame *frame,
                             const struct part *part, const uint32_t *pool, bool is_root)
{
    if (!is_root)
        return (struct range){0, 0, frame->side, frame->side};
    struct rect box = box_of(builder, pool + part->first, part->count);
    struct point low = raster_in_cells(frame, box.low), high = raster_in_cells(frame, box.high);
    double last = frame->side - 1;
    uint32_t column = (uint32_t)raster_clamp(low.x - RASTER_RIM, 0, last);
    uint32_t row = (uint32_t)raster_clamp(low.y - RASTER_RIM, 0, last);
    return (struct range){column, row,
                          (uint32_t)raster_clamp(high.x + RASTER_RIM, 0, last) - column + 1,
                          (uint32_t)raster_clamp(high.y + RASTER_RIM, 0, last) - row + 1};
}

/* Cells of polygons and edges of cells that a split makes, about. */
static double cost_of(const struct builder *builder, const struct rect *rect,
                      const struct pieces *in, uint32_t side, bool is_root)
{
    double width = rect->high.x - rect->low.x, height = rect->high.y - rect->low.y;
    double cost = (double)in->full_count * side * side;
    for (size_t i = 0; i < in->part_count; i++) {
        const struct part *part = &in->parts[i];
        double steps = 0;
        for (size_t e = part->first; e < part->first + part->count; e++) {
            const struct edge *edge = &builder->edges[in->pool[e]];
            steps += fabs(raster_clamp(edge->a.x, rect->low.x, rect->high.x) -
                          raster_clamp(edge->b.x, rect->low.x, rect->high.x)) /
                     width;
            steps += fabs(raster_clamp(edge->a.y, rect->low.y, rect->high.y) -
                          raster_clamp(edge->b.y, rect->low.y, rect->high.y)) /
                     height;
        }
        cost += steps * side + 2 * (double)part->count;
        struct rect box = *rect;
        if (is_root)
            box = box_of(builder, in->pool + part->first, part->count);
        cost += ((box.high.x - box.low.x) / width * side + 1) *
                ((box.high.y - box.low.y) / height * side + 1);
    }
    return cost;
}

static size_t count_edges(const struct pieces *in)
{
    size_t edges = 0;
    for (size_t i = 0; i < in->part_count; i++)
        edges += in->parts[i].count;
    return edges;
}

/* Cells a row; 1: not to be split. Takes the split's cost from the budget. */
static uint32_t choose_side(struct builder *builder, const struct rect *rect,
                            const struct pieces *in, unsigned depth)
{
    size_t edges = count_edges(in);
    double least = fmin(rect->high.x - rect->low.x, rect->high.y - rect->low.y) / CELL_MIN_DEG;
    if (edges <= LEAF_EDGES || depth == DEPTH_MAX || least < 2)
        return 1;
    bool is_root = depth == 0;
    double most = fmin(is_root ? ROOT_SIDE_MAX : NODE_SIDE_MAX, least);
    uint32_t side = (uint32_t)raster_clamp(sqrt((double)edges) * SIDE_FACTOR, 2, most);
    for (; side >= 2; side = side * 7 / 10) {
        double cost = cost_of(builder, rect, in, side, is_root);
        if (cost > (double)builder->budget)
            continue;
        builder->budget -= (size_t)cost;
        return side;
    }
    return 1;
}

/* ---- words ---- */

static bool add_words(struct builder *builder, size_t bytes, size_t *offset)
{
    struct raster *raster = builder->raster;
    size_t words = (bytes + 7) / 8;
    if (raster->word_count + words >= UINT32_MAX >> 2)
        return raster_fail(builder, "the fences are too large");
    if (!raster_reserve(builder, &raster->words, raster->word_count, words, &builder->word_cap,
                        sizeof *raster->words))
        return false;
    *offset = raster->word_count;
    memset(raster->words + *offset, 0, words * 8);
    raster->word_count += words;
    return true;
}

static bool has_full(const struct full *fulls, size_t count, uint32_t fence)
{
    for (size_t i = 0; i < count; i++)
        if (fulls[i].fence == fence)
            return true;
    return false;
}

static void write_part(struct builder *builder, struct raster_part *out, const struct part *part,
                       const uint32_t *pool)
{
    out->fence = part->fence;
    out->edge_count = (uint32_t)part->count & 0x7fffffff;
    out->is_inside = part->is_inside;
    out->reference = part->reference;
    for (size_t i = 0; i < part->count; i++) {
        struct edge edge = builder->edges[pool[part->first + i]];
        if (plane_side(edge.a, edge.b, part->reference) < 0)
            edge = (struct edge){edge.b, edge.a};
        out->edges[i] = edge;
    }
    builder->raster->edge_count += part->count;
}

/* The fences in `fulls` are ascending and each there once. */
static bool write_block(struct builder *builder, const struct pieces *in, uint32_t *cell)
{
    size_t full_room = (in->full_count + 1) & ~(size_t)1;
    size_t bytes = sizeof(struct raster_block) + full_room * sizeof(uint32_t);
    uint32_t parts = 0;
    for (size_t i = 0; i < in->part_count; i++) {
        if (has_full(in->fulls, in->full_count, in->parts[i].fence))
            continue;
        bytes += sizeof(struct raster_part) + in->parts[i].count * sizeof(struct edge);
        parts++;
    }
    size_t offset;
    if (!add_words(builder, bytes, &offset))
        return false;
    struct raster_block *block = (void *)(builder->raster->words + offset);
    block->full_count = (uint32_t)in->full_count;
    block->part_count = parts;
    for (size_t i = 0; i < in->full_count; i++)
        block->full[i] = in->fulls[i].fence;
    struct raster_part *part = (void *)(block->full + full_room);
    for (size_t i = 0; i < in->part_count; i++) {
        if (has_full(in->fulls, in->full_count, in->parts[i].fence))
            continue;
        write_part(builder, part, &in->parts[i], in->pool);
        part = (void *)(part->edges + part->edge_count);
    }
    builder->raster->block_count++;
    *cell = raster_cell(RASTER_BLOCK, offset);
    return true;
}

/* ---- cells ---- */

static bool build_cell(struct builder *builder, const struct rect *rect, const struct pieces *in,
                       unsigned depth, uint32_t *cell);

static int by_cell_part(const void *a, const void *b)
{
    const struct part *x = a, *y = b;
    if (x->cell != y->cell)
        return x->cell < y->cell ? -1 : 1;
    return (x->fence > y->fence) - (x->fence < y->fence);
}

static int by_cell_full(const void *a, const void *b)
{
    const struct full *x = a, *y = b;
    if (x->cell != y->cell)
        return x->cell < y->cell ? -1 : 1;
    return (x->fence > y->fence) - (x->fence < y->fence);
}

/* Two polygons of one fence may both hold a cell. */
static void drop_twins(struct pieces *pieces)
{
    size_t kept = 0;
    for (size_t i = 0; i < pieces->full_count; i++)
        if (kept == 0 || by_cell_full(&pieces->fulls[kept - 1], &pieces->fulls[i]) != 0)
            pieces->fulls[kept++] = pieces->fulls[i];
    pieces->full_count = kept;
}

static struct rect rect_of_cell(const struct frame *frame, uint32_t cell)
{
    uint32_t south = cell / frame->side;
    double column = cell % frame->side, row = south;
    return (struct rect){
        {frame->origin.x + column / frame->x_scale, frame->origin.y + row / frame->y_scale},
        {frame->origin.x + (column + 1) / frame->x_scale,
         frame->origin.y + (row + 1) / frame->y_scale}};
}

/* The pieces, sorted by cell, into the node's cells. */
static bool build_cells(struct builder *builder, const struct frame *frame,
                        const struct pieces *pieces, size_t offset, unsigned depth)
{
    size_t part = 0, full = 0;
    while (part < pieces->part_count || full < pieces->full_count) {
        uint32_t cell = UINT32_MAX;
        if (part < pieces->part_count)
            cell = pieces->parts[part].cell;
        if (full < pieces->full_count && pieces->fulls[full].cell < cell)
            cell = pieces->fulls[full].cell;
        struct pieces in = {
            .parts = pieces->parts + part, .fulls = pieces->fulls + full, .pool = pieces->pool};
        for (; part < pieces->part_count && pieces->parts[part].cell == cell; part++)
            in.part_count++;
        for (; full < pieces->full_count && pieces->fulls[full].cell == cell; full++)
            in.full_count++;
        struct rect rect = rect_of_cell(frame, cell);
        uint32_t word;
        if (!build_cell(builder, &rect, &in, depth + 1, &word))
            return false;
        struct raster_node *node = (void *)(builder->raster->words + offset);
        node->cells[cell] = word;
    }
    return true;
}

static bool split_all(struct builder *builder, const struct frame *frame, const struct pieces *in,
                      bool is_root, struct pieces *out)
{
    for (size_t i = 0; i < in->part_count; i++) {
        const struct part *part = &in->parts[i];
        if (has_full(in->fulls, in->full_count, part->fence))
            continue;
        struct range range = range_of(builder, frame, part, in->pool, is_root);
        if (!raster_split_part(builder, frame, &range, part, in->pool, out))
            return false;
    }
    size_t cells = (size_t)frame->side * frame->side;
    size_t more = in->full_count * cells;
    if (!raster_reserve(builder, &out->fulls, out->full_count, more, &out->full_cap,
                        sizeof *out->fulls))
        return false;
    for (size_t i = 0; i < in->full_count; i++)
        for (uint32_t cell = 0; cell < cells; cell++)
            out->fulls[out->full_count++] = (struct full){cell, in->fulls[i].fence};
    if (out->part_count > 0)
        qsort(out->parts, out->part_count, sizeof *out->parts, by_cell_part);
    if (out->full_count > 0)
        qsort(out->fulls, out->full_count, sizeof *out->fulls, by_cell_full);
    drop_twins(out);
    return true;
}

static bool build_node(struct builder *builder, const struct rect *rect, const struct pieces *in,
                       uint32_t side, unsigned depth, uint32_t *cell)
{
    size_t offset;
    if (!add_words(builder, sizeof(struct raster_node) + (size_t)side * side * sizeof(uint32_t),
                   &offset))
        return false;
    struct frame frame = {.origin = rect->low,
                          .x_scale = side / (rect->high.x - rect->low.x),
                          .y_scale = side / (rect->high.y - rect->low.y),
                          .side = side};
    struct raster_node *node = (void *)(builder->raster->words + offset);
    node->origin = frame.origin;
    node->x_scale = frame.x_scale;
    node->y_scale = frame.y_scale;
    node->side = side;
    struct pieces pieces = {0};
    bool is_good = split_all(builder, &frame, in, depth == 0, &pieces) &&
                   build_cells(builder, &frame, &pieces, offset, depth);
    pieces_deinit(&pieces);
    *cell = raster_cell(RASTER_NODE, offset);
    return is_good;
}

static bool build_cell(struct builder *builder, const struct rect *rect, const struct pieces *in,
                       unsigned depth, uint32_t *cell)
{
    *cell = raster_cell(RASTER_EMPTY, 0);
    if (in->part_count == 0 && in->full_count == 0)
        return true;
    if (in->part_count == 0 && in->full_count == 1) {
        *cell = raster_cell(RASTER_FULL, in->fulls[0].fence);
        return true;
    }
    uint32_t side = choose_side(builder, rect, in, depth);
    if (side > 1)
        return build_node(builder, rect, in, side, depth, cell);
    return write_block(builder, in, cell);
}

/* ---- the whole ---- */

static struct point flushed(struct point p)
{
    return (struct point){plane_flush(p.x), plane_flush(p.y)};
}

/* Without those of no length: a corner written twice. */
static size_t edges_of_polygon(const struct outline *outline, const struct outline_polygon *polygon,
                               struct edge *out)
{
    size_t count = 0;
    for (size_t r = polygon->first; r < polygon->first + polygon->count; r++) {
        const struct outline_ring *ring = &outline->rings[r];
        const struct point *points = outline->points + ring->first;
        for (size_t i = 0; i < ring->count; i++) {
            struct point a = flushed(points[i]),
                         b = flushed(points[i + 1 < ring->count ? i + 1 : 0]);
            if (a.x != b.x || a.y != b.y)
                out[count++] = (struct edge){a, b};
        }
    }
    return count;
}

/* All polygons as parts of the one cell that the world is. */
static void list_parts(const struct outline *outline, struct edge *edges, struct pieces *out)
{
    size_t edge = 0;
    for (size_t i = 0; i < outline->polygon_count; i++) {
        const struct outline_polygon *polygon = &outline->polygons[i];
        size_t count = edges_of_polygon(outline, polygon, edges + edge);
        out->parts[i] = (struct part){.fence = polygon->fence, .first = edge, .count = count};
        for (size_t e = 0; e < count; e++)
            out->pool[edge + e] = (uint32_t)(edge + e);
        edge += count;
    }
    out->part_count = outline->polygon_count;
    out->pool_count = edge;
}

static struct rect rect_of_world(const struct rect *box)
{
    struct point middle = {(box->low.x + box->high.x) / 2, (box->low.y + box->high.y) / 2};
    double half_width = fmax((box->high.x - box->low.x) * 0.5001, WORLD_MIN_DEG / 2);
    double half_height = fmax((box->high.y - box->low.y) * 0.5001, WORLD_MIN_DEG / 2);
    return (struct rect){{middle.x - half_width, middle.y - half_height},
                         {middle.x + half_width, middle.y + half_height}};
}

static bool build_world(struct builder *builder, struct pieces *all)
{
    struct rect box = box_of(builder, all->pool, all->pool_count);
    struct rect rect = rect_of_world(&box);
    /* Beyond every edge, so outside of every polygon. */
    for (size_t i = 0; i < all->part_count; i++)
        all->parts[i].reference = (struct point){rect.low.x - 1, rect.low.y - 1};
    return build_cell(builder, &rect, all, 0, &builder->raster->root);
}

int raster_build(struct raster *out, const struct outline *outline, struct error *err)
{
    *out = (struct raster){.root = raster_cell(RASTER_EMPTY, 0)};
    size_t points = outline->point_count;
    must(points <= OUTLINE_POINTS_MAX);
    if (outline->polygon_count == 0)
        return 0;
    struct edge *edges = calloc(points + 1, sizeof *edges);
    struct builder builder = {.raster = out,
                              .edges = edges,
                              .stamps = calloc(points + 1, sizeof(uint32_t)),
                              .budget = BUDGET_BASE + BUDGET_PER_EDGE * points};
    struct pieces all = {.parts = calloc(outline->polygon_count, sizeof *all.parts),
                         .pool = calloc(points + 1, sizeof *all.pool)};
    if (edges == NULL || builder.stamps == NULL || all.parts == NULL || all.pool == NULL) {
        raster_fail(&builder, raster_no_memory);
    } else {
        list_parts(outline, edges, &all);
        build_world(&builder, &all);
    }
    pieces_deinit(&all);
    free(edges);
    free(builder.stamps);
    free(builder.touches);
    free(builder.starts);
    if (builder.failure == NULL)
        return 0;
    raster_deinit(out);
    return error_set(err, builder.failure == raster_no_memory ? ERROR_MEMORY : ERROR_CONFIG, "%s",
                     builder.failure);
}
