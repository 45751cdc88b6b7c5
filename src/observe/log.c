/* SPDX-License-Identifier: Apache-2.0 */
/* A line is built on the stack, at most LINE_MAX_BYTES: not more than PIPE_BUF
 * on Linux, so that lines of several threads and processes never mix in a pipe.
 * What doesn't fit is cut or left out, and the line says so. */
#include "observe/log.h"

#include <errno.h>
#include <math.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/text.h"
#include "observe/metrics.h"

enum {
    LINE_MAX_BYTES = 4096,
    TEXT_MAX_BYTES = 1024, /* of one field, before escaping */
    TAIL_BYTES = 32,       /* kept free for the mark that something is missing */
};

static _Atomic int least_level = LOG_INFO;
static _Atomic int chosen_format = LOG_AUTO;

void log_configure(enum log_level least, enum log_format format)
{
    least_level = (int)least;
    chosen_format = (int)format;
}

static const char *level_name(enum log_level level)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    return names[level];
}

static bool is_json_wanted(void)
{
    int format = chosen_format;
    if (format == LOG_AUTO) {
        format = isatty(STDERR_FILENO) ? LOG_LOGFMT : LOG_JSON;
        /* Once: another configuration may have come meanwhile. */
        int unset = LOG_AUTO;
        atomic_compare_exchange_strong(&chosen_format, &unset, format);
    }
    return format == LOG_JSON;
}

struct line {
    struct buf buf;
    bool is_json;
    bool is_cut;
};

static bool is_bare(struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c <= ' ' || c >= 0x7f || c == '"' || c == '=' || c == '\\')
            return false;
    }
    return text.len > 0;
}

static struct bytes cut_text(struct bytes text, size_t max)
{
    if (text.len <= max)
        return text;
    /* Not through the middle of a character. */
    while (max > 0 && ((unsigned char)text.ptr[max] & 0xC0) == 0x80)
        max--;
    return bytes_of(text.ptr, max);
}

static void append_text(struct line *line, struct bytes text)
{
    struct bytes kept = cut_text(text, TEXT_MAX_BYTES);
    line->is_cut |= kept.len < text.len;
    if (!line->is_json && is_bare(kept))
        buf_append_bytes(&line->buf, kept);
    else
        buf_append_json(&line->buf, kept);
}

static void append_double(struct line *line, double value)
{
    char text[TEXT_DOUBLE_MAX];
    if (isfinite(value))
        buf_append(&line->buf, text, text_from_double(text, value));
    else /* JSON has no such number */
        append_text(line, bytes_from_text(isnan(value) ? "nan" : value > 0 ? "inf" : "-inf"));
}

static void append_name(struct line *line, const char *name)
{
    if (line->is_json)
        buf_printf(&line->buf, "%c\"%s\":", line->buf.len == 0 ? '{' : ',', name);
    else
        buf_printf(&line->buf, "%s%s=", line->buf.len == 0 ? "" : " ", name);
}

static void append_value(struct line *line, const struct log_field *field)
{
    switch (field->type) {
    case LOG_FIELD_TEXT:
        append_text(line, field->text);
        break;
    case LOG_FIELD_INT:
        buf_append_i64(&line->buf, field->integer);
        break;
    case LOG_FIELD_DOUBLE:
        append_double(line, field->number);
        break;
    }
}

static void append_field(struct line *line, const struct log_field *field)
{
    size_t before = line->buf.len;
    append_name(line, field->name);
    append_value(line, field);
    if (!line->buf.has_failed)
        return;
    line->buf.len = before;
    line->buf.has_failed = false;
    line->is_cut = true;
}

static void append_end(struct line *line)
{
    line->buf.limit = line->buf.cap; /* the tail was kept free for this */
    if (line->is_cut)
        buf_append_text(&line->buf, line->is_json ? ",\"cut\":true" : " cut=true");
    buf_append_text(&line->buf, line->is_json ? "}\n" : "\n");
}

static void write_line(const struct buf *buf)
{
    ssize_t written;
    do
        written = write(STDERR_FILENO, buf->ptr, buf->len);
    while (written < 0 && errno == EINTR);
    if (written != (ssize_t)buf->len)
        metrics_add(METRIC_LOG_DROPPED, 0, 1);
}

void log_write(enum log_level level, const char *module, const char *message,
               const struct log_field *fields, size_t field_count)
{
    if ((int)level < least_level)
        return;
    int saved_errno = errno;
    char memory[LINE_MAX_BYTES];
    struct line line = {
        .buf = {.ptr = memory, .cap = sizeof memory, .limit = sizeof memory - TAIL_BYTES},
        .is_json = is_json_wanted(),
    };
    char time[TEXT_TIME_MAX];
    size_t time_len = text_from_time_ms(time, clock_wall_ns() / NS_PER_MS);
    append_field(&line, &LOG_B("time", bytes_of(time, time_len)));
    append_field(&line, &LOG_T("level", level_name(level)));
    append_field(&line, &LOG_T("module", module));
    append_field(&line, &LOG_T("message", message));
    for (size_t i = 0; i < field_count; i++)
        append_field(&line, &fields[i]);
    append_end(&line);
    write_line(&line.buf);
    metrics_add(METRIC_LOG_LINES, level, 1);
    errno = saved_errno;
}

void log_error(const char *module, const char *message, const struct error *err)
{
    log_event(LOG_ERROR, module, message, LOG_T("error", err->text));
}
