/* SPDX-License-Identifier: Apache-2.0 */
#include "tool/statusz.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "base/version.h"
#include "net/admin.h"
#include "net/certificates.h"
#include "observe/health.h"
#include "observe/log.h"
#include "observe/metrics_reader.h"

static const char style[] =
    "body{font:14px/1.4 system-ui,sans-serif;margin:2em;max-width:70em}"
    "h1{font-size:1.4em}h2{font-size:1.1em;margin-top:1.6em}"
    "table{border-collapse:collapse}td,th{text-align:left;padding:.15em 1em .15em 0;"
    "border-bottom:1px solid #ddd}td.n{text-align:right;font-variant-numeric:tabular-nums}"
    "pre{background:#f6f6f6;padding:.8em;overflow-x:auto;white-space:pre-wrap}"
    ".bad{color:#b00020;font-weight:600}"
    "@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}pre{background:#1c1c1c}"
    "td,th{border-color:#333}.bad{color:#ff6b6b}}";

/* ---- HTML ---- */

static void append_html(struct buf *out, struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        switch (text.ptr[i]) {
        case '<':
            buf_append_text(out, "&lt;");
            break;
        case '>':
            buf_append_text(out, "&gt;");
            break;
        case '&':
            buf_append_text(out, "&amp;");
            break;
        case '"':
            buf_append_text(out, "&quot;");
            break;
        default:
            buf_append_char(out, text.ptr[i]);
        }
    }
}

static void row(struct buf *out, const char *name, struct bytes value)
{
    buf_append_text(out, "<tr><td>");
    append_html(out, bytes_from_text(name));
    buf_append_text(out, "</td><td>");
    append_html(out, value);
    buf_append_text(out, "</td></tr>\n");
}

/* ---- parts ---- */

static void append_duration(struct buf *out, int64_t ns)
{
    int64_t s = ns / NS_PER_S;
    if (s >= 86400)
        buf_printf(out, "%lld d ", (long long)(s / 86400));
    buf_printf(out, "%lld:%02lld:%02lld", (long long)(s / 3600 % 24), (long long)(s / 60 % 60),
               (long long)(s % 60));
}

static void print_process(const struct statusz *statusz, struct buf *out)
{
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    char text[64];
    struct buf uptime;
    buf_init(&uptime, 64);
    append_duration(&uptime, clock_monotonic_ns() - statusz->started_ns);
    buf_append_text(out, "<table>\n");
    row(out, "version", bytes_from_text(version_text()));
    row(out, "host", bytes_from_text(host));
    row(out, "process", bytes_of(text, text_from_i64(text, getpid())));
    row(out, "up", buf_bytes(&uptime));
    row(out, "data", bytes_from_text(statusz->data_dir));
    buf_append_text(out, "</table>\n");
    buf_deinit(&uptime);
}

static void print_health(struct buf *out)
{
    struct buf checks;
    buf_init(&checks, 1 << 16);
    bool is_ready = health_print(&checks);
    buf_printf(out, "<h2>Health</h2>\n<p class=\"%s\">%s</p>\n<pre>", is_ready ? "" : "bad",
               is_ready ? "ready" : "not ready");
    append_html(out, buf_bytes(&checks));
    buf_append_char(out, '\n');
    buf_clear(&checks);
    health_print_alive(&checks, clock_monotonic_ns());
    append_html(out, buf_bytes(&checks));
    buf_append_text(out, "</pre>\n");
    buf_deinit(&checks);
}

/* A table of the gauges whose names begin with one of the prefixes. */
struct table {
    const char *title;
    const char *prefixes[4]; /* NULL ends them */
    bool only_nonzero;
};

static const struct table tables[] = {
    {"Lag (records, where there is any)", {"broker_lag_records", "live_lag_records"}, true},
    {"Journal and spool", {"journal_", "spool_"}},
    {"Database", {"sink_", "mongodb_"}},
    {"Connections", {"connections_open", "live_riders", "live_vehicles"}},
};

struct filling {
    const struct table *table;
    struct buf *out;
    size_t rows;
};

static bool is_in_table(const struct table *table, const char *name)
{
    for (size_t i = 0; i < 4 && table->prefixes[i] != NULL; i++)
        if (strncmp(name, table->prefixes[i], strlen(table->prefixes[i])) == 0)
            return true;
    return false;
}

static void on_reading(void *context, const struct metric_reading *reading)
{
    struct filling *filling = context;
    if (reading->type != METRIC_GAUGE || !is_in_table(filling->table, reading->name))
        return;
    if (filling->table->only_nonzero && reading->value == 0)
        return;
    struct buf *out = filling->out;
    if (filling->rows++ == 0)
        buf_printf(out, "<h2>%s</h2>\n<table>\n", filling->table->title);
    char number[TEXT_DOUBLE_MAX];
    buf_append_text(out, "<tr><td>");
    append_html(out, bytes_from_text(reading->name));
    buf_append_text(out, "</td><td>");
    append_html(out, reading->labels);
    buf_append_text(out, "</td><td class=\"n\">");
    buf_append(out, number, text_from_double(number, reading->value));
    buf_append_text(out, "</td></tr>\n");
}

static void print_figures(struct buf *out)
{
    struct metrics_reader *reader;
    if (metrics_reader_new(&reader, 0, NULL) != 0)
        return;
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        struct filling filling = {.table = &tables[i], .out = out};
        metrics_reader_read(reader, on_reading, &filling);
        if (filling.rows > 0)
            buf_append_text(out, "</table>\n");
    }
    metrics_reader_free(reader);
}

struct certificate_table {
    struct buf *out;
    size_t rows;
};

static void on_certificate(void *context, const char *use, const char *path,
                           const struct certificate_report *report)
{
    struct certificate_table *table = context;
    char text[CERTIFICATE_TEXT_MAX];
    if (table->rows++ == 0)
        buf_append_text(table->out, "<h2>Certificates</h2>\n<table>\n");
    certificate_report_text(report, clock_wall_ns() / NS_PER_S, text);
    buf_append_text(table->out, "<tr><td>");
    append_html(table->out, bytes_from_text(use));
    buf_append_text(table->out, "</td><td>");
    append_html(table->out, bytes_from_text(path));
    buf_printf(table->out, "</td><td%s>",
               report->state == CERTIFICATE_GOOD ? "" : " class=\"bad\"");
    append_html(table->out, bytes_from_text(text));
    buf_append_text(table->out, "</td></tr>\n");
}

static void print_certificates(struct buf *out)
{
    struct certificate_table table = {.out = out};
    certificates_each(on_certificate, &table);
    if (table.rows > 0)
        buf_append_text(out, "</table>\n");
}

static void print_topics(const struct statusz *statusz, struct buf *out)
{
    buf_append_text(out, "<h2>Topics</h2>\n<table>\n<tr><th>topic</th><th>partitions</th></tr>\n");
    for (int i = 0; i < broker_topic_count(statusz->broker); i++) {
        char number[TEXT_U64_MAX];
        row(out, broker_topic_name(statusz->broker, i),
            bytes_of(number, text_from_i64(number, broker_partitions(statusz->broker, i))));
    }
    buf_append_text(out, "</table>\n");
}

static void on_recent(void *context, struct bytes line)
{
    append_html(context, line);
    buf_append_char(context, '\n');
}

static void print_config(const struct statusz *statusz, struct buf *out)
{
    struct buf yaml;
    buf_init(&yaml, 1 << 20);
    config_print(statusz->config, &yaml);
    buf_append_text(out, "<h2>Configuration in force</h2>\n<pre>");
    append_html(out, buf_bytes(&yaml));
    buf_append_text(out, "</pre>\n");
    buf_deinit(&yaml);
}

static unsigned print_page(void *context, const struct http1_request *request, struct buf *out)
{
    (void)request;
    const struct statusz *statusz = context;
    buf_printf(out,
               "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">"
               "<title>motorcade %s</title><style>%s</style>\n<h1>motorcade %s</h1>\n",
               statusz->role, style, statusz->role);
    print_process(statusz, out);
    print_health(out);
    print_figures(out);
    print_certificates(out);
    print_topics(statusz, out);
    buf_append_text(out, "<h2>Last warnings and errors</h2>\n<pre>");
    log_recent(on_recent, out);
    buf_append_text(out, "</pre>\n");
    print_config(statusz, out);
    buf_append_text(out, "</html>\n");
    return out->has_failed ? 500 : 200;
}

void statusz_add(struct statusz *statusz)
{
    admin_add(&(struct admin_page){.path = "/statusz",
                                   .content_type = "text/html; charset=utf-8",
                                   .is_private = true,
                                   .serve = print_page,
                                   .context = statusz});
}

void statusz_remove(void)
{
    admin_remove("/statusz");
}
