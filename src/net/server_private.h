/* SPDX-License-Identifier: Apache-2.0 */
/* struct server, for the files of net/ that are the server. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/conn.h"
#include "net/deadlines.h"
#include "net/limits.h"
#include "net/listener.h"
#include "net/loop_uv.h"
#include "net/outbox.h"
#include "net/server.h"

enum { SERVER_REFUSED_MAX = 256 }; /* refused connections that are told why, at a time */

struct server_counts {
    int64_t bytes_in, bytes_out, messages_in, messages_out;
};

struct server {
    struct loop *loop;
    struct server_handler handler;
    void *context;
    struct server_limits limits;
    struct listener *listener; /* NULL once it is closing */
    bool is_listener_closed;
    struct admission *admission;
    struct deadlines deadlines;
    struct list dying;     /* destroyed, memory still there */
    struct list todo;      /* connections with something to do at the turn's end */
    unsigned resume_count; /* of them with held bytes to process */
    struct loop_hook resume_hook;
    struct loop_hook flush_hook;
    struct outbox_pool pool;
    struct server_counts counts; /* of this turn, not yet in the metrics */
    size_t conn_count;
    size_t refused_count;
    bool is_draining;
    bool is_closed; /* server_close() was called: free when nothing is left */
    void (*on_drained)(void *context);
    void *drained_context;
    int64_t date_second;
    char date[40]; /* "Date: …" line of that second */
    char address[64];
};

/* A connection's memory is about to go: count down, see what waited for it. */
void server_forget(struct server *server, struct conn *conn);
void server_add_todo(struct server *server, struct conn *conn);
/* "Date: Tue, 20 May 2008 07:00:00 GMT\r\n" */
const char *server_date_line(struct server *server);
