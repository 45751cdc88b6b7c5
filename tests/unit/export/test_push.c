/* SPDX-License-Identifier: Apache-2.0 */
/* Against sockets of its own: a server that is there, goes, and comes back. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "export/push.h"
#include "export/statsd.h"

struct server {
    int fd;
    char address[32];
};

static void server_open(struct server *server, int type, uint16_t port)
{
    struct sockaddr_in here = {
        .sin_family = AF_INET, .sin_port = port, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof here;
    int on = 1;
    server->fd = socket(AF_INET, type, 0);
    setsockopt(server->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    assert_int_equal(bind(server->fd, (struct sockaddr *)&here, sizeof here), 0);
    if (type == SOCK_STREAM)
        assert_int_equal(listen(server->fd, 4), 0);
    assert_int_equal(getsockname(server->fd, (struct sockaddr *)&here, &size), 0);
    snprintf(server->address, sizeof server->address, "127.0.0.1:%u", ntohs(here.sin_port));
}

static void expect(int fd, const char *text)
{
    char got[4096];
    size_t len = 0;
    while (len < strlen(text)) {
        ssize_t n = recv(fd, got + len, sizeof got - len, 0);
        assert_true(n > 0);
        len += (size_t)n;
    }
    assert_int_equal(len, strlen(text));
    assert_memory_equal(got, text, len);
}

static void test_a_stream_is_opened_again(void **state)
{
    (void)state;
    struct server server;
    server_open(&server, SOCK_STREAM, 0);
    struct push push;
    push_init(&push, server.address, false, 5 * NS_PER_S);
    struct error err = {0};
    assert_int_equal(push_send(&push, BYTES("a 1 1\n"), &err), 0);
    int peer = accept(server.fd, NULL, NULL);
    expect(peer, "a 1 1\n");
    assert_int_equal(push_send(&push, BYTES("b 2 2\n"), &err), 0);
    expect(peer, "b 2 2\n");
    close(peer); /* the server restarts */
    assert_int_equal(push_send(&push, BYTES("c 3 3\n"), &err), 0);
    peer = accept(server.fd, NULL, NULL);
    expect(peer, "c 3 3\n");
    close(peer);
    push_deinit(&push);
    close(server.fd);
}

static void test_nobody_listens(void **state)
{
    (void)state;
    struct server server;
    server_open(&server, SOCK_STREAM, 0);
    close(server.fd);
    struct push push;
    push_init(&push, server.address, false, 5 * NS_PER_S);
    struct error err = {0};
    assert_int_equal(push_send(&push, BYTES("a 1 1\n"), &err), -1);
    assert_non_null(strstr(err.text, "can't connect to 127.0.0.1:"));
    push_init(&push, "nonsense", false, NS_PER_S);
    assert_int_equal(push_send(&push, BYTES("a 1 1\n"), &err), -1);
    assert_non_null(strstr(err.text, "is not host:port"));
    push_deinit(&push);
}

/* Full buffers on both sides: the call ends at its timeout. */
static void test_a_server_that_does_not_read(void **state)
{
    (void)state;
    static char lines[16 << 20];
    memset(lines, '\n', sizeof lines);
    struct server server;
    server_open(&server, SOCK_STREAM, 0);
    struct push push;
    push_init(&push, server.address, false, 50 * NS_PER_MS);
    struct error err = {0};
    assert_int_equal(push_send(&push, bytes_of(lines, sizeof lines), &err), -1);
    assert_non_null(strstr(err.text, "can't send to"));
    assert_int_equal(push.fd, -1);
    push_deinit(&push);
    close(server.fd);
}

static void test_datagrams_hold_whole_lines(void **state)
{
    (void)state;
    struct server server;
    server_open(&server, SOCK_DGRAM, 0);
    struct push push;
    push_init(&push, server.address, true, NS_PER_S);
    enum { LINES_BYTES = 4000 };
    char lines[LINES_BYTES + 1];
    for (size_t i = 0; i < LINES_BYTES; i += 40)
        snprintf(lines + i, 41, "%-39zu\n", i);
    assert_int_equal(push_send(&push, bytes_of(lines, LINES_BYTES), NULL), 0);
    size_t total = 0;
    while (total < LINES_BYTES) {
        char packet[4096];
        ssize_t n = recv(server.fd, packet, sizeof packet, 0);
        assert_in_range(n, 40, STATSD_PACKET_MAX);
        assert_int_equal(packet[n - 1], '\n');
        assert_memory_equal(packet, lines + total, (size_t)n);
        total += (size_t)n;
    }
    push_deinit(&push);
    close(server.fd);
}

static void test_addresses(void **state)
{
    (void)state;
    char host[32];
    char port[8];
    assert_true(push_split_address("[::1]:2003", host, sizeof host, port, sizeof port));
    assert_string_equal(host, "::1");
    assert_string_equal(port, "2003");
    assert_true(push_split_address("graphite:2003", host, sizeof host, port, sizeof port));
    assert_string_equal(host, "graphite");
    assert_false(push_split_address("graphite", host, sizeof host, port, sizeof port));
    assert_false(push_split_address(":2003", host, sizeof host, port, sizeof port));
    assert_false(push_split_address("graphite:", host, sizeof host, port, sizeof port));
    assert_false(push_split_address("graphite:123456789", host, sizeof host, port, sizeof port));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_stream_is_opened_again),
        cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_a_server_that_does_not_read),
        cmocka_unit_test(test_datagrams_hold_whole_lines),
        cmocka_unit_test(test_addresses),
    };
    return cmocka_run_group_tests_name("push", tests, NULL, NULL);
}
