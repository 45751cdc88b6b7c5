/* SPDX-License-Identifier: Apache-2.0 */
/* The grid against brute force: random positions (many on edges, poles and the
 * antimeridian), random boxes, and vehicles that move while a walk is under way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "live/grid.h"

enum { IDS = 3000 };

static struct {
    double lat, lon;
    uint32_t cell, slot;
    bool is_here;
} ids[IDS];

static uint64_t seed;

static uint32_t draw(uint32_t below)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(seed >> 33) % below;
}

static double draw_between(double low, double high)
{
    return low + (high - low) * draw(1 << 30) / (double)((1 << 30) - 1);
}

/* A third anywhere, a third in one city, a third on what tends to break. */
static void draw_position(double *lat, double *lon)
{
    static const double lats[] = {-90, 90, 0, 89.99, -89.99, 37.75, 37.78125};
    static const double lons[] = {-180, 180, 0, 179.99, -179.99, -122.40625, -122.4};
    uint32_t how = draw(3);
    *lat = how == 0 ? draw_between(-90, 90) : how == 1 ? draw_between(37.6, 37.9) : lats[draw(7)];
    *lon = how == 0   ? draw_between(-180, 180)
           : how == 1 ? draw_between(-122.6, -122.2)
                      : lons[draw(7)];
}

static struct area draw_area(void)
{
    double lat[2], lon[2];
    for (int i = 0; i < 2; i++)
        draw_position(&lat[i], &lon[i]);
    struct area area = {lon[0], lat[0], lon[1], lat[1]}; /* may cross the antimeridian */
    if (area.south > area.north) {
        area.south = lat[1];
        area.north = lat[0];
    }
    return area;
}

static void put(struct grid *grid, uint32_t id)
{
    draw_position(&ids[id].lat, &ids[id].lon);
    assert_int_equal(grid_add(grid, id, ids[id].lat, ids[id].lon, &ids[id].cell, &ids[id].slot), 0);
    assert_true(grid_is_in(grid, ids[id].cell, ids[id].lat, ids[id].lon));
    ids[id].is_here = true;
}

static void take(struct grid *grid, uint32_t id)
{
    uint32_t moved = grid_remove(grid, ids[id].cell, ids[id].slot);
    if (moved != GRID_NONE)
        ids[moved].slot = ids[id].slot;
    ids[id].is_here = false;
}

static void fill(struct grid *grid)
{
    assert_int_equal(grid_init(grid), 0);
    for (uint32_t id = 0; id < IDS; id++)
        put(grid, id);
}

static void count_near(const struct grid *grid, struct grid_walk *walk, uint8_t seen[IDS])
{
    for (uint32_t id; (id = grid_walk_next(grid, walk)) != GRID_NONE;)
        seen[id]++;
}

static void test_walk_finds_what_brute_force_finds(void **state)
{
    (void)state;
    struct grid grid;
    seed = 1;
    fill(&grid);
    for (int round = 0; round < 2000; round++) {
        struct area area = draw_area();
        struct grid_walk walk;
        uint8_t seen[IDS] = {0};
        grid_walk_init(&walk, &area);
        count_near(&grid, &walk, seen);
        for (uint32_t id = 0; id < IDS; id++) {
            assert_in_range(seen[id], 0, 1);
            if (area_contains(&area, ids[id].lat, ids[id].lon))
                assert_int_equal(seen[id], 1);
        }
        take(&grid, draw(IDS / 2) * 2);
        for (uint32_t id = 0; id < IDS; id++)
            if (!ids[id].is_here)
                put(&grid, id);
    }
    grid_deinit(&grid);
}

static void test_small_box_looks_only_near(void **state)
{
    (void)state;
    struct grid grid;
    seed = 2;
    fill(&grid);
    struct area area = {-122.45, 37.70, -122.44, 37.71};
    struct grid_walk walk;
    grid_walk_init(&walk, &area);
    for (uint32_t id; (id = grid_walk_next(&grid, &walk)) != GRID_NONE;) {
        assert_in_range((int64_t)((ids[id].lat + 90) * 32), (int64_t)((37.70 + 90) * 32),
                        (int64_t)((37.71 + 90) * 32));
        assert_in_range((int64_t)((ids[id].lon + 180) * 32), (int64_t)((-122.45 + 180) * 32),
                        (int64_t)((-122.44 + 180) * 32));
    }
    grid_deinit(&grid);
}

static void test_walk_misses_nothing_that_stood_still(void **state)
{
    (void)state;
    struct grid grid;
    seed = 3;
    fill(&grid);
    for (int round = 0; round < 200; round++) {
        struct area area = draw_area();
        struct grid_walk walk;
        uint8_t seen[IDS] = {0}, moved[IDS] = {0};
        grid_walk_init(&walk, &area);
        for (uint32_t id; (id = grid_walk_next(&grid, &walk)) != GRID_NONE;) {
            seen[id]++;
            uint32_t other = draw(IDS);
            take(&grid, other);
            put(&grid, other);
            moved[other] = 1;
        }
        for (uint32_t id = 0; id < IDS; id++)
            if (!moved[id] && area_contains(&area, ids[id].lat, ids[id].lon))
                assert_true(seen[id] >= 1);
    }
    grid_deinit(&grid);
}

static void test_walk_goes_on_from_a_saved_place(void **state)
{
    (void)state;
    struct grid grid;
    seed = 4;
    fill(&grid);
    struct area area = {100, -90, 50, 90};
    uint8_t seen[IDS] = {0};
    uint64_t place = 0;
    struct grid_walk walk;
    grid_walk_init(&walk, &area);
    place = grid_walk_save(&walk);
    for (uint32_t id = 0; id != GRID_NONE;) {
        grid_walk_init(&walk, &area);
        assert_true(grid_walk_restore(&walk, place));
        for (int i = 0; i < 7 && (id = grid_walk_next(&grid, &walk)) != GRID_NONE; i++)
            seen[id]++;
        place = grid_walk_save(&walk);
    }
    for (uint32_t id = 0; id < IDS; id++)
        if (area_contains(&area, ids[id].lat, ids[id].lon))
            assert_int_equal(seen[id], 1);
    grid_deinit(&grid);
}

static void test_foreign_places_are_refused_or_harmless(void **state)
{
    (void)state;
    struct grid grid;
    seed = 5;
    fill(&grid);
    for (int round = 0; round < 20000; round++) {
        struct area area = draw_area();
        struct grid_walk walk;
        grid_walk_init(&walk, &area);
        uint64_t place = (uint64_t)draw(UINT32_MAX) << (draw(34)) ^ draw(UINT32_MAX);
        if (grid_walk_restore(&walk, place))
            for (int i = 0; i < 50 && grid_walk_next(&grid, &walk) != GRID_NONE; i++)
                ;
    }
    grid_deinit(&grid);
}

static bool is_watched(const struct grid *grid, uint32_t cell, const struct rider *rider)
{
    const struct grid_watchers *lists[] = {&grid->cells[cell].watchers, &grid->wide};
    for (size_t l = 0; l < 2; l++)
        for (uint32_t i = 0; i < lists[l]->count; i++)
            if (lists[l]->items[i] == rider)
                return true;
    return false;
}

static void test_watchers_stand_on_every_cell_of_their_box(void **state)
{
    (void)state;
    struct grid grid;
    seed = 6;
    fill(&grid);
    struct rider *rider = (struct rider *)&ids[0]; /* never looked into */
    for (int round = 0; round < 1000; round++) {
        struct area area = draw_area();
        if (round % 2 == 0) { /* narrow enough to stand on cells */
            area.north = area.south < 89 ? area.south + 0.7 : 90;
            area.east = area.west < 179 ? area.west + 0.9 : area.west - 359;
        }
        assert_int_equal(grid_watch(&grid, &area, rider), 0);
        for (uint32_t id = 0; id < IDS; id++)
            if (area_contains(&area, ids[id].lat, ids[id].lon))
                assert_true(is_watched(&grid, ids[id].cell, rider));
        grid_unwatch(&grid, &area, rider);
        for (uint32_t id = 0; id < IDS; id++)
            assert_false(is_watched(&grid, ids[id].cell, rider));
    }
    for (uint32_t id = 0; id < IDS; id++)
        take(&grid, id);
    for (size_t i = 0; i < (size_t)360 * 180; i++)
        assert_null(grid.blocks[i]); /* an empty world holds nothing */
    grid_deinit(&grid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_walk_finds_what_brute_force_finds),
        cmocka_unit_test(test_small_box_looks_only_near),
        cmocka_unit_test(test_walk_misses_nothing_that_stood_still),
        cmocka_unit_test(test_walk_goes_on_from_a_saved_place),
        cmocka_unit_test(test_foreign_places_are_refused_or_harmless),
        cmocka_unit_test(test_watchers_stand_on_every_cell_of_their_box),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
