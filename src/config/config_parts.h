/* SPDX-License-Identifier: Apache-2.0 */
/* What config.c and config_print.c share. Private to config/. */
#pragma once

#include <stdatomic.h>

#include "config/config.h"
#include "config/setting.h"

enum origin_kind { ORIGIN_DEFAULT, ORIGIN_FILE, ORIGIN_ENVIRONMENT, ORIGIN_OVERRIDE };

/* Where a setting's value came from. */
struct origin {
    enum origin_kind kind;
    unsigned line; /* ORIGIN_FILE */
};

struct config_part {
    const struct config_module *module;
    void *memory; /* the module's struct */
    struct origin *origins;
};

struct config {
    atomic_uint references;
    struct setting_heap heap;
    char *path; /* of the file; NULL = none */
    struct config_part *parts;
    size_t part_count;
};
