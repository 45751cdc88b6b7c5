/* SPDX-License-Identifier: Apache-2.0 */
/* Producing.
 *
 * A record goes to librdkafka with an entry of ours as its opaque: tag, place in
 * the order of publishing, size. Queue limits are counted here, below
 * librdkafka's, so that FULL comes exactly where the settings say. Reports come
 * as events, each with all records of a produce request, and are served on the
 * owner's thread only.
 *
 * Failed records are given back in the order they were published. librdkafka
 * reports what it purges in another order (first what waits, then what is on the
 * wire), so after a recall or a fatal error reports are held, as the events they
 * came in, until all that was under way is reported; then they are sorted and
 * told, failures being given back (recall) or published again (fatal error).
 *
 * A fatal error is how an idempotent producer says that it can't tell any more
 * whether a record is stored: its successor, a new connection, takes over what
 * was not reported as delivered. A record may then be there twice; the identity
 * it carries makes that harmless. Nothing is lost, and order is kept. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bell.h"
#include "base/clock.h"
#include "base/must.h"
#include "broker/kafka/kafka.h"
#include "observe/log.h"
#include "observe/metrics.h"

enum { ENTRIES_CHUNK = 1024, CHUNKS_MAX = 16384, ENTRY_OVERHEAD = 64 };
static const int64_t purge_timeout_ns = 10 * NS_PER_S;
static const int64_t purge_again_ns = 100 * NS_PER_MS;
static const int64_t revive_delay_ns = NS_PER_S;

struct entry {
    struct entry *next_free;
    uint64_t tag;
    uint64_t sequence; /* from 1; 0: free */
    int64_t timestamp_ns;
    int topic;
    uint32_t bytes;
    bool is_held;
};

/* A failed record inside a held event. */
struct held {
    struct entry *entry;
    const rd_kafka_message_t *message;
};

/* What happens with failures: told at once, or held and then … */
enum pass { PASS_NONE, PASS_PUBLISH_AGAIN, PASS_RETURN };

struct kafka_producer {
    struct producer base;
    struct kafka_client client;
    const struct kafka_config *config;
    rd_kafka_topic_t *topics[TOPICS_MAX]; /* of client */
    struct bell bell;
    bool is_armed; /* events wake the owner */
    /* entries */
    struct entry *chunks[CHUNKS_MAX];
    size_t chunk_count;
    struct entry *free_entries;
    uint64_t sequence; /* the last given */
    size_t count, bytes;
    /* a pass over failures */
    enum pass pass;
    uint64_t pass_sequence; /* concerns what was published up to here */
    size_t pass_left;       /* of those, still to be reported */
    struct held *held;
    size_t held_count, held_cap;
    size_t untold; /* held ones that nothing has become of yet */
    rd_kafka_event_t **events;
    size_t event_count, event_cap;
    int64_t purge_at_ns;  /* monotonic: the pass needs another push */
    bool is_closing;      /* no successor any more */
    bool is_broken;       /* after a fatal error: needs a new connection */
    int64_t revive_at_ns; /* monotonic: when it is tried (again) */
    int64_t revived_at_ns;
    pthread_t reaper; /* ends the connection before */
    bool has_reaper;
};

static struct kafka_producer *as_producer(struct producer *producer)
{
    return (struct kafka_producer *)(void *)producer;
}

/* ---- entries ---- */

static bool add_chunk(struct kafka_producer *producer)
{
    if (producer->chunk_count == CHUNKS_MAX)
        return false;
    struct entry *chunk = calloc(ENTRIES_CHUNK, sizeof *chunk);
    if (chunk == NULL)
        return false;
    producer->chunks[producer->chunk_count++] = chunk;
    for (size_t i = ENTRIES_CHUNK; i-- > 0;) {
        chunk[i].next_free = producer->free_entries;
        producer->free_entries = &chunk[i];
    }
    return true;
}

static struct entry *take_entry(struct kafka_producer *producer)
{
    if (producer->free_entries == NULL && !add_chunk(producer))
        return NULL;
    struct entry *entry = producer->free_entries;
    producer->free_entries = entry->next_free;
    return entry;
}

static void put_entry(struct kafka_producer *producer, struct entry *entry)
{
    entry->sequence = 0;
    entry->next_free = producer->free_entries;
    producer->free_entries = entry;
}

/* ---- the connection ---- */

/* librdkafka's threads call it, with a lock of the queue held. */
static void on_event(rd_kafka_t *rk, void *context)
{
    (void)rk;
    struct kafka_producer *producer = context;
    bell_ring(&producer->bell);
    if (producer->base.handler.wake != NULL)
        producer->base.handler.wake(producer->base.handler.context);
}

static int connect_client(struct kafka_producer *producer, struct error *err)
{
    const struct kafka_config *config = producer->config;
    const struct broker_config *broker = &producer->base.broker->config;
    int64_t linger_ns = config->producer.linger_ns;
    if (linger_ns == 0)
        linger_ns = (config->profile == KAFKA_PROFILE_THROUGHPUT ? 50 : 5) * NS_PER_MS;
    char linger[32], records[32], bytes[32], timeout[32], limit[32], message[32];
    snprintf(linger, sizeof linger, "%.3f", (double)linger_ns / (double)NS_PER_MS);
    snprintf(records, sizeof records, "%" PRId64, config->producer.batch_records);
    snprintf(bytes, sizeof bytes, "%" PRId64, config->producer.batch_bytes);
    snprintf(timeout, sizeof timeout, "%" PRId64, config->producer.timeout_ns / NS_PER_MS);
    snprintf(limit, sizeof limit, "%" PRId64, broker->producer_queue_records * 2);
    snprintf(message, sizeof message, "%" PRId64, broker->record_bytes_max + KAFKA_RECORD_OVERHEAD);
    const struct kafka_property own[] = {
        {"acks", "all"},
        {"enable.idempotence", "true"},
        {"linger.ms", linger},
        {"batch.num.messages", records},
        {"batch.size", bytes},
        {"compression.type", kafka_compressions[config->producer.compression]},
        {"message.timeout.ms", timeout},
        {"queue.buffering.max.messages", limit},
        {"queue.buffering.max.kbytes", "2097151"}, /* ours is below */
        {"message.max.bytes", message},
        {"statistics.interval.ms", "1000"},
        {NULL, NULL},
    };
    rd_kafka_conf_t *conf;
    if (kafka_conf_new(&conf, config, own, err) != 0)
        return -1;
    return kafka_client_open(&producer->client, RD_KAFKA_PRODUCER, conf, config, err);
}

/* The queue speaks when it stops being empty: what is in it already won't. */
static void arm(struct kafka_producer *producer)
{
    rd_kafka_queue_cb_event_enable(producer->client.main_queue, on_event, producer);
    producer->is_armed = true;
    on_event(NULL, producer);
}

static rd_kafka_topic_t *topic_of(struct kafka_producer *producer, int topic)
{
    if (producer->topics[topic] == NULL) {
        char full_name[KAFKA_NAME_MAX + 1];
        kafka_full_name(producer->config, broker_topic_name(producer->base.broker, topic),
                        full_name);
        producer->topics[topic] = rd_kafka_topic_new(producer->client.rk, full_name, NULL);
    }
    return producer->topics[topic];
}

static void *destroy_client(void *context)
{
    struct kafka_client *client = context;
    kafka_client_close(client);
    free(client);
    return NULL;
}

static void join_reaper(struct kafka_producer *producer)
{
    if (producer->has_reaper)
        pthread_join(producer->reaper, NULL);
    producer->has_reaper = false;
}

static void forget_topics(struct kafka_producer *producer)
{
    for (size_t i = 0; i < TOPICS_MAX; i++)
        if (producer->topics[i] != NULL)
            rd_kafka_topic_destroy(producer->topics[i]);
    memset(producer->topics, 0, sizeof producer->topics);
}

/* On a thread of its own: it waits for librdkafka's threads. */
static void discard(struct kafka_producer *producer, struct kafka_client old)
{
    join_reaper(producer);
    struct kafka_client *client = malloc(sizeof *client);
    if (client != NULL) {
        *client = old;
        producer->has_reaper = pthread_create(&producer->reaper, NULL, destroy_client, client) == 0;
    }
    if (producer->has_reaper)
        return;
    free(client);
    kafka_client_close(&old);
}

int kafka_producer_open(struct producer **out, struct broker *broker, struct error *err)
{
    struct kafka_producer *producer = calloc(1, sizeof *producer);
    if (producer == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a producer");
    producer->config = as_kafka(broker)->config;
    producer->base.broker = broker;
    if (connect_client(producer, err) != 0) {
        free(producer);
        return -1;
    }
    bell_init(&producer->bell);
    *out = &producer->base;
    return 0;
}

/* ---- publishing ---- */

/* Takes nothing: the caller's headers, or NULL. */
static rd_kafka_headers_t *make_headers(const struct record *record)
{
    if (record->mc.len == 0 && record->traceparent.len == 0)
        return NULL;
    rd_kafka_headers_t *headers = rd_kafka_headers_new(2);
    if (record->mc.len > 0)
        rd_kafka_header_add(headers, "mc", 2, record->mc.ptr, (ssize_t)record->mc.len);
    if (record->traceparent.len > 0)
        rd_kafka_header_add(headers, "traceparent", 11, record->traceparent.ptr,
                            (ssize_t)record->traceparent.len);
    return headers;
}

/* Kafka knows ms since 1970, and librdkafka takes 0 for «now». */
static int64_t timestamp_ms(const struct record *record)
{
    int64_t ms = record->timestamp_ns / NS_PER_MS;
    return ms < 1 ? 1 : ms;
}

static void *pointer_of(struct bytes bytes)
{
    union {
        const char *in;
        void *out;
    } cast = {.in = bytes.ptr != NULL ? bytes.ptr : ""};
    return cast.out;
}

static rd_kafka_resp_err_t produce(struct kafka_producer *producer, int partition,
                                   const struct record *record, struct entry *entry)
{
    rd_kafka_topic_t *topic = topic_of(producer, entry->topic);
    if (topic == NULL)
        return rd_kafka_last_error();
    rd_kafka_headers_t *headers = make_headers(record);
    /* Headers of our own: on an error librdkafka leaves them alone (before 2.12
     * it freed those it had made twice). */
    const rd_kafka_vu_t arguments[] = {
        {.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = topic},
        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = partition},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_VALUE,
         .u.mem = {.ptr = pointer_of(record->value), .size = record->value.len}},
        {.vtype = RD_KAFKA_VTYPE_KEY,
         .u.mem = {.ptr = record->key.len > 0 ? pointer_of(record->key) : NULL,
                   .size = record->key.len}},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = entry},
        {.vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = timestamp_ms(record)},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
    };
    size_t count = sizeof arguments / sizeof arguments[0];
    rd_kafka_error_t *error =
        rd_kafka_produceva(producer->client.rk, arguments, headers != NULL ? count : count - 1);
    if (error == NULL)
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    rd_kafka_error_destroy(error);
    if (headers != NULL)
        rd_kafka_headers_destroy(headers);
    return code;
}

/* Concerns all that is under way now. Giving back wins over publishing again. */
static void begin_pass(struct kafka_producer *producer, enum pass pass)
{
    if (pass > producer->pass)
        producer->pass = pass;
    producer->pass_sequence = producer->sequence;
    producer->pass_left = producer->count - producer->untold;
    producer->purge_at_ns = 0;
}

static bool is_fatal(const struct kafka_producer *producer)
{
    return rd_kafka_fatal_error(producer->client.rk, NULL, 0) != RD_KAFKA_RESP_ERR_NO_ERROR;
}

static void break_off(struct kafka_producer *producer)
{
    if (producer->is_broken || producer->is_closing)
        return;
    producer->is_broken = true;
    /* What broke the last one at once may do so again: a missing right. */
    producer->revive_at_ns =
        producer->revived_at_ns != 0 ? producer->revived_at_ns + revive_delay_ns : 0;
    begin_pass(producer, PASS_PUBLISH_AGAIN);
}

static bool has_room(const struct kafka_producer *producer, size_t bytes, int share)
{
    const struct broker_config *config = &producer->base.broker->config;
    return (int64_t)producer->count * 8 < config->producer_queue_records * share &&
           (int64_t)(producer->bytes + bytes) * 8 <= config->producer_queue_bytes * share;
}

/* FULL without anything under way: poll must come by itself to say «room». */
static enum publish_result full(struct kafka_producer *producer)
{
    on_event(NULL, producer);
    return PUBLISH_FULL;
}

static enum publish_result publish_failed(struct kafka_producer *producer, rd_kafka_resp_err_t code)
{
    if (code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
        return PUBLISH_REFUSED;
    /* It answers with the fatal error's own code. */
    if (is_fatal(producer))
        break_off(producer);
    return full(producer);
}

enum publish_result kafka_publish(struct producer *base, int topic, int partition,
                                  const struct record *record, uint64_t tag)
{
    struct kafka_producer *producer = as_producer(base);
    size_t bytes = record->key.len + record->value.len + ENTRY_OVERHEAD;
    if (!has_room(producer, bytes, 8))
        return PUBLISH_FULL;
    if (producer->is_broken)
        return full(producer);
    if (!producer->is_armed)
        arm(producer);
    struct entry *entry = take_entry(producer);
    if (entry == NULL)
        return full(producer);
    *entry = (struct entry){.tag = tag,
                            .sequence = producer->sequence + 1,
                            .timestamp_ns = record->timestamp_ns,
                            .topic = topic,
                            .bytes = (uint32_t)bytes};
    rd_kafka_resp_err_t code = produce(producer, partition, record, entry);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        put_entry(producer, entry);
        return publish_failed(producer, code);
    }
    producer->sequence++;
    producer->count++;
    producer->bytes += bytes;
    return PUBLISH_ACCEPTED;
}

/* linger.ms decides when a batch goes. */
void kafka_flush(struct producer *base)
{
    (void)base;
}

/* ---- reports ---- */

/* The entry's last moment; `pass` counts it. */
static struct entry settle(struct kafka_producer *producer, struct entry *entry)
{
    struct entry done = *entry;
    producer->count--;
    producer->bytes -= entry->bytes;
    put_entry(producer, entry);
    return done;
}

static struct bytes header_of(const rd_kafka_headers_t *headers, const char *name)
{
    const void *value = NULL;
    size_t len = 0;
    if (headers == NULL ||
        rd_kafka_header_get_last(headers, name, &value, &len) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return bytes_of(NULL, 0);
    return bytes_of(value, len);
}

static struct record record_of(const rd_kafka_message_t *message)
{
    rd_kafka_headers_t *headers = NULL;
    const struct entry *entry = message->_private;
    if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        headers = NULL;
    return (struct record){.key = bytes_of(message->key, message->key_len),
                           .value = bytes_of(message->payload, message->len),
                           .mc = header_of(headers, "mc"),
                           .traceparent = header_of(headers, "traceparent"),
                           .timestamp_ns = entry->timestamp_ns};
}

static void give_back(struct kafka_producer *producer, const struct held *held)
{
    struct record record = record_of(held->message);
    struct entry done = settle(producer, held->entry);
    producer_return(&producer->base, done.tag, done.topic, &record);
}

enum outcome { OUTCOME_DURABLE, OUTCOME_NEVER, OUTCOME_NOT_NOW };

static enum outcome outcome_of(rd_kafka_resp_err_t code)
{
    switch ((int)code) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
    case RD_KAFKA_RESP_ERR_DUPLICATE_SEQUENCE_NUMBER: /* a retry of what is stored */
        return OUTCOME_DURABLE;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
        return OUTCOME_NEVER;
    default:
        return OUTCOME_NOT_NOW;
    }
}

static bool reserve_held(struct kafka_producer *producer)
{
    if (producer->held_count < producer->held_cap)
        return true;
    size_t cap = producer->held_cap == 0 ? 256 : producer->held_cap * 2;
    struct held *grown = realloc(producer->held, cap * sizeof *grown);
    if (grown == NULL)
        return false;
    producer->held = grown;
    producer->held_cap = cap;
    return true;
}

static bool reserve_event(struct kafka_producer *producer)
{
    if (producer->event_count < producer->event_cap)
        return true;
    size_t cap = producer->event_cap == 0 ? 64 : producer->event_cap * 2;
    rd_kafka_event_t **grown = realloc(producer->events, cap * sizeof(rd_kafka_event_t *));
    if (grown == NULL)
        return false;
    producer->events = grown;
    producer->event_cap = cap;
    return true;
}

static void tell(struct kafka_producer *producer, const struct held *held)
{
    const rd_kafka_message_t *message = held->message;
    enum outcome outcome = outcome_of(message->err);
    held->entry->is_held = false;
    if (outcome == OUTCOME_NOT_NOW) {
        give_back(producer, held);
        return;
    }
    if (outcome == OUTCOME_NEVER)
        log_event(LOG_ERROR, "kafka", "a record was refused by the cluster",
                  LOG_T("topic", broker_topic_name(producer->base.broker, held->entry->topic)),
                  LOG_T("reason", rd_kafka_err2str(message->err)));
    struct entry done = settle(producer, held->entry);
    producer_deliver(&producer->base, done.tag,
                     outcome == OUTCOME_DURABLE ? DELIVERY_DURABLE : DELIVERY_FAILED,
                     message->offset);
}

/* True: held, the event must stay. */
static bool take_report(struct kafka_producer *producer, const rd_kafka_message_t *message)
{
    struct held held = {message->_private, message};
    if (outcome_of(message->err) == OUTCOME_NOT_NOW && !producer->is_broken && is_fatal(producer))
        break_off(producer);
    if (producer->pass != PASS_NONE && held.entry->sequence <= producer->pass_sequence)
        producer->pass_left--;
    if (producer->pass == PASS_NONE || !reserve_held(producer) || !reserve_event(producer)) {
        tell(producer, &held);
        return false;
    }
    held.entry->is_held = true;
    producer->held[producer->held_count++] = held;
    producer->untold++;
    return true;
}

static void take_reports(struct kafka_producer *producer, rd_kafka_event_t *event)
{
    const rd_kafka_message_t *message;
    bool is_held = false;
    while ((message = rd_kafka_event_message_next(event)) != NULL)
        if (take_report(producer, message))
            is_held = true;
    if (is_held)
        producer->events[producer->event_count++] = event;
    else
        rd_kafka_event_destroy(event);
}

static void take_error(struct kafka_producer *producer, rd_kafka_event_t *event)
{
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);
    if (code == RD_KAFKA_RESP_ERR__FATAL || is_fatal(producer))
        break_off(producer);
    else
        kafka_client_hear(&producer->client, code, rd_kafka_event_error_string(event));
    rd_kafka_event_destroy(event);
}

static void take_events(struct kafka_producer *producer, int timeout_ms)
{
    rd_kafka_event_t *event;
    while ((event = rd_kafka_queue_poll(producer->client.main_queue, timeout_ms)) != NULL) {
        timeout_ms = 0;
        switch (rd_kafka_event_type(event)) {
        case RD_KAFKA_EVENT_DR:
            take_reports(producer, event);
            break;
        case RD_KAFKA_EVENT_ERROR:
            take_error(producer, event);
            break;
        default:
            rd_kafka_event_destroy(event);
            break;
        }
    }
}

/* ---- the end of a pass ---- */

static int by_sequence(const void *a, const void *b)
{
    uint64_t first = ((const struct held *)a)->entry->sequence;
    uint64_t second = ((const struct held *)b)->entry->sequence;
    return first < second ? -1 : first > second;
}

static void release_held(struct kafka_producer *producer)
{
    for (size_t i = 0; i < producer->event_count; i++)
        rd_kafka_event_destroy(producer->events[i]);
    producer->event_count = 0;
    producer->held_count = 0;
}

static void publish_again(struct kafka_producer *producer, const struct held *held)
{
    struct record record = record_of(held->message);
    held->entry->is_held = false;
    held->entry->sequence = ++producer->sequence;
    if (produce(producer, held->message->partition, &record, held->entry) !=
        RD_KAFKA_RESP_ERR_NO_ERROR)
        give_back(producer, held);
}

/* What librdkafka never reported though it was told to let go: not seen, not
 * lost sight of either. */
static void fail_unreported(struct kafka_producer *producer)
{
    for (size_t c = 0; producer->pass_left > 0 && c < producer->chunk_count; c++)
        for (size_t i = 0; i < ENTRIES_CHUNK; i++) {
            struct entry *entry = &producer->chunks[c][i];
            if (entry->sequence == 0 || entry->sequence > producer->pass_sequence || entry->is_held)
                continue;
            producer->pass_left--;
            struct entry lost = settle(producer, entry);
            producer_deliver(&producer->base, lost.tag, DELIVERY_FAILED, -1);
        }
}

/* What the pass doesn't concern was purged by accident. */
static bool goes_again(const struct kafka_producer *producer, const struct held *held,
                       enum pass pass)
{
    if (outcome_of(held->message->err) != OUTCOME_NOT_NOW)
        return false;
    return pass == PASS_PUBLISH_AGAIN || held->entry->sequence > producer->pass_sequence;
}

/* All that the pass concerns is reported. Callbacks may publish meanwhile: what
 * they add is none of the pass. */
static void end_pass(struct kafka_producer *producer)
{
    enum pass pass = producer->pass;
    if (producer->held_count > 1)
        qsort(producer->held, producer->held_count, sizeof *producer->held, by_sequence);
    producer->pass = PASS_NONE;
    for (size_t i = 0; i < producer->held_count; i++) {
        const struct held *held = &producer->held[i];
        producer->untold--;
        /* A callback may have recalled all meanwhile. */
        bool may_go = !producer->is_closing && producer->pass == PASS_NONE;
        if (may_go && goes_again(producer, held, pass))
            publish_again(producer, held);
        else
            tell(producer, held);
    }
    release_held(producer);
}

/* Purging makes it quick; what slips through is purged by the next one. */
static void push_pass(struct kafka_producer *producer)
{
    int64_t now_ns = clock_monotonic_ns();
    if (producer->pass_left == 0 || now_ns < producer->purge_at_ns)
        return;
    producer->purge_at_ns = now_ns + purge_again_ns;
    rd_kafka_purge(producer->client.rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT |
                                            RD_KAFKA_PURGE_F_NON_BLOCKING);
}

/* ---- fatal errors ---- */

static void log_fatal(const struct kafka_producer *producer)
{
    char reason[256] = "";
    rd_kafka_resp_err_t code = rd_kafka_fatal_error(producer->client.rk, reason, sizeof reason);
    struct error cause;
    kafka_fail(producer->config, code, reason, &cause);
    metrics_add(METRIC_KAFKA_PRODUCER_RENEWALS, 0, 1);
    log_event(LOG_WARN, "kafka",
              "the producer's session is broken: a new one takes over what is not delivered",
              LOG_T("reason", cause.text), LOG_I("records", producer->held_count));
}

/* The successor. The events that hold the failures belong to the predecessor:
 * it goes once they are published again. */
static void revive(struct kafka_producer *producer)
{
    if (clock_monotonic_ns() < producer->revive_at_ns)
        return;
    struct error err;
    struct kafka_client old = producer->client;
    log_fatal(producer);
    if (connect_client(producer, &err) != 0) {
        log_error("kafka", "no new producer; trying again", &err);
        producer->client = old;
        producer->revive_at_ns = clock_monotonic_ns() + revive_delay_ns;
        return;
    }
    rd_kafka_queue_cb_event_enable(old.main_queue, NULL, NULL);
    forget_topics(producer);
    producer->is_broken = false;
    producer->revived_at_ns = clock_monotonic_ns();
    arm(producer);
    end_pass(producer);
    discard(producer, old);
}

/* ---- polling ---- */

static void look_after_pass(struct kafka_producer *producer)
{
    if (producer->pass == PASS_NONE)
        return;
    push_pass(producer);
    if (producer->pass_left > 0)
        return;
    if (producer->is_broken)
        revive(producer);
    else
        end_pass(producer);
}

void kafka_poll(struct producer *base)
{
    struct kafka_producer *producer = as_producer(base);
    take_events(producer, 0);
    look_after_pass(producer);
    if (atomic_load_explicit(&base->wants_room, memory_order_relaxed) && !producer->is_broken &&
        has_room(producer, 0, 6))
        producer_tell_room(base);
}

void kafka_wait(struct producer *base, int64_t timeout_ns)
{
    struct kafka_producer *producer = as_producer(base);
    if (!producer->is_armed)
        arm(producer);
    bool is_busy = producer->pass != PASS_NONE;
    if (is_busy && timeout_ns > purge_again_ns)
        timeout_ns = purge_again_ns;
    bell_wait(&producer->bell, timeout_ns);
}

void kafka_recall(struct producer *base)
{
    struct kafka_producer *producer = as_producer(base);
    begin_pass(producer, PASS_RETURN);
    push_pass(producer);
    on_event(NULL, producer);
}

/* ---- the end ---- */

static void wait_until(struct kafka_producer *producer, int64_t deadline_ns)
{
    while (producer->count > 0) {
        int64_t left_ns = deadline_ns - clock_monotonic_ns();
        if (left_ns <= 0)
            return;
        kafka_wait(&producer->base, left_ns);
        take_events(producer, 0);
        look_after_pass(producer);
    }
}

static void deallocate(struct kafka_producer *producer)
{
    for (size_t i = 0; i < producer->chunk_count; i++)
        free(producer->chunks[i]);
    free(producer->held);
    free(producer->events);
    bell_deinit(&producer->bell);
    free(producer);
}

void kafka_producer_close(struct producer *base, int64_t timeout_ns)
{
    struct kafka_producer *producer = as_producer(base);
    take_events(producer, 0);
    wait_until(producer, clock_monotonic_ns() + timeout_ns);
    if (producer->count > 0) {
        producer->is_closing = true;
        producer->is_broken = false;
        begin_pass(producer, PASS_RETURN);
        push_pass(producer);
        wait_until(producer, clock_monotonic_ns() + purge_timeout_ns);
        if (producer->pass != PASS_NONE)
            end_pass(producer);
        fail_unreported(producer);
    }
    rd_kafka_queue_cb_event_enable(producer->client.main_queue, NULL, NULL);
    forget_topics(producer);
    kafka_client_close(&producer->client);
    join_reaper(producer);
    producer_deinit(base);
    deallocate(producer);
}
