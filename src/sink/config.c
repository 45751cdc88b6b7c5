/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/config.h"

#include <string.h>

#include "base/clock.h"

#define AT(member) offsetof(struct sink_config, member)

static const char *const kinds[] = {
    [SINK_SQLITE] = "sqlite", [SINK_MEMORY] = "memory", [SINK_MONGODB] = "mongodb", NULL};
static const char *const exhausted[] = {
    [SINK_DEAD_LETTER] = "dead-letter", [SINK_PAUSE] = "pause", NULL};

static const struct setting settings[] = {
    {.name = "kind",
     .type = SETTING_CHOICE,
     .offset = AT(kind),
     .default_text = "sqlite",
     .choices = kinds,
     .help = "The database that the store writes to; memory is for trials and forgets."},
    {.name = "sinks",
     .type = SETTING_LIST,
     .offset = AT(sinks),
     .default_text = "",
     .help = "Several databases at once, sqlite and mongodb: each gets every packet, by a thread "
             "and with a consumer group of its own, so that one that is away does not hold up the "
             "others. sink.kind must be among them: history is read from it, and it keeps the "
             "group's name and position. Empty: only sink.kind."},
    {.name = "data_dir",
     .type = SETTING_STRING,
     .offset = AT(data_dir),
     .default_text = "",
     .help = "The data folder; the database lies in its subfolder store. Empty: --data, else "
             "$STATE_DIRECTORY, else ~/.local/state/motorcade."},
    {.name = "span",
     .type = SETTING_DURATION,
     .offset = AT(span_ns),
     .default_text = "1d",
     .min = 60 * NS_PER_S,
     .max = 366 * 86400 * NS_PER_S,
     .help = "Received time that one database file covers; retention deletes whole files."},
    {.name = "retention",
     .type = SETTING_DURATION,
     .offset = AT(retention_ns),
     .default_text = "0s",
     .min = 0,
     .max = INT64_C(100) * 366 * 86400 * NS_PER_S,
     .help = "How long packets are kept, by received time; 0 keeps them for ever."},
    {.name = "batch_rows",
     .type = SETTING_INT,
     .offset = AT(batch_rows),
     .default_text = "20000",
     .min = 1,
     .max = 200000,
     .unit = "rows",
     .help = "A write is made when this many packets wait."},
    {.name = "batch_bytes",
     .type = SETTING_SIZE,
     .offset = AT(batch_bytes),
     .default_text = "16MiB",
     .min = 1 << 20,
     .max = INT64_C(1) << 30,
     .help = "A write is made when this many bytes wait."},
    {.name = "batch_age",
     .type = SETTING_DURATION,
     .offset = AT(batch_age_ns),
     .default_text = "200ms",
     .min = 0,
     .max = 60 * NS_PER_S,
     .help = "A write is made when the oldest packet has waited this long."},
    {.name = "retry_delay_max",
     .type = SETTING_DURATION,
     .offset = AT(retry_delay_max_ns),
     .default_text = "5s",
     .min = NS_PER_MS,
     .max = 3600 * NS_PER_S,
     .help = "Longest wait between two tries of a write that failed; waits are random up to a "
             "bound that doubles each time."},
    {.name = "item_attempts",
     .type = SETTING_INT,
     .offset = AT(item_attempts),
     .default_text = "10",
     .min = 1,
     .max = 1000000,
     .help = "How often a packet is tried by itself that fails while the others of its batch are "
             "stored. Failures of the whole database don't count."},
    {.name = "on_exhausted",
     .type = SETTING_CHOICE,
     .offset = AT(on_exhausted),
     .default_text = "dead-letter",
     .choices = exhausted,
     .help = "What comes after item_attempts: the packet becomes a dead letter, or the store "
             "pauses there (unready, trying on) until the database takes it."},
    {.name = "breaker_failures",
     .type = SETTING_INT,
     .offset = AT(breaker_failures),
     .default_text = "5",
     .min = 1,
     .max = 1000,
     .help = "Failed writes in a row after which the database is left alone for a while."},
    {.name = "breaker_delay",
     .type = SETTING_DURATION,
     .offset = AT(breaker_delay_ns),
     .default_text = "10s",
     .min = NS_PER_MS,
     .max = 3600 * NS_PER_S,
     .help = "How long it is left alone before one write tries it again."},
    {.name = "merge_interval",
     .type = SETTING_DURATION,
     .offset = AT(merge_interval_ns),
     .default_text = "60s",
     .min = NS_PER_MS,
     .max = 3600 * NS_PER_S,
     .help = "How long written chunks wait until they are merged into per-vehicle blocks."},
    {.name = "vehicles_in_memory",
     .type = SETTING_INT,
     .offset = AT(vehicles_in_memory),
     .default_text = "1000000",
     .min = 1024,
     .max = 100000000,
     .unit = "vehicles",
     .help = "Vehicles whose newest packet is remembered for recognising repeats (32 bytes "
             "each); others are looked up on disk."},
#define MONGODB_AT(member) offsetof(struct sink_config, mongodb.member)
#include "sink/mongodb/settings.def"
};

const char *sink_kind_name(enum sink_kind kind)
{
    return kinds[kind];
}

static bool is_listed(const struct sink_config *config, enum sink_kind kind)
{
    for (size_t i = 0; i < config->sinks.count; i++)
        if (strcmp(config->sinks.items[i], kinds[kind]) == 0)
            return true;
    return false;
}

size_t sink_kinds(const struct sink_config *config, enum sink_kind out[SINK_KINDS])
{
    size_t count = 0;
    out[count++] = (enum sink_kind)config->kind;
    for (int kind = 0; kind < SINK_KINDS; kind++)
        if (kind != config->kind && is_listed(config, (enum sink_kind)kind))
            out[count++] = (enum sink_kind)kind;
    return count;
}

static int check_sinks(const struct sink_config *config, struct error *err)
{
    size_t known = 0;
    for (int kind = 0; kind < SINK_KINDS; kind++)
        known += is_listed(config, (enum sink_kind)kind);
    if (known != config->sinks.count)
        return error_set(err, ERROR_CONFIG, "sinks: wants sqlite, memory or mongodb, each once");
    if (known > 0 && !is_listed(config, (enum sink_kind)config->kind))
        return error_set(err, ERROR_CONFIG,
                         "sinks: kind (%s) must be among them: history is read from it",
                         kinds[config->kind]);
    return 0;
}

static int check(const void *module, struct error *err)
{
    const struct sink_config *config = module;
    if (check_sinks(config, err) != 0)
        return -1;
    return mongodb_config_check(&config->mongodb, err);
}

const struct config_module sink_module = {
    .name = "sink",
    .help = "The database that keeps every packet.",
    .settings = settings,
    .setting_count = SETTING_COUNT(settings),
    .size = sizeof(struct sink_config),
    .check = check,
};
