/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/websocket.h"

#include <string.h>

#include "base/text.h"
#include "codec/sha1.h"

static uint64_t load_be(const uint8_t *p, size_t len)
{
    uint64_t value = 0;
    for (size_t i = 0; i < len; i++)
        value = value << 8 | p[i];
    return value;
}

static bool is_known_opcode(unsigned opcode)
{
    return opcode <= WS_BINARY || (opcode >= WS_CLOSE && opcode <= WS_PONG);
}

/* RFC 6455 section 5.2: first two bytes alone. */
static bool is_valid_start(const uint8_t *p)
{
    unsigned opcode = p[0] & 0x0f;
    bool is_control = (opcode & 0x8) != 0;
    if ((p[0] & 0x70) != 0 || !is_known_opcode(opcode))
        return false;
    return !is_control || ((p[0] & 0x80) != 0 && (p[1] & 0x7f) <= WS_CONTROL_MAX);
}

enum ws_result ws_parse_header(struct bytes in, struct ws_frame *frame)
{
    if (in.len < 2)
        return WS_MORE;
    uint8_t head[WS_HEADER_MAX];
    memcpy(head, in.ptr, in.len < sizeof head ? in.len : sizeof head);
    if (!is_valid_start(head))
        return WS_BAD;
    unsigned short_len = head[1] & 0x7f;
    size_t extra = short_len == 126 ? 2 : short_len == 127 ? 8 : 0;
    bool is_masked = (head[1] & 0x80) != 0;
    size_t header_len = 2 + extra + (is_masked ? 4 : 0);
    if (in.len < 2 + extra)
        return WS_MORE;
    uint64_t len = extra == 0 ? short_len : load_be(head + 2, extra);
    if ((extra == 2 && len < 126) || (extra == 8 && (len <= 0xffff || len >> 63 != 0)))
        return WS_BAD;
    if (in.len < header_len)
        return WS_MORE;
    frame->is_final = (head[0] & 0x80) != 0;
    frame->is_masked = is_masked;
    frame->opcode = (enum ws_opcode)(head[0] & 0x0f);
    frame->payload_len = len;
    frame->header_len = header_len;
    if (is_masked)
        memcpy(frame->mask, head + 2 + extra, 4);
    return WS_OK;
}

void ws_mask(char *payload, size_t len, const uint8_t mask[4], size_t offset)
{
    uint8_t turned[8]; /* the mask as it stands at payload[0], twice */
    for (size_t i = 0; i < sizeof turned; i++)
        turned[i] = mask[(offset + i) & 3];
    uint64_t word;
    memcpy(&word, turned, sizeof word);
    size_t i = 0;
    for (; len - i >= 32; i += 32) { /* one or two vector instructions */
        uint64_t block[4];
        memcpy(block, payload + i, sizeof block);
        block[0] ^= word;
        block[1] ^= word;
        block[2] ^= word;
        block[3] ^= word;
        memcpy(payload + i, block, sizeof block);
    }
    for (; len - i >= 8; i += 8) {
        uint64_t part;
        memcpy(&part, payload + i, sizeof part);
        part ^= word;
        memcpy(payload + i, &part, sizeof part);
    }
    for (; i < len; i++)
        payload[i] = (char)((uint8_t)payload[i] ^ turned[i & 7]);
}

size_t ws_write_header(char out[WS_HEADER_MAX], enum ws_opcode opcode, bool is_final,
                       uint64_t payload_len, const uint8_t *mask)
{
    uint8_t head[WS_HEADER_MAX];
    size_t extra = payload_len < 126 ? 0 : payload_len <= 0xffff ? 2 : 8;
    unsigned short_len = extra == 0 ? (unsigned)payload_len : extra == 2 ? 126 : 127;
    head[0] = (uint8_t)((is_final ? 0x80u : 0u) | (unsigned)opcode);
    head[1] = (uint8_t)((mask != NULL ? 0x80u : 0u) | short_len);
    for (size_t i = 0; i < extra; i++)
        head[2 + i] = (uint8_t)(payload_len >> (8 * (extra - 1 - i)));
    size_t len = 2 + extra;
    if (mask != NULL) {
        memcpy(head + len, mask, 4);
        len += 4;
    }
    memcpy(out, head, len);
    return len;
}

/* RFC 6455 section 7.4 and the IANA registry: 1012 to 1014 were added later. */
static bool is_valid_close_code(unsigned code)
{
    if (code >= 3000 && code <= 4999)
        return true;
    return code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006;
}

bool ws_parse_close(struct bytes payload, unsigned *code, struct bytes *reason)
{
    *code = WS_CLOSE_NO_STATUS;
    *reason = bytes_of("", 0);
    if (payload.len == 0)
        return true;
    if (payload.len == 1)
        return false;
    *code = ((unsigned)(uint8_t)payload.ptr[0] << 8) | (uint8_t)payload.ptr[1];
    *reason = bytes_of(payload.ptr + 2, payload.len - 2);
    return is_valid_close_code(*code) && text_is_utf8(*reason);
}

/* RFC 4648 section 4; SHA1_LEN bytes make 27 digits and one '='. */
static void base64_of_digest(const uint8_t digest[SHA1_LEN], char out[WS_ACCEPT_LEN])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint8_t padded[SHA1_LEN + 1] = {0};
    memcpy(padded, digest, SHA1_LEN);
    for (size_t i = 0; i < sizeof padded / 3; i++) {
        uint32_t group = (uint32_t)load_be(padded + 3 * i, 3);
        for (size_t j = 0; j < 4; j++)
            out[4 * i + j] = digits[group >> (18 - 6 * j) & 63];
    }
    out[WS_ACCEPT_LEN - 1] = '=';
}

void ws_accept_key(struct bytes key, char out[WS_ACCEPT_LEN])
{
    uint8_t digest[SHA1_LEN];
    sha1_of_two(key, BYTES("258EAFA5-E914-47DA-95CA-C5AB0DC85B11"), digest);
    base64_of_digest(digest, out);
}

/* The state: bytes still wanted, and the bounds of the next one (Unicode 15,
 * table 3-7: only the byte after the first has bounds other than 80..BF). */
struct want {
    uint8_t left, low, high;
};

static uint32_t pack(struct want want)
{
    return (uint32_t)want.left | (uint32_t)want.low << 8 | (uint32_t)want.high << 16;
}

static struct want unpack(uint32_t state)
{
    return (struct want){(uint8_t)state, (uint8_t)(state >> 8), (uint8_t)(state >> 16)};
}

/* What follows a first byte >= 0x80; left == 0: it can't be one. */
static struct want want_after(uint8_t first)
{
    if (first >= 0xC2 && first <= 0xDF)
        return (struct want){1, 0x80, 0xBF};
    if (first >= 0xE0 && first <= 0xEF)
        return (struct want){2, first == 0xE0 ? 0xA0 : 0x80, first == 0xED ? 0x9F : 0xBF};
    if (first >= 0xF0 && first <= 0xF4)
        return (struct want){3, first == 0xF0 ? 0x90 : 0x80, first == 0xF4 ? 0x8F : 0xBF};
    return (struct want){0, 0, 0};
}

static const uint8_t *skip_ascii(const uint8_t *p, const uint8_t *end)
{
    const uint64_t tops = UINT64_C(0x8080808080808080);
    while (end - p >= 32) {
        uint64_t w[4];
        memcpy(w, p, sizeof w);
        if (((w[0] | w[1] | w[2] | w[3]) & tops) != 0)
            break;
        p += 32;
    }
    while (p < end && *p < 0x80)
        p++;
    return p;
}

bool ws_utf8_feed(struct ws_utf8 *utf8, struct bytes piece)
{
    const uint8_t *p = (const uint8_t *)piece.ptr;
    const uint8_t *end = p + piece.len;
    struct want want = unpack(utf8->state);
    while (p < end) {
        if (want.left == 0) {
            p = skip_ascii(p, end);
            if (p == end)
                break;
            want = want_after(*p++);
            if (want.left == 0)
                return false;
            continue;
        }
        if (*p < want.low || *p > want.high)
            return false;
        want = (struct want){(uint8_t)(want.left - 1), 0x80, 0xBF};
        p++;
    }
    utf8->state = want.left == 0 ? 0 : pack(want);
    return true;
}

bool ws_utf8_is_complete(const struct ws_utf8 *utf8)
{
    return utf8->state == 0;
}
