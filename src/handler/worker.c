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
    struct attempts *attempts = worker->shared->attempts;
    attempts_end(attempts, worker->number);
    bool may_go_on = close_flight(worker);
    if (may_go_on && !must_give_up(worker))
        bell_wait(&worker->bell, NS_PER_MS);
    attempts_begin(attempts, worker->number, worker->marks, worker->mark_count);
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

static void count(struct worker *worker, const struct judgement *judgement)
{
    struct tally *tally = &worker->tally;
    tally->verdicts[judgement->verdict]++;
    if (judgement->verdict == VERDICT_DEAD_LETTER)
        tally->reasons[judgement->reason]++;
    else
        tally->categories[judgement->category]++;
    const struct decision *decision = &worker->judge.decision;
    for (size_t i = 0; i < decision->failed_count; i++)
        tally->rule_failures[decision->failed[i]->index]++;
    tally->failures += decision->failed_count;
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
    count(worker, judgement);
    flights_add(&worker->flights, in->topic, topic, in->partition, in->offset);
    return true;
}

/* After a crash: alone, or past it when it has crashed us often enough. */
static void judge_suspect(struct worker *worker, const struct consumed *in, const char *topic,
                          struct judgement *out)
{
    struct attempts *attempts = worker->shared->attempts;
    struct plan *plan = worker->plan;
    switch (attempts_look(attempts, topic, in->partition, in->offset)) {
    case ATTEMPT_NORMAL:
        judge_record(&worker->judge, plan->ruleset, in, topic, out);
        return;
    case ATTEMPT_ALONE: {
        struct attempts_range alone = {topic, in->partition, in->offset, in->offset + 1};
        attempts_begin(attempts, worker->number, &alone, 1);
        judge_record(&worker->judge, plan->ruleset, in, topic, out);
        attempts_begin(attempts, worker->number, worker->marks, worker->mark_count);
        return;
    }
    case ATTEMPT_DIVERT:
        log_event(LOG_ERROR, "handler", "a record crashed the process three times: dead letter",
                  LOG_T("topic", topic), LOG_I("partition", in->partition),
                  LOG_I("offset", in->offset));
        judge_divert(&worker->judge, plan->ruleset, in, topic, REASON_CRASHED,
                     "the record crashed the handler three times", out);
        return;
    }
}

/* ---- one batch ---- */

/* What is in hand, should it crash us: a range per partition, as long as there
 * is room for ranges. */
static void mark_batch(struct worker *worker, const struct consumed_batch *batch)
{
    worker->mark_count = 0;
    struct attempts_range *mark = NULL;
    int topic = -1;
    for (size_t i = 0; i < batch->count; i++) {
        const struct consumed *in = &batch->records[i];
        if (mark == NULL || in->topic != topic || in->partition != mark->partition) {
            if (worker->mark_count == ATTEMPTS_RANGES_MAX)
                break;
            topic = in->topic;
            mark = &worker->marks[worker->mark_count++];
            *mark = (struct attempts_range){broker_topic_name(worker->shared->broker, topic),
                                            in->partition, in->offset, in->offset};
        }
        mark->next = in->offset + 1;
    }
    attempts_begin(worker->shared->attempts, worker->number, worker->marks, worker->mark_count);
}

static void give_tally(struct worker *worker)
{
    struct tally *tally = &worker->tally;
    metrics_add(METRIC_HANDLER_RECORDS, 0, (int64_t)tally->records);
    for (unsigned i = 0; i < 4; i++)
        if (tally->verdicts[i] > 0)
            metrics_add(METRIC_HANDLER_VERDICTS, i, (int64_t)tally->verdicts[i]);
    for (unsigned i = 0; tally->verdicts[VERDICT_DEAD_LETTER] > 0 && i < REASON_COUNT; i++)
        if (tally->reasons[i] > 0)
            metrics_add(METRIC_HANDLER_DEAD_LETTERS, i, (int64_t)tally->reasons[i]);
    for (size_t i = 0; i < ruleset_category_count(worker->plan->ruleset); i++)
        if (tally->categories[i] > 0)
            metric_series_add(worker->plan->categories[i], (int64_t)tally->categories[i]);
    for (size_t i = 0; tally->failures > 0 && i < ruleset_rule_count(worker->plan->ruleset); i++)
        if (tally->rule_failures[i] > 0)
            metric_series_add(worker->plan->rule_failures[i], (int64_t)tally->rule_failures[i]);
    *tally = (struct tally){0};
}

/* Ends early when it must; what was done until then still settles. */
static void work(struct worker *worker, const struct consumed_batch *batch)
{
    struct attempts *attempts = worker->shared->attempts;
    mark_batch(worker, batch);
    const char *topic = NULL;
    for (size_t i = 0; i < batch->count; i++) {
        const struct consumed *in = &batch->records[i];
        if (i == 0 || in->topic != batch->records[i - 1].topic)
            topic = broker_topic_name(worker->shared->broker, in->topic);
        struct judgement judgement;
        if (attempts_is_suspicious(attempts))
            judge_suspect(worker, in, topic, &judgement);
        else
            judge_record(&worker->judge, worker->plan->ruleset, in, topic, &judgement);
        worker->tally.records++;
        if (!put_out(worker, in, topic, &judgement))
            break;
    }
    attempts_end(attempts, worker->number);
    give_tally(worker);
    close_flight(worker);
}

/* ---- reload ---- */

static bool take_plan(struct worker *worker)
{
    struct shared *shared = worker->shared;
    if (atomic_load_explicit(&shared->generation, memory_order_acquire) == worker->generation)
        return true;
    if (worker->plan != NULL && !settle_down_to(worker, 0))
        return false;
    plan_unref(worker->plan);
    pthread_mutex_lock(&shared->lock);
    worker->plan = plan_ref(shared->plan);
    worker->generation = atomic_load(&shared->generation);
    pthread_mutex_unlock(&shared->lock);
    return true;
}

/* ---- the thread ---- */

static int open_streams(struct worker *worker, struct error *err)
{
    const struct shared *shared = worker->shared;
    const struct producer_handler handler = {.on_delivery = on_delivery,
                                             .on_room = on_room,
                                             .wake = wake,
                                             .context = worker,
                                             .uses_reserve = true};
    const struct consumer_options options = {.group = HANDLER_GROUP,
                                             .topics = shared->ingest,
                                             .topic_count = shared->ingest_count,
                                             .start = CONSUMER_FROM_COMMITTED,
                                             .wake = wake,
                                             .context = worker};
    worker->has_failed = false;
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

static size_t count_partitions(const struct shared *shared)
{
    size_t count = 0;
    for (size_t i = 0; i < shared->ingest_count; i++)
        count += (size_t)broker_partitions(shared->broker, shared->ingest[i]);
    return count;
}

static int allocate(struct worker *worker, struct error *err)
{
    worker->marks = calloc(ATTEMPTS_RANGES_MAX, sizeof *worker->marks);
    if (worker->marks == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the handler");
    return flights_init(&worker->flights, (size_t)worker->shared->config.batches_in_flight,
                        count_partitions(worker->shared), err);
}

static void deallocate(struct worker *worker)
{
    flights_deinit(&worker->flights);
    free(worker->marks);
    judge_deinit(&worker->judge);
    plan_unref(worker->plan);
    bell_deinit(&worker->bell);
}

int worker_start(struct worker *worker, struct shared *shared, unsigned number, struct error *err)
{
    *worker = (struct worker){.shared = shared, .number = number};
    bell_init(&worker->bell);
    if (allocate(worker, err) != 0 || judge_init(&worker->judge, err) != 0) {
        deallocate(worker);
        return -1;
    }
    must(take_plan(worker));
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
