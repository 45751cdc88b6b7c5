/* SPDX-License-Identifier: Apache-2.0 */
/* Requests come whole in most cases: head and body lie in the read buffer and
 * are handed to the role where they lie. Only an unfinished one is kept, by
 * conn.c, with its first byte in front; struct http_pending then says how far we
 * got. A chunked body is decoded in place: [head][decoded][not yet decoded]. */
#include "net/http.h"

#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "base/text.h"
#include "net/server_private.h"
#include "net/ws.h"
#include "observe/metrics.h"

struct http_pending {
    size_t parsed_len; /* CONN_HEAD: no whole head in so many bytes */
    size_t head_len;
    size_t body_limit;
    size_t body_len; /* of a body with a length */
    bool is_chunked;
    struct http1_chunked decoder;
    size_t decoded; /* bytes of body behind the head */
    size_t raw;     /* where the undecoded bytes begin */
};

static struct http_pending *pending_of(struct conn *conn)
{
    if (conn->request == NULL)
        conn->request = calloc(1, sizeof *conn->request);
    if (conn->request == NULL)
        conn_destroy(conn);
    return conn->request;
}

void http_free_pending(struct conn *conn)
{
    free(conn->request);
    conn->request = NULL;
}

/* ---- replies ---- */

static char *put(char *at, const char *text)
{
    size_t len = strlen(text);
    memcpy(at, text, len);
    return at + len;
}

enum { HEAD_ROOM = 256 }; /* a reply's head without what the role gives */

static bool has_body(unsigned status)
{
    return status >= 200 && status != 204 && status != 304;
}

static char *put_status_line(char *at, unsigned status)
{
    at = put(at, "HTTP/1.1 ");
    at += text_from_u64(at, status);
    at = put(at, " ");
    at = put(at, http1_reason(status));
    return put(at, "\r\n");
}

static char *put_type(char *at, const char *content_type)
{
    if (content_type == NULL)
        return at;
    at = put(at, "Content-Type: ");
    at = put(at, content_type);
    return put(at, "\r\n");
}

static void send_head(struct conn *conn, const struct server_reply *reply, bool is_last)
{
    const char *extra = reply->extra_headers != NULL ? reply->extra_headers : "";
    size_t type_len = reply->content_type != NULL ? strlen(reply->content_type) : 0;
    char *head = conn_out_reserve(conn, HEAD_ROOM + strlen(extra) + type_len);
    if (head == NULL)
        return;
    char *at = put_status_line(head, reply->status);
    at = put(at, server_date_line(conn->server));
    at = put_type(at, reply->content_type);
    if (has_body(reply->status)) {
        at = put(at, "Content-Length: ");
        at += text_from_u64(at, reply->body.len);
        at = put(at, "\r\n");
    }
    at = put(at, extra);
    if (is_last)
        at = put(at, "Connection: close\r\n");
    else if (conn->is_http10)
        at = put(at, "Connection: keep-alive\r\n");
    at = put(at, "\r\n");
    conn_out_commit(conn, (size_t)(at - head));
}

static void send_bytes(struct conn *conn, struct bytes bytes)
{
    char *room = bytes.len > 0 ? conn_out_reserve(conn, bytes.len) : NULL;
    if (room == NULL)
        return;
    memcpy(room, bytes.ptr, bytes.len);
    conn_out_commit(conn, bytes.len);
}

static void count_reply(unsigned status)
{
    must(status >= 100 && status <= 599);
    metrics_add(METRIC_HTTP_RESPONSES, status / 100 - 1, 1);
}

/* The answer is given: what comes next on this connection? */
static void after_reply(struct conn *conn, bool is_last)
{
    if (conn->state == CONN_CLOSED)
        return;
    if (is_last) {
        conn_finish(conn);
        return;
    }
    conn->active_tick = conn->server->deadlines.tick;
    conn_begin_phase(conn, CONN_HEAD);
    conn_update(conn);
}

void conn_reply(struct conn *conn, const struct server_reply *reply)
{
    if (!conn_is_alive(conn))
        return;
    must(conn->state == CONN_ANSWER); /* one answer a request */
    bool is_last = reply->must_close || !conn->is_keep_alive || conn->server->is_draining;
    count_reply(reply->status);
    send_head(conn, reply, is_last);
    if (conn->state == CONN_ANSWER && has_body(reply->status) && !conn->is_head_only)
        send_bytes(conn, reply->body);
    after_reply(conn, is_last);
}

void conn_reply_error(struct conn *conn, unsigned status, const char *error, const char *detail,
                      const char *extra_headers)
{
    struct buf body;
    buf_init(&body, 0);
    buf_append_text(&body, "{\"error\":");
    buf_append_json(&body, bytes_from_text(error));
    buf_append_text(&body, ",\"detail\":");
    buf_append_json(&body, bytes_from_text(detail));
    buf_append_text(&body, "}\n");
    struct server_reply reply = {.status = status,
                                 .content_type = "application/json",
                                 .body = buf_bytes(&body),
                                 .extra_headers = extra_headers};
    conn_reply(conn, &reply);
    buf_deinit(&body);
}

void conn_stream_begin(struct conn *conn, const char *content_type, const char *extra_headers)
{
    if (!conn_is_alive(conn))
        return;
    must(conn->state == CONN_ANSWER);
    const char *extra = extra_headers != NULL ? extra_headers : "";
    char *head = conn_out_reserve(conn, HEAD_ROOM + strlen(extra) + strlen(content_type));
    if (head == NULL)
        return;
    count_reply(200);
    char *at = put_status_line(head, 200);
    at = put(at, server_date_line(conn->server));
    at = put_type(at, content_type);
    at = put(at, extra);
    at = put(at, "Connection: close\r\n\r\n");
    conn_out_commit(conn, (size_t)(at - head));
    conn_begin_phase(conn, CONN_STREAM);
    if (conn->is_head_only || conn->server->is_draining)
        conn_finish(conn);
    else
        conn_update(conn);
}

bool conn_stream(struct conn *conn, struct bytes piece)
{
    if (conn->state != CONN_STREAM || !conn_make_room(conn, piece.len))
        return false;
    send_bytes(conn, piece);
    return conn->state == CONN_STREAM;
}

static void count_error(unsigned status)
{
    static const unsigned statuses[] = {400, 408, 413, 417, 426, 431, 501, 505};
    for (unsigned i = 0; i < sizeof statuses / sizeof statuses[0]; i++)
        if (statuses[i] == status)
            metrics_add(METRIC_HTTP_ERRORS, i, 1);
}

void http_fail(struct conn *conn, unsigned status, const char *error, const char *detail,
               const char *extra_headers)
{
    count_error(status);
    http_free_pending(conn);
    conn->state = CONN_ANSWER;
    conn->is_keep_alive = false;
    conn_reply_error(conn, status, error, detail, extra_headers);
}

/* ---- requests ---- */

static void deliver(struct conn *conn, const struct http1_request *request, struct bytes body)
{
    struct server *server = conn->server;
    http_free_pending(conn);
    conn->state = CONN_ANSWER;
    conn->is_known = true;
    server->handler.on_request(server->context, conn, request, body);
}

/* The head was parsed before, then its memory moved: views anew. */
static void deliver_pending(struct conn *conn, char *data, size_t body_len)
{
    struct http1_request request;
    size_t head_len = conn->request->head_len;
    size_t again;
    must(http1_parse_request(bytes_of(data, head_len), &request, &again) == HTTP1_OK);
    must(again == head_len);
    deliver(conn, &request, bytes_of(data + head_len, body_len));
}

static size_t fail_body(struct conn *conn, unsigned status, const char *error, const char *detail,
                        size_t len)
{
    http_fail(conn, status, error, detail, NULL);
    return len;
}

/* [head][decoded][raw …]: decode what is there, moving it down. */
static size_t step_chunked(struct conn *conn, char *data, size_t *len)
{
    struct http_pending *pending = conn->request;
    while (pending->raw < *len) {
        size_t used;
        struct bytes piece;
        struct bytes raw = bytes_of(data + pending->raw, *len - pending->raw);
        enum http1_result result = http1_chunked_feed(&pending->decoder, raw, &used, &piece);
        if (piece.len > pending->body_limit - pending->decoded)
            return fail_body(conn, 413, "body_too_large", "the body is larger than allowed", *len);
        if (piece.len > 0)
            memmove(data + pending->head_len + pending->decoded, piece.ptr, piece.len);
        pending->decoded += piece.len;
        pending->raw += used;
        if (result == HTTP1_OK) {
            size_t end = pending->raw;
            deliver_pending(conn, data, pending->decoded);
            return end;
        }
        if (result != HTTP1_MORE)
            return fail_body(conn, 400, "bad_chunk", "the chunked body is malformed", *len);
    }
    *len = pending->raw = pending->head_len + pending->decoded;
    return 0;
}

static size_t step_body(struct conn *conn, char *data, size_t *len)
{
    struct http_pending *pending = conn->request;
    if (pending->is_chunked)
        return step_chunked(conn, data, len);
    size_t end = pending->head_len + pending->body_len;
    if (*len < end)
        return 0;
    deliver_pending(conn, data, pending->body_len);
    return end;
}

static void send_continue(struct conn *conn)
{
    metrics_add(METRIC_HTTP_RESPONSES, 0, 1);
    send_bytes(conn, BYTES("HTTP/1.1 100 Continue\r\n\r\n"));
}

/* The head is fine and the body is on its way. */
static size_t wait_for_body(struct conn *conn, const struct http1_request *request, size_t head_len,
                            size_t body_limit, char *data, size_t *len)
{
    struct http_pending *pending = pending_of(conn);
    if (pending == NULL)
        return *len;
    *pending = (struct http_pending){.head_len = head_len,
                                     .body_limit = body_limit,
                                     .body_len = (size_t)request->content_length,
                                     .is_chunked = request->is_chunked,
                                     .raw = head_len};
    bool is_waiting = request->expects_continue && *len == head_len;
    conn_begin_phase(conn, CONN_BODY);
    if (is_waiting)
        send_continue(conn);
    return conn->state == CONN_BODY ? step_body(conn, data, len) : *len;
}

/* Let the role look at the head. false: it turned the request away. */
static bool ask_role(struct conn *conn, const struct http1_request *request, bool is_whole)
{
    struct server *server = conn->server;
    if (server->handler.on_head == NULL)
        return true;
    bool is_keep_alive = conn->is_keep_alive;
    conn->is_keep_alive = is_keep_alive && is_whole; /* else the body would be read as a request */
    http_free_pending(conn);
    conn->state = CONN_ANSWER;
    conn->is_known = true;
    if (!server->handler.on_head(server->context, conn, request))
        return false;
    if (conn->state != CONN_ANSWER) /* closed by the role */
        return false;
    conn->is_keep_alive = is_keep_alive;
    conn->state = CONN_HEAD;
    return true;
}

static size_t body_limit_of(const struct server *server, const struct http1_request *request)
{
    int64_t limit = server->limits.body_bytes;
    int64_t asked = -1;
    if (server->handler.body_limit != NULL)
        asked = server->handler.body_limit(server->context, request);
    return (size_t)(asked >= 0 && asked < limit ? asked : limit);
}

static bool has_other_expectation(const struct http1_request *request)
{
    struct bytes value;
    return request->minor == 1 && !request->expects_continue &&
           http1_find_header(request->headers, request->header_count, "Expect", &value);
}

/* A head that stands whole at the start of data. */
static size_t begin_request(struct conn *conn, const struct http1_request *request, size_t head_len,
                            char *data, size_t *len)
{
    if (has_other_expectation(request))
        return fail_body(conn, 417, "expectation_failed", "only 100-continue is known", *len);
    size_t limit = body_limit_of(conn->server, request);
    if (request->content_length > limit)
        return fail_body(conn, 413, "body_too_large", "the body is larger than allowed", *len);
    bool is_whole = !request->is_chunked && *len - head_len >= request->content_length;
    size_t end = is_whole ? head_len + (size_t)request->content_length : *len;
    if (!ask_role(conn, request, is_whole))
        return end;
    if (!is_whole)
        return wait_for_body(conn, request, head_len, limit, data, len);
    deliver(conn, request, bytes_of(data + head_len, end - head_len));
    return end;
}

/* RFC 9110 section 7.8: Upgrade in HTTP/1.0 is ignored. */
static bool wants_websocket(const struct conn *conn, const struct http1_request *request)
{
    return request->is_upgrade && request->minor == 1 && request->method == HTTP1_GET &&
           conn->server->handler.on_upgrade != NULL &&
           http1_has_token(request->headers, request->header_count, "Upgrade", "websocket");
}

static size_t take_request(struct conn *conn, const struct http1_request *request, size_t head_len,
                           char *data, size_t *len)
{
    conn->is_keep_alive = request->is_keep_alive;
    conn->is_http10 = request->minor == 0;
    conn->is_head_only = request->method == HTTP1_HEAD;
    conn->is_fresh = false;
    if (!wants_websocket(conn, request))
        return begin_request(conn, request, head_len, data, len);
    if (request->is_chunked || request->content_length > 0)
        return fail_body(conn, 400, "bad_handshake", "a WebSocket handshake has no body", *len);
    ws_upgrade(conn, request);
    return head_len;
}

static size_t fail_head(struct conn *conn, enum http1_result result, size_t len)
{
    conn->is_head_only = false;
    conn->is_http10 = false;
    switch (result) {
    case HTTP1_TOO_MANY:
        http_fail(conn, 431, "too_many_headers", "the request has too many header fields", NULL);
        return len;
    case HTTP1_VERSION:
        http_fail(conn, 505, "unsupported_version", "HTTP/1.1 is spoken here", NULL);
        return len;
    case HTTP1_CODING:
        http_fail(conn, 501, "unknown_coding", "the only transfer coding known is chunked", NULL);
        return len;
    case HTTP1_OK:
    case HTTP1_MORE:
    case HTTP1_BAD:
        http_fail(conn, 400, "bad_request", "the head of the request is malformed", NULL);
        return len;
    }
    return len;
}

static size_t fail_head_size(struct conn *conn, size_t len)
{
    http_fail(conn, 431, "head_too_large", "the head of the request is larger than allowed", NULL);
    return len;
}

/* A head that trickles in is parsed when its end may have come or when it has
 * doubled, not at every byte. */
static bool is_worth_parsing(const struct conn *conn, const char *data, size_t len)
{
    if (conn->request == NULL || len >= 2 * conn->request->parsed_len)
        return true;
    size_t from = conn->request->parsed_len < 3 ? 0 : conn->request->parsed_len - 3;
    return memmem(data + from, len - from, "\r\n\r\n", 4) != NULL;
}

static size_t wait_for_head(struct conn *conn, size_t len)
{
    if (len > (size_t)conn->server->limits.header_bytes)
        return fail_head_size(conn, len);
    bool is_begin = conn->request == NULL;
    struct http_pending *pending = pending_of(conn);
    if (pending == NULL)
        return len;
    pending->parsed_len = len;
    conn->is_fresh = false;
    if (is_begin)
        conn_begin_phase(conn, CONN_HEAD);
    return 0;
}

static size_t step_head(struct conn *conn, char *data, size_t *len)
{
    size_t most = (size_t)conn->server->limits.header_bytes;
    if (!is_worth_parsing(conn, data, *len))
        return *len > most ? fail_head_size(conn, *len) : 0;
    struct http1_request request;
    size_t head_len = 0;
    enum http1_result result = http1_parse_request(bytes_of(data, *len), &request, &head_len);
    if (result == HTTP1_MORE)
        return wait_for_head(conn, *len);
    if (result != HTTP1_OK)
        return fail_head(conn, result, *len);
    if (head_len > most)
        return fail_head_size(conn, *len);
    return take_request(conn, &request, head_len, data, len);
}

size_t http_step(struct conn *conn, char *data, size_t *len)
{
    return conn->state == CONN_HEAD ? step_head(conn, data, len) : step_body(conn, data, len);
}
