/* SPDX-License-Identifier: Apache-2.0 */
/* A socket to a server that takes reports: TCP (a stream, opened again after a
 * failure) or UDP (lines packed into datagrams). For a thread of its own: calls
 * wait, up to the timeout. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"

struct push {
    const char *address; /* "127.0.0.1:2003", "[::1]:2003", "graphite.example:2003"; borrowed */
    bool is_datagram;
    int64_t timeout_ns;
    int fd; /* -1 = closed */
};

void push_init(struct push *push, const char *address, bool is_datagram, int64_t timeout_ns);
void push_deinit(struct push *push);

/* Whole lines. 0: handed to the system. -1: the connection is closed; the next
 * call opens it again. */
int push_send(struct push *push, struct bytes lines, struct error *err);

/* "host:port" in its parts; false when it is neither. */
bool push_split_address(const char *address, char *host, size_t host_size, char *port,
                        size_t port_size);
