/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/gzip.h"

#include <limits.h>
#include <stdlib.h>

/* zlib takes its input as const only when asked. */
#define ZLIB_CONST
#include <zlib.h>

enum { GZIP_WINDOW_BITS = 15 + 16 /* gzip wrapper only */, STEP_BYTES = 16 * 1024 };

struct gzip_stream {
    z_stream z;
    bool is_between; /* a member ended; the next, if any, begins */
};

struct gzip_stream *gzip_stream_new(void)
{
    struct gzip_stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL)
        return NULL;
    if (inflateInit2(&stream->z, GZIP_WINDOW_BITS) != Z_OK) {
        free(stream);
        return NULL;
    }
    return stream;
}

void gzip_stream_free(struct gzip_stream *stream)
{
    if (stream == NULL)
        return;
    inflateEnd(&stream->z);
    free(stream);
}

static unsigned cut_to_uint(size_t len)
{
    return len > UINT_MAX ? UINT_MAX : (unsigned)len;
}

/* One call of inflate(); the member's end is told by Z_STREAM_END. */
static int inflate_once(z_stream *z, struct bytes in, size_t *used, char *out, size_t out_size,
                        size_t *written)
{
    unsigned in_len = cut_to_uint(in.len);
    unsigned out_len = cut_to_uint(out_size);
    z->next_in = (const Bytef *)in.ptr;
    z->avail_in = in_len;
    z->next_out = (Bytef *)out;
    z->avail_out = out_len;
    int rc = inflate(z, Z_NO_FLUSH);
    *used += in_len - z->avail_in;
    *written += out_len - z->avail_out;
    return rc;
}

enum gzip_result gzip_stream_read(struct gzip_stream *stream, struct bytes in, size_t *used,
                                  char *out, size_t out_size, size_t *written)
{
    *used = 0;
    *written = 0;
    for (;;) {
        if (stream->is_between && *used == in.len)
            return GZIP_OK;
        if (stream->is_between) {
            inflateReset(&stream->z);
            stream->is_between = false;
        }
        size_t used_before = *used;
        size_t written_before = *written;
        int rc = inflate_once(&stream->z, bytes_of(in.ptr + *used, in.len - *used), used,
                              out + *written, out_size - *written, written);
        if (rc == Z_STREAM_END)
            stream->is_between = true;
        else if (rc == Z_MEM_ERROR)
            return GZIP_MEMORY;
        else if (rc != Z_OK && rc != Z_BUF_ERROR)
            return GZIP_BAD;
        else if (*used == used_before && *written == written_before)
            return GZIP_MORE;
    }
}

static enum gzip_result inflate_all(struct gzip_stream *stream, struct bytes in, struct buf *out,
                                    size_t max_bytes)
{
    size_t begin = out->len;
    for (;;) {
        size_t room = max_bytes - (out->len - begin);
        char probe[1]; /* a full output still takes the member's checksum */
        size_t step = room < STEP_BYTES ? room : STEP_BYTES;
        if (step > 0 && buf_reserve(out, step) != 0)
            return GZIP_MEMORY;
        size_t used, written;
        enum gzip_result result =
            gzip_stream_read(stream, in, &used, step > 0 ? out->ptr + out->len : probe,
                             step > 0 ? step : sizeof probe, &written);
        if (step == 0 && written > 0)
            return GZIP_TOO_BIG;
        out->len += written;
        in = bytes_of(in.ptr + used, in.len - used);
        if (result != GZIP_MORE)
            return result;
        if (in.len == 0 && written == 0)
            return GZIP_CUT;
    }
}

enum gzip_result gzip_inflate(struct bytes in, struct buf *out, size_t max_bytes)
{
    struct gzip_stream *stream = gzip_stream_new();
    if (stream == NULL)
        return GZIP_MEMORY;
    enum gzip_result result = inflate_all(stream, in, out, max_bytes);
    gzip_stream_free(stream);
    return result;
}
