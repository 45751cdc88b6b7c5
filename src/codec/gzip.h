/* SPDX-License-Identifier: Apache-2.0 */
/* gzip (RFC 1952) content, read without trust: the output is bounded by what
 * the caller allows, never by what the input claims, so that a few bytes can't
 * blow up into gigabytes. All members of a file are read as one content; bytes
 * behind the last member that are no member are an error, as are a wrong
 * checksum and a missing end. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/bytes.h"

enum gzip_result {
    GZIP_OK,      /* the whole content is out */
    GZIP_MORE,    /* stream: feed on, or make room */
    GZIP_BAD,     /* not gzip, or damaged */
    GZIP_CUT,     /* the input ended within a member */
    GZIP_TOO_BIG, /* more output than allowed */
    GZIP_MEMORY,
};

/* Append the whole content of `in` to out, at most max_bytes of it. On any other
 * result than GZIP_OK out may hold a part. Memory: what comes out, plus 40 KB
 * for the call. */
enum gzip_result gzip_inflate(struct bytes in, struct buf *out, size_t max_bytes);

/* A stream for inputs of any length: bounded memory, any piece size. */
struct gzip_stream;

struct gzip_stream *gzip_stream_new(void); /* NULL without memory */
void gzip_stream_free(struct gzip_stream *stream);

/* Take from `in` (*used) and write to out (*written <= out_size). GZIP_MORE: call
 * again with more input, or with room if *written == out_size. GZIP_OK: a member
 * ended here and the input with it; at the file's end that means complete. */
enum gzip_result gzip_stream_read(struct gzip_stream *stream, struct bytes in, size_t *used,
                                  char *out, size_t out_size, size_t *written);
