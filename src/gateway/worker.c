/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/worker.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/must.h"
#include "gateway/front.h"
#include "gateway/intake.h"
#include "observe/health.h"
#include "observe/metrics.h"

enum { FLIGHT_MIN = 1024 };
enum { WORKER_BITS = 6 }; /* of an assigned order; at most 64 loops */

/* ---- sessions by slot ----
 * A free slot holds the number of the next free one, told from a session by its
 * lowest bit, which no pointer has set. */

static struct session *free_mark(uint32_t next_slot)
{
    return (struct session *)((uintptr_t)next_slot << 1 | 1);
}

struct session *worker_session_at(const struct worker *worker, uint32_t slot)
{
    struct session *session = worker->sessions[slot];
    return ((uintptr_t)session & 1) != 0 ? NULL : session;
}

static int grow_slots(struct worker *worker)
{
    uint32_t slots = worker->session_slots == 0 ? 64 : worker->session_slots * 2;
    if (slots > SESSION_SLOTS_MAX)
        return -1;
    struct session **sessions = realloc(worker->sessions, slots * sizeof(struct session *));
    if (sessions == NULL)
        return -1;
    for (uint32_t i = worker->session_slots; i < slots; i++)
        sessions[i] = free_mark(i + 1);
    worker->free_slot = worker->session_slots;
    worker->sessions = sessions;
    worker->session_slots = slots;
    return 0;
}

int worker_add_session(struct worker *worker, struct session *session)
{
    if (worker->free_slot == worker->session_slots && grow_slots(worker) != 0)
        return -1;
    uint32_t slot = worker->free_slot;
    session->slot = slot & (SESSION_SLOTS_MAX - 1);
    worker->free_slot = (uint32_t)((uintptr_t)worker->sessions[slot] >> 1);
    worker->sessions[slot] = session;
    return 0;
}

void worker_remove_session(struct worker *worker, struct session *session)
{
    worker->sessions[session->slot] = free_mark(worker->free_slot);
    worker->free_slot = session->slot;
}

void worker_touch(struct worker *worker, struct session *session)
{
    if (session->is_touched)
        return;
    session->is_touched = true;
    session->next_touched = worker->touched;
    worker->touched = session->slot;
}

/* ---- publishing ---- */

void worker_begin_turn(struct worker *worker)
{
    if (worker->is_in_turn)
        return;
    worker->is_in_turn = true;
    worker->turn_wall_ns = clock_wall_ns();
    worker->turn_monotonic_ns = clock_monotonic_ns();
}

uint64_t worker_next_order(struct worker *worker)
{
    uint64_t order = (uint64_t)worker->turn_wall_ns >> WORKER_BITS;
    if (order <= worker->last_order)
        order = worker->last_order + 1;
    worker->last_order = order;
    return order << WORKER_BITS | worker->index;
}

bool worker_is_full(const struct worker *worker)
{
    return worker->is_full;
}

static void set_full(struct worker *worker, bool is_full)
{
    if (worker->is_full == is_full)
        return;
    worker->is_full = is_full;
    struct worker_shared *shared = worker->shared;
    if (is_full) {
        metrics_add(METRIC_GATEWAY_FULL, 0, 1);
        if (atomic_fetch_add(&shared->full_workers, 1) == 0)
            health_set_unready(shared->health, "the broker has no room: cars are not read");
    } else if (atomic_fetch_sub(&shared->full_workers, 1) == 1) {
        health_set_ready(shared->health);
    }
}

/* Room in the ring for one more record than are under way. */
static int reserve_flight(struct worker *worker)
{
    uint64_t under_way = worker->sequence - worker->reported.settled;
    if (worker->flight != NULL && under_way <= worker->flight_mask)
        return 0;
    uint64_t slots = worker->flight == NULL ? FLIGHT_MIN : (worker->flight_mask + 1) * 2;
    struct flight_entry *flight = malloc(slots * sizeof *flight);
    if (flight == NULL)
        return -1;
    for (uint64_t s = worker->reported.settled + 1; s <= worker->sequence; s++)
        flight[s & (slots - 1)] = worker->flight[s & worker->flight_mask];
    free(worker->flight);
    worker->flight = flight;
    worker->flight_mask = slots - 1;
    return 0;
}

enum publish_result worker_publish(struct worker *worker, int topic, const struct record *record,
                                   struct session *session)
{
    if (reserve_flight(worker) != 0)
        return PUBLISH_FULL;
    uint64_t sequence = worker->sequence + 1;
    enum publish_result result = producer_publish(worker->producer, topic, record, sequence);
    if (result == PUBLISH_FULL)
        set_full(worker, true);
    if (result != PUBLISH_ACCEPTED)
        return result;
    worker->sequence = sequence;
    session->in_flight++;
    worker->flight[sequence & worker->flight_mask] = (struct flight_entry){
        .slot = session->slot,
        .n = (uint32_t)session_count(session),
        .taken_ns = worker->turn_monotonic_ns,
    };
    metrics_add(METRIC_GATEWAY_ACCEPTED, 0, 1);
    return PUBLISH_ACCEPTED;
}

void worker_mark_traced(struct worker *worker)
{
    worker->flight[worker->sequence & worker->flight_mask].is_traced = true;
}

/* ---- the broker's reports ---- */

/* The full number of a packet of which the low 32 bits are known: the only one
 * not settled yet (a session has far fewer than 2^32 under way). */
static uint64_t full_number(const struct session *session, uint32_t low)
{
    uint64_t n = (session->window.settled & ~UINT64_C(0xFFFFFFFF)) | low;
    return n > session->window.settled ? n : n + (UINT64_C(1) << 32);
}

static void observe_latency(struct worker *worker, int64_t taken_ns)
{
    if (taken_ns == worker->latency_of_ns) {
        worker->latency_count++;
        return;
    }
    if (worker->latency_count > 0) {
        int64_t waited_ns = clock_monotonic_ns() - worker->latency_of_ns;
        metrics_observe_many(METRIC_GATEWAY_ACK_SECONDS, 0, waited_ns, worker->latency_count);
        tracing_slow(waited_ns);
    }
    worker->latency_of_ns = taken_ns;
    worker->latency_count = 1;
}

static void on_delivery(void *context, uint64_t tag, enum delivery delivery, int64_t offset)
{
    struct worker *worker = context;
    struct flight_entry entry = worker->flight[tag & worker->flight_mask];
    bool is_durable = delivery == DELIVERY_DURABLE;
    if (is_durable)
        observe_latency(worker, entry.taken_ns);
    else
        recent_forget_all(&worker->recent);
    if (entry.is_traced)
        tracing_delivered(&worker->tracing, tag, is_durable, offset);
    if (ack_window_settle(&worker->reported, tag) != 0)
        recent_forget_all(&worker->recent);
    struct session *session = worker->sessions[entry.slot];
    session_reported(session, full_number(session, entry.n), is_durable);
}

static void schedule_pace(struct worker *worker)
{
    int64_t next_ns = waiting_next_ns(&worker->waiting);
    if (next_ns == INT64_MAX)
        return;
    int64_t after_ns = next_ns - clock_monotonic_ns();
    loop_timer_start(worker->timer, after_ns > NS_PER_MS ? after_ns : NS_PER_MS, 0);
}

static void on_room(void *context)
{
    struct worker *worker = context;
    set_full(worker, false);
    waiting_resume(&worker->waiting, true, clock_monotonic_ns(), intake_resume);
}

static void on_pace(void *context)
{
    struct worker *worker = context;
    waiting_resume(&worker->waiting, false, clock_monotonic_ns(), intake_resume);
    schedule_pace(worker);
}

static void on_wake(void *context)
{
    struct worker *worker = context;
    producer_poll(worker->producer);
    observe_latency(worker, 0);
    worker->latency_count = 0;
}

static void wake_any_thread(void *context)
{
    struct worker *worker = context;
    loop_wake(worker->waker);
}

/* ---- the end of a turn ---- */

static void acknowledge_touched(struct worker *worker)
{
    uint32_t slot = worker->touched;
    worker->touched = NO_SLOT;
    while (slot != NO_SLOT) {
        struct session *session = worker->sessions[slot];
        slot = session->next_touched;
        session_acknowledge(session);
    }
}

static void try_finish_drain(struct worker *worker);

static void on_turn_end(void *context)
{
    struct worker *worker = context;
    if (worker->producer == NULL)
        return;
    producer_flush(worker->producer);
    while (worker->touched != NO_SLOT)
        acknowledge_touched(worker);
    if (worker->is_in_turn && !list_is_empty(&worker->waiting.list))
        schedule_pace(worker);
    worker->is_in_turn = false;
    if (worker->is_draining)
        try_finish_drain(worker);
}

/* ---- life ---- */

static int open_parts(struct worker *worker, const char *listen, struct error *err)
{
    const struct gateway_config *config = worker->config;
    char name[16];
    snprintf(name, sizeof name, "gateway-%u", worker->index);
    worker->loop = loop_new(name, err);
    if (worker->loop == NULL)
        return -1;
    worker->scratch = packet_scratch_new();
    worker->timer = loop_timer_new(worker->loop, on_pace, worker);
    if (worker->scratch == NULL || worker->timer == NULL || grow_slots(worker) != 0 ||
        recent_init(&worker->recent, (size_t)config->recent_identities) != 0 ||
        pace_init(&worker->pace, config->vehicle_packets_per_s) != 0)
        return error_set(err, ERROR_MEMORY, "no memory for a gateway loop");
    worker->waker = loop_waker_new(worker->loop, on_wake, worker, err);
    if (worker->waker == NULL)
        return -1;
    struct producer_handler handler = {
        .on_delivery = on_delivery,
        .on_room = on_room,
        .wake = wake_any_thread,
        .context = worker,
    };
    if (producer_open(&worker->producer, worker->shared->broker, &handler, err) != 0)
        return -1;
    /* Before the server's own: acks leave in the turn in which they arise. */
    loop_on_turn_end(worker->loop, on_turn_end, worker);
    return server_open(&worker->server, worker->loop, listen, &front_handler, worker,
                       &config->limits, err);
}

struct worker *worker_new(struct worker_shared *shared, unsigned index, const char *listen,
                          struct error *err)
{
    struct worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL) {
        error_set(err, ERROR_MEMORY, "no memory for a gateway loop");
        return NULL;
    }
    worker->index = index;
    worker->touched = NO_SLOT;
    worker->shared = shared;
    worker->config = shared->config;
    worker->ingest_topics = shared->ingest_topics;
    worker->dead_letter_topic = shared->dead_letter_topic;
    waiting_init(&worker->waiting, (size_t)shared->config->held_bytes);
    buf_init(&worker->text, 0);
    buf_init(&worker->inflated, 0);
    if (open_parts(worker, listen, err) != 0) {
        worker_free(worker);
        return NULL;
    }
    return worker;
}

void worker_free(struct worker *worker)
{
    if (worker == NULL)
        return;
    if (worker->server != NULL)
        server_close(worker->server);
    if (worker->producer != NULL)
        producer_close(worker->producer, 0);
    if (worker->waker != NULL)
        loop_waker_free(worker->waker);
    if (worker->timer != NULL)
        loop_timer_free(worker->timer);
    loop_free(worker->loop);
    packet_scratch_free(worker->scratch);
    recent_deinit(&worker->recent);
    pace_deinit(&worker->pace);
    tracing_deinit(&worker->tracing);
    buf_deinit(&worker->text);
    buf_deinit(&worker->inflated);
    ack_window_deinit(&worker->reported);
    free(worker->sessions);
    free(worker->flight);
    free(worker);
}

/* ---- the end ---- */

static void on_server_drained(void *context)
{
    struct worker *worker = context;
    atomic_store(&worker->is_drained, true);
}

static void try_finish_drain(struct worker *worker)
{
    if (producer_pending(worker->producer) > 0)
        return;
    worker->is_draining = false;
    server_drain(worker->server, on_server_drained, worker);
}

void worker_drain(void *context)
{
    struct worker *worker = context;
    worker->is_draining = true;
    for (uint32_t i = 0; i < worker->session_slots; i++) {
        struct session *session = worker_session_at(worker, i);
        if (session != NULL && session->conn != NULL)
            conn_pause(session->conn);
    }
}

void worker_shut(void *context)
{
    struct worker *worker = context;
    server_close(worker->server);
    worker->server = NULL;
    producer_close(worker->producer, NS_PER_S);
    worker->producer = NULL;
    loop_stop(worker->loop);
}
