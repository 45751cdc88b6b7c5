/* SPDX-License-Identifier: Apache-2.0 */
/* Frames: a header that parses is the one that ws_write_header() writes; unmask
 * twice is nothing; the incremental UTF-8 check agrees with the one of base. */
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "base/text.h"
#include "codec/websocket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_header(struct bytes in)
{
    struct ws_frame frame;
    enum ws_result whole = ws_parse_header(in, &frame);
    for (size_t len = 0; len < in.len && len < WS_HEADER_MAX; len++) {
        struct ws_frame part;
        enum ws_result result = ws_parse_header(bytes_of(in.ptr, len), &part);
        must(result == WS_MORE || result == whole);
    }
    if (whole != WS_OK)
        return;
    char written[WS_HEADER_MAX];
    size_t len = ws_write_header(written, frame.opcode, frame.is_final, frame.payload_len,
                                 frame.is_masked ? frame.mask : NULL);
    must(len == frame.header_len && memcmp(written, in.ptr, len) == 0);
}

static void check_mask(struct bytes in)
{
    if (in.len < 4)
        return;
    uint8_t mask[4];
    memcpy(mask, in.ptr, 4);
    char *copy = malloc(in.len);
    must(copy != NULL);
    memcpy(copy, in.ptr, in.len);
    size_t cut = (uint8_t)in.ptr[0] % in.len;
    ws_mask(copy, in.len, mask, 0);
    ws_mask(copy, cut, mask, 0);
    ws_mask(copy + cut, in.len - cut, mask, cut);
    must(memcmp(copy, in.ptr, in.len) == 0);
    free(copy);
}

static void check_utf8(struct bytes in)
{
    struct ws_utf8 utf8 = {0};
    bool is_good = true;
    size_t piece = in.len == 0 ? 1 : 1 + (uint8_t)in.ptr[in.len - 1] % 7;
    for (size_t at = 0; at < in.len && is_good; at += piece)
        is_good =
            ws_utf8_feed(&utf8, bytes_of(in.ptr + at, in.len - at < piece ? in.len - at : piece));
    must((is_good && ws_utf8_is_complete(&utf8)) == text_is_utf8(in));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = bytes_of((const char *)data, size);
    unsigned code;
    struct bytes reason;
    check_header(in);
    check_mask(in);
    check_utf8(in);
    (void)ws_parse_close(in, &code, &reason);
    return 0;
}
