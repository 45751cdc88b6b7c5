/* SPDX-License-Identifier: Apache-2.0 */
/* The Kafka back end against librdkafka's cluster in memory, which breaks on
 * request: what a real cluster does once a year. The ordinary life is in
 * tests/contract. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <librdkafka/rdkafka.h>

#include <librdkafka/rdkafka_mock.h>

#include "base/buf.h"
#include "base/clock.h"
#include "broker/broker.h"
#include "broker/config.h"
#include "broker/kafka/config.h"
#include "broker/kafka/consumer.h"
#include "broker/kafka/stats.h"
#include "observe/metrics.h"

#define SECOND NS_PER_S
#define DEADLINE (30 * SECOND)

enum { BROKERS = 3, PARTITIONS = 3, KEYS = 7, TAGS_MAX = 20000, API_PRODUCE = 0 };

struct fixture {
    rd_kafka_t *owner; /* of the cluster */
    rd_kafka_mock_cluster_t *cluster;
    const char *address;
    struct kafka_config kafka;
    struct broker_config config;
    struct broker *broker;
    struct producer *producer;
    int topic;
    uint64_t tags[TAGS_MAX]; /* as told, in that order */
    size_t told, durable, failed, returned, rooms;
};

static void on_delivery(void *context, uint64_t tag, enum delivery delivery, int64_t offset)
{
    struct fixture *f = context;
    (void)offset;
    f->tags[f->told++] = tag;
    if (delivery == DELIVERY_DURABLE)
        f->durable++;
    else
        f->failed++;
}

static void make_text(char text[16], char letter, uint64_t tag)
{
    snprintf(text, 16, "%c%u", letter, (unsigned)tag);
}

static void on_return(void *context, uint64_t tag, int topic, const struct record *record)
{
    struct fixture *f = context;
    char key[16];
    char value[16];
    make_text(key, 'k', tag % KEYS);
    make_text(value, 'v', tag);
    assert_int_equal(topic, f->topic);
    assert_true(bytes_equal_text(record->key, key));
    assert_true(bytes_equal_text(record->value, value));
    assert_true(bytes_equal_text(record->mc, "header"));
    assert_int_equal(record->timestamp_ns, (int64_t)tag * NS_PER_S + 5);
    f->tags[f->told++] = tag;
    f->returned++;
}

static void on_room(void *context)
{
    ((struct fixture *)context)->rooms++;
}

static void open_cluster(struct fixture *f)
{
    char reason[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "test.mock.num.brokers", "3", reason, sizeof reason);
    f->owner = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
    assert_non_null(f->owner);
    f->cluster = rd_kafka_handle_mock_cluster(f->owner);
    rd_kafka_mock_topic_create(f->cluster, "t", PARTITIONS, BROKERS);
    f->address = rd_kafka_mock_cluster_bootstraps(f->cluster);
}

static void configure(struct fixture *f)
{
    f->kafka = (struct kafka_config){.brokers = {&f->address, 1},
                                     .client_id = "test",
                                     .prefix = "",
                                     .start_timeout_ns = 5 * SECOND,
                                     .tls = {.ca = "", .cert = "", .key = "", .key_password = ""},
                                     .sasl = {.username = "", .password = ""},
                                     .topic = {.partitions = PARTITIONS, .replication = BROKERS},
                                     .producer = {.linger_ns = NS_PER_MS,
                                                  .batch_records = 100,
                                                  .batch_bytes = 100000,
                                                  .timeout_ns = DEADLINE},
                                     .consumer = {.group_instance_id = "",
                                                  .session_timeout_ns = 10 * SECOND,
                                                  .poll_interval_ns = 60 * SECOND,
                                                  .queue_records = 10000,
                                                  .queue_bytes = 16 << 20}};
    f->config = (struct broker_config){.kind = BROKER_KAFKA,
                                       .partitions = PARTITIONS,
                                       .producer_queue_records = 5000,
                                       .producer_queue_bytes = 4 << 20,
                                       .record_bytes_max = 10000,
                                       .kafka = &f->kafka};
}

static void open_producer(struct fixture *f, bool takes_back)
{
    struct error err = {0};
    const struct producer_handler handler = {.on_delivery = on_delivery,
                                             .on_return = takes_back ? on_return : NULL,
                                             .on_room = on_room,
                                             .context = f};
    if (producer_open(&f->producer, f->broker, &handler, &err) != 0)
        fail_msg("%s", err.text);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct error err = {0};
    open_cluster(f);
    configure(f);
    if (broker_open(&f->broker, &f->config, &err) != 0)
        fail_msg("%s", err.text);
    f->topic = broker_topic(f->broker, "t", 0, &err);
    if (f->topic < 0)
        fail_msg("%s", err.text);
    open_producer(f, true);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    producer_close(f->producer, 0);
    broker_close(f->broker);
    rd_kafka_destroy(f->owner);
    free(f);
    return 0;
}

static enum publish_result publish(struct fixture *f, uint64_t tag)
{
    char key[16];
    char value[16];
    make_text(key, 'k', tag % KEYS);
    make_text(value, 'v', tag);
    const struct record record = {.key = bytes_from_text(key),
                                  .value = bytes_from_text(value),
                                  .mc = BYTES("header"),
                                  .timestamp_ns = (int64_t)tag * NS_PER_S + 5};
    return producer_publish(f->producer, f->topic, &record, tag);
}

/* Tags from..to-1, waiting where there is no room. */
static void publish_range(struct fixture *f, uint64_t from, uint64_t to)
{
    for (uint64_t tag = from; tag < to; tag++)
        while (publish(f, tag) == PUBLISH_FULL)
            producer_wait(f->producer, SECOND / 100);
}

static void wait_told(struct fixture *f, size_t count)
{
    int64_t deadline = clock_monotonic_ns() + DEADLINE;
    while (f->told < count) {
        assert_true(clock_monotonic_ns() < deadline);
        producer_wait(f->producer, SECOND / 20);
    }
}

/* Each tag below n once, those of a key in order. */
static void expect_told_in_order(const struct fixture *f, uint64_t n)
{
    uint64_t next[KEYS] = {0, 1, 2, 3, 4, 5, 6};
    assert_int_equal(f->told, n);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(f->tags[i], next[f->tags[i] % KEYS]);
        next[f->tags[i] % KEYS] += KEYS;
    }
}

static void break_brokers(struct fixture *f, bool is_down)
{
    for (int i = 1; i <= BROKERS; i++) {
        if (is_down)
            rd_kafka_mock_broker_set_down(f->cluster, i);
        else
            rd_kafka_mock_broker_set_up(f->cluster, i);
    }
}

/* What is in the topic, each key's values in order; how many. May hold a value
 * twice where `may_repeat`. */
static size_t read_topic(struct fixture *f, uint64_t n, bool may_repeat)
{
    const struct consumer_options options = {
        .topics = &f->topic, .topic_count = 1, .start = CONSUMER_FROM_EARLIEST};
    struct consumer *consumer;
    struct error err = {0};
    if (consumer_open(&consumer, f->broker, &options, &err) != 0)
        fail_msg("%s", err.text);
    unsigned *seen = calloc(n, sizeof *seen);
    uint64_t last[KEYS] = {0};
    size_t different = 0;
    size_t all = 0;
    int64_t deadline = clock_monotonic_ns() + DEADLINE;
    while (different < n && clock_monotonic_ns() < deadline) {
        struct consumed_batch batch;
        assert_int_equal(consumer_fetch(consumer, &batch, 1000, SECOND, NULL), 0);
        for (size_t i = 0; i < batch.count; i++, all++) {
            const struct record *record = &batch.records[i].record;
            uint64_t tag = strtoull(record->value.ptr + 1, NULL, 10);
            assert_true(tag < n && (may_repeat || seen[tag] == 0));
            if (seen[tag]++ == 0) {
                assert_true(last[tag % KEYS] <= tag);
                last[tag % KEYS] = tag;
                different++;
            }
        }
    }
    consumer_close(consumer);
    free(seen);
    assert_int_equal(different, n);
    return all;
}

/* ---- errors of the cluster ---- */

static void passing_errors_are_nobody_s_business(void **state)
{
    struct fixture *f = *state;
    rd_kafka_mock_push_request_errors(
        f->cluster, API_PRODUCE, 4, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
        RD_KAFKA_RESP_ERR__TRANSPORT);
    publish_range(f, 0, 2000);
    wait_told(f, 2000);
    expect_told_in_order(f, 2000);
    assert_int_equal(f->durable, 2000);
    read_topic(f, 2000, true); /* this cluster knows no sequence numbers */
}

static void a_duplicate_sequence_number_is_success(void **state)
{
    struct fixture *f = *state;
    rd_kafka_mock_push_request_errors(f->cluster, API_PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_DUPLICATE_SEQUENCE_NUMBER);
    publish_range(f, 0, 50);
    wait_told(f, 50);
    assert_int_equal(f->durable, 50);
}

static void what_the_cluster_will_never_take_has_failed(void **state)
{
    struct fixture *f = *state;
    rd_kafka_mock_push_request_errors(f->cluster, API_PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    assert_int_equal(publish(f, 0), PUBLISH_ACCEPTED);
    wait_told(f, 1);
    assert_int_equal(f->failed, 1);
    publish_range(f, 1, 100);
    wait_told(f, 100);
    assert_int_equal(f->durable, 99);
}

static void leaders_may_move_under_load(void **state)
{
    struct fixture *f = *state;
    for (unsigned round = 0; round < 6; round++) {
        publish_range(f, round * 500, (round + 1) * 500);
        for (int p = 0; p < PARTITIONS; p++)
            rd_kafka_mock_partition_set_leader(f->cluster, "t", p, 1 + ((int)round + p) % BROKERS);
    }
    wait_told(f, 3000);
    expect_told_in_order(f, 3000);
    assert_int_equal(f->durable, 3000);
}

/* ---- away and back ---- */

static void records_wait_for_a_cluster_that_is_away(void **state)
{
    struct fixture *f = *state;
    publish_range(f, 0, 100);
    wait_told(f, 100);
    break_brokers(f, true);
    publish_range(f, 100, 1000);
    producer_wait(f->producer, SECOND / 5);
    assert_int_equal(f->told, 100);
    break_brokers(f, false);
    wait_told(f, 1000);
    expect_told_in_order(f, 1000);
    assert_int_equal(f->durable, 1000);
}

static void a_full_queue_has_room_again(void **state)
{
    struct fixture *f = *state;
    uint64_t tag = 0;
    break_brokers(f, true);
    while (publish(f, tag) == PUBLISH_ACCEPTED)
        tag++;
    assert_int_equal(tag, 5000);
    assert_int_equal(f->rooms, 0);
    break_brokers(f, false);
    wait_told(f, 5000);
    producer_poll(f->producer);
    assert_int_equal(f->rooms, 1);
    assert_int_equal(f->durable, 5000);
    expect_told_in_order(f, 5000);
}

static void a_recall_gives_back_in_order(void **state)
{
    struct fixture *f = *state;
    publish_range(f, 0, 100);
    wait_told(f, 100);
    break_brokers(f, true);
    publish_range(f, 100, 2000);
    producer_recall(f->producer);
    wait_told(f, 2000);
    expect_told_in_order(f, 2000);
    assert_int_equal(f->durable, 100);
    assert_int_equal(f->returned, 1900);
    break_brokers(f, false);
    publish_range(f, 2000, 2100); /* and it goes on */
    wait_told(f, 2100);
    assert_int_equal(f->durable, 200);
}

/* What is on the wire is purged with what still waits, and told in order. */
static void a_recall_under_way_keeps_the_order(void **state)
{
    struct fixture *f = *state;
    for (int i = 1; i <= BROKERS; i++)
        rd_kafka_mock_broker_set_rtt(f->cluster, i, 300);
    publish_range(f, 0, 3000);
    producer_wait(f->producer, SECOND / 20);
    producer_recall(f->producer);
    publish_range(f, 3000, 3500);
    wait_told(f, 3500);
    expect_told_in_order(f, 3500);
    assert_true(f->durable >= 500); /* the later ones went their way */
    assert_int_equal(f->durable + f->returned, 3500);
}

static void closing_tells_of_all(void **state)
{
    struct fixture *f = *state;
    break_brokers(f, true);
    publish_range(f, 0, 1000);
    int64_t begun = clock_monotonic_ns();
    producer_close(f->producer, SECOND / 10);
    assert_true(clock_monotonic_ns() - begun < 20 * SECOND);
    expect_told_in_order(f, 1000);
    assert_int_equal(f->returned, 1000);
    open_producer(f, true);
}

/* ---- a broken session ---- */

static int64_t renewals(void)
{
    return metrics_value(METRIC_KAFKA_PRODUCER_RENEWALS, 0);
}

static void a_fatal_error_loses_nothing(void **state)
{
    struct fixture *f = *state;
    int64_t before = renewals();
    publish_range(f, 0, 500);
    wait_told(f, 500);
    rd_kafka_mock_push_request_errors(f->cluster, API_PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    publish_range(f, 500, 4000);
    wait_told(f, 4000);
    assert_int_equal(renewals(), before + 1);
    assert_int_equal(f->durable, 4000);
    expect_told_in_order(f, 4000);
    publish_range(f, 4000, 4100);
    wait_told(f, 4100);
    assert_int_equal(f->durable, 4100);
    read_topic(f, 4100, true);
}

static void a_recall_after_a_fatal_error_gives_back(void **state)
{
    struct fixture *f = *state;
    publish_range(f, 0, 100);
    wait_told(f, 100);
    rd_kafka_mock_push_request_errors(f->cluster, API_PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    publish_range(f, 100, 1000);
    producer_recall(f->producer);
    wait_told(f, 1000);
    expect_told_in_order(f, 1000);
    assert_int_equal(f->durable + f->returned, 1000);
    publish_range(f, 1000, 1100);
    wait_told(f, 1100);
    assert_true(f->durable >= 200);
}

/* ---- topics ---- */

static void expect_topic_error(struct fixture *f, const char *name, const char *text)
{
    struct error err = {0};
    assert_int_equal(broker_topic(f->broker, name, 0, &err), -1);
    if (strstr(err.text, text) == NULL || strstr(err.text, name) == NULL)
        fail_msg("\"%s\" lacks \"%s\"", err.text, text);
    assert_null(strchr(err.text, '\n'));
}

static void what_is_wrong_with_a_topic_is_said(void **state)
{
    struct fixture *f = *state;
    rd_kafka_mock_topic_create(f->cluster, "secret", 1, 1);
    rd_kafka_mock_topic_set_error(f->cluster, "secret",
                                  RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    expect_topic_error(f, "secret", "ACL");
    rd_kafka_mock_topic_create(f->cluster, "large", 300, 1);
    expect_topic_error(f, "large", "300 partitions");
    rd_kafka_mock_topic_set_error(f->cluster, "none", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    expect_topic_error(f, "none", "motorcade topics create");
}

/* ---- consuming ---- */

/* As another process sees the group, while the consumer lives on. */
static void wait_committed(struct fixture *f, struct consumer *consumer, int64_t total)
{
    struct broker *other;
    struct error err = {0};
    struct consumed_batch batch;
    int64_t committed = 0;
    int64_t deadline = clock_monotonic_ns() + DEADLINE;
    assert_int_equal(broker_open(&other, &f->config, &err), 0);
    int topic = broker_topic(other, "t", 0, &err);
    while (committed < total) {
        assert_true(clock_monotonic_ns() < deadline);
        assert_int_equal(consumer_fetch(consumer, &batch, 50, SECOND / 10, &err), 0);
        assert_int_equal(batch.count, 0);
        committed = 0;
        for (int p = 0; p < PARTITIONS; p++) {
            int64_t position = broker_committed(other, "g", topic, p);
            committed += position > 0 ? position : 0;
        }
    }
    assert_int_equal(committed, total);
    broker_close(other);
}

static void a_consumer_outlives_the_cluster_s_absence(void **state)
{
    struct fixture *f = *state;
    publish_range(f, 0, 200);
    wait_told(f, 200);
    const struct consumer_options options = {
        .group = "g", .topics = &f->topic, .topic_count = 1, .start = CONSUMER_FROM_COMMITTED};
    struct consumer *consumer;
    assert_int_equal(consumer_open(&consumer, f->broker, &options, NULL), 0);
    size_t got = 0;
    bool was_away = false;
    int64_t deadline = clock_monotonic_ns() + DEADLINE;
    while (got < 400) {
        struct consumed_batch batch;
        struct error err = {0};
        assert_true(clock_monotonic_ns() < deadline);
        if (consumer_fetch(consumer, &batch, 50, SECOND / 10, &err) != 0)
            fail_msg("%s", err.text);
        for (size_t i = 0; i < batch.count; i++)
            assert_int_equal(consumer_commit(consumer, f->topic, batch.records[i].partition,
                                             batch.records[i].offset + 1, NULL),
                             0);
        got += batch.count;
        if (got < 200 || was_away)
            continue;
        was_away = true;
        break_brokers(f, true);
        consumer_fetch(consumer, &batch, 50, SECOND / 2, &err);
        assert_int_equal(batch.count, 0);
        break_brokers(f, false);
        publish_range(f, 200, 400);
        wait_told(f, 400);
    }
    assert_int_equal(consumer_owned(consumer), PARTITIONS);
    wait_committed(f, consumer, 400);
    consumer_close(consumer);
}

/* What a consumer of this kind asks brokers to wait, by the profile or as set. */
static void expect_fetch_wait(struct fixture *f, bool is_patient, const char *expected)
{
    const struct consumer_options options = {.topics = &f->topic,
                                             .topic_count = 1,
                                             .start = CONSUMER_FROM_EARLIEST,
                                             .is_patient = is_patient};
    struct consumer *consumer;
    char value[32];
    size_t size = sizeof value;
    assert_int_equal(consumer_open(&consumer, f->broker, &options, NULL), 0);
    const rd_kafka_conf_t *conf = rd_kafka_conf(as_consumer(consumer)->client.rk);
    assert_int_equal(rd_kafka_conf_get(conf, "fetch.wait.max.ms", value, &size), RD_KAFKA_CONF_OK);
    assert_string_equal(value, expected);
    consumer_close(consumer);
}

static void fetches_wait_for_company(void **state)
{
    struct fixture *f = *state;
    expect_fetch_wait(f, false, "20");
    expect_fetch_wait(f, true, "50");
    f->kafka.profile = KAFKA_PROFILE_THROUGHPUT;
    expect_fetch_wait(f, false, "50");
    f->kafka.consumer.fetch_wait_ns = 7 * NS_PER_MS;
    expect_fetch_wait(f, true, "7");
    f->kafka.consumer.fetch_wait_ns = 1; /* a millisecond is the least */
    expect_fetch_wait(f, true, "1");
}

/* ---- statistics ---- */

static void statistics_become_metrics(void **state)
{
    (void)state;
    static const char json[] =
        "{\"msg_cnt\":12,\"msg_size\":3400,\"txmsgs\":99,\"brokers\":{"
        "\"b:9092/1\":{\"nodeid\":1,\"nodename\":\"b:9092\",\"state\":\"UP\",\"outbuf_cnt\":3,"
        "\"rtt\":{\"avg\":150,\"p99\":900}},"
        "\"b:9092/bootstrap\":{\"nodeid\":-1,\"nodename\":\"b:9092\",\"state\":\"UP\"},"
        "\"evil\":{\"nodeid\":2,\"nodename\":\"a\\\"b\",\"state\":\"UP\"}},"
        "\"topics\":{\"t\":{\"batchcnt\":{\"avg\":41}},\"u\":{\"batchcnt\":{\"avg\":0}}},"
        "\"cgrp\":{\"assignment_size\":6}}";
    kafka_stats_take("producer-7", json, sizeof json - 1);
    kafka_stats_take("producer-8", "{\"msg_cnt\":", 11);
    kafka_stats_take("producer-8", "[]", 2);
    struct buf page;
    buf_init(&page, 1 << 22);
    assert_int_equal(metrics_print(&page, METRICS_PROMETHEUS), 0);
    buf_append_char(&page, '\0');
    assert_non_null(strstr(page.ptr, "kafka_queue_records{client=\"producer-7\"} 12\n"));
    assert_non_null(strstr(
        page.ptr, "kafka_rtt_p99_seconds{client=\"producer-7\",broker=\"b:9092\"} 0.0009\n"));
    assert_non_null(
        strstr(page.ptr, "kafka_broker_up{client=\"producer-7\",broker=\"b:9092\"} 1\n"));
    assert_non_null(strstr(page.ptr, "kafka_assigned_partitions{client=\"producer-7\"} 6\n"));
    assert_non_null(
        strstr(page.ptr, "kafka_batch_records_average{client=\"producer-7\",topic=\"t\"} 41\n"));
    assert_null(strstr(page.ptr, "topic=\"u\""));
    assert_null(strstr(page.ptr, "producer-8"));
    assert_null(strstr(page.ptr, "a\"b"));
    buf_deinit(&page);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(passing_errors_are_nobody_s_business),
        CASE(a_duplicate_sequence_number_is_success),
        CASE(what_the_cluster_will_never_take_has_failed),
        CASE(leaders_may_move_under_load),
        CASE(records_wait_for_a_cluster_that_is_away),
        CASE(a_full_queue_has_room_again),
        CASE(a_recall_gives_back_in_order),
        CASE(a_recall_under_way_keeps_the_order),
        CASE(closing_tells_of_all),
        CASE(a_fatal_error_loses_nothing),
        CASE(a_recall_after_a_fatal_error_gives_back),
        CASE(what_is_wrong_with_a_topic_is_said),
        CASE(a_consumer_outlives_the_cluster_s_absence),
        CASE(fetches_wait_for_company),
        cmocka_unit_test(statistics_become_metrics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
