/* SPDX-License-Identifier: Apache-2.0 */
/* How long a connection may stay in each of its states, and what happens then. */
#include "base/clock.h"
#include "net/conn.h"
#include "net/http.h"
#include "net/server_private.h"
#include "net/ws.h"

static const int64_t LINGER_NS = 2 * NS_PER_S;
static const int64_t WS_CLOSE_NS = 5 * NS_PER_S;

static uint32_t after(const struct conn *conn, uint32_t tick, int64_t ns)
{
    return tick + deadlines_ticks(&conn->server->deadlines, ns);
}

static uint32_t websocket_due(const struct conn *conn)
{
    const struct server_limits *limits = &conn->server->limits;
    if (conn->is_paused && conn->out.bytes == 0)
        return DEADLINE_NEVER; /* we don't read: silence is our doing */
    uint32_t idle = after(conn, conn->active_tick, limits->idle_deadline_ns);
    if (limits->ping_interval_ns == 0 || conn->is_pinged)
        return idle;
    uint32_t ping = after(conn, conn->active_tick, limits->ping_interval_ns);
    return (int32_t)(ping - idle) < 0 ? ping : idle;
}

static uint32_t due_tick(const struct conn *conn)
{
    const struct server_limits *limits = &conn->server->limits;
    bool is_sending = conn->out.bytes > 0;
    uint32_t idle = after(conn, conn->active_tick, limits->idle_deadline_ns);
    switch ((enum conn_state)conn->state) {
    case CONN_HEAD:
        if (conn->is_fresh || conn->request != NULL)
            return after(conn, conn->phase_tick, limits->header_deadline_ns);
        return conn->is_paused && !is_sending ? DEADLINE_NEVER : idle;
    case CONN_BODY:
        return after(conn, conn->phase_tick, limits->body_deadline_ns);
    case CONN_STREAM:
        return is_sending ? idle : DEADLINE_NEVER;
    case CONN_WEBSOCKET:
        return websocket_due(conn);
    case CONN_WS_CLOSING:
        return after(conn, conn->phase_tick, WS_CLOSE_NS);
    case CONN_LINGER:
        return is_sending ? idle : after(conn, conn->phase_tick, LINGER_NS);
    case CONN_ANSWER: /* the role's time */
    case CONN_CLOSED:
        return DEADLINE_NEVER;
    }
    return DEADLINE_NEVER;
}

/* A byte received brings the next ping nearer without moving the connection in
 * the wheel: look at least once an interval. */
static uint32_t look_tick(const struct conn *conn)
{
    uint32_t due = due_tick(conn);
    int64_t interval_ns = conn->server->limits.ping_interval_ns;
    if (conn->state != CONN_WEBSOCKET || interval_ns == 0)
        return due;
    uint32_t next = after(conn, conn->server->deadlines.tick, interval_ns);
    return due == DEADLINE_NEVER || (int32_t)(next - due) < 0 ? next : due;
}

void conn_set_deadline(struct conn *conn)
{
    if (conn->state != CONN_CLOSED)
        deadlines_set(&conn->server->deadlines, &conn->deadline_node, look_tick(conn));
}

void conn_begin_phase(struct conn *conn, enum conn_state state)
{
    conn->state = (uint8_t)state;
    conn->phase_tick = conn->server->deadlines.tick;
    conn_set_deadline(conn);
}

static void expire_head(struct conn *conn)
{
    if (conn->request != NULL) {
        conn_count_cut(CONN_CUT_HEADER);
        http_fail(conn, 408, "header_timeout", "the head of the request did not come in time",
                  NULL);
        return;
    }
    conn_count_cut(conn->is_fresh ? CONN_CUT_HEADER : CONN_CUT_IDLE);
    if (conn->out.bytes > 0 || conn->is_fresh)
        conn_destroy(conn);
    else
        conn_finish(conn);
}

static void expire_websocket(struct conn *conn)
{
    uint32_t idle = after(conn, conn->active_tick, conn->server->limits.idle_deadline_ns);
    if ((int32_t)(idle - conn->server->deadlines.tick) > 0) {
        ws_ping(conn);
        return;
    }
    conn_count_cut(CONN_CUT_IDLE);
    ws_fail(conn, WS_CLOSE_GOING_AWAY, "idle");
}

static void expire(struct conn *conn)
{
    switch ((enum conn_state)conn->state) {
    case CONN_HEAD:
        expire_head(conn);
        return;
    case CONN_BODY:
        conn_count_cut(CONN_CUT_BODY);
        http_fail(conn, 408, "body_timeout", "the body of the request did not come in time", NULL);
        return;
    case CONN_WEBSOCKET:
        expire_websocket(conn);
        return;
    case CONN_STREAM:
        conn_count_cut(CONN_CUT_SLOW);
        conn_destroy(conn);
        return;
    case CONN_WS_CLOSING:
    case CONN_LINGER:
    case CONN_ANSWER:
    case CONN_CLOSED:
        conn_destroy(conn);
        return;
    }
}

void conn_on_due(void *context, struct list *deadline_node)
{
    struct server *server = context;
    struct conn *conn = list_item(deadline_node, struct conn, deadline_node);
    uint32_t due = due_tick(conn);
    if (due != DEADLINE_NEVER && (int32_t)(due - server->deadlines.tick) <= 0)
        expire(conn);
    conn_set_deadline(conn);
}
