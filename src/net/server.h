/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/1.1 and WebSocket server on one loop: the front of gateway, live and
 * admin. It owns sockets, limits, deadlines, keep-alive, pipelining, upgrade,
 * fragments, pings, close handshakes; a role sees whole requests and whole
 * messages. Several servers with the same address on several loops share the
 * port (SO_REUSEPORT).
 *
 * All calls and callbacks on the loop's thread. Everything that a stranger
 * sends is bounded by server_limits; what breaks a bound gets its status or
 * close code and the connection ends. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"
#include "codec/http1.h"
#include "codec/websocket.h"
#include "net/loop.h"

struct server;
struct conn;

struct server_limits {
    int64_t header_bytes;         /* 16 KiB: more is 431 */
    int64_t body_bytes;           /* 1 MiB: more is 413 */
    int64_t message_bytes;        /* 1 MiB: more closes with 1009 */
    int64_t message_fragments;    /* 1,024 */
    int64_t header_deadline_ns;   /* 10 s from the first byte of a head: 408 */
    int64_t body_deadline_ns;     /* 30 s */
    int64_t idle_deadline_ns;     /* 75 s between requests; WebSocket: any byte received counts */
    int64_t ping_interval_ns;     /* 30 s without a byte: ping; 0 = never */
    int64_t control_frames_per_s; /* 50: more closes with 1008 */
    int64_t connections; /* in all, over every server that shares the counter: 503 + close */
    int64_t connections_per_address;
    int64_t send_buffer_bytes; /* unsent bytes of one connection: more closes it (slow reader) */
};
void server_limits_defaults(struct server_limits *limits);

struct server_handler {
    /* A whole request, body collected. Answer now or later with conn_reply(),
     * exactly once; the next pipelined request comes after. Views are valid for
     * the call only. */
    void (*on_request)(void *context, struct conn *conn, const struct http1_request *request,
                       struct bytes body);
    /* A request that wants to be a WebSocket and is a valid handshake. true: it
     * becomes one; *subprotocol (static text or NULL) is echoed. false: the
     * callback has answered with conn_reply(). NULL: no WebSocket here. */
    bool (*on_upgrade)(void *context, struct conn *conn, const struct http1_request *request,
                       const char **subprotocol);
    /* A whole message: text (valid UTF-8) or binary. Valid for the call only. */
    void (*on_message)(void *context, struct conn *conn, enum ws_opcode opcode,
                       struct bytes message);
    /* Last call for this connection: free conn_user() here. */
    void (*on_close)(void *context, struct conn *conn);
    /* Unsent bytes fell to zero after conn_unsent_bytes() was above zero. May be NULL. */
    void (*on_drained)(void *context, struct conn *conn);
    /* The head is there, the body perhaps not yet: the place to turn a request
     * away before it is uploaded (503 while full, 401, 404). false: answered with
     * conn_reply(); the body is skipped when it has come already, else the
     * connection closes behind the answer. Not called for WebSocket handshakes.
     * May be NULL. */
    bool (*on_head)(void *context, struct conn *conn, const struct http1_request *request);
    /* An upper bound for this request's body, known from its head, or -1 for
     * the limit. May be NULL. */
    int64_t (*body_limit)(void *context, const struct http1_request *request);
};

/* "127.0.0.1:30000", "[::1]:30000", "0.0.0.0:0", ":30000" (= all addresses).
 * ERROR_BUSY when the port is in use (the text names the fix). The handler and
 * limits are copied. */
int server_open(struct server **out, struct loop *loop, const char *listen,
                const struct server_handler *handler, void *context,
                const struct server_limits *limits, struct error *err);
/* The address really bound, port filled in. */
const char *server_address(const struct server *server);
/* No new connections; idle ones are closed; WebSockets get close 1001; answers
 * under way are finished with Connection: close. done() once none is left. */
void server_drain(struct server *server, void (*done)(void *context), void *context);
/* Close all at once and free. on_close comes for each before this returns, and
 * no callback after. Not from within a callback of one of its connections. */
void server_close(struct server *server);

struct server_reply {
    unsigned status;
    const char *content_type;  /* NULL: none */
    struct bytes body;         /* copied */
    const char *extra_headers; /* whole lines ending in CRLF, or NULL */
    bool must_close;
};
void conn_reply(struct conn *conn, const struct server_reply *reply);
/* A reply with the body {"error":error,"detail":detail}; `error` is a fixed word
 * ("not_found"), `detail` a sentence for a person. extra_headers as above. */
void conn_reply_error(struct conn *conn, unsigned status, const char *error, const char *detail,
                      const char *extra_headers);
/* A reply without end (server-sent events): the head now, then pieces. The
 * connection closes after it. conn_stream returns false once it is closed. */
void conn_stream_begin(struct conn *conn, const char *content_type, const char *extra_headers);
bool conn_stream(struct conn *conn, struct bytes piece);

/* Queue a WebSocket message; it leaves in one write with the rest at the end of
 * the loop's turn. false: the connection is closing (send buffer over its
 * limit included). */
bool conn_send(struct conn *conn, enum ws_opcode opcode, struct bytes message);
/* WebSocket: start the close handshake. A stream ends; any other connection
 * closes once what it was given is sent. */
void conn_close(struct conn *conn, unsigned code, const char *reason);
/* Bytes given to send that the kernel has not taken yet. */
size_t conn_unsent_bytes(const struct conn *conn);

/* Stop and go on reading from this connection (back-pressure). Messages already
 * received are kept, not delivered. */
void conn_pause(struct conn *conn);
void conn_resume(struct conn *conn);

bool conn_is_websocket(const struct conn *conn);
void conn_set_user(struct conn *conn, void *user);
void *conn_user(const struct conn *conn);
/* "203.0.113.7:41234"; out holds 64. */
void conn_peer(const struct conn *conn, char out[64]);
