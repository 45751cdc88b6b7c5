/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers and times as text and back. Locale never matters here. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

enum {
    TEXT_U64_MAX = 21,    /* digits and sign of a 64-bit integer */
    TEXT_DOUBLE_MAX = 32, /* longest text_from_double */
    TEXT_TIME_MAX = 32,   /* longest text_from_time_ms and _ns */
    TEXT_UNIT_MAX = 32,   /* longest text_from_duration_ns, text_from_size_bytes */
};

/* Writers: into `out` (at least the size above), not NUL-terminated; return the length. */
size_t text_from_u64(char *out, uint64_t value);
size_t text_from_i64(char *out, int64_t value);
/* The shortest text that reads back as the same double; finite values only.
 * A JSON number: never "1." or ".5". */
size_t text_from_double(char *out, double value);
/* RFC 3339 in UTC with milliseconds: 2008-05-20T07:00:00.000Z. Years 0000-9999;
 * beyond them the time is clamped. */
size_t text_from_time_ms(char *out, int64_t time_ms);
/* The same with nanoseconds: 2008-05-20T07:00:00.000000000Z. */
size_t text_from_time_ns(char *out, int64_t time_ns);
/* Lower-case hex, two digits a byte; out holds 2 * len. */
size_t text_from_hex(char *out, const void *ptr, size_t len);

/* Readers: the whole of `text` must be the value; false otherwise. */
bool text_to_u64(struct bytes text, uint64_t *out); /* [0-9]+ up to 2^64-1 */
bool text_to_i64(struct bytes text, int64_t *out);
bool text_to_double(struct bytes text, double *out); /* JSON number grammar; may give inf */
/* RFC 3339 date-time: 'T', 't' or a space; fraction of any length (cut to ms,
 * rounding toward the past); 'Z', 'z' or a +hh:mm offset (required). A leap
 * second (:60) reads as the next second. */
bool text_to_time_ms(struct bytes text, int64_t *out);
/* The same to the nanosecond; false as well beyond the years 1678-2261. */
bool text_to_time_ns(struct bytes text, int64_t *out);
/* "250ms", "5s", "1.5h", "7d" and "64k", "1MiB", "2G": as used by settings.
 * Units: ns us ms s m h d / B, k K KiB, M MiB, G GiB, T TiB (powers of 1024). */
bool text_to_duration_ns(struct bytes text, int64_t *out);
bool text_to_size_bytes(struct bytes text, int64_t *out);
/* And back, in the largest unit that divides it: "1500ms", "1MiB", "0"; not
 * below zero; out holds TEXT_UNIT_MAX. */
size_t text_from_duration_ns(char *out, int64_t duration_ns);
size_t text_from_size_bytes(char *out, int64_t size_bytes);
bool text_to_hex_bytes(struct bytes text, void *out, size_t out_len); /* exactly out_len bytes */

bool text_is_utf8(struct bytes text); /* RFC 3629: no surrogates, no overlong forms */
/* Bytes of the well-formed character that `text` begins with (1-4); 0 when what
 * stands there is none, or nothing. */
size_t text_utf8_len(struct bytes text);

/* Damerau-Levenshtein distance, capped: for «did you mean». */
size_t text_distance(const char *a, const char *b);
