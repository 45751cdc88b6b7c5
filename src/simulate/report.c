/* SPDX-License-Identifier: Apache-2.0 */
#include "simulate/report.h"

#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "vehicle/reason.h"

static const uint64_t BEHIND_TOLD_NS = 20000000;

static const struct {
    double q;
    const char *name;
} quantiles[] = {{0.5, "p50"}, {0.99, "p99"}, {0.999, "p99.9"}};

enum { QUANTILES = sizeof quantiles / sizeof quantiles[0] };

static double quantile_ms(const struct histogram *latency, double q)
{
    return (double)histogram_quantile_ns(latency, q) / 1e6;
}

static double max_ms(const struct histogram *latency)
{
    return (double)latency->max_ns / 1e6;
}

void report_put_latency(struct buf *out, const struct histogram *latency)
{
    for (int i = 0; i < QUANTILES; i++)
        buf_printf(out, "%s %.2f ms  ", quantiles[i].name, quantile_ms(latency, quantiles[i].q));
    buf_printf(out, "max %.2f ms", max_ms(latency));
}

void report_put_latency_json(struct buf *out, const struct histogram *latency)
{
    buf_append_text(out, "\"latency_ms\":{");
    for (int i = 0; i < QUANTILES; i++)
        buf_printf(out, "\"%s\":%.3f,", quantiles[i].name, quantile_ms(latency, quantiles[i].q));
    buf_printf(out, "\"max\":%.3f},", max_ms(latency));
}

void report_put_count(struct buf *out, uint64_t value)
{
    char digits[TEXT_U64_MAX];
    size_t len = text_from_u64(digits, value);
    for (size_t i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            buf_append_char(out, ',');
        buf_append_char(out, digits[i]);
    }
}

static void put_named(struct buf *out, const char *name, uint64_t value)
{
    buf_printf(out, "%s ", name);
    report_put_count(out, value);
}

static double rate_of(uint64_t count, double seconds)
{
    return seconds > 0 ? (double)count / seconds : 0;
}

static void put_some(struct buf *out, const char *name, uint64_t value)
{
    if (value == 0)
        return;
    buf_append_text(out, "  ");
    put_named(out, name, value);
}

int report_print_progress(struct buf *out, const struct report *report, uint64_t sent_before,
                          double seconds_before)
{
    const struct stats *stats = report->stats;
    buf_printf(out, "%4.0f s  ", report->seconds);
    if (report->share_done >= 0)
        buf_printf(out, "%5.1f %%  ", report->share_done * 100);
    put_named(out, "connections", stats->is_open);
    buf_printf(out, "  %.0f packets/s  ", rate_of(stats->sent - sent_before, seconds_before));
    put_named(out, "sent", stats->sent);
    if (report->wants_acks) {
        buf_append_text(out, "  ");
        put_named(out, "acked", stats->acked);
        put_some(out, "rejected", stats_rejected(stats));
        put_some(out, "waiting", stats->unsettled);
        buf_printf(out, "  p50 %.2f ms  p99 %.2f ms", quantile_ms(&stats->latency, 0.5),
                   quantile_ms(&stats->latency, 0.99));
    }
    put_some(out, "late", stats->late);
    put_some(out, "resent", stats->resent);
    put_some(out, "reconnects", stats->reconnects);
    put_some(out, "bad lines", stats->bad_lines);
    return out->has_failed ? -1 : 0;
}

static const char *reason_name(int i)
{
    return i < REASON_COUNT ? reason_code((enum reason)i) : "other";
}

static void put_rejects(struct buf *out, const struct stats *stats)
{
    for (int i = 0; i < REPLY_REASONS_MAX; i++) {
        if (stats->rejected[i] == 0)
            continue;
        buf_append_text(out, "  rejected    ");
        put_named(out, reason_name(i), stats->rejected[i]);
        if (stats->examples[i][0] != '\0')
            buf_printf(out, "  (the first: %s)", stats->examples[i]);
        buf_append_char(out, '\n');
    }
}

int report_print_text(struct buf *out, const struct report *report)
{
    const struct stats *stats = report->stats;
    buf_append_text(out, "sent ");
    report_put_count(out, stats->sent);
    buf_append_text(out, " packets");
    if (report->vehicles > 0) {
        buf_append_text(out, " of ");
        report_put_count(out, report->vehicles);
        buf_append_text(out, " vehicles");
    }
    buf_append_text(out, " over ");
    report_put_count(out, report->connections);
    buf_printf(out, " connections in %.1f s: %.0f packets/s, %.2f us of CPU each\n",
               report->seconds, rate_of(stats->sent, report->seconds),
               rate_of(1, rate_of(stats->sent, report->cpu_seconds)) * 1e6);
    if (report->wants_acks) {
        buf_append_text(out, "  ");
        put_named(out, "acked", stats->acked);
        put_named(out, "  rejected", stats_rejected(stats));
        put_named(out, "  unacked", stats->unsettled);
        buf_append_char(out, '\n');
        put_rejects(out, stats);
        buf_append_text(out, "  ack latency ");
        report_put_latency(out, &stats->latency);
        buf_append_text(out, "  (from when each packet was due)\n");
    } else {
        buf_append_text(out, "  acks were not asked for\n");
    }
    buf_append_text(out, "  ");
    put_named(out, "resent", stats->resent);
    put_named(out, "  reconnects", stats->reconnects);
    put_named(out, "  failed connects", stats->refusals);
    put_named(out, "  late", stats->late);
    put_named(out, "  due but unsent", stats->unsent);
    put_some(out, "bad lines", stats->bad_lines);
    buf_append_char(out, '\n');
    if (stats->behind_ns > BEHIND_TOLD_NS)
        buf_printf(out,
                   "  this generator itself was up to %.0f ms behind its schedule: it had too "
                   "little CPU\n",
                   (double)stats->behind_ns / 1e6);
    return out->has_failed ? -1 : 0;
}

static void put_json_rejects(struct buf *out, const struct stats *stats)
{
    const char *between = "";
    for (int i = 0; i < REPLY_REASONS_MAX; i++) {
        if (stats->rejected[i] == 0)
            continue;
        buf_printf(out, "%s\"%s\":%" PRIu64, between, reason_name(i), stats->rejected[i]);
        between = ",";
    }
}

static void put_member(struct buf *out, const char *name, uint64_t value)
{
    buf_printf(out, "\"%s\":%" PRIu64 ",", name, value);
}

int report_print_json(struct buf *out, const struct report *report)
{
    const struct stats *stats = report->stats;
    buf_append_char(out, '{');
    put_member(out, "vehicles", report->vehicles);
    put_member(out, "connections", report->connections);
    put_member(out, "taken", stats->taken);
    put_member(out, "sent", stats->sent);
    put_member(out, "acked", stats->acked);
    put_member(out, "rejected", stats_rejected(stats));
    buf_append_text(out, "\"rejected_by_reason\":{");
    put_json_rejects(out, stats);
    buf_append_text(out, "},");
    put_member(out, "unacked", stats->unsettled);
    put_member(out, "resent", stats->resent);
    put_member(out, "reconnects", stats->reconnects);
    put_member(out, "failed_connects", stats->refusals);
    put_member(out, "late", stats->late);
    put_member(out, "unsent", stats->unsent);
    put_member(out, "bad_lines", stats->bad_lines);
    buf_printf(out, "\"behind_ms\":%.3f,", (double)stats->behind_ns / 1e6);
    report_put_latency_json(out, &stats->latency);
    buf_printf(out, "\"seconds\":%.3f,\"rate\":%.1f,\"cpu_seconds\":%.3f,", report->seconds,
               rate_of(stats->sent, report->seconds), report->cpu_seconds);
    buf_printf(out, "\"ok\":%s}\n", report_is_success(report) ? "true" : "false");
    return out->has_failed ? -1 : 0;
}

bool report_is_success(const struct report *report)
{
    return report->stats->unsettled == 0 && report->stats->sent > 0;
}
