/* SPDX-License-Identifier: Apache-2.0 */
/* What looking costs: one count, one observation, the question whether a packet
 * is traced, and a scrape with a thousand partitions' lag. What a whole system
 * pays for being watched is system.py's part "observe". */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "export/otlp.h"
#include "observe/metrics.h"
#include "observe/metrics_reader.h"
#include "observe/trace.h"

enum { ROUNDS = 9, CALLS = 20000000, PARTITIONS = 1000, SCRAPES = 50, SPANS = 512 };

/* This thread's CPU: what others do on the machine is not counted. */
static int64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * NS_PER_S + now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;
    return (left > right) - (left < right);
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, compare);
    return values[count / 2];
}

static void add(int calls)
{
    for (int i = 0; i < calls; i++)
        metrics_add(METRIC_GATEWAY_ACCEPTED, 0, 1);
}

static void observe(int calls)
{
    for (int i = 0; i < calls; i++)
        metrics_observe_many(METRIC_GATEWAY_ACK_SECONDS, 0, (int64_t)i << 10, 8);
}

static struct trace_sampler sampler;
static volatile int traced;

static void sample(int calls)
{
    for (int i = 0; i < calls; i++)
        traced += trace_sample(&sampler);
}

static void time_calls(const char *what, void (*fn)(int calls))
{
    double ns[ROUNDS];
    fn(CALLS / 10);
    for (int i = 0; i < ROUNDS; i++) {
        int64_t begin_ns = cpu_ns();
        fn(CALLS);
        ns[i] = (double)(cpu_ns() - begin_ns) / CALLS;
    }
    printf("%-44s %6.2f ns\n", what, median(ns, ROUNDS));
}

/* As the exporter does with what a traced packet leaves at each stage. */
static void encode_spans(void)
{
    static struct span spans[SPANS];
    static const struct otlp_resource resource = {.version = "0.1.0",
                                                  .host = "host",
                                                  .instance_id = "host-1",
                                                  .role = "run",
                                                  .messaging_system = "motorcade"};
    static const uint8_t identity[24] = {1};
    struct trace_context context;
    struct buf out;
    double ns[SCRAPES];
    buf_init(&out, 0);
    for (int i = 0; i < SPANS; i++) {
        trace_begin(&context);
        span_init(&spans[i], SPAN_CONSUMER, "process", &context, &context);
        span_set_topic(&spans[i], "gpscoords.position", 3, 123456);
        span_set_packet(&spans[i], BYTES("8000123"), identity);
    }
    for (int i = 0; i < SCRAPES; i++) {
        buf_clear(&out);
        int64_t begin_ns = cpu_ns();
        otlp_encode(&out, &resource, spans, SPANS);
        ns[i] = (double)(cpu_ns() - begin_ns) / SPANS;
    }
    printf("%-44s %6.0f ns, %zu bytes\n", "a span encoded for the collector", median(ns, SCRAPES),
           out.len / SPANS);
    buf_deinit(&out);
}

static void make_partitions(void)
{
    for (int i = 0; i < PARTITIONS; i++) {
        char labels[128];
        snprintf(labels, sizeof labels,
                 "group=\"store\",topic=\"gpscoords.position\",partition=\"%d\"", i);
        metric_series_set(metrics_series(METRIC_BROKER_LAG, labels), i);
    }
}

static void time_scrapes(enum metrics_format format, const char *what)
{
    double ms[SCRAPES];
    struct buf page;
    buf_init(&page, 0);
    for (int i = 0; i < SCRAPES; i++) {
        buf_clear(&page);
        int64_t begin_ns = cpu_ns();
        metrics_print(&page, format);
        ms[i] = (double)(cpu_ns() - begin_ns) / 1e6;
    }
    double middle = median(ms, SCRAPES);
    printf("%-44s %6.2f ms, %zu KiB (goal <= 5 ms: %s)\n", what, middle, page.len / 1024,
           middle <= 5 ? "ok" : "above");
    buf_deinit(&page);
}

int main(void)
{
    time_calls("a count", add);
    time_calls("an observation", observe);
    time_calls("is this packet traced? tracing off", sample);
    trace_configure(0.01, 0, 1000000);
    time_calls("is this packet traced? one in a hundred", sample);
    trace_off();
    encode_spans();
    make_partitions();
    time_scrapes(METRICS_PROMETHEUS, "a scrape with 1,000 partitions' lag");
    time_scrapes(METRICS_OPENMETRICS, "the same as OpenMetrics");
    return 0;
}
