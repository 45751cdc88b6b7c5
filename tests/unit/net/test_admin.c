/* SPDX-License-Identifier: Apache-2.0 */
#include "net/admin.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"
#include "observe/health.h"

static void on_request(void *context, struct conn *conn, const struct http1_request *request,
                       struct bytes body)
{
    (void)context, (void)body;
    if (!admin_serve(conn, request, ADMIN_SHARED))
        conn_reply_error(conn, 404, "not_found", "no such path", NULL);
}

static void on_close(void *context, struct conn *conn)
{
    (void)context, (void)conn;
}

static int set_up(void **state)
{
    static const struct server_handler handler = {.on_request = on_request, .on_close = on_close};
    struct fixture *fixture = fixture_new();
    fixture->loop = loop_new("admin", NULL);
    assert_non_null(fixture->loop);
    assert_int_equal(server_open(&fixture->server, fixture->loop, "127.0.0.1:0", &handler, NULL,
                                 &fixture->limits, NULL),
                     0);
    fixture->port = (unsigned)atoi(strrchr(server_address(fixture->server), ':') + 1);
    assert_int_equal(loop_start(fixture->loop, NULL), 0);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    fixture_free(*state);
    return 0;
}

static void expect(void *state, const char *path, unsigned status, const char *part)
{
    struct buf body;
    buf_init(&body, 0);
    int fd = client_open(state);
    client_send_text(fd, "GET ");
    client_send_text(fd, path);
    client_send_text(fd, " HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(client_response(fd, &body), status);
    buf_append_char(&body, '\0');
    if (strstr(body.ptr, part) == NULL)
        fail_msg("no \"%s\" in: %s", part, body.ptr);
    buf_deinit(&body);
    close(fd);
}

static void test_metrics(void **state)
{
    expect(*state, "/metrics", 200, "# TYPE motorcade_connections_open gauge\n");
    expect(*state, "/metrics?x=1", 200, "motorcade_loop_delay_seconds_bucket{");
    expect(*state, "/metricsx", 404, "not_found");
}

static void test_openmetrics_for_those_who_ask(void **state)
{
    struct buf all;
    buf_init(&all, 0);
    int fd = client_open(*state);
    client_send_text(fd,
                     "GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAccept: "
                     "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.4\r\n\r\n");
    client_read_all(fd, &all);
    buf_append_char(&all, '\0');
    assert_non_null(
        strstr(all.ptr, "application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"));
    assert_non_null(strstr(all.ptr, "# TYPE motorcade_connections_accepted counter\n"
                                    "motorcade_connections_accepted_total "));
    assert_string_equal(all.ptr + all.len - 7, "# EOF\n");
    buf_deinit(&all);
    close(fd);
}

static void test_health(void **state)
{
    struct health_check *check = health_check("unit-test");
    expect(*state, "/healthz", 200, "alive");
    expect(*state, "/readyz", 503, "\"unit-test\":\"starting\"");
    health_set_ready(check);
    expect(*state, "/readyz", 200, "\"ready\":true");
    health_set_unready(check, "journal full");
    expect(*state, "/readyz", 503, "journal full");
    expect(*state, "/healthz", 200, "alive");
    health_retire(check);
}

static void test_methods(void **state)
{
    int fd = client_open(*state);
    client_send_text(fd, "POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx");
    client_expect_error(fd, 405, "method_not_allowed");
    client_send_text(fd, "DELETE /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    struct buf all;
    buf_init(&all, 0);
    client_read_all(fd, &all);
    buf_append_char(&all, '\0');
    assert_non_null(strstr(all.ptr, "HTTP/1.1 405 Method Not Allowed\r\n"));
    assert_non_null(strstr(all.ptr, "\r\nAllow: GET, HEAD\r\n"));
    buf_deinit(&all);
    close(fd);
}

static unsigned serve_change(void *context, const struct http1_request *request, struct buf *out)
{
    char value[8];
    assert_true(http1_query_value(request->query, "x", value, sizeof value));
    buf_printf(out, "%s %s", (const char *)context, value);
    return 202;
}

static void post(void *state, const char *headers, unsigned status, const char *part)
{
    struct buf body;
    buf_init(&body, 0);
    int fd = client_open(state);
    client_send_text(fd, "POST /admin/change?x=1 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n");
    client_send_text(fd, headers);
    client_send_text(fd, "\r\n");
    assert_int_equal(client_response(fd, &body), status);
    buf_append_char(&body, '\0');
    assert_non_null(strstr(body.ptr, part));
    buf_deinit(&body);
    close(fd);
}

static void test_changes_are_posts_and_not_from_web_pages(void **state)
{
    char context[] = "changed";
    admin_add(&(struct admin_page){.path = "/admin/change",
                                   .content_type = "text/plain",
                                   .is_change = true,
                                   .serve = serve_change,
                                   .context = context});
    expect(*state, "/admin/change?x=1", 405, "POST");
    post(*state, "", 202, "changed 1");
    post(*state, "Origin: http://evil.example\r\n", 403, "web page");
    admin_remove("/admin/change");
    expect(*state, "/admin/change?x=1", 404, "not_found");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_metrics, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_openmetrics_for_those_who_ask, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_health, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_methods, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_changes_are_posts_and_not_from_web_pages, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
