/* SPDX-License-Identifier: Apache-2.0 */
/* A connection of a server, inside net/. The public half is in server.h.
 *
 * Life: conn_new() → reading, processing, writing → conn_destroy() (once; from
 * anywhere, also from within a callback of this connection) → its memory and the
 * role's on_close() at the end of the turn, when no frame of the stack can hold
 * it any more.
 *
 * Bytes come into the loop's read buffer and are worked off there; what is left
 * (an unfinished head, body or frame header) is `held`. Bytes to send gather in
 * `out` and leave in one write at the end of the turn. State that only a busy
 * connection needs (request, message, write) is allocated when needed: an idle
 * WebSocket is this struct and nothing else. */
#pragma once

#include <uv.h>

#include "base/list.h"
#include "net/limits.h"
#include "net/outbox.h"
#include "net/server.h"

enum conn_state {
    CONN_HEAD,       /* between requests, or within a head */
    CONN_BODY,       /* a head is there, its body not yet whole */
    CONN_ANSWER,     /* a role has the request */
    CONN_STREAM,     /* a reply without end */
    CONN_WEBSOCKET,  /* open */
    CONN_WS_CLOSING, /* our close frame is out, the peer's not here */
    CONN_LINGER,     /* last bytes leave, then FIN; what comes is thrown away */
    CONN_CLOSED,     /* destroyed, memory still there */
};

struct http_pending; /* http.c: an unfinished request */
struct ws_message;   /* ws.c: an unfinished message */

struct conn {
    uv_tcp_t tcp; /* first: a handle is its conn; tcp.data is the role's user pointer */
    struct server *server;
    struct list deadline_node; /* in one slot of the wheel; once destroyed, in server.dying */
    struct list todo_node;     /* something to do at the end of the turn */
    struct outbox out;
    struct conn_write *writing; /* what the kernel did not take at once */
    struct admission_address *address;
    char *held;
    uint32_t held_len;
    uint32_t held_cap;
    union {
        struct http_pending *request; /* CONN_HEAD, CONN_BODY */
        struct ws_message *message;   /* CONN_WEBSOCKET, CONN_WS_CLOSING */
    };
    uint32_t active_tick; /* last byte received, or taken by the peer */
    uint32_t phase_tick;  /* when the phase with a deadline of its own began */
    uint32_t control_second;
    uint16_t control_count; /* control frames in control_second */
    uint8_t state;          /* enum conn_state */
    bool is_keep_alive : 1;
    bool is_http10 : 1;
    bool is_head_only : 1; /* a HEAD request: no body in the answer */
    bool is_fresh : 1;     /* no byte received yet */
    bool is_paused : 1;    /* by the role */
    bool is_reading : 1;
    bool is_processing : 1;
    bool is_eof : 1;
    bool is_shut : 1;
    bool is_pinged : 1;     /* since the last byte received */
    bool is_blocked : 1;    /* held bytes were left alone for pause, choke or an answer */
    bool wants_resume : 1;  /* they are to be processed at the end of the turn */
    bool has_unsent : 1;    /* for on_drained */
    bool is_refused : 1;    /* only here to be told so */
    bool is_known : 1;      /* a role has seen it, and will see on_close */
    bool is_counted_ws : 1; /* for the gauge */
};

/* Why this side ended a connection: the labels of METRIC_CONNECTIONS_CUT. */
enum conn_cut {
    CONN_CUT_HEADER,
    CONN_CUT_BODY,
    CONN_CUT_IDLE,
    CONN_CUT_SLOW,
    CONN_CUT_MEMORY,
};
void conn_count_cut(enum conn_cut cut);

/* Takes the fd. Without memory the fd is closed. */
struct conn *conn_new(struct server *server, int fd, struct admission_address *address);
/* At once, unsent bytes lost. Does nothing when it is destroyed already. */
void conn_destroy(struct conn *conn);
/* Send what is there, FIN, wait a little for the peer's, destroy. */
void conn_finish(struct conn *conn);

/* Room at the end of the outgoing bytes; NULL: no memory, the connection is
 * destroyed. What is committed leaves at the end of the turn. */
char *conn_out_reserve(struct conn *conn, size_t len);
void conn_out_commit(struct conn *conn, size_t len);

/* Is there room for len bytes within send_buffer_bytes? If not the peer is too
 * slow: the connection is destroyed. */
bool conn_make_room(struct conn *conn, size_t len);

/* Something changed that decides whether to read or what waits: state, pause,
 * unsent bytes. */
void conn_update(struct conn *conn);
/* The state's deadline may be nearer now. */
void conn_set_deadline(struct conn *conn);
void conn_begin_phase(struct conn *conn, enum conn_state state);
/* Too many unsent bytes to take more work from this peer. */
bool conn_is_choked(const struct conn *conn);

/* Called by the server at its turn's end and tick. */
void conn_run_resume(struct conn *conn);
void conn_run_flush(struct conn *conn);
void conn_on_due(void *context, struct list *deadline_node);

static inline bool conn_is_alive(const struct conn *conn)
{
    return conn->state != CONN_CLOSED && conn->state != CONN_LINGER;
}
