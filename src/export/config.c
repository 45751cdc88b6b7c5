/* SPDX-License-Identifier: Apache-2.0 */
#include "export/config.h"

#include <string.h>

#include "export/push.h"

#define S INT64_C(1000000000)
#define MS INT64_C(1000000)

static int check_address(const char *address, struct error *err)
{
    char host[256];
    char port[16];
    if (address[0] == '\0' || push_split_address(address, host, sizeof host, port, sizeof port))
        return 0;
    return error_set(err, ERROR_CONFIG, "address: \"%s\" is not host:port", address);
}

/* ---- graphite ---- */

#define AT(field) offsetof(struct graphite_config, field)
static const char *const styles[] = {"dotted", "tagged", NULL};

static const struct setting graphite_settings[] = {
    {.name = "address",
     .type = SETTING_STRING,
     .offset = AT(address),
     .default_text = "",
     .help = "Host and port of a carbon that takes the plaintext protocol over TCP, as in "
             "graphite.example:2003. Empty: no reports."},
    {.name = "interval",
     .type = SETTING_DURATION,
     .offset = AT(interval_ns),
     .default_text = "10s",
     .min = 100 * MS,
     .max = 3600 * S,
     .help = "How often a report is sent; the finest retention of carbon's storage schema should "
             "be the same."},
    {.name = "prefix",
     .type = SETTING_STRING,
     .offset = AT(prefix),
     .default_text = "motorcade.{host}.{role}",
     .help = "What paths begin with; {host} and {role} are filled in. With style tagged, "
             "\"motorcade\" is the usual prefix: host and role are tags there."},
    {.name = "style",
     .type = SETTING_CHOICE,
     .offset = AT(style),
     .default_text = "dotted",
     .choices = styles,
     .help = "dotted: labels are parts of the path. tagged: labels are Graphite tags (1.1 and "
             "later)."},
    {.name = "tags",
     .type = SETTING_LIST,
     .offset = AT(tags),
     .default_text = "",
     .help = "With style tagged: more tags for every line, as in [site=berlin, stage=test]."},
    {.name = "timeout",
     .type = SETTING_DURATION,
     .offset = AT(timeout_ns),
     .default_text = "5s",
     .min = 10 * MS,
     .max = 60 * S,
     .help = "How long connecting and sending may take."},
    {.name = "backlog_bytes",
     .type = SETTING_SIZE,
     .offset = AT(backlog_bytes),
     .default_text = "4MiB",
     .min = 64 << 10,
     .max = 1 << 30,
     .help = "Reports kept while carbon is away; beyond it the oldest lines go, and are counted."},
};

static int check_graphite(const void *module, struct error *err)
{
    const struct graphite_config *config = module;
    for (size_t i = 0; i < config->tags.count; i++) {
        const char *tag = config->tags.items[i];
        const char *equal = strchr(tag, '=');
        if (equal == NULL || equal == tag || equal[1] == '\0' || equal[1] == '~' ||
            strpbrk(tag, ";! \n") != NULL)
            return error_set(err, ERROR_CONFIG, "tags: \"%s\" is not a Graphite tag NAME=VALUE",
                             tag);
    }
    return check_address(config->address, err);
}

const struct config_module graphite_module = {
    .name = "graphite",
    .help = "Metrics pushed to Graphite.",
    .settings = graphite_settings,
    .setting_count = SETTING_COUNT(graphite_settings),
    .size = sizeof(struct graphite_config),
    .check = check_graphite,
};

/* ---- statsd ---- */

#undef AT
#define AT(field) offsetof(struct statsd_config, field)

static const struct setting statsd_settings[] = {
    {.name = "address",
     .type = SETTING_STRING,
     .offset = AT(address),
     .default_text = "",
     .help = "Host and port of a StatsD server (UDP), as in 127.0.0.1:8125. Empty: no reports."},
    {.name = "interval",
     .type = SETTING_DURATION,
     .offset = AT(interval_ns),
     .default_text = "10s",
     .min = 100 * MS,
     .max = 3600 * S,
     .help = "How often a report is sent."},
    {.name = "prefix",
     .type = SETTING_STRING,
     .offset = AT(prefix),
     .default_text = "motorcade.{host}.{role}",
     .help = "What names begin with; {host} and {role} are filled in."},
};

static int check_statsd(const void *module, struct error *err)
{
    return check_address(((const struct statsd_config *)module)->address, err);
}

const struct config_module statsd_module = {
    .name = "statsd",
    .help = "Metrics pushed to StatsD.",
    .settings = statsd_settings,
    .setting_count = SETTING_COUNT(statsd_settings),
    .size = sizeof(struct statsd_config),
    .check = check_statsd,
};

/* ---- tracing ---- */

#undef AT
#define AT(field) offsetof(struct tracing_config, field)

static const struct setting tracing_settings[] = {
    {.name = "endpoint",
     .type = SETTING_STRING,
     .offset = AT(endpoint),
     .default_text = "",
     .help = "Where an OpenTelemetry collector takes OTLP over HTTP, as in "
             "http://127.0.0.1:4318; /v1/traces is appended. Empty: no tracing."},
    {.name = "authorization",
     .type = SETTING_STRING,
     .offset = AT(authorization),
     .default_text = "",
     .is_secret = true,
     .help = "Value of the Authorization header sent there, as in \"Bearer …\"."},
    {.name = "ratio",
     .type = SETTING_DOUBLE,
     .offset = AT(ratio),
     .default_text = "0.01",
     .min = 0,
     .max = 1,
     .help = "Of how many packets the way is traced: 0.01 is one in a hundred. A packet that comes "
             "by HTTP with a sampled traceparent is traced anyway."},
    {.name = "slow",
     .type = SETTING_DURATION,
     .offset = AT(slow_ns),
     .default_text = "1s",
     .min = 0,
     .max = 3600 * S,
     .help = "A packet that waits longer than this for its ack is traced whatever the ratio says; "
             "0 = not."},
    {.name = "traces_per_second",
     .type = SETTING_INT,
     .offset = AT(per_s),
     .default_text = "1000",
     .min = 1,
     .max = 1000000,
     .unit = "traces/s",
     .help = "No more traces begin in a second, whoever asks for them."},
    {.name = "timeout",
     .type = SETTING_DURATION,
     .offset = AT(timeout_ns),
     .default_text = "10s",
     .min = 10 * MS,
     .max = 60 * S,
     .help = "How long one request to the collector may take."},
};

const struct config_module tracing_module = {
    .name = "tracing",
    .help = "Traces of single packets, sent to an OpenTelemetry collector.",
    .settings = tracing_settings,
    .setting_count = SETTING_COUNT(tracing_settings),
    .size = sizeof(struct tracing_config),
};
