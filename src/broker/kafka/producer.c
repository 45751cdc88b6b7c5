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
#include <stdlib.h>

#include "base/clock.h"
#include "broker/kafka/producer.h"

enum { ENTRY_OVERHEAD = 64 };
static const int64_t purge_timeout_ns = 10 * NS_PER_S;

int kafka_producer_open(struct producer **out, struct broker *broker, struct error *err)
{
    struct kafka_producer *producer = calloc(1, sizeof *producer);
    if (producer == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a producer");
    producer->config = as_kafka(broker)->config;
    producer->base.broker = broker;
    if (kafka_session_connect(producer, err) != 0) {
        free(producer);
        return -1;
    }
    bell_init(&producer->bell);
    producer->slot = kafka_take_slot(as_kafka(broker));
    *out = &producer->base;
    return 0;
}

/* ---- publishing ---- */

static bool has_room(const struct kafka_producer *producer, size_t bytes, int share)
{
    const struct broker_config *config = &producer->base.broker->config;
    return (int64_t)producer->count * 8 < config->producer_queue_records * share &&
           (int64_t)(producer->bytes + bytes) * 8 <= config->producer_queue_bytes * share;
}

/* FULL without anything under way: poll must come by itself to say «room». */
static enum publish_result full(struct kafka_producer *producer)
{
    kafka_session_ring(NULL, producer);
    return PUBLISH_FULL;
}

static enum publish_result publish_failed(struct kafka_producer *producer, rd_kafka_resp_err_t code)
{
    if (code == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
        return PUBLISH_REFUSED;
    /* It answers with the fatal error's own code. */
    if (kafka_session_is_fatal(producer))
        kafka_pass_break_off(producer);
    return full(producer);
}

enum publish_result kafka_publish(struct producer *base, int topic, int partition,
                                  const struct record *record, uint64_t tag)
{
    struct kafka_producer *producer = as_kafka_producer(base);
    size_t bytes = record->key.len + record->value.len + ENTRY_OVERHEAD;
    if (!has_room(producer, bytes, 8))
        return PUBLISH_FULL;
    if (producer->is_broken)
        return full(producer);
    if (!producer->is_armed)
        kafka_session_arm(producer);
    struct entry *entry = kafka_entry_take(producer);
    if (entry == NULL)
        return full(producer);
    *entry = (struct entry){.tag = tag,
                            .sequence = producer->sequence + 1,
                            .timestamp_ns = record->timestamp_ns,
                            .topic = topic,
                            .bytes = (uint32_t)bytes};
    rd_kafka_resp_err_t code = kafka_session_produce(producer, partition, record, entry);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR) {
        kafka_entry_put(producer, entry);
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
/* ---- polling ---- */

void kafka_poll(struct producer *base)
{
    struct kafka_producer *producer = as_kafka_producer(base);
    kafka_reports_take(producer, 0);
    kafka_pass_look_after(producer);
    if (atomic_load_explicit(&base->wants_room, memory_order_relaxed) && !producer->is_broken &&
        has_room(producer, 0, 6))
        producer_tell_room(base);
}

void kafka_wait(struct producer *base, int64_t timeout_ns)
{
    struct kafka_producer *producer = as_kafka_producer(base);
    if (!producer->is_armed)
        kafka_session_arm(producer);
    bool is_busy = producer->pass != PASS_NONE;
    if (is_busy && timeout_ns > PURGE_AGAIN_MS * NS_PER_MS)
        timeout_ns = PURGE_AGAIN_MS * NS_PER_MS;
    bell_wait(&producer->bell, timeout_ns);
}

void kafka_recall(struct producer *base)
{
    struct kafka_producer *producer = as_kafka_producer(base);
    kafka_pass_begin(producer, PASS_RETURN);
    kafka_pass_push(producer);
    kafka_session_ring(NULL, producer);
}

/* ---- the end ---- */

static void wait_until(struct kafka_producer *producer, int64_t deadline_ns)
{
    while (producer->count > 0) {
        int64_t left_ns = deadline_ns - clock_monotonic_ns();
        if (left_ns <= 0)
            return;
        kafka_wait(&producer->base, left_ns);
        kafka_reports_take(producer, 0);
        kafka_pass_look_after(producer);
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
    struct kafka_producer *producer = as_kafka_producer(base);
    kafka_reports_take(producer, 0);
    wait_until(producer, clock_monotonic_ns() + timeout_ns);
    if (producer->count > 0) {
        producer->is_closing = true;
        producer->is_broken = false;
        kafka_pass_begin(producer, PASS_RETURN);
        kafka_pass_push(producer);
        wait_until(producer, clock_monotonic_ns() + purge_timeout_ns);
        if (producer->pass != PASS_NONE)
            kafka_pass_end(producer);
        kafka_pass_fail_unreported(producer);
    }
    rd_kafka_queue_cb_event_enable(producer->client.main_queue, NULL, NULL);
    kafka_session_forget_topics(producer);
    kafka_client_close(&producer->client);
    kafka_session_join(producer);
    kafka_put_slot(as_kafka(base->broker), producer->slot);
    producer_deinit(base);
    deallocate(producer);
}
