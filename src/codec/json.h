/* SPDX-License-Identifier: Apache-2.0 */
/* A strict JSON reader (RFC 8259) that hands out one event after another.
 * Accepted: every JSON text, with numbers of any size, \u0000, any nesting up to
 * the limit, except what RFC 8259 leaves to the receiver and we refuse:
 *   the same key twice in one object ("a" and "\u0061" are the same key);
 *   strings that are not UTF-8, or that escape half a surrogate pair;
 *   a byte order mark; nesting beyond JSON_DEPTH_MAX.
 * No recursion, and no memory is taken after json_reader_new().
 * Writing: buf_append_json() in base/buf.h. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

enum { JSON_DEPTH_MAX = 64 }; /* containers in each other; at most 64, see json.c */

enum json_event {
    JSON_END, /* the text was one whole JSON value */
    JSON_FAULT,
    JSON_OBJECT,
    JSON_OBJECT_END,
    JSON_ARRAY,
    JSON_ARRAY_END,
    JSON_KEY,
    JSON_STRING,
    JSON_NUMBER,
    JSON_TRUE,
    JSON_FALSE,
    JSON_NULL,
};

struct json_token {
    /* As written: strings and keys with their quotes; containers: the bracket. */
    struct bytes raw;
    /* JSON_KEY: what the key says, unescaped, valid until the next start. */
    struct bytes text;
    bool has_escapes; /* JSON_KEY, JSON_STRING */
};

enum json_fault_kind {
    JSON_FAULT_NONE,
    JSON_FAULT_SYNTAX,
    JSON_FAULT_UTF8, /* not UTF-8, or half a surrogate pair */
    JSON_FAULT_DEPTH,
    JSON_FAULT_DUPLICATE,
    JSON_FAULT_KEYS, /* more keys of open objects, or longer ones, than the reader was made for */
};

struct json_fault {
    enum json_fault_kind kind;
    size_t offset;        /* byte, from 0 */
    const char *expected; /* "a value": what would have been right there */
};

struct json_reader;

/* keys_max: keys that may be known at once, over all objects still open.
 * text_max: bytes of keys that hold escapes, in one text. Both sizes are taken
 * at once, but only touched when used. NULL without memory. */
struct json_reader *json_reader_new(size_t keys_max, size_t text_max);
void json_reader_free(struct json_reader *reader);

/* Begin with a text; it must stay until the last event was taken. */
void json_reader_start(struct json_reader *reader, struct bytes text);
/* After JSON_END and JSON_FAULT the same comes again. */
enum json_event json_reader_next(struct json_reader *reader, struct json_token *token);
const struct json_fault *json_reader_fault(const struct json_reader *reader);
/* Bytes taken so far: after a container's end event, where it ended. */
size_t json_reader_offset(const struct json_reader *reader);

/* "byte 17: expected ',' or '}', found 'x'": into out, cut to its size. */
void json_fault_text(const struct json_fault *fault, struct bytes text, char *out, size_t size);

/* ---- single tokens, for readers with another plan ---- */

/* A string, p at its opening quote: returns what follows the closing one; NULL
 * and *fault (offset from p) when it is malformed. */
const char *json_scan_string(const char *p, const char *end, bool *has_escapes,
                             struct json_fault *fault);
/* What a well-formed string (raw, with quotes) says: written to out, which holds
 * raw.len bytes; returns the length, never more than raw.len - 2. */
size_t json_unescape(struct bytes raw, char *out);
/* The extent of the value at p by quotes and brackets alone, not checked
 * otherwise: returns what follows it, NULL when it does not end. *depth is how
 * deep it nests: 0 for a scalar. Linear in the length, whatever stands there. */
const char *json_skip_value(const char *p, const char *end, size_t *depth);

static inline bool json_is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static inline const char *json_skip_blanks(const char *p, const char *end)
{
    while (p < end && json_is_blank(*p))
        p++;
    return p;
}
