/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/config.h"

static const char *const kinds[] = {"journal", "memory", "kafka", NULL};
static const char *const durabilities[] = {"fsync", "interval", "none", NULL};

#define AT(field) offsetof(struct broker_config, field)
#define KIB INT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define MS INT64_C(1000000)
#define S (1000 * MS)
#define DAY (86400 * S)

static const struct setting settings[] = {
    {.name = "kind",
     .type = SETTING_CHOICE,
     .offset = AT(kind),
     .default_text = "journal",
     .choices = kinds,
     .help = "What keeps the records: the embedded journal, memory (for trials; nothing survives "
             "the process), or kafka: Apache Kafka, which many processes share (its settings are "
             "the module kafka)."},
    {.name = "data_dir",
     .type = SETTING_STRING,
     .offset = AT(data_dir),
     .default_text = "",
     .help = "The data folder; the journal lies in its subfolder journal. Empty: --data, else "
             "$STATE_DIRECTORY, else ~/.local/state/motorcade."},
    {.name = "partitions",
     .type = SETTING_INT,
     .offset = AT(partitions),
     .default_text = "4",
     .min = 1,
     .max = 256,
     .unit = "partitions",
     .help = "Partitions of a topic that is made; those of an existing topic stay."},
    {.name = "durability",
     .type = SETTING_CHOICE,
     .offset = AT(durability),
     .default_text = "fsync",
     .choices = durabilities,
     .help = "What an ack promises: fsync (survives a power cut), interval (synced every "
             "sync_interval: what came after the last sync can be lost with the power), none."},
    {.name = "sync_interval",
     .type = SETTING_DURATION,
     .offset = AT(sync_interval_ns),
     .default_text = "100ms",
     .min = MS,
     .max = 60 * S,
     .help = "How often the log is synced with durability: interval."},
    {.name = "group_delay",
     .type = SETTING_DURATION,
     .offset = AT(group_delay_ns),
     .default_text = "2ms",
     .min = 0,
     .max = S,
     .help = "How long the first record waits for company before a sync; 0 = not at all."},
    {.name = "group_bytes",
     .type = SETTING_SIZE,
     .offset = AT(group_bytes),
     .default_text = "256KiB",
     .min = 1,
     .max = 64 * MIB,
     .help = "So many waiting bytes are synced without more delay."},
    {.name = "segment_bytes",
     .type = SETTING_SIZE,
     .offset = AT(segment_bytes),
     .default_text = "64MiB",
     .min = 64 * KIB,
     .max = GIB,
     .help = "Size of a segment file; the first ones of a new journal are smaller, and so are "
             "all where the cap is small."},
    {.name = "cap_bytes",
     .type = SETTING_SIZE,
     .offset = AT(cap_bytes),
     .default_text = "0",
     .min = 0,
     .max = INT64_MAX,
     .help = "What the log may take on disk; at the cap the gateway stops acking until "
             "consumers catch up. 0 = a tenth of the disk."},
    {.name = "retention",
     .type = SETTING_DURATION,
     .offset = AT(retention_ns),
     .default_text = "7d",
     .min = 0,
     .max = 3650 * DAY,
     .help = "Records stay at least so long after they were received (unless the cap presses), "
             "and always until every consumer group is done with them. 0 = as short as that."},
    {.name = "dead_letter_cap_bytes",
     .type = SETTING_SIZE,
     .offset = AT(dead_letter_cap_bytes),
     .default_text = "1GiB",
     .min = 128 * KIB,
     .max = INT64_MAX,
     .help = "What dead letters may take on disk; above it the oldest go, counted and logged."},
    {.name = "producer_queue_records",
     .type = SETTING_INT,
     .offset = AT(producer_queue_records),
     .default_text = "65536",
     .min = 1,
     .max = 16777216,
     .unit = "records",
     .help = "Records of one thread on their way to the disk; more pauses their source."},
    {.name = "producer_queue_bytes",
     .type = SETTING_SIZE,
     .offset = AT(producer_queue_bytes),
     .default_text = "32MiB",
     .min = 64 * KIB,
     .max = GIB,
     .help = "The same in bytes."},
    {.name = "record_bytes_max",
     .type = SETTING_SIZE,
     .offset = AT(record_bytes_max),
     .default_text = "1MiB",
     .min = 1,
     .max = 16 * MIB,
     .help = "Largest record: key, value and headers."},
};

const struct config_module broker_module = {
    .name = "broker",
    .help = "The durable log between the roles.",
    .settings = settings,
    .setting_count = SETTING_COUNT(settings),
    .size = sizeof(struct broker_config),
    .scalar = "kind",
};
