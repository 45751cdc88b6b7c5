/* SPDX-License-Identifier: Apache-2.0 */
/* Looking up; built in raster_build.c. */
#include "vehicle/geofence/raster.h"

#include <stdlib.h>

void raster_deinit(struct raster *raster)
{
    free(raster->words);
    *raster = (struct raster){0};
}

/* The cell that is no node; RASTER_EMPTY outside the grid. NaN is outside. */
static inline uint32_t locate(const struct raster *raster, struct point p)
{
    uint32_t cell = raster->root;
    while ((cell & 3) == RASTER_NODE) {
        const struct raster_node *node = (const void *)(raster->words + (cell >> 2));
        double x = (p.x - node->origin.x) * node->x_scale;
        double y = (p.y - node->origin.y) * node->y_scale;
        /* At a cell's rim rounding may lead just past it. */
        double side = node->side;
        if (!(x > -1e-6 && y > -1e-6 && x < side + 1e-6 && y < side + 1e-6))
            return RASTER_EMPTY;
        uint32_t column = x < side ? (uint32_t)(int32_t)x : node->side - 1;
        uint32_t row = y < side ? (uint32_t)(int32_t)y : node->side - 1;
        cell = node->cells[row * node->side + column];
    }
    return cell;
}

static inline bool part_holds(const struct raster_part *part, struct point p)
{
    unsigned is_inside = part->is_inside;
    unsigned count = part->edge_count;
    for (unsigned i = 0; i < count; i++) {
        const struct edge *edge = &part->edges[i];
        int side = plane_side(edge->a, edge->b, p);
        if (__builtin_expect(side > 0, 1))
            continue;
        if (__builtin_expect(side == 0, 0)) {
            if (plane_is_between(edge->a, edge->b, p))
                return true;
            continue;
        }
        is_inside ^= (plane_side(part->reference, p, edge->a) >= 0) !=
                     (plane_side(part->reference, p, edge->b) >= 0);
    }
    return is_inside;
}

static inline const struct raster_part *first_part(const struct raster_block *block)
{
    return (const void *)(block->full + ((block->full_count + 1) & ~UINT32_C(1)));
}

static inline const struct raster_part *next_part(const struct raster_part *part)
{
    return (const void *)(part->edges + part->edge_count);
}

static int64_t find_in_block(const struct raster_block *block, struct point p)
{
    if (block->full_count > 0)
        return block->full[0];
    const struct raster_part *part = first_part(block);
    for (uint32_t i = 0; i < block->part_count; i++, part = next_part(part))
        if (part_holds(part, p))
            return part->fence;
    return RASTER_NONE;
}

int64_t raster_find(const struct raster *raster, struct point p)
{
    uint32_t cell = locate(raster, p);
    switch ((enum raster_tag)(cell & 3)) {
    case RASTER_FULL:
        return cell >> 2;
    case RASTER_BLOCK:
        return find_in_block((const void *)(raster->words + (cell >> 2)), p);
    case RASTER_EMPTY:
    case RASTER_NODE:
        break;
    }
    return RASTER_NONE;
}

static size_t list_block(const struct raster_block *block, struct point p, uint32_t *out,
                         size_t cap)
{
    size_t count = 0;
    for (; count < block->full_count; count++)
        if (count < cap)
            out[count] = block->full[count];
    int64_t last = RASTER_NONE;
    const struct raster_part *part = first_part(block);
    for (uint32_t i = 0; i < block->part_count; i++, part = next_part(part)) {
        if (part->fence == last || !part_holds(part, p))
            continue;
        last = part->fence;
        if (count < cap)
            out[count] = part->fence;
        count++;
    }
    return count;
}

size_t raster_list(const struct raster *raster, struct point p, uint32_t *out, size_t cap)
{
    uint32_t cell = locate(raster, p);
    switch ((enum raster_tag)(cell & 3)) {
    case RASTER_FULL:
        if (cap > 0)
            out[0] = cell >> 2;
        return 1;
    case RASTER_BLOCK:
        return list_block((const void *)(raster->words + (cell >> 2)), p, out, cap);
    case RASTER_EMPTY:
    case RASTER_NODE:
        break;
    }
    return 0;
}
