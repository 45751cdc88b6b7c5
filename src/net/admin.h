/* SPDX-License-Identifier: Apache-2.0 */
/* The operator's paths, for any server to mount: GET /metrics (Prometheus text,
 * or OpenMetrics to those that ask), /healthz (the process answers), /readyz
 * (503 while a part of the program can't do its job), and what other parts add
 * with admin_add.
 *
 * A page that changes something is a POST below /admin/ without body. It is
 * served to peers on this machine only (loopback), and not to a web page
 * (a request with Origin): there is no authentication here. A private page is
 * served to others only where the operators have an address of their own. */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "net/server.h"

/* Fills the body and returns the status. On the thread of the loop that serves:
 * must not block. */
typedef unsigned admin_page_fn(void *context, const struct http1_request *request, struct buf *out);

struct admin_page {
    const char *path;         /* whole; a constant */
    const char *content_type; /* NULL: content_type_of says */
    bool is_private;          /* tells more than figures */
    bool is_change;           /* POST; else GET and HEAD */
    admin_page_fn *serve;
    void *context;
    const char *(*content_type_of)(const struct http1_request *request);
};

/* Copied; at most 32, before the first server is opened, or the same path again
 * to replace it. admin_remove waits for calls under way. */
void admin_add(const struct admin_page *page);
void admin_remove(const char *path);

/* A server of its own that has nothing but these paths. Closed by server_close. */
int admin_open(struct server **out, struct loop *loop, const char *listen, struct error *err);

enum admin_mount {
    ADMIN_SHARED, /* on an address that cars or riders use */
    ADMIN_OWN,    /* on one for operators */
};

/* true: the path is one of them, and the request is answered. To be called from
 * on_request or on_head. */
bool admin_serve(struct conn *conn, const struct http1_request *request, enum admin_mount mount);
/* Is the path one of them? For a role's on_head. */
bool admin_knows(const struct http1_request *request);
