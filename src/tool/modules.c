/* SPDX-License-Identifier: Apache-2.0 */
#include "tool/modules.h"

#include <string.h>

#include "broker/config.h"
#include "broker/kafka/config.h"
#include "broker/spool/config.h"
#include "export/config.h"
#include "gateway/config.h"
#include "handler/config.h"
#include "live/config.h"
#include "sink/config.h"
#include "store/config.h"
#include "tool/status.h"
#include "vehicle/topics.h"

/* In the order of the enums in observe/log.h. */
static const char *const levels[] = {"debug", "info", "warn", "error", NULL};
static const char *const formats[] = {"auto", "logfmt", "json", NULL};

static const struct setting log_settings[] = {
    {.name = "level",
     .type = SETTING_CHOICE,
     .offset = offsetof(struct log_config, level),
     .default_text = "info",
     .choices = levels,
     .is_reloadable = true,
     .help = "The least level that is written."},
    {.name = "format",
     .type = SETTING_CHOICE,
     .offset = offsetof(struct log_config, format),
     .default_text = "auto",
     .choices = formats,
     .is_reloadable = true,
     .help = "How a line looks; auto is logfmt on a terminal, JSON (Elastic Common Schema) "
             "otherwise."},
    {.name = "modules",
     .type = SETTING_LIST,
     .offset = offsetof(struct log_config, modules),
     .default_text = "",
     .is_reloadable = true,
     .help = "Levels of single modules, as in [gateway=debug, journal=warn]."},
    {.name = "burst",
     .type = SETTING_INT,
     .offset = offsetof(struct log_config, burst),
     .default_text = "20",
     .min = 1,
     .max = 1000000,
     .unit = "lines",
     .is_reloadable = true,
     .help = "Lines that one place in the program may write at once before log.rate holds it "
             "back."},
    {.name = "rate",
     .type = SETTING_INT,
     .offset = offsetof(struct log_config, per_s),
     .default_text = "5",
     .min = 0,
     .max = 1000000,
     .unit = "lines/s",
     .is_reloadable = true,
     .help = "Lines a second that one place in the program may write; what is held back is "
             "counted, and told by its next line. 0 = no limit."},
};

/* "gateway=debug" */
static int split_level(const char *text, struct bytes *name, enum log_level *level)
{
    const char *equal = strchr(text, '=');
    if (equal == NULL || equal == text)
        return -1;
    *name = bytes_of(text, (size_t)(equal - text));
    return log_level_by_name(bytes_from_text(equal + 1), level);
}

static int check_log(const void *module, struct error *err)
{
    const struct log_config *config = module;
    struct bytes name;
    enum log_level level;
    for (size_t i = 0; i < config->modules.count; i++)
        if (split_level(config->modules.items[i], &name, &level) != 0)
            return error_set(
                err, ERROR_CONFIG,
                "modules: \"%s\" is not MODULE=LEVEL; levels: debug, info, warn, error",
                config->modules.items[i]);
    return 0;
}

void log_apply(const struct log_config *config)
{
    log_configure((enum log_level)config->level, (enum log_format)config->format);
    log_set_limit(config->burst, config->per_s);
    for (size_t i = 0; i < config->modules.count; i++) {
        struct bytes name;
        enum log_level level;
        if (split_level(config->modules.items[i], &name, &level) == 0)
            log_set_level(name, level);
    }
}

const struct config_module log_module = {
    .name = "log",
    .help = "Log lines on standard error.",
    .settings = log_settings,
    .setting_count = SETTING_COUNT(log_settings),
    .size = sizeof(struct log_config),
    .check = check_log,
};

static const struct setting admin_settings[] = {
    {.name = "listen",
     .type = SETTING_STRING,
     .offset = offsetof(struct admin_config, listen),
     .default_text = "",
     .help = "Address and port of /metrics, /healthz and /readyz. Empty: on the gateway's own "
             "address."},
};

const struct config_module admin_module = {
    .name = "admin",
    .help = "Metrics and health for operators.",
    .settings = admin_settings,
    .setting_count = SETTING_COUNT(admin_settings),
    .size = sizeof(struct admin_config),
};

/* One a line: */
/* clang-format off */
const struct config_module *const all_modules[] = {
    &run_module,
    &gateway_module,
    &broker_module,
    &kafka_module,
    &spool_module,
    &topics_module,
    &handler_module,
    &store_module,
    &sink_module,
    &live_module,
    &admin_module,
    &log_module,
    &graphite_module,
    &statsd_module, &tracing_module,
    NULL,
};
/* clang-format on */

struct broker_config broker_settings(const struct config *config)
{
    struct broker_config settings =
        *(const struct broker_config *)config_get(config, &broker_module);
    settings.kafka = config_get(config, &kafka_module);
    return settings;
}
