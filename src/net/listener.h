/* SPDX-License-Identifier: Apache-2.0 */
/* A listening socket on a loop: binds (SO_REUSEPORT, so that several loops share
 * a port), accepts, and survives running out of file descriptors. */
#pragma once

#include <sys/socket.h>

#include "base/error.h"
#include "net/loop.h"

struct listener;

struct listener_address {
    struct sockaddr_storage storage;
    socklen_t len;
};

/* "127.0.0.1:30000", "[::1]:30000", "host:30000", ":30000" (all addresses). */
int listener_parse(const char *text, struct listener_address *out, struct error *err);
/* "203.0.113.7:41234", "[2001:db8::7]:41234"; an IPv4-mapped address as IPv4. */
void listener_print(const struct sockaddr *address, char out[64]);

/* on_accept owns the fd (non-blocking, close-on-exec). ERROR_BUSY: the port is in
 * use. Another process on the port is noticed unless `shares_port`: then a
 * listener of this process is known to be there. */
int listener_open(struct listener **out, struct loop *loop, const struct listener_address *address,
                  bool shares_port,
                  void (*on_accept)(void *context, int fd, const struct sockaddr *peer),
                  void *context, struct error *err);
/* Where it is bound, port filled in. */
void listener_address(const struct listener *listener, char out[64]);
/* on_closed (may be NULL) comes later, on the loop. */
void listener_close(struct listener *listener, void (*on_closed)(void *context), void *context);
