/* SPDX-License-Identifier: Apache-2.0 */
/* Heads: no crash; every view lies within the input; a prefix gives MORE or the
 * verdict of the whole, never another one. */
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "codec/http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(struct bytes view, struct bytes in)
{
    if (view.len > 0 && !bytes_equal(view, BYTES("/")))
        must(view.ptr >= in.ptr && view.ptr + view.len <= in.ptr + in.len);
}

static void check_headers(const struct http1_header *headers, size_t count, struct bytes in)
{
    must(count <= HTTP1_HEADERS_MAX);
    for (size_t i = 0; i < count; i++) {
        check_inside(headers[i].name, in);
        check_inside(headers[i].value, in);
    }
    struct bytes value;
    (void)http1_find_header(headers, count, "upgrade", &value);
    (void)http1_has_token(headers, count, "connection", "close");
}

static enum http1_result parse(struct bytes in, bool is_request, size_t *head_len)
{
    if (!is_request) {
        struct http1_response response;
        enum http1_result result = http1_parse_response(in, &response, head_len);
        if (result == HTTP1_OK)
            check_headers(response.headers, response.header_count, in);
        return result;
    }
    struct http1_request request;
    enum http1_result result = http1_parse_request(in, &request, head_len);
    if (result != HTTP1_OK)
        return result;
    check_headers(request.headers, request.header_count, in);
    check_inside(request.path, in);
    check_inside(request.query, in);
    char out[64];
    size_t len;
    (void)http1_query_value(request.query, "bbox", out, sizeof out);
    (void)http1_decode_segment(request.path, out, sizeof out, &len);
    return result;
}

/* The prefix in memory of its own, so that reading past it is seen. */
static enum http1_result parse_prefix(struct bytes in, size_t len, bool is_request,
                                      size_t *head_len)
{
    char *copy = malloc(len > 0 ? len : 1);
    must(copy != NULL);
    memcpy(copy, in.ptr, len);
    enum http1_result result = parse(bytes_of(copy, len), is_request, head_len);
    free(copy);
    return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 4096)
        return 0;
    struct bytes in = bytes_of((const char *)data, size);
    for (int kind = 0; kind < 2; kind++) {
        size_t head_len = 0;
        enum http1_result whole = parse(in, kind == 0, &head_len);
        size_t step = 1 + size / 64;
        for (size_t len = 0; len < size; len += step) {
            size_t prefix_len = 0;
            enum http1_result result = parse_prefix(in, len, kind == 0, &prefix_len);
            must(result == HTTP1_MORE || result == whole);
            must(result != HTTP1_OK || (prefix_len == head_len && len >= head_len));
        }
    }
    return 0;
}
