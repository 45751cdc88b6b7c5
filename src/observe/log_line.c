/* SPDX-License-Identifier: Apache-2.0 */
#include "observe/log_line.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"

enum {
    TEXT_MAX_BYTES = 1024, /* of one field, before escaping */
    TAIL_BYTES = 48,       /* kept free for the mark that something is missing */
    ACTION_MAX_BYTES = 64,
};

/* Fields that ECS has a name for. */
static const struct {
    const char *own;
    const char *ecs;
} names[] = {
    {"error", "error.message"},     {"reason", "event.reason"},    {"identity", "event.id"},
    {"peer", "client.address"},     {"address", "server.address"}, {"file", "file.path"},
    {"trace_id", "trace.id"},       {"span_id", "span.id"},        {"pid", "process.pid"},
    {"version", "service.version"},
};

/* ---- values ---- */

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

static void append_text(struct log_line *line, struct bytes text)
{
    struct bytes kept = cut_text(text, TEXT_MAX_BYTES);
    line->is_cut |= kept.len < text.len;
    if (!line->is_json && is_bare(kept))
        buf_append_bytes(&line->buf, kept);
    else
        buf_append_json(&line->buf, kept);
}

static void append_double(struct log_line *line, double value)
{
    char text[TEXT_DOUBLE_MAX];
    if (isfinite(value))
        buf_append(&line->buf, text, text_from_double(text, value));
    else /* JSON has no such number */
        append_text(line, bytes_from_text(isnan(value) ? "nan" : value > 0 ? "inf" : "-inf"));
}

static void append_value(struct log_line *line, const struct log_field *field)
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

/* ---- names ---- */

static void append_name(struct log_line *line, const char *prefix, const char *name)
{
    bool is_first = line->buf.len == 0;
    if (line->is_json)
        buf_printf(&line->buf, "%c\"%s%s\":", is_first ? '{' : ',', prefix, name);
    else
        buf_printf(&line->buf, "%s%s%s=", is_first ? "" : " ", prefix, name);
}

static void append(struct log_line *line, const char *prefix, const char *name,
                   const struct log_field *value)
{
    size_t before = line->buf.len;
    append_name(line, prefix, name);
    append_value(line, value);
    if (!line->buf.has_failed)
        return;
    line->buf.len = before;
    line->buf.has_failed = false;
    line->is_cut = true;
}

static const char *ecs_name(const char *own)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(names[i].own, own) == 0)
            return names[i].ecs;
    return NULL;
}

void log_line_add(struct log_line *line, const struct log_field *field)
{
    const char *ecs = line->is_json ? ecs_name(field->name) : NULL;
    if (ecs != NULL)
        append(line, "", ecs, field);
    else
        append(line, line->is_json ? "motorcade." : "", field->name, field);
}

/* ---- the line ---- */

/* What happened, as a word: messages are constant texts, so "a write failed and
 * is tried again" is the action a-write-failed-and-is-tried-again. */
static void add_action(struct log_line *line, const char *message)
{
    char action[ACTION_MAX_BYTES + 1];
    size_t len = 0;
    for (const char *c = message; *c != '\0' && len < ACTION_MAX_BYTES; c++) {
        bool is_letter = (*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9');
        bool is_capital = *c >= 'A' && *c <= 'Z';
        if (is_letter || is_capital)
            action[len++] = (char)(is_capital ? *c - 'A' + 'a' : *c);
        else if (len > 0 && action[len - 1] != '-')
            action[len++] = '-';
    }
    while (len > 0 && action[len - 1] == '-')
        len--;
    append(line, "", "event.action", &LOG_B("", bytes_of(action, len)));
}

static void begin_json(struct log_line *line, const struct log_head *head, struct bytes time)
{
    append(line, "", "@timestamp", &LOG_B("", time));
    append(line, "", "log.level", &LOG_T("", log_level_name(head->level)));
    append(line, "", "message", &LOG_T("", head->message));
    append(line, "", "ecs.version", &LOG_T("", "8.11.0"));
    append(line, "", "service.name", &LOG_T("", "motorcade"));
    if (head->role[0] != '\0')
        append(line, "", "service.node.role", &LOG_T("", head->role));
    append(line, "", "log.logger", &LOG_T("", head->module));
    append(line, "", "process.pid", &LOG_I("", getpid()));
    add_action(line, head->message);
}

static void begin_logfmt(struct log_line *line, const struct log_head *head, struct bytes time)
{
    append(line, "", "time", &LOG_B("", time));
    append(line, "", "level", &LOG_T("", log_level_name(head->level)));
    append(line, "", "module", &LOG_T("", head->module));
    append(line, "", "message", &LOG_T("", head->message));
}

void log_line_begin(struct log_line *line, const struct log_head *head, bool is_json)
{
    line->buf =
        (struct buf){.ptr = line->memory, .cap = LOG_LINE_MAX, .limit = LOG_LINE_MAX - TAIL_BYTES};
    line->is_json = is_json;
    line->is_cut = false;
    char text[TEXT_TIME_MAX];
    struct bytes time = bytes_of(text, text_from_time_ms(text, clock_wall_ns() / NS_PER_MS));
    if (is_json)
        begin_json(line, head, time);
    else
        begin_logfmt(line, head, time);
}

void log_line_end(struct log_line *line)
{
    line->buf.limit = line->buf.cap; /* the tail was kept free for this */
    if (line->is_cut)
        buf_append_text(&line->buf, line->is_json ? ",\"motorcade.cut\":true" : " cut=true");
    buf_append_text(&line->buf, line->is_json ? "}\n" : "\n");
}
