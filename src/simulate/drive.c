/* SPDX-License-Identifier: Apache-2.0 */
/* Idea: on entering a block a vehicle decides what it does at the block's end
 * (go on, turn, or stop first), and from then on drives at the highest speed
 * that its engine, its taste and the distance left allow. That speed is the
 * "safe velocity" of S. Krauss, "Microscopic Modeling of Traffic Flow" (1998),
 * for a fixed point ahead, solved for steps of finite length: after the step
 * with mean speed (v0 + v1) / 2 there must be room to brake from v1 to v_end:
 *
 *     v1^2 <= v_end^2 + 2 b (left - (v0 + v1) / 2 * dt)
 *
 * Invariants: 0 <= along < block; the crossing lies within the grid; the block
 * ahead never leads out of it; speed changes by at most PULL or BRAKE a second. */
#include "simulate/drive.h"

#include <math.h>

enum plan {
    GO_ON,
    TURN_LEFT,
    TURN_RIGHT,
    STOP_THEN_GO, /* a red light */
    STOP_THEN_TURN,
};

static const float PULL_MS2 = 1.8F;
static const float COMFORT_MS2 = 2.2F; /* braking that was planned */
static const float BRAKE_MS2 = 4.5F;   /* braking at most */
static const float CORNER_MS = 4.5F;
static const float STOP_LINE_M = 2.0F;

bool street_grid_init(struct street_grid *grid, const struct street_box *box)
{
    static const double m_per_degree = 111195.0; /* mean Earth radius of 6,371 km */
    bool is_box = box->min_lat >= -89 && box->max_lat <= 89 && box->min_lon >= -180 &&
                  box->max_lon <= 180 && box->min_lat < box->max_lat && box->min_lon < box->max_lon;
    if (!is_box)
        return false;
    double middle = (box->min_lat + box->max_lat) / 2 * M_PI / 180;
    double east_m = (box->max_lon - box->min_lon) * m_per_degree * cos(middle);
    double north_m = (box->max_lat - box->min_lat) * m_per_degree;
    /* Blocks as in San Francisco; of a whole continent they are longer. */
    grid->columns = (int32_t)fmin(fmax(floor(east_m / 125), 1), INT16_MAX);
    grid->rows = (int32_t)fmin(fmax(floor(north_m / 84), 1), INT16_MAX);
    grid->block_east_m = (float)(east_m / grid->columns);
    grid->block_north_m = (float)(north_m / grid->rows);
    grid->lat_udeg_per_m = (float)(1e6 / m_per_degree);
    grid->lon_udeg_per_m = (float)(1e6 / (m_per_degree * cos(middle)));
    grid->origin_lat_udeg = (int32_t)lround(box->min_lat * 1e6);
    grid->origin_lon_udeg = (int32_t)lround(box->min_lon * 1e6);
    return true;
}

static bool is_north_south(const struct drive *drive)
{
    return drive->compass == NORTH || drive->compass == SOUTH;
}

static float block_m(const struct drive *drive, const struct street_grid *grid)
{
    return is_north_south(drive) ? grid->block_north_m : grid->block_east_m;
}

/* Does the street that leaves this crossing in this direction lead out of the box? */
static bool leads_out(const struct street_grid *grid, int column, int row, uint8_t compass)
{
    switch ((enum compass)compass) {
    case NORTH:
        return row >= grid->rows;
    case SOUTH:
        return row <= 0;
    case EAST:
        return column >= grid->columns;
    case WEST:
        return column <= 0;
    }
    return true;
}

static int next_column(const struct drive *drive)
{
    return drive->column + (drive->compass == EAST) - (drive->compass == WEST);
}

static int next_row(const struct drive *drive)
{
    return drive->row + (drive->compass == NORTH) - (drive->compass == SOUTH);
}

/* A crossing was left: what happens at the next one. */
static void decide(struct drive *drive)
{
    uint32_t dice = random_below(&drive->random, 100);
    if (dice < 52)
        drive->plan = GO_ON;
    else if (dice < 62)
        drive->plan = TURN_LEFT;
    else if (dice < 74)
        drive->plan = TURN_RIGHT;
    else if (dice < 92)
        drive->plan = STOP_THEN_GO;
    else
        drive->plan = STOP_THEN_TURN;
}

/* The direction after the crossing: as planned, or what the edge leaves. */
static void choose_direction(struct drive *drive, const struct street_grid *grid)
{
    int turn = 0;
    if (drive->plan == TURN_LEFT)
        turn = 3;
    if (drive->plan == TURN_RIGHT)
        turn = 1;
    if (drive->plan == STOP_THEN_TURN)
        turn = random_below(&drive->random, 2) == 0 ? 1 : 3;
    /* Back only where nothing else is left: never, in a grid of blocks. */
    const int candidates[] = {turn, 0, 1, 3, 2};
    for (int i = 0; i < 5; i++) {
        uint8_t wanted = (uint8_t)((drive->compass + candidates[i]) & 3);
        if (leads_out(grid, drive->column, drive->row, wanted))
            continue;
        drive->compass = wanted;
        return;
    }
}

static void cross(struct drive *drive, const struct street_grid *grid)
{
    drive->along_m -= block_m(drive, grid);
    int column = next_column(drive);
    drive->row = (int16_t)next_row(drive);
    drive->column = (int16_t)column;
    choose_direction(drive, grid);
    decide(drive);
    if (drive->along_m >= block_m(drive, grid)) /* only after a turn into a shorter block */
        drive->along_m = fmaxf(block_m(drive, grid) - STOP_LINE_M, 0);
}

void drive_init(struct drive *drive, const struct street_grid *grid, uint64_t seed)
{
    *drive = (struct drive){.random = {random_mix(seed)}};
    drive->column = (int16_t)random_below(&drive->random, (uint32_t)grid->columns + 1);
    drive->row = (int16_t)random_below(&drive->random, (uint32_t)grid->rows + 1);
    drive->compass = (uint8_t)random_below(&drive->random, 4);
    choose_direction(drive, grid);
    drive->plan = GO_ON;
    drive->along_m = random_unit(&drive->random) * block_m(drive, grid) * 0.9F;
    drive->cruise_ms = 8.0F + 6.0F * random_unit(&drive->random);
    drive->accuracy_m = 2.5F + 5.5F * random_unit(&drive->random);
    drive->speed_ms = CORNER_MS * random_unit(&drive->random);
    if (random_below(&drive->random, 3) == 0) {
        drive->speed_ms = 0;
        drive->wait_s = 40 * random_unit(&drive->random);
    }
}

static bool must_stop(const struct drive *drive)
{
    return drive->plan == STOP_THEN_GO || drive->plan == STOP_THEN_TURN;
}

static float end_speed(const struct drive *drive, const struct street_grid *grid)
{
    if (must_stop(drive))
        return 0;
    /* At the edge of the grid going on becomes a turn. */
    if (drive->plan != GO_ON ||
        leads_out(grid, next_column(drive), next_row(drive), drive->compass))
        return CORNER_MS;
    return drive->cruise_ms;
}

static float next_speed(const struct drive *drive, float end_ms, float left_m, float dt)
{
    float half = COMFORT_MS2 * dt / 2;
    float room = end_ms * end_ms + 2 * COMFORT_MS2 * left_m - 2 * half * drive->speed_ms;
    float inside = half * half + room;
    float safe = inside > half * half ? sqrtf(inside) - half : 0;
    float speed = fminf(fminf(drive->speed_ms + PULL_MS2 * dt, drive->cruise_ms), safe);
    return fmaxf(fmaxf(speed, drive->speed_ms - BRAKE_MS2 * dt), 0);
}

/* Standing at the line: how long, and then it is an ordinary crossing. */
static void stand(struct drive *drive)
{
    bool is_kerb = random_below(&drive->random, 8) == 0;
    drive->speed_ms = 0;
    drive->wait_s =
        is_kerb ? 20 + 120 * random_unit(&drive->random) : 3 + 37 * random_unit(&drive->random);
    if (drive->plan == STOP_THEN_TURN)
        drive->plan = random_below(&drive->random, 2) == 0 ? TURN_LEFT : TURN_RIGHT;
    else
        drive->plan = GO_ON;
}

static void step(struct drive *drive, const struct street_grid *grid, float dt)
{
    if (drive->wait_s > 0) {
        drive->wait_s -= dt;
        return;
    }
    float block = block_m(drive, grid);
    float left_m = block - drive->along_m;
    float to_line_m = must_stop(drive) ? fmaxf(left_m - STOP_LINE_M, 0) : left_m;
    float before_ms = drive->speed_ms;
    drive->speed_ms = next_speed(drive, end_speed(drive, grid), to_line_m, dt);
    float moved_m = (before_ms + drive->speed_ms) / 2 * dt;
    if (must_stop(drive) && (moved_m >= to_line_m || (to_line_m < 1 && drive->speed_ms < 0.5F))) {
        drive->along_m += fminf(moved_m, to_line_m);
        stand(drive);
        return;
    }
    drive->along_m += moved_m;
    if (drive->along_m >= block)
        cross(drive, grid);
}

void drive_step(struct drive *drive, const struct street_grid *grid, float seconds)
{
    while (seconds > 1) {
        step(drive, grid, 1);
        seconds -= 1;
    }
    if (seconds > 0)
        step(drive, grid, seconds);
}

struct drive_fix drive_fix(const struct drive *drive, const struct street_grid *grid)
{
    float east_m = 0;
    float north_m = 0;
    if (is_north_south(drive))
        north_m = drive->compass == NORTH ? drive->along_m : -drive->along_m;
    else
        east_m = drive->compass == EAST ? drive->along_m : -drive->along_m;
    /* The crossing in double: a float holds 10^-6 degrees only near zero. */
    double north = (double)drive->row * (double)grid->block_north_m + (double)north_m;
    double east = (double)drive->column * (double)grid->block_east_m + (double)east_m;
    return (struct drive_fix){
        .lat_udeg = grid->origin_lat_udeg + (int32_t)lrint(north * (double)grid->lat_udeg_per_m),
        .lon_udeg = grid->origin_lon_udeg + (int32_t)lrint(east * (double)grid->lon_udeg_per_m),
        .speed_cms = (uint32_t)(drive->speed_ms * 100),
        .heading_ddeg = drive->compass * 900u,
        .accuracy_dm = (uint32_t)(drive->accuracy_m * 10),
    };
}
