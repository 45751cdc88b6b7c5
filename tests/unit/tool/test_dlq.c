/* SPDX-License-Identifier: Apache-2.0 */
/* Dead letters over the memory broker: one entry a packet, its state, a replay. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/clock.h"
#include "broker/config.h"
#include "tool/dlq_replay.h"

enum { RECORDS_MAX = 100 };

static const char *const dead_topics[] = {"gpscoords.dead-letters", "nobody.dead-letters"};

static struct broker *broker;
static struct producer *producer;
static struct dlq_filter filter;
static struct dlq_book book;

static void on_delivery(void *context, uint64_t tag, enum delivery delivery, int64_t offset)
{
    (void)context, (void)tag, (void)offset;
    assert_int_equal(delivery, DELIVERY_DURABLE);
}

static int set_up(void **state)
{
    (void)state;
    const struct broker_config config = {.kind = BROKER_MEMORY,
                                         .partitions = 2,
                                         .producer_queue_records = 10000,
                                         .producer_queue_bytes = 1 << 24,
                                         .record_bytes_max = 1 << 20};
    const struct producer_handler handler = {.on_delivery = on_delivery};
    assert_int_equal(broker_open(&broker, &config, NULL), 0);
    assert_int_equal(producer_open(&producer, broker, &handler, NULL), 0);
    dlq_filter_init(&filter);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    producer_close(producer, 0);
    broker_close(broker);
    return 0;
}

static struct mc letter_of(uint8_t id, enum reason reason, uint8_t replays)
{
    struct mc mc = {.dialect = DIALECT_OBU,
                    .received_ns = id * NS_PER_S,
                    .is_dead_letter = true,
                    .reason = reason,
                    .source_topic = BYTES("gpscoords"),
                    .source_partition = 1,
                    .source_offset = 5,
                    .first_seen_ns = id * NS_PER_S,
                    .detail = BYTES("lat 91 is outside -90..90 (rule lat-range)"),
                    .replays = replays};
    mc.identity.bytes[23] = id;
    return mc;
}

static void put(const char *key, const char *value, const struct mc *mc)
{
    uint8_t out[MC_MAX];
    const struct record record = {.key = bytes_from_text(key),
                                  .value = bytes_from_text(value),
                                  .mc = {(const char *)out, mc_encode(mc, out)},
                                  .timestamp_ns = mc->received_ns};
    int topic = broker_topic(broker, dead_topics[0], 0, NULL);
    assert_int_equal(producer_publish(producer, topic, &record, 0), PUBLISH_ACCEPTED);
    producer_flush(producer);
    producer_poll(producer);
}

static void put_letter(const char *key, uint8_t id, enum reason reason, uint8_t replays)
{
    struct mc mc = letter_of(id, reason, replays);
    put(key, "{\"a\":1}", &mc);
}

static void put_mark(const char *key, uint8_t id, uint8_t replays)
{
    struct mc mc = letter_of(id, REASON_NONE, replays);
    mc.is_mark = true;
    mc.replayed_ns = 99 * NS_PER_S;
    put(key, "", &mc);
}

static void read_book(void)
{
    struct error err = {0};
    if (dlq_book_read(&book, broker, dead_topics, 2, &filter, &err) != 0)
        fail_msg("%s", err.text);
}

static void set(const char *name, const char *value)
{
    assert_int_equal(dlq_filter_set(&filter, name, value, 100 * NS_PER_S, NULL), 0);
}

/* How many the filter takes. */
static size_t count_with(const char *name, const char *value)
{
    dlq_filter_init(&filter);
    set(name, value);
    read_book();
    size_t count = book.count;
    dlq_book_deinit(&book);
    return count;
}

static void test_one_entry_for_each_packet(void **state)
{
    (void)state;
    put_letter("b", 2, REASON_RULE_RANGE, 0);
    put_letter("a", 1, REASON_RULE_RANGE, 0);
    put_letter("a", 1, REASON_RULE_TYPE, 0); /* a crash repeats */
    read_book();
    assert_int_equal(book.count, 2);
    assert_int_equal(book.records, 3);
    assert_int_equal(book.letters[0]->id.bytes[23], 1); /* oldest first */
    assert_int_equal(book.letters[0]->seen, 2);
    assert_int_equal(book.letters[0]->reason, REASON_RULE_TYPE); /* the newest */
    assert_true(bytes_equal_text(book.letters[0]->key, "a"));
    assert_int_equal(dlq_state_of(book.letters[0]), DLQ_OPEN);
    dlq_book_deinit(&book);
}

static void test_marks_and_replays_tell_the_state(void **state)
{
    (void)state;
    put_letter("a", 1, REASON_RULE_RANGE, 0);
    put_mark("a", 1, 1);
    put_letter("b", 2, REASON_RULE_RANGE, 0);
    put_mark("b", 2, 1);
    put_letter("b", 2, REASON_RULE_RANGE, 1);
    put_letter("c", 3, REASON_RULE_RANGE, 0);
    put_letter("c", 3, REASON_RULE_RANGE, 1); /* failed before its mark was written */
    put_mark("c", 3, 1);
    put_mark("d", 4, 1); /* the letter itself is gone */
    read_book();
    assert_int_equal(book.count, 3);
    assert_int_equal(dlq_state_of(book.letters[0]), DLQ_REPLAYED);
    assert_int_equal(dlq_state_of(book.letters[1]), DLQ_AGAIN);
    assert_int_equal(dlq_state_of(book.letters[2]), DLQ_AGAIN);
    assert_true(book.letters[0]->replayed_ns == 99 * NS_PER_S);
    dlq_book_deinit(&book);
    assert_int_equal(count_with("state", "again"), 2);
    assert_int_equal(count_with("state", "open"), 0);
    assert_int_equal(count_with("state", "all"), 3);
}

static void test_filters(void **state)
{
    (void)state;
    put_letter("a", 10, REASON_RULE_RANGE, 0);
    put_letter("b", 20, REASON_RULE_TYPE, 0);
    put_letter("a", 30, REASON_RULE_TYPE, 0);
    assert_int_equal(count_with("reason", "type"), 2);
    assert_int_equal(count_with("vehicle", "a"), 2);
    assert_int_equal(count_with("vehicle", "A"), 0);
    assert_int_equal(count_with("detail", "rule lat"), 3);
    assert_int_equal(count_with("detail", "lon"), 0);
    assert_int_equal(count_with("topic", "gpscoords"), 3);
    assert_int_equal(count_with("topic", "gpscoords.dead-letters"), 3);
    assert_int_equal(count_with("topic", "gps"), 0);
    assert_int_equal(count_with("since", "1970-01-01T00:00:20Z"), 2);
    assert_int_equal(count_with("until", "1970-01-01T00:00:20Z"), 1);
    assert_int_equal(count_with("since", "80s"), 2); /* 80 s before 100 s */
    assert_int_equal(count_with("id", "00000000000000000000000000000000000000000000001e"), 1);
    assert_int_equal(count_with("id", "0000"), 3);
    assert_int_equal(count_with("id", "01"), 0);
}

static void test_wrong_filters_say_what_is_right(void **state)
{
    (void)state;
    static const char *const wrong[][3] = {
        {"reason", "bad", "no such reason"},
        {"since", "soon", "an age like 10m"},
        {"state", "shut", "all, open, again or replayed"},
        {"id", "xyz", "hex digits"},
        {"id", "", "hex digits"},
        {"colour", "red", "no filter"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct error err = {0};
        assert_int_equal(dlq_filter_set(&filter, wrong[i][0], wrong[i][1], 0, &err), -1);
        assert_int_equal(err.kind, ERROR_USAGE);
        assert_non_null(strstr(err.text, wrong[i][2]));
    }
}

static void test_what_has_no_identity_is_told_by_its_place(void **state)
{
    (void)state;
    struct mc mc = letter_of(0, REASON_NOT_JSON, 0);
    memset(&mc.identity, 0, sizeof mc.identity);
    put("peer", "junk", &mc);
    put("peer", "junk", &mc);
    read_book();
    assert_int_equal(book.count, 2);
    assert_false(book.letters[0]->is_identified);
    dlq_book_deinit(&book);
}

static void test_a_record_without_header_is_listed(void **state)
{
    (void)state;
    const struct record record = {.key = BYTES("k"), .value = BYTES("v"), .mc = BYTES("\x07")};
    int topic = broker_topic(broker, dead_topics[0], 0, NULL);
    assert_int_equal(producer_publish(producer, topic, &record, 0), PUBLISH_ACCEPTED);
    producer_flush(producer);
    producer_poll(producer);
    read_book();
    assert_int_equal(book.count, 1);
    assert_int_equal(book.letters[0]->reason, REASON_UNDECODABLE);
    dlq_book_deinit(&book);
}

/* ---- replay ---- */

static struct mc replayed[RECORDS_MAX];
static size_t replayed_count;

static int on_replayed(void *context, const struct consumed *record, struct error *err)
{
    (void)context, (void)err;
    assert_true(bytes_equal_text(record->record.value, "{\"a\":1}"));
    assert_true(record->record.timestamp_ns > 1000 * NS_PER_S); /* now, not then */
    assert_true(mc_decode(record->record.mc, &replayed[replayed_count++]));
    return 0;
}

static void read_ingest(void)
{
    int topic = broker_topic(broker, "gpscoords", 0, NULL);
    replayed_count = 0;
    assert_int_equal(dlq_read_topics(broker, &topic, 1, on_replayed, NULL, NULL), 0);
}

static struct dlq_progress progress; /* of the last replay */

/* How many were sent. */
static uint64_t replay_open(void)
{
    static char names[2][TOPIC_NAME_MAX + 1] = {"gpscoords", "gpscoords.dead-letters"};
    const struct topic_list allowed = {names, 2};
    struct error err = {0};
    filter.state = DLQ_OPEN;
    read_book();
    atomic_store(&progress.replayed, 0);
    atomic_store(&progress.unreplayable, 0);
    if (dlq_replay(broker, &book, &allowed, &progress, &err) != 0)
        fail_msg("%s", err.text);
    dlq_book_deinit(&book);
    return atomic_load(&progress.replayed);
}

static void test_a_replay_sends_once_and_marks(void **state)
{
    (void)state;
    for (uint8_t id = 1; id <= 50; id++)
        put_letter("a", id, REASON_RULE_RANGE, 0);
    put_letter("a", 7, REASON_RULE_RANGE, 0); /* repeated: still once */
    assert_int_equal(replay_open(), 50);
    read_ingest();
    assert_int_equal(replayed_count, 50);
    for (size_t i = 0; i < replayed_count; i++) {
        assert_false(replayed[i].is_dead_letter);
        assert_int_equal(replayed[i].replays, 1);
        assert_true(replayed[i].identity.bytes[23] >= 1); /* the packet's own */
        assert_true(replayed[i].received_ns == replayed[i].identity.bytes[23] * NS_PER_S);
    }
    assert_int_equal(replay_open(), 0); /* a second one */
    read_ingest();
    assert_int_equal(replayed_count, 50);
    assert_int_equal(count_with("state", "replayed"), 50);
}

static void test_what_fails_again_is_told_apart_and_can_go_again(void **state)
{
    (void)state;
    put_letter("a", 1, REASON_RULE_RANGE, 0);
    assert_int_equal(replay_open(), 1);
    put_letter("a", 1, REASON_RULE_RANGE, 1); /* as the handler makes it of replays = 1 */
    assert_int_equal(count_with("state", "again"), 1);
    dlq_filter_init(&filter);
    assert_int_equal(replay_open(), 0); /* not by itself */
}

static void test_only_our_topics_are_written_to(void **state)
{
    (void)state;
    struct mc mc = letter_of(1, REASON_RULE_RANGE, 0);
    mc.source_topic = BYTES("payroll");
    put("a", "{\"a\":1}", &mc);
    mc = letter_of(2, REASON_RECORD_TOO_LARGE, 0);
    put("a", "", &mc); /* its bytes were not kept */
    assert_int_equal(replay_open(), 0);
    assert_int_equal(atomic_load(&progress.unreplayable), 2);
    assert_int_equal(broker_find_topic(broker, "payroll"), -1);
    assert_int_equal(count_with("state", "open"), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_entry_for_each_packet, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_marks_and_replays_tell_the_state, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_filters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_wrong_filters_say_what_is_right, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_has_no_identity_is_told_by_its_place, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_record_without_header_is_listed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_replay_sends_once_and_marks, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_fails_again_is_told_apart_and_can_go_again,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_only_our_topics_are_written_to, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("tool/dlq", tests, NULL, NULL);
}
