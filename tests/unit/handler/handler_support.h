/* SPDX-License-Identifier: Apache-2.0 */
/* A memory broker with ingest records in it, and what the handler made of them. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "broker/broker.h"
#include "broker/config.h"
#include "handler/role.h"
#include "vehicle/dialect.h"
#include "vehicle/mc.h"

#define RECEIVED_NS INT64_C(1779278400123456789)
#define DEADLINE_NS (20 * NS_PER_S)

struct ingest {
    struct broker *broker;
    struct producer *producer;
    struct packet_scratch *scratch;
    uint64_t count;
};

static inline struct broker_config memory_config(void)
{
    return (struct broker_config){.kind = BROKER_MEMORY,
                                  .partitions = 4,
                                  .producer_queue_records = 65536,
                                  .producer_queue_bytes = 64 << 20,
                                  .record_bytes_max = 1 << 20};
}

static inline void ignore_delivery(void *context, uint64_t tag, enum delivery delivery,
                                   int64_t offset)
{
    (void)context, (void)tag, (void)delivery, (void)offset;
}

static inline void ignore_room(void *context)
{
    (void)context;
}

static inline struct producer *open_producer(struct broker *broker)
{
    const struct producer_handler handler = {.on_delivery = ignore_delivery,
                                             .on_room = ignore_room};
    struct producer *producer;
    struct error err;
    if (producer_open(&producer, broker, &handler, &err) != 0)
        fail_msg("%s", err.text);
    return producer;
}

static inline void ingest_open(struct ingest *ingest, const struct broker_config *config)
{
    struct error err;
    *ingest = (struct ingest){.scratch = packet_scratch_new()};
    if (broker_open(&ingest->broker, config, &err) != 0)
        fail_msg("%s", err.text);
    ingest->producer = open_producer(ingest->broker);
    assert_true(broker_topic(ingest->broker, "gpscoords", 0, &err) >= 0);
    assert_true(broker_topic(ingest->broker, "data-topic", 0, &err) >= 0);
}

static inline void ingest_close(struct ingest *ingest)
{
    producer_close(ingest->producer, 0);
    broker_close(ingest->broker);
    packet_scratch_free(ingest->scratch);
}

static inline void publish_record(struct producer *producer, int topic, const struct record *record)
{
    enum publish_result result;
    while ((result = producer_publish(producer, topic, record, 0)) == PUBLISH_FULL) {
        producer_flush(producer);
        producer_poll(producer);
    }
    assert_int_equal(result, PUBLISH_ACCEPTED);
}

/* As the gateway does: original bytes and mc. */
static inline struct packet_identity ingest_packet_at(struct ingest *ingest, const char *json,
                                                      int64_t received_ns)
{
    struct packet packet;
    struct reject reject;
    if (!dialect_decode(ingest->scratch, bytes_from_text(json), &packet, &reject))
        fail_msg("%s: %s", json, reject.detail);
    packet_identify(&packet, received_ns, ++ingest->count);
    struct mc mc = {.dialect = packet.dialect,
                    .has_event_time = (packet.fields & PACKET_HAS_TIME) != 0,
                    .received_ns = received_ns,
                    .identity = packet.identity};
    uint8_t header[MC_MAX];
    struct record record = {.key = packet.vehicle,
                            .value = bytes_from_text(json),
                            .mc = bytes_of((const char *)header, mc_encode(&mc, header)),
                            .timestamp_ns = received_ns};
    const char *topic = dialect_by_id(packet.dialect)->ingest_topic;
    publish_record(ingest->producer, broker_find_topic(ingest->broker, topic), &record);
    return packet.identity;
}

static inline struct packet_identity ingest_packet(struct ingest *ingest, const char *json)
{
    return ingest_packet_at(ingest, json, RECEIVED_NS + (int64_t)ingest->count);
}

/* Bytes that the gateway would have refused, stored all the same. */
static inline void ingest_raw(struct ingest *ingest, const char *key, const char *value,
                              struct bytes mc)
{
    struct record record = {.key = bytes_from_text(key),
                            .value = bytes_from_text(value),
                            .mc = mc,
                            .timestamp_ns = RECEIVED_NS};
    publish_record(ingest->producer, broker_find_topic(ingest->broker, "gpscoords"), &record);
}

static inline void ingest_flush(struct ingest *ingest)
{
    producer_flush(ingest->producer);
    producer_poll(ingest->producer);
}

static inline struct handler_config small_config(void)
{
    return (struct handler_config){.threads = 1,
                                   .batch_records = 100,
                                   .batches_in_flight = 4,
                                   .drain_timeout_ns = 5 * NS_PER_S,
                                   .state_vehicles = 10000,
                                   .state_bytes = 16 << 20,
                                   .rules = ""};
}

static inline struct ruleset *load_rules(const char *yaml)
{
    struct ruleset *ruleset;
    struct error err;
    int result = yaml == NULL
                     ? ruleset_load_default(&ruleset, &err)
                     : ruleset_load_bytes(&ruleset, "test.yaml", bytes_from_text(yaml), &err);
    if (result != 0)
        fail_msg("%s", err.text);
    return ruleset;
}

static inline struct handler *start_handler(struct broker *broker, struct handler_config config,
                                            const char *yaml)
{
    struct ruleset *ruleset = load_rules(yaml);
    struct handler *handler;
    struct error err;
    if (handler_start(&handler, &config, broker, ruleset, &err) != 0)
        fail_msg("%s", err.text);
    ruleset_unref(ruleset);
    return handler;
}

/* Has the group committed everything of both ingest topics? */
static inline bool all_committed(struct broker *broker)
{
    static const char *const names[] = {"gpscoords", "data-topic"};
    for (size_t i = 0; i < 2; i++) {
        int topic = broker_find_topic(broker, names[i]);
        for (int p = 0; p < broker_partitions(broker, topic); p++) {
            struct broker_offsets offsets;
            assert_int_equal(broker_offsets(broker, topic, p, &offsets, NULL), 0);
            if (offsets.end > 0 && broker_committed(broker, HANDLER_GROUP, topic, p) != offsets.end)
                return false;
        }
    }
    return true;
}

static inline void await_committed(struct broker *broker)
{
    int64_t until_ns = clock_monotonic_ns() + DEADLINE_NS;
    while (!all_committed(broker)) {
        if (clock_monotonic_ns() > until_ns)
            fail_msg("the handler did not finish in time");
        usleep(1000);
    }
}

/* What lies in a topic, copied. */
struct output {
    char *value, *key;
    size_t value_len;
    int64_t timestamp_ns;
    struct mc mc; /* views into header */
    char header[MC_MAX];
    size_t header_len;
};

struct outputs {
    struct output *items;
    size_t count;
};

static inline void outputs_free(struct outputs *outputs)
{
    for (size_t i = 0; i < outputs->count; i++) {
        free(outputs->items[i].value);
        free(outputs->items[i].key);
    }
    free(outputs->items);
    *outputs = (struct outputs){0};
}

static inline void outputs_add(struct outputs *outputs, const struct record *record)
{
    outputs->items = realloc(outputs->items, (outputs->count + 1) * sizeof *outputs->items);
    struct output *output = &outputs->items[outputs->count++];
    *output = (struct output){.value = bytes_dup_text(record->value),
                              .key = bytes_dup_text(record->key),
                              .value_len = record->value.len,
                              .timestamp_ns = record->timestamp_ns,
                              .header_len = record->mc.len};
    memcpy(output->header, record->mc.ptr, record->mc.len);
}

static inline struct outputs read_topic(struct broker *broker, const char *name)
{
    struct outputs outputs = {0};
    int topic = broker_find_topic(broker, name);
    if (topic < 0)
        return outputs;
    struct consumer_options options = {
        .topics = &topic, .topic_count = 1, .start = CONSUMER_FROM_EARLIEST};
    struct consumer *consumer;
    struct consumed_batch batch;
    assert_int_equal(consumer_open(&consumer, broker, &options, NULL), 0);
    do {
        assert_int_equal(consumer_fetch(consumer, &batch, 1000, 0, NULL), 0);
        for (size_t i = 0; i < batch.count; i++)
            outputs_add(&outputs, &batch.records[i].record);
    } while (batch.count > 0);
    consumer_close(consumer);
    for (size_t i = 0; i < outputs.count; i++)
        assert_true(mc_decode(bytes_of(outputs.items[i].header, outputs.items[i].header_len),
                              &outputs.items[i].mc));
    return outputs;
}

static inline size_t count_topic(struct broker *broker, const char *name)
{
    struct outputs outputs = read_topic(broker, name);
    size_t count = outputs.count;
    outputs_free(&outputs);
    return count;
}

static inline bool is_identity(const struct output *output, const struct packet_identity *identity)
{
    return memcmp(&output->mc.identity, identity, sizeof *identity) == 0;
}
