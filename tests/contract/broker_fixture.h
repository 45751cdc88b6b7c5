/* SPDX-License-Identifier: Apache-2.0 */
/* The fixture and helpers of test_broker.c, its only user: a broker with small
 * limits, one producer, and what was delivered to it. */
#pragma once

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
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
#include "broker/kafka/config.h"
#include "broker/spool/spool.h"

#define SECOND INT64_C(1000000000)
#define DEADLINE (20 * SECOND)

static enum broker_kind kind;
static bool is_spooled; /* that kind behind a spool */

/* ---- fixture: a broker with small limits, and one producer ---- */

enum { TAGS_MAX = 200000, NOT_DURABLE = -2 };

struct fixture {
    char dir[64];
    struct broker_config config;
    struct kafka_config kafka;
    const char *address;
    char prefix[64];
    struct broker *broker;
    struct broker *upstream; /* of the spool */
    struct producer *producer;
    uint64_t tags[TAGS_MAX]; /* in order of delivery */
    int64_t offsets[TAGS_MAX];
    size_t delivered, durable, failed, returned, rooms;
    atomic_int wakes;
};

static void on_delivery(void *context, uint64_t tag, enum delivery delivery, int64_t offset)
{
    struct fixture *f = context;
    f->tags[f->delivered] = tag;
    f->offsets[f->delivered++] = delivery == DELIVERY_DURABLE ? offset : NOT_DURABLE;
    if (delivery == DELIVERY_DURABLE)
        f->durable++;
    else
        f->failed++;
}

/* What publish_tag() below made of the tag comes back. */
static void on_return(void *context, uint64_t tag, int topic, const struct record *record)
{
    struct fixture *f = context;
    char key[16];
    char value[16];
    snprintf(key, sizeof key, "k%u", (unsigned)tag % 7);
    snprintf(value, sizeof value, "v%u", (unsigned)tag);
    assert_int_equal(topic, broker_find_topic(f->broker, "t"));
    assert_true(bytes_equal(record->key, bytes_from_text(key)));
    assert_true(bytes_equal(record->value, bytes_from_text(value)));
    assert_int_equal(record->timestamp_ns, (int64_t)tag * NS_PER_MS);
    f->tags[f->delivered] = tag;
    f->offsets[f->delivered++] = NOT_DURABLE;
    f->returned++;
}

static void on_room(void *context)
{
    ((struct fixture *)context)->rooms++;
}

static void on_wake(void *context)
{
    atomic_fetch_add(&((struct fixture *)context)->wakes, 1);
}

/* A cluster that is there already: each case has topics and groups of its own. */
static void configure_kafka(struct fixture *f)
{
    f->address = getenv("MOTORCADE_TEST_KAFKA");
    snprintf(f->prefix, sizeof f->prefix, "test.%s.", f->dir + sizeof "/tmp/motorcade-broker");
    f->kafka = (struct kafka_config){.brokers = {&f->address, 1},
                                     .client_id = "motorcade-test",
                                     .prefix = f->prefix,
                                     .start_timeout_ns = DEADLINE,
                                     .tls = {.ca = "", .cert = "", .key = "", .key_password = ""},
                                     .sasl = {.username = "", .password = ""},
                                     .topic = {.verifies = true,
                                               .may_create = true,
                                               .partitions = 3,
                                               .replication = 1,
                                               .min_insync_replicas = 1,
                                               .retention_ns = INT64_MAX / 2,
                                               .max_message_bytes = 1 << 20},
                                     .producer = {.linger_ns = NS_PER_MS,
                                                  .batch_records = 10000,
                                                  .batch_bytes = 1 << 19,
                                                  .timeout_ns = 5 * DEADLINE},
                                     .consumer = {.group_instance_id = "",
                                                  .session_timeout_ns = 10 * SECOND,
                                                  .poll_interval_ns = 60 * SECOND,
                                                  .queue_records = 100000,
                                                  .queue_bytes = 64 << 20}};
    f->config.kafka = &f->kafka;
}

static void open_broker(struct fixture *f)
{
    struct error err = {0};
    struct spool_config spool = {
        .after_ns = 2 * SECOND, .cap_bytes = 1 << 20, .drain_share = 100, .retry_max_ns = SECOND};
    struct broker **first = is_spooled ? &f->upstream : &f->broker;
    if (broker_open(first, &f->config, &err) != 0 ||
        (is_spooled && spool_open(&f->broker, f->upstream, &f->config, &spool, &err) != 0))
        fail_msg("%s", err.text);
}

static struct producer *open_producer(struct fixture *f, bool uses_reserve)
{
    struct producer_handler handler = {
        .on_delivery = on_delivery, .on_room = on_room, .context = f, .uses_reserve = uses_reserve};
    struct producer *producer = NULL;
    struct error err = {0};
    if (producer_open(&producer, f->broker, &handler, &err) != 0)
        fail_msg("%s", err.text);
    return producer;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    snprintf(f->dir, sizeof f->dir, "%s", "/tmp/motorcade-broker-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->config = (struct broker_config){.kind = (int)kind,
                                       .data_dir = f->dir,
                                       .partitions = 3,
                                       .durability = DURABILITY_FSYNC,
                                       .sync_interval_ns = 10 * NS_PER_MS,
                                       .group_delay_ns = 0,
                                       .group_bytes = 65536,
                                       .segment_bytes = 65536,
                                       .cap_bytes = 1 << 20,
                                       .retention_ns = INT64_MAX / 2, /* times here are of 1970 */
                                       .dead_letter_cap_bytes = 1 << 20,
                                       .producer_queue_records = 2000,
                                       .producer_queue_bytes = 1 << 20,
                                       .record_bytes_max = 10000};
    if (kind == BROKER_KAFKA)
        configure_kafka(f);
    open_broker(f);
    f->producer = open_producer(f, false);
    *state = f;
    return 0;
}

static void close_all(struct fixture *f)
{
    producer_close(f->producer, DEADLINE);
    f->producer = NULL;
    broker_close(f->broker);
    if (f->upstream != NULL)
        broker_close(f->upstream);
    f->broker = f->upstream = NULL;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    if (f->broker != NULL)
        close_all(f);
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", f->dir);
    int result = system(command);
    free(f);
    return result;
}

/* ---- helpers ---- */

static int topic(struct fixture *f, const char *name)
{
    struct error err = {0};
    int number = broker_topic(f->broker, name, 0, &err);
    if (number < 0)
        fail_msg("%s", err.text);
    return number;
}

static enum publish_result publish(struct producer *producer, int number, const char *key,
                                   const char *value, uint64_t tag)
{
    struct record record = {.key = bytes_from_text(key),
                            .value = bytes_from_text(value),
                            .timestamp_ns = (int64_t)tag * NS_PER_MS};
    return producer_publish(producer, number, &record, tag);
}

static void wait_delivered(struct producer *producer)
{
    int64_t deadline = clock_monotonic_ns() + DEADLINE;
    while (producer_pending(producer) > 0) {
        assert_true(clock_monotonic_ns() < deadline);
        producer_wait(producer, SECOND / 10);
    }
}

static void publish_durably(struct fixture *f, int number, const char *key, const char *value,
                            uint64_t tag)
{
    assert_int_equal(publish(f->producer, number, key, value, tag), PUBLISH_ACCEPTED);
    wait_delivered(f->producer);
}

/* Key k0..k6, time (ms) = tag, value "v<tag>". */
static enum publish_result publish_tag(struct fixture *f, int number, unsigned tag)
{
    char key[16];
    char value[16];
    snprintf(key, sizeof key, "k%u", tag % 7);
    snprintf(value, sizeof value, "v%u", tag);
    return publish(f->producer, number, key, value, tag);
}

/* Tags 0..n-1. */
static void publish_many(struct fixture *f, int number, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        while (publish_tag(f, number, i) == PUBLISH_FULL)
            producer_wait(f->producer, SECOND);
    wait_delivered(f->producer);
}

static struct consumer *consume(struct fixture *f, const char *group, int number,
                                enum consumer_start start, int64_t value)
{
    struct consumer_options options = {
        .group = group, .topics = &number, .topic_count = 1, .start = start, .start_value = value};
    struct consumer *consumer = NULL;
    struct error err = {0};
    if (consumer_open(&consumer, f->broker, &options, &err) != 0)
        fail_msg("%s", err.text);
    return consumer;
}

/* One fetch that must find something. */
static struct consumed_batch fetch(struct consumer *consumer, size_t max)
{
    struct consumed_batch batch;
    struct error err = {0};
    if (consumer_fetch(consumer, &batch, max, DEADLINE, &err) != 0)
        fail_msg("%s", err.text);
    assert_true(batch.count > 0 && batch.count <= max);
    return batch;
}

static size_t fetch_now(struct consumer *consumer)
{
    struct consumed_batch batch;
    struct error err = {0};
    assert_int_equal(consumer_fetch(consumer, &batch, 1000, 0, &err), 0);
    return batch.count;
}

static unsigned tag_of(const struct consumed *consumed)
{
    char text[32] = {0};
    assert_true(consumed->record.value.len < sizeof text);
    memcpy(text, consumed->record.value.ptr, consumed->record.value.len);
    return (unsigned)strtoul(text + 1, NULL, 10);
}

/* Fetch until n records came; each partition in order; each tag once. */
static void expect_all(struct consumer *consumer, unsigned n)
{
    int64_t last[8] = {-1, -1, -1, -1, -1, -1, -1, -1};
    bool *seen = calloc(n, sizeof *seen);
    for (unsigned got = 0; got < n;) {
        struct consumed_batch batch = fetch(consumer, 100);
        for (size_t i = 0; i < batch.count; i++, got++) {
            const struct consumed *c = &batch.records[i];
            assert_true(c->offset > last[c->partition]);
            last[c->partition] = c->offset;
            unsigned tag = tag_of(c);
            assert_true(tag < n && !seen[tag]);
            seen[tag] = true;
        }
    }
    free(seen);
    assert_int_equal(fetch_now(consumer), 0);
}

/* Every tag below n was told once, those of a key in order. */
static void expect_told(struct fixture *f, unsigned n)
{
    unsigned next[7] = {0, 1, 2, 3, 4, 5, 6};
    assert_int_equal(f->delivered, n);
    for (unsigned i = 0; i < n; i++) {
        unsigned tag = (unsigned)f->tags[i];
        assert_int_equal(tag, next[tag % 7]);
        next[tag % 7] += 7;
    }
}

static void wait_wakes(struct fixture *f, int more_than)
{
    int64_t deadline = clock_monotonic_ns() + DEADLINE;
    while (atomic_load(&f->wakes) <= more_than) {
        assert_true(clock_monotonic_ns() < deadline);
        usleep(200);
    }
}

/* What is found after a wake-up. Over Kafka others than records wake, too. */
static size_t fetch_woken(struct fixture *f, struct consumer *consumer, int before)
{
    for (;;) {
        wait_wakes(f, before);
        before = atomic_load(&f->wakes);
        size_t count = fetch_now(consumer);
        if (count > 0 || kind != BROKER_KAFKA)
            return count;
    }
}

/* Fetch, finding nothing, until each member has a share of the three partitions. */
static void wait_divided(struct consumer *a, struct consumer *b)
{
    int64_t deadline = clock_monotonic_ns() + DEADLINE;
    do {
        assert_true(clock_monotonic_ns() < deadline);
        assert_int_equal(fetch_now(a), 0);
        assert_int_equal(fetch_now(b), 0);
    } while (consumer_owned(a) + consumer_owned(b) != 3 || consumer_owned(a) == 0 ||
             consumer_owned(b) == 0);
}

static unsigned publish_until_full(struct fixture *f, struct producer *producer, int number)
{
    char value[1001];
    memset(value, 'v', sizeof value - 1);
    value[1000] = 0;
    unsigned accepted = 0;
    for (;;) {
        assert_true(accepted < 20000);
        if (publish(producer, number, "k", value, accepted) == PUBLISH_ACCEPTED) {
            accepted++;
            continue;
        }
        if (producer_pending(producer) == 0)
            return accepted;
        wait_delivered(producer);
    }
    (void)f;
}
