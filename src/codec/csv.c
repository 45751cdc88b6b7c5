/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/csv.h"

#include <string.h>

#include "base/must.h"

enum state {
    FIELD_START, /* nothing of the field yet */
    UNQUOTED,
    QUOTED,
    QUOTE_SEEN, /* a quote inside a quoted field: its end, or half of a doubled one */
    CR_SEEN,    /* only LF may follow */
    SKIPPING,   /* the record is bad: up to the next LF */
};

void csv_init(struct csv *csv, char delimiter, size_t record_limit)
{
    *csv = (struct csv){.delimiter = delimiter, .next_line = 1, .record_line = 1};
    buf_init(&csv->text, record_limit);
}

void csv_deinit(struct csv *csv)
{
    buf_deinit(&csv->text);
}

struct bytes csv_field(const struct csv *csv, size_t i)
{
    must(i < csv->field_count);
    size_t start = i == 0 ? 0 : csv->ends[i - 1];
    return bytes_of(csv->text.ptr + start, csv->ends[i] - start);
}

static void start_record(struct csv *csv)
{
    buf_clear(&csv->text);
    csv->field_count = 0;
    csv->record_line = csv->next_line;
    csv->state = FIELD_START;
    csv->has_quote = false;
    csv->is_returned = false;
}

static void spoil(struct csv *csv, const char *problem)
{
    csv->problem = problem;
    csv->state = SKIPPING;
}

static void put(struct csv *csv, struct bytes text)
{
    if (buf_append_bytes(&csv->text, text) != 0)
        spoil(csv, "the record is too long");
}

static void end_field(struct csv *csv)
{
    if (csv->field_count == CSV_FIELDS_MAX) {
        spoil(csv, "the record has more than 256 fields");
        return;
    }
    csv->ends[csv->field_count++] = csv->text.len;
    csv->state = FIELD_START;
}

static enum csv_step end_record(struct csv *csv)
{
    if (csv->state != SKIPPING)
        end_field(csv);
    csv->line = csv->record_line;
    csv->is_returned = true;
    return csv->state == SKIPPING ? CSV_BAD : CSV_RECORD;
}

/* How far plain text reaches: what changes the state stops it. */
static size_t plain_length(const struct csv *csv, struct bytes in)
{
    size_t i = 0;
    if (csv->state == QUOTED) {
        while (i < in.len && in.ptr[i] != '"' && in.ptr[i] != '\n')
            i++;
        return i;
    }
    while (i < in.len && in.ptr[i] != csv->delimiter && in.ptr[i] != '\n' && in.ptr[i] != '\r' &&
           in.ptr[i] != '"')
        i++;
    return i;
}

static void take_quote(struct csv *csv)
{
    csv->has_quote = true;
    switch ((enum state)csv->state) {
    case FIELD_START:
    case QUOTE_SEEN:
        if (csv->state == QUOTE_SEEN)
            put(csv, BYTES("\""));
        if (csv->state != SKIPPING)
            csv->state = QUOTED;
        break;
    case QUOTED:
        csv->state = QUOTE_SEEN;
        break;
    case UNQUOTED:
        spoil(csv, "a quote inside an unquoted field");
        break;
    case CR_SEEN:
        spoil(csv, "a carriage return without a line feed");
        break;
    case SKIPPING:
        break;
    }
}

/* A byte that is neither quote nor LF. */
static void take_other(struct csv *csv, const char *byte)
{
    switch ((enum state)csv->state) {
    case QUOTED:
        put(csv, bytes_of(byte, 1));
        break;
    case FIELD_START:
    case UNQUOTED:
    case QUOTE_SEEN:
        if (*byte == csv->delimiter)
            end_field(csv);
        else if (*byte == '\r')
            csv->state = CR_SEEN;
        else if (csv->state == QUOTE_SEEN)
            spoil(csv, "text behind a closing quote");
        else {
            csv->state = UNQUOTED;
            put(csv, bytes_of(byte, 1));
        }
        break;
    case CR_SEEN:
        spoil(csv, "a carriage return without a line feed");
        break;
    case SKIPPING:
        break;
    }
}

/* Nothing but a line end: not a record. */
static bool is_blank(const struct csv *csv)
{
    return csv->state != SKIPPING && csv->field_count == 0 && csv->text.len == 0 && !csv->has_quote;
}

static const char bom[3] = {'\xEF', '\xBB', '\xBF'};

/* It only looked like one: text after all. */
static void end_bom(struct csv *csv)
{
    if (csv->bom_bytes > 0 && csv->bom_bytes < 3) {
        csv->state = UNQUOTED;
        put(csv, bytes_of(bom, csv->bom_bytes));
    }
    csv->bom_bytes = 3;
}

static void skip_bom(struct csv *csv, struct bytes *in)
{
    while (csv->bom_bytes < 3 && in->len > 0 && in->ptr[0] == bom[csv->bom_bytes]) {
        csv->bom_bytes++;
        in->ptr++;
        in->len--;
    }
    if (in->len > 0)
        end_bom(csv);
}

enum csv_step csv_next(struct csv *csv, struct bytes *in)
{
    if (csv->is_returned)
        start_record(csv);
    if (csv->bom_bytes < 3)
        skip_bom(csv, in);
    while (in->len > 0) {
        bool is_text = csv->state == UNQUOTED || csv->state == QUOTED || csv->state == FIELD_START;
        size_t plain = is_text ? plain_length(csv, *in) : 0;
        if (plain > 0) {
            if (csv->state == FIELD_START)
                csv->state = UNQUOTED;
            put(csv, bytes_of(in->ptr, plain));
            *in = bytes_of(in->ptr + plain, in->len - plain);
            continue;
        }
        const char *byte = in->ptr;
        *in = bytes_of(in->ptr + 1, in->len - 1);
        if (*byte == '\n') {
            csv->next_line++;
            if (csv->state == QUOTED)
                put(csv, BYTES("\n"));
            else if (is_blank(csv))
                start_record(csv);
            else
                return end_record(csv);
        } else if (*byte == '"') {
            take_quote(csv);
        } else {
            take_other(csv, byte);
        }
    }
    return CSV_MORE;
}

enum csv_step csv_finish(struct csv *csv)
{
    if (csv->is_returned)
        start_record(csv);
    end_bom(csv);
    if (csv->state == QUOTED)
        spoil(csv, "the input ends inside a quoted field");
    if (csv->state == CR_SEEN)
        spoil(csv, "a carriage return without a line feed");
    if (is_blank(csv))
        return CSV_MORE;
    return end_record(csv);
}
