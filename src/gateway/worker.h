/* SPDX-License-Identifier: Apache-2.0 */
/* One gateway loop: a server, a producer, and the sessions between them.
 *
 * A record published gets the next sequence number as its tag; `flight` tells
 * which packet of which session it was. `reported` is the same cumulative
 * window as a session's, over sequence numbers: all up to reported.settled are
 * durable (after a failure `recent` is emptied, so that it never speaks for a
 * record that is not). */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "broker/broker.h"
#include "gateway/ack_window.h"
#include "gateway/config.h"
#include "gateway/pace.h"
#include "gateway/recent.h"
#include "gateway/session.h"
#include "gateway/tracing.h"
#include "gateway/waiting.h"
#include "net/loop.h"
#include "net/server.h"
#include "vehicle/packet.h"

enum { WORKER_DIALECTS_MAX = 16 };

static const uint32_t NO_SLOT = UINT32_MAX;

/* A record on its way: packet n (low 32 bits) of the session in that slot. */
struct flight_entry {
    uint32_t slot : 31;
    uint32_t is_traced : 1;
    uint32_t n;
    int64_t taken_ns; /* monotonic, for the latency of acks */
};

struct worker_shared {
    const struct gateway_config *config;
    struct broker *broker;
    int ingest_topics[WORKER_DIALECTS_MAX]; /* by enum packet_dialect */
    struct bytes first_topic;               /* whose dead letters take what can't be decoded */
    int dead_letter_topic;
    bool serves_admin;
    _Atomic unsigned full_workers;
    struct health_check *health;
};

struct worker {
    unsigned index;
    struct worker_shared *shared;
    const struct gateway_config *config;
    const int *ingest_topics;
    int dead_letter_topic;
    struct loop *loop;
    struct server *server;
    struct producer *producer;
    struct loop_waker *waker;
    struct loop_timer *timer; /* for messages that wait for a vehicle's pace */

    struct packet_scratch *scratch;
    struct recent recent;
    struct pace pace;
    struct waiting waiting;
    struct tracing tracing;
    struct buf text;     /* of one reply */
    struct buf inflated; /* of one body */

    struct session **sessions; /* by slot */
    uint32_t session_slots;
    uint32_t free_slot;
    uint32_t touched; /* slot of the first session to acknowledge, or NO_SLOT */

    struct flight_entry *flight; /* ring by sequence */
    uint64_t flight_mask;
    uint64_t sequence; /* of the newest record */
    struct ack_window reported;

    bool is_in_turn;
    bool is_full;
    bool is_draining;
    _Atomic bool is_drained;
    int64_t turn_wall_ns;
    int64_t turn_monotonic_ns;
    int64_t wait_ns; /* what pace_take answered last */
    uint64_t last_order;
    int64_t latency_of_ns; /* when the records counted next were taken */
    uint64_t latency_count;
};

/* Opens everything; the loop is not running yet. */
struct worker *worker_new(struct worker_shared *shared, unsigned index, const char *listen,
                          struct error *err);
/* After its loop has ended. */
void worker_free(struct worker *worker);
/* On the loop: no more packets; what is under way is made durable and acked,
 * then connections close; is_drained tells. */
void worker_drain(void *worker);
/* On the loop: close everything and end the loop. */
void worker_shut(void *worker);

/* ---- for session, post and intake ---- */

/* Times are read once a turn, at its first message. */
void worker_begin_turn(struct worker *worker);
int worker_add_session(struct worker *worker, struct session *session);
/* NULL for a free slot. */
struct session *worker_session_at(const struct worker *worker, uint32_t slot);
/* Acknowledge it at the end of this turn. */
void worker_touch(struct worker *worker, struct session *session);
void worker_remove_session(struct worker *worker, struct session *session);
bool worker_is_full(const struct worker *worker);
/* Publish as the session's next packet: counts it when accepted. */
enum publish_result worker_publish(struct worker *worker, int topic, const struct record *record,
                                   struct session *session);
/* The record just published is traced. */
void worker_mark_traced(struct worker *worker);
/* For packets that the car neither numbered nor timed: grows, unique per gateway start. */
uint64_t worker_next_order(struct worker *worker);
