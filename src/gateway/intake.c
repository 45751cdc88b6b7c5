/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/intake.h"

#include <stdio.h>

#include "base/clock.h"
#include "gateway/post.h"
#include "gateway/waiting.h"
#include "gateway/worker.h"
#include "observe/metrics.h"
#include "vehicle/mc.h"

enum step { STEP_TAKEN, STEP_NO_ROOM, STEP_TOO_FAST, STEP_LOST };

static struct record record_of(const struct packet *packet, const uint8_t *mc, size_t mc_len)
{
    return (struct record){
        .key = packet->vehicle,
        .value = packet->original,
        .mc = bytes_of((const char *)mc, mc_len),
        .timestamp_ns = packet->received_ns,
    };
}

/* ---- a packet that can't be decoded ---- */

static size_t encode_dead_letter_mc(const struct worker *worker, const struct reject *reject,
                                    uint8_t out[MC_MAX])
{
    return mc_encode(
        &(struct mc){
            .received_ns = worker->turn_wall_ns,
            .is_dead_letter = true,
            .reason = reject->reason,
            .source_partition = -1,
            .source_offset = -1,
            .first_seen_ns = worker->turn_wall_ns,
            .source_topic = worker->shared->first_topic,
            .detail = bytes_from_text(reject->detail),
        },
        out);
}

/* The sender takes no answers: keep the bytes under the peer's address. */
static enum step keep_dead_letter(struct session *session, struct bytes one,
                                  const struct reject *reject)
{
    struct worker *worker = session->worker;
    char peer[64];
    conn_peer(session->conn, peer);
    uint8_t mc[MC_MAX];
    size_t mc_len = encode_dead_letter_mc(worker, reject, mc);
    struct record record = {
        .key = bytes_from_text(peer),
        .value = one,
        .mc = bytes_of((const char *)mc, mc_len),
        .timestamp_ns = worker->turn_wall_ns,
    };
    switch (worker_publish(worker, worker->dead_letter_topic, &record, session)) {
    case PUBLISH_ACCEPTED:
        metrics_add(METRIC_GATEWAY_DEAD_LETTERS, 0, 1);
        return STEP_TAKEN;
    case PUBLISH_FULL:
        return STEP_NO_ROOM;
    case PUBLISH_REFUSED:
        break;
    }
    return STEP_LOST;
}

static const struct trace_context *parent_of(const struct session *session)
{
    return session->post == NULL ? NULL : post_trace(session->post);
}

static enum step reject_one(struct session *session, struct bytes one, const struct reject *reject)
{
    if (session->post == NULL && !session->wants_acks) {
        enum step step = keep_dead_letter(session, one, reject);
        if (step != STEP_LOST)
            return step;
    }
    metrics_add(METRIC_GATEWAY_REJECTED, reject->reason, 1);
    if (trace_is_on())
        tracing_rejected(parent_of(session), reason_code(reject->reason),
                         session->worker->turn_wall_ns, session->worker->turn_monotonic_ns);
    if (session->post != NULL)
        post_reject(session, reject);
    uint64_t n = session_count(session);
    if (session->wants_acks)
        session_reject(session, n, reject);
    session_settle(session, n);
    return STEP_TAKEN;
}

/* ---- a packet ---- */

static bool is_known(const struct worker *worker, const struct packet *packet)
{
    uint64_t sequence = recent_find(&worker->recent, &packet->identity);
    return sequence != 0 && sequence <= worker->reported.settled;
}

static enum step take_known(struct session *session)
{
    metrics_add(METRIC_GATEWAY_DUPLICATES, 0, 1);
    if (session->post != NULL)
        post_count_duplicate(session);
    session_settle(session, session_count(session));
    return STEP_TAKEN;
}

static enum step publish_packet(struct session *session, const struct packet *packet)
{
    struct worker *worker = session->worker;
    uint8_t mc[MC_MAX];
    struct mc origin = mc_of_packet(packet);
    struct record record = record_of(packet, mc, mc_encode(&origin, mc));
    int topic = worker->ingest_topics[packet->dialect];
    struct trace_context trace;
    char traceparent[TRACEPARENT_LEN];
    const struct trace_context *parent = parent_of(session);
    bool is_traced = tracing_begin(&worker->tracing, parent, worker->turn_monotonic_ns, &trace);
    if (is_traced) {
        trace_format(&trace, traceparent);
        record.traceparent = bytes_of(traceparent, sizeof traceparent);
    }
    switch (worker_publish(worker, topic, &record, session)) {
    case PUBLISH_ACCEPTED:
        if (is_traced) {
            tracing_published(&worker->tracing, worker->sequence, &trace, parent, packet,
                              broker_topic_name(worker->shared->broker, topic),
                              worker->turn_wall_ns);
            worker_mark_traced(worker);
        }
        recent_remember(&worker->recent, &packet->identity, worker->sequence);
        if (session->post != NULL)
            post_count_accepted(session);
        return STEP_TAKEN;
    case PUBLISH_FULL:
        return STEP_NO_ROOM;
    case PUBLISH_REFUSED:
        break;
    }
    struct reject reject = {.reason = REASON_TOO_LARGE};
    snprintf(reject.detail, sizeof reject.detail,
             "The broker does not take a record of this size; see broker.record_bytes_max.");
    return reject_one(session, packet->original, &reject);
}

static enum step take_packet(struct session *session, struct bytes one)
{
    struct worker *worker = session->worker;
    struct reject reject;
    struct packet packet;
    if (one.len > (size_t)worker->config->packet_bytes) {
        reject.reason = REASON_TOO_LARGE;
        snprintf(reject.detail, sizeof reject.detail,
                 "A packet may have %lld bytes; this one has %zu.",
                 (long long)worker->config->packet_bytes, one.len);
        return reject_one(session, one, &reject);
    }
    if (!dialect_decode(worker->scratch, one, &packet, &reject))
        return reject_one(session, one, &reject);
    worker->wait_ns = pace_take(&worker->pace, packet.vehicle, worker->turn_monotonic_ns);
    if (worker->wait_ns > 0)
        return STEP_TOO_FAST;
    packet_identify(&packet, worker->turn_wall_ns, worker_next_order(worker));
    if (is_known(worker, &packet))
        return take_known(session);
    return publish_packet(session, &packet);
}

/* ---- a message ---- */

static void finish(struct session *session)
{
    if (session->post != NULL)
        post_complete(session);
}

/* An HTTP sender that is too fast from its first packet on is told so. */
static bool must_refuse_fast(const struct session *session, enum step step)
{
    return step == STEP_TOO_FAST && session->post != NULL && post_is_untouched(session->post);
}

static void hold(struct session *session, const struct message_iter *from, enum step step)
{
    struct worker *worker = session->worker;
    if (must_refuse_fast(session, step)) {
        post_refuse(session, 429, "rate", "A vehicle sends more packets a second than it may.");
        return;
    }
    int64_t until_ns = step == STEP_TOO_FAST ? worker->turn_monotonic_ns + worker->wait_ns : 0;
    if (waiting_hold(&worker->waiting, session, from, until_ns) == 0)
        return;
    if (session->post != NULL)
        post_refuse(session, 503, "busy", "Too many messages wait for room; send it again later.");
    else
        conn_close(session->conn, WS_CLOSE_TRY_AGAIN, "too many messages wait for room");
}

static void take_all(struct session *session, struct message_iter *iter)
{
    for (;;) {
        struct message_iter before = *iter;
        struct bytes one;
        struct reject reject;
        enum step step = STEP_TAKEN;
        switch (message_next(iter, &one, &reject)) {
        case MESSAGE_END:
            finish(session);
            return;
        case MESSAGE_PACKET:
            step = take_packet(session, one);
            break;
        case MESSAGE_REJECT:
            step = reject_one(session, one, &reject);
            break;
        }
        if (step == STEP_NO_ROOM || step == STEP_TOO_FAST) {
            hold(session, &before, step);
            return;
        }
        if (session->conn == NULL || session->has_failed)
            return;
    }
}

void intake_begin(struct session *session, struct bytes message)
{
    worker_begin_turn(session->worker);
    struct message_iter iter;
    message_iter_init(&iter, message);
    take_all(session, &iter);
}

void intake_resume(struct session *session)
{
    struct held *held = session->held;
    worker_begin_turn(session->worker);
    take_all(session, &held->iter);
    if (session->held != held || held->is_waiting)
        return;
    waiting_drop(&session->worker->waiting, session);
    if (session->conn != NULL)
        conn_resume(session->conn);
}
