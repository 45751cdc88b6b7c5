/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "broker/kafka/producer.h"

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

struct entry *kafka_entry_take(struct kafka_producer *producer)
{
    if (producer->free_entries == NULL && !add_chunk(producer))
        return NULL;
    struct entry *entry = producer->free_entries;
    producer->free_entries = entry->next_free;
    return entry;
}

void kafka_entry_put(struct kafka_producer *producer, struct entry *entry)
{
    entry->sequence = 0;
    entry->next_free = producer->free_entries;
    producer->free_entries = entry;
}

/* ---- the connection ---- */

/* librdkafka's threads call it, with a lock of the queue held. */
void kafka_session_ring(rd_kafka_t *rk, void *context)
{
    (void)rk;
    struct kafka_producer *producer = context;
    bell_ring(&producer->bell);
    if (producer->base.handler.wake != NULL)
        producer->base.handler.wake(producer->base.handler.context);
}

int kafka_session_connect(struct kafka_producer *producer, struct error *err)
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
        {"statistics.interval.ms", "5000"},
        {NULL, NULL},
    };
    rd_kafka_conf_t *conf;
    if (kafka_conf_new(&conf, config, own, err) != 0)
        return -1;
    return kafka_client_open(&producer->client, RD_KAFKA_PRODUCER, conf, config, err);
}

/* The queue speaks when it stops being empty: what is in it already won't. */
void kafka_session_arm(struct kafka_producer *producer)
{
    rd_kafka_queue_cb_event_enable(producer->client.main_queue, kafka_session_ring, producer);
    producer->is_armed = true;
    kafka_session_ring(NULL, producer);
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

void kafka_session_join(struct kafka_producer *producer)
{
    if (producer->has_reaper)
        pthread_join(producer->reaper, NULL);
    producer->has_reaper = false;
}

void kafka_session_forget_topics(struct kafka_producer *producer)
{
    for (size_t i = 0; i < TOPICS_MAX; i++)
        if (producer->topics[i] != NULL)
            rd_kafka_topic_destroy(producer->topics[i]);
    memset(producer->topics, 0, sizeof producer->topics);
}

/* On a thread of its own: it waits for librdkafka's threads. */
void kafka_session_discard(struct kafka_producer *producer, struct kafka_client old)
{
    kafka_session_join(producer);
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

/* ---- records ---- */

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

rd_kafka_resp_err_t kafka_session_produce(struct kafka_producer *producer, int partition,
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
