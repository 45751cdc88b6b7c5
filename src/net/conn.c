/* SPDX-License-Identifier: Apache-2.0 */
#include "net/conn.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/must.h"
#include "net/http.h"
#include "net/server_private.h"
#include "net/ws.h"
#include "observe/metrics.h"

enum {
    WAITING_BYTES = 16 * 1024, /* kept of what comes while a role has the request */
    HELD_LEAST_BYTES = 256,
    WRITE_VIEWS = 16,
};
/* An idle WebSocket is a struct conn and nothing more: with what the allocator
 * and a role add it stays below half a kilobyte. */
_Static_assert(sizeof(struct conn) <= 392 || sizeof(void *) != 8, "struct conn has grown");

struct conn_write {
    uv_write_t uv;
    size_t len;
};

void conn_count_cut(enum conn_cut cut)
{
    metrics_add(METRIC_CONNECTIONS_CUT, cut, 1);
}

/* ---- end of life ---- */

static void free_unfinished(struct conn *conn)
{
    switch ((enum conn_state)conn->state) {
    case CONN_HEAD:
    case CONN_BODY:
        http_free_pending(conn);
        return;
    case CONN_WEBSOCKET:
    case CONN_WS_CLOSING:
        ws_free_message(conn);
        return;
    case CONN_ANSWER:
    case CONN_STREAM:
    case CONN_LINGER:
    case CONN_CLOSED:
        return; /* nothing of either */
    }
}

static void on_closed(uv_handle_t *handle)
{
    struct conn *conn = (struct conn *)(void *)handle;
    struct server *server = conn->server;
    list_remove(&conn->deadline_node);
    outbox_clear(&conn->out, &server->pool);
    free(conn->held);
    loop_touch(server->loop);
    server_forget(server, conn);
}

void conn_destroy(struct conn *conn)
{
    if (conn->state == CONN_CLOSED)
        return;
    free_unfinished(conn);
    conn->state = CONN_CLOSED;
    if (conn->address != NULL)
        admission_leave(conn->server->admission, conn->address);
    if (!conn->is_refused)
        metrics_add(METRIC_CONNECTIONS_OPEN, conn->is_counted_ws, -1);
    if (conn->wants_resume)
        conn->server->resume_count--;
    list_remove(&conn->todo_node);
    list_remove(&conn->deadline_node);
    list_append(&conn->server->dying, &conn->deadline_node);
    uv_close((uv_handle_t *)&conn->tcp, on_closed);
}

void conn_finish(struct conn *conn)
{
    if (!conn_is_alive(conn))
        return;
    free_unfinished(conn);
    conn_begin_phase(conn, CONN_LINGER);
    server_add_todo(conn->server, conn); /* the flush sends the FIN */
    conn_update(conn);
}

/* ---- reading ---- */

bool conn_is_choked(const struct conn *conn)
{
    return conn->out.bytes > (size_t)conn->server->limits.send_buffer_bytes / 2;
}

static bool can_process(const struct conn *conn)
{
    switch ((enum conn_state)conn->state) {
    case CONN_HEAD:
    case CONN_BODY:
    case CONN_WEBSOCKET:
        return !conn->is_paused && !conn_is_choked(conn);
    case CONN_ANSWER:
        return false;
    case CONN_STREAM:
    case CONN_WS_CLOSING:
    case CONN_LINGER:
    case CONN_CLOSED:
        return true;
    }
    return true;
}

static bool wants_reading(const struct conn *conn)
{
    if (conn->state == CONN_CLOSED || conn->is_eof)
        return false;
    if (conn->state == CONN_ANSWER) /* to notice that the peer left, and no more */
        return conn->held_len < WAITING_BYTES;
    return can_process(conn);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)suggested;
    struct conn *conn = (struct conn *)(void *)handle;
    buf->base = loop_read_buffer(conn->server->loop);
    buf->len = conn->state == CONN_ANSWER ? (size_t)WAITING_BYTES : (size_t)LOOP_READ_BYTES;
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);

static void set_reading(struct conn *conn, bool is_wanted)
{
    if (conn->is_reading == is_wanted)
        return;
    conn->is_reading = is_wanted;
    if (is_wanted)
        uv_read_start((uv_stream_t *)&conn->tcp, on_alloc, on_read);
    else
        uv_read_stop((uv_stream_t *)&conn->tcp);
}

static void want_resume(struct conn *conn)
{
    if (conn->wants_resume)
        return;
    conn->wants_resume = true;
    conn->server->resume_count++;
    server_add_todo(conn->server, conn);
}

void conn_update(struct conn *conn)
{
    if (conn->state == CONN_CLOSED)
        return;
    if (!conn->is_processing && conn->is_blocked && can_process(conn)) {
        conn->is_blocked = false;
        want_resume(conn);
    }
    set_reading(conn, wants_reading(conn));
    bool is_idle = conn->state == CONN_HEAD && !conn->is_processing && !conn->is_blocked &&
                   !conn->wants_resume;
    if (conn->is_eof && is_idle)
        conn_finish(conn);
}

/* One step's worth of data; a state that has no use for it throws it away. */
static size_t step(struct conn *conn, char *data, size_t *len)
{
    switch ((enum conn_state)conn->state) {
    case CONN_HEAD:
    case CONN_BODY:
        return http_step(conn, data, len);
    case CONN_WEBSOCKET:
    case CONN_WS_CLOSING:
        return ws_step(conn, data, *len);
    case CONN_ANSWER:
        return 0;
    case CONN_STREAM:
    case CONN_LINGER:
    case CONN_CLOSED:
        return *len;
    }
    return 0;
}

/* Work data off as far as it goes; returns what was used. *len may shrink. */
static size_t process(struct conn *conn, char *data, size_t *len)
{
    size_t used = 0;
    conn->is_processing = true;
    while (used < *len) {
        if (!can_process(conn)) {
            conn->is_blocked = true;
            break;
        }
        size_t left = *len - used;
        size_t taken = step(conn, data + used, &left);
        *len = used + left;
        if (taken == 0)
            break;
        used += taken;
    }
    conn->is_processing = false;
    return used;
}

static bool hold(struct conn *conn, const char *data, size_t len)
{
    size_t needed = conn->held_len + len;
    if (needed > conn->held_cap) {
        size_t cap = conn->held_cap < HELD_LEAST_BYTES ? HELD_LEAST_BYTES : conn->held_cap;
        while (cap < needed)
            cap *= 2;
        char *held = cap <= UINT32_MAX ? realloc(conn->held, cap) : NULL;
        if (held == NULL) {
            conn_count_cut(CONN_CUT_MEMORY);
            conn_destroy(conn);
            return false;
        }
        conn->held = held;
        conn->held_cap = (uint32_t)cap;
    }
    memcpy(conn->held + conn->held_len, data, len);
    conn->held_len = (uint32_t)needed;
    return true;
}

static void drop_held(struct conn *conn, size_t used)
{
    conn->held_len -= (uint32_t)used;
    if (conn->held_len > 0) {
        memmove(conn->held, conn->held + used, conn->held_len);
        return;
    }
    free(conn->held);
    conn->held = NULL;
    conn->held_cap = 0;
}

static void process_held(struct conn *conn)
{
    size_t len = conn->held_len;
    size_t used = process(conn, conn->held, &len);
    if (conn->state == CONN_CLOSED)
        return; /* freed at the end of the turn: views into it may be in use */
    conn->held_len = (uint32_t)len;
    drop_held(conn, used);
}

static void take_input(struct conn *conn, char *data, size_t len)
{
    if (conn->held_len > 0) {
        if (hold(conn, data, len) && can_process(conn))
            process_held(conn);
        else
            conn->is_blocked = true;
    } else {
        size_t used = process(conn, data, &len);
        if (conn->state != CONN_CLOSED && used < len)
            (void)hold(conn, data + used, len - used);
    }
    conn_update(conn);
}

static void on_eof(struct conn *conn)
{
    conn->is_eof = true;
    switch ((enum conn_state)conn->state) {
    case CONN_HEAD:
    case CONN_ANSWER: /* a half-closed client still gets its answers */
        conn_update(conn);
        return;
    case CONN_LINGER:
        if (conn->out.bytes == 0)
            conn_destroy(conn);
        else
            conn_update(conn);
        return;
    case CONN_BODY:
    case CONN_STREAM:
    case CONN_WEBSOCKET:
    case CONN_WS_CLOSING:
    case CONN_CLOSED:
        conn_destroy(conn);
        return;
    }
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct conn *conn = (struct conn *)(void *)stream;
    struct server *server = conn->server;
    (void)loop_now_ns(server->loop); /* the turn's delay counts from here at the latest */
    if (n == 0 || conn->state == CONN_CLOSED)
        return;
    if (n < 0) {
        if (n == UV_EOF)
            on_eof(conn);
        else
            conn_destroy(conn);
        return;
    }
    server->counts.bytes_in += n;
    conn->active_tick = server->deadlines.tick;
    conn->is_pinged = false;
    take_input(conn, buf->base, (size_t)n);
}

void conn_run_resume(struct conn *conn)
{
    if (!conn->wants_resume)
        return;
    conn->wants_resume = false;
    conn->server->resume_count--;
    if (!can_process(conn))
        conn->is_blocked = true;
    else if (conn->held_len > 0)
        process_held(conn);
    conn_update(conn);
}

/* ---- writing ---- */

char *conn_out_reserve(struct conn *conn, size_t len)
{
    char *room = outbox_reserve(&conn->out, &conn->server->pool, len);
    if (room != NULL)
        return room;
    conn_count_cut(CONN_CUT_MEMORY);
    conn_destroy(conn);
    return NULL;
}

void conn_out_commit(struct conn *conn, size_t len)
{
    outbox_commit(&conn->out, len);
    conn->has_unsent = true;
    server_add_todo(conn->server, conn);
}

static void consume_out(struct conn *conn, size_t len)
{
    outbox_consume(&conn->out, &conn->server->pool, len);
    conn->server->counts.bytes_out += (int64_t)len;
    if (conn->state != CONN_WEBSOCKET) /* there only a received byte is a sign of life */
        conn->active_tick = conn->server->deadlines.tick;
}

static void on_written(uv_write_t *uv, int status)
{
    struct conn *conn = (struct conn *)(void *)uv->handle;
    struct conn_write *write = (struct conn_write *)(void *)uv;
    size_t len = write->len;
    conn->writing = NULL;
    free(write);
    if (conn->state == CONN_CLOSED)
        return;
    loop_touch(conn->server->loop);
    if (status < 0) {
        conn_destroy(conn);
        return;
    }
    consume_out(conn, len);
    server_add_todo(conn->server, conn);
}

static size_t views_of(const struct conn *conn, uv_buf_t bufs[WRITE_VIEWS], size_t *total)
{
    struct outbox_view views[WRITE_VIEWS];
    size_t n = outbox_views(&conn->out, views, WRITE_VIEWS);
    *total = 0;
    for (size_t i = 0; i < n; i++) {
        bufs[i] = uv_buf_init(views[i].ptr, (unsigned)views[i].len);
        *total += views[i].len;
    }
    return n;
}

static void write_later(struct conn *conn)
{
    uv_buf_t bufs[WRITE_VIEWS];
    struct conn_write *write = malloc(sizeof *write);
    if (write == NULL) {
        conn_count_cut(CONN_CUT_MEMORY);
        conn_destroy(conn);
        return;
    }
    size_t n = views_of(conn, bufs, &write->len);
    conn->writing = write;
    if (uv_write(&write->uv, (uv_stream_t *)&conn->tcp, bufs, (unsigned)n, on_written) == 0)
        return;
    conn->writing = NULL;
    free(write);
    conn_destroy(conn);
}

static void write_now(struct conn *conn)
{
    while (conn->writing == NULL && conn->out.bytes > 0 && conn->state != CONN_CLOSED) {
        uv_buf_t bufs[WRITE_VIEWS];
        size_t total;
        size_t count = views_of(conn, bufs, &total);
        int n = uv_try_write((uv_stream_t *)&conn->tcp, bufs, (unsigned)count);
        if (n < 0 && n != UV_EAGAIN) {
            conn_destroy(conn);
            return;
        }
        if (n > 0)
            consume_out(conn, (size_t)n);
        if (n < 0 || (size_t)n < total)
            write_later(conn);
    }
}

/* The last byte is out: FIN. The peer may still be sending: closing now would
 * reset the connection and could destroy our last bytes on their way. */
static void shut(struct conn *conn)
{
    uv_os_fd_t fd;
    if (conn->is_eof) {
        conn_destroy(conn);
        return;
    }
    if (uv_fileno((const uv_handle_t *)&conn->tcp, &fd) == 0)
        (void)shutdown(fd, SHUT_WR);
    conn->is_shut = true;
    conn_begin_phase(conn, CONN_LINGER);
}

void conn_run_flush(struct conn *conn)
{
    write_now(conn);
    if (conn->state == CONN_CLOSED)
        return;
    if (conn->out.bytes > 0) {
        conn_set_deadline(conn);
        conn_update(conn);
        return;
    }
    if (conn->state == CONN_LINGER && !conn->is_shut) {
        shut(conn);
        return;
    }
    if (conn->has_unsent) {
        conn->has_unsent = false;
        conn_update(conn);
        if (conn->server->handler.on_drained != NULL && conn_is_alive(conn))
            conn->server->handler.on_drained(conn->server->context, conn);
    }
}

size_t conn_unsent_bytes(const struct conn *conn)
{
    return conn->out.bytes;
}

bool conn_make_room(struct conn *conn, size_t len)
{
    size_t limit = (size_t)conn->server->limits.send_buffer_bytes;
    if (conn->out.bytes + len > limit)
        write_now(conn);
    if (conn->state == CONN_CLOSED)
        return false;
    if (conn->out.bytes + len <= limit)
        return true;
    conn_count_cut(CONN_CUT_SLOW);
    conn_destroy(conn);
    return false;
}

/* ---- begin of life, and the small public calls ---- */

struct conn *conn_new(struct server *server, int fd, struct admission_address *address)
{
    struct conn *conn = calloc(1, sizeof *conn);
    if (conn == NULL) {
        close(fd);
        return NULL;
    }
    conn->server = server;
    conn->address = address;
    conn->is_fresh = true;
    conn->is_refused = address == NULL;
    conn->active_tick = server->deadlines.tick;
    list_init(&conn->deadline_node);
    list_init(&conn->todo_node);
    uv_tcp_init(loop_uv(server->loop), &conn->tcp);
    server->conn_count++;
    if (!conn->is_refused)
        metrics_add(METRIC_CONNECTIONS_OPEN, 0, 1);
    conn_begin_phase(conn, CONN_HEAD);
    if (uv_tcp_open(&conn->tcp, fd) != 0) {
        close(fd);
        conn->address = NULL; /* the caller's, as with any NULL */
        conn_destroy(conn);
        return NULL;
    }
    conn_update(conn);
    return conn;
}

void conn_pause(struct conn *conn)
{
    conn->is_paused = true;
    conn_update(conn);
}

void conn_resume(struct conn *conn)
{
    if (!conn->is_paused)
        return;
    conn->is_paused = false;
    conn->active_tick = conn->server->deadlines.tick;
    conn_set_deadline(conn);
    conn_update(conn);
}

bool conn_is_websocket(const struct conn *conn)
{
    return conn->is_counted_ws;
}

void conn_set_user(struct conn *conn, void *user)
{
    conn->tcp.data = user;
}

void *conn_user(const struct conn *conn)
{
    return conn->tcp.data;
}

void conn_peer(const struct conn *conn, char out[64])
{
    struct sockaddr_storage peer = {.ss_family = AF_UNSPEC};
    int len = sizeof peer;
    (void)uv_tcp_getpeername(&conn->tcp, (struct sockaddr *)&peer, &len);
    listener_print((const struct sockaddr *)&peer, out);
}
