/* SPDX-License-Identifier: Apache-2.0 */
/* Chunked transfer coding (RFC 9112 section 7.1), a byte machine around runs of
 * data. Lines end in CR LF only; size lines and trailers are bounded; trailer
 * fields are checked and thrown away. */
#include "codec/http1.h"

enum {
    SIZE_LINE_MAX = 256, /* size and extensions */
    SIZE_DIGITS_MAX = 16,
    TRAILER_BYTES_MAX = 8192,
};

enum state {
    STATE_SIZE, /* must be 0: a zeroed decoder begins here */
    STATE_EXTENSION,
    STATE_SIZE_LF,
    STATE_DATA,
    STATE_DATA_CR,
    STATE_DATA_LF,
    STATE_TRAILER_START,
    STATE_TRAILER_NAME,
    STATE_TRAILER_VALUE,
    STATE_TRAILER_LF,
    STATE_END_LF,
    STATE_DONE,
    STATE_BAD,
};

static int hex_digit(unsigned char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    unsigned char lower = c | 0x20;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

static bool is_text(unsigned char c)
{
    return (c >= 0x20 && c != 0x7f) || c == '\t';
}

static bool is_name_char(unsigned char c)
{
    return c > 0x20 && c < 0x7f && c != ':' && c != '"' && c != '(' && c != ')' && c != ',' &&
           c != '/' && c != ';' && c != '<' && c != '=' && c != '>' && c != '?' && c != '@' &&
           c != '[' && c != '\\' && c != ']' && c != '{' && c != '}';
}

static enum state after_size_char(struct http1_chunked *decoder, unsigned char c)
{
    int digit = hex_digit(c);
    if (digit >= 0) {
        if (decoder->line_bytes >= SIZE_DIGITS_MAX)
            return STATE_BAD;
        decoder->left = decoder->left * 16 + (unsigned)digit;
        return STATE_SIZE;
    }
    if (decoder->line_bytes == 0)
        return STATE_BAD;
    return c == ';' ? STATE_EXTENSION : c == '\r' ? STATE_SIZE_LF : STATE_BAD;
}

static enum state after_size_line(struct http1_chunked *decoder, unsigned char c)
{
    if (c != '\n')
        return STATE_BAD;
    return decoder->left > 0 ? STATE_DATA : STATE_TRAILER_START;
}

/* The machine's step for every byte that is not data. */
static enum state next_state(struct http1_chunked *decoder, unsigned char c)
{
    switch ((enum state)decoder->state) {
    case STATE_SIZE:
        return after_size_char(decoder, c);
    case STATE_EXTENSION:
        return c == '\r' ? STATE_SIZE_LF : is_text(c) ? STATE_EXTENSION : STATE_BAD;
    case STATE_SIZE_LF:
        return after_size_line(decoder, c);
    case STATE_DATA_CR:
        return c == '\r' ? STATE_DATA_LF : STATE_BAD;
    case STATE_DATA_LF:
        return c == '\n' ? STATE_SIZE : STATE_BAD;
    case STATE_TRAILER_START:
        return c == '\r' ? STATE_END_LF : is_name_char(c) ? STATE_TRAILER_NAME : STATE_BAD;
    case STATE_TRAILER_NAME:
        return c == ':' ? STATE_TRAILER_VALUE : is_name_char(c) ? STATE_TRAILER_NAME : STATE_BAD;
    case STATE_TRAILER_VALUE:
        return c == '\r' ? STATE_TRAILER_LF : is_text(c) ? STATE_TRAILER_VALUE : STATE_BAD;
    case STATE_TRAILER_LF:
        return c == '\n' ? STATE_TRAILER_START : STATE_BAD;
    case STATE_END_LF:
        return c == '\n' ? STATE_DONE : STATE_BAD;
    case STATE_DATA:
    case STATE_DONE:
    case STATE_BAD:
        return STATE_BAD;
    }
    return STATE_BAD;
}

/* Lengths of what is not data, so that no line grows without end. */
static bool is_within_bounds(struct http1_chunked *decoder)
{
    if (decoder->state == STATE_SIZE || decoder->state == STATE_EXTENSION)
        return ++decoder->line_bytes <= SIZE_LINE_MAX;
    if (decoder->state >= STATE_TRAILER_START)
        return ++decoder->trailer_bytes <= TRAILER_BYTES_MAX;
    return true;
}

static void take_data(struct http1_chunked *decoder, struct bytes in, size_t *used,
                      struct bytes *data)
{
    size_t len = in.len - *used;
    if (len > decoder->left)
        len = (size_t)decoder->left;
    *data = bytes_of(in.ptr + *used, len);
    *used += len;
    decoder->left -= len;
    if (decoder->left == 0)
        decoder->state = STATE_DATA_CR;
}

enum http1_result http1_chunked_feed(struct http1_chunked *decoder, struct bytes in, size_t *used,
                                     struct bytes *data)
{
    *used = 0;
    *data = bytes_of(in.ptr, 0);
    while (*used < in.len && decoder->state < STATE_DONE) {
        if (decoder->state == STATE_DATA) {
            take_data(decoder, in, used, data);
            return HTTP1_MORE;
        }
        enum state next = next_state(decoder, (unsigned char)in.ptr[*used]);
        if (next == STATE_SIZE && decoder->state == STATE_DATA_LF)
            decoder->line_bytes = 0;
        else if (!is_within_bounds(decoder))
            next = STATE_BAD;
        decoder->state = next;
        (*used)++;
    }
    if (decoder->state == STATE_BAD)
        return HTTP1_BAD;
    return decoder->state == STATE_DONE ? HTTP1_OK : HTTP1_MORE;
}
