/* SPDX-License-Identifier: Apache-2.0
 * A WebSocket echo on the program's own server, for conformance suites: sends each message back
 * as it came. usage: echo_server ADDRESS (prints the address bound); ends on SIGINT or SIGTERM. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "net/server.h"

static const int64_t MESSAGE_BYTES = 64 * 1024 * 1024; /* suites send 16 MiB */
static const int64_t MESSAGE_FRAGMENTS = 1 << 20;

static bool on_upgrade(void *context, struct conn *conn, const struct http1_request *request,
                       const char **subprotocol)
{
    (void)context, (void)conn, (void)request, (void)subprotocol;
    return true;
}

static void on_message(void *context, struct conn *conn, enum ws_opcode opcode,
                       struct bytes message)
{
    (void)context;
    conn_send(conn, opcode, message);
}

static void on_request(void *context, struct conn *conn, const struct http1_request *request,
                       struct bytes body)
{
    (void)context, (void)request;
    conn_reply(conn,
               &(struct server_reply){.status = 200, .content_type = "text/plain", .body = body});
}

static void on_close(void *context, struct conn *conn)
{
    (void)context, (void)conn;
}

static int fail(const struct error *err)
{
    fprintf(stderr, "echo_server: %s\n", err->text);
    return 1;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: echo_server ADDRESS\n");
        return 2;
    }
    struct server_limits limits;
    server_limits_defaults(&limits);
    limits.message_bytes = MESSAGE_BYTES;
    limits.message_fragments = MESSAGE_FRAGMENTS;
    limits.body_bytes = MESSAGE_BYTES;
    limits.send_buffer_bytes = 4 * MESSAGE_BYTES;
    limits.control_frames_per_s = 1 << 20;
    const struct server_handler handler = {.on_request = on_request,
                                           .on_upgrade = on_upgrade,
                                           .on_message = on_message,
                                           .on_close = on_close};
    sigset_t ending;
    sigemptyset(&ending);
    sigaddset(&ending, SIGINT);
    sigaddset(&ending, SIGTERM);
    sigprocmask(SIG_BLOCK, &ending, NULL); /* before the loop's thread, which inherits it */

    struct error err = {0};
    struct server *server = NULL;
    struct loop *loop = loop_new("echo", &err);
    if (loop == NULL || server_open(&server, loop, argv[1], &handler, NULL, &limits, &err) != 0 ||
        loop_start(loop, &err) != 0)
        return fail(&err);
    printf("%s\n", server_address(server));
    fflush(stdout);
    int signal_number;
    sigwait(&ending, &signal_number);
    loop_stop(loop);
    loop_join(loop);
    server_close(server);
    loop_free(loop);
    return 0;
}
