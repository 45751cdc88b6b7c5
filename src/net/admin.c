/* SPDX-License-Identifier: Apache-2.0 */
#include "net/admin.h"

#include "base/buf.h"
#include "observe/health.h"
#include "observe/metrics.h"

/* Fills the page and returns its status. */
typedef unsigned page_fn(struct buf *out);

static unsigned print_metrics(struct buf *out)
{
    return metrics_print_prometheus(out) == 0 ? 200 : 500;
}

static unsigned print_alive(struct buf *out)
{
    return buf_append_text(out, "{\"alive\":true}\n") == 0 ? 200 : 500;
}

static unsigned print_ready(struct buf *out)
{
    bool is_ready = health_print(out);
    return buf_append_char(out, '\n') != 0 ? 500 : is_ready ? 200 : 503;
}

static const struct page {
    const char *path;
    const char *content_type;
    page_fn *print;
} pages[] = {
    {"/metrics", "text/plain; version=0.0.4; charset=utf-8", print_metrics},
    {"/healthz", "application/json", print_alive},
    {"/readyz", "application/json", print_ready},
};

static const struct page *find_page(const struct http1_request *request)
{
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++)
        if (bytes_equal_text(request->path, pages[i].path))
            return &pages[i];
    return NULL;
}

bool admin_knows(const struct http1_request *request)
{
    return find_page(request) != NULL;
}

static void send_page(struct conn *conn, const struct page *page)
{
    struct buf body;
    buf_init(&body, 0);
    unsigned status = page->print(&body);
    struct server_reply reply = {.status = status,
                                 .content_type = page->content_type,
                                 .body = buf_bytes(&body),
                                 .extra_headers = "Cache-Control: no-store\r\n"};
    if (status == 500)
        conn_reply_error(conn, 500, "out_of_memory", "no memory for the page", NULL);
    else
        conn_reply(conn, &reply);
    buf_deinit(&body);
}

bool admin_serve(struct conn *conn, const struct http1_request *request)
{
    const struct page *page = find_page(request);
    if (page == NULL)
        return false;
    if (request->method == HTTP1_GET || request->method == HTTP1_HEAD)
        send_page(conn, page);
    else
        conn_reply_error(conn, 405, "method_not_allowed", "this path is only read",
                         "Allow: GET, HEAD\r\n");
    return true;
}
