/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "tool/top_page.h"

static struct scrape before, now;

static int set_up(void **state)
{
    (void)state;
    scrape_init(&before);
    scrape_init(&now);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    scrape_deinit(&before);
    scrape_deinit(&now);
    return 0;
}

static void fill(struct scrape *scrape, const char *first, const char *second, int64_t at_s)
{
    assert_int_equal(scrape_add(scrape, bytes_from_text(first), NULL), 0);
    assert_int_equal(scrape_add(scrape, bytes_from_text(second), NULL), 0);
    scrape_finish(scrape, at_s * NS_PER_S);
}

static void test_processes_are_added_up(void **state)
{
    (void)state;
    fill(&before, "a 1\nb{x=\"1\"} 5\n", "a 2", 10);
    fill(&now, "a 11\nb{x=\"1\"} 5\nb{x=\"2\"} 7\n", "a 12\nb{x=\"2\"} 1\n", 12);
    assert_true(scrape_sum(&now, "a", NULL, NULL) == 23);
    assert_true(scrape_sum(&now, "b", "x", "2") == 8);
    assert_true(scrape_sum(&now, "b", NULL, NULL) == 13);
    assert_true(scrape_sum(&now, "c", NULL, NULL) == 0);
    assert_true(scrape_rate(&now, &before, "a", NULL, NULL) == 10);
    assert_true(scrape_rate(&before, &now, "a", NULL, NULL) == 0); /* a restart */
}

static void test_the_same_partition_s_lag_is_told_once(void **state)
{
    (void)state;
    static const char page[] = "motorcade_broker_lag_records{group=\"g\",partition=\"0\"} 40\n";
    fill(&now, page, page, 1);
    assert_true(scrape_sum(&now, "motorcade_broker_lag_records", NULL, NULL) == 40);
}

static void test_quantiles_of_what_was_observed_between(void **state)
{
    (void)state;
    fill(&before, "h_bucket{le=\"1\"} 100\nh_bucket{le=\"2\"} 100\nh_bucket{le=\"+Inf\"} 100\n", "",
         1);
    fill(&now, "h_bucket{le=\"1\"} 100\nh_bucket{le=\"2\"} 110\nh_bucket{le=\"+Inf\"} 120\n", "",
         2);
    assert_float_equal(scrape_quantile(&now, &before, "h", 0.25), 1.5, 1e-9);
    assert_float_equal(scrape_quantile(&now, &before, "h", 0.99), 2, 1e-9); /* beyond: at least */
    assert_true(isnan(scrape_quantile(&now, &now, "h", 0.5)));
    assert_true(isnan(scrape_quantile(&now, &before, "none", 0.5)));
}

static void test_a_page_keeps_to_its_size(void **state)
{
    (void)state;
    fill(&before, "motorcade_gateway_packets_accepted_total 0\n", "", 1);
    fill(&now, "motorcade_gateway_packets_accepted_total 123456\n",
         "motorcade_gateway_packets_rejected_total{reason=\"no_vehicle\"} 3\n"
         "motorcade_broker_lag_records{group=\"store\"} 7\n",
         2);
    struct buf out;
    buf_init(&out, 0);
    struct top_page page = {.now = &now,
                            .before = &before,
                            .where = "here",
                            .ready = "ready",
                            .width = 60,
                            .height = 100};
    top_page_print(&page, &out);
    buf_append_char(&out, '\0');
    assert_non_null(strstr(out.ptr, "123.5k"));
    assert_non_null(strstr(out.ptr, "no_vehicle"));
    assert_non_null(strstr(out.ptr, "lag: 7 records"));
    size_t line = 0;
    for (const char *c = out.ptr; *c != '\0'; c++) {
        line = *c == '\n' ? 0 : line + 1;
        assert_true(line <= 60);
    }
    buf_clear(&out);
    page.height = 5;
    top_page_print(&page, &out);
    size_t lines = 0;
    for (size_t i = 0; i < out.len; i++)
        lines += out.ptr[i] == '\n';
    assert_int_equal(lines, 5);
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_processes_are_added_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_same_partition_s_lag_is_told_once, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_quantiles_of_what_was_observed_between, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_page_keeps_to_its_size, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("scrape", tests, NULL, NULL);
}
