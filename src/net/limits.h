/* SPDX-License-Identifier: Apache-2.0 */
/* Who may connect: the count of connections that all servers on one address
 * share, whatever loop they run on. Any thread. (The other bounds are plain
 * numbers in struct server_limits; limits.def lists them all.) */
#pragma once

#include <stdint.h>
#include <sys/socket.h>

#include "net/server.h"

/* The type of server_handler.on_request, by which roles are told apart. */
typedef void request_fn(void *context, struct conn *conn, const struct http1_request *request,
                        struct bytes body);

struct admission;         /* one per listening address of the process */
struct admission_address; /* one per peer address that has a connection */

enum admission_verdict {
    ADMISSION_OK,
    ADMISSION_FULL,         /* too many connections */
    ADMISSION_ADDRESS_FULL, /* too many from this address */
};

/* The one that other servers on this address already use, or a new one. NULL
 * without memory. */
struct admission *admission_ref(const char *address, request_fn *owner);
void admission_unref(struct admission *admission);

/* Does a server of this process listen there already, and whose? */
enum admission_owner { ADMISSION_NONE, ADMISSION_SAME, ADMISSION_OTHER };
enum admission_owner admission_owner(const char *address, request_fn *owner);

/* Count a connection in. IPv6 peers are counted by their /64: a host has as many
 * addresses as it likes. On ADMISSION_OK *out must be given back. */
enum admission_verdict admission_enter(struct admission *admission,
                                       const struct server_limits *limits,
                                       const struct sockaddr *peer, struct admission_address **out);
void admission_leave(struct admission *admission, struct admission_address *address);
