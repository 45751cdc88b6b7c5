/* SPDX-License-Identifier: Apache-2.0 */
/* The operator's paths, for any server to mount: GET /metrics (Prometheus text),
 * /healthz (the process answers), /readyz (503 while a part of the program can't
 * do its job). */
#pragma once

#include <stdbool.h>

#include "net/server.h"

/* true: the path is one of them, and the request is answered. To be called from
 * on_request. */
bool admin_serve(struct conn *conn, const struct http1_request *request);
/* Is the path one of them? For a role's on_head. */
bool admin_knows(const struct http1_request *request);
