/* SPDX-License-Identifier: Apache-2.0 */
/* Every operation of transforms: one file each, one line each here. */
#include "vehicle/transform/transform.h"

#define KINDS      \
    KIND(rename)   \
    KIND(drop)     \
    KIND(round)    \
    KIND(units)    \
    KIND(constant) \
    KIND(speed)    \
    KIND(heading)  \
    KIND(distance) \
    KIND(trip)

#define KIND(name) extern const struct transform_kind transform_##name;
KINDS
#undef KIND

#define KIND(name) &transform_##name,
const struct transform_kind *const transform_registry[] = {KINDS NULL};
#undef KIND
