/* SPDX-License-Identifier: Apache-2.0 */
#include "net/admin.h"

#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "observe/health.h"
#include "observe/log.h"
#include "observe/metrics.h"

enum { PAGES_MAX = 32, PEER_MAX = 64 };

/* A scraper that names OpenMetrics knows it; whether it would like the other one
 * better (its q values) makes no difference to what it can read. */
static enum metrics_format format_for(const struct http1_request *request)
{
    static const char name[] = "application/openmetrics-text";
    struct bytes accept;
    if (!http1_find_header(request->headers, request->header_count, "accept", &accept))
        return METRICS_PROMETHEUS;
    return memmem(accept.ptr, accept.len, name, sizeof name - 1) != NULL ? METRICS_OPENMETRICS
                                                                         : METRICS_PROMETHEUS;
}

static unsigned print_metrics(void *context, const struct http1_request *request, struct buf *out)
{
    (void)context;
    return metrics_print(out, format_for(request)) == 0 ? 200 : 500;
}

static const char *metrics_content_type(const struct http1_request *request)
{
    return format_for(request) == METRICS_OPENMETRICS
               ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
               : "text/plain; version=0.0.4; charset=utf-8";
}

static unsigned print_alive(void *context, const struct http1_request *request, struct buf *out)
{
    (void)context, (void)request;
    bool is_alive = health_print_alive(out, clock_monotonic_ns());
    return buf_append_char(out, '\n') != 0 ? 500 : is_alive ? 200 : 503;
}

static unsigned print_ready(void *context, const struct http1_request *request, struct buf *out)
{
    (void)context, (void)request;
    bool is_ready = health_print(out);
    return buf_append_char(out, '\n') != 0 ? 500 : is_ready ? 200 : 503;
}

/* ---- the table ---- */

/* Read by every serving loop for the whole of a page, written when parts start
 * and end. */
static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static struct admin_page pages[PAGES_MAX] = {
    {.path = "/metrics", .serve = print_metrics, .content_type_of = metrics_content_type},
    {.path = "/healthz", .content_type = "application/json", .serve = print_alive},
    {.path = "/readyz", .content_type = "application/json", .serve = print_ready},
};
static size_t page_count = 3;

static struct admin_page *find_page(struct bytes path)
{
    for (size_t i = 0; i < page_count; i++)
        if (bytes_equal_text(path, pages[i].path))
            return &pages[i];
    return NULL;
}

void admin_add(const struct admin_page *page)
{
    pthread_rwlock_wrlock(&lock);
    struct admin_page *place = find_page(bytes_from_text(page->path));
    if (place == NULL) {
        must(page_count < PAGES_MAX);
        place = &pages[page_count++];
    }
    *place = *page;
    pthread_rwlock_unlock(&lock);
}

void admin_remove(const char *path)
{
    pthread_rwlock_wrlock(&lock);
    struct admin_page *page = find_page(bytes_from_text(path));
    if (page != NULL)
        *page = pages[--page_count];
    pthread_rwlock_unlock(&lock);
}

bool admin_knows(const struct http1_request *request)
{
    pthread_rwlock_rdlock(&lock);
    bool is_known = find_page(request->path) != NULL;
    pthread_rwlock_unlock(&lock);
    return is_known;
}

/* ---- serving ---- */

static void send_page(struct conn *conn, const struct admin_page *page,
                      const struct http1_request *request)
{
    struct buf body;
    buf_init(&body, 0);
    unsigned status = page->serve(page->context, request, &body);
    struct server_reply reply = {.status = status,
                                 .content_type = page->content_type != NULL
                                                     ? page->content_type
                                                     : page->content_type_of(request),
                                 .body = buf_bytes(&body),
                                 .extra_headers = "Cache-Control: no-store\r\n"};
    if (status == 500)
        conn_reply_error(conn, 500, "out_of_memory", "no memory for the page", NULL);
    else
        conn_reply(conn, &reply);
    buf_deinit(&body);
}

static bool is_from_here(const struct conn *conn)
{
    static const char *const loopbacks[] = {"127.", "[::1]", "[::ffff:127."};
    char peer[PEER_MAX];
    conn_peer(conn, peer);
    for (size_t i = 0; i < sizeof loopbacks / sizeof loopbacks[0]; i++)
        if (strncmp(peer, loopbacks[i], strlen(loopbacks[i])) == 0)
            return true;
    return false;
}

static bool is_from_web_page(const struct http1_request *request)
{
    struct bytes origin;
    return http1_find_header(request->headers, request->header_count, "origin", &origin);
}

static void serve(struct conn *conn, const struct http1_request *request,
                  const struct admin_page *page, enum admin_mount mount)
{
    bool is_read = request->method == HTTP1_GET || request->method == HTTP1_HEAD;
    if (page->is_change && request->method != HTTP1_POST)
        conn_reply_error(conn, 405, "method_not_allowed", "this path is a POST", "Allow: POST\r\n");
    else if (!page->is_change && !is_read)
        conn_reply_error(conn, 405, "method_not_allowed", "this path is only read",
                         "Allow: GET, HEAD\r\n");
    else if (page->is_change && (!is_from_here(conn) || is_from_web_page(request)))
        conn_reply_error(conn, 403, "forbidden",
                         "changes are taken from this machine's loopback address only, and not "
                         "from a web page",
                         NULL);
    else if (page->is_private && mount == ADMIN_SHARED && !is_from_here(conn))
        conn_reply_error(conn, 403, "forbidden",
                         "this page is served to this machine only; set admin.listen to an address "
                         "for operators",
                         NULL);
    else
        send_page(conn, page, request);
}

bool admin_serve(struct conn *conn, const struct http1_request *request, enum admin_mount mount)
{
    pthread_rwlock_rdlock(&lock);
    const struct admin_page *page = find_page(request->path);
    if (page != NULL)
        serve(conn, request, page, mount);
    pthread_rwlock_unlock(&lock);
    return page != NULL;
}

static void on_request(void *context, struct conn *conn, const struct http1_request *request,
                       struct bytes body)
{
    (void)context;
    (void)body;
    if (!admin_serve(conn, request, ADMIN_OWN))
        conn_reply_error(conn, 404, "not_found",
                         "Here are /metrics, /healthz, /readyz and /statusz.", NULL);
}

static void on_close(void *context, struct conn *conn)
{
    (void)context;
    (void)conn;
}

int admin_open(struct server **out, struct loop *loop, const char *listen, struct error *err)
{
    const struct server_handler handler = {.on_request = on_request, .on_close = on_close};
    struct server_limits limits;
    server_limits_defaults(&limits);
    if (server_open(out, loop, listen, &handler, NULL, &limits, err) != 0)
        return error_prefix(err, "admin");
    log_event(LOG_INFO, "admin", "listening", LOG_T("address", server_address(*out)));
    return 0;
}
