/* SPDX-License-Identifier: Apache-2.0 */
#include "tool/top_page.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "codec/exposition.h"

enum { LINE_MAX_BYTES = 512, LISTED_MAX = 8 };

#define P "motorcade_"

struct writer {
    const struct top_page *page;
    struct buf *out;
    size_t lines;
};

/* ---- lines ---- */

static void put_line(struct writer *writer, const char *text, const char *style)
{
    if (writer->lines >= writer->page->height)
        return;
    size_t len = strlen(text);
    if (len > writer->page->width)
        len = writer->page->width;
    bool is_styled = writer->page->is_styled && style[0] != '\0';
    if (is_styled)
        buf_append_text(writer->out, style);
    buf_append(writer->out, text, len);
    if (is_styled)
        buf_append_text(writer->out, "\x1b[0m");
    buf_append_char(writer->out, '\n');
    writer->lines++;
}

static void put_title(struct writer *writer, const char *text)
{
    put_line(writer, "", "");
    put_line(writer, text, "\x1b[1m");
}

static void __attribute__((format(printf, 2, 3)))
put(struct writer *writer, const char *format, ...)
{
    char text[LINE_MAX_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    put_line(writer, text, "");
}

/* ---- figures ---- */

static double rate(const struct writer *writer, const char *name)
{
    return scrape_rate(writer->page->now, writer->page->before, name, NULL, NULL);
}

static double rate_of(const struct writer *writer, const char *name, const char *label,
                      const char *value)
{
    return scrape_rate(writer->page->now, writer->page->before, name, label, value);
}

static double gauge(const struct writer *writer, const char *name)
{
    return scrape_sum(writer->page->now, name, NULL, NULL);
}

/* "12.3k" */
static const char *amount(double value, char out[16])
{
    static const char units[] = " kMGT";
    size_t unit = 0;
    while (fabs(value) >= 99999.5 && units[unit + 1] != '\0') {
        value /= 1000;
        unit++;
    }
    snprintf(out, 16, unit == 0 ? "%.0f" : "%.1f%c", value, units[unit]);
    return out;
}

static const char *duration(double seconds, char out[16])
{
    if (isnan(seconds))
        snprintf(out, 16, "-");
    else if (seconds < 1e-3)
        snprintf(out, 16, "%.0f us", seconds * 1e6);
    else if (seconds < 1)
        snprintf(out, 16, "%.1f ms", seconds * 1e3);
    else
        snprintf(out, 16, "%.1f s", seconds);
    return out;
}

/* ---- parts ---- */

static void print_head(struct writer *writer)
{
    const struct top_page *page = writer->page;
    char text[LINE_MAX_BYTES];
    bool is_ready = strcmp(page->ready, "ready") == 0;
    snprintf(text, sizeof text, "motorcade  %s  %s", page->where, page->ready);
    put_line(writer, text, is_ready ? "\x1b[1m" : "\x1b[1;31m");
    char cpu[16];
    char memory[16];
    snprintf(cpu, sizeof cpu, "%.0f %%", 100 * rate(writer, "process_cpu_seconds_total"));
    put(writer,
        "cpu %s   memory %s B   files %.0f   connections %.0f   riders %.0f   vehicles %.0f", cpu,
        amount(gauge(writer, "process_resident_memory_bytes"), memory),
        gauge(writer, "process_open_fds"), gauge(writer, P "connections_open"),
        gauge(writer, P "live_riders"), gauge(writer, P "live_vehicles"));
}

struct figure_row {
    const char *title;
    const char *metric;
    const char *label, *value;
};

static void print_rates(struct writer *writer)
{
    static const struct figure_row rows[] = {
        {"accepted", P "gateway_packets_accepted_total", NULL, NULL},
        {"acked", P "gateway_packets_acked_total", NULL, NULL},
        {"duplicates", P "gateway_packets_duplicate_total", NULL, NULL},
        {"rejected", P "gateway_packets_rejected_total", NULL, NULL},
        {"handled", P "handler_records_total", NULL, NULL},
        {"flagged", P "handler_verdicts_total", "verdict", "flag"},
        {"dropped", P "handler_verdicts_total", "verdict", "drop"},
        {"dead letters", P "handler_dead_letters_total", NULL, NULL},
        {"stored", P "sink_rows_total", NULL, NULL},
        {"known before", P "sink_duplicates_total", NULL, NULL},
        {"pushed", P "live_pushed_packets_total", NULL, NULL},
        {"questions", P "live_queries_total", NULL, NULL},
    };
    put_title(writer, "per second");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i += 4) {
        char line[LINE_MAX_BYTES];
        size_t len = 0;
        for (size_t j = i; j < i + 4; j++) {
            char number[16];
            double value = rate_of(writer, rows[j].metric, rows[j].label, rows[j].value);
            len += (size_t)snprintf(line + len, sizeof line - len, "  %-13s%8s", rows[j].title,
                                    amount(value, number));
        }
        put_line(writer, line, "");
    }
}

static void print_latencies(struct writer *writer)
{
    static const struct figure_row rows[] = {
        {"car to ack", P "gateway_ack_latency_seconds", NULL, NULL},
        {"fetched to settled, handler", P "handler_batch_seconds", NULL, NULL},
        {"fetched to settled, store", P "store_batch_seconds", NULL, NULL},
        {"car to stored", P "store_delay_seconds", NULL, NULL},
        {"car to rider", P "live_delay_seconds", NULL, NULL},
        {"journal sync", P "journal_sync_seconds", NULL, NULL},
        {"loop delay", P "loop_delay_seconds", NULL, NULL},
    };
    put_title(writer, "latency                             p50        p99       p99.9");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct top_page *page = writer->page;
        char p50[16];
        char p99[16];
        char p999[16];
        double middle = scrape_quantile(page->now, page->before, rows[i].metric, 0.5);
        if (isnan(middle))
            continue;
        put(writer, "  %-28s%10s %10s %10s", rows[i].title, duration(middle, p50),
            duration(scrape_quantile(page->now, page->before, rows[i].metric, 0.99), p99),
            duration(scrape_quantile(page->now, page->before, rows[i].metric, 0.999), p999));
    }
}

/* Where the most is. */
static void print_lag(struct writer *writer)
{
    size_t count;
    const struct scrape_sample *series =
        scrape_series(writer->page->now, P "broker_lag_records", &count);
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += series[i].value;
    char title[64];
    char number[16];
    snprintf(title, sizeof title, "lag: %s records in %zu partitions", amount(sum, number), count);
    put_title(writer, title);
    const struct scrape_sample *before = NULL; /* of the one shown last */
    for (int shown = 0; shown < LISTED_MAX; shown++) {
        const struct scrape_sample *most = NULL;
        for (size_t i = 0; i < count; i++) {
            bool is_behind = before == NULL || series[i].value < before->value ||
                             (series[i].value == before->value && &series[i] > before);
            if (series[i].value > 0 && is_behind && (most == NULL || series[i].value > most->value))
                most = &series[i];
        }
        if (most == NULL)
            return;
        put(writer, "  %8s  %.*s", amount(most->value, number), (int)most->labels.len,
            most->labels.ptr);
        before = most;
    }
}

static void print_by_label(struct writer *writer, const char *title, const char *metric,
                           const char *label)
{
    size_t count;
    const struct scrape_sample *series = scrape_series(writer->page->now, metric, &count);
    bool has_title = false;
    for (size_t i = 0; i < count; i++) {
        struct bytes value;
        char text[64];
        char number[16];
        if (series[i].value <= 0 || !exposition_label(series[i].labels, label, &value))
            continue;
        snprintf(text, sizeof text, "%.*s", (int)(value.len < 63 ? value.len : 63), value.ptr);
        if (!has_title)
            put_title(writer, title);
        has_title = true;
        put(writer, "  %-24s%10.1f%12s", text, rate_of(writer, metric, label, text),
            amount(series[i].value, number));
    }
}

static void print_state(struct writer *writer)
{
    static const char *const circuits[] = {"closed", "half-open", "open"};
    double circuit = gauge(writer, P "sink_circuit_state");
    double cap = gauge(writer, P "journal_cap_bytes");
    char used[16];
    put_title(writer, "state");
    put(writer,
        "  database circuit %s   retries/s %.1f   journal %s B of its cap %.0f %%   "
        "loops full/s %.1f",
        circuits[circuit >= 2   ? 2
                 : circuit >= 1 ? 1
                                : 0],
        rate(writer, P "sink_retries_total"), amount(gauge(writer, P "journal_disk_bytes"), used),
        cap > 0 ? 100 * gauge(writer, P "journal_disk_bytes") / cap : 0,
        rate(writer, P "gateway_broker_full_total"));
}

void top_page_print(const struct top_page *page, struct buf *out)
{
    struct writer writer = {.page = page, .out = out};
    print_head(&writer);
    print_rates(&writer);
    print_latencies(&writer);
    print_lag(&writer);
    print_by_label(&writer, "rejected, by reason          per second      in all",
                   P "gateway_packets_rejected_total", "reason");
    print_by_label(&writer, "dead letters, by reason      per second      in all",
                   P "handler_dead_letters_total", "reason");
    print_state(&writer);
}
