/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "observe/metrics.h"
#include "observe/trace_batch.h"

static const char example[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

static bool parses(const char *text)
{
    struct trace_context context;
    return trace_parse(bytes_from_text(text), &context);
}

/* The grammar and examples of W3C Trace Context, section 3.2. */
static void test_traceparent(void **state)
{
    (void)state;
    struct trace_context context;
    assert_true(trace_parse(bytes_from_text(example), &context));
    assert_true(context.is_sampled);
    char text[TRACEPARENT_LEN];
    trace_format(&context, text);
    assert_memory_equal(text, example, sizeof text);
    assert_true(
        trace_parse(BYTES("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"), &context));
    assert_false(context.is_sampled);
    assert_true(parses("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what"));
    assert_false(parses(""));
    assert_false(parses("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0"));
    assert_false(parses("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x"));
    assert_false(parses("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01x"));
    assert_false(parses("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
    assert_false(parses("00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
    assert_false(parses("00-00000000000000000000000000000000-b7ad6b7169203331-01"));
    assert_false(parses("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01"));
    assert_false(parses("00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01"));
    assert_false(parses("00-0af7651916cd43dd8448eb211c8031gc-b7ad6b7169203331-01"));
}

static unsigned sampled_of(unsigned packets)
{
    struct trace_sampler sampler = {0};
    unsigned sampled = 0;
    for (unsigned i = 0; i < packets; i++)
        sampled += trace_sample(&sampler);
    return sampled;
}

static void test_the_ratio_is_kept(void **state)
{
    (void)state;
    assert_int_equal(sampled_of(100000), 0); /* off */
    trace_configure(1, 0, 1000);
    assert_int_equal(sampled_of(1000), 1000);
    trace_configure(0, 0, 1000);
    assert_int_equal(sampled_of(1000000), 0);
    trace_configure(0.01, 0, 1000); /* 10,000 expected, sigma 100 */
    assert_in_range(sampled_of(1000000), 9400, 10600);
    trace_configure(0.000005, 0, 1000); /* gaps beyond one look: 50 expected, sigma 7 */
    assert_in_range(sampled_of(10000000), 8, 92);
    trace_off();
}

static void test_nobody_can_trace_everything(void **state)
{
    (void)state;
    trace_configure(1, 0, 100);
    int64_t now = INT64_C(1) << 50;
    unsigned taken = 0;
    for (int i = 0; i < 1000; i++)
        taken += trace_take(now);
    assert_in_range(taken, 100, 101);
    assert_true(trace_take(now + NS_PER_S));
    trace_off();
    assert_false(trace_take(now + 10 * NS_PER_S));
}

static void test_the_queue_is_bounded(void **state)
{
    (void)state;
    struct trace_context context;
    struct span span;
    static struct span out[5000];
    trace_configure(1, 0, 100);
    trace_begin(&context);
    span_init(&span, SPAN_PRODUCER, "send", &context, NULL);
    int64_t dropped = metrics_value(METRIC_TRACE_SPANS, 1);
    for (int i = 0; i < 5000; i++) {
        span.offset = i;
        span_finish(&span, i);
    }
    assert_int_equal(metrics_value(METRIC_TRACE_SPANS, 1), dropped + 5000 - 4096);
    assert_int_equal(trace_drain(out, 100), 100);
    assert_int_equal(out[99].offset, 99);
    assert_int_equal(out[99].end_ns, 99);
    assert_int_equal(trace_drain(out, 5000), 3996);
    assert_int_equal(out[0].offset, 100);
    assert_int_equal(trace_drain(out, 5000), 0);
    trace_off();
    span_finish(&span, 1); /* off: nothing */
    assert_int_equal(trace_drain(out, 5000), 0);
}

static void test_a_batch_traces_only_what_is_sampled(void **state)
{
    (void)state;
    static struct trace_batch batch;
    static struct span out[TRACE_BATCH_MAX];
    assert_null(trace_batch_add(&batch, bytes_from_text(example), "store")); /* off */
    trace_configure(0, 0, 100);
    assert_null(trace_batch_add(&batch, (struct bytes){0}, "store"));
    assert_null(trace_batch_add(&batch, BYTES("nonsense"), "store"));
    struct span *span = trace_batch_add(&batch, bytes_from_text(example), "store");
    assert_non_null(span);
    span_set_topic(span, "gpscoords.position", 3, 17);
    for (int i = 1; i < TRACE_BATCH_MAX; i++)
        assert_non_null(trace_batch_add(&batch, bytes_from_text(example), "store"));
    assert_null(trace_batch_add(&batch, bytes_from_text(example), "store"));
    trace_batch_finish(&batch, METRIC_SINK_WRITE_SECONDS);
    assert_int_equal(trace_drain(out, TRACE_BATCH_MAX), TRACE_BATCH_MAX);
    struct trace_context parent;
    trace_parse(bytes_from_text(example), &parent);
    assert_memory_equal(out[0].context.trace_id, parent.trace_id, TRACE_ID_BYTES);
    assert_memory_equal(out[0].parent_id, parent.span_id, SPAN_ID_BYTES);
    assert_memory_not_equal(out[0].context.span_id, parent.span_id, SPAN_ID_BYTES);
    assert_string_equal(out[0].topic, "gpscoords.position");
    assert_true(out[0].end_ns >= out[0].begin_ns);
    trace_off();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_traceparent),
        cmocka_unit_test(test_the_ratio_is_kept),
        cmocka_unit_test(test_nobody_can_trace_everything),
        cmocka_unit_test(test_the_queue_is_bounded),
        cmocka_unit_test(test_a_batch_traces_only_what_is_sampled),
    };
    return cmocka_run_group_tests_name("trace", tests, NULL, NULL);
}
