/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#ifdef __linux__
#include <linux/tcp.h>
#endif
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "net/client.h"
#include "net/pacer.h"
#include "net/server.h"

/* A server and a client on one loop; what the client tells is written down. */
struct stage {
    struct loop *loop;
    struct server *server;
    struct client_pool *pool;
    struct client_options options;
    struct client_target target;
    struct client *client;
    struct loop_timer *tick;
    int64_t deadline_ns;
    bool is_late;
    bool (*is_done)(struct stage *stage);
    unsigned opened, closed, messages, responses, writables;
    unsigned status;
    struct buf got; /* messages and bodies */
    struct error why;
    /* the server's side */
    struct conn *conn;
    unsigned received;
    size_t received_bytes;
    bool agrees; /* to the subprotocol */
    bool is_silent;
};

static void on_open(void *context, struct client *client)
{
    struct stage *stage = context;
    assert_ptr_equal(client_user(client), stage);
    stage->opened++;
}

static void on_message(void *context, struct client *client, struct bytes message)
{
    struct stage *stage = context;
    (void)client;
    stage->messages++;
    buf_append_bytes(&stage->got, message);
}

static void on_response(void *context, struct client *client, const struct http1_response *response,
                        struct bytes body)
{
    struct stage *stage = context;
    (void)client;
    stage->responses++;
    stage->status = response->status;
    buf_append_bytes(&stage->got, body);
}

static void on_writable(void *context, struct client *client)
{
    struct stage *stage = context;
    (void)client;
    stage->writables++;
}

static void on_close(void *context, struct client *client, const struct error *why)
{
    struct stage *stage = context;
    assert_ptr_equal(client, stage->client);
    stage->client = NULL;
    stage->closed++;
    stage->why = *why;
}

static const struct client_handler client_handler = {
    .on_open = on_open,
    .on_message = on_message,
    .on_response = on_response,
    .on_writable = on_writable,
    .on_close = on_close,
};

/* ---- the server's side: echoes ---- */

static bool serve_upgrade(void *context, struct conn *conn, const struct http1_request *request,
                          const char **subprotocol)
{
    struct stage *stage = context;
    if (bytes_equal(request->path, BYTES("/refused"))) {
        conn_reply(conn, &(struct server_reply){.status = 404});
        return false;
    }
    stage->conn = conn;
    *subprotocol = stage->agrees ? "test.v1" : NULL;
    return true;
}

static void serve_message(void *context, struct conn *conn, enum ws_opcode opcode,
                          struct bytes message)
{
    struct stage *stage = context;
    stage->received++;
    stage->received_bytes += message.len;
    if (!stage->is_silent)
        conn_send(conn, opcode, message);
}

static void serve_request(void *context, struct conn *conn, const struct http1_request *request,
                          struct bytes body)
{
    struct stage *stage = context;
    (void)request;
    stage->received++;
    if (stage->is_silent)
        return;
    conn_reply(conn, &(struct server_reply){.status = 200, .body = body});
}

static void serve_close(void *context, struct conn *conn)
{
    struct stage *stage = context;
    if (stage->conn == conn)
        stage->conn = NULL;
}

static void open_server(struct stage *stage)
{
    static const struct server_handler handler = {
        .on_request = serve_request,
        .on_upgrade = serve_upgrade,
        .on_message = serve_message,
        .on_close = serve_close,
    };
    struct server_limits limits;
    struct error err;
    server_limits_defaults(&limits);
    assert_int_equal(
        server_open(&stage->server, stage->loop, "127.0.0.1:0", &handler, stage, &limits, &err), 0);
}

static void on_tick(void *context)
{
    struct stage *stage = context;
    stage->is_late = clock_monotonic_ns() > stage->deadline_ns;
    if (stage->is_late || stage->is_done(stage))
        loop_stop(stage->loop);
}

static void run_until(struct stage *stage, bool (*is_done)(struct stage *stage))
{
    stage->is_done = is_done;
    stage->deadline_ns = clock_monotonic_ns() + 20 * NS_PER_S;
    loop_run(stage->loop);
    assert_false(stage->is_late);
}

static void set_up(struct stage *stage)
{
    struct error err;
    *stage = (struct stage){.agrees = true};
    stage->loop = loop_new("test", &err);
    assert_non_null(stage->loop);
    buf_init(&stage->got, 0);
    client_options_defaults(&stage->options);
    stage->options.subprotocol = "test.v1";
    open_server(stage);
    stage->tick = loop_timer_new(stage->loop, on_tick, stage);
    loop_timer_start(stage->tick, NS_PER_MS, NS_PER_MS);
}

static void start_at(struct stage *stage, const char *url)
{
    struct error err;
    assert_int_equal(client_target_resolve(&stage->target, url, &err), 0);
    assert_int_equal(
        client_pool_new(&stage->pool, stage->loop, &client_handler, stage, &stage->options, &err),
        0);
    stage->client = client_open(stage->pool, &stage->target, stage, &err);
    assert_non_null(stage->client);
}

static void start(struct stage *stage, const char *scheme, const char *path)
{
    char url[128];
    snprintf(url, sizeof url, "%s://%s%s", scheme, server_address(stage->server), path);
    start_at(stage, url);
}

static void tear_down(struct stage *stage)
{
    client_pool_free(stage->pool);
    if (stage->server != NULL)
        server_close(stage->server);
    loop_timer_free(stage->tick);
    loop_free(stage->loop);
    buf_deinit(&stage->got);
}

static bool is_open(struct stage *stage)
{
    return stage->opened == 1;
}

static bool is_closed(struct stage *stage)
{
    return stage->closed == 1;
}

static bool is_sent(struct stage *stage)
{
    return client_unsent_bytes(stage->client) == 0;
}

static bool has_3_messages(struct stage *stage)
{
    return stage->messages == 3;
}

static bool has_response(struct stage *stage)
{
    return stage->responses == 1;
}

/* ---- WebSocket ---- */

static void test_messages_go_and_come(void **state)
{
    (void)state;
    struct stage stage;
    set_up(&stage);
    start(&stage, "ws", "/ws");
    assert_int_equal(client_send(stage.client, WS_TEXT, BYTES("early")), CLIENT_GONE);
    run_until(&stage, is_open);
    char *large = malloc(300000);
    memset(large, 'x', 300000);
    assert_int_equal(client_send(stage.client, WS_TEXT, BYTES("one")), CLIENT_TAKEN);
    assert_int_equal(client_send(stage.client, WS_TEXT, BYTES("")), CLIENT_TAKEN);
    assert_int_equal(client_send(stage.client, WS_BINARY, bytes_of(large, 300000)), CLIENT_FULL);
    run_until(&stage, is_sent);
    assert_int_equal(stage.writables, 1);
    assert_int_equal(client_send(stage.client, WS_BINARY, bytes_of(large, 300000)), CLIENT_TAKEN);
    run_until(&stage, has_3_messages);
    assert_int_equal(stage.got.len, 300003);
    assert_memory_equal(stage.got.ptr, "onexxx", 6);
    free(large);
    tear_down(&stage);
}

static void test_close_handshake(void **state)
{
    (void)state;
    struct stage stage;
    set_up(&stage);
    start(&stage, "ws", "/ws");
    run_until(&stage, is_open);
    client_close(stage.client);
    assert_int_equal(client_send(stage.client, WS_TEXT, BYTES("late")), CLIENT_GONE);
    run_until(&stage, is_closed);
    assert_string_equal(stage.why.text, "closed");
    tear_down(&stage);
}

static void test_server_closes(void **state)
{
    (void)state;
    struct stage stage;
    set_up(&stage);
    start(&stage, "ws", "/ws");
    run_until(&stage, is_open);
    conn_close(stage.conn, WS_CLOSE_POLICY, "enough");
    run_until(&stage, is_closed);
    assert_non_null(strstr(stage.why.text, "1008 enough"));
    tear_down(&stage);
}

static void test_other_subprotocol_is_refused(void **state)
{
    (void)state;
    struct stage stage;
    set_up(&stage);
    stage.agrees = false;
    start(&stage, "ws", "/ws");
    run_until(&stage, is_closed);
    assert_int_equal(stage.opened, 0);
    assert_int_equal(stage.why.kind, ERROR_PROTOCOL);
    assert_non_null(strstr(stage.why.text, "test.v1"));
    tear_down(&stage);
}

static void test_refused_upgrade_names_the_status(void **state)
{
    (void)state;
    struct stage stage;
    set_up(&stage);
    start(&stage, "ws", "/refused");
    run_until(&stage, is_closed);
    assert_non_null(strstr(stage.why.text, "404"));
    tear_down(&stage);
}

static void test_nobody_listens(void **state)
{
    (void)state;
    struct stage stage;
    set_up(&stage);
    char url[128];
    snprintf(url, sizeof url, "ws://%s/", server_address(stage.server));
    server_close(stage.server);
    stage.server = NULL;
    start_at(&stage, url);
    run_until(&stage, is_closed);
    assert_int_equal(stage.why.kind, ERROR_IO);
    assert_true(stage.why.is_transient);
    tear_down(&stage);
}

/* For 20 ticks in a row nothing was taken: the kernel's buffers are full, too. */
static bool is_full_and_quiet(struct stage *stage)
{
    static const char kilobyte[1024] = {0};
    stage->status++;
    while (client_send(stage->client, WS_BINARY, bytes_of(kilobyte, sizeof kilobyte)) ==
           CLIENT_TAKEN)
        stage->status = 0;
    stage->writables = 0;
    return stage->status == 20;
}

static bool is_writable_again(struct stage *stage)
{
    return stage->writables > 0 && client_unsent_bytes(stage->client) == 0;
}

static void test_a_server_that_does_not_read_bounds_the_buffer(void **state)
{
    (void)state;
    struct stage stage;
    set_up(&stage);
    stage.is_silent = true;
    stage.options.send_buffer_bytes = 10000;
    start(&stage, "ws", "/ws");
    run_until(&stage, is_open);
    conn_pause(stage.conn);
    run_until(&stage, is_full_and_quiet);
    assert_in_range(client_unsent_bytes(stage.client), 5000, 12000);
    assert_int_equal(stage.closed, 0);
    conn_resume(stage.conn);
    run_until(&stage, is_writable_again);
    tear_down(&stage);
}

/* ---- HTTP ---- */

static void test_posts_on_one_connection(void **state)
{
    (void)state;
    struct stage stage;
    set_up(&stage);
    start(&stage, "http", "/packets");
    run_until(&stage, is_open);
    for (int i = 0; i < 3; i++) {
        stage.responses = 0;
        assert_int_equal(client_post(stage.client, "text/plain", BYTES("body")), CLIENT_TAKEN);
        assert_int_equal(client_post(stage.client, "text/plain", BYTES("more")), CLIENT_FULL);
        run_until(&stage, has_response);
        assert_int_equal(stage.status, 200);
    }
    assert_int_equal(stage.received, 3);
    assert_int_equal(stage.opened, 1);
    assert_true(bytes_equal(buf_bytes(&stage.got), BYTES("bodybodybody")));
    tear_down(&stage);
}

static void test_an_answer_that_does_not_come(void **state)
{
    (void)state;
    struct stage stage;
    set_up(&stage);
    stage.is_silent = true;
    stage.options.response_deadline_ns = 100 * NS_PER_MS;
    start(&stage, "http", "/packets");
    run_until(&stage, is_open);
    client_post(stage.client, "text/plain", BYTES("body"));
    run_until(&stage, is_closed);
    assert_non_null(strstr(stage.why.text, "in time"));
    tear_down(&stage);
}

/* ---- servers that misbehave: a raw socket says what it is told ---- */

static int listen_raw(char url[64])
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    snprintf(url, 64, "ws://127.0.0.1:%u/", ntohs(address.sin_port));
    return fd;
}

/* Wait in the loop for the connection, then its first bytes. */
static int raw_listener, raw_conn;
static char raw_got[4096];
static size_t raw_len;
static bool raw_frame_per_write;

static bool has_raw_head(struct stage *stage)
{
    (void)stage;
    if (raw_conn < 0)
        raw_conn = accept4(raw_listener, NULL, NULL, SOCK_NONBLOCK);
    if (raw_conn < 0)
        return false;
    ssize_t got = recv(raw_conn, raw_got + raw_len, sizeof raw_got - 1 - raw_len, 0);
    raw_len += got > 0 ? (size_t)got : 0;
    raw_got[raw_len] = '\0';
    return strstr(raw_got, "\r\n\r\n") != NULL;
}

/* Upgrade it properly, then send these bytes. */
static void misbehave(struct stage *stage, bool is_upgraded, struct bytes bytes)
{
    char url[64];
    set_up(stage);
    raw_conn = -1;
    raw_len = 0;
    raw_listener = listen_raw(url);
    fcntl(raw_listener, F_SETFL, O_NONBLOCK);
    stage->options.subprotocol = NULL;
    stage->options.message_bytes = 1000;
    stage->options.is_frame_per_write = raw_frame_per_write;
    stage->options.open_deadline_ns = 200 * NS_PER_MS;
    start_at(stage, url);
    run_until(stage, has_raw_head);
    if (is_upgraded) {
        const char *key = strstr(raw_got, "Sec-WebSocket-Key: ");
        assert_non_null(key);
        char accept[WS_ACCEPT_LEN];
        ws_accept_key(bytes_of(key + 19, 24), accept);
        dprintf(raw_conn,
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                "Connection: Upgrade\r\nSec-WebSocket-Accept: %.*s\r\n\r\n",
                WS_ACCEPT_LEN, accept);
    }
    if (bytes.len > 0)
        assert_int_equal(send(raw_conn, bytes.ptr, bytes.len, MSG_NOSIGNAL), bytes.len);
}

static void end_misbehaving(struct stage *stage)
{
    close(raw_conn);
    close(raw_listener);
    tear_down(stage);
}

static void check_refused(bool is_upgraded, struct bytes bytes, const char *why)
{
    struct stage stage;
    misbehave(&stage, is_upgraded, bytes);
    run_until(&stage, is_closed);
    if (strstr(stage.why.text, why) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", why, stage.why.text);
    assert_int_equal(stage.messages, 0);
    end_misbehaving(&stage);
}

static void test_wrong_servers_are_refused(void **state)
{
    (void)state;
    check_refused(false, BYTES(""), "in time");
    check_refused(false, BYTES("SSH-2.0-OpenSSH\r\n\r\n"), "not HTTP");
    check_refused(false,
                  BYTES("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                        "Connection: Upgrade\r\nSec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA="
                        "\r\n\r\n"),
                  "handshake");
    check_refused(true, BYTES("\x81\x83mask..."), "malformed");       /* masked */
    check_refused(true, BYTES("\xc1\x01x"), "malformed");             /* a reserved bit */
    check_refused(true, BYTES("\x80\x01x"), "out of order");          /* continues nothing */
    check_refused(true, BYTES("\x01\x01x\x01\x01y"), "out of order"); /* begins twice */
    check_refused(true, BYTES("\x81\x7e\x10\x00"), "too long");
    check_refused(true, BYTES("\x88\x01x"), "malformed");
}

static void test_fragments_and_pings_between_them(void **state)
{
    (void)state;
    struct stage stage;
    misbehave(&stage, true,
              BYTES("\x01\x02"
                    "ab"
                    "\x89\x01p"
                    "\x00\x01"
                    "c"
                    "\x80\x01"
                    "d"
                    "\x81\x01"
                    "e"
                    "\x81\x01"
                    "f"));
    run_until(&stage, has_3_messages);
    assert_true(bytes_equal(buf_bytes(&stage.got), BYTES("abcdef")));
    end_misbehaving(&stage);
}

/* ---- one frame a segment ---- */

#ifdef __linux__

enum { FRAMES = 8 }; /* fewer than the first congestion window: later ones may be joined */

static unsigned segments_received(int fd)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof info;
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
    return info.tcpi_data_segs_in;
}

static bool has_raw_frames(struct stage *stage)
{
    (void)stage;
    ssize_t got = recv(raw_conn, raw_got, sizeof raw_got, 0);
    raw_len += got > 0 ? (size_t)got : 0;
    return raw_len == FRAMES * (2 + 4 + 5);
}

static unsigned count_segments(bool is_frame_per_write)
{
    struct stage stage;
    raw_frame_per_write = is_frame_per_write;
    misbehave(&stage, true, BYTES(""));
    raw_frame_per_write = false;
    run_until(&stage, is_open);
    unsigned before = segments_received(raw_conn);
    for (int i = 0; i < FRAMES; i++)
        assert_int_equal(client_send(stage.client, WS_TEXT, BYTES("frame")), CLIENT_TAKEN);
    raw_len = 0;
    run_until(&stage, has_raw_frames);
    unsigned segments = segments_received(raw_conn) - before;
    end_misbehaving(&stage);
    return segments;
}

static void test_frames_leave_together_or_each_in_its_segment(void **state)
{
    (void)state;
    assert_int_equal(count_segments(false), 1);
    assert_int_equal(count_segments(true), FRAMES);
}

#endif

/* ---- addresses ---- */

static void check_url(const char *url, bool is_websocket, const char *authority, const char *path)
{
    struct client_target target;
    struct error err = {0};
    if (client_target_resolve(&target, url, &err) != 0)
        fail_msg("%s: %s", url, err.text);
    assert_int_equal(target.is_websocket, is_websocket);
    assert_string_equal(target.authority, authority);
    assert_string_equal(target.path, path);
}

static void test_addresses(void **state)
{
    (void)state;
    check_url("ws://127.0.0.1:30000/ws", true, "127.0.0.1:30000", "/ws");
    check_url("http://127.0.0.1", false, "127.0.0.1", "/");
    check_url("http://[::1]:80/a?b=c#d", false, "[::1]:80", "/a?b=c");
    check_url("ws://127.0.0.1?q", true, "127.0.0.1", "/?q");
    static const char *const wrong[] = {
        "127.0.0.1:30000",  "ws://",
        "ws://:80/",        "ws://127.0.0.1:x/",
        "ws://127.0.0.1:/", "ws://127.0.0.1:123456/",
        "wss://127.0.0.1/", "ws://127.0.0.1/a b",
        "ws://[::1/",       "ws://127.0.0.1/\r\nX: y",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct client_target target;
        struct error err;
        if (client_target_resolve(&target, wrong[i], &err) == 0)
            fail_msg("%s was taken", wrong[i]);
        assert_int_equal(err.kind, ERROR_USAGE);
    }
}

/* ---- the pacer ---- */

struct alarm {
    struct stage *stage;
    int64_t when_ns;
    int64_t came_ns;
    unsigned times;
};
static struct alarm the_alarm;

static void on_alarm(void *context)
{
    struct alarm *alarm = context;
    alarm->came_ns = clock_monotonic_ns();
    alarm->times++;
}

static bool has_alarm(struct stage *stage)
{
    (void)stage;
    return the_alarm.times > 0;
}

static void test_pacer_is_never_early_and_can_be_moved(void **state)
{
    (void)state;
    struct stage stage;
    struct error err;
    set_up(&stage);
    the_alarm = (struct alarm){.stage = &stage};
    struct pacer *pacer = pacer_new(stage.loop, on_alarm, &the_alarm, &err);
    assert_non_null(pacer);
    pacer_at(pacer, clock_monotonic_ns() + 3600 * NS_PER_S);
    the_alarm.when_ns = clock_monotonic_ns() + 20 * NS_PER_MS;
    pacer_at(pacer, the_alarm.when_ns);
    run_until(&stage, has_alarm);
    assert_true(the_alarm.came_ns >= the_alarm.when_ns);
    assert_int_equal(the_alarm.times, 1);
    pacer_at(pacer, 0); /* long past: at once */
    the_alarm.times = 0;
    run_until(&stage, has_alarm);
    pacer_free(pacer);
    tear_down(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_go_and_come),
        cmocka_unit_test(test_close_handshake),
        cmocka_unit_test(test_server_closes),
        cmocka_unit_test(test_other_subprotocol_is_refused),
        cmocka_unit_test(test_refused_upgrade_names_the_status),
        cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_a_server_that_does_not_read_bounds_the_buffer),
        cmocka_unit_test(test_posts_on_one_connection),
        cmocka_unit_test(test_an_answer_that_does_not_come),
        cmocka_unit_test(test_wrong_servers_are_refused),
        cmocka_unit_test(test_fragments_and_pings_between_them),
#ifdef __linux__
        cmocka_unit_test(test_frames_leave_together_or_each_in_its_segment),
#endif
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_pacer_is_never_early_and_can_be_moved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
