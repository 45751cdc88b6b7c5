/* SPDX-License-Identifier: Apache-2.0 */
/* Owned bytes that grow up to a limit. A failed append leaves the buffer as it
 * was and sets has_failed, so that a writer may append many pieces and ask
 * once. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

struct buf {
    char *ptr;
    size_t len;
    size_t cap;
    size_t limit; /* bytes it may grow to; 0 = no limit */
    bool has_failed;
};

void buf_init(struct buf *buf, size_t limit);
/* Frees the memory; the buffer is empty and usable afterwards. Twice is safe. */
void buf_deinit(struct buf *buf);

/* Room for `more` bytes past len: 0, or -1 (limit or memory; has_failed set). */
int buf_reserve(struct buf *buf, size_t more);
int buf_append(struct buf *buf, const void *ptr, size_t len);
int buf_append_bytes(struct buf *buf, struct bytes bytes);
int buf_append_text(struct buf *buf, const char *text);
int buf_append_char(struct buf *buf, char c);
int buf_append_u64(struct buf *buf, uint64_t value); /* decimal */
int buf_append_i64(struct buf *buf, int64_t value);
int buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* As a JSON string with its quotes (RFC 8259 section 7): control characters
 * escaped, bytes that are not UTF-8 replaced by U+FFFD, one each. */
int buf_append_json(struct buf *buf, struct bytes text);

/* Drop the first len bytes (len <= buf->len); what remains moves to the front. */
void buf_consume(struct buf *buf, size_t len);

static inline void buf_clear(struct buf *buf)
{
    buf->len = 0;
    buf->has_failed = false;
}

static inline struct bytes buf_bytes(const struct buf *buf)
{
    return (struct bytes){buf->ptr, buf->len};
}
