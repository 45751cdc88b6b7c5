/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "base/text.h"

void buf_init(struct buf *buf, size_t limit)
{
    *buf = (struct buf){.limit = limit};
}

void buf_deinit(struct buf *buf)
{
    free(buf->ptr);
    *buf = (struct buf){.limit = buf->limit};
}

static int fail(struct buf *buf)
{
    buf->has_failed = true;
    return -1;
}

static int grow(struct buf *buf, size_t needed)
{
    if (buf->limit != 0 && needed > buf->limit)
        return fail(buf);
    size_t cap = buf->cap < 128 ? 128 : buf->cap;
    while (cap < needed) {
        if (cap > SIZE_MAX / 2)
            return fail(buf);
        cap *= 2;
    }
    if (buf->limit != 0 && cap > buf->limit)
        cap = buf->limit;
    char *ptr = realloc(buf->ptr, cap);
    if (ptr == NULL)
        return fail(buf);
    buf->ptr = ptr;
    buf->cap = cap;
    return 0;
}

int buf_reserve(struct buf *buf, size_t more)
{
    if (more > SIZE_MAX - buf->len)
        return fail(buf);
    size_t needed = buf->len + more;
    if (needed <= buf->cap)
        return 0;
    return grow(buf, needed);
}

int buf_append(struct buf *buf, const void *ptr, size_t len)
{
    if (len == 0)
        return 0;
    if (buf_reserve(buf, len) != 0)
        return -1;
    memcpy(buf->ptr + buf->len, ptr, len);
    buf->len += len;
    return 0;
}

int buf_append_bytes(struct buf *buf, struct bytes bytes)
{
    return buf_append(buf, bytes.ptr, bytes.len);
}

int buf_append_text(struct buf *buf, const char *text)
{
    return buf_append(buf, text, strlen(text));
}

int buf_append_char(struct buf *buf, char c)
{
    return buf_append(buf, &c, 1);
}

int buf_append_u64(struct buf *buf, uint64_t value)
{
    char digits[TEXT_U64_MAX];
    return buf_append(buf, digits, text_from_u64(digits, value));
}

int buf_append_i64(struct buf *buf, int64_t value)
{
    char digits[TEXT_U64_MAX];
    return buf_append(buf, digits, text_from_i64(digits, value));
}

static int print_exactly(struct buf *buf, size_t len, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

/* vsnprintf wants a byte more than it leaves, for its NUL. */
static int print_exactly(struct buf *buf, size_t len, const char *format, va_list args)
{
    if (buf->cap - buf->len > len) {
        vsnprintf(buf->ptr + buf->len, len + 1, format, args);
    } else { /* at the limit, to the last byte */
        char *text = malloc(len + 1);
        if (text == NULL)
            return fail(buf);
        vsnprintf(text, len + 1, format, args);
        memcpy(buf->ptr + buf->len, text, len);
        free(text);
    }
    buf->len += len;
    return 0;
}

int buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len < 0 || buf_reserve(buf, (size_t)len) != 0)
        return fail(buf);
    if (len == 0)
        return 0;
    va_start(args, format);
    int result = print_exactly(buf, (size_t)len, format, args);
    va_end(args);
    return result;
}

/* What must not stand as it is in a JSON string; C1 controls and DEL are legal
 * there, but a terminal may obey them. */
static void append_json_control(struct buf *buf, unsigned code)
{
    static const char short_forms[32] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r',
    };
    if (code < 32 && short_forms[code] != 0) {
        char text[2] = {'\\', short_forms[code]};
        buf_append(buf, text, 2);
        return;
    }
    buf_printf(buf, "\\u%04x", code);
}

static size_t append_json_special(struct buf *buf, struct bytes text)
{
    unsigned char first = (unsigned char)text.ptr[0];
    if (first == '"' || first == '\\') {
        char escaped[2] = {'\\', text.ptr[0]};
        buf_append(buf, escaped, 2);
        return 1;
    }
    if (first < 0x20 || first == 0x7f) {
        append_json_control(buf, first);
        return 1;
    }
    size_t len = text_utf8_len(text);
    if (len == 0) {
        buf_append_text(buf, "\xEF\xBF\xBD");
        return 1;
    }
    if (first == 0xC2 && (unsigned char)text.ptr[1] < 0xA0)
        append_json_control(buf, (unsigned char)text.ptr[1]);
    else
        buf_append(buf, text.ptr, len);
    return len;
}

static bool is_json_plain(char c)
{
    unsigned char u = (unsigned char)c;
    return u >= 0x20 && u < 0x7f && c != '"' && c != '\\';
}

int buf_append_json(struct buf *buf, struct bytes text)
{
    size_t start_len = buf->len;
    bool had_failed = buf->has_failed;
    buf->has_failed = false;
    buf_append_char(buf, '"');
    while (text.len > 0 && !buf->has_failed) {
        size_t run = 0;
        while (run < text.len && is_json_plain(text.ptr[run]))
            run++;
        buf_append(buf, text.ptr, run);
        text = bytes_of(text.ptr + run, text.len - run);
        if (text.len == 0)
            break;
        size_t used = append_json_special(buf, text);
        text = bytes_of(text.ptr + used, text.len - used);
    }
    buf_append_char(buf, '"');
    bool is_whole = !buf->has_failed;
    if (!is_whole)
        buf->len = start_len;
    buf->has_failed = had_failed || !is_whole;
    return is_whole ? 0 : -1;
}

void buf_consume(struct buf *buf, size_t len)
{
    must(len <= buf->len);
    buf->len -= len;
    if (buf->len > 0)
        memmove(buf->ptr, buf->ptr + len, buf->len);
}
