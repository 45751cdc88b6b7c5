/* SPDX-License-Identifier: Apache-2.0 */
#include "store/config.h"

static const struct setting settings[] = {
    {.name = "group",
     .type = SETTING_STRING,
     .offset = offsetof(struct store_settings, group),
     .default_text = "store",
     .help = "The consumer group: stores of the same group share the packets. Another name reads "
             "everything again, as far as the broker keeps it."},
};

const struct config_module store_module = {
    .name = "store",
    .help = "Writes packets to the database; the database's settings are the module sink.",
    .settings = settings,
    .setting_count = SETTING_COUNT(settings),
    .size = sizeof(struct store_settings),
};
