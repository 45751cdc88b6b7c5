/* SPDX-License-Identifier: Apache-2.0 */
/* The handler over a real Kafka: CPU a record (all threads of the process) of the
 * role against a bare librdkafka loop that consumes the same records and produces
 * as many of the same size, interleaved, medians. Both work off a full topic.
 *
 * usage: bench_kafka_handler HOST:PORT [RECORDS [PATH=VALUE...]] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <librdkafka/rdkafka.h>

#include "base/clock.h"
#include "base/must.h"
#include "bench/gps_record.h"
#include "broker/broker.h"
#include "broker/config.h"
#include "broker/kafka/config.h"
#include "config/config.h"
#include "handler/judge.h"
#include "handler/role.h"
#include "observe/log.h"
#include "observe/metrics.h"

enum { ROUNDS = 3, BATCH = 4096, OVERRIDES_MAX = 32 };

static const struct config_module *const modules[] = {&broker_module, &kafka_module,
                                                      &handler_module, NULL};
static const char *address;
static uint64_t records = 600000;
static char prefix[64], name_in[128], name_out[128];

static double cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double first = *(const double *)a;
    double second = *(const double *)b;
    return first < second ? -1 : first > second;
}

/* ---- ours ---- */

static struct config *load_config(int argc, char **argv)
{
    static char brokers[256], own_prefix[128];
    const char *overrides[OVERRIDES_MAX] = {"broker.kind=kafka",
                                            brokers,
                                            own_prefix,
                                            "kafka.topic.create=true",
                                            "kafka.topic.replication=1",
                                            "kafka.topic.min_insync_replicas=1"};
    size_t count = 6;
    snprintf(brokers, sizeof brokers, "kafka.brokers=%s", address);
    snprintf(own_prefix, sizeof own_prefix, "kafka.prefix=%s", prefix);
    for (int i = 3; i < argc && count < OVERRIDES_MAX; i++)
        overrides[count++] = argv[i];
    const struct config_source source = {.overrides = overrides, .override_count = count};
    struct config *config;
    struct error err;
    if (config_load(&config, modules, &source, &err) != 0) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    return config;
}

static struct broker *open_broker(const struct config *config)
{
    struct broker_config broker_config =
        *(const struct broker_config *)config_get(config, &broker_module);
    struct broker *broker;
    struct error err;
    broker_config.kafka = config_get(config, &kafka_module);
    broker_config.data_dir = "/tmp";
    if (broker_open(&broker, &broker_config, &err) != 0) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    return broker;
}

static void on_delivery(void *context, uint64_t tag, enum delivery delivery, int64_t offset)
{
    (void)context, (void)tag, (void)offset;
    must(delivery == DELIVERY_DURABLE);
}

/* How large a record becomes in the handler. */
static size_t canonical_bytes(struct packet_scratch *scratch, struct ruleset *ruleset)
{
    struct gps_record made;
    struct judge judge;
    struct judgement out;
    gps_record_make(scratch, 1, &made);
    must(judge_init(&judge, NULL) == 0);
    const struct consumed in = {.record = made.record};
    judge_record(&judge, ruleset, &in, "gpscoords", &out);
    size_t len = out.record.value.len;
    judge_deinit(&judge);
    return len;
}

static void fill(struct broker *broker, struct packet_scratch *scratch)
{
    const struct producer_handler handler = {.on_delivery = on_delivery};
    struct producer *producer;
    int topic = broker_topic(broker, "gpscoords", 0, NULL);
    must(topic >= 0 && producer_open(&producer, broker, &handler, NULL) == 0);
    for (uint64_t i = 0; i < records; i++) {
        struct gps_record made;
        gps_record_make(scratch, (int)i, &made);
        while (producer_publish(producer, topic, &made.record, 0) != PUBLISH_ACCEPTED)
            producer_wait(producer, 10 * NS_PER_MS);
    }
    producer_close(producer, 60 * NS_PER_S);
}

static double run_ours(const struct config *config, struct broker *broker, struct ruleset *ruleset,
                       int round)
{
    struct handler_config own = *(const struct handler_config *)config_get(config, &handler_module);
    char group[32];
    snprintf(group, sizeof group, "bench-%d", round);
    own.group = group;
    struct handler *handler;
    struct error err;
    int64_t before = metrics_value(METRIC_HANDLER_RECORDS, 0);
    if (handler_start(&handler, &own, broker, ruleset, &err) != 0) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    double begun = cpu_ns();
    while (metrics_value(METRIC_HANDLER_RECORDS, 0) - before < (int64_t)records)
        usleep(20000);
    handler_stop(handler); /* all is durable and committed */
    return (cpu_ns() - begun) / (double)records;
}

/* ---- the bare loop ---- */

static void on_report(rd_kafka_t *rk, const rd_kafka_message_t *message, void *context)
{
    (void)rk;
    must(message->err == RD_KAFKA_RESP_ERR_NO_ERROR);
    ++*(uint64_t *)context;
}

static rd_kafka_t *open_bare(rd_kafka_type_t type, const char *const properties[][2],
                             uint64_t *delivered)
{
    char reason[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    must(rd_kafka_conf_set(conf, "bootstrap.servers", address, reason, sizeof reason) ==
         RD_KAFKA_CONF_OK);
    for (size_t i = 0; properties[i][0] != NULL; i++)
        must(rd_kafka_conf_set(conf, properties[i][0], properties[i][1], reason, sizeof reason) ==
             RD_KAFKA_CONF_OK);
    if (type == RD_KAFKA_PRODUCER)
        rd_kafka_conf_set_dr_msg_cb(conf, on_report);
    rd_kafka_conf_set_opaque(conf, delivered);
    rd_kafka_t *rk = rd_kafka_new(type, conf, reason, sizeof reason);
    must(rk != NULL);
    return rk;
}

static rd_kafka_queue_t *consume_all(rd_kafka_t *rk, int partitions)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_new(rk);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(partitions);
    for (int p = 0; p < partitions; p++) {
        rd_kafka_topic_partition_list_add(list, name_in, p)->offset = RD_KAFKA_OFFSET_BEGINNING;
        rd_kafka_queue_t *own = rd_kafka_queue_get_partition(rk, name_in, p);
        rd_kafka_queue_forward(own, queue);
        rd_kafka_queue_destroy(own);
    }
    must(rd_kafka_assign(rk, list) == RD_KAFKA_RESP_ERR_NO_ERROR);
    rd_kafka_topic_partition_list_destroy(list);
    return queue;
}

static void pass_on(rd_kafka_t *rk, rd_kafka_topic_t *topic, const rd_kafka_message_t *in,
                    char *value, size_t len)
{
    rd_kafka_headers_t *headers;
    const void *mc;
    size_t mc_len;
    must(rd_kafka_message_headers(in, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR &&
         rd_kafka_header_get_last(headers, "mc", &mc, &mc_len) == RD_KAFKA_RESP_ERR_NO_ERROR);
    memcpy(value, in->payload, in->len);
    const rd_kafka_vu_t arguments[] = {
        {.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = topic},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {.ptr = value, .size = len}},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {.ptr = in->key, .size = in->key_len}},
        {.vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = rd_kafka_message_timestamp(in, NULL)},
        {.vtype = RD_KAFKA_VTYPE_HEADER,
         .u.header = {.name = "mc", .val = mc, .size = (ssize_t)mc_len}},
    };
    rd_kafka_error_t *error;
    while ((error = rd_kafka_produceva(rk, arguments, sizeof arguments / sizeof arguments[0])) !=
           NULL) {
        must(rd_kafka_error_code(error) == RD_KAFKA_RESP_ERR__QUEUE_FULL);
        rd_kafka_error_destroy(error);
        rd_kafka_poll(rk, 1);
    }
}

static double run_bare(int partitions, size_t out_bytes)
{
    static const char *const producing[][2] = {{"acks", "all"},
                                               {"enable.idempotence", "true"},
                                               {"linger.ms", "5"},
                                               {"batch.size", "999424"},
                                               {"queue.buffering.max.messages", "131072"},
                                               {NULL, NULL}};
    static const char *const consuming[][2] = {{"group.id", "bare"},
                                               {"enable.auto.commit", "false"},
                                               {"queued.min.messages", "1000000"},
                                               {"queued.max.messages.kbytes", "262144"},
                                               {NULL, NULL}};
    static char value[1024];
    uint64_t delivered = 0;
    rd_kafka_t *consumer = open_bare(RD_KAFKA_CONSUMER, consuming, NULL);
    rd_kafka_t *producer = open_bare(RD_KAFKA_PRODUCER, producing, &delivered);
    double begun = cpu_ns();
    rd_kafka_queue_t *queue = consume_all(consumer, partitions);
    rd_kafka_topic_conf_t *conf = rd_kafka_topic_conf_new();
    rd_kafka_topic_conf_set(conf, "partitioner", "murmur2_random", NULL, 0);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(producer, name_out, conf);
    rd_kafka_message_t *messages[BATCH];
    for (uint64_t done = 0; done < records;) {
        ssize_t count = rd_kafka_consume_batch_queue(queue, 10, messages, BATCH);
        for (ssize_t i = 0; i < count; i++) {
            if (messages[i]->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
                pass_on(producer, topic, messages[i], value, out_bytes);
                done++;
            }
            rd_kafka_message_destroy(messages[i]);
        }
        rd_kafka_poll(producer, 0);
    }
    while (delivered < records)
        rd_kafka_poll(producer, 100);
    double spent = cpu_ns() - begun;
    rd_kafka_queue_destroy(queue);
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(producer);
    rd_kafka_destroy(consumer);
    return spent / (double)records;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: bench_kafka_handler HOST:PORT [RECORDS [PATH=VALUE...]]\n");
        return 64;
    }
    address = argv[1];
    records = argc > 2 ? strtoul(argv[2], NULL, 10) : records;
    log_configure(LOG_ERROR, LOG_AUTO);
    snprintf(prefix, sizeof prefix, "bench.%d.", (int)getpid());
    snprintf(name_in, sizeof name_in, "%sgpscoords", prefix);
    snprintf(name_out, sizeof name_out, "%sgpscoords.position", prefix);
    struct packet_scratch *scratch = packet_scratch_new();
    struct ruleset *ruleset;
    must(scratch != NULL && ruleset_load_default(&ruleset, NULL) == 0);
    struct config *config = load_config(argc, argv);
    struct broker *broker = open_broker(config);
    fill(broker, scratch);
    int partitions = broker_partitions(broker, broker_find_topic(broker, "gpscoords"));
    double ours[ROUNDS];
    double bare[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        ours[i] = run_ours(config, broker, ruleset, i);
        bare[i] = run_bare(partitions, canonical_bytes(scratch, ruleset));
    }
    qsort(ours, ROUNDS, sizeof *ours, by_value);
    qsort(bare, ROUNDS, sizeof *bare, by_value);
    printf("handler  consume, rules, produce: %.0f ns of CPU a record, bare librdkafka consume and "
           "produce %.0f: %.2fx\n",
           ours[ROUNDS / 2], bare[ROUNDS / 2], ours[ROUNDS / 2] / bare[ROUNDS / 2]);
    broker_close(broker);
    config_unref(config);
    ruleset_unref(ruleset);
    packet_scratch_free(scratch);
    return 0;
}
