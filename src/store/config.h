/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of the store (module "store"); the database's are the module "sink". */
#pragma once

#include "config/schema.h"

struct store_settings {
    const char *group;
    const char *transform; /* a file: vehicle/transform/shape.h; "" = none */
    int64_t transform_vehicles;
};

extern const struct config_module store_module;
