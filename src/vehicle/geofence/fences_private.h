/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a set of fences, for fences.c and fences_load.c. */
#pragma once

#include "base/buf.h"
#include "vehicle/geofence/fences.h"
#include "vehicle/geofence/raster.h"

struct fences {
    struct raster raster;
    struct buf names;    /* one after the other */
    size_t *name_starts; /* count + 1 */
    size_t count, cap;
};
