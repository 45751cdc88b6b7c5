/* SPDX-License-Identifier: Apache-2.0 */
/* Which vehicles are near: the world as cells of 1/32 degree (3.5 km), gathered
 * in blocks of one degree so that empty sea costs nothing. A cell holds the ids
 * that stand in it and the riders who watch a box over it; a box that covers
 * more than GRID_WATCH_CELLS cells is kept in one list of wide watchers.
 *
 * The grid knows ids and cells, not positions: a walk gives every id of the
 * cells that a box touches, and the caller asks area_contains(). One thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "live/area.h"

struct rider;

enum { GRID_NONE = UINT32_MAX, GRID_WATCH_CELLS = 4096 };

struct grid_watchers {
    struct rider **items;
    uint32_t count, cap;
};

struct grid_cell {
    uint32_t *ids;
    uint32_t id_count, id_cap;
    uint32_t block;    /* its place, … */
    uint16_t in_block; /* … to leave it */
    struct grid_watchers watchers;
};

struct grid {
    struct grid_block **blocks; /* one per square degree; NULL = nothing there */
    struct grid_cell *cells;
    uint32_t cell_count; /* in use or free, below cell_cap */
    uint32_t cell_cap;
    uint32_t free_cell; /* chain through id_count */
    struct grid_watchers wide;
};

/* -1 without memory. */
int grid_init(struct grid *grid);
void grid_deinit(struct grid *grid);

/* Is this position in that cell? */
bool grid_is_in(const struct grid *grid, uint32_t cell, double lat, double lon);
/* Put an id into the cell of a position: *cell and *slot say where it went. -1
 * without memory. */
int grid_add(struct grid *grid, uint32_t id, double lat, double lon, uint32_t *cell,
             uint32_t *slot);
/* Take the id at (cell, slot) out. Another id may move into its slot: that id, or
 * GRID_NONE. */
uint32_t grid_remove(struct grid *grid, uint32_t cell, uint32_t slot);

/* Let a rider hear of changes in an area; -1 without memory (nothing is kept). */
int grid_watch(struct grid *grid, const struct area *area, struct rider *rider);
/* The same area as given to grid_watch. */
void grid_unwatch(struct grid *grid, const struct area *area, struct rider *rider);

/* A walk over the ids near an area. It may be left and taken up again after the
 * grid has changed: an id that stood still is seen exactly once or more, never
 * missed; one that moved meanwhile may be missed (its change is told to the
 * watchers). */
struct grid_walk {
    uint32_t row, rows;       /* block rows: current, end */
    uint32_t column, columns; /* block columns from the west edge, wrapping: current, end */
    uint32_t cell;            /* in the block */
    uint32_t left;            /* ids of the current cell still to come; GRID_NONE = not entered */
    uint32_t x0, y0, x_count, y_count; /* the cells that the area touches */
};
void grid_walk_init(struct grid_walk *walk, const struct area *area);
/* GRID_NONE at the end. */
uint32_t grid_walk_next(const struct grid *grid, struct grid_walk *walk);
/* The walk's place as one number, and back to it in a walk of the same area;
 * false when it is no place of this walk. */
uint64_t grid_walk_save(const struct grid_walk *walk);
bool grid_walk_restore(struct grid_walk *walk, uint64_t place);
