/* SPDX-License-Identifier: Apache-2.0 */
/* Borrowed bytes: a pointer and a length, passed by value, valid for the call. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct bytes {
    const char *ptr;
    size_t len;
};

/* A string literal as bytes, without its NUL. */
#define BYTES(literal) ((struct bytes){"" literal, sizeof(literal) - 1})

static inline struct bytes bytes_of(const char *ptr, size_t len)
{
    return (struct bytes){ptr, len};
}

static inline struct bytes bytes_from_text(const char *text)
{
    return (struct bytes){text, strlen(text)};
}

static inline bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool bytes_equal_text(struct bytes a, const char *text)
{
    return bytes_equal(a, bytes_from_text(text));
}

/* ASCII case folded, as HTTP header names and tokens compare. */
bool bytes_equal_nocase(struct bytes a, struct bytes b);

/* Lexicographic, as memcmp, the shorter first on a tie. */
int bytes_compare(struct bytes a, struct bytes b);

/* Without leading and trailing spaces and tabs. */
struct bytes bytes_trim(struct bytes a);

/* A NUL-terminated heap copy; the caller frees it. NULL without memory. */
char *bytes_dup_text(struct bytes a);
