/* SPDX-License-Identifier: Apache-2.0 */
/* The handler's loop.
 *
 * A batch is fetched, each record judged and its output published; then the
 * batch is a closed flight, which waits to become durable while the next batch
 * is worked on. Flights settle in order: the oldest one's positions are
 * committed when none of its outputs is pending. Nothing is committed past a
 * record whose output is not durable, so a crash at any point repeats work.
 *
 * FULL closes the flight where it stands, so that what was done can settle and
 * be committed: at the broker's cap that is what makes room. An output that the
 * broker could not make durable ends this run: consumer and producer are opened
 * again and go on from the committed position. */
#include "handler/worker.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/must.h"
#include "handler/trail.h"
#include "handler/role.h"
#include "observe/health.h"
#include "observe/log.h"

#define IDLE_NS (250 * NS_PER_MS)
#define AGAIN_NS NS_PER_S
#define REVOKE_NS (5 * NS_PER_S)

/* ---- stopping ---- */

static bool is_stopping(const struct worker *worker)
{
    return atomic_load_explicit(&worker->shared->is_stopping, memory_order_acquire);
}

/* Past the deadline of a stop: what is not durable now is left to the next start. */
static bool must_give_up(const struct worker *worker)
{
    return worker->has_failed ||
           (is_stopping(worker) &&
            clock_monotonic_ns() > atomic_load(&worker->shared->stop_deadline_ns));
}

/* ---- the broker's callbacks ---- */

static void on_delivery(void *context, uint64_t tag, enum delivery delivery, int64_t offset)
{
    (void)offset;
    struct worker *worker = context;
    flights_delivered(&worker->flights, tag);
    if (delivery == DELIVERY_FAILED)
        worker->has_failed = true;
}

static void on_room(void *context)
{
    (void)context; /* wait_for_room tries again after every poll */
}

static void wake(void *context)
{
    struct worker *worker = context;
    bell_ring(&worker->bell);
}

/* ---- flights ---- */

static void commit(struct worker *worker, const struct flight *flight)
{
    for (size_t i = 0; i < flight->range_count; i++) {
        const struct attempts_range *range = &flight->ranges[i];
        struct error err;
        if (consumer_commit(worker->consumer, flight->topics[i], range->partition, range->next,
                            &err) != 0) {
            /* Another thread has the partition now and repeats what we did. */
            if (err.kind != ERROR_BUSY)
                log_error("handler", "a position could not be committed", &err);
            continue;
        }
        attempts_settled(worker->shared->attempts, range->topic, range->partition, range->next);
    }
}

static void settle(struct worker *worker)
{
    const struct flight *flight;
    producer_poll(worker->producer);
    while (!worker->has_failed && (flight = flights_peek_durable(&worker->flights)) != NULL) {
        commit(worker, flight);
        metrics_observe(METRIC_HANDLER_BATCH_SECONDS, 0, clock_monotonic_ns() - flight->begun_ns);
        flights_drop_oldest(&worker->flights);
    }
}

/* Until at most `most` flights wait. False: it will not come to that. */
static bool settle_down_to(struct worker *worker, size_t most)
{
    producer_flush(worker->producer);
    settle(worker);
    while (flights_waiting(&worker->flights) > most) {
        if (must_give_up(worker))
            return false;
        consumer_idle(worker->consumer);
        bell_wait(&worker->bell, 10 * NS_PER_MS);
        settle(worker);
    }
    return !worker->has_failed;
}

/* The open flight waits from now on; there is room for the next one. */
static bool close_flight(struct worker *worker)
{
    flights_close(&worker->flights);
    bool has_room = settle_down_to(worker, (size_t)worker->shared->config.batches_in_flight);
    if (has_room)
        flights_begin(&worker->flights, clock_monotonic_ns());
    return has_room;
}

/* Within a fetch, where no flight is open: what is on its way is committed while
 * it still counts, else the next owner does it once more. */
static void on_revoke(void *context)
{
    struct worker *worker = context;
    int64_t until_ns = clock_monotonic_ns() + REVOKE_NS;
    producer_flush(worker->producer);
    settle(worker);
    while (flights_waiting(&worker->flights) > 0 && !must_give_up(worker) &&
           clock_monotonic_ns() < until_ns) {
        bell_wait(&worker->bell, 10 * NS_PER_MS);
        settle(worker);
    }
}

/* ---- one record ---- */

static size_t ingest_of(const struct worker *worker, int topic)
{
    size_t i = 0;
    while (worker->shared->ingest[i] != topic)
        i++;
    return i;
}

/* A pause: nothing that a record could make crash is in hand meanwhile. */
static bool wait_for_room(struct worker *worker)
{
    caution_pause(&worker->caution);
    bool may_go_on = close_flight(worker);
    if (may_go_on && !must_give_up(worker))
        bell_wait(&worker->bell, NS_PER_MS);
    caution_resume(&worker->caution);
    return may_go_on && !must_give_up(worker);
}

enum published { PUBLISHED, PUBLISHED_NOT, PUBLISHED_TOO_LARGE };

static enum published publish(struct worker *worker, int topic, const struct record *record)
{
    for (;;) {
        switch (producer_publish(worker->producer, topic, record, worker->flights.open)) {
        case PUBLISH_ACCEPTED:
            flights_published(&worker->flights);
            return PUBLISHED;
        case PUBLISH_REFUSED:
            return PUBLISHED_TOO_LARGE;
        case PUBLISH_FULL:
            if (!wait_for_room(worker))
                return PUBLISHED_NOT;
            break;
        }
    }
}

/* Another program put in what is too large for us even as it came: its beginning,
 * and mc tells where the whole lies. */
static enum published publish_beginning(struct worker *worker, int topic, const struct consumed *in,
                                        const char *name, struct judgement *judgement)
{
    enum published result = PUBLISHED_TOO_LARGE;
    judge_divert(&worker->judge, worker->plan->ruleset, in, name, REASON_RECORD_TOO_LARGE,
                 "larger than broker.record_bytes_max: only its beginning is kept here", judgement);
    for (size_t max = in->record.value.len / 2; result == PUBLISHED_TOO_LARGE && max > 0;
         max /= 2) {
        judge_cut(judgement, max);
        result = publish(worker, topic, &judgement->record);
    }
    return result;
}

static enum published publish_judged(struct worker *worker, const struct consumed *in,
                                     const char *name, struct judgement *judgement)
{
    size_t ingest = ingest_of(worker, in->topic);
    enum published result =
        publish(worker, plan_output(worker->plan, ingest, judgement->category), &judgement->record);
    if (result != PUBLISHED_TOO_LARGE)
        return result;
    judge_divert(&worker->judge, worker->plan->ruleset, in, name, REASON_RECORD_TOO_LARGE,
                 "larger than broker.record_bytes_max once checked", judgement);
    int topic = plan_output(worker->plan, ingest, judgement->category);
    result = publish(worker, topic, &judgement->record);
    if (result == PUBLISHED_TOO_LARGE)
        result = publish_beginning(worker, topic, in, name, judgement);
    return result;
}

/* False: the record is not done, and nothing after it may be. */
static bool put_out(struct worker *worker, const struct consumed *in, const char *topic,
                    struct judgement *judgement)
{
    enum published result = PUBLISHED;
    struct trail trail;
    trail_begin(&trail, in, judgement);
    if (judgement->verdict != VERDICT_DROP)
        result = publish_judged(worker, in, topic, judgement);
    if (result == PUBLISHED_TOO_LARGE) {
        log_event(LOG_ERROR, "handler",
                  "broker.record_bytes_max has no room for a key and headers: raise it, the "
                  "handler waits",
                  LOG_T("topic", topic), LOG_I("partition", in->partition),
                  LOG_I("offset", in->offset));
        worker->has_failed = true;
        return false;
    }
    if (result == PUBLISHED_NOT)
        return false;
    trail_end(&trail, in, topic, judgement);
    tally_count(&worker->tally, judgement, &worker->judge.decision);
    flights_add(&worker->flights, in->topic, topic, in->partition, in->offset);
    return true;
}

struct judging {
    struct worker *worker;
    const struct consumed *in;
    const char *topic;
    struct judgement *out;
};

static void judge_one(void *context)
{
    struct judging *j = context;
    judge_record(&j->worker->judge, j->worker->plan->ruleset, j->in, j->topic, j->out);
}

/* After a crash: alone, or past it when it has crashed us often enough. */
static void judge_suspect(struct worker *worker, const struct consumed *in, const char *topic,
                          struct judgement *out)
{
    struct judging judging = {worker, in, topic, out};
    if (!caution_work_slowly(&worker->caution, in, topic, judge_one, &judging))
        judge_divert(&worker->judge, worker->plan->ruleset, in, topic, REASON_CRASHED,
                     "the record crashed the handler three times", out);
}

/* ---- one batch ---- */

static void tell_state(struct worker *worker)
{
    if (worker->judge.thread == NULL || worker->judge.thread->state == NULL)
        return;
    struct state_counts now = state_table_counts(worker->judge.thread->state);
    struct state_counts *told = &worker->state_told;
    metric_series_set(worker->vehicles, (int64_t)now.vehicles);
    metrics_add(METRIC_HANDLER_STATE_EVICTIONS, 0, (int64_t)(now.expired - told->expired));
    metrics_add(METRIC_HANDLER_STATE_EVICTIONS, 1, (int64_t)(now.displaced - told->displaced));
    *told = now;
}

/* Ends early when it must; what was done until then still settles. */
static void work(struct worker *worker, const struct consumed_batch *batch)
{
    caution_begin(&worker->caution, batch);
    const char *topic = NULL;
    for (size_t i = 0; i < batch->count; i++) {
        const struct consumed *in = &batch->records[i];
        if (i == 0 || in->topic != batch->records[i - 1].topic)
            topic = broker_topic_name(worker->shared->broker, in->topic);
        worker->judge.stream = recall_stream(&worker->recall, in);
        struct judgement judgement;
        if (caution_is_needed(&worker->caution))
            judge_suspect(worker, in, topic, &judgement);
        else
            judge_record(&worker->judge, worker->plan->ruleset, in, topic, &judgement);
        recall_note(&worker->recall, worker->judge.stream, in->offset + 1);
        worker->tally.records++;
        if (!put_out(worker, in, topic, &judgement))
            break;
    }
    caution_end(&worker->caution);
    tally_give(&worker->tally, worker->plan);
    tally_give_breaks(worker->judge.thread, worker->plan);
    tell_state(worker);
    close_flight(worker);
}

/* ---- reload ---- */

/* The rules' memory under the new plan: what rules say that stayed is kept. */
static int make_thread(struct worker *worker, struct plan *plan, struct error *err)
{
    const struct handler_config *config = &worker->shared->config;
    const struct state_limits limits = {.vehicles =
                                            (size_t)(config->state_vehicles / config->threads),
                                        .bytes = (size_t)(config->state_bytes / config->threads)};
    struct rule_thread *thread = NULL;
    if (ruleset_needs_thread(plan->ruleset) &&
        ruleset_thread_new(&thread, plan->ruleset, &limits, worker->judge.thread, err) != 0)
        return -1;
    tell_state(worker);
    worker->state_told = (struct state_counts){0};
    metric_series_set(worker->vehicles, 0);
    ruleset_thread_free(worker->judge.thread);
    worker->judge.thread = thread;
    return 0;
}

/* -1: the plan before stays in force. */
static int take_newest(struct worker *worker, struct error *err)
{
    struct shared *shared = worker->shared;
    pthread_mutex_lock(&shared->lock);
    struct plan *plan = plan_ref(shared->plan);
    worker->generation = atomic_load(&shared->generation);
    pthread_mutex_unlock(&shared->lock);
    if (make_thread(worker, plan, err) != 0) {
        plan_unref(plan);
        return -1;
    }
    plan_unref(worker->plan);
    worker->plan = plan;
    return 0;
}

static bool take_plan(struct worker *worker)
{
    struct error err;
    if (atomic_load_explicit(&worker->shared->generation, memory_order_acquire) ==
        worker->generation)
        return true;
    if (!settle_down_to(worker, 0))
        return false;
    if (take_newest(worker, &err) != 0)
        log_error("handler", "new rules can't be used, the old ones stay", &err);
    return true;
}

/* ---- the thread ---- */

static size_t count_partitions(const struct shared *shared)
{
    size_t count = 0;
    for (size_t i = 0; i < shared->ingest_count; i++)
        count += (size_t)broker_partitions(shared->broker, shared->ingest[i]);
    return count;
}

static int open_streams(struct worker *worker, struct error *err)
{
    const struct shared *shared = worker->shared;
    const struct producer_handler handler = {.on_delivery = on_delivery,
                                             .on_room = on_room,
                                             .wake = wake,
                                             .context = worker,
                                             .uses_reserve = true};
    const struct consumer_options options = {.group = shared->config.group,
                                             .topics = shared->ingest,
                                             .topic_count = shared->ingest_count,
                                             .start = CONSUMER_FROM_COMMITTED,
                                             .on_revoke = on_revoke,
                                             .wake = wake,
                                             .context = worker};
    worker->has_failed = false;
    flights_deinit(&worker->flights); /* topics may have grown */
    if (flights_init(&worker->flights, (size_t)shared->config.batches_in_flight,
                     count_partitions(shared), err) != 0)
        return -1;
    flights_reset(&worker->flights, clock_monotonic_ns());
    if (producer_open(&worker->producer, shared->broker, &handler, err) != 0)
        return -1;
    return consumer_open(&worker->consumer, shared->broker, &options, err);
}

static void close_streams(struct worker *worker)
{
    /* What is still pending was given up: no waiting. */
    if (worker->producer != NULL)
        producer_close(worker->producer, 0);
    if (worker->consumer != NULL)
        consumer_close(worker->consumer);
    worker->producer = NULL;
    worker->consumer = NULL;
}

static void tell_ready(struct worker *worker, bool is_ready)
{
    if (worker->is_ready == is_ready)
        return;
    worker->is_ready = is_ready;
    struct shared *shared = worker->shared;
    unsigned count = is_ready ? atomic_fetch_add(&shared->ready_count, 1) + 1
                              : atomic_fetch_sub(&shared->ready_count, 1) - 1;
    if (count == (unsigned)shared->config.threads)
        health_set_ready(health_check("handler"));
    else if (!is_ready)
        health_set_unready(health_check("handler"), "the broker does not take or give records");
}

/* One run over open streams: until stopped or failed. */
static int run(struct worker *worker, struct error *err)
{
    while (!is_stopping(worker) && !worker->has_failed) {
        struct consumed_batch batch;
        if (!take_plan(worker))
            break;
        if (consumer_fetch(worker->consumer, &batch, (size_t)worker->shared->config.batch_records,
                           0, err) != 0)
            return -1;
        tell_ready(worker, true);
        if (batch.count > 0) {
            if (recall_for(&worker->recall, worker->plan->ruleset, &batch, err) != 0)
                return is_stopping(worker) ? 0 : -1;
            work(worker, &batch);
            continue;
        }
        settle(worker);
        bell_wait(&worker->bell, IDLE_NS);
    }
    if (!worker->has_failed)
        settle_down_to(worker, 0);
    if (worker->has_failed)
        return error_set(err, ERROR_IO, "outputs were not made durable");
    return 0;
}

/* As top and gdb show it. */
static void name_thread(const struct worker *worker)
{
    char name[16];
    snprintf(name, sizeof name, "handler-%u", worker->number % 1000);
#ifdef __APPLE__
    pthread_setname_np(name);
#else
    pthread_setname_np(pthread_self(), name);
#endif
}

static void *thread_main(void *argument)
{
    struct worker *worker = argument;
    name_thread(worker);
    while (!is_stopping(worker)) {
        struct error err;
        int result = open_streams(worker, &err);
        if (result == 0)
            result = run(worker, &err);
        close_streams(worker);
        if (result == 0 || is_stopping(worker))
            break;
        tell_ready(worker, false);
        log_error("handler", "starting again from the committed position", &err);
        int64_t until_ns = clock_monotonic_ns() + AGAIN_NS;
        while (!is_stopping(worker) && clock_monotonic_ns() < until_ns)
            bell_wait(&worker->bell, AGAIN_NS);
    }
    return NULL;
}

/* ---- life ---- */

static bool must_stop_recalling(void *context)
{
    struct worker *worker = context;
    consumer_idle(worker->consumer);
    return is_stopping(worker);
}

static int allocate(struct worker *worker, struct error *err)
{
    struct shared *shared = worker->shared;
    worker->recall = (struct recall){.broker = shared->broker,
                                     .ingest = shared->ingest,
                                     .ingest_count = shared->ingest_count,
                                     .caution = &worker->caution,
                                     .judge = &worker->judge,
                                     .must_stop = must_stop_recalling,
                                     .context = worker};
    if (caution_init(&worker->caution, shared->broker, shared->attempts, worker->number, err) !=
            0 ||
        recall_init(&worker->recall, err) != 0 || judge_init(&worker->judge, err) != 0)
        return -1;
    return 0;
}

static void deallocate(struct worker *worker)
{
    flights_deinit(&worker->flights);
    caution_deinit(&worker->caution);
    recall_deinit(&worker->recall);
    ruleset_thread_free(worker->judge.thread);
    judge_deinit(&worker->judge);
    plan_unref(worker->plan);
    bell_deinit(&worker->bell);
}

int worker_start(struct worker *worker, struct shared *shared, unsigned number, struct error *err)
{
    *worker = (struct worker){.shared = shared, .number = number};
    char label[32];
    snprintf(label, sizeof label, "thread=\"%u\"", number);
    worker->vehicles = metrics_series(METRIC_HANDLER_STATE_VEHICLES, label);
    bell_init(&worker->bell);
    if (allocate(worker, err) != 0 || take_newest(worker, err) != 0) {
        deallocate(worker);
        return -1;
    }
    int failure = pthread_create(&worker->thread, NULL, thread_main, worker);
    if (failure != 0) {
        deallocate(worker);
        return error_set_errno(err, ERROR_IO, failure, "can't start a thread of the handler");
    }
    return 0;
}

void worker_join(struct worker *worker)
{
    bell_ring(&worker->bell);
    pthread_join(worker->thread, NULL);
    deallocate(worker);
}
