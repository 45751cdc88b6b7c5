/* SPDX-License-Identifier: Apache-2.0 */
/* Comma-separated values (RFC 4180), streaming: bytes in pieces of any size,
 * records out. Quoted fields with doubled quotes, delimiters and line ends in
 * them; lines end in LF or CRLF; the last one may lack it. Stricter than most:
 * a quote inside an unquoted field, text behind a closing quote and a bare CR
 * make the record bad, never a guess. More lenient than the RFC: empty lines and
 * a UTF-8 byte order mark at the start are skipped, any bytes are text. One
 * thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"

enum { CSV_FIELDS_MAX = 256 };

enum csv_step {
    CSV_MORE,   /* all of the input is taken, no record is complete */
    CSV_RECORD, /* csv_field() and csv->field_count tell the record */
    CSV_BAD,    /* one record was malformed (csv->problem) and is skipped */
};

struct csv {
    size_t field_count;  /* of the record just returned */
    uint64_t line;       /* on which the record just returned began; from 1 */
    const char *problem; /* static text, for CSV_BAD */
    /* private */
    struct buf text; /* the fields' text, one behind the other */
    size_t ends[CSV_FIELDS_MAX];
    uint64_t next_line;
    uint64_t record_line;
    unsigned bom_bytes; /* of the byte order mark seen so far; 3: past it */
    int state;
    char delimiter;
    bool has_quote;   /* in this record: an empty quoted field is not an empty line */
    bool is_returned; /* the record was given out: the next call starts a new one */
};

/* A record's text is at most record_limit bytes (more: CSV_BAD). */
void csv_init(struct csv *csv, char delimiter, size_t record_limit);
void csv_deinit(struct csv *csv);

/* Take bytes from the front of *in up to the end of one record. */
enum csv_step csv_next(struct csv *csv, struct bytes *in);
/* The input is over: CSV_RECORD or CSV_BAD for a last line without an end, else
 * CSV_MORE. */
enum csv_step csv_finish(struct csv *csv);

/* Field i of the record just returned, unquoted; valid until the next call. */
struct bytes csv_field(const struct csv *csv, size_t i);
