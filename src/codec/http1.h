/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/1.1 heads and chunked bodies (RFC 9112): strict, sans-I/O. Bytes in,
 * views out; nothing is copied or kept. What smuggling needs is refused: bare
 * CR or LF, obs-fold, space before a colon, Content-Length beside
 * Transfer-Encoding, differing or odd lengths, any coding but one final
 * `chunked`, missing or doubled Host. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

enum { HTTP1_HEADERS_MAX = 64 };

struct http1_header {
    struct bytes name;
    struct bytes value; /* trimmed */
};

enum http1_method {
    HTTP1_GET,
    HTTP1_HEAD,
    HTTP1_POST,
    HTTP1_PUT,
    HTTP1_DELETE,
    HTTP1_OPTIONS,
    HTTP1_PATCH,
    HTTP1_METHOD_OTHER,
};

/* Every view borrows from the bytes given to the parser. */
struct http1_request {
    enum http1_method method;
    struct bytes method_text;
    struct bytes target; /* as sent */
    struct bytes path;   /* target up to '?', not percent-decoded */
    struct bytes query;  /* behind '?', without it; empty when absent */
    unsigned minor;      /* HTTP/1.minor: 0 or 1 */
    bool is_keep_alive;  /* what the client wants: version and Connection */
    bool is_upgrade;     /* Connection has the token "upgrade" */
    bool expects_continue;
    bool is_chunked;
    bool has_length;
    uint64_t content_length;
    struct http1_header headers[HTTP1_HEADERS_MAX];
    size_t header_count;
};

struct http1_response {
    unsigned status;
    unsigned minor;
    bool is_keep_alive;
    bool is_chunked;
    bool has_length;
    uint64_t content_length;
    struct http1_header headers[HTTP1_HEADERS_MAX];
    size_t header_count;
};

enum http1_result {
    HTTP1_OK,
    HTTP1_MORE,     /* the head is not complete yet */
    HTTP1_BAD,      /* malformed: 400 */
    HTTP1_TOO_MANY, /* more header fields than HTTP1_HEADERS_MAX: 431 */
    HTTP1_VERSION,  /* not HTTP/1.0 or 1.1: 505 */
    HTTP1_CODING,   /* a transfer coding we don't know: 501 */
};

/* Parse a head at the start of `in`. On HTTP1_OK *head_len is its length,
 * blank line included (at most two empty lines before it are skipped and
 * counted). Parsing again from the start when more bytes came is the protocol;
 * the caller bounds the size. */
enum http1_result http1_parse_request(struct bytes in, struct http1_request *out, size_t *head_len);
enum http1_result http1_parse_response(struct bytes in, struct http1_response *out,
                                       size_t *head_len);

/* First header of that name (any case); false when absent. */
bool http1_find_header(const struct http1_header *headers, size_t count, const char *name,
                       struct bytes *value);
/* Does a comma-separated header list hold this token (any case)? All fields of
 * the name are searched. */
bool http1_has_token(const struct http1_header *headers, size_t count, const char *name,
                     const char *token);

/* Percent-decoded value of a query parameter ('+' is a space), into out (NUL-
 * terminated, cut never: false when absent, malformed or too long). */
bool http1_query_value(struct bytes query, const char *name, char *out, size_t out_size);
/* Percent-decode a path segment; false when malformed or too long. */
bool http1_decode_segment(struct bytes segment, char *out, size_t out_size, size_t *len);

/* Chunked body decoder: zero it, feed it in order. */
struct http1_chunked {
    uint64_t left;       /* bytes left of the current chunk */
    unsigned state;      /* private */
    unsigned line_bytes; /* private: length of the current size or trailer line */
    unsigned trailer_bytes;
};

/* Consume from `in`: *used bytes were taken and `*data` (a view into them, maybe
 * empty) is body. HTTP1_OK: the body is complete. HTTP1_MORE: feed on (call
 * again at once while *used < in.len). HTTP1_BAD: malformed. */
enum http1_result http1_chunked_feed(struct http1_chunked *decoder, struct bytes in, size_t *used,
                                     struct bytes *data);

/* The standard reason phrase, "Unknown" for others. */
const char *http1_reason(unsigned status);
