/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/worker.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/must.h"
#include "observe/log.h"
#include "observe/metrics.h"

static const int64_t first_delay_ns = 10 * NS_PER_MS;
static const int64_t look_ns = 100 * NS_PER_MS; /* must_stop may depend on the time */

struct held {
    size_t canonical, canonical_len; /* places in bytes */
    size_t vehicle, vehicle_len;
    uint64_t tag;
    int64_t attempts; /* that failed by this row's own fault */
};

struct sink_worker {
    struct sink *sink;
    struct sink_config config;
    struct sink_worker_handler handler;
    struct sink_row *rows;
    struct held *held;
    size_t count;
    struct buf bytes;
    int64_t first_ns; /* monotonic: when the oldest row came */
    struct bell bell;
    enum sink_circuit circuit;
    int64_t failures; /* of the database, in a row: they open the circuit */
    int64_t rounds;   /* of this batch that did not settle it: they set the waits */
    uint64_t random;
};

/* ---- the batch ---- */

int sink_worker_new(struct sink_worker **out, struct sink *sink, const struct sink_config *config,
                    const struct sink_worker_handler *handler, struct error *err)
{
    must(config->batch_rows > 0);
    struct sink_worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the store");
    worker->sink = sink;
    worker->config = *config;
    worker->handler = *handler;
    worker->rows = calloc((size_t)config->batch_rows, sizeof *worker->rows);
    worker->held = calloc((size_t)config->batch_rows, sizeof *worker->held);
    buf_init(&worker->bytes, 0);
    bell_init(&worker->bell);
    if (getentropy(&worker->random, sizeof worker->random) != 0 || worker->random == 0)
        worker->random = (uint64_t)clock_wall_ns() | 1;
    if (worker->rows == NULL || worker->held == NULL) {
        sink_worker_free(worker);
        return error_set(err, ERROR_MEMORY, "no memory for batches of %lld rows",
                         (long long)config->batch_rows);
    }
    *out = worker;
    return 0;
}

void sink_worker_free(struct sink_worker *worker)
{
    if (worker == NULL)
        return;
    free(worker->rows);
    free(worker->held);
    buf_deinit(&worker->bytes);
    bell_deinit(&worker->bell);
    free(worker);
}

static size_t append(struct buf *bytes, struct bytes part)
{
    size_t place = bytes->len;
    buf_append_bytes(bytes, part);
    return place;
}

enum sink_worker_add sink_worker_add(struct sink_worker *worker, const struct sink_row *row,
                                     uint64_t tag, int64_t now_ns)
{
    size_t len = row->canonical.len + row->packet.vehicle.len, before = worker->bytes.len;
    if (worker->count > 0 && (worker->count >= (size_t)worker->config.batch_rows ||
                              before + len > (size_t)worker->config.batch_bytes))
        return SINK_WORKER_FULL;
    struct held *held = &worker->held[worker->count];
    *held = (struct held){
        .canonical_len = row->canonical.len, .vehicle_len = row->packet.vehicle.len, .tag = tag};
    held->canonical = append(&worker->bytes, row->canonical);
    held->vehicle = append(&worker->bytes, row->packet.vehicle);
    if (worker->bytes.has_failed) {
        worker->bytes.len = before;
        worker->bytes.has_failed = false;
        return SINK_WORKER_FULL;
    }
    struct packet *packet = &worker->rows[worker->count].packet;
    packet->identity = row->packet.identity;
    packet->order = row->packet.order;
    packet->time_ms = row->packet.time_ms;
    packet->received_ns = row->packet.received_ns;
    packet->fields = row->packet.fields;
    worker->rows[worker->count].source = row->source;
    if (worker->count++ == 0)
        worker->first_ns = now_ns;
    return SINK_WORKER_ADDED;
}

size_t sink_worker_count(const struct sink_worker *worker)
{
    return worker->count;
}

int64_t sink_worker_due_in(const struct sink_worker *worker, int64_t now_ns)
{
    if (worker->count == 0)
        return INT64_MAX;
    int64_t due_ns = worker->first_ns + worker->config.batch_age_ns - now_ns;
    bool is_full = worker->count >= (size_t)worker->config.batch_rows ||
                   worker->bytes.len >= (size_t)worker->config.batch_bytes;
    return is_full || due_ns < 0 ? 0 : due_ns;
}

void sink_worker_clear(struct sink_worker *worker)
{
    worker->count = 0;
    worker->rounds = 0;
    buf_clear(&worker->bytes);
}

/* The bytes may have moved while the batch grew: views are made at the end. */
static void set_views(struct sink_worker *worker)
{
    for (size_t i = 0; i < worker->count; i++) {
        const struct held *held = &worker->held[i];
        const char *bytes = worker->bytes.ptr;
        worker->rows[i].canonical = bytes_of(bytes + held->canonical, held->canonical_len);
        worker->rows[i].packet.vehicle = bytes_of(bytes + held->vehicle, held->vehicle_len);
    }
}

static void move_row(struct sink_worker *worker, size_t from, size_t to)
{
    if (from == to)
        return;
    worker->rows[to] = worker->rows[from];
    worker->held[to] = worker->held[from];
}

static void remove_row(struct sink_worker *worker, size_t index)
{
    for (size_t i = index + 1; i < worker->count; i++)
        move_row(worker, i, i - 1);
    worker->count--;
}

/* ---- the circuit ---- */

/* The metric is the worst of all databases that this process writes to. */
static void show_circuit(int kind, enum sink_circuit circuit)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static enum sink_circuit of_kind[SINK_KINDS];
    enum sink_circuit before = CIRCUIT_CLOSED, after = CIRCUIT_CLOSED;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < SINK_KINDS; i++)
        before = of_kind[i] > before ? of_kind[i] : before;
    of_kind[kind] = circuit;
    for (int i = 0; i < SINK_KINDS; i++)
        after = of_kind[i] > after ? of_kind[i] : after;
    metrics_add(METRIC_SINK_CIRCUIT, 0, (int64_t)after - (int64_t)before);
    pthread_mutex_unlock(&lock);
}

static void set_circuit(struct sink_worker *worker, enum sink_circuit circuit,
                        const struct error *err)
{
    if (worker->circuit == circuit)
        return;
    show_circuit(worker->config.kind, circuit);
    worker->circuit = circuit;
    if (worker->handler.on_circuit != NULL)
        worker->handler.on_circuit(worker->handler.context, circuit, err);
}

enum sink_circuit sink_worker_circuit(const struct sink_worker *worker)
{
    return worker->circuit;
}

/* xorshift64* (Vigna 2014): jitter, no secret. */
static uint64_t next_random(struct sink_worker *worker)
{
    worker->random ^= worker->random >> 12;
    worker->random ^= worker->random << 25;
    worker->random ^= worker->random >> 27;
    return worker->random * UINT64_C(2685821657736338717);
}

static int64_t next_delay_ns(struct sink_worker *worker)
{
    if (worker->circuit == CIRCUIT_OPEN)
        return worker->config.breaker_delay_ns;
    int64_t bound_ns = first_delay_ns;
    for (int64_t i = 1; i < worker->rounds && bound_ns < worker->config.retry_delay_max_ns; i++)
        bound_ns *= 2;
    if (bound_ns > worker->config.retry_delay_max_ns)
        bound_ns = worker->config.retry_delay_max_ns;
    return (int64_t)(next_random(worker) % (uint64_t)(bound_ns + 1));
}

static bool must_stop(const struct sink_worker *worker)
{
    return worker->handler.must_stop != NULL && worker->handler.must_stop(worker->handler.context);
}

/* False: stopping. */
static bool wait(struct sink_worker *worker, int64_t delay_ns)
{
    int64_t until_ns = clock_monotonic_ns() + delay_ns;
    for (;;) {
        if (must_stop(worker))
            return false;
        int64_t left_ns = until_ns - clock_monotonic_ns();
        if (left_ns <= 0)
            return true;
        bell_wait(&worker->bell, left_ns < look_ns ? left_ns : look_ns);
    }
}

void sink_worker_interrupt(struct sink_worker *worker)
{
    bell_ring(&worker->bell);
}

/* ---- writing ---- */

static void reopen(struct sink_worker *worker)
{
    struct error err;
    if (worker->handler.reopen == NULL)
        return;
    struct sink *sink = worker->handler.reopen(worker->handler.context, worker->sink, &err);
    if (sink == NULL)
        log_error("store", "the database can't be opened again yet", &err);
    else
        worker->sink = sink;
}

static enum sink_verdict attempt(struct sink_worker *worker, struct sink_write_result *result,
                                 struct error *err)
{
    const struct sink_worker_handler *handler = &worker->handler;
    if (handler->on_attempt != NULL)
        handler->on_attempt(handler->context, true);
    enum sink_verdict verdict = sink_write(worker->sink, worker->rows, worker->count, result, err);
    if (handler->on_attempt != NULL)
        handler->on_attempt(handler->context, false);
    return verdict;
}

static void note_failure(struct sink_worker *worker, const struct error *err)
{
    worker->failures++;
    metrics_add(METRIC_SINK_RETRIES, 0, 1);
    if (worker->circuit == CIRCUIT_CLOSED && worker->failures == 1)
        log_error("store", "a write failed and is tried again", err);
    if (worker->circuit == CIRCUIT_HALF_OPEN || worker->failures >= worker->config.breaker_failures)
        set_circuit(worker, CIRCUIT_OPEN, err);
}

static void note_success(struct sink_worker *worker)
{
    worker->failures = 0;
    set_circuit(worker, CIRCUIT_CLOSED, NULL);
}

/* Before the next attempt. False: stopping. */
static bool back_off(struct sink_worker *worker, const struct error *err)
{
    worker->rounds++;
    if (!wait(worker, next_delay_ns(worker)))
        return false;
    if (worker->circuit == CIRCUIT_OPEN)
        set_circuit(worker, CIRCUIT_HALF_OPEN, err);
    return true;
}

static void give_out(struct sink_worker *worker, size_t index, const char *detail)
{
    must(index < worker->count);
    worker->handler.on_poison(worker->handler.context, worker->held[index].tag,
                              &worker->rows[index], detail);
}

/* A row that failed by its own fault: is it tried again? */
static bool is_tried_again(struct sink_worker *worker, size_t index,
                           const struct sink_failure *failure)
{
    char detail[512];
    int64_t attempts = ++worker->held[index].attempts;
    if (attempts == worker->config.item_attempts)
        metrics_add(METRIC_SINK_EXHAUSTED, 0, 1);
    if (attempts < worker->config.item_attempts || worker->config.on_exhausted == SINK_PAUSE)
        return true;
    snprintf(detail, sizeof detail, "tried %lld times: %s", (long long)attempts, failure->detail);
    give_out(worker, index, detail);
    return false;
}

static bool is_kept(struct sink_worker *worker, size_t index, const struct sink_failure *failure)
{
    switch (failure->fate) {
    case SINK_REFUSED:
        give_out(worker, index, failure->detail);
        return false;
    case SINK_FAILED:
        return is_tried_again(worker, index, failure);
    case SINK_UNREACHED:
        return true;
    }
    return true;
}

/* Only the rows that must be tried again stay in the batch. True: the database
 * itself works, whatever it says of single rows. */
static bool keep_failures(struct sink_worker *worker, const struct sink_write_result *result)
{
    size_t kept = 0;
    bool is_reached = true;
    for (size_t i = 0; i < result->failure_count; i++) {
        const struct sink_failure *failure = &result->failures[i];
        is_reached &= failure->fate != SINK_UNREACHED;
        if (is_kept(worker, failure->index, failure))
            move_row(worker, failure->index, kept++);
    }
    worker->count = kept;
    metrics_add(METRIC_SINK_ITEM_RETRIES, 0, (int64_t)kept);
    return is_reached;
}

/* Pausing at a row that may never pass is as if the database were away. */
static bool is_stuck(const struct sink_worker *worker)
{
    for (size_t i = 0; i < worker->count && worker->config.on_exhausted == SINK_PAUSE; i++)
        if (worker->held[i].attempts >= worker->config.item_attempts)
            return true;
    return false;
}

static void settle_partly(struct sink_worker *worker, const struct sink_write_result *result,
                          const struct error *err)
{
    if (!keep_failures(worker, result) || is_stuck(worker))
        note_failure(worker, err);
    else
        note_success(worker);
}

/* One attempt; what is settled leaves the batch. False: wait before the next. */
static bool write_once(struct sink_worker *worker, struct error *err)
{
    struct sink_write_result result;
    switch (attempt(worker, &result, err)) {
    case SINK_STORED:
        note_success(worker);
        worker->count = 0;
        return true;
    case SINK_POISON:
        give_out(worker, result.poison_index, err->text);
        remove_row(worker, result.poison_index);
        return true;
    case SINK_PARTIAL:
        settle_partly(worker, &result, err);
        return worker->count == 0;
    case SINK_RECONNECT:
        reopen(worker);
        note_failure(worker, err);
        return false;
    case SINK_RETRY:
        note_failure(worker, err);
        return false;
    }
    return false;
}

int sink_worker_flush(struct sink_worker *worker, struct error *err)
{
    struct error cause = {0};
    set_views(worker);
    while (worker->count > 0) {
        if (write_once(worker, &cause) || back_off(worker, &cause))
            continue;
        if (err != NULL)
            *err = cause;
        return -1;
    }
    sink_worker_clear(worker);
    return 0;
}
