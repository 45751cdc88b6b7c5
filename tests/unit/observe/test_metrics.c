/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "observe/metrics.h"
#include "observe/metrics_cells.h"

static struct buf scrape(void)
{
    struct buf page;
    buf_init(&page, 0);
    assert_int_equal(metrics_print(&page, METRICS_PROMETHEUS), 0);
    buf_append_char(&page, '\0');
    return page;
}

/* The number after `key` at the start of a line; -1 when there is no such line. */
static double figure(const struct buf *page, const char *key)
{
    size_t len = strlen(key);
    for (const char *line = page->ptr; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, len) == 0 && line[len] == ' ')
            return strtod(line + len, NULL);
    }
    return -1;
}

static void test_counter_adds_per_label(void **state)
{
    (void)state;
    int64_t info = metrics_value(METRIC_LOG_LINES, 1);
    int64_t warn = metrics_value(METRIC_LOG_LINES, 2);
    metrics_add(METRIC_LOG_LINES, 1, 2);
    metrics_add(METRIC_LOG_LINES, 1, 3);
    assert_int_equal(metrics_value(METRIC_LOG_LINES, 1), info + 5);
    assert_int_equal(metrics_value(METRIC_LOG_LINES, 2), warn);
    struct buf page = scrape();
    assert_int_equal(figure(&page, "motorcade_log_lines_total{level=\"info\"}"), info + 5);
    buf_deinit(&page);
}

static void *add_many(void *argument)
{
    for (int i = 0; i < 100000; i++)
        metrics_add(METRIC_LOG_DROPPED, 0, 1);
    for (int i = 0; i < 1000; i++)
        metrics_observe(METRIC_SCRAPE_BYTES, 0, 10);
    return argument;
}

static void test_threads_are_summed_and_kept_after_their_end(void **state)
{
    (void)state;
    int64_t before = metrics_value(METRIC_LOG_DROPPED, 0);
    int64_t observed = metrics_value(METRIC_SCRAPE_BYTES, 0);
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, add_many, NULL), 0);
    int64_t last = before;
    for (int i = 0; i < 50; i++) { /* a reader beside them never sees it fall */
        int64_t now = metrics_value(METRIC_LOG_DROPPED, 0);
        assert_true(now >= last);
        last = now;
    }
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(metrics_value(METRIC_LOG_DROPPED, 0), before + 400000);
    assert_int_equal(metrics_value(METRIC_SCRAPE_BYTES, 0), observed + 4000);
}

/* Every value lies in the bucket whose bounds enclose it. */
static void check_bounds(enum metric id, int64_t value)
{
    int64_t *before = metrics_snapshot();
    metrics_observe(id, 0, value);
    int64_t *after = metrics_snapshot();
    size_t first = metric_cell(id, 0);
    unsigned bounded = metric_bucket_count(id);
    unsigned found = 0;
    while (found <= bounded && before[first + found] == after[first + found])
        found++;
    assert_true(found <= bounded);
    if (found < bounded)
        assert_true(value <= metric_bucket_bound(id, found));
    if (found > 0)
        assert_true(value > metric_bucket_bound(id, found - 1));
    free(before);
    free(after);
}

static void test_histogram_values_lie_within_their_bucket(void **state)
{
    (void)state;
    check_bounds(METRIC_SCRAPE_SECONDS, 0);
    check_bounds(METRIC_SCRAPE_SECONDS, INT64_C(1) << 62);
    for (int shift = 0; shift < 40; shift++)
        for (int64_t near = -2; near <= 2; near++) {
            check_bounds(METRIC_SCRAPE_SECONDS, (INT64_C(1) << shift) + near + 2);
            check_bounds(METRIC_SCRAPE_SECONDS, (INT64_C(250) << shift) + near);
            check_bounds(METRIC_SCRAPE_BYTES, (INT64_C(1) << shift) + near + 2);
        }
}

static void test_histogram_is_printed_cumulative_in_seconds(void **state)
{
    (void)state;
    struct buf page = scrape();
    double at_1us = figure(&page, "motorcade_scrape_seconds_bucket{le=\"0.000001\"}");
    double at_2us = figure(&page, "motorcade_scrape_seconds_bucket{le=\"0.000002\"}");
    double sum = figure(&page, "motorcade_scrape_seconds_sum");
    buf_deinit(&page);
    metrics_observe_many(METRIC_SCRAPE_SECONDS, 0, 2000, 7);
    metrics_observe(METRIC_SCRAPE_SECONDS, 0, 1000);
    page = scrape();
    assert_int_equal(figure(&page, "motorcade_scrape_seconds_bucket{le=\"0.000001\"}"), at_1us + 1);
    assert_int_equal(figure(&page, "motorcade_scrape_seconds_bucket{le=\"0.000002\"}"), at_2us + 8);
    assert_true(figure(&page, "motorcade_scrape_seconds_sum") >= sum + 15e-6 * 0.999);
    assert_true(figure(&page, "motorcade_scrape_seconds_bucket{le=\"67.108864\"}") >= 0);
    assert_int_equal(figure(&page, "motorcade_scrape_seconds_bucket{le=\"+Inf\"}"),
                     figure(&page, "motorcade_scrape_seconds_count"));
    buf_deinit(&page);
}

static void test_quantile_is_within_a_tenth(void **state)
{
    (void)state;
    /* More than all the other tests have observed together. */
    metrics_observe_many(METRIC_SCRAPE_SECONDS, 0, 3000000, 900000000);
    metrics_observe_many(METRIC_SCRAPE_SECONDS, 0, 40000000, 100000000);
    int64_t median = metrics_quantile(METRIC_SCRAPE_SECONDS, 0, 0.5);
    assert_in_range(median, 2700000, 3300000);
    int64_t late = metrics_quantile(METRIC_SCRAPE_SECONDS, 0, 0.99);
    assert_in_range(late, 36000000, 44000000);
}

static void test_series_are_made_once_and_printed_with_labels(void **state)
{
    (void)state;
    struct metric_series *series = metrics_series(METRIC_READY, "check=\"a\"");
    assert_ptr_equal(metrics_series(METRIC_READY, "check=\"a\""), series);
    assert_ptr_not_equal(metrics_series(METRIC_READY, "check=\"b\""), series);
    metric_series_set(series, 41);
    metric_series_add(series, 1);
    struct buf page = scrape();
    assert_int_equal(figure(&page, "motorcade_ready{check=\"a\"}"), 42);
    assert_int_equal(figure(&page, "motorcade_ready{check=\"b\"}"), 0);
    buf_deinit(&page);
}

static void test_label_values_given_at_start(void **state)
{
    (void)state;
    static const char *const reasons[] = {"not_json", "range"};
    metrics_add(METRIC_HANDLER_DEAD_LETTERS, 1, 3);
    struct buf page = scrape();
    assert_null(strstr(page.ptr, "handler_dead_letters_total"));
    buf_deinit(&page);
    metrics_label_values(METRIC_HANDLER_DEAD_LETTERS, reasons, 2);
    page = scrape();
    assert_int_equal(figure(&page, "motorcade_handler_dead_letters_total{reason=\"not_json\"}"), 0);
    assert_int_equal(figure(&page, "motorcade_handler_dead_letters_total{reason=\"range\"}"), 3);
    buf_deinit(&page);
}

static void count_call(void *context)
{
    int *calls = context;
    ++*calls;
}

static void test_refreshers_run_until_taken_off(void **state)
{
    (void)state;
    int calls = 0;
    metrics_on_scrape(count_call, &calls);
    struct buf page = scrape();
    buf_deinit(&page);
    assert_int_equal(calls, 1);
    metrics_off_scrape(count_call, &calls);
    page = scrape();
    buf_deinit(&page);
    assert_int_equal(calls, 1);
}

static void test_process_figures(void **state)
{
    (void)state;
    struct buf page = scrape();
    assert_true(figure(&page, "process_cpu_seconds_total") >= 0);
    assert_true(figure(&page, "process_resident_memory_bytes") > 100000);
    assert_true(figure(&page, "process_open_fds") >= 3);
    assert_true(figure(&page, "process_max_fds") >= 3);
    assert_true(figure(&page, "process_start_time_seconds") > 1.5e9);
    assert_non_null(strstr(page.ptr, "motorcade_build_info{version=\""));
    buf_deinit(&page);
}

static void test_reference_names_every_metric(void **state)
{
    (void)state;
    struct buf page;
    buf_init(&page, 0);
    assert_int_equal(metrics_print_reference(&page), 0);
    buf_append_char(&page, '\0');
    for (enum metric id = 0; id < METRIC_COUNT; id++)
        assert_non_null(strstr(page.ptr, metric_infos[id].name));
    buf_deinit(&page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counter_adds_per_label),
        cmocka_unit_test(test_threads_are_summed_and_kept_after_their_end),
        cmocka_unit_test(test_histogram_values_lie_within_their_bucket),
        cmocka_unit_test(test_histogram_is_printed_cumulative_in_seconds),
        cmocka_unit_test(test_quantile_is_within_a_tenth),
        cmocka_unit_test(test_series_are_made_once_and_printed_with_labels),
        cmocka_unit_test(test_label_values_given_at_start),
        cmocka_unit_test(test_refreshers_run_until_taken_off),
        cmocka_unit_test(test_process_figures),
        cmocka_unit_test(test_reference_names_every_metric),
    };
    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
