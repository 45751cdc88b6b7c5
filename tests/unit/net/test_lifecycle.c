/* SPDX-License-Identifier: Apache-2.0 */
/* Opening, handshakes, draining, closing. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/must.h"
#include "fixture.h"
#include "net/listener.h"

static int set_up(void **state)
{
    struct fixture *fixture = fixture_new();
    fixture_start(fixture);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    fixture_free(*state);
    return 0;
}

/* ---- addresses ---- */

static void check_address(const char *text, const char *wanted)
{
    struct listener_address address;
    struct error err = {0};
    char got[64];
    if (listener_parse(text, &address, &err) != 0)
        fail_msg("%s: %s", text, err.text);
    listener_print((const struct sockaddr *)&address.storage, got);
    assert_string_equal(got, wanted);
}

static void test_listen_addresses(void **state)
{
    (void)state;
    check_address("127.0.0.1:30000", "127.0.0.1:30000");
    check_address("0.0.0.0:0", "0.0.0.0:0");
    check_address("[::1]:80", "[::1]:80");
    static const char *const bads[] = {"",       "30000",   "127.0.0.1", "127.0.0.1:", "a:65536",
                                       "::1:80", "[::1:80", "[::1]",     "a:-1",       "a:1x"};
    for (size_t i = 0; i < sizeof bads / sizeof bads[0]; i++) {
        struct listener_address address;
        struct error err = {0};
        assert_int_equal(listener_parse(bads[i], &address, &err), -1);
        assert_int_equal(err.kind, ERROR_CONFIG);
        assert_true(strlen(err.text) > 0);
    }
}

static int try_open(const struct fixture *fixture, const struct server_handler *handler,
                    const char *listen, struct error *err)
{
    struct server *server = NULL;
    struct loop *loop = loop_new("second", err);
    must(loop != NULL);
    int rc = server_open(&server, loop, listen, handler, NULL, &fixture->limits, err);
    if (rc == 0)
        server_close(server);
    loop_free(loop);
    return rc;
}

/* Another process would set SO_REUSEPORT, too, and take half of the
 * connections: a socket made here stands for it. */
static void test_port_in_use_by_another_process(void **state)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(fd, 1), 0);
    getsockname(fd, (struct sockaddr *)&address, &len);
    char text[32];
    struct error err = {0};
    snprintf(text, sizeof text, "127.0.0.1:%u", ntohs(address.sin_port));
    assert_int_equal(try_open(*state, &fixture_handler, text, &err), -1);
    assert_int_equal(err.kind, ERROR_BUSY);
    assert_non_null(strstr(err.text, text));
    close(fd);
}

static void other_on_request(void *context, struct conn *conn, const struct http1_request *request,
                             struct bytes body)
{
    (void)context, (void)conn, (void)request, (void)body;
}

static void test_two_roles_on_one_port(void **state)
{
    const struct fixture *fixture = *state;
    struct server_handler other = fixture_handler;
    struct error err = {0};
    other.on_request = other_on_request;
    const char *address = server_address(fixture->server);
    assert_int_equal(try_open(fixture, &other, address, &err), -1);
    assert_int_equal(err.kind, ERROR_BUSY);
    assert_int_equal(try_open(fixture, &fixture_handler, address, &err), 0);
}

/* ---- handshakes ---- */

#define HANDSHAKE(fields) "GET /ws HTTP/1.1\r\nHost: a\r\n" fields "\r\n"
#define KEY "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define UPGRADE "Connection: Upgrade\r\nUpgrade: websocket\r\n"
#define V13 "Sec-WebSocket-Version: 13\r\n"

static void expect_refusal(void *state, const char *request, unsigned status, const char *word)
{
    int fd = client_open(state);
    client_send_text(fd, request);
    client_expect_error(fd, status, word);
    client_expect_end(fd);
}

static void test_bad_handshakes(void **state)
{
    expect_refusal(*state, HANDSHAKE(UPGRADE KEY), 426, "websocket_version");
    expect_refusal(*state, HANDSHAKE(UPGRADE KEY "Sec-WebSocket-Version: 8\r\n"), 426,
                   "version 13");
    expect_refusal(*state, HANDSHAKE(UPGRADE V13), 400, "bad_handshake");
    expect_refusal(*state, HANDSHAKE(UPGRADE V13 "Sec-WebSocket-Key: c2hvcnQ=\r\n"), 400,
                   "bad_handshake");
    expect_refusal(*state, HANDSHAKE(UPGRADE V13 KEY "Content-Length: 1\r\n") "x", 400,
                   "bad_handshake");
}

static void test_role_refuses_an_upgrade_and_connection_is_kept(void **state)
{
    int fd = client_open(*state);
    client_send_text(fd, "GET /refused HTTP/1.1\r\nHost: a\r\n" UPGRADE V13 KEY "\r\n");
    client_expect_error(fd, 403, "forbidden");
    client_send_text(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok");
    client_expect(fd, 200, "ok");
    close(fd);
}

static void test_what_is_no_handshake_is_a_request(void **state)
{
    int fd = client_open(*state); /* no Upgrade at all; of another method; to something else */
    client_send_text(fd, HANDSHAKE(V13 KEY));
    client_expect_error(fd, 404, "not_found");
    client_send_text(fd, "POST /echo HTTP/1.1\r\nHost: a\r\n" UPGRADE V13 KEY "\r\n");
    client_expect(fd, 200, "");
    client_send_text(fd, HANDSHAKE("Connection: Upgrade\r\nUpgrade: h2c\r\n"));
    client_expect_error(fd, 404, "not_found");
    close(fd);
}

static void test_subprotocol_and_frames_behind_the_handshake(void **state)
{
    int fd = client_open(*state);
    client_send_text(fd, HANDSHAKE(UPGRADE V13 KEY "Sec-WebSocket-Protocol: other, v1\r\n"));
    struct http1_response response;
    char head[1024];
    size_t len = 0, head_len;
    do
        client_read(fd, head + len++, 1);
    while (http1_parse_response(bytes_of(head, len), &response, &head_len) == HTTP1_MORE);
    struct bytes value;
    assert_int_equal(response.status, 101);
    assert_true(http1_find_header(response.headers, response.header_count, "Sec-WebSocket-Protocol",
                                  &value));
    assert_true(bytes_equal_text(value, "v1"));
    close(fd);
    fd = client_open(*state); /* the first frame in the segment of the request */
    client_send(fd, BYTES(HANDSHAKE(UPGRADE V13 KEY) "\x81\x82\0\0\0\0hi"));
    assert_int_equal(client_response(fd, NULL), 101);
    ws_expect(fd, 0x81, BYTES("hi"));
    close(fd);
}

/* ---- the end ---- */

static void on_server_drained(void *context)
{
    struct fixture *fixture = context;
    server_close(fixture->server); /* allowed from here */
    fixture->server = NULL;
    atomic_fetch_add(&fixture->drained, 1);
}

static void drain(struct fixture *fixture)
{
    server_drain(fixture->server, on_server_drained, fixture);
}

static void answer_parked(struct fixture *fixture)
{
    struct server_reply reply = {.status = 200, .body = BYTES("late")};
    must(fixture->parked != NULL);
    conn_reply(fixture->parked, &reply);
}

static void test_drain(void **state)
{
    struct fixture *fixture = *state;
    int ws = ws_open(fixture, "/ws");
    int idle = client_open(fixture);
    client_send_text(idle, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok");
    client_expect(idle, 200, "ok");
    int busy = client_open(fixture);
    client_send_text(busy, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n");
    wait_for(&fixture->requests, 2);
    fixture_call(fixture, drain);
    ws_expect(ws, 0x88, BYTES("\x03\xe9shutting down"));
    client_expect_end(idle);
    assert_int_equal(atomic_load(&fixture->drained), 0); /* two are left */
    ws_send_frame(ws, 0x88, BYTES("\x03\xe9"));
    client_expect_end(ws);
    fixture_call(fixture, answer_parked);
    client_expect(busy, 200, "late");
    client_expect_end(busy);
    wait_for(&fixture->drained, 1);
    assert_int_equal(atomic_load(&fixture->closes), 3);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)fixture->port),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), -1);
    assert_int_equal(errno, ECONNREFUSED);
    close(fd);
}

static void close_now(struct fixture *fixture)
{
    server_close(fixture->server);
    fixture->server = NULL;
    must(atomic_load(&fixture->closes) == 3); /* each is told before it returns */
}

static void test_close_with_everything_open(void **state)
{
    struct fixture *fixture = *state;
    int ws = ws_open(fixture, "/ws");
    ws_send_frame(ws, 0x01, BYTES("unfinished"));
    int busy = client_open(fixture);
    client_send_text(busy, "GET /later HTTP/1.1\r\nHost: a\r\n\r\nGET");
    int stream = client_open(fixture);
    client_send_text(stream, "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
    int half = client_open(fixture); /* no role has seen this one */
    client_send_text(half, "POST /echo HT");
    wait_for(&fixture->requests, 2);
    fixture_call(fixture, close_now);
    client_expect_end(busy);
    client_expect_end(half);
    struct buf rest;
    buf_init(&rest, 0);
    client_read_all(stream, &rest);
    client_read_all(ws, &rest);
    buf_deinit(&rest);
    close(stream);
    close(ws);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        cmocka_unit_test(test_listen_addresses),
        TEST(test_port_in_use_by_another_process),
        TEST(test_two_roles_on_one_port),
        TEST(test_bad_handshakes),
        TEST(test_role_refuses_an_upgrade_and_connection_is_kept),
        TEST(test_what_is_no_handshake_is_a_request),
        TEST(test_subprotocol_and_frames_behind_the_handshake),
        TEST(test_drain),
        TEST(test_close_with_everything_open),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
