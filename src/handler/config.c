/* SPDX-License-Identifier: Apache-2.0 */
#include "handler/config.h"

#define AT(field) offsetof(struct handler_config, field)

static const struct setting settings[] = {
    {.name = "rules",
     .type = SETTING_STRING,
     .offset = AT(rules),
     .default_text = "",
     .is_reloadable = true,
     .help = "The ruleset: a YAML file, or a folder of them read in order of their names. Empty: "
             "the rules that are part of the program (config/rules/default.yaml)."},
    {.name = "group",
     .type = SETTING_STRING,
     .offset = AT(group),
     .default_text = "",
     .help = "The consumer group: handlers of the same group share the packets. Empty: gps over "
             "Kafka, handler over the journal."},
    {.name = "threads",
     .type = SETTING_INT,
     .offset = AT(threads),
     .default_text = "1",
     .min = 1,
     .max = 16,
     .unit = "threads",
     .help = "Threads that share the partitions; more than partitions are idle."},
    {.name = "batch_records",
     .type = SETTING_INT,
     .offset = AT(batch_records),
     .default_text = "4096",
     .min = 1,
     .max = 65536,
     .unit = "records",
     .help = "Records taken at once; each batch is committed as a whole."},
    {.name = "batches_in_flight",
     .type = SETTING_INT,
     .offset = AT(batches_in_flight),
     .default_text = "8",
     .min = 1,
     .max = 64,
     .unit = "batches",
     .help = "Batches of a thread whose outputs are on their way to the disk while the next is "
             "worked on."},
    {.name = "state.vehicles",
     .type = SETTING_INT,
     .offset = AT(state_vehicles),
     .default_text = "1000000",
     .min = 1,
     .max = 100000000,
     .unit = "vehicles",
     .help = "Of so many vehicles and ingest topics the rules remember what they need (last point, "
             "rate); beyond that the one that was silent longest is forgotten, and counted."},
    {.name = "state.bytes",
     .type = SETTING_SIZE,
     .offset = AT(state_bytes),
     .default_text = "512MiB",
     .min = 1024 * 1024,
     .max = INT64_C(1) << 40,
     .help = "The same in bytes. Nothing is taken as long as no rule remembers anything."},
    {.name = "drain_timeout",
     .type = SETTING_DURATION,
     .offset = AT(drain_timeout_ns),
     .default_text = "10s",
     .min = 0,
     .max = INT64_C(600) * 1000000000,
     .help = "How long a stop waits until the outputs are durable; what isn't is done again at the "
             "next start."},
};

const struct config_module handler_module = {
    .name = "handler",
    .help = "Checks what came in by rules and sorts it into categories.",
    .settings = settings,
    .setting_count = SETTING_COUNT(settings),
    .size = sizeof(struct handler_config),
};
