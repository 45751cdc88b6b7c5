/* SPDX-License-Identifier: Apache-2.0 */
#include "store/config.h"

static const struct setting settings[] = {
    {.name = "group",
     .type = SETTING_STRING,
     .offset = offsetof(struct store_settings, group),
     .default_text = "store",
     .help = "The consumer group: stores of the same group share the packets. Another name reads "
             "everything again, as far as the broker keeps it."},
    {.name = "transform",
     .type = SETTING_STRING,
     .offset = offsetof(struct store_settings, transform),
     .default_text = "",
     .help = "A YAML file that says, by category, what is changed of packets before they are "
             "written and which JSON Schema they must be valid for (docs/store-transforms.md); "
             "empty: they are written as they are."},
    {.name = "transform_vehicles",
     .type = SETTING_INT,
     .offset = offsetof(struct store_settings, transform_vehicles),
     .default_text = "1000000",
     .min = 1000,
     .max = 100000000,
     .unit = "vehicles",
     .help = "Vehicles of which transforms remember something (a last point, a trip); beyond, the "
             "one that was silent longest is forgotten."},
};

const struct config_module store_module = {
    .name = "store",
    .help = "Writes packets to the database; the database's settings are the module sink.",
    .settings = settings,
    .setting_count = SETTING_COUNT(settings),
    .size = sizeof(struct store_settings),
};
