/* SPDX-License-Identifier: Apache-2.0 */
#include "export/figures.h"

#include <string.h>

static struct bytes without(struct bytes name, const char *suffix)
{
    size_t len = strlen(suffix);
    if (name.len > len && memcmp(name.ptr + name.len - len, suffix, len) == 0)
        name.len -= len;
    return name;
}

struct target {
    struct figure figure; /* name and labels filled in */
    figure_fn *fn;
    void *context;
};

static void give(const struct target *target, const char *suffix, double value)
{
    struct figure figure = target->figure;
    figure.suffix = suffix;
    figure.value = value;
    target->fn(target->context, &figure);
}

static void give_meter(const struct target *target, const struct metric_reading *reading,
                       int64_t now_ns)
{
    struct meter *meter = reading->memory;
    meter_tick(meter, reading->change, now_ns);
    struct target total = *target;
    total.figure.is_total = true;
    total.figure.change = reading->change;
    give(&total, "count", reading->value);
    give(target, "mean_rate", meter_mean(meter));
    give(target, "m1_rate", meter->m1);
    give(target, "m5_rate", meter->m5);
    give(target, "m15_rate", meter->m15);
}

static void give_spread(const struct target *target, const struct metric_reading *reading)
{
    static const struct {
        const char *suffix;
        double q;
    } quantiles[] = {{"min", 0},    {"p50", 0.5},  {"p75", 0.75},   {"p95", 0.95},
                     {"p98", 0.98}, {"p99", 0.99}, {"p999", 0.999}, {"max", 1}};
    double scale = reading->is_duration ? 1000 : 1; /* s to ms */
    for (size_t i = 0; i < sizeof quantiles / sizeof quantiles[0]; i++)
        give(target, quantiles[i].suffix,
             scale * metrics_interval_quantile(reading->interval, quantiles[i].q));
    give(target, "mean", scale * metrics_interval_mean(reading->interval));
}

void figures_of(const struct metric_reading *reading, int64_t now_ns, figure_fn *fn, void *context)
{
    struct target target = {.fn = fn, .context = context};
    target.figure.name = bytes_from_text(reading->name);
    target.figure.labels = reading->labels;
    if (reading->type == METRIC_GAUGE) {
        give(&target, "", reading->value);
        return;
    }
    target.figure.name = without(target.figure.name, "_total");
    if (reading->type == METRIC_HISTOGRAM && reading->is_duration)
        target.figure.name = without(target.figure.name, "_seconds");
    give_meter(&target, reading, now_ns);
    if (reading->type == METRIC_HISTOGRAM)
        give_spread(&target, reading);
}
