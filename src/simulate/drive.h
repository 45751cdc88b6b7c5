/* SPDX-License-Identifier: Apache-2.0 */
/* One vehicle's drive on a grid of streets: along blocks, around corners, waiting
 * at lights and kerbs, within what engines and brakes can do. Pure: the same
 * seed and the same steps give the same drive. A step costs some tens of ns. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/random.h"

struct street_box {
    double min_lat, min_lon, max_lat, max_lon; /* degrees */
};

/* The streets of a box: rows from west to east and columns from south to north. */
struct street_grid {
    int32_t origin_lat_udeg, origin_lon_udeg; /* the south-west corner, 10^-6 degrees */
    int32_t columns, rows;                    /* blocks from west to east, south to north */
    float block_east_m, block_north_m;
    float lat_udeg_per_m, lon_udeg_per_m;
};

/* false: the box is empty, upside down or outside of the world. */
bool street_grid_init(struct street_grid *grid, const struct street_box *box);

enum compass { NORTH, EAST, SOUTH, WEST };

struct drive {
    struct random_source random;
    float along_m; /* from the crossing at (column, row) into the block */
    float speed_ms;
    float cruise_ms;  /* what this driver likes */
    float wait_s;     /* left to stand */
    float accuracy_m; /* of its receiver */
    int16_t column, row;
    uint8_t compass; /* enum compass */
    uint8_t plan;    /* private: what it does at the next crossing */
};

void drive_init(struct drive *drive, const struct street_grid *grid, uint64_t seed);
void drive_step(struct drive *drive, const struct street_grid *grid, float seconds);

struct drive_fix {
    int32_t lat_udeg, lon_udeg; /* 10^-6 degrees */
    uint32_t speed_cms;         /* cm/s */
    uint32_t heading_ddeg;      /* 0.1 degrees clockwise from north, 0..3599 */
    uint32_t accuracy_dm;       /* 0.1 m */
};

/* What its receiver says now. */
struct drive_fix drive_fix(const struct drive *drive, const struct street_grid *grid);
