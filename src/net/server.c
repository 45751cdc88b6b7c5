/* SPDX-License-Identifier: Apache-2.0 */
#include "net/server.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/must.h"
#include "net/http.h"
#include "net/server_private.h"
#include "net/ws.h"
#include "observe/metrics.h"

const char *server_address(const struct server *server)
{
    return server->address;
}

const char *server_date_line(struct server *server)
{
    int64_t second = clock_wall_ns() / NS_PER_S;
    if (second != server->date_second) {
        time_t time = (time_t)second;
        struct tm tm;
        gmtime_r(&time, &tm);
        strftime(server->date, sizeof server->date, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
        server->date_second = second;
    }
    return server->date;
}

/* ---- the end of a turn ---- */

void server_add_todo(struct server *server, struct conn *conn)
{
    if (list_is_empty(&conn->todo_node))
        list_append(&server->todo, &conn->todo_node);
}

/* Each connection on the list now, once; those that come meanwhile wait. A
 * callback may destroy any connection, which takes it off either list. */
static void for_each_todo(struct server *server, void (*fn)(struct conn *conn))
{
    struct list now;
    list_init(&now);
    if (!list_is_empty(&server->todo)) { /* the whole list moves to another head */
        now = server->todo;
        now.next->prev = &now;
        now.prev->next = &now;
        list_init(&server->todo);
    }
    while (!list_is_empty(&now)) {
        struct conn *conn = list_item(now.next, struct conn, todo_node);
        list_remove(&conn->todo_node);
        fn(conn);
    }
}

static void resume_and_keep(struct conn *conn)
{
    struct server *server = conn->server;
    conn_run_resume(conn);
    if (conn->state != CONN_CLOSED)
        server_add_todo(server, conn); /* for the flush */
}

static void on_resume(void *context)
{
    struct server *server = context;
    if (server->resume_count > 0)
        for_each_todo(server, resume_and_keep);
}

static void publish_counts(struct server *server)
{
    struct server_counts *counts = &server->counts;
    if (counts->bytes_in != 0)
        metrics_add(METRIC_NET_BYTES, 0, counts->bytes_in);
    if (counts->bytes_out != 0)
        metrics_add(METRIC_NET_BYTES, 1, counts->bytes_out);
    if (counts->messages_in != 0)
        metrics_add(METRIC_WS_MESSAGES, 0, counts->messages_in);
    if (counts->messages_out != 0)
        metrics_add(METRIC_WS_MESSAGES, 1, counts->messages_out);
    *counts = (struct server_counts){0};
}

/* A role that answers at the end of the turn makes the next pipelined request
 * due: it stays on the list, and on_flush asks for another turn. */
static void flush_and_keep(struct conn *conn)
{
    struct server *server = conn->server;
    conn_run_flush(conn);
    if (conn->state != CONN_CLOSED && conn->wants_resume)
        server_add_todo(server, conn);
}

static void on_flush(void *context)
{
    struct server *server = context;
    for_each_todo(server, flush_and_keep);
    publish_counts(server);
    if (!list_is_empty(&server->todo))
        loop_again(server->loop);
}

/* ---- connections come and go ---- */

static void refuse(struct server *server, int fd, enum admission_verdict verdict)
{
    bool is_total = verdict == ADMISSION_FULL;
    metrics_add(METRIC_CONNECTIONS_REFUSED, is_total ? 0 : 1, 1);
    if (server->refused_count >= SERVER_REFUSED_MAX) {
        close(fd);
        return;
    }
    struct conn *conn = conn_new(server, fd, NULL);
    if (conn == NULL)
        return;
    server->refused_count++;
    http_fail(conn, 503, "too_many_connections",
              is_total ? "the server has as many connections as it may"
                       : "this address has as many connections as it may",
              "Retry-After: 5\r\n");
}

static void on_accept(void *context, int fd, const struct sockaddr *peer)
{
    struct server *server = context;
    struct admission_address *address = NULL;
    enum admission_verdict verdict =
        admission_enter(server->admission, &server->limits, peer, &address);
    if (verdict != ADMISSION_OK) {
        refuse(server, fd, verdict);
        return;
    }
    metrics_add(METRIC_CONNECTIONS_ACCEPTED, 0, 1);
    if (conn_new(server, fd, address) == NULL)
        admission_leave(server->admission, address);
}

static void free_server(struct server *server)
{
    outbox_pool_deinit(&server->pool);
    admission_unref(server->admission);
    free(server);
}

/* Nothing left? Then tell who waits for it. */
static void check_end(struct server *server)
{
    if (server->conn_count > 0 || !server->is_listener_closed)
        return;
    if (server->is_closed) {
        free_server(server);
        return;
    }
    void (*done)(void *context) = server->on_drained;
    server->on_drained = NULL;
    if (done != NULL)
        done(server->drained_context); /* may close the server: touch it no more */
}

void server_forget(struct server *server, struct conn *conn)
{
    if (conn->is_known && !server->is_closed)
        server->handler.on_close(server->context, conn);
    if (conn->is_refused)
        server->refused_count--;
    server->conn_count--;
    if (server->conn_count == 0 && !server->is_closed)
        deadlines_rest(&server->deadlines);
    free(conn);
    check_end(server);
}

/* ---- open, drain, close ---- */

static int64_t least(int64_t a, int64_t b)
{
    return b > 0 && b < a ? b : a;
}

/* Fine enough for the shortest deadline, and no finer than needed. */
static int64_t tick_ns_for(const struct server_limits *limits)
{
    int64_t shortest = least(8 * NS_PER_S, limits->header_deadline_ns);
    shortest = least(shortest, limits->body_deadline_ns);
    shortest = least(shortest, limits->idle_deadline_ns);
    shortest = least(shortest, limits->ping_interval_ns);
    int64_t tick = shortest / 8;
    return tick < 5 * NS_PER_MS ? 5 * NS_PER_MS : tick;
}

/* Loops of one role share a port; two roles on one port would each get some of
 * the other's requests. The function that takes requests tells roles apart. */
static int open_listener(struct server *server, const char *listen, struct error *err)
{
    struct listener_address address;
    char wanted[64];
    if (listener_parse(listen, &address, err) != 0)
        return -1;
    listener_print((const struct sockaddr *)&address.storage, wanted);
    enum admission_owner owner = admission_owner(wanted, server->handler.on_request);
    if (owner == ADMISSION_OTHER)
        return error_set(err, ERROR_BUSY,
                         "%s is used by another part of this program; give each an address of "
                         "its own",
                         wanted);
    if (listener_open(&server->listener, server->loop, &address, owner == ADMISSION_SAME, on_accept,
                      server, err) != 0)
        return -1;
    listener_address(server->listener, server->address);
    server->admission = admission_ref(server->address, server->handler.on_request);
    if (server->admission != NULL)
        return 0;
    listener_close(server->listener, NULL, NULL);
    return error_set(err, ERROR_MEMORY, "no memory for a server");
}

int server_open(struct server **out, struct loop *loop, const char *listen,
                const struct server_handler *handler, void *context,
                const struct server_limits *limits, struct error *err)
{
    must(handler->on_request != NULL && handler->on_close != NULL);
    struct server *server = calloc(1, sizeof *server);
    if (server == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a server");
    server->loop = loop;
    server->handler = *handler;
    server->context = context;
    server->limits = *limits;
    list_init(&server->todo);
    list_init(&server->dying);
    if (open_listener(server, listen, err) != 0) {
        free(server);
        return -1;
    }
    deadlines_init(&server->deadlines, loop, tick_ns_for(limits), conn_on_due, server);
    server->resume_hook = (struct loop_hook){.fn = on_resume, .context = server};
    server->flush_hook = (struct loop_hook){.fn = on_flush, .context = server};
    loop_hook_add(loop, LOOP_PHASE_RESUME, &server->resume_hook);
    loop_hook_add(loop, LOOP_PHASE_FLUSH, &server->flush_hook);
    *out = server;
    return 0;
}

static void on_listener_closed(void *context)
{
    struct server *server = context;
    server->is_listener_closed = true;
    loop_touch(server->loop);
    check_end(server);
}

static void stop_listening(struct server *server)
{
    if (server->listener == NULL)
        return;
    listener_close(server->listener, on_listener_closed, server);
    server->listener = NULL;
}

static void for_each_conn(struct server *server, void (*fn)(struct conn *conn))
{
    struct list all;
    list_init(&all);
    for (int i = 0; i < DEADLINE_SLOTS; i++) {
        struct list *slot = &server->deadlines.slots[i];
        while (!list_is_empty(slot)) {
            struct list *node = slot->next;
            list_remove(node);
            list_append(&all, node);
        }
    }
    while (!list_is_empty(&all)) {
        struct conn *conn = list_item(all.next, struct conn, deadline_node);
        list_remove(&conn->deadline_node);
        conn_set_deadline(conn); /* back into the wheel */
        fn(conn);
    }
}

static void drain_conn(struct conn *conn)
{
    switch ((enum conn_state)conn->state) {
    case CONN_HEAD:
        if (conn->request == NULL && !conn->is_blocked && !conn->wants_resume)
            conn_finish(conn);
        return;
    case CONN_STREAM:
        conn_finish(conn);
        return;
    case CONN_WEBSOCKET:
        conn_close(conn, WS_CLOSE_GOING_AWAY, "shutting down");
        return;
    case CONN_BODY:
    case CONN_ANSWER: /* finished with Connection: close */
    case CONN_WS_CLOSING:
    case CONN_LINGER:
    case CONN_CLOSED:
        return;
    }
}

void server_drain(struct server *server, void (*done)(void *context), void *context)
{
    must(!server->is_draining);
    server->is_draining = true;
    server->on_drained = done;
    server->drained_context = context;
    for_each_conn(server, drain_conn);
    loop_again(server->loop);
    stop_listening(server); /* done() comes after its close at the earliest */
}

static void report_close(struct server *server, struct conn *conn)
{
    if (conn->is_known)
        server->handler.on_close(server->context, conn);
    conn->is_known = false;
}

void server_close(struct server *server)
{
    if (server == NULL)
        return;
    for_each_conn(server, conn_destroy);
    for (struct list *node = server->dying.next; node != &server->dying; node = node->next)
        report_close(server, list_item(node, struct conn, deadline_node));
    publish_counts(server);
    loop_hook_remove(server->loop, &server->resume_hook);
    loop_hook_remove(server->loop, &server->flush_hook);
    deadlines_deinit(&server->deadlines);
    stop_listening(server);
    server->is_closed = true; /* freed with the last handle that closes, or now */
    server->on_drained = NULL;
    check_end(server);
}
