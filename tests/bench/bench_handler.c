/* SPDX-License-Identifier: Apache-2.0 */
/* The handler's CPU a record: first what one thread does to a record by itself
 * (decode again, rules, canonical packet, header), then the role over memory and
 * over the journal, whose figure holds all threads of the process. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/must.h"
#include "broker/broker.h"
#include "broker/config.h"
#include "handler/judge.h"
#include "bench/gps_record.h"
#include "handler/role.h"
#include "observe/log.h"
#include "observe/metrics.h"

enum { RECORDS = 400000, KEPT = 1024 };

static int64_t cpu_ns(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * NS_PER_S +
           (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * NS_PER_US;
}

static void bench_judge(struct packet_scratch *scratch, struct ruleset *ruleset)
{
    struct gps_record *made = calloc(KEPT, sizeof *made);
    struct judge judge;
    must(made != NULL && judge_init(&judge, NULL) == 0);
    for (int i = 0; i < KEPT; i++)
        gps_record_make(scratch, i, &made[i]);
    int64_t best = INT64_MAX;
    size_t bytes = 0;
    for (int round = 0; round < 40; round++) {
        int64_t begin = clock_monotonic_ns();
        for (int i = 0; i < KEPT; i++) {
            struct consumed in = {.record = made[i].record, .offset = i};
            struct judgement out;
            judge_record(&judge, ruleset, &in, "gpscoords", &out);
            must(out.verdict == VERDICT_PASS);
            bytes += out.record.value.len;
        }
        int64_t took = clock_monotonic_ns() - begin;
        best = took < best ? took : best;
    }
    printf("%-44s %7.0f ns (canonical packet of %zu bytes)\n", "one record: decode, rules, encode",
           (double)best / KEPT, bytes / (40 * KEPT));
    judge_deinit(&judge);
    free(made);
}

static void ignore_delivery(void *context, uint64_t tag, enum delivery delivery, int64_t offset)
{
    (void)context, (void)tag, (void)delivery, (void)offset;
}

static void ignore_room(void *context)
{
    (void)context;
}

static void fill(struct broker *broker, struct packet_scratch *scratch)
{
    const struct producer_handler handler = {.on_delivery = ignore_delivery,
                                             .on_room = ignore_room};
    struct producer *producer;
    int topic = broker_topic(broker, "gpscoords", 0, NULL);
    must(topic >= 0 && producer_open(&producer, broker, &handler, NULL) == 0);
    for (int i = 0; i < RECORDS; i++) {
        struct gps_record made;
        gps_record_make(scratch, i, &made);
        while (producer_publish(producer, topic, &made.record, 0) != PUBLISH_ACCEPTED)
            producer_wait(producer, 10 * NS_PER_MS);
    }
    producer_close(producer, 60 * NS_PER_S);
}

static bool is_done(struct broker *broker)
{
    int topic = broker_find_topic(broker, "gpscoords");
    int64_t done = 0;
    for (int p = 0; p < broker_partitions(broker, topic); p++)
        done += broker_committed(broker, HANDLER_GROUP, topic, p);
    return done >= RECORDS;
}

static void bench_role(const char *name, enum broker_kind kind, struct packet_scratch *scratch,
                       struct ruleset *ruleset)
{
    char dir[] = "/tmp/bench-handler-XXXXXX";
    must(mkdtemp(dir) != NULL);
    struct broker_config config = {.kind = kind,
                                   .data_dir = dir,
                                   .partitions = 4,
                                   .durability = DURABILITY_FSYNC,
                                   .group_delay_ns = NS_PER_MS,
                                   .group_bytes = 256 << 10,
                                   .segment_bytes = 64 << 20,
                                   .retention_ns = INT64_C(3650) * 86400 * NS_PER_S,
                                   .cap_bytes = INT64_C(2) << 30,
                                   .dead_letter_cap_bytes = 64 << 20,
                                   .producer_queue_records = 65536,
                                   .producer_queue_bytes = 32 << 20,
                                   .record_bytes_max = 1 << 20};
    const struct handler_config handler_config = {.threads = 1,
                                                  .batch_records = 4096,
                                                  .batches_in_flight = 8,
                                                  .drain_timeout_ns = NS_PER_S,
                                                  .state_dir = dir};
    struct broker *broker;
    struct error err;
    if (broker_open(&broker, &config, &err) != 0) {
        printf("%-44s %s\n", name, err.text);
        return;
    }
    fill(broker, scratch);
    int64_t begin = clock_monotonic_ns(), cpu = cpu_ns();
    int64_t before = metrics_value(METRIC_HANDLER_RECORDS, 0);
    struct handler *handler;
    must(handler_start(&handler, &handler_config, broker, ruleset, &err) == 0);
    while (!is_done(broker))
        usleep(1000);
    cpu = cpu_ns() - cpu;
    begin = clock_monotonic_ns() - begin;
    must(metrics_value(METRIC_HANDLER_RECORDS, 0) - before == RECORDS);
    handler_stop(handler);
    broker_close(broker);
    printf("%-44s %7.0f ns of CPU, %7.0f records/s\n", name, (double)cpu / RECORDS,
           RECORDS * 1e9 / (double)begin);
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", dir);
    must(system(command) == 0);
}

int main(void)
{
    log_configure(LOG_ERROR, LOG_AUTO);
    struct packet_scratch *scratch = packet_scratch_new();
    struct ruleset *ruleset;
    must(scratch != NULL && ruleset_load_default(&ruleset, NULL) == 0);
    bench_judge(scratch, ruleset);
    bench_role("the role over memory", BROKER_MEMORY, scratch, ruleset);
    bench_role("the role over the journal, fsync", BROKER_JOURNAL, scratch, ruleset);
    ruleset_unref(ruleset);
    packet_scratch_free(scratch);
    return 0;
}
