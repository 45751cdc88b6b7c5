/* SPDX-License-Identifier: Apache-2.0 */
/* A session: the packets of one connection, numbered as they come, and which of
 * them are settled. It outlives its connection until the broker has reported on
 * each of its records. All on the loop's thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "gateway/ack_window.h"
#include "net/server.h"
#include "vehicle/packet.h"

struct held;
struct post;
struct worker;

/* Small: an idle connection costs little more than its socket. */
struct session {
    struct conn *conn; /* NULL once the connection is closed */
    struct worker *worker;
    struct held *held; /* the message whose rest waits; the connection is paused */
    struct post *post; /* the HTTP request under way */
    uint64_t received; /* packets counted, from 1 */
    struct ack_window window;
    uint32_t settled_in_turn; /* not told to the sender yet */
    uint32_t in_flight;       /* records not reported on yet */
    uint32_t next_touched;    /* slot of the next session to acknowledge at the end of the turn */
    uint32_t slot : 29;
    bool is_touched : 1;
    bool wants_acks : 1; /* WebSocket subprotocol motorcade.v1 */
    bool has_failed : 1; /* a packet could not be made durable: nothing is acked past it */
};

enum { SESSION_SLOTS_MAX = 1 << 29 };

struct session *session_new(struct worker *worker, struct conn *conn);
/* The connection is gone: free now, or once the broker has reported. */
void session_detach(struct session *session);

/* Number the next packet. */
uint64_t session_count(struct session *session);
/* Packet n is durable, or known to be, or rejected. */
void session_settle(struct session *session, uint64_t n);
/* The broker reported on one record of this session. */
void session_reported(struct session *session, uint64_t n, bool is_durable);
/* Close it: its packets can't be made durable. */
void session_fail(struct session *session);
/* Send what the turn has settled: one {"ack":n}, or the HTTP answer. */
void session_acknowledge(struct session *session);

/* Tell the sender that packet n is rejected, before the ack that covers it. */
void session_reject(struct session *session, uint64_t n, const struct reject *reject);
