/* SPDX-License-Identifier: Apache-2.0 */
/* Structured log lines on standard error: logfmt on a terminal, JSON otherwise.
 * Any thread. A line is one write(2). Never a secret, never a raw position
 * above debug. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_AUTO, LOG_LOGFMT, LOG_JSON };

struct log_field {
    const char *name;
    enum { LOG_FIELD_TEXT, LOG_FIELD_INT, LOG_FIELD_DOUBLE } type;
    struct bytes text;
    int64_t integer;
    double number;
};

#define LOG_T(field_name, value) \
    ((struct log_field){         \
        .name = (field_name), .type = LOG_FIELD_TEXT, .text = bytes_from_text(value)})
#define LOG_B(field_name, value) \
    ((struct log_field){.name = (field_name), .type = LOG_FIELD_TEXT, .text = (value)})
#define LOG_I(field_name, value) \
    ((struct log_field){.name = (field_name), .type = LOG_FIELD_INT, .integer = (int64_t)(value)})
#define LOG_F(field_name, value) \
    ((struct log_field){.name = (field_name), .type = LOG_FIELD_DOUBLE, .number = (value)})

void log_configure(enum log_level least, enum log_format format);

/* `module` is the folder or role that speaks ("gateway", "journal"). */
void log_write(enum log_level level, const char *module, const char *message,
               const struct log_field *fields, size_t field_count);

/* log_event(LOG_INFO, "gateway", "listening", LOG_T("address", a), LOG_I("loops", n));
 * at least one field. Without fields: log_write(level, module, message, NULL, 0). */
#define log_event(level, module, message, ...)                                 \
    log_write((level), (module), (message), (struct log_field[]){__VA_ARGS__}, \
              sizeof((struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field))

/* An error that is handled here, once. */
void log_error(const char *module, const char *message, const struct error *err);
