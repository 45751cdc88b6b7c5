/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/session.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/must.h"
#include "base/text.h"
#include "gateway/post.h"
#include "gateway/waiting.h"
#include "gateway/worker.h"
#include "observe/metrics.h"

struct session *session_new(struct worker *worker, struct conn *conn)
{
    struct session *session = calloc(1, sizeof *session);
    if (session == NULL)
        return NULL;
    session->conn = conn;
    session->worker = worker;
    if (worker_add_session(worker, session) != 0) {
        free(session);
        return NULL;
    }
    conn_set_user(conn, session);
    return session;
}

static void session_free(struct session *session)
{
    worker_remove_session(session->worker, session);
    ack_window_deinit(&session->window);
    free(session);
}

void session_detach(struct session *session)
{
    session->conn = NULL;
    waiting_drop(&session->worker->waiting, session);
    post_free(session->post);
    session->post = NULL;
    if (session->in_flight == 0 && !session->is_touched)
        session_free(session);
}

uint64_t session_count(struct session *session)
{
    return ++session->received;
}

void session_settle(struct session *session, uint64_t n)
{
    uint64_t before = session->window.settled;
    if (ack_window_settle(&session->window, n) != 0)
        session_fail(session);
    session->settled_in_turn += (uint32_t)(session->window.settled - before);
    worker_touch(session->worker, session);
}

void session_reported(struct session *session, uint64_t n, bool is_durable)
{
    must(session->in_flight > 0);
    session->in_flight--;
    if (!is_durable)
        session_fail(session);
    else if (session->conn != NULL && !session->has_failed)
        session_settle(session, n);
    if (session->conn == NULL && session->in_flight == 0 && !session->is_touched)
        session_free(session);
}

void session_fail(struct session *session)
{
    if (session->has_failed || session->conn == NULL)
        return;
    session->has_failed = true;
    if (session->post != NULL)
        post_refuse(session, 503, "not_durable",
                    "The packets could not be made durable; send them again.");
    else
        conn_close(session->conn, WS_CLOSE_INTERNAL, "not durable");
}

static void send_ack(struct session *session)
{
    static const char head[] = "{\"ack\":";
    char text[sizeof head + TEXT_U64_MAX + 1];
    memcpy(text, head, sizeof head - 1);
    size_t len = sizeof head - 1;
    len += text_from_u64(text + len, session->window.settled);
    text[len++] = '}';
    conn_send(session->conn, WS_TEXT, bytes_of(text, len));
}

void session_acknowledge(struct session *session)
{
    session->is_touched = false;
    if (session->conn == NULL) {
        if (session->in_flight == 0)
            session_free(session);
        return;
    }
    if (session->has_failed)
        return;
    uint32_t news = session->settled_in_turn;
    session->settled_in_turn = 0;
    metrics_add(METRIC_GATEWAY_ACKED, 0, news);
    if (session->post != NULL)
        post_try_answer(session);
    else if (session->wants_acks && news > 0)
        send_ack(session);
}

void session_reject(struct session *session, uint64_t n, const struct reject *reject)
{
    struct buf *text = &session->worker->text;
    buf_clear(text);
    buf_append_text(text, "{\"reject\":");
    buf_append_u64(text, n);
    buf_append_text(text, ",\"reason\":\"");
    buf_append_text(text, reason_code(reject->reason));
    buf_append_text(text, "\",\"detail\":");
    buf_append_json(text, bytes_from_text(reject->detail));
    buf_append_char(text, '}');
    if (!text->has_failed)
        conn_send(session->conn, WS_TEXT, buf_bytes(text));
}
