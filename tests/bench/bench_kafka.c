/* SPDX-License-Identifier: Apache-2.0 */
/* G6: the Kafka back end. Records of a 148-byte value, a 12-byte key and a 44-byte
 * header into six partitions of one broker. Interleaved in one run, medians:
 *   produce   CPU a record (all threads of this process), ours against a bare
 *             librdkafka loop with the same record and the same properties
 *   consume   records a second through a consumer without group, and the longest
 *             time between two batches
 *   batches   records in a batch at 50,000 a second, by profile
 *
 * usage: bench_kafka [HOST:PORT] [RECORDS]
 * Without address it is $MOTORCADE_TEST_KAFKA, else librdkafka's cluster in memory
 * (which keeps too little to be consumed). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <librdkafka/rdkafka.h>

#include <librdkafka/rdkafka_mock.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/must.h"
#include "broker/broker.h"
#include "broker/config.h"
#include "broker/kafka/config.h"
#include "observe/log.h"
#include "observe/metrics.h"

enum { ROUNDS = 5, VALUE = 148, KEY = 12, MC = 44, TURN = 400, PARTITIONS = 6 };
enum { RATE = 50000, PACED_S = 11 };

static char value[VALUE], mc[MC];
static const char *address;
static char prefix[64];
static struct kafka_config kafka;

static double cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void make_key(char key[KEY + 1], unsigned long i)
{
    snprintf(key, KEY + 1, "v%011lu", i * 7919 % 200000);
}

static int by_value(const void *a, const void *b)
{
    double first = *(const double *)a;
    double second = *(const double *)b;
    return first < second ? -1 : first > second;
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, by_value);
    return values[count / 2];
}

/* ---- ours ---- */

static void on_delivery(void *context, uint64_t tag, enum delivery delivery, int64_t offset)
{
    (void)tag;
    (void)offset;
    must(delivery == DELIVERY_DURABLE);
    ++*(uint64_t *)context;
}

static struct broker *open_broker(void)
{
    kafka = (struct kafka_config){
        .brokers = {&address, 1},
        .client_id = "bench",
        .prefix = prefix,
        .start_timeout_ns = 30 * NS_PER_S,
        .profile = kafka.profile,
        .tls = {.ca = "", .cert = "", .key = "", .key_password = ""},
        .sasl = {.username = "", .password = ""},
        .topic = {.may_create = true,
                  .partitions = PARTITIONS,
                  .replication = 1,
                  .min_insync_replicas = 1,
                  .retention_ns = 3600 * NS_PER_S,
                  .max_message_bytes = 2 << 20},
        .producer = {.batch_records = 10000, .batch_bytes = 999424, .timeout_ns = 300 * NS_PER_S},
        .consumer = {.group_instance_id = "",
                     .session_timeout_ns = 45 * NS_PER_S,
                     .poll_interval_ns = 300 * NS_PER_S,
                     .queue_records = 1000000,
                     .queue_bytes = INT64_C(256) << 20}};
    const struct broker_config config = {.kind = BROKER_KAFKA,
                                         .partitions = PARTITIONS,
                                         .producer_queue_records = 65536,
                                         .producer_queue_bytes = 32 << 20,
                                         .record_bytes_max = 1 << 20,
                                         .kafka = &kafka};
    struct error err = {0};
    struct broker *broker;
    if (broker_open(&broker, &config, &err) != 0) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    return broker;
}

static int open_topic(struct broker *broker, const char *name)
{
    struct error err = {0};
    int topic = broker_topic(broker, name, 0, &err);
    if (topic < 0) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    return topic;
}

static struct producer *open_producer(struct broker *broker, uint64_t *delivered)
{
    struct producer_handler handler = {.on_delivery = on_delivery, .context = delivered};
    struct producer *producer;
    must(producer_open(&producer, broker, &handler, NULL) == 0);
    return producer;
}

static void publish(struct producer *producer, int topic, unsigned long i)
{
    char key[KEY + 1];
    make_key(key, i);
    const struct record record = {.key = {key, KEY},
                                  .value = {value, VALUE},
                                  .mc = {mc, MC},
                                  .timestamp_ns = clock_wall_ns()};
    while (producer_publish(producer, topic, &record, i) == PUBLISH_FULL)
        producer_wait(producer, NS_PER_MS);
}

static double produce_ours(struct broker *broker, int topic, unsigned long records)
{
    uint64_t delivered = 0;
    struct producer *producer = open_producer(broker, &delivered);
    double begun = cpu_ns();
    for (unsigned long i = 0; i < records; i++) {
        publish(producer, topic, i);
        if (i % TURN == TURN - 1) {
            producer_flush(producer);
            producer_poll(producer);
        }
    }
    while (delivered < records)
        producer_wait(producer, NS_PER_S);
    double spent = cpu_ns() - begun;
    producer_close(producer, NS_PER_S);
    return spent / (double)records;
}

/* ---- the bare loop ---- */

static void on_report(rd_kafka_t *rk, const rd_kafka_message_t *message, void *context)
{
    (void)rk;
    must(message->err == RD_KAFKA_RESP_ERR_NO_ERROR);
    ++*(uint64_t *)context;
}

static rd_kafka_t *open_bare(uint64_t *delivered)
{
    static const char *const properties[][2] = {{"acks", "all"},
                                                {"enable.idempotence", "true"},
                                                {"linger.ms", "5"},
                                                {"batch.num.messages", "10000"},
                                                {"batch.size", "999424"},
                                                {"queue.buffering.max.messages", "131072"},
                                                {"socket.nagle.disable", "true"}};
    char reason[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", address, reason, sizeof reason);
    for (size_t i = 0; i < sizeof properties / sizeof properties[0]; i++)
        must(rd_kafka_conf_set(conf, properties[i][0], properties[i][1], reason, sizeof reason) ==
             RD_KAFKA_CONF_OK);
    rd_kafka_conf_set_dr_msg_cb(conf, on_report);
    rd_kafka_conf_set_opaque(conf, delivered);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
    must(rk != NULL);
    return rk;
}

static void produce_one(rd_kafka_t *rk, rd_kafka_topic_t *topic, unsigned long i)
{
    char key[KEY + 1];
    make_key(key, i);
    const rd_kafka_vu_t arguments[] = {
        {.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = topic},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {.ptr = value, .size = VALUE}},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {.ptr = key, .size = KEY}},
        {.vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = clock_wall_ns() / NS_PER_MS},
        {.vtype = RD_KAFKA_VTYPE_HEADER, .u.header = {.name = "mc", .val = mc, .size = MC}},
    };
    rd_kafka_error_t *error;
    while ((error = rd_kafka_produceva(rk, arguments, sizeof arguments / sizeof arguments[0])) !=
           NULL) {
        must(rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR__QUEUE_FULL);
        rd_kafka_error_destroy(error);
        rd_kafka_poll(rk, 1);
    }
}

static double produce_bare(const char *name, unsigned long records)
{
    uint64_t delivered = 0;
    rd_kafka_t *rk = open_bare(&delivered);
    char full[128];
    snprintf(full, sizeof full, "%s%s", prefix, name);
    rd_kafka_topic_conf_t *conf = rd_kafka_topic_conf_new();
    rd_kafka_topic_conf_set(conf, "partitioner", "murmur2_random", NULL, 0);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(rk, full, conf);
    double begun = cpu_ns();
    for (unsigned long i = 0; i < records; i++) {
        produce_one(rk, topic, i);
        if (i % TURN == TURN - 1)
            rd_kafka_poll(rk, 0);
    }
    while (delivered < records)
        rd_kafka_poll(rk, 1000);
    double spent = cpu_ns() - begun;
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(rk);
    return spent / (double)records;
}

static void compare_producers(struct broker *broker, int topic, unsigned long records)
{
    double ours[ROUNDS];
    double bare[ROUNDS];
    produce_ours(broker, topic, records / 10); /* the broker warms up */
    for (int i = 0; i < ROUNDS; i++) {
        bare[i] = produce_bare("produce", records);
        ours[i] = produce_ours(broker, topic, records);
    }
    double ours_ns = median(ours, ROUNDS);
    double bare_ns = median(bare, ROUNDS);
    printf("produce  ours %.0f ns of CPU a record, bare librdkafka %.0f: %.2fx (goal 1.3x)\n",
           ours_ns, bare_ns, ours_ns / bare_ns);
}

/* ---- consuming ---- */

static void measure_consumer(struct broker *broker, int topic, unsigned long records)
{
    const struct consumer_options options = {
        .topics = &topic, .topic_count = 1, .start = CONSUMER_FROM_EARLIEST};
    struct consumer *consumer;
    struct consumed_batch batch;
    must(consumer_open(&consumer, broker, &options, NULL) == 0);
    do
        must(consumer_fetch(consumer, &batch, 4096, NS_PER_S, NULL) == 0);
    while (batch.count == 0);
    unsigned long got = 0;
    int64_t gap_ns = 0;
    double cpu = cpu_ns();
    int64_t begun_ns = clock_monotonic_ns();
    int64_t last_ns = begun_ns;
    while (got + 4096 < records) {
        must(consumer_fetch(consumer, &batch, 4096, 5 * NS_PER_S, NULL) == 0);
        int64_t now_ns = clock_monotonic_ns();
        gap_ns = now_ns - last_ns > gap_ns ? now_ns - last_ns : gap_ns;
        last_ns = now_ns;
        got += batch.count;
        must(batch.count == 0 || batch.records[0].record.mc.len == MC);
    }
    double seconds = (double)(clock_monotonic_ns() - begun_ns) / (double)NS_PER_S;
    printf("consume  %.2f M records/s (goal 1), %.0f ns of CPU a record, longest gap %.0f ms\n",
           (double)got / seconds / 1e6, (cpu_ns() - cpu) / (double)got,
           (double)gap_ns / (double)NS_PER_MS);
    consumer_close(consumer);
}

/* ---- batches ---- */

static long average_batch(void)
{
    static const char name[] = "kafka_batch_records_average{";
    struct buf page;
    buf_init(&page, 1 << 22);
    metrics_print(&page, METRICS_PROMETHEUS);
    buf_append_char(&page, '\0');
    const char *at = strstr(page.ptr, name);
    at = at != NULL ? strchr(at, ' ') : NULL;
    long average = at != NULL ? strtol(at, NULL, 10) : -1;
    buf_deinit(&page);
    return average;
}

static void measure_batches(const char *profile, int number, long goal)
{
    uint64_t delivered = 0;
    kafka.profile = number;
    struct broker *broker = open_broker();
    int topic = open_topic(broker, "batches");
    struct producer *producer = open_producer(broker, &delivered);
    int64_t begun_ns = clock_monotonic_ns();
    unsigned long sent = 0;
    for (;;) {
        int64_t past_ns = clock_monotonic_ns() - begun_ns;
        if (past_ns > PACED_S * NS_PER_S)
            break;
        while (sent < (unsigned long)(past_ns / (NS_PER_S / RATE)))
            publish(producer, topic, sent++);
        producer_wait(producer, NS_PER_MS);
    }
    printf("batches  profile %s, %d/s: %ld records in a batch (goal %ld)\n", profile, RATE,
           average_batch(), goal);
    producer_close(producer, NS_PER_S);
    broker_close(broker);
}

/* ---- the run ---- */

static const char *start_mock(rd_kafka_t **owner)
{
    char reason[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "test.mock.num.brokers", "1", reason, sizeof reason);
    *owner = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
    rd_kafka_mock_cluster_t *cluster = rd_kafka_handle_mock_cluster(*owner);
    static const char *const names[] = {"produce", "batches"};
    for (size_t i = 0; i < 2; i++) {
        char full[128];
        snprintf(full, sizeof full, "%s%s", prefix, names[i]);
        rd_kafka_mock_topic_create(cluster, full, PARTITIONS, 1);
    }
    return rd_kafka_mock_cluster_bootstraps(cluster);
}

int main(int argc, char **argv)
{
    unsigned long records = argc > 2 ? strtoul(argv[2], NULL, 10) : 500000;
    rd_kafka_t *mock = NULL;
    log_configure(LOG_ERROR, LOG_LOGFMT);
    memset(value, 'x', sizeof value);
    memset(mc, 'm', sizeof mc);
    snprintf(prefix, sizeof prefix, "bench.%d.", (int)getpid());
    address = argc > 1 ? argv[1] : getenv("MOTORCADE_TEST_KAFKA");
    if (address == NULL || address[0] == '\0')
        address = start_mock(&mock);
    struct broker *broker = open_broker();
    int topic = open_topic(broker, "produce");
    compare_producers(broker, topic, records);
    if (mock == NULL)
        measure_consumer(broker, topic, records * (2 * ROUNDS) + records / 10);
    broker_close(broker);
    measure_batches("latency", KAFKA_PROFILE_LATENCY, 40);
    measure_batches("throughput", KAFKA_PROFILE_THROUGHPUT, 500);
    if (mock != NULL)
        rd_kafka_destroy(mock);
    return 0;
}
