/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/spool/config.h"

#define AT(field) offsetof(struct spool_config, field)
#define MS INT64_C(1000000)
#define S (1000 * MS)
#define DAY (86400 * S)

static const struct setting settings[] = {
    {.name = "enabled",
     .type = SETTING_BOOL,
     .offset = AT(is_enabled),
     .default_text = "true",
     .help = "Keep packets on disk and go on acking while the broker is away. Without it cars "
             "are not read until the broker is back."},
    {.name = "folder",
     .type = SETTING_STRING,
     .offset = AT(folder),
     .default_text = "",
     .help = "Where it lies; one gateway each. Empty: the subfolder spool of the data folder."},
    {.name = "after",
     .type = SETTING_DURATION,
     .offset = AT(after_ns),
     .default_text = "2s",
     .min = 50 * MS,
     .max = 600 * S,
     .help = "So long nothing that the broker was given becomes durable: it counts as away."},
    {.name = "cap_bytes",
     .type = SETTING_SIZE,
     .offset = AT(cap_bytes),
     .default_text = "0",
     .min = 0,
     .max = INT64_MAX,
     .help = "What it may take on disk; at the cap cars are not read until there is room. 0 = a "
             "tenth of the disk."},
    {.name = "age_limit",
     .type = SETTING_DURATION,
     .offset = AT(age_limit_ns),
     .default_text = "3d",
     .min = 0,
     .max = 3650 * DAY,
     .help = "When the oldest packet in it was received so long ago, it takes no more until it "
             "is drained; 0 = no limit. Keep it below what the consumers tolerate."},
    {.name = "drain_share",
     .type = SETTING_INT,
     .offset = AT(drain_share),
     .default_text = "80",
     .min = 1,
     .max = 100,
     .unit = "percent",
     .help = "Share of the time in which the backlog may be sent while other packets pass."},
    {.name = "drain_rate",
     .type = SETTING_INT,
     .offset = AT(drain_rate),
     .default_text = "0",
     .min = 0,
     .max = 1000000000,
     .unit = "records/s",
     .help = "The backlog is sent no faster than this; 0 = no limit. Vehicles that have a backlog "
             "add to it all the while: keep it well above what they send."},
    {.name = "retry_max",
     .type = SETTING_DURATION,
     .offset = AT(retry_max_ns),
     .default_text = "5s",
     .min = 10 * MS,
     .max = 600 * S,
     .help = "The longest pause between two attempts to reach the broker; the pauses grow to it "
             "and are spread at random."},
};

const struct config_module spool_module = {
    .name = "spool",
    .help = "The gateway's own journal for the time that the broker is away (broker.kind: kafka).",
    .settings = settings,
    .setting_count = SETTING_COUNT(settings),
    .size = sizeof(struct spool_config),
};
