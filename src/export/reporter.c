/* SPDX-License-Identifier: Apache-2.0 */
#include "export/reporter.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bell.h"
#include "base/clock.h"
#include "export/figures.h"
#include "export/graphite.h"
#include "export/name.h"
#include "export/push.h"
#include "export/statsd.h"
#include "observe/log.h"

enum { HOST_MAX = 256, STATSD_BACKLOG = 4 << 20 };
static const int64_t statsd_timeout_ns = NS_PER_S;

/* In the order of metrics.def's label values. */
enum outlet { OUTLET_GRAPHITE, OUTLET_STATSD };

struct reporter {
    enum outlet outlet;
    int64_t interval_ns;
    enum graphite_style style;
    struct buf prefix, tags; /* with a NUL */
    struct metrics_reader *reader;
    struct buf lines; /* not sent yet */
    struct push push;
    bool is_away;
    pthread_t thread;
    bool is_started;
    struct bell bell;
    atomic_bool is_stopping;
    /* of the report under way */
    int64_t now_ns, time_s;
};

/* ---- one report ---- */

static void make_room(struct reporter *reporter)
{
    struct buf *lines = &reporter->lines;
    size_t half = lines->len / 2;
    const char *end = half == 0 ? NULL : memchr(lines->ptr + half, '\n', lines->len - half);
    size_t gone = end == NULL ? lines->len : (size_t)(end - lines->ptr) + 1;
    int64_t count = 0;
    for (size_t i = 0; i < gone; i++)
        count += lines->ptr[i] == '\n';
    buf_consume(lines, gone);
    metrics_add(METRIC_REPORT_LINES_DROPPED, reporter->outlet, count);
}

static void append_figure(struct reporter *reporter, const struct figure *figure)
{
    switch (reporter->outlet) {
    case OUTLET_GRAPHITE:
        graphite_line(&reporter->lines, figure, reporter->style, reporter->prefix.ptr,
                      reporter->tags.ptr, reporter->time_s);
        break;
    case OUTLET_STATSD:
        statsd_line(&reporter->lines, figure, reporter->prefix.ptr);
        break;
    }
}

static void on_figure(void *context, const struct figure *figure)
{
    struct reporter *reporter = context;
    size_t before = reporter->lines.len;
    append_figure(reporter, figure);
    if (!reporter->lines.has_failed)
        return;
    reporter->lines.len = before;
    reporter->lines.has_failed = false;
    make_room(reporter);
    before = reporter->lines.len;
    append_figure(reporter, figure);
    if (!reporter->lines.has_failed)
        return;
    reporter->lines.len = before;
    reporter->lines.has_failed = false;
    metrics_add(METRIC_REPORT_LINES_DROPPED, reporter->outlet, 1);
}

static void on_reading(void *context, const struct metric_reading *reading)
{
    struct reporter *reporter = context;
    figures_of(reading, reporter->now_ns, on_figure, reporter);
}

static void send_lines(struct reporter *reporter)
{
    struct error err;
    if (push_send(&reporter->push, buf_bytes(&reporter->lines), &err) == 0) {
        if (reporter->is_away)
            log_event(LOG_INFO, "export", "reports go out again",
                      LOG_T("address", reporter->push.address));
        reporter->is_away = false;
        metrics_add(METRIC_REPORTS, reporter->outlet, 1);
        buf_clear(&reporter->lines);
        return;
    }
    metrics_add(METRIC_REPORT_FAILURES, reporter->outlet, 1);
    if (!reporter->is_away)
        log_error("export", "a report could not be sent; reports are kept up to a bound", &err);
    reporter->is_away = true;
    if (reporter->outlet == OUTLET_STATSD) /* a change told late would be a wrong rate */
        buf_clear(&reporter->lines);
}

static void report(struct reporter *reporter)
{
    reporter->now_ns = clock_monotonic_ns();
    reporter->time_s = clock_wall_ns() / NS_PER_S;
    if (metrics_reader_read(reporter->reader, on_reading, reporter) != 0)
        log_write(LOG_WARN, "export", "no memory for a whole report", NULL, 0);
    send_lines(reporter);
}

static void *reporter_thread(void *context)
{
    struct reporter *reporter = context;
    int64_t due_ns = clock_monotonic_ns();
    while (!atomic_load(&reporter->is_stopping)) {
        report(reporter);
        due_ns += reporter->interval_ns;
        int64_t now_ns = clock_monotonic_ns();
        if (due_ns < now_ns) /* a slow server: no burst afterwards */
            due_ns = now_ns;
        while (!atomic_load(&reporter->is_stopping) && (now_ns = clock_monotonic_ns()) < due_ns)
            bell_wait(&reporter->bell, due_ns - now_ns);
    }
    report(reporter);
    return NULL;
}

/* ---- life ---- */

static void expand(struct buf *out, const char *pattern, const char *role)
{
    char host[HOST_MAX] = "";
    bool is_known = gethostname(host, sizeof host - 1) == 0 && host[0] != '\0';
    name_expand(out, pattern, is_known ? host : "unknown", role);
}

static void make_tags(struct reporter *reporter, const struct graphite_config *config,
                      const char *role)
{
    expand(&reporter->tags, ";host={host};role={role}", role);
    for (size_t i = 0; i < config->tags.count; i++)
        buf_printf(&reporter->tags, ";%s", config->tags.items[i]);
}

static struct reporter *reporter_new(enum outlet outlet, const char *prefix, const char *role,
                                     struct error *err)
{
    struct reporter *reporter = calloc(1, sizeof *reporter);
    if (reporter == NULL) {
        error_set(err, ERROR_MEMORY, "no memory for reports");
        return NULL;
    }
    reporter->outlet = outlet;
    buf_init(&reporter->prefix, 0);
    buf_init(&reporter->tags, 0);
    buf_init(&reporter->lines, STATSD_BACKLOG);
    bell_init(&reporter->bell);
    push_init(&reporter->push, "", false, 0);
    expand(&reporter->prefix, prefix, role);
    return reporter;
}

static int start(struct reporter **out, struct reporter *reporter, struct error *err)
{
    buf_append_char(&reporter->prefix, '\0');
    buf_append_char(&reporter->tags, '\0');
    int result = reporter->prefix.has_failed || reporter->tags.has_failed
                     ? error_set(err, ERROR_MEMORY, "no memory for reports")
                     : metrics_reader_new(&reporter->reader, FIGURES_MEMORY, err);
    if (result == 0 && pthread_create(&reporter->thread, NULL, reporter_thread, reporter) != 0)
        result = error_set(err, ERROR_IO, "can't start the thread of reports");
    if (result != 0) {
        reporter_stop(reporter);
        return -1;
    }
    reporter->is_started = true;
    log_event(LOG_INFO, "export", "reports metrics", LOG_T("address", reporter->push.address),
              LOG_T("prefix", reporter->prefix.ptr));
    *out = reporter;
    return 0;
}

int reporter_start_graphite(struct reporter **out, const struct graphite_config *config,
                            const char *role, struct error *err)
{
    *out = NULL;
    if (config->address[0] == '\0')
        return 0;
    struct reporter *reporter = reporter_new(OUTLET_GRAPHITE, config->prefix, role, err);
    if (reporter == NULL)
        return -1;
    reporter->interval_ns = config->interval_ns;
    reporter->style = (enum graphite_style)config->style;
    reporter->lines.limit = (size_t)config->backlog_bytes;
    make_tags(reporter, config, role);
    push_init(&reporter->push, config->address, false, config->timeout_ns);
    return start(out, reporter, err);
}

int reporter_start_statsd(struct reporter **out, const struct statsd_config *config,
                          const char *role, struct error *err)
{
    *out = NULL;
    if (config->address[0] == '\0')
        return 0;
    struct reporter *reporter = reporter_new(OUTLET_STATSD, config->prefix, role, err);
    if (reporter == NULL)
        return -1;
    reporter->interval_ns = config->interval_ns;
    push_init(&reporter->push, config->address, true, statsd_timeout_ns);
    return start(out, reporter, err);
}

void reporter_stop(struct reporter *reporter)
{
    if (reporter == NULL)
        return;
    atomic_store(&reporter->is_stopping, true);
    bell_ring(&reporter->bell);
    if (reporter->is_started)
        pthread_join(reporter->thread, NULL);
    push_deinit(&reporter->push);
    metrics_reader_free(reporter->reader);
    buf_deinit(&reporter->prefix);
    buf_deinit(&reporter->tags);
    buf_deinit(&reporter->lines);
    bell_deinit(&reporter->bell);
    free(reporter);
}
