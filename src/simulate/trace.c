/* SPDX-License-Identifier: Apache-2.0 */
#include "simulate/trace.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/text.h"
#include "codec/csv.h"
#include "codec/json.h"
#include "simulate/columns.h"

enum { LINE_BYTES_MAX = 256 * 1024, JSON_KEYS_MAX = 8192, JSON_TEXT_MAX = 65536, NOTED_MAX = 200 };

enum kind { UNKNOWN, CSV, NDJSON };

struct trace {
    enum kind kind;
    const char *map;
    struct csv csv;
    struct columns *columns; /* NULL before the first line */
    struct json_reader *json;
    struct buf line; /* NDJSON: an unfinished line; CSV: the packet made */
    bool is_line_done;
    bool is_skipping; /* the rest of a line that is too long */
    uint64_t line_number;
    const char *problem;
    char note[TRACE_NOTE_MAX];
};

struct trace *trace_new(const char *map)
{
    struct trace *trace = calloc(1, sizeof *trace);
    if (trace == NULL)
        return NULL;
    trace->map = map;
    csv_init(&trace->csv, ',', LINE_BYTES_MAX);
    buf_init(&trace->line, LINE_BYTES_MAX);
    trace->json = json_reader_new(JSON_KEYS_MAX, JSON_TEXT_MAX);
    if (trace->json != NULL)
        return trace;
    trace_free(trace);
    return NULL;
}

void trace_free(struct trace *trace)
{
    if (trace == NULL)
        return;
    csv_deinit(&trace->csv);
    columns_free(trace->columns);
    json_reader_free(trace->json);
    buf_deinit(&trace->line);
    free(trace);
}

uint64_t trace_line(const struct trace *trace)
{
    return trace->line_number;
}

const char *trace_problem(const struct trace *trace)
{
    return trace->problem;
}

bool trace_is_ndjson(const struct trace *trace)
{
    return trace->kind == NDJSON;
}

static enum trace_step complain(struct trace *trace, const char *problem)
{
    trace->problem = problem;
    return TRACE_BAD;
}

/* A field of a CSV line, quoted if need be. */
static void put_noted(struct buf *out, struct bytes text)
{
    bool is_plain = true;
    for (size_t i = 0; i < text.len; i++)
        is_plain = is_plain && strchr(",\"\r\n", text.ptr[i]) == NULL;
    if (is_plain) {
        buf_append_bytes(out, text);
        return;
    }
    buf_append_char(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '"')
            buf_append_char(out, '"');
        buf_append_char(out, text.ptr[i]);
    }
    buf_append_char(out, '"');
}

static void describe(struct trace *trace, const struct columns_packet *known,
                     struct trace_packet *packet)
{
    packet->vehicle_hash = hash64(known->vehicle);
    packet->time_ms = known->time_ms;
    packet->has_time = known->has_time;
    packet->note = bytes_of(NULL, 0);
    if (known->vehicle.len == 0 || known->vehicle.len > NOTED_MAX || known->seq.len > TEXT_U64_MAX)
        return;
    /* In place: nothing of it is on the heap. */
    struct buf note = {.ptr = trace->note, .cap = sizeof trace->note, .limit = sizeof trace->note};
    put_noted(&note, known->vehicle);
    buf_append_char(&note, ',');
    buf_append_bytes(&note, known->seq);
    buf_append_char(&note, ',');
    if (known->has_time)
        buf_append_i64(&note, known->time_ms);
    buf_append_char(&note, '\n');
    packet->note = buf_bytes(&note);
}

/* ---- CSV ---- */

static enum trace_step take_record(struct trace *trace, enum csv_step step,
                                   struct trace_packet *packet)
{
    trace->line_number = trace->csv.line;
    if (step == CSV_BAD)
        return complain(trace, trace->csv.problem);
    struct columns_packet known;
    const char *why = columns_convert(trace->columns, &trace->csv, &trace->line, &known);
    if (why != NULL)
        return complain(trace, why);
    packet->packet = buf_bytes(&trace->line);
    describe(trace, &known, packet);
    return TRACE_PACKET;
}

static enum trace_step take_csv(struct trace *trace, struct bytes *in, struct trace_packet *packet,
                                struct error *err)
{
    enum csv_step step;
    while ((step = in == NULL ? csv_finish(&trace->csv) : csv_next(&trace->csv, in)) != CSV_MORE) {
        if (trace->columns != NULL)
            return take_record(trace, step, packet);
        trace->line_number = trace->csv.line;
        if (step == CSV_BAD) {
            error_set(err, ERROR_CORRUPT, "line %llu: %s", (unsigned long long)trace->csv.line,
                      trace->csv.problem);
            return TRACE_FAILED;
        }
        if (columns_new(&trace->columns, &trace->csv, trace->map, err) != 0)
            return TRACE_FAILED;
    }
    return TRACE_MORE;
}

/* ---- NDJSON ---- */

static struct bytes scalar_text(enum json_event event, struct bytes raw)
{
    return event == JSON_STRING ? bytes_of(raw.ptr + 1, raw.len - 2) : raw;
}

/* Who, which and when, of the object's own members; what can't be found out is
 * the gateway's to judge. */
static void read_members(struct trace *trace, struct bytes line, struct columns_packet *known)
{
    struct json_token token;
    struct bytes key = bytes_of(NULL, 0);
    double number;
    unsigned depth = 0;
    json_reader_start(trace->json, line);
    for (;;) {
        enum json_event event = json_reader_next(trace->json, &token);
        if (event == JSON_END || event == JSON_FAULT)
            return;
        depth += event == JSON_OBJECT || event == JSON_ARRAY;
        depth -= event == JSON_OBJECT_END || event == JSON_ARRAY_END;
        if (event == JSON_KEY)
            key = token.text;
        if (depth != 1 || (event != JSON_STRING && event != JSON_NUMBER))
            continue;
        struct bytes text = scalar_text(event, token.raw);
        if (bytes_equal(key, BYTES("obuid")) || bytes_equal(key, BYTES("source")))
            known->vehicle = text;
        else if (bytes_equal(key, BYTES("seq")))
            known->seq = text;
        else if (!bytes_equal(key, BYTES("time")) && !bytes_equal(key, BYTES("timestamp")))
            continue;
        else if (event == JSON_STRING)
            known->has_time = text_to_time_ms(text, &known->time_ms);
        else if (text_to_double(text, &number) && number >= 0 && number < 1e15) {
            known->time_ms = columns_number_to_ms(number);
            known->has_time = true;
        }
    }
}

static enum trace_step take_line(struct trace *trace, struct bytes line,
                                 struct trace_packet *packet)
{
    if (line.ptr[0] != '{')
        return complain(trace, "a line must be one JSON object");
    struct columns_packet known = {.has_time = false};
    read_members(trace, line, &known);
    packet->packet = line;
    describe(trace, &known, packet);
    return TRACE_PACKET;
}

/* The line is over, its text is `line`; TRACE_MORE: there was nothing on it. */
static enum trace_step end_line(struct trace *trace, struct bytes line, struct trace_packet *packet)
{
    trace->line_number++;
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    line = bytes_trim(line);
    if (trace->is_skipping) {
        trace->is_skipping = false;
        return complain(trace, "the line is longer than 256 KiB");
    }
    return line.len == 0 ? TRACE_MORE : take_line(trace, line, packet);
}

static void keep(struct trace *trace, struct bytes part)
{
    if (trace->is_skipping || buf_append_bytes(&trace->line, part) == 0)
        return;
    trace->is_skipping = true;
    buf_clear(&trace->line);
}

static enum trace_step take_ndjson(struct trace *trace, struct bytes *in,
                                   struct trace_packet *packet)
{
    if (trace->is_line_done)
        buf_clear(&trace->line);
    trace->is_line_done = false;
    while (in->len > 0) {
        const char *end = memchr(in->ptr, '\n', in->len);
        struct bytes part = bytes_of(in->ptr, end == NULL ? in->len : (size_t)(end - in->ptr));
        size_t used = part.len + (end != NULL);
        *in = bytes_of(in->ptr + used, in->len - used);
        if (end == NULL || trace->line.len > 0 || part.len > LINE_BYTES_MAX) {
            keep(trace, part);
            part = buf_bytes(&trace->line);
        }
        if (end == NULL)
            return TRACE_MORE;
        enum trace_step step = end_line(trace, part, packet);
        trace->is_line_done = step != TRACE_MORE;
        if (step != TRACE_MORE)
            return step;
        buf_clear(&trace->line);
    }
    return TRACE_MORE;
}

/* ---- both ---- */

static void detect(struct trace *trace, struct bytes *in)
{
    const char *end = in->ptr + in->len;
    const char *p = json_skip_blanks(in->ptr, end);
    for (const char *blank = in->ptr; blank < p; blank++)
        trace->line_number += *blank == '\n';
    if (p == end) {
        *in = bytes_of(end, 0);
        return;
    }
    trace->kind = *p == '{' || *p == '[' ? NDJSON : CSV;
    if (trace->kind == NDJSON)
        *in = bytes_of(p, (size_t)(end - p));
}

enum trace_step trace_next(struct trace *trace, struct bytes *in, struct trace_packet *packet,
                           struct error *err)
{
    if (trace->kind == UNKNOWN)
        detect(trace, in);
    switch (trace->kind) {
    case UNKNOWN:
        return TRACE_MORE;
    case CSV:
        return take_csv(trace, in, packet, err);
    case NDJSON:
        return take_ndjson(trace, in, packet);
    }
    return TRACE_MORE;
}

enum trace_step trace_finish(struct trace *trace, struct trace_packet *packet, struct error *err)
{
    if (trace->kind == CSV)
        return take_csv(trace, NULL, packet, err);
    bool is_over = trace->is_line_done || (trace->line.len == 0 && !trace->is_skipping);
    if (trace->kind == UNKNOWN || is_over)
        return TRACE_MORE;
    trace->is_line_done = true;
    return end_line(trace, buf_bytes(&trace->line), packet);
}
