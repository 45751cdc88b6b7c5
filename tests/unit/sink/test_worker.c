/* SPDX-License-Identifier: Apache-2.0 */
/* The frame round a sink, over a database that answers as it is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "sink/driver.h"
#include "sink/worker.h"
#include "support/rows.h"

enum { ROWS = 6, WRITES_MAX = 64 };

/* Rows are told apart by their vehicle, "0" to "5". */
struct told_sink {
    struct sink sink;
    int failing[ROWS]; /* attempts that still fail, by their own fault */
    bool is_refused[ROWS];
    int unreached[ROWS];
    int retries;               /* attempts that fail as a whole, first of all */
    size_t counts[WRITES_MAX]; /* rows of each attempt */
    size_t writes;
    struct sink_failure failures[ROWS];
};

static int number_of(const struct sink_row *row)
{
    return row->packet.vehicle.ptr[0] - '0';
}

static bool fails(struct told_sink *sink, int number, struct sink_failure *failure)
{
    if (sink->is_refused[number]) {
        failure->fate = SINK_REFUSED;
        failure->detail = "never";
        return true;
    }
    if (sink->failing[number] > 0) {
        sink->failing[number]--;
        failure->fate = SINK_FAILED;
        failure->detail = "not now";
        return true;
    }
    if (sink->unreached[number] > 0) {
        sink->unreached[number]--;
        failure->fate = SINK_UNREACHED;
        failure->detail = "cut";
        return true;
    }
    return false;
}

static enum sink_verdict told_write(struct sink *base, const struct sink_row *rows, size_t count,
                                    struct sink_write_result *result, struct error *err)
{
    struct told_sink *sink = (struct told_sink *)base;
    assert_true(sink->writes < WRITES_MAX);
    sink->counts[sink->writes++] = count;
    error_set(err, ERROR_REMOTE, "told so");
    if (sink->retries > 0) {
        sink->retries--;
        return SINK_RETRY;
    }
    result->failures = sink->failures;
    for (size_t i = 0; i < count; i++) {
        struct sink_failure *failure = &sink->failures[result->failure_count];
        failure->index = i;
        result->failure_count += fails(sink, number_of(&rows[i]), failure);
    }
    return result->failure_count == 0 ? SINK_STORED : SINK_PARTIAL;
}

static const struct sink_driver told_driver = {.name = "told", .write = told_write};

struct fixture {
    struct told_sink sink;
    struct sink_config config;
    struct sink_worker *worker;
    struct rows rows;
    int poison[ROWS];
    size_t poison_count;
    char detail[128];
    bool has_opened;
    bool must_stop;
    struct error err;
};

static void on_poison(void *context, uint64_t tag, const struct sink_row *row, const char *detail)
{
    struct fixture *f = context;
    assert_int_equal(tag, 100 + number_of(row));
    f->poison[f->poison_count++] = number_of(row);
    snprintf(f->detail, sizeof f->detail, "%s", detail);
}

static bool must_stop(void *context)
{
    return ((struct fixture *)context)->must_stop;
}

static void on_circuit(void *context, enum sink_circuit circuit, const struct error *err)
{
    struct fixture *f = context;
    (void)err;
    f->has_opened |= circuit == CIRCUIT_OPEN;
    f->must_stop |= circuit == CIRCUIT_OPEN && f->config.on_exhausted == SINK_PAUSE;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->sink.sink.driver = &told_driver;
    f->config = (struct sink_config){.batch_rows = 100,
                                     .batch_bytes = 1 << 20,
                                     .retry_delay_max_ns = NS_PER_MS,
                                     .item_attempts = 4,
                                     .breaker_failures = 3,
                                     .breaker_delay_ns = NS_PER_MS};
    rows_init(&f->rows);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    sink_worker_free(f->worker);
    rows_deinit(&f->rows);
    free(f);
    return 0;
}

static int flush(struct fixture *f)
{
    const struct sink_worker_handler handler = {
        .on_poison = on_poison, .must_stop = must_stop, .on_circuit = on_circuit, .context = f};
    assert_int_equal(sink_worker_new(&f->worker, &f->sink.sink, &f->config, &handler, &f->err), 0);
    for (int i = 0; i < ROWS; i++) {
        rows_add(&f->rows, NS_PER_S, "{\"obuid\":%d,\"lat\":1,\"lon\":2,\"time\":5}", i);
        assert_int_equal(sink_worker_add(f->worker, &f->rows.items[i], 100 + (uint64_t)i, 0),
                         SINK_WORKER_ADDED);
    }
    return sink_worker_flush(f->worker, &f->err);
}

static void test_only_what_failed_is_written_again(void **state)
{
    struct fixture *f = *state;
    f->sink.failing[1] = 1;
    f->sink.failing[4] = 2;
    assert_int_equal(flush(f), 0);
    assert_int_equal(f->sink.writes, 3);
    assert_int_equal(f->sink.counts[0], ROWS);
    assert_int_equal(f->sink.counts[1], 2);
    assert_int_equal(f->sink.counts[2], 1);
    assert_int_equal(f->poison_count, 0);
    assert_int_equal(sink_worker_count(f->worker), 0);
}

static void test_what_is_refused_is_handed_out_and_the_rest_is_stored(void **state)
{
    struct fixture *f = *state;
    f->sink.is_refused[0] = f->sink.is_refused[3] = true;
    f->sink.failing[5] = 1;
    assert_int_equal(flush(f), 0);
    assert_int_equal(f->poison_count, 2);
    assert_int_equal(f->poison[0], 0);
    assert_int_equal(f->poison[1], 3);
    assert_string_equal(f->detail, "never");
    assert_int_equal(f->sink.writes, 2);
    assert_int_equal(f->sink.counts[1], 1);
}

static void test_after_its_attempts_a_row_is_handed_out(void **state)
{
    struct fixture *f = *state;
    f->sink.failing[2] = 1000;
    assert_int_equal(flush(f), 0);
    assert_int_equal(f->sink.writes, 4); /* item_attempts */
    assert_int_equal(f->poison_count, 1);
    assert_int_equal(f->poison[0], 2);
    assert_string_equal(f->detail, "tried 4 times: not now");
    assert_false(f->has_opened); /* the database is well */
}

static void test_or_the_store_pauses_there(void **state)
{
    struct fixture *f = *state;
    f->config.on_exhausted = SINK_PAUSE;
    f->sink.failing[2] = 1000;
    assert_int_equal(flush(f), -1); /* stopped when the circuit opened */
    assert_true(f->has_opened);
    assert_int_equal(f->poison_count, 0);
    assert_int_equal(sink_worker_count(f->worker), 1);
    f->must_stop = false;
    f->sink.failing[2] = 0;
    assert_int_equal(sink_worker_flush(f->worker, &f->err), 0);
    assert_int_equal(sink_worker_circuit(f->worker), CIRCUIT_CLOSED);
}

/* A row that was never reached has not failed, however often. */
static void test_a_broken_connection_does_not_count_as_an_attempt(void **state)
{
    struct fixture *f = *state;
    f->sink.unreached[3] = 20;
    f->sink.retries = 20;
    assert_int_equal(flush(f), 0);
    assert_true(f->has_opened);
    assert_int_equal(f->poison_count, 0);
    assert_int_equal(f->sink.writes, 41);
    assert_int_equal(sink_worker_circuit(f->worker), CIRCUIT_CLOSED);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_only_what_failed_is_written_again),
        TEST(test_what_is_refused_is_handed_out_and_the_rest_is_stored),
        TEST(test_after_its_attempts_a_row_is_handed_out),
        TEST(test_or_the_store_pauses_there),
        TEST(test_a_broken_connection_does_not_count_as_an_attempt),
    };
    return cmocka_run_group_tests_name("sink worker", tests, NULL, NULL);
}
