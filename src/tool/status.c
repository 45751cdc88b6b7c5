/* SPDX-License-Identifier: Apache-2.0 */
#include "tool/status.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/clock.h"
#include "observe/log.h"
#include "observe/metrics.h"

static const struct setting settings[] = {
    {.name = "status_interval",
     .type = SETTING_DURATION,
     .offset = offsetof(struct run_config, status_interval_ns),
     .default_text = "10s",
     .max = 86400 * NS_PER_S,
     .help = "How often a line says what the process is doing; 0 = never."},
};

const struct config_module run_module = {
    .name = "run",
    .help = "The process as a whole.",
    .settings = settings,
    .setting_count = SETTING_COUNT(settings),
    .size = sizeof(struct run_config),
};

/* What the line shows: counters as their rate, gauges as they are. */
static const struct figure {
    const char *name;
    enum metric metric;
    bool is_rate;
} figures[] = {
    {"accepted_per_s", METRIC_GATEWAY_ACCEPTED, true},
    {"rejected_per_s", METRIC_GATEWAY_REJECTED, true},
    {"acked_per_s", METRIC_GATEWAY_ACKED, true},
    {"stored_per_s", METRIC_SINK_ROWS, true},
    {"dead_letters_per_s", METRIC_HANDLER_DEAD_LETTERS, true},
    {"vehicles", METRIC_LIVE_VEHICLES, false},
    {"riders", METRIC_LIVE_RIDERS, false},
};
enum { FIGURES = sizeof figures / sizeof figures[0] };

struct status {
    const char *name;
    struct loop_timer *timer;
    int64_t then_ns;
    int64_t then[FIGURES];
};

static int64_t read_figure(const struct figure *figure)
{
    int64_t sum = 0;
    for (unsigned label = 0; label < metrics_label_count(figure->metric); label++)
        sum += metrics_value(figure->metric, label);
    return sum;
}

static void say(void *context)
{
    struct status *status = context;
    struct log_field fields[FIGURES + 1];
    int64_t now_ns = clock_monotonic_ns();
    int64_t elapsed_ns = now_ns - status->then_ns > 0 ? now_ns - status->then_ns : 1;
    for (int i = 0; i < FIGURES; i++) {
        int64_t now = read_figure(&figures[i]);
        double per_s = (double)(now - status->then[i]) * (double)NS_PER_S / (double)elapsed_ns;
        fields[i] = LOG_I(figures[i].name, figures[i].is_rate ? (int64_t)(per_s + 0.5) : now);
        status->then[i] = now;
    }
    int64_t p99_ns = metrics_quantile(METRIC_GATEWAY_ACK_SECONDS, 0, 0.99);
    fields[FIGURES] = LOG_F("ack_p99_ms", (double)p99_ns / (double)NS_PER_MS);
    status->then_ns = now_ns;
    log_write(LOG_INFO, status->name, "status", fields, FIGURES + 1);
}

struct status *status_start(struct loop *loop, const char *name, const struct run_config *config)
{
    struct status *status = calloc(1, sizeof *status);
    if (status == NULL)
        return NULL;
    status->name = name;
    status->then_ns = clock_monotonic_ns();
    status->timer = loop_timer_new(loop, say, status);
    if (status->timer == NULL) {
        free(status);
        return NULL;
    }
    if (config->status_interval_ns > 0)
        loop_timer_start(status->timer, config->status_interval_ns, config->status_interval_ns);
    return status;
}

void status_stop(struct status *status)
{
    if (status == NULL)
        return;
    loop_timer_free(status->timer);
    free(status);
}
