/* SPDX-License-Identifier: Apache-2.0 */
/* Chunked bodies: the first byte chooses a piece size; the verdict, the bytes
 * used and the body are the same as with the whole input at once. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/must.h"
#include "codec/http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum http1_result decode(struct bytes in, size_t piece, struct buf *body, size_t *total)
{
    struct http1_chunked decoder = {0};
    *total = 0;
    while (*total < in.len) {
        size_t len = in.len - *total < piece ? in.len - *total : piece;
        size_t used;
        struct bytes chunk;
        enum http1_result result =
            http1_chunked_feed(&decoder, bytes_of(in.ptr + *total, len), &used, &chunk);
        must(used <= len && chunk.len <= used);
        must(used > 0 || result != HTTP1_MORE);
        must(buf_append_bytes(body, chunk) == 0);
        *total += used;
        if (result != HTTP1_MORE)
            return result;
    }
    return HTTP1_MORE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct bytes in = bytes_of((const char *)data + 1, size - 1);
    struct buf whole, pieces;
    buf_init(&whole, 0);
    buf_init(&pieces, 0);
    size_t whole_len, pieces_len;
    enum http1_result a = decode(in, in.len, &whole, &whole_len);
    enum http1_result b = decode(in, 1 + data[0] % 16, &pieces, &pieces_len);
    must(a == b && whole_len == pieces_len);
    must(bytes_equal(buf_bytes(&whole), buf_bytes(&pieces)));
    buf_deinit(&whole);
    buf_deinit(&pieces);
    return 0;
}
