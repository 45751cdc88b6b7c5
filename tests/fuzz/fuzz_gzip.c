/* SPDX-License-Identifier: Apache-2.0 */
/* Inflate: never more than allowed, and a stream fed by pieces agrees. */
#include "base/must.h"
#include "codec/gzip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OUT_MAX = 4096 };

static void check_stream(struct bytes in, size_t piece, struct bytes wanted)
{
    struct gzip_stream *stream = gzip_stream_new();
    must(stream != NULL);
    char out[OUT_MAX + 1];
    size_t out_len = 0;
    enum gzip_result result = GZIP_MORE;
    while (in.len > 0) {
        size_t used, written;
        size_t len = in.len < piece ? in.len : piece;
        result = gzip_stream_read(stream, bytes_of(in.ptr, len), &used, out + out_len,
                                  sizeof out - out_len, &written);
        out_len += written;
        in = bytes_of(in.ptr + used, in.len - used);
        must(result == GZIP_OK || result == GZIP_MORE);
        must(used > 0 || written > 0);
    }
    must(result == GZIP_OK && bytes_equal(bytes_of(out, out_len), wanted));
    gzip_stream_free(stream);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = bytes_of((const char *)data, size);
    struct buf out;
    buf_init(&out, 0);
    enum gzip_result result = gzip_inflate(in, &out, OUT_MAX);
    must(out.len <= OUT_MAX);
    if (result == GZIP_OK)
        check_stream(in, 1 + data[0] % 13 + size % 64, buf_bytes(&out));
    buf_deinit(&out);
    return 0;
}
