/* SPDX-License-Identifier: Apache-2.0 */
/* The WebSocket half of a server over real sockets: RFC 6455 section by section,
 * as the public conformance suites group it. */
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/must.h"
#include "fixture.h"

static int set_up(void **state)
{
    struct fixture *fixture = fixture_new();
    fixture->limits.control_frames_per_s = 10000;
    fixture->limits.message_bytes = 4 * 1024 * 1024;
    fixture->limits.send_buffer_bytes = 8 * 1024 * 1024;
    fixture_start(fixture);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    fixture_free(*state);
    return 0;
}

static void expect_echo(int fd, uint8_t first, struct bytes payload)
{
    ws_send_frame(fd, first, payload);
    ws_expect(fd, first, payload);
}

static void test_messages_of_all_sizes_are_echoed(void **state)
{
    static const size_t lens[] = {0, 1, 125, 126, 127, 128, 65535, 65536, 200000, 4 * 1024 * 1024};
    int fd = ws_open(*state, "/ws");
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        char *payload = malloc(lens[i] + 1);
        must(payload != NULL);
        memset(payload, '*', lens[i]);
        expect_echo(fd, 0x81, bytes_of(payload, lens[i]));
        memset(payload, 0xfe, lens[i]);
        expect_echo(fd, 0x82, bytes_of(payload, lens[i]));
        free(payload);
    }
    close(fd);
}

static void test_frames_split_at_every_byte(void **state)
{
    /* "Hello" and a ping, masked with 0: the payload is as on the wire */
    static const char frames[] = "\x81\x85\0\0\0\0Hello\x89\x82\0\0\0\0hi\x82\xfe\0\x80\0\0\0\0"
                                 "0123456789012345678901234567890123456789012345678901234567890123"
                                 "0123456789012345678901234567890123456789012345678901234567890123";
    struct bytes all = bytes_of(frames, sizeof frames - 1);
    int fd = ws_open(*state, "/ws");
    for (size_t cut = 1; cut < all.len; cut++) {
        client_send(fd, bytes_of(all.ptr, cut));
        poll(NULL, 0, 1);
        client_send(fd, bytes_of(all.ptr + cut, all.len - cut));
        ws_expect(fd, 0x81, BYTES("Hello"));
        ws_expect(fd, 0x8a, BYTES("hi"));
        ws_expect(fd, 0x82, bytes_of(all.ptr + all.len - 128, 128));
    }
    close(fd);
}

static void test_pings_are_answered_in_order(void **state)
{
    char long_ping[125];
    memset(long_ping, 0xfe, sizeof long_ping);
    int fd = ws_open(*state, "/ws");
    ws_send_frame(fd, 0x89, BYTES(""));
    ws_send_frame(fd, 0x8a, BYTES("unasked"));
    ws_send_frame(fd, 0x89, bytes_of(long_ping, sizeof long_ping));
    ws_expect(fd, 0x8a, BYTES(""));
    ws_expect(fd, 0x8a, bytes_of(long_ping, sizeof long_ping));
    close(fd);
}

static void test_control_frames_between_fragments(void **state)
{
    int fd = ws_open(*state, "/ws");
    ws_send_frame(fd, 0x01, BYTES("frag"));
    ws_send_frame(fd, 0x89, BYTES("ping"));
    ws_send_frame(fd, 0x00, BYTES(""));
    ws_send_frame(fd, 0x00, BYTES("ment"));
    ws_send_frame(fd, 0x8a, BYTES(""));
    ws_send_frame(fd, 0x80, BYTES("s"));
    ws_expect(fd, 0x8a, BYTES("ping"));
    ws_expect(fd, 0x81, BYTES("fragments"));
    expect_echo(fd, 0x81, BYTES("next"));
    close(fd);
}

struct bad_case {
    uint8_t first;
    struct bytes payload;
    unsigned code;
};

static void expect_bad(void *state, const struct bad_case *bad)
{
    int fd = ws_open(state, "/ws");
    ws_send_text(fd, "before");
    ws_expect(fd, 0x81, BYTES("before"));
    ws_send_frame(fd, bad->first, bad->payload);
    ws_expect_close(fd, bad->code);
}

static void test_malformed_frames_close_with_their_code(void **state)
{
    static char big[126];
    const struct bad_case bads[] = {
        {0xc1, BYTES("x"), 1002}, /* reserved bits */
        {0xa1, BYTES("x"), 1002},
        {0x91, BYTES("x"), 1002},
        {0x83, BYTES("x"), 1002}, /* reserved opcodes */
        {0x87, BYTES("x"), 1002},
        {0x8b, BYTES(""), 1002},
        {0x8f, BYTES(""), 1002},
        {0x09, BYTES("x"), 1002},         /* fragmented ping */
        {0x89, bytes_of(big, 126), 1002}, /* long ping */
        {0x88, bytes_of(big, 126), 1002}, /* long close */
        {0x80, BYTES("x"), 1002},         /* continuation of nothing */
        {0x00, BYTES("x"), 1002},
        {0x81, BYTES("\xce\xba\xed\xa0\x80"), 1007},
        {0x81, BYTES("\xf4\x90\x80\x80"), 1007},
        {0x81, BYTES("cut \xce"), 1007},
        {0x88, BYTES("\x03"), 1002},     /* close with one byte */
        {0x88, BYTES("\x03\xed"), 1002}, /* 1005 on the wire */
        {0x88, BYTES("\x03\xee"), 1002},
        {0x88, BYTES("\x03\xe7"), 1002},
        {0x88, BYTES("\x03\xec"), 1002},
        {0x88, BYTES("\x03\xf8"), 1002},     /* 1016 */
        {0x88, BYTES("\x0b\xb7"), 1002},     /* 2999 */
        {0x88, BYTES("\x13\x88"), 1002},     /* 5000 */
        {0x88, BYTES("\x03\xe8\xff"), 1002}, /* reason not UTF-8 */
    };
    for (size_t i = 0; i < sizeof bads / sizeof bads[0]; i++)
        expect_bad(*state, &bads[i]);
}

static void test_new_message_within_a_message(void **state)
{
    int fd = ws_open(*state, "/ws");
    ws_send_frame(fd, 0x01, BYTES("a"));
    ws_send_frame(fd, 0x81, BYTES("b"));
    ws_expect_close(fd, 1002);
}

static void test_frame_without_mask(void **state)
{
    int fd = ws_open(*state, "/ws");
    client_send(fd, BYTES("\x81\x01x"));
    ws_expect_close(fd, 1002);
}

static void test_close_codes_are_echoed(void **state)
{
    static const unsigned codes[] = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010,
                                     1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        char payload[6] = {(char)(codes[i] >> 8), (char)codes[i], 'o', 'k', 'a', 'y'};
        int fd = ws_open(*state, "/ws");
        ws_send_frame(fd, 0x88, bytes_of(payload, i % 2 == 0 ? 2 : sizeof payload));
        ws_send_text(fd, "after the close: not heard");
        ws_expect_close(fd, codes[i]);
    }
    int fd = ws_open(*state, "/ws");
    ws_send_frame(fd, 0x88, BYTES(""));
    ws_expect_close(fd, 1005);
}

static void test_utf8_cut_by_fragments_at_every_byte(void **state)
{
    static const char text[] = "κόσμε 😀";
    int fd = ws_open(*state, "/ws");
    for (size_t cut = 0; cut < sizeof text - 1; cut++) {
        ws_send_frame(fd, 0x01, bytes_of(text, cut));
        ws_send_frame(fd, 0x80, bytes_of(text + cut, sizeof text - 1 - cut));
        ws_expect(fd, 0x81, bytes_of(text, sizeof text - 1));
    }
    close(fd);
}

static void test_invalid_utf8_fails_before_the_message_ends(void **state)
{
    int fd = ws_open(*state, "/ws");
    ws_send_frame(fd, 0x01, BYTES("\xce\xba\xe1\xbd\xb9"));
    ws_send_frame(fd, 0x00, BYTES("\xf4\x90")); /* no continuation could save it */
    ws_expect_close(fd, 1007);
    fd = ws_open(*state, "/ws"); /* the same within an unfinished frame */
    client_send(fd, BYTES("\x81\x86\0\0\0\0\xce\xba\xf4\x90"));
    ws_expect_close(fd, 1007);
}

static void test_role_closes_with_a_code(void **state)
{
    struct fixture *fixture = *state;
    int fd = ws_open(fixture, "/ws");
    ws_send_text(fd, "!close");
    ws_send_text(fd, "not heard");
    ws_expect(fd, 0x88,
              BYTES("\x0b\xb8"
                    "as you wish"));
    ws_send_frame(fd, 0x88, BYTES("\x0b\xb8"));
    client_expect_end(fd);
    wait_for(&fixture->closes, 1);
    assert_int_equal(atomic_load(&fixture->messages), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(test_messages_of_all_sizes_are_echoed),
        TEST(test_frames_split_at_every_byte),
        TEST(test_pings_are_answered_in_order),
        TEST(test_control_frames_between_fragments),
        TEST(test_malformed_frames_close_with_their_code),
        TEST(test_new_message_within_a_message),
        TEST(test_frame_without_mask),
        TEST(test_close_codes_are_echoed),
        TEST(test_utf8_cut_by_fragments_at_every_byte),
        TEST(test_invalid_utf8_fails_before_the_message_ends),
        TEST(test_role_closes_with_a_code),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
