/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of the store (module "store"); the database's are the module "sink". */
#pragma once

#include "config/schema.h"

struct store_settings {
    const char *group;
};

extern const struct config_module store_module;
