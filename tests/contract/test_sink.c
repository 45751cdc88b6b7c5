/* SPDX-License-Identifier: Apache-2.0 */
/* What every sink back end keeps to. The argument names the back end. */
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
#include "base/text.h"
#include "sink/config.h"
#include "sink/sink.h"
#include "support/rows.h"

#define NOON_MS INT64_C(1211284800000) /* 2008-05-20T12:00:00Z */
#define NOON_NS (NOON_MS * NS_PER_MS)
#define HOUR_NS (3600 * NS_PER_S)

static enum sink_kind kind;
static unsigned fixtures; /* a database of its own for each */

/* Where is it? "mongodb": a server at this address, in a database that is new. */
static const char *const mongodb_indexes[] = {"vehicle+time+_id"};

struct fixture {
    char dir[64];
    char database[64];
    struct sink_config config;
    struct sink *sink;
    struct rows rows;
    struct found found;
    struct sink_write_result result;
    struct error err;
};

static void open_sink(struct fixture *f)
{
    if (sink_open(&f->sink, &f->config, false, &f->err) != 0)
        fail_msg("%s", f->err.text);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    snprintf(f->dir, sizeof f->dir, "/tmp/motorcade-sink-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->config = (struct sink_config){.kind = (int)kind,
                                     .data_dir = f->dir,
                                     .span_ns = HOUR_NS,
                                     .batch_rows = 20000,
                                     .batch_bytes = 1 << 24,
                                     .merge_interval_ns = 20 * NS_PER_MS,
                                     .vehicles_in_memory = 1024};
    f->config.mongodb = (struct mongodb_config){.uri = getenv("MOTORCADE_TEST_MONGODB_URI"),
                                                .database = f->database,
                                                .indexes = {mongodb_indexes, 1},
                                                .w = "majority",
                                                .is_journaled = true,
                                                .w_timeout_ns = 20 * NS_PER_S,
                                                .message_docs = 1000,
                                                .writers = 2,
                                                .verify_rate = 0.01,
                                                .selection_timeout_ns = 5 * NS_PER_S,
                                                .socket_timeout_ns = 60 * NS_PER_S};
    snprintf(f->database, sizeof f->database, "contract_%d_%u_%llx", (int)getpid(), fixtures++,
             (unsigned long long)clock_wall_ns());
    rows_init(&f->rows);
    found_init(&f->found);
    open_sink(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char command[128];
    sink_close(f->sink);
    rows_deinit(&f->rows);
    found_deinit(&f->found);
    snprintf(command, sizeof command, "rm -rf '%s'", f->dir);
    int rc = system(command);
    free(f);
    return rc;
}

/* A position of `vehicle`, `second` seconds after noon, received at once. */
static void add(struct fixture *f, const char *vehicle, int64_t second)
{
    rows_add(&f->rows, NOON_NS + second * NS_PER_S + 123456789,
             "{\"obuid\":\"%s\",\"lat\":37.%05d,\"lon\":-122.%05d,\"time\":%lld,\"speed\":%d.5}",
             vehicle, 70000 + (int)(second % 1000), 40000 + (int)(second % 999),
             (long long)(NOON_MS + second * 1000), (int)(second % 30));
}

static void write_all(struct fixture *f)
{
    enum sink_verdict verdict =
        sink_write(f->sink, f->rows.items, f->rows.count, &f->result, &f->err);
    if (verdict != SINK_STORED)
        fail_msg("verdict %d: %s", (int)verdict, f->err.text);
}

static void expect_result(const struct fixture *f, size_t stored, size_t duplicates,
                          size_t conflicts)
{
    assert_int_equal(f->result.stored, stored);
    assert_int_equal(f->result.duplicates, duplicates);
    assert_int_equal(f->result.conflicts, conflicts);
}

static struct sink_query query_of(const char *vehicle, int64_t from_s, int64_t to_s)
{
    return (struct sink_query){.vehicle = bytes_from_text(vehicle),
                               .from_ms = NOON_MS + from_s * 1000,
                               .to_ms = NOON_MS + to_s * 1000};
}

static const struct sink_query everything = {.from_ms = INT64_MIN, .to_ms = INT64_MAX};

static void find(struct fixture *f, const struct sink_query *query, size_t page)
{
    found_deinit(&f->found);
    if (found_all(&f->found, f->sink, query, page, &f->err) != 0)
        fail_msg("%s", f->err.text);
}

static uint64_t count(struct fixture *f, const struct sink_query *query)
{
    uint64_t rows;
    if (sink_count(f->sink, query, &rows, &f->err) != 0)
        fail_msg("%s", f->err.text);
    return rows;
}

static bool is_written(const struct fixture *f, const struct found_row *row)
{
    struct bytes canonical = bytes_of(row->canonical, row->canonical_len);
    for (size_t i = 0; i < f->rows.count; i++)
        if (bytes_equal(f->rows.items[i].canonical, canonical) &&
            memcmp(&f->rows.items[i].packet.identity, &row->packet.identity, PACKET_IDENTITY_LEN) ==
                0)
            return true;
    return false;
}

/* ---- finding ---- */

/* The test server reads all rows for each question, and takes duplicates one by one. */
static int fewer(int many, int few)
{
    return kind == SINK_MONGODB ? few : many;
}

static void test_empty_store_has_nothing(void **state)
{
    struct fixture *f = *state;
    find(f, &everything, 10);
    assert_int_equal(f->found.count, 0);
    assert_int_equal(count(f, &everything), 0);
    assert_int_equal(found_latest(&f->found, f->sink, 10, &f->err), 0);
    assert_int_equal(f->found.count, 0);
}

static void test_a_stored_row_comes_back_byte_for_byte(void **state)
{
    struct fixture *f = *state;
    rows_add(&f->rows, NOON_NS + 987654321,
             "{\"obuid\":8674665223082153551,\"lat\":45.23,\"lon\":67.89,\"epoch\":7,\"seq\":41,"
             "\"time\":\"2008-05-20T11:59:58.250Z\",\"speed\":0.1,\"fuel\":12.50,\"big\":1e400,"
             "\"door\":true,\"driver\":{\"name\":\"Zo\\u00eb \\\"Z\\\"\",\"shift\":[1,2]}}");
    write_all(f);
    find(f, &everything, 10);
    assert_int_equal(f->found.count, 1);
    const struct found_row *row = &f->found.items[0];
    const struct sink_row *sent = &f->rows.items[0];
    assert_string_equal(row->vehicle, "8674665223082153551");
    assert_int_equal(row->canonical_len, sent->canonical.len);
    assert_memory_equal(row->canonical, sent->canonical.ptr, sent->canonical.len);
    assert_memory_equal(&row->packet.identity, &sent->packet.identity, PACKET_IDENTITY_LEN);
    assert_true(row->packet.received_ns == sent->packet.received_ns);
    assert_true(row->packet.time_ms == sent->packet.time_ms);
    assert_true(row->packet.order == sent->packet.order);
    assert_true(row->packet.fields == sent->packet.fields);
    assert_true(row->packet.lat == 45.23 && row->packet.lon == 67.89);
}

static void test_rows_of_a_vehicle_come_in_order_of_time(void **state)
{
    struct fixture *f = *state;
    for (int64_t second = 99; second >= 0; second--) {
        add(f, "a", second * 7 % 100);
        add(f, "b", second);
    }
    write_all(f);
    struct sink_query query = query_of("a", 0, 1000);
    find(f, &query, 7);
    assert_int_equal(f->found.count, 100);
    for (size_t i = 0; i < 100; i++) {
        assert_string_equal(f->found.items[i].vehicle, "a");
        assert_true(f->found.items[i].packet.time_ms == NOON_MS + (int64_t)i * 1000);
    }
}

static void test_from_is_inclusive_and_to_exclusive(void **state)
{
    struct fixture *f = *state;
    for (int64_t second = 0; second < 10; second++)
        add(f, "a", second);
    write_all(f);
    struct sink_query query = query_of("a", 3, 6);
    find(f, &query, 100);
    assert_int_equal(f->found.count, 3);
    assert_true(f->found.items[0].packet.time_ms == NOON_MS + 3000);
    assert_true(f->found.items[2].packet.time_ms == NOON_MS + 5000);
    assert_int_equal(count(f, &query), 3);
}

static void test_pages_of_any_size_give_each_row_once(void **state)
{
    struct fixture *f = *state;
    const int vehicles = fewer(23, 5);
    for (int v = 0; v < vehicles; v++) {
        char vehicle[16];
        snprintf(vehicle, sizeof vehicle, "cab-%d", v);
        for (int64_t second = 0; second < 11; second++)
            add(f, vehicle, second);
    }
    write_all(f);
    const size_t rows = (size_t)vehicles * 11;
    const size_t sizes[] = {1, 2, 3, 10, 11, 12, rows - 1, rows, rows + 1, 100000};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        find(f, &everything, sizes[s]);
        assert_int_equal(f->found.count, rows);
        for (size_t i = 0; i < f->found.count; i++) {
            assert_true(is_written(f, &f->found.items[i]));
            for (size_t j = i + 1; s == 0 && j < f->found.count; j++)
                assert_true(memcmp(&f->found.items[i].packet.identity,
                                   &f->found.items[j].packet.identity, PACKET_IDENTITY_LEN) != 0);
        }
    }
}

static void test_a_callback_can_stop_and_the_cursor_goes_on_after_it(void **state)
{
    struct fixture *f = *state;
    struct sink_cursor cursor = {0};
    for (int64_t second = 0; second < 10; second++)
        add(f, "a", second);
    write_all(f);
    f->found.stop_after = 4;
    assert_int_equal(sink_find(f->sink, &everything, &cursor, 100, found_add, &f->found, &f->err),
                     0);
    assert_int_equal(f->found.count, 4);
    assert_false(cursor.is_end);
    f->found.stop_after = 0;
    assert_int_equal(sink_find(f->sink, &everything, &cursor, 100, found_add, &f->found, &f->err),
                     0);
    assert_int_equal(f->found.count, 10);
    assert_true(f->found.items[4].packet.time_ms == NOON_MS + 4000);
    assert_true(cursor.is_end);
}

static void test_an_unknown_vehicle_has_no_rows(void **state)
{
    struct fixture *f = *state;
    add(f, "a", 0);
    write_all(f);
    struct sink_query query = query_of("b", -1000, 1000);
    find(f, &query, 10);
    assert_int_equal(f->found.count, 0);
    assert_int_equal(count(f, &query), 0);
}

static void test_a_packet_without_time_is_found_by_its_received_time(void **state)
{
    struct fixture *f = *state;
    rows_add(&f->rows, NOON_NS + 5 * NS_PER_S, "{\"obuid\":\"a\",\"lat\":1.5,\"lon\":2.5}");
    write_all(f);
    struct sink_query query = query_of("a", 5, 6);
    find(f, &query, 10);
    assert_int_equal(f->found.count, 1);
    assert_true(f->found.items[0].packet.time_ms == NOON_MS + 5000);
    assert_int_equal(f->found.items[0].packet.fields & PACKET_HAS_TIME, 0);
}

/* ---- once, in effect ---- */

static void test_writing_again_changes_nothing(void **state)
{
    struct fixture *f = *state;
    for (int64_t second = 0; second < 50; second++)
        add(f, second % 2 ? "a" : "b", second);
    write_all(f);
    expect_result(f, 50, 0, 0);
    write_all(f);
    expect_result(f, 0, 50, 0);
    assert_int_equal(count(f, &everything), 50);
}

static void test_a_repeat_inside_a_batch_is_stored_once(void **state)
{
    struct fixture *f = *state;
    add(f, "a", 1);
    add(f, "a", 2);
    add(f, "a", 1);
    add(f, "a", 1);
    write_all(f);
    expect_result(f, 2, 2, 0);
    assert_int_equal(count(f, &everything), 2);
}

/* A resend has another received time, and so lies in another span. */
static void test_a_resend_after_hours_is_a_duplicate(void **state)
{
    struct fixture *f = *state;
    const char *timed = "{\"obuid\":\"a\",\"lat\":1.5,\"lon\":2.5,\"time\":1211284800000}";
    const char *numbered = "{\"obuid\":\"b\",\"lat\":1.5,\"lon\":2.5,\"seq\":17,\"epoch\":3}";
    rows_add(&f->rows, NOON_NS, "%s", timed);
    rows_add(&f->rows, NOON_NS, "%s", numbered);
    write_all(f);
    expect_result(f, 2, 0, 0);
    rows_clear(&f->rows);
    rows_add(&f->rows, NOON_NS + 7 * HOUR_NS, "%s", timed);
    rows_add(&f->rows, NOON_NS + 7 * HOUR_NS, "%s", numbered);
    write_all(f);
    expect_result(f, 0, 2, 0);
    assert_int_equal(count(f, &everything), 2);
}

static void test_late_and_new_rows_are_stored(void **state)
{
    struct fixture *f = *state;
    add(f, "a", 100);
    write_all(f);
    rows_clear(&f->rows);
    for (int64_t second = 0; second < 200; second++)
        add(f, "a", second);
    write_all(f);
    expect_result(f, 199, 1, 0);
    find(f, &everything, 64);
    assert_int_equal(f->found.count, 200);
}

static void test_equal_order_with_other_content_is_a_conflict_and_kept(void **state)
{
    struct fixture *f = *state;
    rows_add(&f->rows, NOON_NS, "{\"obuid\":\"a\",\"lat\":1.5,\"lon\":2.5,\"time\":%lld}",
             (long long)NOON_MS);
    rows_add(&f->rows, NOON_NS, "{\"obuid\":\"b\",\"lat\":1,\"lon\":2,\"seq\":9,\"epoch\":1}");
    write_all(f);
    rows_clear(&f->rows);
    rows_add(&f->rows, NOON_NS + HOUR_NS, "{\"obuid\":\"a\",\"lat\":1.5,\"lon\":3.5,\"time\":%lld}",
             (long long)NOON_MS);
    rows_add(&f->rows, NOON_NS + HOUR_NS,
             "{\"obuid\":\"b\",\"lat\":1,\"lon\":3,\"seq\":9,\"epoch\":1}");
    write_all(f);
    expect_result(f, 2, 0, 2);
    write_all(f);
    expect_result(f, 0, 2, 0);
    assert_int_equal(count(f, &everything), 4);
}

static void test_a_conflict_inside_a_batch_keeps_both(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 3; i++)
        rows_add(&f->rows, NOON_NS, "{\"obuid\":\"a\",\"lat\":%d,\"lon\":2.5,\"time\":%lld}", i,
                 (long long)NOON_MS);
    write_all(f);
    expect_result(f, 3, 0, 2);
    assert_int_equal(count(f, &everything), 3);
}

/* More vehicles than are remembered in memory; all written twice. */
static void test_many_vehicles_are_recognised(void **state)
{
    struct fixture *f = *state;
    const size_t vehicles = (size_t)fewer(5000, 1100); /* more than are kept in memory */
    for (int round = 0; round < 3; round++) {
        for (size_t v = 0; v < vehicles; v++) {
            char vehicle[24];
            snprintf(vehicle, sizeof vehicle, "%zu", v * 7919);
            add(f, vehicle, round);
        }
        write_all(f);
        expect_result(f, vehicles, (size_t)round * vehicles, 0);
        write_all(f);
        expect_result(f, 0, (size_t)(round + 1) * vehicles, 0);
    }
    assert_int_equal(count(f, &everything), 3 * vehicles);
    find(f, &everything, 1000);
    assert_int_equal(f->found.count, 3 * vehicles);
}

/* ---- poison ---- */

static void test_a_row_that_can_never_be_stored_is_named(void **state)
{
    struct fixture *f = *state;
    for (int64_t second = 0; second < 5; second++)
        add(f, "a", second);
    f->rows.items[3].packet.identity.bytes[0] ^= 1;
    assert_int_equal(sink_write(f->sink, f->rows.items, 5, &f->result, &f->err), SINK_POISON);
    assert_int_equal(f->result.poison_index, 3);
    assert_true(strlen(f->err.text) > 0);
    assert_int_equal(count(f, &everything), 0);
}

/* ---- latest and count ---- */

static void test_latest_gives_each_vehicle_its_newest_row(void **state)
{
    struct fixture *f = *state;
    const int vehicles = fewer(40, 15);
    for (int round = 0; round < 4; round++) {
        rows_clear(&f->rows);
        for (int v = 0; v < vehicles; v++) {
            char vehicle[16];
            snprintf(vehicle, sizeof vehicle, "v%d", v);
            add(f, vehicle, (round + v) % 4 * 1000); /* the newest in any of the batches */
        }
        write_all(f);
    }
    for (size_t page = 1; page < 60; page += 13) {
        found_deinit(&f->found);
        assert_int_equal(found_latest(&f->found, f->sink, page, &f->err), 0);
        assert_int_equal(f->found.count, vehicles);
        for (size_t i = 0; i < (size_t)vehicles; i++) {
            assert_true(f->found.items[i].packet.time_ms == NOON_MS + 3000 * 1000);
            for (size_t j = i + 1; j < (size_t)vehicles; j++)
                assert_string_not_equal(f->found.items[i].vehicle, f->found.items[j].vehicle);
        }
    }
}

static void test_count_knows_vehicle_and_time(void **state)
{
    struct fixture *f = *state;
    for (int64_t second = 0; second < 3000; second++)
        add(f, second % 3 ? "a" : "b", second);
    write_all(f);
    struct sink_query query = query_of("a", 0, 3000);
    assert_int_equal(count(f, &query), 2000);
    query = query_of("b", 1500, 1800);
    assert_int_equal(count(f, &query), 100);
    query = query_of("", 100, 200);
    assert_int_equal(count(f, &query), 100);
    assert_int_equal(count(f, &everything), 3000);
}

/* ---- after a restart, and beside a writer (what lies on a disk only) ---- */

static void reopen(struct fixture *f)
{
    sink_close(f->sink);
    f->sink = NULL;
    open_sink(f);
}

static void test_everything_is_there_after_a_restart(void **state)
{
    struct fixture *f = *state;
    const int rows = fewer(5000, 500);
    if (kind == SINK_MEMORY)
        return;
    for (int64_t second = 0; second < rows; second++)
        add(f, second % 2 ? "a" : "b", second);
    write_all(f);
    reopen(f);
    assert_int_equal(count(f, &everything), rows);
    write_all(f);
    expect_result(f, 0, (size_t)rows, 0);
    found_deinit(&f->found);
    assert_int_equal(found_latest(&f->found, f->sink, 10, &f->err), 0);
    assert_int_equal(f->found.count, 2);
}

static void test_a_reader_sees_each_write_at_once(void **state)
{
    struct fixture *f = *state;
    if (kind == SINK_MEMORY)
        return;
    struct sink *reader;
    assert_int_equal(sink_open(&reader, &f->config, true, &f->err), 0);
    for (int64_t second = 0; second < 50; second++) {
        rows_clear(&f->rows);
        add(f, "a", second * 600); /* a new span every six writes */
        write_all(f);
        uint64_t rows;
        assert_int_equal(sink_count(reader, &everything, &rows, &f->err), 0);
        assert_int_equal(rows, second + 1);
    }
    sink_close(reader);
}

static void test_a_second_writer_is_refused(void **state)
{
    struct fixture *f = *state;
    if (kind == SINK_MEMORY || kind == SINK_MONGODB) /* where several may write */
        return;
    struct sink *other;
    assert_int_equal(sink_open(&other, &f->config, false, &f->err), -1);
    assert_int_equal(f->err.kind, ERROR_BUSY);
    assert_null(other);
}

static void test_reading_where_nothing_is_says_so(void **state)
{
    struct fixture *f = *state;
    if (kind == SINK_MONGODB) /* nothing connects before it is needed */
        return;
    struct sink *other;
    struct sink_config config = f->config;
    config.data_dir = "/tmp/motorcade-is-not-here";
    assert_int_equal(sink_open(&other, &config, true, &f->err), -1);
    assert_null(other);
    assert_true(strlen(f->err.text) > 0);
}

int main(int argc, char **argv)
{
    static const char *const kinds[] = {
        [SINK_SQLITE] = "sqlite", [SINK_MEMORY] = "memory", [SINK_MONGODB] = "mongodb"};
    for (int i = 0; i <= SINK_MONGODB; i++)
        if (argc > 1 && strcmp(argv[1], kinds[i]) == 0)
            kind = (enum sink_kind)i;
    if (kind == SINK_MONGODB && getenv("MOTORCADE_TEST_MONGODB_URI") == NULL) {
        puts("1..0 # SKIP: MOTORCADE_TEST_MONGODB_URI names no server");
        return 0;
    }
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_empty_store_has_nothing),
        TEST(test_a_stored_row_comes_back_byte_for_byte),
        TEST(test_rows_of_a_vehicle_come_in_order_of_time),
        TEST(test_from_is_inclusive_and_to_exclusive),
        TEST(test_pages_of_any_size_give_each_row_once),
        TEST(test_a_callback_can_stop_and_the_cursor_goes_on_after_it),
        TEST(test_an_unknown_vehicle_has_no_rows),
        TEST(test_a_packet_without_time_is_found_by_its_received_time),
        TEST(test_writing_again_changes_nothing),
        TEST(test_a_repeat_inside_a_batch_is_stored_once),
        TEST(test_a_resend_after_hours_is_a_duplicate),
        TEST(test_late_and_new_rows_are_stored),
        TEST(test_equal_order_with_other_content_is_a_conflict_and_kept),
        TEST(test_a_conflict_inside_a_batch_keeps_both),
        TEST(test_many_vehicles_are_recognised),
        TEST(test_a_row_that_can_never_be_stored_is_named),
        TEST(test_latest_gives_each_vehicle_its_newest_row),
        TEST(test_count_knows_vehicle_and_time),
        TEST(test_everything_is_there_after_a_restart),
        TEST(test_a_reader_sees_each_write_at_once),
        TEST(test_a_second_writer_is_refused),
        TEST(test_reading_where_nothing_is_says_so),
    };
    return cmocka_run_group_tests_name("sink", tests, NULL, NULL);
}
