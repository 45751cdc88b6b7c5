/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/must.h"
#include "codec/websocket.h"

/* ---- the role under test ---- */

static void reply(struct conn *conn, struct bytes body)
{
    struct server_reply answer = {.status = 200, .content_type = "text/plain", .body = body};
    conn_reply(conn, &answer);
}

static bool is_path(const struct http1_request *request, const char *path)
{
    return bytes_equal_text(request->path, path);
}

static void on_request(void *context, struct conn *conn, const struct http1_request *request,
                       struct bytes body)
{
    struct fixture *fixture = context;
    atomic_fetch_add(&fixture->requests, 1);
    if (is_path(request, "/echo")) {
        reply(conn, body);
    } else if (is_path(request, "/later")) {
        fixture->parked = conn;
    } else if (is_path(request, "/stream")) {
        conn_stream_begin(conn, "text/event-stream", NULL);
        fixture->parked = conn;
        conn_stream(conn, BYTES("data: 1\n\n"));
    } else if (is_path(request, "/big")) {
        size_t len = 8 * 1024 * 1024;
        char *big = calloc(1, len);
        must(big != NULL);
        reply(conn, bytes_of(big, len));
        free(big);
    } else if (is_path(request, "/close")) {
        conn_close(conn, WS_CLOSE_NORMAL, NULL);
    } else {
        conn_reply_error(conn, 404, "not_found", "no such \"path\"", NULL);
    }
}

static bool on_head(void *context, struct conn *conn, const struct http1_request *request)
{
    struct fixture *fixture = context;
    atomic_fetch_add(&fixture->heads, 1);
    if (!is_path(request, "/full"))
        return true;
    conn_reply_error(conn, 503, "full", "no room", "Retry-After: 1\r\n");
    return false;
}

static int64_t body_limit(void *context, const struct http1_request *request)
{
    (void)context;
    return is_path(request, "/small") ? 8 : -1;
}

static bool on_upgrade(void *context, struct conn *conn, const struct http1_request *request,
                       const char **subprotocol)
{
    struct fixture *fixture = context;
    if (is_path(request, "/refused")) {
        conn_reply_error(conn, 403, "forbidden", "not here", NULL);
        return false;
    }
    if (http1_has_token(request->headers, request->header_count, "Sec-WebSocket-Protocol", "v1"))
        *subprotocol = "v1";
    conn_set_user(conn, is_path(request, "/mute") ? fixture : NULL);
    fixture->parked = conn;
    return true;
}

/* Commands make the role do odd things from within its callback. */
static void on_message(void *context, struct conn *conn, enum ws_opcode opcode,
                       struct bytes message)
{
    struct fixture *fixture = context;
    atomic_fetch_add(&fixture->messages, 1);
    if (conn_user(conn) != NULL)
        return;
    if (bytes_equal(message, BYTES("!close")))
        conn_close(conn, 3000, "as you wish");
    else if (bytes_equal(message, BYTES("!pause")))
        conn_pause(conn);
    else
        conn_send(conn, opcode, message);
}

static void on_close(void *context, struct conn *conn)
{
    struct fixture *fixture = context;
    if (fixture->parked == conn)
        fixture->parked = NULL;
    atomic_fetch_add(&fixture->closes, 1);
}

static void on_drained(void *context, struct conn *conn)
{
    struct fixture *fixture = context;
    must(conn_unsent_bytes(conn) == 0);
    atomic_fetch_add(&fixture->drains, 1);
}

/* ---- the fixture ---- */

struct fixture *fixture_new(void)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    must(fixture != NULL);
    server_limits_defaults(&fixture->limits);
    return fixture;
}

const struct server_handler fixture_handler = {
    .on_request = on_request,
    .on_head = on_head,
    .on_upgrade = on_upgrade,
    .on_message = on_message,
    .on_close = on_close,
    .on_drained = on_drained,
    .body_limit = body_limit,
};

void fixture_start(struct fixture *fixture)
{
    fixture_start_at(fixture, "127.0.0.1:0");
}

void fixture_start_at(struct fixture *fixture, const char *listen)
{
    struct error err = {0};
    fixture->loop = loop_new("test", &err);
    assert_non_null(fixture->loop);
    if (server_open(&fixture->server, fixture->loop, listen, &fixture_handler, fixture,
                    &fixture->limits, &err) != 0)
        fail_msg("%s", err.text);
    fixture->port = (unsigned)atoi(strrchr(server_address(fixture->server), ':') + 1);
    assert_int_equal(loop_start(fixture->loop, &err), 0);
}

void fixture_free(struct fixture *fixture)
{
    loop_stop(fixture->loop);
    loop_join(fixture->loop);
    server_close(fixture->server);
    loop_free(fixture->loop);
    free(fixture);
}

struct call {
    struct fixture *fixture;
    void (*fn)(struct fixture *fixture);
    atomic_int is_done;
};

static void run_call(void *context)
{
    struct call *call = context;
    call->fn(call->fixture);
    atomic_store(&call->is_done, 1);
}

void fixture_call(struct fixture *fixture, void (*fn)(struct fixture *fixture))
{
    struct call call = {.fixture = fixture, .fn = fn};
    loop_post(fixture->loop, run_call, &call);
    wait_for(&call.is_done, 1);
}

void wait_for(atomic_int *value, int wanted)
{
    int64_t deadline = clock_monotonic_ns() + DEADLINE_MS * NS_PER_MS;
    while (atomic_load(value) < wanted) {
        if (clock_monotonic_ns() > deadline)
            fail_msg("waited for %d, have %d", wanted, atomic_load(value));
        poll(NULL, 0, 1);
    }
}

/* ---- clients ---- */

int client_open(const struct fixture *fixture)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)fixture->port),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct timeval timeout = {DEADLINE_MS / 1000, 0};
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

void client_send(int fd, struct bytes bytes)
{
    while (bytes.len > 0) {
        ssize_t n = send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
        if (n < 0)
            fail_msg("send: %s", strerror(errno));
        bytes = bytes_of(bytes.ptr + n, bytes.len - (size_t)n);
    }
}

void client_send_text(int fd, const char *text)
{
    client_send(fd, bytes_from_text(text));
}

void client_read(int fd, char *out, size_t len)
{
    while (len > 0) {
        ssize_t n = recv(fd, out, len, 0);
        if (n <= 0)
            fail_msg("recv: %s", n == 0 ? "end" : strerror(errno));
        out += n;
        len -= (size_t)n;
    }
}

void client_read_all(int fd, struct buf *out)
{
    char part[65536];
    for (;;) {
        ssize_t n = recv(fd, part, sizeof part, 0);
        if (n < 0 && errno != ECONNRESET)
            fail_msg("recv: %s", strerror(errno));
        if (n <= 0)
            return;
        buf_append(out, part, (size_t)n);
    }
}

void client_expect_end(int fd)
{
    struct buf rest;
    buf_init(&rest, 0);
    client_read_all(fd, &rest);
    if (rest.len > 0)
        fail_msg("%zu bytes instead of the end: %.*s", rest.len, (int)rest.len, rest.ptr);
    close(fd);
}

unsigned client_response(int fd, struct buf *body)
{
    char head[16384];
    size_t len = 0;
    size_t head_len;
    struct http1_response response;
    enum http1_result result;
    do { /* a byte at a time, to leave what is behind */
        assert_true(len < sizeof head);
        client_read(fd, head + len++, 1);
        result = http1_parse_response(bytes_of(head, len), &response, &head_len);
    } while (result == HTTP1_MORE);
    assert_int_equal(result, HTTP1_OK);
    size_t body_len = response.has_length ? (size_t)response.content_length : 0;
    char *content = malloc(body_len + 1);
    must(content != NULL);
    client_read(fd, content, body_len);
    if (body != NULL)
        buf_append(body, content, body_len);
    free(content);
    return response.status;
}

void client_expect(int fd, unsigned status, const char *body)
{
    struct buf got;
    buf_init(&got, 0);
    assert_int_equal(client_response(fd, &got), status);
    buf_append_char(&got, '\0');
    assert_string_equal(got.ptr, body);
    buf_deinit(&got);
}

void client_expect_error(int fd, unsigned status, const char *word)
{
    struct buf got;
    buf_init(&got, 0);
    assert_int_equal(client_response(fd, &got), status);
    buf_append_char(&got, '\0');
    assert_non_null(strstr(got.ptr, "{\"error\":\""));
    assert_non_null(strstr(got.ptr, "\"detail\":\""));
    assert_non_null(strstr(got.ptr, word));
    buf_deinit(&got);
}

int ws_open(const struct fixture *fixture, const char *path)
{
    char head[512];
    int fd = client_open(fixture);
    int len = snprintf(head, sizeof head,
                       "GET %s HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\n"
                       "Upgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\n"
                       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                       path);
    client_send(fd, bytes_of(head, (size_t)len));
    static const char wanted[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                 "Connection: Upgrade\r\n"
                                 "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    char got[sizeof wanted] = {0};
    client_read(fd, got, sizeof wanted - 1);
    assert_string_equal(got, wanted);
    return fd;
}

void ws_send_frame(int fd, uint8_t first, struct bytes payload)
{
    static const uint8_t mask[4] = {0x12, 0xf3, 0x00, 0x7f};
    char *frame = malloc(WS_HEADER_MAX + payload.len);
    must(frame != NULL);
    size_t len = ws_write_header(frame, WS_TEXT, true, payload.len, mask);
    frame[0] = (char)first;
    if (payload.len > 0)
        memcpy(frame + len, payload.ptr, payload.len);
    ws_mask(frame + len, payload.len, mask, 0);
    client_send(fd, bytes_of(frame, len + payload.len));
    free(frame);
}

void ws_send_text(int fd, const char *text)
{
    ws_send_frame(fd, 0x81, bytes_from_text(text));
}

uint8_t ws_read_frame(int fd, struct buf *out)
{
    char head[WS_HEADER_MAX];
    size_t len = 0;
    struct ws_frame frame;
    enum ws_result result;
    buf_clear(out);
    do {
        client_read(fd, head + len++, 1);
        result = ws_parse_header(bytes_of(head, len), &frame);
    } while (result == WS_MORE);
    assert_int_equal(result, WS_OK);
    assert_false(frame.is_masked);
    assert_int_equal(buf_reserve(out, (size_t)frame.payload_len), 0);
    client_read(fd, out->ptr, (size_t)frame.payload_len);
    out->len = (size_t)frame.payload_len;
    return (uint8_t)head[0];
}

void ws_expect(int fd, uint8_t first, struct bytes payload)
{
    struct buf got;
    buf_init(&got, 0);
    assert_int_equal(ws_read_frame(fd, &got), first);
    assert_int_equal(got.len, payload.len);
    assert_memory_equal(got.ptr, payload.ptr, payload.len);
    buf_deinit(&got);
}

void ws_expect_close(int fd, unsigned code)
{
    struct buf got;
    buf_init(&got, 0);
    assert_int_equal(ws_read_frame(fd, &got), 0x88);
    unsigned got_code;
    struct bytes reason;
    assert_true(ws_parse_close(buf_bytes(&got), &got_code, &reason));
    assert_int_equal(got_code, code);
    buf_deinit(&got);
    client_expect_end(fd);
}
