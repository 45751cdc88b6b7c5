/* SPDX-License-Identifier: Apache-2.0 */
/* Every module that has settings, and the two that belong to no role. */
#pragma once

#include "broker/config.h"
#include "config/config.h"
#include "observe/log.h"

/* NULL-terminated; a new module is one line in modules.c. */
extern const struct config_module *const all_modules[];

/* The broker's settings with those of its kind. */
struct broker_config broker_settings(const struct config *config);

/* Module "log". */
struct log_config {
    int level;                   /* enum log_level */
    int format;                  /* enum log_format */
    struct setting_list modules; /* "gateway=debug" */
    int64_t burst;
    int64_t per_s;
};
extern const struct config_module log_module;
/* Make them those in force. */
void log_apply(const struct log_config *config);

/* Module "admin". */
struct admin_config {
    const char *listen; /* "" = metrics and health on the role's own address */
};
extern const struct config_module admin_module;
