/* SPDX-License-Identifier: Apache-2.0 */
/* WebSocket frames (RFC 6455): sans-I/O, both sides. No extensions: a reserved
 * bit is an error. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

enum ws_opcode {
    WS_CONTINUATION = 0x0,
    WS_TEXT = 0x1,
    WS_BINARY = 0x2,
    WS_CLOSE = 0x8,
    WS_PING = 0x9,
    WS_PONG = 0xA,
};

enum { /* RFC 6455 section 7.4.1 */
       WS_CLOSE_NORMAL = 1000,
       WS_CLOSE_GOING_AWAY = 1001,
       WS_CLOSE_PROTOCOL = 1002,
       WS_CLOSE_UNSUPPORTED = 1003,
       WS_CLOSE_NO_STATUS = 1005,
       WS_CLOSE_BAD_DATA = 1007,
       WS_CLOSE_POLICY = 1008,
       WS_CLOSE_TOO_BIG = 1009,
       WS_CLOSE_INTERNAL = 1011,
       WS_CLOSE_TRY_AGAIN = 1013,
};

enum { WS_HEADER_MAX = 14, WS_CONTROL_MAX = 125 };

struct ws_frame {
    bool is_final;
    bool is_masked;
    enum ws_opcode opcode;
    uint64_t payload_len;
    uint8_t mask[4];
    size_t header_len; /* 2..14 */
};

enum ws_result { WS_OK, WS_MORE, WS_BAD };

/* Read a frame header at the start of `in`. WS_BAD: reserved bits or opcode, a
 * fragmented or long control frame, a length not in its shortest form. Whether a
 * mask must be there (server: yes, client: no) is the caller's check. */
enum ws_result ws_parse_header(struct bytes in, struct ws_frame *frame);

/* XOR len bytes in place; `offset` is where in the payload they begin. */
void ws_mask(char *payload, size_t len, const uint8_t mask[4], size_t offset);

/* Write a header; mask NULL = unmasked. Returns its length (<= WS_HEADER_MAX). */
size_t ws_write_header(char out[WS_HEADER_MAX], enum ws_opcode opcode, bool is_final,
                       uint64_t payload_len, const uint8_t *mask);

/* A close payload: 0 bytes (code = 1005) or a valid code and UTF-8 reason. */
bool ws_parse_close(struct bytes payload, unsigned *code, struct bytes *reason);

enum { WS_ACCEPT_LEN = 28 };
/* Sec-WebSocket-Accept of a Sec-WebSocket-Key (RFC 6455 section 4.2.2). */
void ws_accept_key(struct bytes key, char out[WS_ACCEPT_LEN]);

/* Incremental UTF-8 check of a fragmented text message: zero it, feed pieces;
 * false as soon as no continuation could be valid; at the end ws_utf8_is_complete. */
struct ws_utf8 {
    uint32_t state;
};
bool ws_utf8_feed(struct ws_utf8 *utf8, struct bytes piece);
bool ws_utf8_is_complete(const struct ws_utf8 *utf8);
