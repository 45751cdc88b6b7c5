/* SPDX-License-Identifier: Apache-2.0 */
/* The WebSocket half of a connection (RFC 6455, server side, no extensions). */
#pragma once

#include "net/conn.h"

/* A request with "Upgrade: websocket": checks the handshake, asks the role, and
 * switches, or answers. */
void ws_upgrade(struct conn *conn, const struct http1_request *request);
/* As http_step(). */
size_t ws_step(struct conn *conn, char *data, size_t len);
/* Send a close frame and end without waiting for the peer's. */
void ws_fail(struct conn *conn, unsigned code, const char *reason);
void ws_ping(struct conn *conn);
void ws_free_message(struct conn *conn);
