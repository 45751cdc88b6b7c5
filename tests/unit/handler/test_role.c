/* SPDX-License-Identifier: Apache-2.0 */
/* The handler over the memory broker. */
#include <sys/wait.h>

#include "broker/attempts.h"
#include "handler/judge.h"
#include "handler_support.h"
#include "observe/health.h"
#include "observe/metrics.h"

static const char *const output_topics[] = {
    "gpscoords.position",  "gpscoords.event",  "gpscoords.other",  "gpscoords.dead-letters",
    "data-topic.position", "data-topic.event", "data-topic.other", "data-topic.dead-letters",
};
enum { OUTPUT_TOPICS = sizeof output_topics / sizeof output_topics[0] };

/* Every third is bad, every fifth an envelope. */
static void ingest_mixed(struct ingest *ingest, struct packet_identity *identities, int count)
{
    for (int i = 0; i < count; i++) {
        char json[256];
        if (i % 5 == 0)
            snprintf(json, sizeof json,
                     "{\"id\":\"%d\",\"timestamp\":%d,\"source\":\"car-%d\",\"type\":\"door\","
                     "\"payload\":{\"open\":true}}",
                     i, 1779278000 + i % 100, i % 37);
        else
            snprintf(json, sizeof json, "{\"obuid\":%d,\"lat\":%d,\"lon\":2.5,\"seq\":%d}", i % 37,
                     i % 3 == 0 ? 91 : 45, i + 1);
        identities[i] = ingest_packet(ingest, json);
    }
    ingest_flush(ingest);
}

static size_t count_identity(struct outputs outputs[OUTPUT_TOPICS],
                             const struct packet_identity *identity)
{
    size_t count = 0;
    for (size_t t = 0; t < OUTPUT_TOPICS; t++)
        for (size_t i = 0; i < outputs[t].count; i++)
            count += is_identity(&outputs[t].items[i], identity);
    return count;
}

/* Each of them is in the outputs at least `least` and at most `most` times. */
static void check_outputs(struct broker *broker, const struct packet_identity *identities,
                          size_t count, size_t least, size_t most)
{
    struct outputs outputs[OUTPUT_TOPICS];
    size_t total = 0;
    for (size_t t = 0; t < OUTPUT_TOPICS; t++) {
        outputs[t] = read_topic(broker, output_topics[t]);
        total += outputs[t].count;
    }
    assert_in_range(total, count * least, count * most);
    for (size_t i = 0; i < count; i++)
        assert_in_range(count_identity(outputs, &identities[i]), least, most);
    for (size_t t = 0; t < OUTPUT_TOPICS; t++)
        outputs_free(&outputs[t]);
}

static void run_mixed(struct broker_config broker_config, struct handler_config config, int count)
{
    struct ingest ingest;
    ingest_open(&ingest, &broker_config);
    struct packet_identity *identities = calloc((size_t)count, sizeof *identities);
    ingest_mixed(&ingest, identities, count);
    struct handler *handler = start_handler(ingest.broker, config, NULL);
    await_committed(ingest.broker);
    handler_stop(handler);
    check_outputs(ingest.broker, identities, (size_t)count, 1, 1);
    free(identities);
    ingest_close(&ingest);
}

static void every_record_ends_in_exactly_one_place(void **state)
{
    (void)state;
    run_mixed(memory_config(), small_config(), 2000);
}

static void threads_share_the_partitions(void **state)
{
    (void)state;
    struct handler_config config = small_config();
    config.threads = 3;
    config.batch_records = 7;
    run_mixed(memory_config(), config, 2000);
}

static void a_full_broker_is_waited_for(void **state)
{
    (void)state;
    struct broker_config broker_config = memory_config();
    broker_config.producer_queue_records = 3;
    struct handler_config config = small_config();
    config.batches_in_flight = 1;
    run_mixed(broker_config, config, 1000);
}

static void a_batch_of_one_works(void **state)
{
    (void)state;
    struct handler_config config = small_config();
    config.batch_records = 1;
    run_mixed(memory_config(), config, 200);
}

static void each_lands_in_its_category(void **state)
{
    (void)state;
    struct ingest ingest;
    struct broker_config broker_config = memory_config();
    ingest_open(&ingest, &broker_config);
    struct packet_identity good = ingest_packet(
        &ingest, "{\"obuid\":7,\"lat\":1.5,\"lon\":2,\"time\":\"2008-05-20T07:00:00Z\",\"soc\":5}");
    ingest_flush(&ingest);
    struct handler *handler = start_handler(ingest.broker, small_config(), NULL);
    await_committed(ingest.broker);
    handler_stop(handler);
    struct outputs outputs = read_topic(ingest.broker, "gpscoords.position");
    assert_int_equal(outputs.count, 1);
    const struct output *output = &outputs.items[0];
    assert_true(is_identity(output, &good));
    assert_int_equal(output->timestamp_ns, RECEIVED_NS);
    assert_string_equal(output->key, "7");
    assert_int_equal(output->mc.received_ns, RECEIVED_NS);
    assert_true(output->mc.has_event_time);
    assert_false(output->mc.is_dead_letter);
    assert_int_equal(output->mc.dialect, DIALECT_OBU);
    struct ruleset *ruleset = load_rules(NULL);
    assert_true(output->mc.ruleset_hash == ruleset_hash(ruleset));
    ruleset_unref(ruleset);
    assert_non_null(strstr(output->value, "\"flags\":[\"old\"]"));
    assert_non_null(strstr(output->value, "\"category\":\"position\""));
    assert_non_null(strstr(output->value, "\"time\":\"2008-05-20T07:00:00.000Z\""));
    assert_non_null(strstr(output->value, "\"signals\":{\"soc\":5}"));
    outputs_free(&outputs);
    ingest_close(&ingest);
}

static void dead_letters_carry_all_fields(void **state)
{
    (void)state;
    static const char bad[] = "{ \"obuid\":7, \"lat\":91, \"lon\":2 }";
    struct ingest ingest;
    struct broker_config broker_config = memory_config();
    broker_config.partitions = 1;
    ingest_open(&ingest, &broker_config);
    ingest_packet(&ingest, "{\"obuid\":7,\"lat\":1,\"lon\":2}");
    struct packet_identity identity = ingest_packet(&ingest, bad);
    ingest_flush(&ingest);
    int64_t before = metrics_value(METRIC_HANDLER_DEAD_LETTERS, REASON_RULE_RANGE);
    struct handler *handler = start_handler(ingest.broker, small_config(), NULL);
    await_committed(ingest.broker);
    handler_stop(handler);
    assert_int_equal(metrics_value(METRIC_HANDLER_DEAD_LETTERS, REASON_RULE_RANGE), before + 1);
    struct outputs outputs = read_topic(ingest.broker, "gpscoords.dead-letters");
    assert_int_equal(outputs.count, 1);
    const struct output *output = &outputs.items[0];
    assert_true(is_identity(output, &identity));
    assert_string_equal(output->value, bad);
    assert_string_equal(output->key, "7");
    assert_int_equal(output->timestamp_ns, RECEIVED_NS + 1);
    assert_true(output->mc.is_dead_letter);
    assert_int_equal(output->mc.reason, REASON_RULE_RANGE);
    assert_int_equal(output->mc.source_partition, 0);
    assert_int_equal(output->mc.source_offset, 1);
    assert_int_equal(output->mc.first_seen_ns, RECEIVED_NS + 1);
    assert_true(output->mc.ruleset_hash != 0);
    assert_true(bytes_equal(output->mc.source_topic, BYTES("gpscoords")));
    assert_true(
        bytes_equal(output->mc.detail, BYTES("lat 91 is outside -90..90 (rule lat-range)")));
    outputs_free(&outputs);
    ingest_close(&ingest);
}

static void check_undecodable(const struct output *output, const char *value, const char *detail)
{
    assert_int_equal(output->mc.reason, REASON_UNDECODABLE);
    assert_string_equal(output->value, value);
    if (strstr(output->mc.detail.ptr, detail) == NULL)
        fail_msg("%.*s", (int)output->mc.detail.len, output->mc.detail.ptr);
}

static void what_can_not_be_decoded_is_a_dead_letter(void **state)
{
    (void)state;
    struct ingest ingest;
    struct broker_config broker_config = memory_config();
    broker_config.partitions = 1;
    ingest_open(&ingest, &broker_config);
    uint8_t header[MC_MAX];
    struct mc mc = {.dialect = DIALECT_OBU, .received_ns = RECEIVED_NS, .identity = {{1, 2, 3}}};
    size_t len = mc_encode(&mc, header);
    ingest_raw(&ingest, "k", "{\"obuid\":1,", bytes_of((const char *)header, len));
    ingest_raw(&ingest, "k", "{\"obuid\":1}", bytes_of("\x09other", 6));
    ingest_raw(&ingest, "", "", bytes_of("", 0));
    ingest_flush(&ingest);
    struct handler *handler = start_handler(ingest.broker, small_config(), NULL);
    await_committed(ingest.broker);
    handler_stop(handler);
    struct outputs outputs = read_topic(ingest.broker, "gpscoords.dead-letters");
    assert_int_equal(outputs.count, 3);
    check_undecodable(&outputs.items[0], "{\"obuid\":1,", "not_json: ");
    assert_true(is_identity(&outputs.items[0], &mc.identity));
    check_undecodable(&outputs.items[1], "{\"obuid\":1}", "mc header can't be read");
    check_undecodable(&outputs.items[2], "", "found the end");
    /* Listed apart though nobody gave them an identity. */
    assert_false(is_identity(&outputs.items[1], &outputs.items[2].mc.identity));
    outputs_free(&outputs);
    ingest_close(&ingest);
}

/* Put into the topic by another program: no mc, any key. */
static void records_of_others_are_identified_here(void **state)
{
    (void)state;
    struct ingest ingest;
    struct broker_config broker_config = memory_config();
    broker_config.partitions = 1;
    ingest_open(&ingest, &broker_config);
    const char *numbered = "{\"obuid\":\"cab-7\",\"seq\":12,\"epoch\":3,\"lat\":1,\"lon\":2}";
    ingest_raw(&ingest, "any key", numbered, bytes_of("", 0));
    ingest_raw(&ingest, "", "{\"obuid\":\"cab-8\",\"lat\":1,\"lon\":2}", bytes_of("", 0));
    ingest_flush(&ingest);
    struct handler *handler = start_handler(ingest.broker, small_config(), NULL);
    await_committed(ingest.broker);
    handler_stop(handler);

    struct packet packet;
    struct reject reject;
    assert_true(dialect_decode(ingest.scratch, bytes_from_text(numbered), &packet, &reject));
    packet_identify(&packet, RECEIVED_NS, 0);
    struct outputs outputs = read_topic(ingest.broker, "gpscoords.position");
    assert_int_equal(outputs.count, 2);
    assert_true(is_identity(&outputs.items[0], &packet.identity));
    assert_string_equal(outputs.items[0].key, "cab-7");
    assert_int_equal(outputs.items[0].mc.received_ns, RECEIVED_NS);
    assert_int_equal(outputs.items[0].mc.dialect, DIALECT_OBU);
    assert_string_equal(outputs.items[1].key, "cab-8");
    /* Neither time nor number: the offset, 1, orders it. */
    assert_int_equal(outputs.items[1].mc.identity.bytes[15], 1);
    outputs_free(&outputs);
    ingest_close(&ingest);
}

/* No gateway could decode it then; replayed to a handler that can. */
static void what_was_replayed_without_identity_gets_one(void **state)
{
    (void)state;
    struct ingest ingest;
    struct broker_config broker_config = memory_config();
    ingest_open(&ingest, &broker_config);
    const char *text = "{\"obuid\":\"cab-7\",\"seq\":12,\"epoch\":3,\"lat\":1,\"lon\":2}";
    uint8_t header[MC_MAX];
    const struct mc unknown = {
        .received_ns = RECEIVED_NS - 5, .replays = 2, .replayed_ns = RECEIVED_NS};
    ingest_raw(&ingest, "peer", text, bytes_of((char *)header, mc_encode(&unknown, header)));
    ingest_raw(&ingest, "peer", "junk", bytes_of((char *)header, mc_encode(&unknown, header)));
    ingest_flush(&ingest);
    struct handler *handler = start_handler(ingest.broker, small_config(), NULL);
    await_committed(ingest.broker);
    handler_stop(handler);

    struct packet packet;
    struct reject reject;
    assert_true(dialect_decode(ingest.scratch, bytes_from_text(text), &packet, &reject));
    packet_identify(&packet, RECEIVED_NS - 5, 0);
    struct outputs outputs = read_topic(ingest.broker, "gpscoords.position");
    assert_int_equal(outputs.count, 1);
    assert_true(is_identity(&outputs.items[0], &packet.identity));
    assert_string_equal(outputs.items[0].key, "cab-7");
    assert_int_equal(outputs.items[0].mc.received_ns, RECEIVED_NS - 5);
    assert_int_equal(outputs.items[0].mc.replays, 2);
    outputs_free(&outputs);
    outputs = read_topic(ingest.broker, "gpscoords.dead-letters");
    assert_int_equal(outputs.count, 1);
    assert_int_equal(outputs.items[0].mc.replays, 2); /* told apart from a first failure */
    outputs_free(&outputs);
    ingest_close(&ingest);
}

/* Without mc it just goes in; with one it would not go out. */
static void of_what_is_too_large_even_as_it_came_the_beginning_is_kept(void **state)
{
    (void)state;
    enum { SIZE = 100000 };
    struct ingest ingest;
    struct broker_config broker_config = memory_config();
    broker_config.partitions = 1;
    broker_config.record_bytes_max = SIZE + 1;
    ingest_open(&ingest, &broker_config);
    char *large = calloc(1, SIZE + 1);
    memset(large, 'x', SIZE);
    ingest_raw(&ingest, "k", large, bytes_of("", 0));
    ingest_packet(&ingest, "{\"obuid\":1,\"lat\":1,\"lon\":1}");
    ingest_flush(&ingest);
    struct handler *handler = start_handler(ingest.broker, small_config(), NULL);
    await_committed(ingest.broker);
    handler_stop(handler);
    struct outputs outputs = read_topic(ingest.broker, "gpscoords.dead-letters");
    assert_int_equal(outputs.count, 1);
    assert_int_equal(outputs.items[0].mc.reason, REASON_RECORD_TOO_LARGE);
    assert_int_equal(outputs.items[0].mc.source_offset, 0);
    assert_int_equal(outputs.items[0].value_len, SIZE / 2);
    assert_memory_equal(outputs.items[0].value, large, SIZE / 2);
    outputs_free(&outputs);
    assert_int_equal(count_topic(ingest.broker, "gpscoords.position"), 1); /* the flow goes on */
    free(large);
    ingest_close(&ingest);
}

static void what_grows_too_large_is_a_dead_letter(void **state)
{
    (void)state;
    struct ingest ingest;
    struct broker_config broker_config = memory_config();
    ingest_open(&ingest, &broker_config);
    /* Each of the inner keys is written with the outer one before it. */
    struct buf json;
    buf_init(&json, 0);
    buf_append_text(&json, "{\"obuid\":1,\"lat\":1,\"lon\":1,\"");
    for (int i = 0; i < 2000; i++)
        buf_append_char(&json, 'k');
    buf_append_text(&json, "\":{\"0\":0");
    for (int i = 1; i < 520; i++)
        buf_printf(&json, ",\"%d\":\"a value of thirty characters\"", i);
    buf_append_text(&json, "}}");
    buf_append_char(&json, '\0');
    ingest_packet(&ingest, json.ptr);
    ingest_flush(&ingest);
    struct handler *handler = start_handler(ingest.broker, small_config(), NULL);
    await_committed(ingest.broker);
    handler_stop(handler);
    struct outputs outputs = read_topic(ingest.broker, "gpscoords.dead-letters");
    assert_int_equal(outputs.count, 1);
    assert_int_equal(outputs.items[0].mc.reason, REASON_RECORD_TOO_LARGE);
    assert_string_equal(outputs.items[0].value, json.ptr);
    outputs_free(&outputs);
    buf_deinit(&json);
    ingest_close(&ingest);
}

static void drops_are_counted_by_rule_and_leave_nothing(void **state)
{
    (void)state;
    struct ingest ingest;
    struct broker_config broker_config = memory_config();
    ingest_open(&ingest, &broker_config);
    ingest_packet(&ingest, "{\"obuid\":1,\"lat\":1}");
    ingest_packet(&ingest, "{\"obuid\":1,\"lon\":1}");
    ingest_flush(&ingest);
    int64_t before = metrics_value(METRIC_HANDLER_RULE_FAILURES, 0);
    int64_t drops = metrics_value(METRIC_HANDLER_VERDICTS, VERDICT_DROP);
    struct handler *handler =
        start_handler(ingest.broker, small_config(),
                      "rules: [{id: no-lat, kind: required, fields: lat, on_fail: drop}]\n");
    await_committed(ingest.broker);
    handler_stop(handler);
    assert_int_equal(count_topic(ingest.broker, "gpscoords.other"), 1);
    assert_int_equal(count_topic(ingest.broker, "gpscoords.dead-letters"), 0);
    assert_int_equal(metrics_value(METRIC_HANDLER_RULE_FAILURES, 0), before + 1);
    assert_int_equal(metrics_value(METRIC_HANDLER_VERDICTS, VERDICT_DROP), drops + 1);
    ingest_close(&ingest);
}

/* ---- crashes ---- */

/* All the work of a handler, but no commit: as if the process had died then. */
static void work_without_commit(struct ingest *ingest)
{
    struct ruleset *ruleset = load_rules(NULL);
    int topics[2] = {broker_find_topic(ingest->broker, "gpscoords"),
                     broker_find_topic(ingest->broker, "data-topic")};
    struct consumer_options options = {.group = HANDLER_GROUP, .topics = topics, .topic_count = 2};
    struct consumer *consumer;
    struct judge judge;
    assert_int_equal(consumer_open(&consumer, ingest->broker, &options, NULL), 0);
    assert_int_equal(judge_init(&judge, NULL), 0);
    struct consumed_batch batch;
    do {
        assert_int_equal(consumer_fetch(consumer, &batch, 50, 0, NULL), 0);
        for (size_t i = 0; i < batch.count; i++) {
            const char *source = broker_topic_name(ingest->broker, batch.records[i].topic);
            struct judgement judgement;
            judge_record(&judge, ruleset, &batch.records[i], source, &judgement);
            char name[TOPIC_NAME_MAX + 1];
            ruleset_topic(ruleset, source, judgement.category, name, NULL);
            int topic = broker_topic(ingest->broker, name, 0, NULL);
            publish_record(ingest->producer, topic, &judgement.record);
        }
        ingest_flush(ingest);
    } while (batch.count > 0);
    consumer_close(consumer);
    judge_deinit(&judge);
    ruleset_unref(ruleset);
}

static void assert_equal_outputs(const struct output *a, const struct output *b)
{
    assert_int_equal(a->value_len, b->value_len);
    assert_memory_equal(a->value, b->value, a->value_len);
    assert_string_equal(a->key, b->key);
    assert_int_equal(a->header_len, b->header_len);
    assert_memory_equal(a->header, b->header, a->header_len);
    assert_int_equal(a->timestamp_ns, b->timestamp_ns);
}

static void a_repeat_after_a_crash_writes_the_same_bytes(void **state)
{
    (void)state;
    enum { COUNT = 500 };
    struct ingest ingest;
    struct broker_config broker_config = memory_config();
    broker_config.partitions = 1; /* so that both rounds come in one order */
    ingest_open(&ingest, &broker_config);
    struct packet_identity identities[COUNT];
    ingest_mixed(&ingest, identities, COUNT);
    work_without_commit(&ingest);
    struct handler *handler = start_handler(ingest.broker, small_config(), NULL);
    await_committed(ingest.broker);
    handler_stop(handler);
    check_outputs(ingest.broker, identities, COUNT, 2, 2);
    size_t compared = 0;
    for (size_t t = 0; t < OUTPUT_TOPICS; t++) {
        struct outputs outputs = read_topic(ingest.broker, output_topics[t]);
        for (size_t i = 0; i < outputs.count / 2; i++, compared++)
            assert_equal_outputs(&outputs.items[i], &outputs.items[outputs.count / 2 + i]);
        outputs_free(&outputs);
    }
    assert_int_equal(compared, COUNT);
    ingest_close(&ingest);
}

/* A process that dies with this record in hand. */
static void crash_at(const char *dir, int64_t first, int64_t next)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct attempts *attempts;
        if (attempts_open(&attempts, dir, HANDLER_GROUP, NULL) != 0)
            _exit(1);
        attempts_begin(attempts, 0, &(struct attempts_range){"gpscoords", 0, first, next}, 1);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void a_record_that_crashed_us_three_times_is_diverted(void **state)
{
    (void)state;
    char dir[] = "/tmp/test-handler-XXXXXX";
    assert_non_null(mkdtemp(dir));
    struct ingest ingest;
    struct broker_config broker_config = memory_config();
    broker_config.partitions = 1;
    ingest_open(&ingest, &broker_config);
    for (int i = 0; i < 10; i++)
        ingest_packet(&ingest, "{\"obuid\":1,\"lat\":1,\"lon\":1}");
    ingest_flush(&ingest);
    crash_at(dir, 0, 10);
    crash_at(dir, 4, 5);
    crash_at(dir, 4, 5);
    crash_at(dir, 4, 5);
    struct handler_config config = small_config();
    config.state_dir = dir;
    struct handler *handler = start_handler(ingest.broker, config, NULL);
    await_committed(ingest.broker);
    handler_stop(handler);
    struct outputs outputs = read_topic(ingest.broker, "gpscoords.dead-letters");
    assert_int_equal(outputs.count, 1);
    assert_int_equal(outputs.items[0].mc.reason, REASON_CRASHED);
    assert_int_equal(outputs.items[0].mc.source_offset, 4);
    outputs_free(&outputs);
    assert_int_equal(count_topic(ingest.broker, "gpscoords.position"), 9);
    ingest_close(&ingest);
    assert_int_equal(rmdir(dir), 0); /* a clean stop forgets what was settled */
}

/* ---- stopping, reloading ---- */

static void a_stop_in_the_middle_loses_nothing(void **state)
{
    (void)state;
    enum { COUNT = 12000 };
    struct ingest ingest;
    struct broker_config broker_config = memory_config();
    ingest_open(&ingest, &broker_config);
    struct packet_identity *identities = calloc(COUNT, sizeof *identities);
    ingest_mixed(&ingest, identities, COUNT);
    struct handler_config config = small_config();
    config.batch_records = 20;
    config.drain_timeout_ns = 0;
    int rounds = 0;
    while (!all_committed(ingest.broker)) {
        int64_t before = metrics_value(METRIC_HANDLER_RECORDS, 0);
        struct handler *handler = start_handler(ingest.broker, config, NULL);
        /* The first is stopped at once, the others soon after they took up work. */
        while (rounds > 0 && metrics_value(METRIC_HANDLER_RECORDS, 0) == before &&
               !all_committed(ingest.broker))
            usleep(10);
        handler_stop(handler);
        assert_true(++rounds <= COUNT);
    }
    check_outputs(ingest.broker, identities, COUNT, 1, (size_t)rounds);
    free(identities);
    ingest_close(&ingest);
}

/* Until the health report holds this text. */
static void await_health(const char *wanted)
{
    int64_t until_ns = clock_monotonic_ns() + DEADLINE_NS;
    for (;;) {
        struct buf out;
        buf_init(&out, 0);
        health_print(&out);
        buf_append_char(&out, '\0');
        bool is_there = strstr(out.ptr, wanted) != NULL;
        buf_deinit(&out);
        if (is_there)
            return;
        if (clock_monotonic_ns() > until_ns)
            fail_msg("the health report never held %s", wanted);
        usleep(1000);
    }
}

static void it_is_ready_once_it_reads(void **state)
{
    (void)state;
    struct ingest ingest;
    struct broker_config broker_config = memory_config();
    ingest_open(&ingest, &broker_config);
    struct handler *handler = start_handler(ingest.broker, small_config(), NULL);
    await_health("\"handler\":\"ok\"");
    handler_stop(handler);
    ingest_close(&ingest);
}

/* The limit was lowered below what lies in the ingest topic: waits, loses
 * nothing, and can be stopped. */
static void what_can_not_even_be_a_dead_letter_stops_the_group(void **state)
{
    (void)state;
    struct ingest ingest;
    struct broker_config broker_config = memory_config();
    broker_config.record_bytes_max = 100;
    ingest_open(&ingest, &broker_config);
    ingest_packet(&ingest, "{\"obuid\":1,\"lat\":91,\"lon\":1}");
    ingest_flush(&ingest);
    struct handler *handler = start_handler(ingest.broker, small_config(), NULL);
    await_health("does not take or give records");
    assert_false(all_committed(ingest.broker));
    handler_stop(handler);
    assert_int_equal(count_topic(ingest.broker, "gpscoords.dead-letters"), 0);
    ingest_close(&ingest);
}

static void a_reload_takes_effect_between_batches(void **state)
{
    (void)state;
    static const char new_rules[] = "categories: [{name: taxi, match: {dialect: obu}}]\n";
    struct ingest ingest;
    struct broker_config broker_config = memory_config();
    ingest_open(&ingest, &broker_config);
    ingest_packet(&ingest, "{\"obuid\":1,\"lat\":91,\"lon\":1}");
    ingest_flush(&ingest);
    struct handler *handler = start_handler(ingest.broker, small_config(), NULL);
    await_committed(ingest.broker);
    struct ruleset *ruleset = load_rules(new_rules);
    struct error err;
    assert_int_equal(handler_reload(handler, ruleset, &err), 0);
    ingest_packet(&ingest, "{\"obuid\":1,\"lat\":91,\"lon\":2}");
    ingest_flush(&ingest);
    await_committed(ingest.broker);
    handler_stop(handler);
    assert_int_equal(count_topic(ingest.broker, "gpscoords.dead-letters"), 1);
    struct outputs outputs = read_topic(ingest.broker, "gpscoords.taxi");
    assert_int_equal(outputs.count, 1);
    assert_true(outputs.items[0].mc.ruleset_hash == ruleset_hash(ruleset));
    outputs_free(&outputs);
    ruleset_unref(ruleset);
    ingest_close(&ingest);
}

static void configured_topics_are_read_instead(void **state)
{
    (void)state;
    struct ingest ingest;
    struct broker_config broker_config = memory_config();
    ingest_open(&ingest, &broker_config);
    static const char *const topics[] = {"data-topic", "data-topic"};
    struct handler_config config = small_config();
    config.topics = (struct setting_list){topics, 2};
    struct handler *handler = start_handler(ingest.broker, config, NULL);
    assert_true(broker_find_topic(ingest.broker, "data-topic.other") >= 0);
    assert_int_equal(broker_find_topic(ingest.broker, "gpscoords.other"), -1);
    handler_stop(handler);
    ingest_close(&ingest);
}

static void a_topic_that_can_not_be_made_is_an_error(void **state)
{
    (void)state;
    struct ingest ingest;
    struct broker_config broker_config = memory_config();
    ingest_open(&ingest, &broker_config);
    static const char *const topics[] = {"Not A Topic"};
    struct handler_config config = small_config();
    config.topics = (struct setting_list){topics, 1};
    struct ruleset *ruleset = load_rules(NULL);
    struct handler *handler;
    struct error err;
    assert_int_equal(handler_start(&handler, &config, ingest.broker, ruleset, &err), -1);
    assert_non_null(strstr(err.text, "Not A Topic"));
    ruleset_unref(ruleset);
    ingest_close(&ingest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_record_ends_in_exactly_one_place),
        cmocka_unit_test(threads_share_the_partitions),
        cmocka_unit_test(a_full_broker_is_waited_for),
        cmocka_unit_test(a_batch_of_one_works),
        cmocka_unit_test(each_lands_in_its_category),
        cmocka_unit_test(dead_letters_carry_all_fields),
        cmocka_unit_test(what_can_not_be_decoded_is_a_dead_letter),
        cmocka_unit_test(records_of_others_are_identified_here),
        cmocka_unit_test(what_was_replayed_without_identity_gets_one),
        cmocka_unit_test(of_what_is_too_large_even_as_it_came_the_beginning_is_kept),
        cmocka_unit_test(what_grows_too_large_is_a_dead_letter),
        cmocka_unit_test(drops_are_counted_by_rule_and_leave_nothing),
        cmocka_unit_test(a_repeat_after_a_crash_writes_the_same_bytes),
        cmocka_unit_test(a_record_that_crashed_us_three_times_is_diverted),
        cmocka_unit_test(a_stop_in_the_middle_loses_nothing),
        cmocka_unit_test(it_is_ready_once_it_reads),
        cmocka_unit_test(what_can_not_even_be_a_dead_letter_stops_the_group),
        cmocka_unit_test(a_reload_takes_effect_between_batches),
        cmocka_unit_test(configured_topics_are_read_instead),
        cmocka_unit_test(a_topic_that_can_not_be_made_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
