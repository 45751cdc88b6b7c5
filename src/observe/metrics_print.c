/* SPDX-License-Identifier: Apache-2.0 */
/* The Prometheus text format, version 0.0.4:
 * https://prometheus.io/docs/instrumenting/exposition_formats/
 * and OpenMetrics 1.0.0, https://prometheus.io/docs/specs/om/open_metrics_spec/:
 * the same lines, but that a counter's family is named without _total, an info
 * without _info, and the page ends in # EOF. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "base/version.h"
#include "observe/metrics.h"
#include "observe/metrics_cells.h"
#include "observe/process.h"

#define PREFIX "motorcade_"

static const char *type_name(enum metric_type type)
{
    static const char *const names[] = {[METRIC_COUNTER] = "counter",
                                        [METRIC_COUNTER_NS] = "counter",
                                        [METRIC_GAUGE] = "gauge",
                                        [METRIC_GAUGE_NS] = "gauge",
                                        [METRIC_HISTOGRAM] = "histogram"};
    return names[type];
}

static void append_number(struct buf *out, double value)
{
    char text[TEXT_DOUBLE_MAX];
    buf_append(out, text, text_from_double(text, value));
}

/* {label="value"}, {label="value",le="0.5"}, {le="+Inf"} or nothing. */
static void print_labels(struct buf *out, enum metric id, unsigned label, const char *le)
{
    const char *name = metric_infos[id].label;
    if (name == NULL && le == NULL)
        return;
    buf_append_char(out, '{');
    if (name != NULL) {
        struct bytes value = metric_label_value(id, label);
        buf_printf(out, "%s=\"%.*s\"%s", name, (int)value.len, value.ptr, le != NULL ? "," : "");
    }
    if (le != NULL)
        buf_printf(out, "le=\"%s\"", le);
    buf_append_char(out, '}');
}

/* "… # {trace_id="…"} value seconds" (OpenMetrics, "Exemplars"). */
static void print_exemplar(struct buf *out, const struct metric_exemplar *exemplar, double divisor)
{
    buf_printf(out, " # {trace_id=\"%s\"} ", exemplar->trace_id);
    append_number(out, (double)exemplar->value / divisor);
    buf_printf(out, " %lld.%03lld", (long long)(exemplar->at_ns / NS_PER_S),
               (long long)(exemplar->at_ns % NS_PER_S / NS_PER_MS));
}

/* The exemplar is printed with the first bucket that it is in, once. */
struct histogram_page {
    struct buf *out;
    enum metric id;
    unsigned label;
    bool has_exemplar;
    struct metric_exemplar exemplar;
};

static void print_bucket(struct histogram_page *page, const char *le, int64_t bound, int64_t below)
{
    struct buf *out = page->out;
    buf_printf(out, PREFIX "%s_bucket", metric_infos[page->id].name);
    print_labels(out, page->id, page->label, le);
    buf_printf(out, " %lld", (long long)below);
    if (page->has_exemplar && page->exemplar.value <= bound) {
        print_exemplar(out, &page->exemplar, metric_buckets(page->id)->divisor);
        page->has_exemplar = false;
    }
    buf_append_char(out, '\n');
}

static void print_histogram(struct buf *out, enum metric id, unsigned label, const int64_t *cells,
                            enum metrics_format format)
{
    const struct metric_buckets *buckets = metric_buckets(id);
    struct histogram_page page = {.out = out, .id = id, .label = label};
    page.has_exemplar =
        format == METRICS_OPENMETRICS && metric_exemplar_get(id, label, &page.exemplar);
    unsigned bounded = metric_bucket_count(id);
    int64_t count = 0;
    for (unsigned i = 0; i < bounded; i++) {
        count += cells[i];
        if (i % (METRIC_PARTS * buckets->printed_every) != 0)
            continue;
        char le[TEXT_DOUBLE_MAX + 1];
        int64_t bound = metric_bucket_bound(id, i);
        le[text_from_double(le, (double)bound / buckets->divisor)] = '\0';
        print_bucket(&page, le, bound, count);
    }
    count += cells[bounded];
    print_bucket(&page, "+Inf", INT64_MAX, count);
    buf_printf(out, PREFIX "%s_sum", metric_infos[id].name);
    print_labels(out, id, label, NULL);
    buf_append_char(out, ' ');
    append_number(out, (double)cells[bounded + 1] / buckets->divisor);
    buf_printf(out, "\n" PREFIX "%s_count", metric_infos[id].name);
    print_labels(out, id, label, NULL);
    buf_printf(out, " %lld\n", (long long)count);
}

static void append_value(struct buf *out, enum metric id, int64_t value)
{
    if (metric_is_ns(metric_infos[id].type))
        append_number(out, (double)value / (double)NS_PER_S);
    else
        buf_append_i64(out, value);
    buf_append_char(out, '\n');
}

static void print_value(struct buf *out, enum metric id, unsigned label, int64_t value)
{
    buf_printf(out, PREFIX "%s", metric_infos[id].name);
    print_labels(out, id, label, NULL);
    buf_append_char(out, ' ');
    append_value(out, id, value);
}

static void print_head(struct buf *out, enum metric id, enum metrics_format format)
{
    const struct metric_info *info = &metric_infos[id];
    size_t len = strlen(info->name);
    if (format == METRICS_OPENMETRICS && metric_is_counter(info->type))
        len -= sizeof "_total" - 1;
    buf_printf(out, "# HELP " PREFIX "%.*s %s\n# TYPE " PREFIX "%.*s %s\n", (int)len, info->name,
               info->help, (int)len, info->name, type_name(info->type));
}

static void print_series(struct buf *out, enum metric id, enum metrics_format format)
{
    bool has_head = false;
    for (const struct metric_series *s = metric_series_first(); s != NULL; s = s->next) {
        int64_t value = s->value;
        if (s->id != id || value == METRIC_ABSENT)
            continue;
        if (!has_head)
            print_head(out, id, format);
        has_head = true;
        const char *open = s->labels[0] != '\0' ? "{" : "";
        const char *close = s->labels[0] != '\0' ? "}" : "";
        buf_printf(out, PREFIX "%s%s%s%s ", metric_infos[id].name, open, s->labels, close);
        append_value(out, id, value);
    }
}

static void print_metric(struct buf *out, enum metric id, const int64_t *cells,
                         enum metrics_format format)
{
    unsigned labels = metrics_label_count(id);
    if (metric_is_series(id)) {
        print_series(out, id, format);
        return;
    }
    if (labels == 0) /* label values not given yet */
        return;
    print_head(out, id, format);
    for (unsigned label = 0; label < labels; label++) {
        const int64_t *own = cells + metric_cell(id, label);
        if (metric_infos[id].type == METRIC_HISTOGRAM)
            print_histogram(out, id, label, own, format);
        else
            print_value(out, id, label, own[0]);
    }
}

static void print_build(struct buf *out, enum metrics_format format)
{
    bool is_open = format == METRICS_OPENMETRICS;
    const char *family = is_open ? "build" : "build_info";
    buf_printf(out,
               "# HELP " PREFIX "%s What is running: always 1.\n"
               "# TYPE " PREFIX "%s %s\n" PREFIX "build_info{version=\"%s\",compiler=\"%s\"} 1\n",
               family, family, is_open ? "info" : "gauge", version_text(), version_compiler());
}

static void print_process(struct buf *out, const struct process_figure *figure,
                          enum metrics_format format)
{
    size_t len = strlen(figure->name);
    if (format == METRICS_OPENMETRICS && figure->is_counter)
        len -= sizeof "_total" - 1;
    buf_printf(out, "# HELP %.*s %s\n# TYPE %.*s %s\n%s ", (int)len, figure->name, figure->help,
               (int)len, figure->name,
               type_name(figure->is_counter ? METRIC_COUNTER : METRIC_GAUGE), figure->name);
    append_number(out, figure->value);
    buf_append_char(out, '\n');
}

struct process_page {
    struct buf *out;
    enum metrics_format format;
};

static void on_process_figure(void *context, const struct process_figure *figure)
{
    const struct process_page *page = context;
    print_process(page->out, figure, page->format);
}

int metrics_print(struct buf *out, enum metrics_format format)
{
    int64_t start_ns = clock_monotonic_ns();
    size_t start_len = out->len;
    metrics_refresh();
    int64_t *cells = metrics_snapshot();
    if (cells == NULL)
        return -1;
    for (enum metric id = 0; id < METRIC_COUNT; id++)
        print_metric(out, id, cells, format);
    free(cells);
    print_build(out, format);
    process_read(on_process_figure, &(struct process_page){out, format});
    if (format == METRICS_OPENMETRICS)
        buf_append_text(out, "# EOF\n");
    metrics_observe(METRIC_SCRAPE_BYTES, 0, (int64_t)(out->len - start_len));
    metrics_observe(METRIC_SCRAPE_SECONDS, 0, clock_monotonic_ns() - start_ns);
    return out->has_failed ? -1 : 0;
}

/* The label, and its values where metrics.def has them. */
static void print_reference_label(struct buf *out, enum metric id)
{
    const struct metric_info *info = &metric_infos[id];
    if (info->label == NULL)
        return;
    if (metric_is_series(id)) {
        buf_append_text(out, "(made at run time)");
        return;
    }
    buf_append_text(out, info->label);
    bool is_listed = strcmp(info->values, "@") != 0;
    for (unsigned i = 0; is_listed && i < metrics_label_count(id); i++) {
        struct bytes value = metric_label_value(id, i);
        buf_printf(out, "%s`%.*s`", i == 0 ? ": " : ", ", (int)value.len, value.ptr);
    }
}

int metrics_print_reference(struct buf *out)
{
    buf_append_text(out, "| metric | type | labels | meaning |\n|---|---|---|---|\n");
    for (enum metric id = 0; id < METRIC_COUNT; id++) {
        const struct metric_info *info = &metric_infos[id];
        buf_printf(out, "| `" PREFIX "%s` | %s | ", info->name, type_name(info->type));
        print_reference_label(out, id);
        buf_printf(out, " | %s |\n", info->help);
    }
    return out->has_failed ? -1 : 0;
}
