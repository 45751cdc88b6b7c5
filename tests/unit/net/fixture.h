/* SPDX-License-Identifier: Apache-2.0 */
/* A server on a loop thread of its own, and blocking client sockets with
 * deadlines, for the tests of net/. */
#pragma once

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/buf.h"
#include "net/server.h"

enum { DEADLINE_MS = 10000 };

struct fixture {
    struct loop *loop;
    struct server *server;
    struct server_limits limits;
    unsigned port;
    struct conn *parked; /* of "/later" and "/stream": the loop's thread only */
    atomic_int requests, messages, closes, drains, heads, drained;
};

/* Limits are the defaults unless changed between the two. */
struct fixture *fixture_new(void);
void fixture_start(struct fixture *fixture);
void fixture_start_at(struct fixture *fixture, const char *listen);
/* The server may be closed (NULL) already. */
void fixture_free(struct fixture *fixture);
/* Run fn on the loop's thread and wait for its end. */
void fixture_call(struct fixture *fixture, void (*fn)(struct fixture *fixture));
/* Wait until *value >= wanted; fails the test at the deadline. */
void wait_for(atomic_int *value, int wanted);

extern const struct server_handler fixture_handler;

int client_open(const struct fixture *fixture);
void client_send(int fd, struct bytes bytes);
void client_send_text(int fd, const char *text);
/* Read exactly len bytes. */
void client_read(int fd, char *out, size_t len);
/* Read until EOF or reset. */
void client_read_all(int fd, struct buf *out);
/* The peer closes (or resets) without another byte. */
void client_expect_end(int fd);
/* A whole response with a Content-Length; the body is appended to body unless
 * NULL. Returns the status. */
unsigned client_response(int fd, struct buf *body);
/* The same, and its body is this text. */
void client_expect(int fd, unsigned status, const char *body);
/* The same, and its body contains this text. */
void client_expect_error(int fd, unsigned status, const char *word);

/* Upgraded to path. */
int ws_open(const struct fixture *fixture, const char *path);
/* A masked frame with this first byte (FIN, RSV, opcode). */
void ws_send_frame(int fd, uint8_t first, struct bytes payload);
void ws_send_text(int fd, const char *text);
/* The next frame: its first byte and payload (in out, cleared before). */
uint8_t ws_read_frame(int fd, struct buf *out);
void ws_expect(int fd, uint8_t first, struct bytes payload);
/* A close frame with this code, then the end. */
void ws_expect_close(int fd, unsigned code);
