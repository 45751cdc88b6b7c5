/* SPDX-License-Identifier: Apache-2.0 */
/* Splitting, polygon by polygon: every edge is put into the cells it touches, with a
 * rim of RASTER_RIM around each. Then the cells are walked row by row from the one corner,
 * each gets a reference, and whether that lies inside follows from its neighbour's:
 * the straight way between the two stays in both cells, so only their edges matter.
 * The first step starts at the parent's reference, with all the parent's edges. */
#include <stdlib.h>
#include <string.h>

#include "vehicle/geofence/raster_private.h"

enum { REFERENCE_TRIES = 64 };

/* ---- edges into cells ---- */

static bool add_touch(struct builder *builder, uint32_t cell, uint32_t edge)
{
    if (!raster_reserve(builder, &builder->touches, builder->touch_count, 1, &builder->touch_cap,
                        sizeof *builder->touches))
        return false;
    builder->touches[builder->touch_count++] = (struct touch){cell, edge};
    return true;
}

double raster_clamp(double value, double low, double high)
{
    return value < low ? low : value > high ? high : value;
}

/* x where the edge (in cells) is at height y; at most at its ends. */
static double x_at(const struct edge *edge, double y)
{
    double t = raster_clamp((y - edge->a.y) / (edge->b.y - edge->a.y), 0, 1);
    return edge->a.x + t * (edge->b.x - edge->a.x);
}

/* The cells of one row that the edge (in cells) touches. */
static bool touch_row(struct builder *builder, const struct range *range, const struct edge *edge,
                      uint32_t row, uint32_t index)
{
    double low = edge->a.x, high = edge->b.x;
    if (edge->a.y != edge->b.y) {
        low = x_at(edge, row - RASTER_RIM);
        high = x_at(edge, row + 1 + RASTER_RIM);
    }
    double first = range->column, last = range->column + range->width - 1;
    double from = floor(fmin(low, high) - RASTER_RIM), to = floor(fmax(low, high) + RASTER_RIM);
    if (to < first || from > last)
        return true;
    uint32_t end = (uint32_t)fmin(to, last);
    for (uint32_t column = (uint32_t)fmax(from, first); column <= end; column++) {
        uint32_t cell = (row - range->row) * range->width + column - range->column;
        if (!add_touch(builder, cell, index))
            return false;
    }
    return true;
}

struct point raster_in_cells(const struct frame *frame, struct point p)
{
    return (struct point){(p.x - frame->origin.x) * frame->x_scale,
                          (p.y - frame->origin.y) * frame->y_scale};
}

static bool touch_edge(struct builder *builder, const struct frame *frame,
                       const struct range *range, uint32_t index)
{
    struct edge edge = {raster_in_cells(frame, builder->edges[index].a),
                        raster_in_cells(frame, builder->edges[index].b)};
    double first = range->row, last = range->row + range->height - 1;
    double from = floor(fmin(edge.a.y, edge.b.y) - RASTER_RIM),
           to = floor(fmax(edge.a.y, edge.b.y) + RASTER_RIM);
    if (to < first || from > last)
        return true;
    uint32_t end = (uint32_t)fmin(to, last);
    for (uint32_t row = (uint32_t)fmax(from, first); row <= end; row++)
        if (!touch_row(builder, range, &edge, row, index))
            return false;
    return true;
}

/* Sorts the touches by cell: into the pool, from `base`; starts[] tell where. */
static bool sort_touches(struct builder *builder, size_t cells, struct pieces *out, size_t base)
{
    if (!raster_reserve(builder, &builder->starts, 0, cells + 2, &builder->start_cap,
                        sizeof *builder->starts) ||
        !raster_reserve(builder, &out->pool, base, builder->touch_count, &out->pool_cap,
                        sizeof *out->pool))
        return false;
    /* Counted two further, so that after filling each start stands at its own place. */
    uint32_t *starts = builder->starts;
    memset(starts, 0, (cells + 2) * sizeof *starts);
    for (size_t i = 0; i < builder->touch_count; i++)
        starts[builder->touches[i].cell + 2]++;
    for (size_t i = 2; i < cells + 2; i++)
        starts[i] += starts[i - 1];
    for (size_t i = 0; i < builder->touch_count; i++)
        out->pool[base + starts[builder->touches[i].cell + 1]++] = builder->touches[i].edge;
    out->pool_count = base + builder->touch_count;
    return true;
}

/* ---- references ---- */

/* Does the way between two references cross an odd number of edges? `list` holds
 * those of one cell; an edge that was seen in this step is not counted again. */
static bool is_odd(struct builder *builder, const uint32_t *list, size_t count, struct point from,
                   struct point to)
{
    bool odd = false;
    for (size_t i = 0; i < count; i++) {
        if (builder->stamps[list[i]] == builder->step)
            continue;
        builder->stamps[list[i]] = builder->step;
        odd ^= plane_crosses(from, to, &builder->edges[list[i]]);
    }
    return odd;
}

static double fraction(double value)
{
    return value - floor(value);
}

/* A point of the cell that lies on the line of no edge: the middle, or what is
 * found by stepping about (the golden ratio and its square spread evenly). */
static bool choose_reference(struct builder *builder, const struct frame *frame, uint32_t column,
                             uint32_t row, const uint32_t *list, size_t count, struct point *out)
{
    for (int try = 0; try < REFERENCE_TRIES; try++) {
        double x = 0.1 + 0.8 * fraction(0.5 + try * 0.7548776662466927);
        double y = 0.1 + 0.8 * fraction(0.5 + try * 0.5698402909980532);
        *out = (struct point){frame->origin.x + (column + x) / frame->x_scale,
                              frame->origin.y + (row + y) / frame->y_scale};
        size_t i = 0;
        while (i < count &&
               plane_side(builder->edges[list[i]].a, builder->edges[list[i]].b, *out) != 0)
            i++;
        if (i == count)
            return true;
    }
    return raster_fail(builder,
                       "edges of fences lie so that no point beside them can be found; simplify "
                       "the fences");
}

/* A point whose side is known, and the edges of its cell. */
struct known {
    struct point at;
    bool is_inside;
    const uint32_t *list;
    size_t count;
};

/* From one cell's reference to the next one's. */
static bool step_to(struct builder *builder, const struct frame *frame, uint32_t column,
                    uint32_t row, const struct known *from, struct known *to)
{
    if (!choose_reference(builder, frame, column, row, to->list, to->count, &to->at))
        return false;
    builder->step++;
    to->is_inside = from->is_inside ^ is_odd(builder, from->list, from->count, from->at, to->at) ^
                    is_odd(builder, to->list, to->count, from->at, to->at);
    return true;
}

/* What the cell is to the polygon: nothing, a part, or wholly inside. */
static bool add_piece(struct builder *builder, struct pieces *out, const struct known *cell,
                      uint32_t index, uint32_t fence)
{
    if (cell->count == 0 && !cell->is_inside)
        return true;
    if (cell->count == 0) {
        if (!raster_reserve(builder, &out->fulls, out->full_count, 1, &out->full_cap,
                            sizeof *out->fulls))
            return false;
        out->fulls[out->full_count++] = (struct full){index, fence};
        return true;
    }
    if (!raster_reserve(builder, &out->parts, out->part_count, 1, &out->part_cap,
                        sizeof *out->parts))
        return false;
    out->parts[out->part_count++] = (struct part){.cell = index,
                                                  .fence = fence,
                                                  .reference = cell->at,
                                                  .is_inside = cell->is_inside,
                                                  .first = (size_t)(cell->list - out->pool),
                                                  .count = cell->count};
    return true;
}

static bool walk(struct builder *builder, const struct frame *frame, const struct range *range,
                 const struct known *parent, uint32_t fence, size_t base, struct pieces *out)
{
    struct known row_start = *parent;
    for (uint32_t row = 0; row < range->height; row++) {
        struct known last = row_start;
        for (uint32_t column = 0; column < range->width; column++) {
            const uint32_t *start = builder->starts + (size_t)row * range->width + column;
            struct known cell = {.list = out->pool + base + start[0], .count = start[1] - start[0]};
            if (!step_to(builder, frame, range->column + column, range->row + row, &last, &cell))
                return false;
            last = cell;
            if (column == 0)
                row_start = cell;
            uint32_t index = (range->row + row) * frame->side + range->column + column;
            if (!add_piece(builder, out, &cell, index, fence))
                return false;
        }
    }
    return true;
}

bool raster_split_part(struct builder *builder, const struct frame *frame,
                       const struct range *range, const struct part *part, const uint32_t *pool,
                       struct pieces *out)
{
    builder->touch_count = 0;
    for (size_t i = 0; i < part->count; i++)
        if (!touch_edge(builder, frame, range, pool[part->first + i]))
            return false;
    size_t base = out->pool_count;
    if (!sort_touches(builder, (size_t)range->width * range->height, out, base))
        return false;
    struct known parent = {.at = part->reference,
                           .is_inside = part->is_inside,
                           .list = pool + part->first,
                           .count = part->count};
    return walk(builder, frame, range, &parent, part->fence, base, out);
}
