/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/websocket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/text.h"
#include "codec/sha1.h"

/* RFC 6455 section 5.7. */
static void test_rfc_frames(void **state)
{
    (void)state;
    struct ws_frame frame;
    assert_int_equal(ws_parse_header(BYTES("\x81\x05Hello"), &frame), WS_OK);
    assert_true(frame.is_final && !frame.is_masked);
    assert_int_equal(frame.opcode, WS_TEXT);
    assert_int_equal(frame.payload_len, 5);
    assert_int_equal(frame.header_len, 2);

    char masked[] = "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
    assert_int_equal(ws_parse_header(bytes_of(masked, 11), &frame), WS_OK);
    assert_true(frame.is_masked);
    assert_int_equal(frame.header_len, 6);
    ws_mask(masked + 6, 5, frame.mask, 0);
    assert_memory_equal(masked + 6, "Hello", 5);

    assert_int_equal(ws_parse_header(BYTES("\x01\x03Hel"), &frame), WS_OK);
    assert_false(frame.is_final);
    assert_int_equal(ws_parse_header(BYTES("\x82\x7e\x01\x00"), &frame), WS_OK);
    assert_int_equal(frame.payload_len, 256);
    assert_int_equal(ws_parse_header(BYTES("\x82\x7f\0\0\0\0\0\x01\0\0"), &frame), WS_OK);
    assert_int_equal(frame.payload_len, 65536);
    assert_int_equal(frame.header_len, 10);
}

static void test_malformed_headers(void **state)
{
    (void)state;
    static const struct bytes bads[] = {
        BYTES("\xc1\x80"),
        BYTES("\xa1\x80"),
        BYTES("\x91\x80"), /* reserved bits */
        BYTES("\x83\x80"),
        BYTES("\x87\x80"),
        BYTES("\x8b\x80"),
        BYTES("\x8f\x80"), /* opcodes */
        BYTES("\x09\x80"),
        BYTES("\x08\x80"), /* fragmented control */
        BYTES("\x89\xfe"),
        BYTES("\x88\xff"),         /* long control */
        BYTES("\x81\xfe\x00\x7d"), /* not the shortest */
        BYTES("\x81\xff\0\0\0\0\0\0\xff\xff"),
        BYTES("\x81\xff\x80\0\0\0\0\0\0\0"), /* top bit */
    };
    for (size_t i = 0; i < sizeof bads / sizeof bads[0]; i++) {
        struct ws_frame frame;
        assert_int_equal(ws_parse_header(bads[i], &frame), WS_BAD);
    }
}

static void test_headers_round_trip_and_every_prefix_wants_more(void **state)
{
    (void)state;
    static const uint64_t lens[] = {0, 1, 125, 126, 65535, 65536, UINT64_C(1) << 62};
    static const uint8_t mask[4] = {1, 2, 3, 4};
    for (size_t i = 0; i < 2 * (sizeof lens / sizeof lens[0]); i++) {
        char out[WS_HEADER_MAX];
        uint64_t len = lens[i / 2];
        size_t n = ws_write_header(out, WS_BINARY, i % 2 == 0, len, i % 2 == 0 ? mask : NULL);
        struct ws_frame frame;
        for (size_t cut = 0; cut < n; cut++)
            assert_int_equal(ws_parse_header(bytes_of(out, cut), &frame), WS_MORE);
        assert_int_equal(ws_parse_header(bytes_of(out, n), &frame), WS_OK);
        assert_int_equal(frame.header_len, n);
        assert_true(frame.payload_len == len);
        assert_int_equal(frame.is_final, i % 2 == 0);
        assert_int_equal(frame.is_masked, i % 2 == 0);
        assert_int_equal(frame.opcode, WS_BINARY);
        if (frame.is_masked)
            assert_memory_equal(frame.mask, mask, 4);
    }
}

/* Against the definition, at every length, alignment and offset. */
static void test_mask(void **state)
{
    (void)state;
    static const uint8_t mask[4] = {0xa5, 0x01, 0xff, 0x80};
    for (size_t align = 0; align < 8; align++)
        for (size_t offset = 0; offset < 4; offset++)
            for (size_t len = 0; len < 100; len++) {
                char *block = malloc(align + len + 1);
                assert_non_null(block);
                char *payload = block + align;
                for (size_t i = 0; i < len; i++)
                    payload[i] = (char)(i * 7);
                ws_mask(payload, len, mask, offset);
                for (size_t i = 0; i < len; i++)
                    assert_int_equal((uint8_t)payload[i],
                                     (uint8_t)(i * 7) ^ mask[(i + offset) % 4]);
                free(block);
            }
}

static void test_close_payloads(void **state)
{
    (void)state;
    unsigned code;
    struct bytes reason;
    assert_true(ws_parse_close(BYTES(""), &code, &reason));
    assert_int_equal(code, 1005);
    assert_true(ws_parse_close(BYTES("\x03\xe8"
                                     "bye"),
                               &code, &reason));
    assert_int_equal(code, 1000);
    assert_true(bytes_equal_text(reason, "bye"));
    assert_false(ws_parse_close(BYTES("\x03"), &code, &reason));
    assert_false(ws_parse_close(BYTES("\x03\xe8\xc3"), &code, &reason));
    for (unsigned i = 0; i < 65536; i++) {
        char payload[2] = {(char)(i >> 8), (char)i};
        bool is_good =
            (i >= 1000 && i <= 1003) || (i >= 1007 && i <= 1014) || (i >= 3000 && i <= 4999);
        assert_int_equal(ws_parse_close(bytes_of(payload, 2), &code, &reason), is_good);
    }
}

static void test_accept_key(void **state)
{
    (void)state;
    char out[WS_ACCEPT_LEN];
    ws_accept_key(BYTES("dGhlIHNhbXBsZSBub25jZQ=="), out); /* RFC 6455 section 1.3 */
    assert_memory_equal(out, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", WS_ACCEPT_LEN);
}

/* FIPS 180-4 examples, and a length at each side of the padding's edge. */
static void test_sha1(void **state)
{
    (void)state;
    static const struct {
        const char *text, *digest;
    } vectors[] = {
        {"", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
        {"abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "84983e441c3bd26ebaae4aa1f95129e5e54670f1"},
        {"0123456789012345678901234567890123456789012345678901234",
         "9f3a4ce7f66b1b74c34da2c5d732c39f81e0f8df"},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        uint8_t digest[SHA1_LEN];
        char hex[2 * SHA1_LEN + 1] = {0};
        struct bytes text = bytes_from_text(vectors[i].text);
        for (size_t cut = 0; cut <= text.len; cut++) {
            sha1_of_two(bytes_of(text.ptr, cut), bytes_of(text.ptr + cut, text.len - cut), digest);
            text_from_hex(hex, digest, sizeof digest);
            assert_string_equal(hex, vectors[i].digest);
        }
    }
}

/* Each code point in turn, cut at every byte; and what is none. */
static void test_utf8_code_points(void **state)
{
    (void)state;
    for (uint32_t c = 0; c <= 0x110000; c += c < 0x900 ? 1 : 61) {
        char out[4];
        size_t len;
        if (c < 0x80) {
            out[0] = (char)c;
            len = 1;
        } else if (c < 0x800) {
            out[0] = (char)(0xc0 | c >> 6);
            len = 2;
        } else if (c < 0x10000) {
            out[0] = (char)(0xe0 | c >> 12);
            len = 3;
        } else {
            out[0] = (char)(0xf0 | c >> 18);
            len = 4;
        }
        for (size_t i = 1; i < len; i++)
            out[i] = (char)(0x80 | (c >> 6 * (len - 1 - i) & 0x3f));
        bool is_good = c <= 0x10ffff && (c < 0xd800 || c > 0xdfff);
        struct ws_utf8 utf8 = {0};
        bool is_valid = true;
        for (size_t i = 0; i < len && is_valid; i++) {
            assert_int_equal(ws_utf8_is_complete(&utf8), i == 0);
            is_valid = ws_utf8_feed(&utf8, bytes_of(out + i, 1));
        }
        assert_int_equal(is_valid && ws_utf8_is_complete(&utf8), is_good);
    }
}

static void test_utf8_fails_at_the_first_hopeless_byte(void **state)
{
    (void)state;
    static const struct {
        struct bytes text;
        size_t good; /* bytes before the one that proves it */
    } cases[] = {
        {BYTES("abc\x80"), 3},
        {BYTES("\xc0\xaf"), 0},
        {BYTES("\xc1\xbf"), 0},
        {BYTES("\xe0\x9f\x80"), 1},
        {BYTES("\xed\xa0\x80"), 1},
        {BYTES("\xf0\x8f\x80\x80"), 1},
        {BYTES("\xf4\x90\x80\x80"), 1},
        {BYTES("\xf5\x80\x80\x80"), 0},
        {BYTES("\xe2\x82x"), 2},
        {BYTES("\xff"), 0},
        {BYTES("0123456789012345678901234567890123456789\xfe"), 40},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ws_utf8 utf8 = {0};
        assert_true(ws_utf8_feed(&utf8, bytes_of(cases[i].text.ptr, cases[i].good)));
        assert_false(ws_utf8_feed(&utf8, bytes_of(cases[i].text.ptr + cases[i].good, 1)));
        struct ws_utf8 at_once = {0};
        assert_false(ws_utf8_feed(&at_once, cases[i].text));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc_frames),
        cmocka_unit_test(test_malformed_headers),
        cmocka_unit_test(test_headers_round_trip_and_every_prefix_wants_more),
        cmocka_unit_test(test_mask),
        cmocka_unit_test(test_close_payloads),
        cmocka_unit_test(test_accept_key),
        cmocka_unit_test(test_sha1),
        cmocka_unit_test(test_utf8_code_points),
        cmocka_unit_test(test_utf8_fails_at_the_first_hopeless_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
