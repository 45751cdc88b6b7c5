/* SPDX-License-Identifier: Apache-2.0 */
/* What rules remember of vehicles comes back: however often the handler is started
 * anew, with more threads or fewer, its outputs are those of a single run. */
#include "broker/attempts.h"
#include "handler/recall.h"
#include "handler_support.h"
#include "observe/metrics.h"

enum { RECORDS = 3000, VEHICLES = 23 };

static const char rules[] =
    "rules:\n"
    "  - {id: flood, kind: rate, limit: 6, per: 30s}\n"
    "  - {id: gap, kind: max_gap, limit: 40s, forget: 5m, on_fail: flag}\n"
    "  - {id: jump, kind: max_speed_between_points, limit: 60 m/s, within: 3m, on_fail: flag}\n"
    "  - {id: frozen, kind: frozen, for: 45s, on_fail: flag}\n"
    "  - {id: repeat, kind: duplicate, fields: [lat, soc], within: 2m, last: 4, on_fail: flag}\n"
    "  - {id: same, kind: changed_only, fields: door, at_least_every: 1m, forget: 4m, on_fail: "
    "drop}\n"
    "categories: [{name: position, match: {dialect: obu}}]\n";

static uint32_t random_below(uint32_t *seed, uint32_t bound)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (*seed >> 8) % bound;
}

/* Two records a second, late enough for some to find their vehicle silent. */
static void ingest_drive(struct ingest *ingest, int first, int last)
{
    for (int i = first; i < last; i++) {
        uint32_t seed = (uint32_t)i * 2654435761u;
        char json[256];
        uint32_t vehicle = random_below(&seed, VEHICLES) * random_below(&seed, VEHICLES) / VEHICLES;
        uint32_t place = random_below(&seed, 10) == 0 ? random_below(&seed, 1000) : vehicle;
        snprintf(json, sizeof json,
                 "{\"obuid\":%u,\"lat\":%u.5,\"lon\":7,\"time\":%lld,\"speed\":%u,\"soc\":%u,"
                 "\"door\":%s}",
                 vehicle, place % 90, (long long)(RECEIVED_NS / NS_PER_S + i / 2),
                 random_below(&seed, 9) == 0 ? 0 : 5, random_below(&seed, 3),
                 random_below(&seed, 4) == 0 ? "true" : "false");
        ingest_packet_at(ingest, json, RECEIVED_NS + i * (NS_PER_S / 2));
    }
    ingest_flush(ingest);
}

/* One line per record of all output topics, sorted. */
struct lines {
    char *items[RECORDS];
    size_t count;
};

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_topic(struct lines *lines, struct broker *broker, const char *topic)
{
    struct outputs outputs = read_topic(broker, topic);
    for (size_t i = 0; i < outputs.count; i++) {
        struct output *output = &outputs.items[i];
        char header[2 * MC_MAX + 1];
        for (size_t h = 0; h < output->header_len; h++)
            snprintf(header + 2 * h, 3, "%02x", (unsigned char)output->header[h]);
        assert_true(lines->count < RECORDS);
        assert_true(asprintf(&lines->items[lines->count++], "%s %s %s %s", topic, output->key,
                             output->value, header) > 0);
    }
    outputs_free(&outputs);
}

static struct lines lines_of(struct broker *broker)
{
    static const char *const topics[] = {"gpscoords.position", "gpscoords.other",
                                         "gpscoords.dead-letters"};
    struct lines lines = {0};
    for (size_t i = 0; i < sizeof topics / sizeof topics[0]; i++)
        add_topic(&lines, broker, topics[i]);
    qsort(lines.items, lines.count, sizeof lines.items[0], by_text);
    return lines;
}

static void lines_free(struct lines *lines)
{
    for (size_t i = 0; i < lines->count; i++)
        free(lines->items[i]);
}

static size_t count_with(const struct lines *lines, const char *part)
{
    size_t count = 0;
    for (size_t i = 0; i < lines->count; i++)
        count += strstr(lines->items[i], part) != NULL;
    return count;
}

/* Starts the handler anew before every `chunk` records. */
static struct lines run_in_chunks(int chunk, const int *threads, size_t thread_choices)
{
    struct ingest ingest;
    struct broker_config broker_config = memory_config();
    ingest_open(&ingest, &broker_config);
    for (int done = 0, run = 0; done < RECORDS; done += chunk, run++) {
        struct handler_config config = small_config();
        config.batch_records = 64;
        config.threads = threads[(size_t)run % thread_choices];
        ingest_drive(&ingest, done, done + chunk < RECORDS ? done + chunk : RECORDS);
        struct handler *handler = start_handler(ingest.broker, config, rules);
        await_committed(ingest.broker);
        handler_stop(handler);
    }
    struct lines lines = lines_of(ingest.broker);
    ingest_close(&ingest);
    return lines;
}

static void assert_same(const struct lines *wanted, const struct lines *found)
{
    assert_int_equal(wanted->count, found->count);
    for (size_t i = 0; i < wanted->count; i++)
        assert_string_equal(found->items[i], wanted->items[i]);
}

static void restarts_change_no_output(void **state)
{
    (void)state;
    static const int one[] = {1}, several[] = {1, 3, 2, 4};
    struct lines whole = run_in_chunks(RECORDS, one, 1);
    static const char *const flags[] = {"\"gap\"", "\"jump\"", "\"frozen\"", "\"repeat\"",
                                        "gpscoords.dead-letters"};
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        if (count_with(&whole, flags[i]) < 20)
            fail_msg("%s only %zu times: the drive does not test it", flags[i],
                     count_with(&whole, flags[i]));
    assert_in_range(whole.count, RECORDS / 4, RECORDS - 200); /* some were dropped */
    int64_t before = metrics_value(METRIC_HANDLER_RECALLED, 0);
    struct lines chunks = run_in_chunks(97, one, 1);
    assert_true(metrics_value(METRIC_HANDLER_RECALLED, 0) > before);
    assert_same(&whole, &chunks);
    struct lines shared = run_in_chunks(211, several, 4);
    assert_same(&whole, &shared);
    lines_free(&whole);
    lines_free(&chunks);
    lines_free(&shared);
}

/* ---- by hand: gaps, going back, what need not be read ---- */

static bool never(void *context)
{
    (void)context;
    return false;
}

struct bench {
    struct ingest ingest;
    int topic;
    struct attempts *attempts;
    struct caution caution;
    struct judge judge;
    struct recall recall;
    struct ruleset *ruleset;
};

static void bench_open(struct bench *bench, const char *yaml)
{
    struct broker_config config = memory_config();
    config.partitions = 1;
    struct error err;
    const struct state_limits limits = {1000, 1 << 20};
    ingest_open(&bench->ingest, &config);
    bench->topic = broker_find_topic(bench->ingest.broker, "gpscoords");
    bench->ruleset = load_rules(yaml);
    assert_int_equal(attempts_open(&bench->attempts, NULL, "test", &err), 0);
    assert_int_equal(caution_init(&bench->caution, bench->ingest.broker, bench->attempts, 0, &err),
                     0);
    assert_int_equal(judge_init(&bench->judge, &err), 0);
    assert_int_equal(ruleset_thread_new(&bench->judge.thread, bench->ruleset, &limits, NULL, &err),
                     0);
    bench->recall = (struct recall){.broker = bench->ingest.broker,
                                    .ingest = &bench->topic,
                                    .ingest_count = 1,
                                    .caution = &bench->caution,
                                    .judge = &bench->judge,
                                    .must_stop = never};
    assert_int_equal(recall_init(&bench->recall, &err), 0);
}

static void bench_close(struct bench *bench)
{
    recall_deinit(&bench->recall);
    ruleset_thread_free(bench->judge.thread);
    judge_deinit(&bench->judge);
    caution_deinit(&bench->caution);
    attempts_close(bench->attempts);
    ruleset_unref(bench->ruleset);
    ingest_close(&bench->ingest);
}

/* Judge the record at this offset; how many were read again for it? */
static int64_t judge_at(struct bench *bench, int64_t offset, enum verdict *verdict)
{
    struct consumer_options options = {.topics = &bench->topic,
                                       .topic_count = 1,
                                       .start = CONSUMER_FROM_OFFSET,
                                       .start_value = offset};
    struct consumer *consumer;
    struct consumed_batch batch;
    struct judgement judgement;
    struct error err;
    int64_t before = metrics_value(METRIC_HANDLER_RECALLED, 0);
    assert_int_equal(consumer_open(&consumer, bench->ingest.broker, &options, NULL), 0);
    assert_int_equal(consumer_fetch(consumer, &batch, 1, 0, NULL), 0);
    assert_int_equal(batch.count, 1);
    if (recall_for(&bench->recall, bench->ruleset, &batch, &err) != 0)
        fail_msg("%s", err.text);
    bench->judge.stream = recall_stream(&bench->recall, &batch.records[0]);
    judge_record(&bench->judge, bench->ruleset, &batch.records[0], "gpscoords", &judgement);
    recall_note(&bench->recall, bench->judge.stream, offset + 1);
    *verdict = judgement.verdict;
    consumer_close(consumer);
    return metrics_value(METRIC_HANDLER_RECALLED, 0) - before;
}

/* The third packet of each ten seconds fails; one a second. */
static void only_what_is_missing_is_read(void **state)
{
    (void)state;
    struct bench bench = {0};
    bench_open(&bench, "rules: [{id: a, kind: rate, limit: 2, per: 10s}]");
    int64_t begin_ns = RECEIVED_NS - RECEIVED_NS % (100 * NS_PER_S);
    for (int i = 0; i < 200; i++)
        ingest_packet_at(&bench.ingest, "{\"obuid\":1}", begin_ns + i * NS_PER_S);
    ingest_flush(&bench.ingest);
    enum verdict verdict;
    assert_int_equal(judge_at(&bench, 0, &verdict), 0);
    assert_int_equal(judge_at(&bench, 1, &verdict), 0);
    assert_int_equal(verdict, VERDICT_PASS);
    assert_int_equal(judge_at(&bench, 2, &verdict), 0);
    assert_int_equal(verdict, VERDICT_DEAD_LETTER);
    /* another member had 3 to 10 meanwhile */
    assert_int_equal(judge_at(&bench, 11, &verdict), 8);
    assert_int_equal(verdict, VERDICT_PASS);
    assert_int_equal(judge_at(&bench, 12, &verdict), 0);
    assert_int_equal(verdict, VERDICT_DEAD_LETTER);
    /* back to what was committed: from the beginning, as nothing lies further back */
    assert_int_equal(judge_at(&bench, 11, &verdict), 11);
    assert_int_equal(verdict, VERDICT_PASS);
    bench_close(&bench);
    /* a new start far behind reads ten seconds and the slack of a minute */
    bench_open(&bench, "rules: [{id: a, kind: rate, limit: 2, per: 10s}]");
    for (int i = 0; i < 200; i++)
        ingest_packet_at(&bench.ingest, "{\"obuid\":1}", begin_ns + i * NS_PER_S);
    ingest_flush(&bench.ingest);
    assert_int_equal(judge_at(&bench, 191, &verdict), 70);
    assert_int_equal(verdict, VERDICT_PASS);
    assert_int_equal(judge_at(&bench, 192, &verdict), 0);
    assert_int_equal(verdict, VERDICT_DEAD_LETTER);
    bench_close(&bench);
}

static void rules_that_remember_nothing_read_nothing(void **state)
{
    (void)state;
    struct bench bench = {0};
    bench_open(&bench, "rules: [{id: a, kind: required, fields: lat}]");
    for (int i = 0; i < 50; i++)
        ingest_packet(&bench.ingest, "{\"obuid\":1}");
    ingest_flush(&bench.ingest);
    enum verdict verdict;
    assert_int_equal(judge_at(&bench, 40, &verdict), 0);
    assert_int_equal(verdict, VERDICT_DEAD_LETTER);
    bench_close(&bench);
}

/* ---- reload ---- */

static void a_reload_keeps_what_unchanged_rules_remember(void **state)
{
    (void)state;
    static const char before[] = "rules: [{id: a, kind: rate, limit: 2, per: 1h}]";
    static const char after[] = "rules:\n"
                                "  - {id: b, kind: max_gap, limit: 10m, on_fail: flag}\n"
                                "  - {id: a, kind: rate, limit: 2, per: 1h}\n";
    struct ingest ingest;
    struct broker_config config = memory_config();
    ingest_open(&ingest, &config);
    struct handler *handler = start_handler(ingest.broker, small_config(), before);
    ingest_packet(&ingest, "{\"obuid\":1}");
    ingest_packet(&ingest, "{\"obuid\":1}");
    ingest_flush(&ingest);
    await_committed(ingest.broker);
    struct ruleset *ruleset = load_rules(after);
    assert_int_equal(handler_reload(handler, ruleset, NULL), 0);
    ruleset_unref(ruleset);
    int64_t recalled = metrics_value(METRIC_HANDLER_RECALLED, 0);
    ingest_packet(&ingest, "{\"obuid\":1}");
    ingest_packet(&ingest, "{\"obuid\":2}");
    ingest_flush(&ingest);
    await_committed(ingest.broker);
    handler_stop(handler);
    assert_int_equal(metrics_value(METRIC_HANDLER_RECALLED, 0), recalled);
    assert_int_equal(count_topic(ingest.broker, "gpscoords.dead-letters"), 1);
    assert_int_equal(count_topic(ingest.broker, "gpscoords.other"), 3);
    ingest_close(&ingest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(restarts_change_no_output),
        cmocka_unit_test(only_what_is_missing_is_read),
        cmocka_unit_test(rules_that_remember_nothing_read_nothing),
        cmocka_unit_test(a_reload_keeps_what_unchanged_rules_remember),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
