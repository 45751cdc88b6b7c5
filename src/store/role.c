/* SPDX-License-Identifier: Apache-2.0 */
/* The store's thread: fetch, decode, add to the batch; when the batch is due,
 * write it, wait for the dead letters, commit. Nothing is committed past a
 * record that is neither stored nor a durable dead letter. */
#include "store/role.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "broker/attempts.h"
#include "observe/health.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "observe/trace_batch.h"
#include "sink/worker.h"
#include "store/delays.h"
#include "store/letters.h"
#include "store/shaping.h"
#include "vehicle/canonical.h"
#include "vehicle/mc.h"

enum { TOPICS_MAX = 256, FETCH_MAX = 4096 };
static const int64_t idle_ns = 100 * NS_PER_MS;
static const int64_t again_ns = NS_PER_S;
static const int64_t drain_default_ns = 10 * NS_PER_S;

/* How far the batch in hand goes in one partition. */
struct progress {
    int topic;
    int partition;
    int64_t first, next;
    bool is_touched; /* by the batch in hand */
};

struct store {
    struct store_config config;
    char group[256];
    struct broker *broker;
    struct sink_worker *worker;
    struct attempts *attempts;
    struct letters letters;
    struct consumer *consumer;
    struct packet_scratch *scratch;
    struct shaping *shaping; /* NULL: packets are written as they are */
    struct progress *progress;
    size_t progress_count, progress_cap;
    uint64_t in_hand; /* records since the last commit */
    struct delays delays;
    struct trace_batch traces;
    pthread_mutex_t topics_lock;
    int topics[TOPICS_MAX];
    size_t topic_count;
    atomic_bool has_new_topics;
    pthread_t thread;
    bool is_started;
    struct attempts_range marks[ATTEMPTS_RANGES_MAX]; /* the fetched records, while decoding */
    size_t mark_count;
    bool is_broken; /* a poisoned row found no place: nothing more is committed */
    atomic_bool is_stopping;
    _Atomic int64_t deadline_ns; /* monotonic, once stopping */
    struct health_check *health;
};

/* Looked at in every wait, too: the broker is told that the store is still there. */
static bool must_give_up(void *context)
{
    struct store *store = context;
    if (store->consumer != NULL)
        consumer_idle(store->consumer);
    return atomic_load(&store->is_stopping) &&
           clock_monotonic_ns() > atomic_load(&store->deadline_ns);
}

/* ---- positions ---- */

static struct progress *progress_of(struct store *store, int topic, int partition)
{
    for (size_t i = 0; i < store->progress_count; i++)
        if (store->progress[i].topic == topic && store->progress[i].partition == partition)
            return &store->progress[i];
    if (store->progress_count == store->progress_cap) {
        size_t cap = store->progress_cap == 0 ? 16 : 2 * store->progress_cap;
        struct progress *grown = realloc(store->progress, cap * sizeof *grown);
        if (grown == NULL)
            return NULL;
        store->progress = grown;
        store->progress_cap = cap;
    }
    store->progress[store->progress_count] =
        (struct progress){.topic = topic, .partition = partition};
    return &store->progress[store->progress_count++];
}

static bool note_progress(struct store *store, const struct consumed *in)
{
    struct progress *progress = progress_of(store, in->topic, in->partition);
    if (progress == NULL)
        return false;
    if (!progress->is_touched)
        progress->first = in->offset;
    progress->is_touched = true;
    progress->next = in->offset + 1;
    store->in_hand++;
    return true;
}

/* ---- what is in hand, should it crash us ---- */

static void mark_written(struct store *store)
{
    struct attempts_range ranges[ATTEMPTS_RANGES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < store->progress_count && count < ATTEMPTS_RANGES_MAX; i++) {
        const struct progress *progress = &store->progress[i];
        if (progress->is_touched)
            ranges[count++] =
                (struct attempts_range){broker_topic_name(store->broker, progress->topic),
                                        progress->partition, progress->first, progress->next};
    }
    attempts_begin(store->attempts, 0, ranges, count);
}

static void on_attempt(void *context, bool begins)
{
    struct store *store = context;
    if (begins)
        mark_written(store);
    else
        attempts_end(store->attempts, 0);
}

static void mark_fetched(struct store *store, const struct consumed_batch *batch)
{
    struct attempts_range *mark = NULL;
    store->mark_count = 0;
    for (size_t i = 0; i < batch->count; i++) {
        const struct consumed *in = &batch->records[i];
        bool is_next = mark != NULL && in->topic == batch->records[i - 1].topic &&
                       in->partition == mark->partition;
        if (!is_next) {
            if (store->mark_count == ATTEMPTS_RANGES_MAX)
                break;
            mark = &store->marks[store->mark_count++];
            *mark = (struct attempts_range){broker_topic_name(store->broker, in->topic),
                                            in->partition, in->offset, in->offset};
        }
        mark->next = in->offset + 1;
    }
    attempts_begin(store->attempts, 0, store->marks, store->mark_count);
}

static void unmark_fetched(struct store *store)
{
    store->mark_count = 0;
    attempts_end(store->attempts, 0);
}

/* ---- settling ---- */

static void commit(struct store *store)
{
    for (size_t i = 0; i < store->progress_count; i++) {
        struct progress *progress = &store->progress[i];
        struct error err;
        if (!progress->is_touched)
            continue;
        progress->is_touched = false;
        if (consumer_commit(store->consumer, progress->topic, progress->partition, progress->next,
                            &err) != 0) {
            /* Another member has the partition now and repeats what we did. */
            if (err.kind != ERROR_BUSY)
                log_error("store", "a position could not be committed", &err);
            continue;
        }
        attempts_settled(store->attempts, broker_topic_name(store->broker, progress->topic),
                         progress->partition, progress->next);
    }
    metrics_add(METRIC_STORE_RECORDS, 0, (int64_t)store->in_hand);
    store->in_hand = 0;
    delays_settle(&store->delays, clock_wall_ns(), clock_monotonic_ns());
    trace_batch_finish(&store->traces, METRIC_STORE_BATCH_SECONDS);
}

/* False: what is in hand is not settled and must not be committed. */
static bool settle_in_hand(struct store *store)
{
    struct error err;
    attempts_end(store->attempts, 0);
    if (sink_worker_flush(store->worker, &err) != 0) {
        log_error("store", "stopping with packets that are not written; they are read again", &err);
        return false;
    }
    if (store->is_broken || !letters_settle(&store->letters, must_give_up, store))
        return false;
    commit(store);
    return true;
}

static bool settle(struct store *store)
{
    bool is_settled = settle_in_hand(store);
    if (store->mark_count > 0)
        attempts_begin(store->attempts, 0, store->marks, store->mark_count);
    return is_settled;
}

static void on_poison(void *context, uint64_t tag, const struct sink_row *row, const char *detail)
{
    struct store *store = context;
    struct packet_identity identity = row->packet.identity;
    /* The record itself is gone from the consumer's hands: the row is what it
     * held, and its place is in the tag's progress. */
    const struct progress *progress = &store->progress[tag >> 48];
    uint8_t mc_bytes[MC_MAX];
    struct mc mc = {.received_ns = row->packet.received_ns, .identity = identity};
    size_t len = mc_encode(&mc, mc_bytes);
    struct consumed in = {
        .record = {.key = row->packet.vehicle,
                   .value = row->canonical,
                   .mc = bytes_of((const char *)mc_bytes, len),
                   .timestamp_ns = row->packet.received_ns},
        .topic = progress->topic,
        .partition = progress->partition,
        .offset = progress->first + (int64_t)(tag & ((UINT64_C(1) << 48) - 1)),
    };
    log_event(LOG_ERROR, "store", "the database refuses a packet: dead letter",
              LOG_T("topic", broker_topic_name(store->broker, in.topic)),
              LOG_I("partition", in.partition), LOG_I("offset", in.offset),
              LOG_T("detail", detail));
    if (!letters_put(&store->letters, &in, REASON_SINK_REFUSED, detail, must_give_up, store))
        store->is_broken = true;
}

static void on_circuit(void *context, enum sink_circuit circuit, const struct error *err)
{
    struct store *store = context;
    switch (circuit) {
    case CIRCUIT_CLOSED:
        log_write(LOG_INFO, "store", "the database takes packets again", NULL, 0);
        health_set_ready(store->health);
        return;
    case CIRCUIT_HALF_OPEN:
        return;
    case CIRCUIT_OPEN:
        log_error("store", "the database does not take packets; the broker keeps them", err);
        health_set_unready(store->health, "the database does not take packets");
        return;
    }
}

/* ---- one record ---- */

/* Its place in the batch: which progress, and how far from that one's first. */
static uint64_t tag_of(const struct store *store, const struct consumed *in)
{
    for (size_t i = 0; i < store->progress_count; i++)
        if (store->progress[i].topic == in->topic && store->progress[i].partition == in->partition)
            return (uint64_t)i << 48 | (uint64_t)(in->offset - store->progress[i].first);
    return 0;
}

static bool divert(struct store *store, const struct consumed *in, enum reason reason,
                   const char *detail)
{
    return letters_put(&store->letters, in, reason, detail, must_give_up, store) &&
           note_progress(store, in);
}

static bool add_row(struct store *store, const struct consumed *in, const struct sink_row *row)
{
    if (sink_worker_count(store->worker) > 0 &&
        sink_worker_due_in(store->worker, clock_monotonic_ns()) == 0 && !settle(store))
        return false;
    for (;;) {
        if (!note_progress(store, in))
            return false;
        switch (sink_worker_add(store->worker, row, tag_of(store, in), clock_monotonic_ns())) {
        case SINK_WORKER_ADDED:
            return true;
        case SINK_WORKER_FULL:
            break;
        }
        /* Not in the batch yet: what is committed ends before it. */
        struct progress *progress = progress_of(store, in->topic, in->partition);
        progress->next = in->offset;
        progress->is_touched = progress->next > progress->first;
        store->in_hand--;
        if (sink_worker_count(store->worker) == 0 || !settle(store))
            return false;
    }
}

static void note_taken(struct store *store, const struct consumed *in, const struct mc *mc)
{
    delays_add(&store->delays, mc->received_ns);
    struct span *span = trace_batch_add(&store->traces, in->record.traceparent, "store");
    if (span == NULL)
        return;
    span_set_topic(span, broker_topic_name(store->broker, in->topic), in->partition, in->offset);
    span_set_packet(span, in->record.key, mc->identity.bytes);
}

/* False: the record is not taken, and nothing after it may be. */
static bool take_record(struct store *store, const struct consumed *in)
{
    struct sink_row row = {.canonical = in->record.value};
    struct reject reject = {0};
    struct mc mc;
    if (!canonical_decode(store->scratch, in->record.value, &row.packet, &reject))
        return divert(store, in, REASON_UNDECODABLE, reject.detail);
    if (!mc_decode(in->record.mc, &mc))
        return divert(store, in, REASON_UNDECODABLE, "the record has no header mc");
    if (memcmp(&mc.identity, &row.packet.identity, sizeof mc.identity) != 0)
        return divert(store, in, REASON_UNDECODABLE,
                      "the header mc and the packet have different identities");
    row.packet.received_ns = mc.received_ns;
    char detail[SHAPE_DETAIL_MAX];
    enum reason reason;
    if (store->shaping != NULL &&
        shaping_apply(store->shaping, in, &row, &reason, detail) == SHAPED_REFUSED)
        return divert(store, in, reason, detail);
    row.source = (struct sink_source){bytes_from_text(broker_topic_name(store->broker, in->topic)),
                                      in->partition, in->offset};
    if (!add_row(store, in, &row))
        return false;
    note_taken(store, in, &mc);
    return true;
}

/* In hand at a crash: written by itself, so that a second crash names it. */
static bool take_alone(struct store *store, const struct consumed *in)
{
    const char *topic = broker_topic_name(store->broker, in->topic);
    if (!settle(store))
        return false;
    struct attempts_range alone = {topic, in->partition, in->offset, in->offset + 1};
    attempts_begin(store->attempts, 0, &alone, 1);
    return take_record(store, in) && settle(store);
}

static bool take_suspect(struct store *store, const struct consumed *in)
{
    const char *topic = broker_topic_name(store->broker, in->topic);
    switch (attempts_look(store->attempts, topic, in->partition, in->offset)) {
    case ATTEMPT_NORMAL:
        return take_record(store, in);
    case ATTEMPT_ALONE:
        return take_alone(store, in);
    case ATTEMPT_DIVERT:
        log_event(LOG_ERROR, "store", "a record crashed the process three times: dead letter",
                  LOG_T("topic", topic), LOG_I("partition", in->partition),
                  LOG_I("offset", in->offset));
        return divert(store, in, REASON_CRASHED, "the record crashed the store three times");
    }
    return false;
}

static bool take_batch(struct store *store, const struct consumed_batch *batch)
{
    bool is_taken = true;
    mark_fetched(store, batch);
    for (size_t i = 0; i < batch->count && is_taken; i++) {
        is_taken = attempts_is_suspicious(store->attempts) ? take_suspect(store, &batch->records[i])
                                                           : take_record(store, &batch->records[i]);
        if (store->shaping != NULL)
            shaping_note(store->shaping, &batch->records[i]);
    }
    unmark_fetched(store);
    return is_taken;
}

/* ---- the thread ---- */

static int64_t fetch_timeout_ns(const struct store *store)
{
    int64_t due_ns = sink_worker_due_in(store->worker, clock_monotonic_ns());
    return due_ns < idle_ns ? due_ns : idle_ns;
}

/* Until stopped or there are new topics: 0; -1: the broker or a dead letter failed. */
static int run(struct store *store, struct error *err)
{
    while (!atomic_load(&store->is_stopping) && !atomic_load(&store->has_new_topics)) {
        struct consumed_batch batch;
        if (consumer_fetch(store->consumer, &batch, FETCH_MAX, fetch_timeout_ns(store), err) != 0)
            return -1;
        if (store->shaping != NULL && batch.count > 0 &&
            shaping_prepare(store->shaping, &batch, err) != 0)
            return atomic_load(&store->is_stopping) ? 0 : -1;
        bool is_fine = take_batch(store, &batch);
        bool is_due = store->in_hand > 0 &&
                      (sink_worker_count(store->worker) == 0 || fetch_timeout_ns(store) == 0);
        if (is_fine && is_due)
            is_fine = settle(store);
        if (!is_fine)
            return atomic_load(&store->is_stopping)
                       ? 0
                       : error_set(err, ERROR_IO, "a record could not be taken");
    }
    settle(store);
    return 0;
}

/* Within a fetch, so nothing is half taken: write what is in hand and commit it
 * while it still counts. */
static void on_revoke(void *context)
{
    struct store *store = context;
    if (store->in_hand > 0)
        settle(store);
}

static size_t copy_topics(struct store *store, int topics[TOPICS_MAX])
{
    pthread_mutex_lock(&store->topics_lock);
    atomic_store(&store->has_new_topics, false);
    size_t count = store->topic_count;
    memcpy(topics, store->topics, count * sizeof *topics);
    pthread_mutex_unlock(&store->topics_lock);
    return count;
}

static int open_streams(struct store *store, struct error *err)
{
    int topics[TOPICS_MAX];
    const struct consumer_options options = {.group = store->group,
                                             .topics = topics,
                                             .topic_count = copy_topics(store, topics),
                                             .start = CONSUMER_FROM_COMMITTED,
                                             .is_patient = true,
                                             .on_revoke = on_revoke,
                                             .context = store};
    store->is_broken = false;
    store->in_hand = 0;
    delays_clear(&store->delays);
    trace_batch_clear(&store->traces);
    store->progress_count = 0;
    sink_worker_clear(store->worker);
    if (letters_open(&store->letters, store->broker, store->config.dead_letter_topic, err) != 0)
        return -1;
    for (size_t i = 0; i < options.topic_count; i++)
        if (letters_prepare(&store->letters, broker_topic_name(store->broker, topics[i]), err) != 0)
            return -1;
    return consumer_open(&store->consumer, store->broker, &options, err);
}

static void close_streams(struct store *store)
{
    letters_close(&store->letters);
    if (store->consumer != NULL)
        consumer_close(store->consumer);
    store->consumer = NULL;
}

static void wait_again(const struct store *store)
{
    struct timespec step = {.tv_nsec = 10 * NS_PER_MS};
    int64_t until_ns = clock_monotonic_ns() + again_ns;
    while (!atomic_load(&store->is_stopping) && clock_monotonic_ns() < until_ns)
        nanosleep(&step, NULL);
}

static void *store_thread(void *context)
{
    struct store *store = context;
    pthread_setname_np(pthread_self(), "store");
    while (!atomic_load(&store->is_stopping)) {
        struct error err;
        bool is_open = open_streams(store, &err) == 0;
        if (is_open)
            health_set_ready(store->health);
        if (!is_open || run(store, &err) != 0) {
            log_error("store", "the broker does not give records; trying again", &err);
            health_set_unready(store->health, "the broker does not give records");
            close_streams(store);
            wait_again(store);
        }
        close_streams(store);
    }
    return NULL;
}

/* ---- transforms ---- */

static void on_reread(void *context, const struct consumed_batch *batch)
{
    mark_fetched(context, batch);
}

static void on_reread_end(void *context)
{
    unmark_fetched(context);
}

static bool must_skip(void *context, const struct consumed *in)
{
    struct store *store = context;
    return attempts_is_suspicious(store->attempts) &&
           attempts_look(store->attempts, broker_topic_name(store->broker, in->topic),
                         in->partition, in->offset) == ATTEMPT_DIVERT;
}

static bool is_stopping(void *context)
{
    struct store *store = context;
    return atomic_load(&store->is_stopping);
}

static int open_shaping(struct store *store, struct error *err)
{
    const struct shaping_handler handler = {.begin = on_reread,
                                            .end = on_reread_end,
                                            .must_skip = must_skip,
                                            .must_stop = is_stopping,
                                            .context = store};
    if (store->config.shape == NULL)
        return 0;
    return shaping_open(&store->shaping, store->config.shape,
                        (size_t)store->config.transform_vehicles, store->broker, store->topics,
                        store->topic_count, &handler, err);
}

/* ---- starting and stopping ---- */

static bool is_read(const struct store *store, int topic)
{
    for (size_t i = 0; i < store->topic_count; i++)
        if (store->topics[i] == topic)
            return true;
    return false;
}

/* With the lock. */
static int add_topic(struct store *store, const char *name, struct error *err)
{
    int topic = broker_topic(store->broker, name, 0, err);
    if (topic < 0)
        return -1;
    if (is_read(store, topic))
        return 0;
    if (store->topic_count == TOPICS_MAX)
        return error_set(err, ERROR_CONFIG, "the store reads %d topics at most", TOPICS_MAX);
    store->topics[store->topic_count++] = topic;
    atomic_store(&store->has_new_topics, true);
    return 0;
}

int store_add_topics(struct store *store, const char *const *topics, size_t topic_count,
                     struct error *err)
{
    int result = 0;
    pthread_mutex_lock(&store->topics_lock);
    for (size_t i = 0; result == 0 && i < topic_count; i++)
        result = add_topic(store, topics[i], err);
    pthread_mutex_unlock(&store->topics_lock);
    return result;
}

static void name_reasons(void)
{
    static const char *codes[REASON_COUNT];
    if (codes[0] != NULL)
        return; /* another store has named them, and others may read them now */
    for (unsigned i = 0; i < REASON_COUNT; i++)
        codes[i] = reason_code((enum reason)i);
    metrics_label_values(METRIC_STORE_DEAD_LETTERS, codes, REASON_COUNT);
}

static int start(struct store *store, struct sink *sink, const char *const *topics,
                 size_t topic_count, struct error *err)
{
    const struct sink_worker_handler handler = {.on_poison = on_poison,
                                                .reopen = store->config.reopen,
                                                .on_attempt = on_attempt,
                                                .must_stop = must_give_up,
                                                .on_circuit = on_circuit,
                                                .context = store};
    name_reasons();
    store->scratch = packet_scratch_new();
    if (store->scratch == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the store");
    if (topic_count == 0)
        return error_set(err, ERROR_CONFIG, "the store reads at least one topic");
    if (store_add_topics(store, topics, topic_count, err) != 0 ||
        sink_worker_new(&store->worker, sink, &store->config.sink, &handler, err) != 0 ||
        attempts_open(&store->attempts, store->config.state_dir, store->group, err) != 0 ||
        open_shaping(store, err) != 0)
        return -1;
    if (pthread_create(&store->thread, NULL, store_thread, store) != 0)
        return error_set(err, ERROR_IO, "can't start the store's thread");
    store->is_started = true;
    return 0;
}

int store_start(struct store **out, const struct store_config *config, struct broker *broker,
                struct sink *sink, const char *const *topics, size_t topic_count, struct error *err)
{
    struct store *store = calloc(1, sizeof *store);
    if (store == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the store");
    store->config = *config;
    store->broker = broker;
    pthread_mutex_init(&store->topics_lock, NULL);
    const char *group = config->group;
    snprintf(store->group, sizeof store->group, "%s",
             group != NULL && group[0] != '\0' ? group : STORE_GROUP);
    store->config.group = store->group;
    store->health = health_check(config->name != NULL ? config->name : "store");
    if (start(store, sink, topics, topic_count, err) != 0) {
        store_stop(store);
        return -1;
    }
    log_event(LOG_INFO, "store", "started", LOG_T("group", store->group),
              LOG_I("topics", topic_count));
    *out = store;
    return 0;
}

void store_stop(struct store *store)
{
    if (store == NULL)
        return;
    int64_t drain_ns =
        store->config.drain_timeout_ns > 0 ? store->config.drain_timeout_ns : drain_default_ns;
    atomic_store(&store->deadline_ns, clock_monotonic_ns() + drain_ns);
    atomic_store(&store->is_stopping, true);
    if (store->worker != NULL)
        sink_worker_interrupt(store->worker);
    if (store->is_started)
        pthread_join(store->thread, NULL);
    if (store->attempts != NULL)
        attempts_close(store->attempts);
    sink_worker_free(store->worker);
    shaping_close(store->shaping);
    packet_scratch_free(store->scratch);
    free(store->progress);
    health_retire(store->health);
    pthread_mutex_destroy(&store->topics_lock);
    free(store);
}
