/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP half of a server over real sockets. */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
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
    fixture_start(fixture);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    fixture_free(*state);
    return 0;
}

static void test_post_is_answered_and_connection_kept(void **state)
{
    int fd = client_open(*state);
    for (int i = 0; i < 3; i++) {
        client_send_text(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
        client_expect(fd, 200, "hello");
    }
    close(fd);
}

static void test_pipelined_requests_are_answered_in_order(void **state)
{
    int fd = client_open(*state);
    client_send_text(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\na"
                         "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n"
                         "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nb");
    client_expect(fd, 200, "a");
    client_expect_error(fd, 404, "not_found");
    client_expect(fd, 200, "b");
    close(fd);
}

static void release(struct fixture *fixture)
{
    struct server_reply reply = {.status = 200, .body = BYTES("late")};
    must(fixture->parked != NULL);
    conn_reply(fixture->parked, &reply);
}

static void test_next_pipelined_request_waits_for_the_answer(void **state)
{
    struct fixture *fixture = *state;
    int fd = client_open(fixture);
    client_send_text(fd, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n"
                         "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nb");
    wait_for(&fixture->requests, 1);
    client_send_text(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nc");
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&readable, 1, 20), 0);
    assert_int_equal(atomic_load(&fixture->requests), 1);
    fixture_call(fixture, release);
    client_expect(fd, 200, "late");
    client_expect(fd, 200, "b");
    client_expect(fd, 200, "c");
    close(fd);
}

static void test_half_closed_client_gets_all_its_answers(void **state)
{
    struct fixture *fixture = *state;
    int fd = client_open(fixture);
    client_send_text(fd, "GET /later HTTP/1.1\r\nHost: a\r\n\r\n"
                         "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nb");
    shutdown(fd, SHUT_WR);
    wait_for(&fixture->requests, 1);
    fixture_call(fixture, release);
    client_expect(fd, 200, "late");
    client_expect(fd, 200, "b");
    client_expect_end(fd);
}

static void test_head_and_body_split_at_every_byte(void **state)
{
    static const char request[] = "POST /echo?x=1 HTTP/1.1\r\nHost: a\r\nA: b\r\n"
                                  "Content-Length: 5\r\n\r\nhello";
    int fd = client_open(*state);
    for (size_t cut = 1; cut < sizeof request - 1; cut++) {
        client_send(fd, bytes_of(request, cut));
        poll(NULL, 0, 1); /* likely a segment of its own; right either way */
        client_send(fd, bytes_of(request + cut, sizeof request - 1 - cut));
        client_expect(fd, 200, "hello");
    }
    for (size_t i = 0; i < sizeof request - 1; i++)
        client_send(fd, bytes_of(request + i, 1));
    client_expect(fd, 200, "hello");
    close(fd);
}

static void test_chunked_body_split_at_every_byte(void **state)
{
    static const char request[] =
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nTrailer: t\r\n\r\n";
    int fd = client_open(*state);
    for (size_t cut = 1; cut < sizeof request - 1; cut++) {
        client_send(fd, bytes_of(request, cut));
        poll(NULL, 0, 1);
        client_send(fd, bytes_of(request + cut, sizeof request - 1 - cut));
        client_expect(fd, 200, "hello");
    }
    for (size_t i = 0; i < sizeof request - 1; i++)
        client_send(fd, bytes_of(request + i, 1));
    client_expect(fd, 200, "hello");
    close(fd);
}

static void test_expect_continue(void **state)
{
    int fd = client_open(*state);
    client_send_text(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
                         "Expect: 100-continue\r\n\r\n");
    assert_int_equal(client_response(fd, NULL), 100);
    client_send_text(fd, "ok");
    client_expect(fd, 200, "ok");
    client_send_text(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n");
    client_expect_error(fd, 417, "expectation_failed");
    client_expect_end(fd);
}

static void test_role_turns_away_from_the_head(void **state)
{
    struct fixture *fixture = *state;
    int fd = client_open(fixture);
    client_send_text(fd, "POST /full HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab");
    client_expect_error(fd, 503, "full");
    client_send_text(fd, "POST /full HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n"
                         "Expect: 100-continue\r\n\r\n");
    client_expect_error(fd, 503, "full");
    client_expect_end(fd);
    assert_int_equal(atomic_load(&fixture->requests), 0);
}

static void expect_refusal(void *state, const char *request, unsigned status, const char *word)
{
    int fd = client_open(state);
    client_send_text(fd, request);
    client_expect_error(fd, status, word);
    client_expect_end(fd);
}

static void test_malformed_requests(void **state)
{
    expect_refusal(*state, "GET / HTTP/1.1\r\n\r\n", 400, "bad_request");
    expect_refusal(*state, "hello\r\n\r\n", 400, "bad_request");
    expect_refusal(*state, "GET / HTTP/1.1\nHost: a\n\n", 400, "bad_request");
    expect_refusal(*state, "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, "unsupported_version");
    expect_refusal(*state, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
                   501, "unknown_coding");
    expect_refusal(*state,
                   "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400,
                   "bad_chunk");
    expect_refusal(*state, "POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n", 413,
                   "body_too_large");
    expect_refusal(*state,
                   "POST /small HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                   "9\r\n123456789\r\n0\r\n\r\n",
                   413, "body_too_large");
}

static void test_head_request_has_no_body(void **state)
{
    int fd = client_open(*state);
    client_send_text(fd, "HEAD /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    struct buf all;
    buf_init(&all, 0);
    client_read_all(fd, &all);
    buf_append_char(&all, '\0');
    assert_non_null(strstr(all.ptr, "HTTP/1.1 404 Not Found\r\n"));
    assert_non_null(strstr(all.ptr, "Content-Length: "));
    assert_non_null(strstr(all.ptr, "Connection: close\r\n"));
    assert_string_equal(all.ptr + all.len - 5, "\r\n\r\n");
    buf_deinit(&all);
    close(fd);
}

static void test_http10_closes_unless_asked(void **state)
{
    int fd = client_open(*state);
    client_send_text(fd, "GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    client_expect(fd, 200, "");
    client_send_text(fd, "GET /echo HTTP/1.0\r\n\r\n");
    client_expect(fd, 200, "");
    client_expect_end(fd);
}

static void test_too_large_head(void **state)
{
    char *request = malloc(20001);
    must(request != NULL);
    int len = snprintf(request, 20000, "GET / HTTP/1.1\r\nHost: a\r\nA: ");
    memset(request + len, 'x', (size_t)(20000 - len));
    request[20000] = '\0';
    expect_refusal(*state, request, 431, "head_too_large");
    free(request);
}

static void test_large_answer_to_a_slow_reader_arrives(void **state)
{
    int fd = client_open(*state);
    client_send_text(fd, "GET /big HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    struct buf all;
    buf_init(&all, 0);
    assert_int_equal(client_response(fd, &all), 200);
    assert_int_equal(all.len, 8 * 1024 * 1024);
    client_expect_end(fd);
    buf_deinit(&all);
}

static void end_stream(struct fixture *fixture)
{
    must(fixture->parked != NULL);
    must(conn_stream(fixture->parked, BYTES("data: 2\n\n")));
    conn_close(fixture->parked, WS_CLOSE_NORMAL, NULL);
    must(!conn_stream(fixture->parked, BYTES("data: 3\n\n")));
}

static void test_stream(void **state)
{
    struct fixture *fixture = *state;
    int fd = client_open(fixture);
    client_send_text(fd, "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(client_response(fd, NULL), 200);
    char first[9];
    client_read(fd, first, sizeof first);
    fixture_call(fixture, end_stream);
    struct buf rest;
    buf_init(&rest, 0);
    client_read_all(fd, &rest);
    assert_true(bytes_equal(buf_bytes(&rest), BYTES("data: 2\n\n")));
    buf_deinit(&rest);
    close(fd);
    wait_for(&fixture->closes, 1);
}

static void test_client_that_leaves_a_stream_is_noticed(void **state)
{
    struct fixture *fixture = *state;
    int fd = client_open(fixture);
    client_send_text(fd, "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(client_response(fd, NULL), 200);
    close(fd);
    wait_for(&fixture->closes, 1);
}

static void test_role_closes_instead_of_answering(void **state)
{
    int fd = client_open(*state);
    client_send_text(fd, "GET /close HTTP/1.1\r\nHost: a\r\n\r\n");
    client_expect_end(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(test_post_is_answered_and_connection_kept),
        TEST(test_pipelined_requests_are_answered_in_order),
        TEST(test_next_pipelined_request_waits_for_the_answer),
        TEST(test_half_closed_client_gets_all_its_answers),
        TEST(test_head_and_body_split_at_every_byte),
        TEST(test_chunked_body_split_at_every_byte),
        TEST(test_expect_continue),
        TEST(test_role_turns_away_from_the_head),
        TEST(test_malformed_requests),
        TEST(test_head_request_has_no_body),
        TEST(test_http10_closes_unless_asked),
        TEST(test_too_large_head),
        TEST(test_large_answer_to_a_slow_reader_arrives),
        TEST(test_stream),
        TEST(test_client_that_leaves_a_stream_is_noticed),
        TEST(test_role_closes_instead_of_answering),
#undef TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
