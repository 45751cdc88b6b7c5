/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP half of a connection: heads, bodies, deadlines, replies. */
#pragma once

#include "net/conn.h"

/* One step at the start of data: the bytes used up, or 0 when more are needed (or
 * the connection must wait). *len shrinks when bytes at the end were taken but
 * are not to be kept. */
size_t http_step(struct conn *conn, char *data, size_t *len);
/* Answer with an error of the server's own, then end the connection. */
void http_fail(struct conn *conn, unsigned status, const char *error, const char *detail,
               const char *extra_headers);
void http_free_pending(struct conn *conn);
