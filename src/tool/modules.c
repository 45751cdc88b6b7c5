/* SPDX-License-Identifier: Apache-2.0 */
#include "tool/modules.h"

#include "broker/config.h"
#include "gateway/config.h"
#include "handler/config.h"
#include "live/config.h"
#include "sink/config.h"
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
     .help = "How a line looks; auto is logfmt on a terminal, JSON otherwise."},
};

const struct config_module log_module = {
    .name = "log",
    .help = "Log lines on standard error.",
    .settings = log_settings,
    .setting_count = SETTING_COUNT(log_settings),
    .size = sizeof(struct log_config),
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

/* clang-format off: one a line */
const struct config_module *const all_modules[] = {
    &run_module,  &gateway_module, &broker_module, &topics_module, &handler_module,
    &sink_module, &live_module,    &admin_module,  &log_module,    NULL,
};
/* clang-format on */
