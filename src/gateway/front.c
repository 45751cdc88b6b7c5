/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/front.h"

#include "gateway/intake.h"
#include "gateway/post.h"
#include "gateway/session.h"
#include "gateway/worker.h"
#include "net/admin.h"

static const char SUBPROTOCOL[] = "motorcade.v1";

static bool is_path(const struct http1_request *request, const char *path)
{
    return bytes_equal_text(request->path, path);
}

static bool is_websocket_path(const struct worker *worker, const struct http1_request *request)
{
    return is_path(request, "/ws") || (worker->config->echo && is_path(request, "/echo"));
}

/* What is not POST /packets, answered without its body. */
static void serve_other(struct worker *worker, struct conn *conn,
                        const struct http1_request *request)
{
    if (is_path(request, "/packets"))
        conn_reply_error(conn, 405, "method_not_allowed", "Packets come by POST.",
                         "Allow: POST\r\n");
    else if (is_websocket_path(worker, request))
        conn_reply_error(conn, 426, "upgrade_required", "This path is a WebSocket.",
                         "Upgrade: websocket\r\nConnection: Upgrade\r\n");
    else if (!worker->shared->serves_admin || !admin_serve(conn, request, ADMIN_SHARED))
        conn_reply_error(conn, 404, "not_found", "The gateway serves /ws and /packets.", NULL);
}

static bool is_for_packets(const struct http1_request *request)
{
    return is_path(request, "/packets") && request->method == HTTP1_POST;
}

static bool on_head(void *context, struct conn *conn, const struct http1_request *request)
{
    struct worker *worker = context;
    if (is_for_packets(request))
        return post_admit(worker, conn, request);
    serve_other(worker, conn, request);
    return false;
}

static void on_request(void *context, struct conn *conn, const struct http1_request *request,
                       struct bytes body)
{
    post_begin(context, conn, request, body);
}

static bool on_upgrade(void *context, struct conn *conn, const struct http1_request *request,
                       const char **subprotocol)
{
    struct worker *worker = context;
    if (!is_websocket_path(worker, request)) {
        serve_other(worker, conn, request);
        return false;
    }
    if (!is_path(request, "/ws"))
        return true; /* the echo path has no session */
    struct session *session = session_new(worker, conn);
    if (session == NULL) {
        conn_reply_error(conn, 503, "busy", "Not enough memory.", "Retry-After: 1\r\n");
        return false;
    }
    session->wants_acks = http1_has_token(request->headers, request->header_count,
                                          "sec-websocket-protocol", SUBPROTOCOL);
    if (session->wants_acks)
        *subprotocol = SUBPROTOCOL;
    return true;
}

static void on_message(void *context, struct conn *conn, enum ws_opcode opcode,
                       struct bytes message)
{
    (void)context;
    struct session *session = conn_user(conn);
    if (session == NULL)
        conn_send(conn, opcode, message);
    else if (!session->has_failed)
        intake_begin(session, message);
}

static void on_close(void *context, struct conn *conn)
{
    (void)context;
    struct session *session = conn_user(conn);
    if (session != NULL)
        session_detach(session);
}

const struct server_handler front_handler = {
    .on_head = on_head,
    .on_request = on_request,
    .on_upgrade = on_upgrade,
    .on_message = on_message,
    .on_close = on_close,
};
