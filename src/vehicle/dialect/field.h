/* SPDX-License-Identifier: Apache-2.0 */
/* A dialect's fields: paths and what stands there. All other paths are signals.
 * Private to vehicle/. */
#pragma once

#include "vehicle/slot.h"

struct dialect_field {
    struct bytes path; /* as a signal's (packet.h); empty ends the table */
    struct slot slot;
};

/* A row's path: BYTES() is no constant initializer in a nested aggregate. */
#define FIELD(literal)               \
    {                                \
        literal, sizeof(literal) - 1 \
    }
