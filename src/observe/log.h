/* SPDX-License-Identifier: Apache-2.0 */
/* Structured log lines on standard error: logfmt on a terminal, JSON otherwise
 * (Elastic Common Schema; log_line.h). Any thread. A line is one write(2). Never
 * a secret, never a raw position above debug.
 *
 * Levels are kept per module and may be changed at any time. A call site that
 * speaks too often is held back (log_site.h); debug lines are not. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
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

/* The level of all modules (LOG_ERROR + 1: nothing), forgetting what was set for
 * single ones; and how lines look. */
void log_configure(enum log_level least, enum log_format format);
/* What the process is ("gateway", "run"): stands in each JSON line. A constant. */
void log_set_role(const char *role);
/* Lines that a call site may write at once, and a second; per_s 0 = no limit. */
void log_set_limit(int64_t burst, int64_t per_s);

/* ---- levels at run time ---- */

/* -1 when there is no such level. */
int log_level_by_name(struct bytes name, enum log_level *out);
const char *log_level_name(enum log_level level);
/* One module's level, or with "" that of all. -1: no memory for one more name
 * (64 are kept), or the name is too long. */
int log_set_level(struct bytes module, enum log_level level);
/* debug for all, or back to what was configured: what SIGUSR1 does. */
void log_toggle_debug(void);
/* Appends {"level":"info","modules":{"gateway":"debug",…}}: the modules that
 * have spoken or were set. */
void log_print_levels(struct buf *out);

/* The latest warnings and errors (32 are kept, cut at 480 bytes), oldest first,
 * as logfmt lines. Called with a lock held: must not log. */
void log_recent(void (*fn)(void *context, struct bytes line), void *context);

/* ---- speaking ---- */

/* `module` is the folder or role that speaks ("gateway", "journal"). Module and
 * message are constant texts. */
void log_write(enum log_level level, const char *module, const char *message,
               const struct log_field *fields, size_t field_count);

/* log_event(LOG_INFO, "gateway", "listening", LOG_T("address", a), LOG_I("loops", n));
 * at least one field. Without fields: log_write(level, module, message, NULL, 0). */
#define log_event(level, module, message, ...)                                 \
    log_write((level), (module), (message), (struct log_field[]){__VA_ARGS__}, \
              sizeof((struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field))

/* An error that is handled here, once. */
void log_error(const char *module, const char *message, const struct error *err);
