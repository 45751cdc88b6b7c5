/* SPDX-License-Identifier: Apache-2.0 */
/* What a stranger can't do: every bound and deadline of a server. */
#include "net/limits.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/must.h"
#include "base/text.h"
#include "config/schema.h"
#include "fixture.h"
#include "observe/metrics.h"

/* Each test sets its limits, then starts. */
static int set_up(void **state)
{
    *state = fixture_new();
    return 0;
}

static int tear_down(void **state)
{
    fixture_free(*state);
    return 0;
}

/* ---- deadlines ---- */

static void test_head_that_trickles_in_is_cut_off(void **state)
{
    struct fixture *fixture = *state;
    fixture->limits.header_deadline_ns = 60 * NS_PER_MS;
    fixture_start(fixture);
    int fd = client_open(fixture);
    client_send_text(fd, "GET / HTTP/1.1\r\nHost: a\r\nX: ");
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    int64_t deadline = clock_monotonic_ns() + DEADLINE_MS * NS_PER_MS;
    while (poll(&readable, 1, 5) == 0) { /* activity alone must not prolong it */
        assert_true(clock_monotonic_ns() < deadline);
        (void)send(fd, "x", 1, MSG_NOSIGNAL);
    }
    client_expect_error(fd, 408, "header_timeout");
    close(fd);
}

static void test_silent_connection_is_closed(void **state)
{
    struct fixture *fixture = *state;
    fixture->limits.header_deadline_ns = 40 * NS_PER_MS;
    fixture_start(fixture);
    client_expect_end(client_open(fixture));
}

static void test_body_that_does_not_come_is_cut_off(void **state)
{
    struct fixture *fixture = *state;
    fixture->limits.body_deadline_ns = 40 * NS_PER_MS;
    fixture_start(fixture);
    int fd = client_open(fixture);
    client_send_text(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhell");
    client_expect_error(fd, 408, "body_timeout");
    client_expect_end(fd);
    assert_int_equal(atomic_load(&fixture->requests), 0);
}

static void test_idle_connections_are_closed(void **state)
{
    struct fixture *fixture = *state;
    fixture->limits.idle_deadline_ns = 60 * NS_PER_MS;
    fixture->limits.ping_interval_ns = 0;
    fixture_start(fixture);
    int http = client_open(fixture);
    client_send_text(http, "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n");
    client_expect(http, 200, "");
    int ws = ws_open(fixture, "/ws");
    client_expect_end(http);
    ws_expect_close(ws, 1001);
    wait_for(&fixture->closes, 2);
}

static void test_request_under_way_is_not_idle(void **state)
{
    struct fixture *fixture = *state;
    fixture->limits.idle_deadline_ns = fixture->limits.header_deadline_ns = 30 * NS_PER_MS;
    fixture_start(fixture);
    int waiting = client_open(fixture);
    client_send_text(waiting, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_for(&fixture->requests, 1);
    for (int i = 0; i < 4; i++)
        client_expect_end(client_open(fixture)); /* four deadlines long */
    struct pollfd readable = {.fd = waiting, .events = POLLIN};
    assert_int_equal(poll(&readable, 1, 0), 0);
    close(waiting);
}

/* Any byte is a sign of life: this client never answers a ping. */
static void test_pings_when_idle_and_any_byte_keeps_alive(void **state)
{
    struct fixture *fixture = *state;
    fixture->limits.ping_interval_ns = 20 * NS_PER_MS;
    fixture->limits.idle_deadline_ns = 500 * NS_PER_MS;
    fixture_start(fixture);
    int fd = ws_open(fixture, "/mute");
    for (int i = 0; i < 5; i++) {
        ws_expect(fd, 0x89, BYTES(""));
        ws_send_text(fd, "alive");
    }
    wait_for(&fixture->messages, 5);
    ws_expect(fd, 0x89, BYTES("")); /* one ping only, then silence, then the end */
    ws_expect_close(fd, 1001);
}

static void pause_parked(struct fixture *fixture)
{
    conn_pause(fixture->parked);
}

static void resume_parked(struct fixture *fixture)
{
    must(fixture->parked != NULL);
    conn_resume(fixture->parked);
}

static void test_paused_connection_does_not_expire(void **state)
{
    struct fixture *fixture = *state;
    fixture->limits.idle_deadline_ns = fixture->limits.header_deadline_ns = 40 * NS_PER_MS;
    fixture->limits.ping_interval_ns = 0;
    fixture_start(fixture);
    int fd = ws_open(fixture, "/ws");
    fixture_call(fixture, pause_parked);
    for (int i = 0; i < 4; i++)
        client_expect_end(client_open(fixture));
    ws_send_text(fd, "x");
    fixture_call(fixture, resume_parked);
    ws_expect(fd, 0x81, BYTES("x"));
    close(fd);
}

/* ---- sizes and rates ---- */

static void test_message_too_big_is_told_from_its_header(void **state)
{
    struct fixture *fixture = *state;
    fixture->limits.message_bytes = 1000;
    fixture_start(fixture);
    int fd = ws_open(fixture, "/ws");
    client_send(fd, BYTES("\x81\xfe\x03\xe9mask"));
    ws_expect_close(fd, 1009);
    fd = ws_open(fixture, "/ws"); /* the greatest length there is */
    client_send(fd, BYTES("\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xffmask"));
    ws_expect_close(fd, 1009);
    char part[600] = {0};
    fd = ws_open(fixture, "/ws");
    ws_send_frame(fd, 0x02, bytes_of(part, sizeof part));
    ws_send_frame(fd, 0x80, bytes_of(part, sizeof part));
    ws_expect_close(fd, 1009);
}

static void test_too_many_fragments(void **state)
{
    struct fixture *fixture = *state;
    fixture->limits.message_fragments = 3;
    fixture_start(fixture);
    int fd = ws_open(fixture, "/ws");
    ws_send_frame(fd, 0x01, BYTES(""));
    for (int i = 0; i < 3; i++)
        ws_send_frame(fd, 0x00, BYTES(""));
    ws_expect_close(fd, 1008);
}

static void test_too_many_control_frames(void **state)
{
    struct fixture *fixture = *state;
    fixture->limits.control_frames_per_s = 5;
    fixture_start(fixture);
    int fd = ws_open(fixture, "/mute");
    for (int i = 0; i < 11; i++) /* the second may change once in between */
        ws_send_frame(fd, 0x8a, BYTES(""));
    ws_expect_close(fd, 1008);
}

/* ---- connections ---- */

static void expect_refused(const struct fixture *fixture, const char *why)
{
    int fd = client_open(fixture);
    client_expect_error(fd, 503, why);
    client_expect_end(fd);
}

static void test_connections_in_all(void **state)
{
    struct fixture *fixture = *state;
    fixture->limits.connections = 2;
    fixture_start(fixture);
    int a = ws_open(fixture, "/ws");
    int b = ws_open(fixture, "/ws");
    expect_refused(fixture, "the server has as many connections");
    close(a);
    wait_for(&fixture->closes, 1);
    int c = ws_open(fixture, "/ws");
    close(b);
    close(c);
}

static void test_connections_of_one_address(void **state)
{
    struct fixture *fixture = *state;
    fixture->limits.connections_per_address = 1;
    fixture_start(fixture);
    int a = ws_open(fixture, "/ws");
    expect_refused(fixture, "this address has as many connections");
    close(a);
    wait_for(&fixture->closes, 1);
    a = ws_open(fixture, "/ws");
    close(a);
}

/* A second loop on the same port: the bound is for both together. */
static void test_loops_on_one_port_share_the_bound(void **state)
{
    struct fixture *fixture = *state;
    fixture->limits.connections = 6;
    fixture_start(fixture);
    struct fixture *other = fixture_new();
    other->limits = fixture->limits;
    fixture_start_at(other, server_address(fixture->server));
    assert_int_equal(other->port, fixture->port);
    int fds[6];
    for (int i = 0; i < 6; i++)
        fds[i] = ws_open(fixture, "/ws");
    expect_refused(fixture, "the server has as many connections");
    for (int i = 0; i < 6; i++)
        close(fds[i]);
    fixture_free(other);
}

static struct sockaddr_storage peer_of(const char *text)
{
    struct sockaddr_storage out = {0};
    struct sockaddr_in *in = (void *)&out;
    struct sockaddr_in6 *in6 = (void *)&out;
    if (inet_pton(AF_INET, text, &in->sin_addr) == 1)
        in->sin_family = AF_INET;
    else if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1)
        in6->sin6_family = AF_INET6;
    must(out.ss_family != 0);
    return out;
}

static enum admission_verdict enter(struct admission *admission, const struct server_limits *limits,
                                    const char *text, struct admission_address **out)
{
    struct sockaddr_storage peer = peer_of(text);
    return admission_enter(admission, limits, (const struct sockaddr *)&peer, out);
}

static void test_ipv6_hosts_are_counted_by_their_64(void **state)
{
    (void)state;
    struct server_limits limits;
    server_limits_defaults(&limits);
    limits.connections_per_address = 1;
    struct admission *admission = admission_ref("[::]:1", NULL);
    struct admission_address *a, *b, *c, *none;
    assert_int_equal(enter(admission, &limits, "2001:db8::1", &a), ADMISSION_OK);
    assert_int_equal(enter(admission, &limits, "2001:db8::ffff:2", &none), ADMISSION_ADDRESS_FULL);
    assert_int_equal(enter(admission, &limits, "2001:db8:0:1::1", &b), ADMISSION_OK);
    assert_int_equal(enter(admission, &limits, "192.0.2.1", &c), ADMISSION_OK);
    assert_int_equal(enter(admission, &limits, "::ffff:192.0.2.1", &none), ADMISSION_ADDRESS_FULL);
    admission_leave(admission, a);
    assert_int_equal(enter(admission, &limits, "2001:db8::2", &a), ADMISSION_OK);
    admission_leave(admission, a);
    admission_leave(admission, b);
    admission_leave(admission, c);
    admission_unref(admission);
}

/* Every descriptor in use: those who come are not left hanging, the loop does
 * not spin, and service goes on when there is room again. */
static void nothing(struct fixture *fixture)
{
    (void)fixture;
}

static void test_out_of_descriptors(void **state)
{
    struct fixture *fixture = *state;
    fixture_start(fixture);
    int first = ws_open(fixture, "/ws");
    int client = ws_open(fixture, "/ws");
    close(client);
    struct rlimit before, low;
    getrlimit(RLIMIT_NOFILE, &before);
    int sockets[8];
    for (int i = 0; i < 8; i++)
        sockets[i] = socket(AF_INET, SOCK_STREAM, 0);
    low = before;
    low.rlim_cur = (rlim_t)sockets[7] + 1;
    wait_for(&fixture->closes, 1);
    fixture_call(fixture, nothing); /* two turns: the loop has closed its descriptor, too, */
    fixture_call(fixture, nothing); /* else it would have a free one later */
    setrlimit(RLIMIT_NOFILE, &low);
    int filler = -1, fillers[1024], filler_count = 0;
    while (filler_count < 1024 && (filler = dup(first)) >= 0)
        fillers[filler_count++] = filler;
    int64_t shed_before = metrics_value(METRIC_CONNECTIONS_REFUSED, 2);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)fixture->port),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    for (int i = 0; i < 8; i++) {
        assert_int_equal(connect(sockets[i], (const struct sockaddr *)&address, sizeof address), 0);
        client_expect_end(sockets[i]); /* frees a descriptor: filled again */
        filler = dup(first);
        if (filler >= 0)
            fillers[filler_count++] = filler;
    }
    assert_true(metrics_value(METRIC_CONNECTIONS_REFUSED, 2) > shed_before);
    ws_send_text(first, "still served");
    ws_expect(first, 0x81, BYTES("still served"));
    for (int i = 0; i < filler_count; i++)
        close(fillers[i]);
    setrlimit(RLIMIT_NOFILE, &before);
    int later = ws_open(fixture, "/ws");
    close(later);
    close(first);
}

/* ---- slow readers and back-pressure ---- */

static atomic_int flood_end;
static size_t unsent_most;

static void flood(struct fixture *fixture)
{
    static char message[32 * 1024];
    while (conn_send(fixture->parked, WS_BINARY, bytes_of(message, sizeof message)))
        if (conn_unsent_bytes(fixture->parked) > unsent_most)
            unsent_most = conn_unsent_bytes(fixture->parked);
    atomic_store(&flood_end, 1);
}

static void test_stalled_reader_is_closed_at_the_bound(void **state)
{
    struct fixture *fixture = *state;
    fixture->limits.send_buffer_bytes = 256 * 1024;
    fixture_start(fixture);
    int fd = ws_open(fixture, "/ws"); /* and never reads again */
    fixture_call(fixture, flood);
    wait_for(&fixture->closes, 1);
    assert_true(unsent_most > 128 * 1024);
    assert_true(unsent_most <= 256 * 1024);
    close(fd);
}

/* Sends whole frames until the socket has not taken a byte for a while; returns
 * the number of messages whose first byte went out, and what is missing of the
 * last. */
static int send_until_blocked(int fd, struct bytes frame, size_t *missing)
{
    int count = 0;
    size_t sent = 0;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    for (;;) {
        ssize_t n = send(fd, frame.ptr + sent, frame.len - sent, MSG_NOSIGNAL);
        struct pollfd writable = {.fd = fd, .events = POLLOUT};
        if (n < 0 && poll(&writable, 1, 200) == 0)
            break;
        if (n < 0)
            continue;
        count += sent == 0;
        sent = (sent + (size_t)n) % frame.len;
        assert_true(count < 100000); /* 100 MB: it would never block */
    }
    fcntl(fd, F_SETFL, 0);
    *missing = sent == 0 ? 0 : frame.len - sent;
    return count;
}

static char frame_text[8 + 1000] = "\x82\xfe\x03\xe8\0\0\0\0";

static void test_pause_blocks_the_sender_and_resume_loses_nothing(void **state)
{
    struct fixture *fixture = *state;
    fixture_start(fixture);
    int fd = ws_open(fixture, "/mute");
    fixture_call(fixture, pause_parked);
    struct bytes frame = bytes_of(frame_text, sizeof frame_text);
    size_t missing;
    int sent = send_until_blocked(fd, frame, &missing);
    assert_int_equal(atomic_load(&fixture->messages), 0);
    fixture_call(fixture, resume_parked);
    client_send(fd, bytes_of(frame.ptr + frame.len - missing, missing));
    wait_for(&fixture->messages, sent);
    assert_int_equal(atomic_load(&fixture->messages), sent);
    close(fd);
}

static void test_pause_from_within_a_message(void **state)
{
    struct fixture *fixture = *state;
    fixture_start(fixture);
    int fd = ws_open(fixture, "/ws");
    client_send(fd, BYTES("\x81\x86\0\0\0\0!pause\x81\x81\0\0\0\0a\x81\x81\0\0\0\0b"));
    wait_for(&fixture->messages, 1);
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&readable, 1, 20), 0);
    assert_int_equal(atomic_load(&fixture->messages), 1);
    fixture_call(fixture, resume_parked);
    ws_expect(fd, 0x81, BYTES("a"));
    ws_expect(fd, 0x81, BYTES("b"));
    close(fd);
}

/* What a client makes us send is not pushed by the role: instead of being
 * closed, it is no longer read. */
static void test_echo_to_a_client_that_does_not_read_blocks_it(void **state)
{
    struct fixture *fixture = *state;
    fixture->limits.send_buffer_bytes = 64 * 1024;
    fixture_start(fixture);
    int fd = ws_open(fixture, "/ws");
    struct bytes frame = bytes_of(frame_text, sizeof frame_text);
    size_t missing;
    int sent = send_until_blocked(fd, frame, &missing);
    assert_int_equal(atomic_load(&fixture->closes), 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    struct buf got;
    buf_init(&got, 0);
    size_t wanted = (size_t)sent * 1004;
    int64_t deadline = clock_monotonic_ns() + DEADLINE_MS * NS_PER_MS;
    while (got.len < wanted) {
        assert_true(clock_monotonic_ns() < deadline);
        char part[65536];
        struct pollfd ready = {.fd = fd, .events = POLLIN | (missing > 0 ? POLLOUT : 0)};
        poll(&ready, 1, 1000);
        ssize_t n = recv(fd, part, sizeof part, 0);
        if (n > 0)
            buf_append(&got, part, (size_t)n);
        n = missing > 0 ? send(fd, frame.ptr + frame.len - missing, missing, MSG_NOSIGNAL) : 0;
        missing -= n > 0 ? (size_t)n : 0;
    }
    assert_int_equal(got.len, wanted);
    for (size_t i = 0; i < got.len; i += 1004)
        assert_memory_equal(got.ptr + i, "\x82\x7e\x03\xe8", 4);
    buf_deinit(&got);
    close(fd);
}

static void test_pipelining_without_end_is_bounded(void **state)
{
    struct fixture *fixture = *state;
    fixture_start(fixture);
    int fd = client_open(fixture);
    client_send_text(fd, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_for(&fixture->requests, 1);
    char request[1024];
    int len =
        snprintf(request, sizeof request, "GET /echo HTTP/1.1\r\nHost: a\r\nA: %0960d\r\n\r\n", 0);
    size_t missing;
    (void)send_until_blocked(fd, bytes_of(request, (size_t)len), &missing);
    assert_int_equal(atomic_load(&fixture->requests), 1);
    close(fd);
}

/* ---- defaults and settings say the same ---- */

struct with_limits {
    bool is_other;
    struct server_limits limits;
};

static const struct setting rows[] = {
#define SERVER_LIMITS_OFFSET(field) offsetof(struct with_limits, limits.field)
#include "net/limits_settings.def"
};

static void test_settings_have_the_defaults(void **state)
{
    (void)state;
    struct with_limits module;
    server_limits_defaults(&module.limits);
    assert_int_equal(SETTING_COUNT(rows) * sizeof(int64_t), sizeof module.limits);
    for (size_t i = 0; i < SETTING_COUNT(rows); i++) {
        struct bytes text = bytes_from_text(rows[i].default_text);
        int64_t value = -1, in_struct;
        assert_true(rows[i].type == SETTING_SIZE       ? text_to_size_bytes(text, &value)
                    : rows[i].type == SETTING_DURATION ? text_to_duration_ns(text, &value)
                                                       : text_to_i64(text, &value));
        memcpy(&in_struct, (const char *)&module + rows[i].offset, sizeof in_struct);
        assert_int_equal(value, in_struct);
        assert_true(value >= rows[i].min && value <= rows[i].max);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(test_head_that_trickles_in_is_cut_off),
        TEST(test_silent_connection_is_closed),
        TEST(test_body_that_does_not_come_is_cut_off),
        TEST(test_idle_connections_are_closed),
        TEST(test_request_under_way_is_not_idle),
        TEST(test_pings_when_idle_and_any_byte_keeps_alive),
        TEST(test_paused_connection_does_not_expire),
        TEST(test_message_too_big_is_told_from_its_header),
        TEST(test_too_many_fragments),
        TEST(test_too_many_control_frames),
        TEST(test_connections_in_all),
        TEST(test_connections_of_one_address),
        TEST(test_loops_on_one_port_share_the_bound),
        TEST(test_out_of_descriptors),
        TEST(test_stalled_reader_is_closed_at_the_bound),
        TEST(test_pause_blocks_the_sender_and_resume_loses_nothing),
        TEST(test_pause_from_within_a_message),
        TEST(test_echo_to_a_client_that_does_not_read_blocks_it),
        TEST(test_pipelining_without_end_is_bounded),
#undef TEST
        cmocka_unit_test(test_ipv6_hosts_are_counted_by_their_64),
        cmocka_unit_test(test_settings_have_the_defaults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
