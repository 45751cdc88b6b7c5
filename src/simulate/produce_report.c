/* SPDX-License-Identifier: Apache-2.0 */
#include "simulate/produce_report.h"

#include <inttypes.h>

#include "simulate/report.h"

static double quantile_ms(const struct produce_stats *stats, double q)
{
    return (double)histogram_quantile_ns(&stats->latency, q) / 1e6;
}

static double rate_of(uint64_t count, double seconds)
{
    return seconds > 0 ? (double)count / seconds : 0;
}

static void put_named(struct buf *out, const char *name, uint64_t value)
{
    buf_printf(out, "%s ", name);
    report_put_count(out, value);
}

static void put_some(struct buf *out, const char *name, uint64_t value)
{
    if (value == 0)
        return;
    buf_append_text(out, "  ");
    put_named(out, name, value);
}

void produce_print_progress(struct buf *out, const struct produce_report *report,
                            const struct produce_stats *before, double seconds_before)
{
    const struct produce_stats *stats = report->stats;
    buf_printf(out, "%4.0f s  made %.0f/s  durable %.0f/s  ", report->seconds,
               rate_of(stats->generated - before->generated, seconds_before),
               rate_of(stats->durable - before->durable, seconds_before));
    put_named(out, "durable", stats->durable);
    put_some(out, "in flight", stats->in_flight);
    put_some(out, "failed attempts", stats->failed_attempts);
    put_some(out, "dead letters", stats->dead_letters);
    buf_printf(out, "  p50 %.2f ms  p99 %.2f ms", quantile_ms(stats, 0.5),
               quantile_ms(stats, 0.99));
}

void produce_print_text(struct buf *out, const struct produce_report *report)
{
    const struct produce_stats *stats = report->stats;
    buf_append_text(out, "made ");
    report_put_count(out, stats->generated);
    buf_printf(out,
               " messages of %.0f bytes for %s in %.1f s: %.1f messages/s, %.2f us of CPU each\n",
               rate_of(stats->generated_bytes, (double)stats->generated), report->topic,
               report->seconds, rate_of(stats->generated, report->seconds),
               rate_of(1, rate_of(stats->generated, report->cpu_seconds)) * 1e6);
    put_named(out, "  durable", stats->durable);
    buf_printf(out, " (%.1f/s)", rate_of(stats->durable, report->seconds));
    put_named(out, "  dead letters", stats->dead_letters);
    put_named(out, "  failed attempts", stats->failed_attempts);
    put_named(out, "  broker full", stats->full);
    put_some(out, "due but not made", stats->undue);
    buf_append_text(out, "\n  latency ");
    report_put_latency(out, &stats->latency);
    buf_append_text(out, "  (from when each message was due to durable)\n");
    if (stats->dead_letters > 0)
        buf_printf(out, "  the dead letters are in %s\n", report->dead_letters);
}

static void put_member(struct buf *out, const char *name, uint64_t value)
{
    buf_printf(out, "\"%s\":%" PRIu64 ",", name, value);
}

void produce_print_json(struct buf *out, const struct produce_report *report)
{
    const struct produce_stats *stats = report->stats;
    buf_append_text(out, "{\"topic\":");
    buf_append_json(out, bytes_from_text(report->topic));
    buf_append_char(out, ',');
    put_member(out, "generated", stats->generated);
    put_member(out, "generated_bytes", stats->generated_bytes);
    put_member(out, "durable", stats->durable);
    put_member(out, "dead_letters", stats->dead_letters);
    put_member(out, "failed_attempts", stats->failed_attempts);
    put_member(out, "broker_full", stats->full);
    put_member(out, "undue", stats->undue);
    buf_printf(out, "\"behind_ms\":%.3f,", (double)stats->behind_ns / 1e6);
    report_put_latency_json(out, &stats->latency);
    buf_printf(out,
               "\"seconds\":%.3f,\"generate_rate\":%.1f,\"publish_rate\":%.1f,"
               "\"cpu_seconds\":%.3f,\"ok\":%s}\n",
               report->seconds, rate_of(stats->generated, report->seconds),
               rate_of(stats->durable, report->seconds), report->cpu_seconds,
               stats->dead_letters == 0 && stats->durable > 0 ? "true" : "false");
}
