/* SPDX-License-Identifier: Apache-2.0 */
/* Client connections: WebSocket (RFC 6455, masked frames) and HTTP/1.1 POST on
 * kept-alive connections, thousands to a loop. All calls and callbacks on the
 * loop's thread, but client_target_resolve().
 *
 * A pool holds what the clients of one loop share: a read buffer, masks,
 * deadlines, and the list of those with something to send. What is sent in one
 * turn of the loop leaves at its end in one write for each client; with
 * is_frame_per_write each frame has a write(2) of its own and so, TCP_NODELAY
 * being on, a segment of its own. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/bytes.h"
#include "base/error.h"
#include "codec/http1.h"
#include "codec/websocket.h"
#include "net/loop.h"

struct client;
struct client_pool;

struct client_target {
    struct sockaddr_storage address;
    socklen_t address_len;
    bool is_websocket;
    char authority[272]; /* host and port as in the URL: the Host header */
    char path[512];      /* with the query; at least "/" */
};

/* "ws://host:port/path" or "http://host:port/path" ("[::1]" for IPv6; ports 80
 * when left out). Blocks while a name is looked up; the first address is taken.
 * ERROR_USAGE for what is no such URL, ERROR_NOT_FOUND for an unknown host. */
int client_target_resolve(struct client_target *target, const char *url, struct error *err);

struct client_options {
    const char *subprotocol; /* asked for, and the server must agree; NULL: none */
    bool is_frame_per_write;
    size_t send_buffer_bytes;     /* unsent bytes from which on client_send() says full */
    size_t message_bytes;         /* longest message or response body to take */
    int64_t open_deadline_ns;     /* to connect and upgrade */
    int64_t response_deadline_ns; /* from client_post() to the whole response */
    int64_t close_deadline_ns;    /* for the server's part of a close handshake */
    uint64_t seed;                /* of the masks */
};
/* No subprotocol, 64 KiB, 1 MiB, 5 s, 30 s, 1 s. */
void client_options_defaults(struct client_options *options);

struct client_handler {
    /* Connected and, for WebSockets, upgraded. */
    void (*on_open)(void *context, struct client *client);
    /* A whole text or binary message. Valid for the call only. */
    void (*on_message)(void *context, struct client *client, struct bytes message);
    /* The answer to client_post(); the next one may be posted from here on. */
    void (*on_response)(void *context, struct client *client, const struct http1_response *response,
                        struct bytes body);
    /* There is room again after client_send() said full. */
    void (*on_writable)(void *context, struct client *client);
    /* Last call for this client, whoever closed it: `why` says it. */
    void (*on_close)(void *context, struct client *client, const struct error *why);
};

/* The handler and options are copied. */
int client_pool_new(struct client_pool **out, struct loop *loop,
                    const struct client_handler *handler, void *context,
                    const struct client_options *options, struct error *err);
/* Ends all its clients at once, without callbacks. The memory goes when the loop
 * has closed the sockets: in its next turn or in loop_free(). NULL is fine. */
void client_pool_free(struct client_pool *pool);

/* Start to connect. NULL and err: no descriptor or memory left. Else on_close
 * comes exactly once. `target` must stay while the client lives. */
struct client *client_open(struct client_pool *pool, const struct client_target *target, void *user,
                           struct error *err);

enum client_verdict {
    CLIENT_TAKEN,
    CLIENT_FULL, /* not taken; on_writable follows */
    CLIENT_GONE, /* not open (yet, or any more) */
};
/* A WebSocket message in one frame; copied. A message longer than the buffer is
 * taken when nothing else waits. */
enum client_verdict client_send(struct client *client, enum ws_opcode opcode, struct bytes message);
/* An HTTP POST; copied. One at a time: CLIENT_FULL until its response came. */
enum client_verdict client_post(struct client *client, const char *content_type, struct bytes body);

/* End it in order: unsent bytes leave, a WebSocket does the close handshake. */
void client_close(struct client *client);
/* End it now; on_close comes before this returns. */
void client_abort(struct client *client, const char *reason);

void *client_user(const struct client *client);
/* Taken, but not yet by the kernel. */
size_t client_unsent_bytes(const struct client *client);
