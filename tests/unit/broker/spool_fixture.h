/* SPDX-License-Identifier: Apache-2.0 */
/* For test_spool.c: a spool over a faulty broker over memory, one producer as a
 * car's connection would use it, and what must hold of what reached memory. */
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
#include "broker/spool/spool.h"
#include "support/faulty_broker.h"

#define SECOND INT64_C(1000000000)
#define DEADLINE (30 * SECOND)

enum { KEYS = 40, SENT_MAX = 400000, SEQUENCE_MAX = 20000 };

/* One publish: of which car, its how-manieth packet. */
struct sent {
    uint16_t key;
    uint32_t sequence;
};

struct fixture {
    char dir[64];
    struct broker_config config;
    struct spool_config spool_config;
    struct broker *memory, *faulty, *spool;
    struct producer *producer;
    int topic;
    struct sent *sent; /* by tag */
    size_t sent_count;
    uint32_t next[KEYS]; /* to publish */
    bool *acked[KEYS];   /* by sequence */
    size_t durable, failed, rooms;
};

static void on_delivery(void *context, uint64_t tag, enum delivery delivery, int64_t offset)
{
    (void)offset;
    struct fixture *f = context;
    struct sent sent = f->sent[tag];
    if (delivery == DELIVERY_DURABLE) {
        f->durable++;
        f->acked[sent.key][sent.sequence] = true;
        return;
    }
    f->failed++;
    if (sent.sequence < f->next[sent.key]) /* the car sends it again, and all after it */
        f->next[sent.key] = sent.sequence;
}

static void on_room(void *context)
{
    ((struct fixture *)context)->rooms++;
}

/* ---- opening and closing ---- */

static void open_spool(struct fixture *f)
{
    struct error err = {0};
    const struct producer_handler handler = {
        .on_delivery = on_delivery, .on_room = on_room, .context = f};
    if (spool_open(&f->spool, f->faulty, &f->config, &f->spool_config, &err) != 0 ||
        (f->topic = broker_topic(f->spool, "t", 3, &err)) < 0 ||
        producer_open(&f->producer, f->spool, &handler, &err) != 0)
        fail_msg("%s", err.text);
}

static void close_spool(struct fixture *f)
{
    if (f->producer != NULL)
        producer_close(f->producer, SECOND / 5);
    if (f->spool != NULL)
        broker_close(f->spool);
    f->producer = NULL;
    f->spool = NULL;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct error err = {0};
    snprintf(f->dir, sizeof f->dir, "%s", "/tmp/motorcade-spool-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->config = (struct broker_config){.kind = BROKER_MEMORY,
                                       .data_dir = f->dir,
                                       .partitions = 3,
                                       .durability = DURABILITY_FSYNC,
                                       .sync_interval_ns = 10 * NS_PER_MS,
                                       .group_bytes = 65536,
                                       .segment_bytes = 65536,
                                       .cap_bytes = 1 << 28,
                                       .retention_ns = INT64_MAX / 2,
                                       .dead_letter_cap_bytes = 1 << 20,
                                       .producer_queue_records = 2000,
                                       .producer_queue_bytes = 1 << 20,
                                       .record_bytes_max = 10000};
    f->spool_config = (struct spool_config){.after_ns = 60 * NS_PER_MS,
                                            .cap_bytes = 64 << 20,
                                            .drain_share = 80,
                                            .retry_max_ns = 20 * NS_PER_MS};
    f->sent = calloc(SENT_MAX, sizeof *f->sent);
    for (int k = 0; k < KEYS; k++)
        f->acked[k] = calloc(SEQUENCE_MAX, sizeof(bool));
    if (broker_open(&f->memory, &f->config, &err) != 0)
        fail_msg("%s", err.text);
    f->faulty = faulty_open(f->memory);
    open_spool(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    close_spool(f);
    broker_close(f->faulty);
    broker_close(f->memory);
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", f->dir);
    int result = system(command);
    for (int k = 0; k < KEYS; k++)
        free(f->acked[k]);
    free(f->sent);
    free(f);
    return result;
}

/* ---- publishing ---- */

/* The car's next packet: value "<sequence>". */
static enum publish_result send_next(struct fixture *f, unsigned key)
{
    char name[16];
    char value[64] = {0};
    uint32_t sequence = f->next[key];
    snprintf(name, sizeof name, "car%u", key);
    snprintf(value, sizeof value, "%u", sequence);
    assert_true(sequence < SEQUENCE_MAX && f->sent_count < SENT_MAX);
    struct record record = {.key = bytes_from_text(name),
                            .value = {value, sizeof value},
                            .timestamp_ns = clock_wall_ns()};
    f->sent[f->sent_count] = (struct sent){(uint16_t)key, sequence};
    enum publish_result result =
        producer_publish(f->producer, f->topic, &record, (uint64_t)f->sent_count);
    if (result == PUBLISH_ACCEPTED) {
        f->sent_count++;
        f->next[key]++;
    }
    return result;
}

static void turn(struct fixture *f, int64_t wait_ns)
{
    producer_flush(f->producer);
    producer_wait(f->producer, wait_ns);
}

static void send_many(struct fixture *f, unsigned count)
{
    int64_t deadline = clock_monotonic_ns() + DEADLINE;
    for (unsigned i = 0; i < count; i++)
        while (send_next(f, i % KEYS) == PUBLISH_FULL) {
            assert_true(clock_monotonic_ns() < deadline);
            turn(f, 5 * NS_PER_MS);
        }
    producer_flush(f->producer);
}

/* ---- waiting ---- */

static enum spool_mode mode_of(struct fixture *f)
{
    struct spool_status status;
    spool_status(f->spool, &status);
    return status.mode;
}

static uint64_t records_in(struct fixture *f)
{
    struct spool_status status;
    spool_status(f->spool, &status);
    return status.records;
}

#define WAIT_UNTIL(f, condition)                             \
    do {                                                     \
        int64_t deadline_ = clock_monotonic_ns() + DEADLINE; \
        while (!(condition)) {                               \
            if (clock_monotonic_ns() > deadline_)            \
                fail_msg("in vain: %s", #condition);         \
            turn((f), 2 * NS_PER_MS);                        \
            usleep(500);                                     \
        }                                                    \
    } while (0)

static void wait_told(struct fixture *f)
{
    WAIT_UNTIL(f, producer_pending(f->producer) == 0);
}

static void wait_passing(struct fixture *f)
{
    WAIT_UNTIL(f, mode_of(f) == SPOOL_PASSING && records_in(f) == 0);
}

/* ---- what must hold ---- */

static uint32_t number_in(struct bytes text, size_t at)
{
    uint32_t number = 0;
    for (; at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9'; at++)
        number = number * 10 + (uint32_t)(text.ptr[at] - '0');
    return number;
}

/* All that was acked is in memory; of each car the first appearances of its
 * packets are in order. Returns how many records there are, repeats included. */
static size_t check_memory(struct fixture *f)
{
    int topic = broker_find_topic(f->memory, "t");
    struct consumer_options options = {
        .topics = &topic, .topic_count = 1, .start = CONSUMER_FROM_EARLIEST};
    struct consumer *consumer;
    struct consumed_batch batch;
    int64_t newest[KEYS];
    bool *seen[KEYS];
    size_t total = 0;
    for (int k = 0; k < KEYS; k++) {
        newest[k] = -1;
        seen[k] = calloc(SEQUENCE_MAX, sizeof(bool));
    }
    assert_int_equal(consumer_open(&consumer, f->memory, &options, NULL), 0);
    while (consumer_fetch(consumer, &batch, 1000, 0, NULL) == 0 && batch.count > 0)
        for (size_t i = 0; i < batch.count; i++, total++) {
            const struct record *record = &batch.records[i].record;
            unsigned key = number_in(record->key, strlen("car"));
            uint32_t sequence = number_in(record->value, 0);
            assert_true(key < KEYS && sequence < SEQUENCE_MAX);
            if (!seen[key][sequence] && (int64_t)sequence < newest[key])
                fail_msg("car %u: packet %u came after %d", key, sequence, (int)newest[key]);
            seen[key][sequence] = true;
            newest[key] = (int64_t)sequence > newest[key] ? (int64_t)sequence : newest[key];
        }
    for (int k = 0; k < KEYS; k++) {
        for (uint32_t s = 0; s < SEQUENCE_MAX; s++)
            if (f->acked[k][s] && !seen[k][s])
                fail_msg("car %d: packet %u was acked and is lost", k, s);
        free(seen[k]);
    }
    consumer_close(consumer);
    return total;
}
