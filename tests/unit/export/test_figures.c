/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/clock.h"
#include "export/figures.h"

/* What one reading of the program's metrics gave, found by name and suffix. */
struct seen {
    const char *metric; /* with its labels: name{labels} */
    const char *suffix;
    int64_t now_ns;
    double value;
    double change;
    int count;
};

static void on_figure(void *context, const struct figure *figure)
{
    struct seen *seen = context;
    char name[256];
    snprintf(name, sizeof name, "%.*s{%.*s}", (int)figure->name.len, figure->name.ptr,
             (int)figure->labels.len, figure->labels.ptr);
    if (strcmp(name, seen->metric) != 0 || strcmp(figure->suffix, seen->suffix) != 0)
        return;
    seen->value = figure->value;
    seen->change = figure->is_total ? figure->change : -1;
    seen->count++;
}

static void on_reading(void *context, const struct metric_reading *reading)
{
    figures_of(reading, ((struct seen *)context)->now_ns, on_figure, context);
}

static int open_reader(void **state)
{
    return metrics_reader_new((struct metrics_reader **)state, FIGURES_MEMORY, NULL);
}

static int close_reader(void **state)
{
    metrics_reader_free(*state);
    return 0;
}

static struct seen read_one(void *reader, int64_t now_s, const char *metric, const char *suffix)
{
    struct seen seen = {.metric = metric, .suffix = suffix, .now_ns = now_s * NS_PER_S};
    assert_int_equal(metrics_reader_read(reader, on_reading, &seen), 0);
    assert_int_equal(seen.count, 1);
    return seen;
}

static void test_counters(void **state)
{
    metrics_add(METRIC_HANDLER_RECORDS, 0, 7);
    read_one(*state, 1, "handler_records{}", "count");
    metrics_add(METRIC_HANDLER_RECORDS, 0, 30);
    struct seen seen = read_one(*state, 4, "handler_records{}", "m1_rate");
    assert_float_equal(seen.value, 10, 1e-9);
    metrics_add(METRIC_HANDLER_RECORDS, 0, 3);
    seen = read_one(*state, 5, "handler_records{}", "count");
    assert_float_equal(seen.change, 3, 0);
    metrics_add(METRIC_HANDLER_VERDICTS, 2, 1);
    seen = read_one(*state, 6, "handler_verdicts{verdict=\"dead_letter\"}", "count");
    assert_float_equal(seen.value, 1, 0);
}

static void test_durations_are_milliseconds_of_the_last_interval(void **state)
{
    metrics_observe(METRIC_SINK_WRITE_SECONDS, 0, 900 * NS_PER_MS);
    read_one(*state, 1, "sink_write{}", "max");
    for (int i = 0; i < 99; i++)
        metrics_observe(METRIC_SINK_WRITE_SECONDS, 0, 4 * NS_PER_MS);
    metrics_observe(METRIC_SINK_WRITE_SECONDS, 0, 40 * NS_PER_MS);
    struct seen seen = read_one(*state, 11, "sink_write{}", "p50");
    assert_in_range(seen.value * 1000, 3600, 4400);
    metrics_observe(METRIC_SINK_WRITE_SECONDS, 0, 10 * NS_PER_MS);
    seen = read_one(*state, 21, "sink_write{}", "max");
    assert_in_range(seen.value * 1000, 9000, 11000);
    metrics_observe(METRIC_SINK_WRITE_SECONDS, 0, 10 * NS_PER_MS);
    seen = read_one(*state, 31, "sink_write{}", "min");
    assert_in_range(seen.value * 1000, 8000, 10000);
    metrics_observe(METRIC_SINK_WRITE_SECONDS, 0, 10 * NS_PER_MS);
    seen = read_one(*state, 41, "sink_write{}", "mean");
    assert_float_equal(seen.value, 10, 1e-9);
    seen = read_one(*state, 51, "sink_write{}", "p99"); /* nothing since */
    assert_float_equal(seen.value, 0, 0);
}

static void test_series_made_at_run_time_and_the_process_come_too(void **state)
{
    static const char labels[] = "group=\"store\",topic=\"gpscoords.position\",partition=\"3\"";
    struct metric_series *lag = metrics_series(METRIC_BROKER_LAG, labels);
    metric_series_set(lag, 17);
    char name[128];
    snprintf(name, sizeof name, "broker_lag_records{%s}", labels);
    assert_float_equal(read_one(*state, 1, name, "").value, 17, 0);
    /* one made later must not take another's place */
    metrics_series(METRIC_BROKER_LAG, "group=\"later\"");
    metric_series_set(lag, 18);
    assert_float_equal(read_one(*state, 2, name, "").value, 18, 0);
    assert_true(read_one(*state, 3, "process_resident_memory_bytes{}", "").value > 100000);
}

/* What another server counted: in seconds, and missing while it is away. */
static void test_a_series_that_is_absent_for_a_while(void **state)
{
    static const char name[] = "mongodb_latency_seconds{kind=\"test\"}";
    struct metric_series *latency = metrics_series(METRIC_MONGODB_LATENCY, "kind=\"test\"");
    metric_series_set(latency, 2500 * NS_PER_MS);
    assert_float_equal(read_one(*state, 1, name, "count").value, 2.5, 1e-9);
    metric_series_set(latency, METRIC_ABSENT);
    struct seen none = {.metric = name, .suffix = "count", .now_ns = 2 * NS_PER_S};
    assert_int_equal(metrics_reader_read(*state, on_reading, &none), 0);
    assert_int_equal(none.count, 0);
    assert_int_equal(metrics_value(METRIC_MONGODB_LATENCY, 0), 0);
    metric_series_set(latency, 4 * NS_PER_S);
    struct seen seen = read_one(*state, 3, name, "count");
    assert_float_equal(seen.value, 4, 1e-9);
    assert_float_equal(seen.change, 1.5, 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_counters, open_reader, close_reader),
        cmocka_unit_test_setup_teardown(test_durations_are_milliseconds_of_the_last_interval,
                                        open_reader, close_reader),
        cmocka_unit_test_setup_teardown(test_series_made_at_run_time_and_the_process_come_too,
                                        open_reader, close_reader),
        cmocka_unit_test_setup_teardown(test_a_series_that_is_absent_for_a_while, open_reader,
                                        close_reader),
    };
    return cmocka_run_group_tests_name("figures", tests, NULL, NULL);
}
