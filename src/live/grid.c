/* SPDX-License-Identifier: Apache-2.0 */
/* Cell numbers: x = floor((lon + 180) * 32), y = floor((lat + 90) * 32). Adding,
 * and multiplying by a power of two, are monotone in floating point, so the cells
 * between those of a box's corners hold every position of the box.
 *
 * The ids of a cell lie in an array; removal moves the last one into the hole.
 * A walk goes through a cell from its end to its front: what removal moves has
 * then been seen already, or is still to come. */
#include "live/grid.h"

#include <stdlib.h>
#include <string.h>

#include "base/must.h"

enum {
    PER_DEGREE = 32,
    BLOCK_CELLS = PER_DEGREE * PER_DEGREE,
    COLUMNS = 360, /* blocks */
    ROWS = 180,
    X_COUNT = COLUMNS * PER_DEGREE,
    Y_COUNT = ROWS * PER_DEGREE,
};

struct grid_block {
    uint32_t used; /* cells */
    uint32_t cells[BLOCK_CELLS];
};

static uint32_t x_of(double lon)
{
    uint32_t x = (uint32_t)((lon + 180) * PER_DEGREE);
    return x < X_COUNT ? x : X_COUNT - 1; /* lon = 180 */
}

static uint32_t y_of(double lat)
{
    uint32_t y = (uint32_t)((lat + 90) * PER_DEGREE);
    return y < Y_COUNT ? y : Y_COUNT - 1; /* the north pole */
}

static uint32_t block_of(uint32_t x, uint32_t y)
{
    return y / PER_DEGREE * COLUMNS + x / PER_DEGREE;
}

static uint32_t in_block(uint32_t x, uint32_t y)
{
    return y % PER_DEGREE * PER_DEGREE + x % PER_DEGREE;
}

int grid_init(struct grid *grid)
{
    *grid = (struct grid){.free_cell = GRID_NONE};
    grid->blocks = calloc((size_t)COLUMNS * ROWS, sizeof(struct grid_block *));
    return grid->blocks == NULL ? -1 : 0;
}

void grid_deinit(struct grid *grid)
{
    for (size_t i = 0; grid->blocks != NULL && i < (size_t)COLUMNS * ROWS; i++)
        free(grid->blocks[i]);
    for (uint32_t i = 0; i < grid->cell_count; i++) {
        free(grid->cells[i].ids);
        free(grid->cells[i].watchers.items);
    }
    free(grid->blocks);
    free(grid->cells);
    free(grid->wide.items);
    *grid = (struct grid){.free_cell = GRID_NONE};
}

/* ---- cells ---- */

static uint32_t find_cell(const struct grid *grid, uint32_t x, uint32_t y)
{
    const struct grid_block *block = grid->blocks[block_of(x, y)];
    return block == NULL ? GRID_NONE : block->cells[in_block(x, y)];
}

static struct grid_block *need_block(struct grid *grid, uint32_t number)
{
    struct grid_block *block = grid->blocks[number];
    if (block == NULL && (block = malloc(sizeof *block)) != NULL) {
        block->used = 0;
        memset(block->cells, 0xff, sizeof block->cells); /* GRID_NONE */
        grid->blocks[number] = block;
    }
    return block;
}

static uint32_t take_cell(struct grid *grid)
{
    uint32_t cell = grid->free_cell;
    if (cell != GRID_NONE) {
        grid->free_cell = grid->cells[cell].id_count;
        return cell;
    }
    if (grid->cell_count == grid->cell_cap) {
        uint32_t cap = grid->cell_cap == 0 ? 64 : grid->cell_cap * 2;
        struct grid_cell *cells = realloc(grid->cells, cap * sizeof *cells);
        if (cells == NULL)
            return GRID_NONE;
        grid->cells = cells;
        grid->cell_cap = cap;
    }
    return grid->cell_count++;
}

static void drop_block_if_empty(struct grid *grid, uint32_t number)
{
    if (grid->blocks[number]->used == 0) {
        free(grid->blocks[number]);
        grid->blocks[number] = NULL;
    }
}

static uint32_t need_cell(struct grid *grid, uint32_t x, uint32_t y)
{
    uint32_t number = block_of(x, y);
    struct grid_block *block = need_block(grid, number);
    if (block == NULL)
        return GRID_NONE;
    uint32_t *place = &block->cells[in_block(x, y)];
    if (*place != GRID_NONE)
        return *place;
    uint32_t cell = take_cell(grid);
    if (cell == GRID_NONE) {
        drop_block_if_empty(grid, number);
        return GRID_NONE;
    }
    grid->cells[cell] = (struct grid_cell){.block = number, .in_block = (uint16_t)in_block(x, y)};
    block->used++;
    *place = cell;
    return cell;
}

static void drop_cell_if_empty(struct grid *grid, uint32_t number)
{
    struct grid_cell *cell = &grid->cells[number];
    if (cell->id_count != 0 || cell->watchers.count != 0)
        return;
    free(cell->ids);
    free(cell->watchers.items);
    struct grid_block *block = grid->blocks[cell->block];
    block->cells[cell->in_block] = GRID_NONE;
    block->used--;
    drop_block_if_empty(grid, cell->block);
    *cell = (struct grid_cell){.id_count = grid->free_cell};
    grid->free_cell = number;
}

/* ---- ids ---- */

bool grid_is_in(const struct grid *grid, uint32_t cell, double lat, double lon)
{
    uint32_t x = x_of(lon), y = y_of(lat);
    return grid->cells[cell].block == block_of(x, y) &&
           grid->cells[cell].in_block == in_block(x, y);
}

static int push_id(struct grid_cell *cell, uint32_t id)
{
    if (cell->id_count == cell->id_cap) {
        uint32_t cap = cell->id_cap == 0 ? 4 : cell->id_cap * 2;
        uint32_t *ids = realloc(cell->ids, cap * sizeof *ids);
        if (ids == NULL)
            return -1;
        cell->ids = ids;
        cell->id_cap = cap;
    }
    cell->ids[cell->id_count++] = id;
    return 0;
}

int grid_add(struct grid *grid, uint32_t id, double lat, double lon, uint32_t *cell, uint32_t *slot)
{
    uint32_t number = need_cell(grid, x_of(lon), y_of(lat));
    if (number == GRID_NONE)
        return -1;
    if (push_id(&grid->cells[number], id) != 0) {
        drop_cell_if_empty(grid, number);
        return -1;
    }
    *cell = number;
    *slot = grid->cells[number].id_count - 1;
    return 0;
}

uint32_t grid_remove(struct grid *grid, uint32_t number, uint32_t slot)
{
    struct grid_cell *cell = &grid->cells[number];
    must(slot < cell->id_count);
    uint32_t moved = cell->ids[--cell->id_count];
    if (slot == cell->id_count)
        moved = GRID_NONE;
    else
        cell->ids[slot] = moved;
    drop_cell_if_empty(grid, number);
    return moved;
}

/* ---- watchers ---- */

static int push_watcher(struct grid_watchers *watchers, struct rider *rider)
{
    if (watchers->count == watchers->cap) {
        uint32_t cap = watchers->cap == 0 ? 2 : watchers->cap * 2;
        struct rider **items = realloc(watchers->items, cap * sizeof(struct rider *));
        if (items == NULL)
            return -1;
        watchers->items = items;
        watchers->cap = cap;
    }
    watchers->items[watchers->count++] = rider;
    return 0;
}

static void take_watcher(struct grid_watchers *watchers, const struct rider *rider)
{
    for (uint32_t i = 0; i < watchers->count; i++)
        if (watchers->items[i] == rider) {
            watchers->items[i] = watchers->items[--watchers->count];
            return;
        }
}

static void unwatch_cells(struct grid *grid, const struct grid_walk *range, struct rider *rider)
{
    for (uint32_t y = range->y0; y < range->y0 + range->y_count; y++)
        for (uint32_t i = 0; i < range->x_count; i++) {
            uint32_t cell = find_cell(grid, (range->x0 + i) % X_COUNT, y);
            if (cell == GRID_NONE)
                continue;
            take_watcher(&grid->cells[cell].watchers, rider);
            drop_cell_if_empty(grid, cell);
        }
}

static bool is_wide(const struct grid_walk *range)
{
    return (uint64_t)range->x_count * range->y_count > GRID_WATCH_CELLS;
}

int grid_watch(struct grid *grid, const struct area *area, struct rider *rider)
{
    struct grid_walk range;
    grid_walk_init(&range, area);
    if (is_wide(&range))
        return push_watcher(&grid->wide, rider);
    for (uint32_t y = range.y0; y < range.y0 + range.y_count; y++)
        for (uint32_t i = 0; i < range.x_count; i++) {
            uint32_t cell = need_cell(grid, (range.x0 + i) % X_COUNT, y);
            if (cell == GRID_NONE || push_watcher(&grid->cells[cell].watchers, rider) != 0) {
                unwatch_cells(grid, &range, rider);
                return -1;
            }
        }
    return 0;
}

void grid_unwatch(struct grid *grid, const struct area *area, struct rider *rider)
{
    struct grid_walk range;
    grid_walk_init(&range, area);
    if (is_wide(&range))
        take_watcher(&grid->wide, rider);
    else
        unwatch_cells(grid, &range, rider);
}

/* ---- walks ---- */

/* Columns from the west edge to the east edge, around the world where the box
 * crosses the antimeridian. A box that ends on it reaches one cell beyond:
 * +180 and -180 are the same place. */
static void set_columns(struct grid_walk *walk, const struct area *area)
{
    uint32_t west = x_of(area->west), east = x_of(area->east);
    walk->x0 = west;
    walk->x_count = (east + X_COUNT - west) % X_COUNT + 1;
    if (area->west > area->east && west == east)
        walk->x_count = X_COUNT; /* all but a sliver within one cell */
    if (area->east == 180)
        walk->x_count++;
    if (area->west == -180) {
        walk->x0 = X_COUNT - 1;
        walk->x_count++;
    }
    if (walk->x_count > X_COUNT)
        walk->x_count = X_COUNT;
}

void grid_walk_init(struct grid_walk *walk, const struct area *area)
{
    *walk = (struct grid_walk){.left = GRID_NONE};
    set_columns(walk, area);
    walk->y0 = y_of(area->south);
    walk->y_count = y_of(area->north) - walk->y0 + 1;
    walk->row = walk->y0 / PER_DEGREE;
    walk->rows = (walk->y0 + walk->y_count - 1) / PER_DEGREE + 1;
    walk->columns = (walk->x0 % PER_DEGREE + walk->x_count - 1) / PER_DEGREE + 1;
    if (walk->columns > COLUMNS)
        walk->columns = COLUMNS; /* the last would be the first again */
}

static uint32_t walk_block(const struct grid_walk *walk)
{
    return walk->row * COLUMNS + (walk->x0 / PER_DEGREE + walk->column) % COLUMNS;
}

static void next_block(struct grid_walk *walk)
{
    walk->cell = 0;
    walk->left = GRID_NONE;
    if (++walk->column == walk->columns) {
        walk->column = 0;
        walk->row++;
    }
}

static bool touches(const struct grid_walk *walk, uint32_t block)
{
    uint32_t x = block % COLUMNS * PER_DEGREE + walk->cell % PER_DEGREE;
    uint32_t y = walk->row * PER_DEGREE + walk->cell / PER_DEGREE;
    return y - walk->y0 < walk->y_count && (x + X_COUNT - walk->x0) % X_COUNT < walk->x_count;
}

/* The next id of the current cell, or GRID_NONE when the cell is done. */
static uint32_t next_in_cell(const struct grid *grid, struct grid_walk *walk,
                             const struct grid_block *block)
{
    uint32_t number = block->cells[walk->cell];
    if (number == GRID_NONE)
        return GRID_NONE;
    const struct grid_cell *cell = &grid->cells[number];
    if (walk->left > cell->id_count)
        walk->left = cell->id_count;
    return walk->left == 0 ? GRID_NONE : cell->ids[--walk->left];
}

uint32_t grid_walk_next(const struct grid *grid, struct grid_walk *walk)
{
    while (walk->row < walk->rows) {
        uint32_t number = walk_block(walk);
        const struct grid_block *block = grid->blocks[number];
        if (block == NULL) {
            next_block(walk);
            continue;
        }
        for (; walk->cell < BLOCK_CELLS; walk->cell++, walk->left = GRID_NONE) {
            if (!touches(walk, number))
                continue;
            uint32_t id = next_in_cell(grid, walk, block);
            if (id != GRID_NONE)
                return id;
        }
        next_block(walk);
    }
    return GRID_NONE;
}

/* row 8 bits, column 9, cell 11, left 32. */
uint64_t grid_walk_save(const struct grid_walk *walk)
{
    return (uint64_t)walk->row << 52 | (uint64_t)walk->column << 43 | (uint64_t)walk->cell << 32 |
           walk->left;
}

bool grid_walk_restore(struct grid_walk *walk, uint64_t place)
{
    uint32_t row = (uint32_t)(place >> 52), column = place >> 43 & 0x1ff,
             cell = place >> 32 & 0x7ff;
    if (row < walk->row || row > walk->rows || column >= walk->columns || cell > BLOCK_CELLS)
        return false;
    walk->row = row;
    walk->column = column;
    walk->cell = cell;
    walk->left = (uint32_t)place;
    return true;
}
