/* SPDX-License-Identifier: Apache-2.0 */
/* The store over a broker and a database in memory, and over a database that
 * fails as it is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "broker/config.h"
#include "observe/metrics.h"
#include "sink/driver.h"
#include "store/letters.h"
#include "store/role.h"
#include "support/rows.h"
#include "vehicle/mc.h"

#define NOON_MS INT64_C(1211284800000)
#define DEADLINE_NS (20 * NS_PER_S)

/* ---- a database that fails as told, in front of one in memory ---- */

struct moody_sink {
    struct sink sink;
    struct sink *inner;
    atomic_int failures_left;  /* writes that say RETRY */
    atomic_int poison_vehicle; /* a row of vehicle "<n>" is poison; -1 = none */
    atomic_int writes;
};

static enum sink_verdict moody_write(struct sink *base, const struct sink_row *rows, size_t count,
                                     struct sink_write_result *result, struct error *err)
{
    struct moody_sink *sink = (struct moody_sink *)base;
    char vehicle[16];
    atomic_fetch_add(&sink->writes, 1);
    if (atomic_load(&sink->failures_left) > 0) {
        atomic_fetch_sub(&sink->failures_left, 1);
        error_set(err, ERROR_REMOTE, "not in the mood");
        return SINK_RETRY;
    }
    snprintf(vehicle, sizeof vehicle, "%d", atomic_load(&sink->poison_vehicle));
    for (size_t i = 0; i < count; i++) {
        if (!bytes_equal_text(rows[i].packet.vehicle, vehicle))
            continue;
        result->poison_index = i;
        error_set(err, ERROR_REMOTE, "no such thing");
        return SINK_POISON;
    }
    return sink_write(sink->inner, rows, count, result, err);
}

static const struct sink_driver moody_driver = {.name = "moody", .write = moody_write};

/* ---- fixture ---- */

struct fixture {
    struct broker *broker;
    struct producer *producer;
    struct moody_sink sink;
    struct rows rows;
    struct store *store;
    struct store_config config;
    int topic;
    size_t delivered;
    struct error err;
};

static void on_delivery(void *context, uint64_t tag, enum delivery delivery, int64_t offset)
{
    (void)tag;
    (void)delivery;
    (void)offset;
    ((struct fixture *)context)->delivered++;
}

static void on_room(void *context)
{
    (void)context;
}

static const struct sink_config sink_settings = {.kind = SINK_MEMORY,
                                                 .data_dir = "",
                                                 .batch_rows = 100,
                                                 .batch_bytes = 1 << 20,
                                                 .batch_age_ns = 5 * NS_PER_MS,
                                                 .retry_delay_max_ns = 2 * NS_PER_MS,
                                                 .breaker_failures = 3,
                                                 .breaker_delay_ns = 5 * NS_PER_MS};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    const struct broker_config broker_config = {.kind = BROKER_MEMORY,
                                                .partitions = 3,
                                                .cap_bytes = 1 << 28,
                                                .retention_ns = 3600 * NS_PER_S,
                                                .dead_letter_cap_bytes = 1 << 24,
                                                .producer_queue_records = 100000,
                                                .producer_queue_bytes = 1 << 26,
                                                .record_bytes_max = 1 << 20,
                                                .data_dir = "/nowhere"};
    const struct producer_handler handler = {
        .on_delivery = on_delivery, .on_room = on_room, .context = f};
    if (broker_open(&f->broker, &broker_config, &f->err) != 0 ||
        producer_open(&f->producer, f->broker, &handler, &f->err) != 0 ||
        sink_open(&f->sink.inner, &sink_settings, false, &f->err) != 0)
        fail_msg("%s", f->err.text);
    f->sink.sink.driver = &moody_driver;
    atomic_store(&f->sink.poison_vehicle, -1);
    f->config = (struct store_config){.sink = sink_settings};
    f->topic = broker_topic(f->broker, "gpscoords.position", 0, &f->err);
    rows_init(&f->rows);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    store_stop(f->store);
    producer_close(f->producer, DEADLINE_NS);
    broker_close(f->broker);
    sink_close(f->sink.inner);
    rows_deinit(&f->rows);
    free(f);
    return 0;
}

static void start(struct fixture *f)
{
    const char *const topics[] = {"gpscoords.position"};
    if (store_start(&f->store, &f->config, f->broker, &f->sink.sink, topics, 1, &f->err) != 0)
        fail_msg("%s", f->err.text);
}

static void stop(struct fixture *f)
{
    store_stop(f->store);
    f->store = NULL;
}

static void publish(struct fixture *f, struct bytes key, struct bytes value, struct bytes mc)
{
    const struct record record = {
        .key = key, .value = value, .mc = mc, .timestamp_ns = NOON_MS * NS_PER_MS};
    assert_int_equal(producer_publish(f->producer, f->topic, &record, 0), PUBLISH_ACCEPTED);
}

static void publish_rows(struct fixture *f)
{
    for (size_t i = 0; i < f->rows.count; i++) {
        const struct packet *packet = &f->rows.items[i].packet;
        uint8_t mc[MC_MAX];
        const struct mc header = {.dialect = DIALECT_OBU,
                                  .has_event_time = true,
                                  .received_ns = packet->received_ns,
                                  .identity = packet->identity};
        size_t len = mc_encode(&header, mc);
        publish(f, packet->vehicle, f->rows.items[i].canonical, bytes_of((const char *)mc, len));
    }
    producer_flush(f->producer);
}

/* Packets of vehicles 0..vehicles-1, `each` of them each, as the handler writes them. */
static void publish_packets(struct fixture *f, int vehicles, int each)
{
    rows_clear(&f->rows);
    for (int i = 0; i < vehicles * each; i++)
        rows_add(&f->rows, (NOON_MS + i) * NS_PER_MS + 7,
                 "{\"obuid\":%d,\"lat\":45.5,\"lon\":%d.25,\"time\":%lld}", i % vehicles, i % 90,
                 (long long)(NOON_MS + i));
    publish_rows(f);
}

static uint64_t stored(struct fixture *f)
{
    const struct sink_query all = {.from_ms = INT64_MIN, .to_ms = INT64_MAX};
    uint64_t count;
    assert_int_equal(sink_count(f->sink.inner, &all, &count, &f->err), 0);
    return count;
}

static int64_t uncommitted(struct fixture *f)
{
    int64_t left = 0;
    for (int p = 0; p < broker_partitions(f->broker, f->topic); p++) {
        struct broker_offsets offsets;
        assert_int_equal(broker_offsets(f->broker, f->topic, p, &offsets, &f->err), 0);
        int64_t committed = broker_committed(f->broker, STORE_GROUP, f->topic, p);
        left += offsets.end - (committed > 0 ? committed : 0);
    }
    return left;
}

static void wait_until(struct fixture *f, bool (*is_so)(struct fixture *f))
{
    int64_t deadline_ns = clock_monotonic_ns() + DEADLINE_NS;
    const struct timespec step = {.tv_nsec = NS_PER_MS};
    while (!is_so(f)) {
        producer_poll(f->producer);
        assert_true(clock_monotonic_ns() < deadline_ns);
        nanosleep(&step, NULL);
    }
}

static bool is_all_delivered(struct fixture *f)
{
    return producer_pending(f->producer) == 0;
}

static bool is_all_committed(struct fixture *f)
{
    return is_all_delivered(f) && uncommitted(f) == 0;
}

/* The dead letters so far: how many, and the last one's reason. */
static size_t dead_letters(struct fixture *f, enum reason *reason, struct mc *last)
{
    int topic = broker_find_topic(f->broker, "gpscoords.dead-letters");
    const struct consumer_options options = {
        .topics = &topic, .topic_count = 1, .start = CONSUMER_FROM_EARLIEST};
    struct consumer *consumer;
    struct consumed_batch batch;
    size_t count = 0;
    assert_true(topic >= 0);
    assert_int_equal(consumer_open(&consumer, f->broker, &options, &f->err), 0);
    do {
        assert_int_equal(consumer_fetch(consumer, &batch, 1000, 0, &f->err), 0);
        for (size_t i = 0; i < batch.count; i++) {
            assert_true(mc_decode(batch.records[i].record.mc, last));
            assert_true(last->is_dead_letter);
            assert_true(bytes_equal_text(last->source_topic, "gpscoords.position"));
            *reason = last->reason;
        }
        count += batch.count;
    } while (batch.count > 0);
    consumer_close(consumer);
    return count;
}

/* ---- tests ---- */

static void test_packets_are_stored_and_committed(void **state)
{
    struct fixture *f = *state;
    start(f);
    publish_packets(f, 50, 20);
    wait_until(f, is_all_committed);
    assert_int_equal(stored(f), 1000);
}

static void test_a_new_start_goes_on_after_the_committed_position(void **state)
{
    struct fixture *f = *state;
    start(f);
    publish_packets(f, 10, 10);
    wait_until(f, is_all_committed);
    stop(f);
    int writes = atomic_load(&f->sink.writes);
    start(f);
    publish_packets(f, 1, 1);
    wait_until(f, is_all_committed);
    assert_int_equal(atomic_load(&f->sink.writes), writes + 1);
    assert_int_equal(stored(f), 100); /* the one packet was known */
}

static void test_nothing_is_committed_while_the_database_is_away(void **state)
{
    struct fixture *f = *state;
    atomic_store(&f->sink.failures_left, 1 << 30);
    f->config.drain_timeout_ns = NS_PER_MS;
    start(f);
    publish_packets(f, 10, 10);
    wait_until(f, is_all_delivered);
    int64_t deadline_ns = clock_monotonic_ns() + DEADLINE_NS;
    while (atomic_load(&f->sink.writes) < 8) /* past the breaker */
        assert_true(clock_monotonic_ns() < deadline_ns);
    stop(f);
    assert_int_equal(uncommitted(f), 100);
    assert_int_equal(stored(f), 0);
    atomic_store(&f->sink.failures_left, 0);
    start(f);
    wait_until(f, is_all_committed);
    assert_int_equal(stored(f), 100);
}

static void test_a_failing_database_is_tried_until_it_works(void **state)
{
    struct fixture *f = *state;
    atomic_store(&f->sink.failures_left, 7);
    start(f);
    publish_packets(f, 10, 10);
    wait_until(f, is_all_committed);
    assert_int_equal(stored(f), 100);
    assert_int_equal(atomic_load(&f->sink.failures_left), 0);
}

static void test_what_the_database_refuses_becomes_a_dead_letter(void **state)
{
    struct fixture *f = *state;
    enum reason reason;
    struct mc mc;
    atomic_store(&f->sink.poison_vehicle, 3);
    start(f);
    publish_packets(f, 10, 10);
    wait_until(f, is_all_committed);
    assert_int_equal(stored(f), 90);
    assert_int_equal(dead_letters(f, &reason, &mc), 10);
    assert_int_equal(reason, REASON_SINK_REFUSED);
}

static void test_what_can_not_be_decoded_becomes_a_dead_letter(void **state)
{
    struct fixture *f = *state;
    enum reason reason;
    struct mc mc;
    start(f);
    publish(f, BYTES("7"), BYTES("{\"vehicle\":"), BYTES(""));
    publish_packets(f, 5, 2);
    publish(f, BYTES("7"), f->rows.items[0].canonical, BYTES("")); /* no header */
    producer_flush(f->producer);
    wait_until(f, is_all_committed);
    assert_int_equal(stored(f), 10);
    assert_int_equal(dead_letters(f, &reason, &mc), 2);
    assert_int_equal(reason, REASON_UNDECODABLE);
}

static void test_stopping_writes_what_is_in_hand(void **state)
{
    struct fixture *f = *state;
    f->config.sink.batch_age_ns = 3600 * NS_PER_S;
    f->config.sink.batch_rows = 100000;
    start(f);
    publish_packets(f, 10, 10);
    wait_until(f, is_all_delivered);
    int64_t deadline_ns = clock_monotonic_ns() + DEADLINE_NS;
    while (metrics_value(METRIC_BROKER_FETCHED, 0) < 100)
        assert_true(clock_monotonic_ns() < deadline_ns);
    stop(f);
    assert_int_equal(stored(f), 100);
    assert_int_equal(uncommitted(f), 0);
}

/* ---- transforms ---- */

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static struct shape *load_shape(struct fixture *f)
{
    char folder[] = "/tmp/test-store-XXXXXX", yaml[64], schema[64];
    struct shape *shape;
    assert_non_null(mkdtemp(folder));
    snprintf(yaml, sizeof yaml, "%s/shape.yaml", folder);
    snprintf(schema, sizeof schema, "%s/schema.json", folder);
    write_text(yaml, "categories:\n"
                     "  - name: position\n"
                     "    transform: [{op: distance, max_gap: 1h}, {op: drop, fields: note}]\n"
                     "    schema: schema.json\n");
    write_text(schema, "{\"properties\":{\"signals\":{\"properties\":{\"bad\":false,\"note\":"
                       "false}}}}");
    if (shape_load(&shape, yaml, &f->err) != 0)
        fail_msg("%s", f->err.text);
    unlink(yaml);
    unlink(schema);
    rmdir(folder);
    return shape;
}

/* Points of one vehicle on a meridian, a minute and a thousandth of a degree apart. */
static void publish_way(struct fixture *f, int from, int to, const char *more)
{
    rows_clear(&f->rows);
    for (int i = from; i < to; i++)
        rows_add(&f->rows, (NOON_MS + i) * NS_PER_MS,
                 "{\"obuid\":1,\"lat\":45.%03d,\"lon\":8,\"time\":%lld,\"note\":\"n\"%s}", i,
                 (long long)(NOON_MS + INT64_C(60000) * i), more);
    publish_rows(f);
}

struct way {
    int rows, with_distance, with_note;
};

static bool look_at_row(void *context, const struct sink_row *row)
{
    struct way *way = context;
    char text[1024];
    assert_true(row->canonical.len < sizeof text);
    memcpy(text, row->canonical.ptr, row->canonical.len);
    text[row->canonical.len] = '\0';
    way->rows++;
    way->with_distance += strstr(text, "\"distance\":111.19") != NULL;
    way->with_note += strstr(text, "note") != NULL;
    return true;
}

/* The first point has no distance; every other one has, also the first after a
 * restart: the records before it were read again. */
static void test_rows_are_changed_as_if_there_were_no_restart(void **state)
{
    struct fixture *f = *state;
    struct shape *shape = load_shape(f);
    f->config.shape = shape;
    f->config.transform_vehicles = 1000;
    start(f);
    publish_way(f, 0, 5, "");
    wait_until(f, is_all_committed);
    stop(f);
    publish_way(f, 5, 10, "");
    start(f);
    wait_until(f, is_all_committed);
    stop(f);
    const struct sink_query all = {.from_ms = INT64_MIN, .to_ms = INT64_MAX};
    struct sink_cursor cursor = {.is_end = false};
    struct way way = {0};
    assert_int_equal(sink_find(f->sink.inner, &all, &cursor, 100, look_at_row, &way, &f->err), 0);
    assert_int_equal(way.rows, 10);
    assert_int_equal(way.with_distance, 9);
    assert_int_equal(way.with_note, 0);
    shape_free(shape);
}

static void test_what_a_schema_refuses_becomes_a_dead_letter(void **state)
{
    struct fixture *f = *state;
    struct shape *shape = load_shape(f);
    struct mc last;
    enum reason reason = REASON_NONE;
    f->config.shape = shape;
    f->config.transform_vehicles = 1000;
    start(f);
    publish_way(f, 0, 2, "");
    publish_way(f, 2, 3, ",\"bad\":1");
    publish_way(f, 3, 4, "");
    wait_until(f, is_all_committed);
    stop(f);
    assert_int_equal(stored(f), 3);
    assert_int_equal(dead_letters(f, &reason, &last), 1);
    assert_int_equal(reason, REASON_RULE_JSON_SCHEMA);
    shape_free(shape);
}

static void test_names_of_dead_letter_topics(void **state)
{
    (void)state;
    char name[40];
    assert_int_equal(letters_topic_name("gpscoords.position", name, sizeof name), 0);
    assert_string_equal(name, "gpscoords.dead-letters");
    assert_int_equal(letters_topic_name("a.b.other", name, sizeof name), 0);
    assert_string_equal(name, "a.b.dead-letters");
    assert_int_equal(letters_topic_name("plain", name, sizeof name), 0);
    assert_string_equal(name, "plain.dead-letters");
    assert_int_equal(letters_topic_name("plain", name, 10), -1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_stopping_writes_what_is_in_hand), /* first: it reads a counter from 0 */
        TEST(test_packets_are_stored_and_committed),
        TEST(test_a_new_start_goes_on_after_the_committed_position),
        TEST(test_nothing_is_committed_while_the_database_is_away),
        TEST(test_a_failing_database_is_tried_until_it_works),
        TEST(test_what_the_database_refuses_becomes_a_dead_letter),
        TEST(test_what_can_not_be_decoded_becomes_a_dead_letter),
        TEST(test_rows_are_changed_as_if_there_were_no_restart),
        TEST(test_what_a_schema_refuses_becomes_a_dead_letter),
        cmocka_unit_test(test_names_of_dead_letter_topics),
    };
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
