/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <stdio.h>

#include "base/clock.h"
#include "broker/kafka/producer.h"
#include "broker/kafka/stats.h"
#include "observe/log.h"
#include "observe/metrics.h"

static const int64_t revive_delay_ns = NS_PER_S;

/* ---- passes ---- */

/* Concerns all that is under way now. Giving back wins over publishing again. */
void kafka_pass_begin(struct kafka_producer *producer, enum pass pass)
{
    if (pass > producer->pass)
        producer->pass = pass;
    if (pass == PASS_RETURN)
        producer->return_sequence = producer->sequence;
    producer->pass_sequence = producer->sequence;
    producer->pass_left = producer->count - producer->untold;
    producer->purge_at_ns = 0;
}

bool kafka_session_is_fatal(const struct kafka_producer *producer)
{
    return rd_kafka_fatal_error(producer->client.rk, NULL, 0) != RD_KAFKA_RESP_ERR_NO_ERROR;
}

void kafka_pass_break_off(struct kafka_producer *producer)
{
    if (producer->is_broken || producer->is_closing)
        return;
    producer->is_broken = true;
    /* What broke the last one at once may do so again: a missing right. */
    producer->revive_at_ns =
        producer->revived_at_ns != 0 ? producer->revived_at_ns + revive_delay_ns : 0;
    kafka_pass_begin(producer, PASS_PUBLISH_AGAIN);
}

/* ---- reports ---- */

/* The entry's last moment; `pass` counts it. */
static struct entry settle(struct kafka_producer *producer, struct entry *entry)
{
    struct entry done = *entry;
    producer->count--;
    producer->bytes -= entry->bytes;
    kafka_entry_put(producer, entry);
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

static bool is_purged(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR__PURGE_QUEUE || code == RD_KAFKA_RESP_ERR__PURGE_INFLIGHT;
}

/* True: held, the event must stay. */
static bool take_report(struct kafka_producer *producer, const rd_kafka_message_t *message)
{
    struct held held = {message->_private, message};
    if (outcome_of(message->err) == OUTCOME_NOT_NOW && !producer->is_broken &&
        kafka_session_is_fatal(producer))
        kafka_pass_break_off(producer);
    if (producer->pass == PASS_NONE && is_purged(message->err) && !producer->is_closing)
        kafka_pass_begin(producer, PASS_PUBLISH_AGAIN); /* a recall's purge came late */
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
    if (producer->base.durable > 0)
        kafka_client_on_success(&producer->client);
    if (is_held)
        producer->events[producer->event_count++] = event;
    else
        rd_kafka_event_destroy(event);
}

static void take_error(struct kafka_producer *producer, rd_kafka_event_t *event)
{
    rd_kafka_resp_err_t code = rd_kafka_event_error(event);
    if (code == RD_KAFKA_RESP_ERR__FATAL || kafka_session_is_fatal(producer))
        kafka_pass_break_off(producer);
    else
        kafka_client_on_error(&producer->client, code, rd_kafka_event_error_string(event));
    rd_kafka_event_destroy(event);
}

static void take_statistics(struct kafka_producer *producer, rd_kafka_event_t *event)
{
    char label[32];
    const char *json = rd_kafka_event_stats(event);
    snprintf(label, sizeof label, "producer-%d", producer->slot);
    if (json != NULL)
        kafka_stats_take(label, json, strlen(json));
    rd_kafka_event_destroy(event);
}

void kafka_reports_take(struct kafka_producer *producer, int timeout_ms)
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
        case RD_KAFKA_EVENT_STATS:
            take_statistics(producer, event);
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
    if (kafka_session_produce(producer, held->message->partition, &record, held->entry) !=
        RD_KAFKA_RESP_ERR_NO_ERROR)
        give_back(producer, held);
}

/* What librdkafka never reported though it was told to let go: not seen, not
 * lost sight of either. */
void kafka_pass_fail_unreported(struct kafka_producer *producer)
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

/* What was published after a recall and was purged by accident, or all that a
 * broken session leaves. */
static bool goes_again(const struct held *held, uint64_t return_sequence)
{
    return outcome_of(held->message->err) == OUTCOME_NOT_NOW &&
           held->entry->sequence > return_sequence;
}

/* All that the pass concerns is reported. Callbacks may publish meanwhile: what
 * they add is none of the pass. */
void kafka_pass_end(struct kafka_producer *producer)
{
    uint64_t return_sequence = producer->return_sequence;
    if (producer->held_count > 1)
        qsort(producer->held, producer->held_count, sizeof *producer->held, by_sequence);
    producer->pass = PASS_NONE;
    producer->return_sequence = 0;
    for (size_t i = 0; i < producer->held_count; i++) {
        const struct held *held = &producer->held[i];
        producer->untold--;
        /* A callback may have recalled all meanwhile. */
        bool may_go = !producer->is_closing && producer->pass == PASS_NONE;
        if (may_go && goes_again(held, return_sequence))
            publish_again(producer, held);
        else
            tell(producer, held);
    }
    release_held(producer);
}

/* Purging makes it quick; what slips through is purged by the next one. */
void kafka_pass_push(struct kafka_producer *producer)
{
    int64_t now_ns = clock_monotonic_ns();
    if (producer->pass_left == 0 || now_ns < producer->purge_at_ns)
        return;
    producer->purge_at_ns = now_ns + PURGE_AGAIN_MS * NS_PER_MS;
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
    if (kafka_session_connect(producer, &err) != 0) {
        log_error("kafka", "no new producer; trying again", &err);
        producer->client = old;
        producer->revive_at_ns = clock_monotonic_ns() + revive_delay_ns;
        return;
    }
    rd_kafka_queue_cb_event_enable(old.main_queue, NULL, NULL);
    kafka_session_forget_topics(producer);
    producer->is_broken = false;
    producer->revived_at_ns = clock_monotonic_ns();
    kafka_session_arm(producer);
    kafka_pass_end(producer);
    kafka_session_discard(producer, old);
}
void kafka_pass_look_after(struct kafka_producer *producer)
{
    if (producer->pass == PASS_NONE)
        return;
    kafka_pass_push(producer);
    if (producer->pass_left > 0)
        return;
    if (producer->is_broken)
        revive(producer);
    else
        kafka_pass_end(producer);
}
