/* SPDX-License-Identifier: Apache-2.0 */
/* Names and lines of Graphite and StatsD. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "export/graphite.h"
#include "export/name.h"
#include "export/statsd.h"

static const struct figure lag = {
    .name = {"broker_lag_records", 18},
    .labels = {"group=\"store\",topic=\"gpscoords.position\"", 40},
    .suffix = "",
    .value = 17,
};
static const struct figure total = {
    .name = {"handler_records", 15}, .suffix = "count", .value = 40, .is_total = true, .change = 3};

static void expect(struct buf *out, const char *text)
{
    assert_true(!out->has_failed);
    buf_append_char(out, '\0');
    assert_string_equal(out->ptr, text);
    buf_clear(out);
}

static void test_dotted_lines(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 0);
    graphite_line(&out, &lag, GRAPHITE_DOTTED, "motorcade.h.run", ";host=h", 1700000000);
    expect(&out, "motorcade.h.run.broker_lag_records.store.gpscoords_position 17 1700000000\n");
    graphite_line(&out, &total, GRAPHITE_DOTTED, "", "", 1);
    expect(&out, "handler_records.count 40 1\n");
    buf_deinit(&out);
}

static void test_tagged_lines(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 0);
    graphite_line(&out, &lag, GRAPHITE_TAGGED, "motorcade", ";host=h;role=run", 5);
    expect(&out, "motorcade.broker_lag_records;group=store;topic=gpscoords.position;host=h;role=run"
                 " 17 5\n");
    graphite_line(&out, &total, GRAPHITE_TAGGED, "motorcade", ";host=h", 5);
    expect(&out, "motorcade.handler_records.count;host=h 40 5\n");
    buf_deinit(&out);
}

static void test_hostile_label_values_stay_one_part(void **state)
{
    (void)state;
    struct figure figure = lag;
    figure.labels = BYTES("topic=\"a b;c=d\n.e\",empty=\"\"");
    struct buf out;
    buf_init(&out, 0);
    graphite_line(&out, &figure, GRAPHITE_DOTTED, "p", "", 5);
    expect(&out, "p.broker_lag_records.a_b_c_d__e._ 17 5\n");
    figure.value = NAN;
    graphite_line(&out, &figure, GRAPHITE_DOTTED, "p", "", 5);
    expect(&out, "");
    buf_deinit(&out);
}

static void test_statsd_lines(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 0);
    statsd_line(&out, &total, "m");
    expect(&out, "m.handler_records.count:3|c\n");
    statsd_line(&out, &lag, "m");
    expect(&out, "m.broker_lag_records.store.gpscoords_position:17|g\n");
    struct figure figure = lag;
    figure.value = -2.5;
    figure.labels = (struct bytes){0};
    statsd_line(&out, &figure, "m");
    expect(&out, "m.broker_lag_records:0|g\nm.broker_lag_records:-2.5|g\n");
    figure = total;
    figure.change = 0;
    statsd_line(&out, &figure, "m");
    figure = total;
    figure.suffix = "m1_rate";
    figure.is_total = false;
    statsd_line(&out, &figure, "m");
    expect(&out, "");
    buf_deinit(&out);
}

static void test_prefixes(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 0);
    name_expand(&out, "motorcade.{host}.{role}.x{", "node-1.example", "gateway");
    expect(&out, "motorcade.node-1_example.gateway.x{");
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dotted_lines),
        cmocka_unit_test(test_tagged_lines),
        cmocka_unit_test(test_hostile_label_values_stay_one_part),
        cmocka_unit_test(test_statsd_lines),
        cmocka_unit_test(test_prefixes),
    };
    return cmocka_run_group_tests_name("graphite", tests, NULL, NULL);
}
