/* SPDX-License-Identifier: Apache-2.0 */
/* Fixed metrics are known by their cell; series and the process's figures by
 * the order in which they were made, which never changes. Each kind has an array
 * of slots: what was last read, and the reader's memory. */
#include "observe/metrics_reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "observe/metrics_cells.h"
#include "observe/process.h"

struct slots {
    double *last; /* NaN-free: is_known tells */
    bool *is_known;
    char *memory;
    size_t count;
};

struct metrics_reader {
    size_t memory_size;
    int64_t *before; /* cells of the last reading; NULL at first */
    int64_t *interval;
    struct slots cells, series, process;
    /* of the reading under way */
    metrics_reader_fn *fn;
    void *context;
    size_t process_seen;
    bool has_failed;
};

/* ---- slots ---- */

static void *grow(void *array, size_t old_size, size_t new_size)
{
    char *grown = realloc(array, new_size);
    if (grown != NULL)
        memset(grown + old_size, 0, new_size - old_size);
    return grown;
}

static bool reserve(struct slots *slots, size_t count, size_t memory_size)
{
    if (count <= slots->count)
        return true;
    count += count / 2 + 16;
    size_t old = slots->count;
    double *last = grow(slots->last, old * sizeof *last, count * sizeof *last);
    if (last != NULL)
        slots->last = last;
    bool *is_known = grow(slots->is_known, old * sizeof *is_known, count * sizeof *is_known);
    if (is_known != NULL)
        slots->is_known = is_known;
    char *memory = grow(slots->memory, old * memory_size, count * memory_size + 1);
    if (memory != NULL)
        slots->memory = memory;
    if (last == NULL || is_known == NULL || memory == NULL)
        return false;
    slots->count = count;
    return true;
}

static void slots_free(struct slots *slots)
{
    free(slots->last);
    free(slots->is_known);
    free(slots->memory);
}

/* Completes the reading from its slot and gives it. */
static void give(struct metrics_reader *reader, struct slots *slots, size_t slot,
                 struct metric_reading *reading)
{
    if (!reserve(slots, slot + 1, reader->memory_size)) {
        reader->has_failed = true;
        return;
    }
    reading->is_first = !slots->is_known[slot];
    reading->change = reading->value - slots->last[slot];
    reading->memory = slots->memory + slot * reader->memory_size;
    slots->is_known[slot] = true;
    slots->last[slot] = reading->value;
    reader->fn(reader->context, reading);
}

/* ---- fixed metrics ---- */

static int64_t observations(enum metric id, const int64_t *cells)
{
    int64_t count = 0;
    for (unsigned i = 0; i <= metric_bucket_count(id); i++)
        count += cells[i];
    return count;
}

static void read_histogram(struct metrics_reader *reader, enum metric id, size_t cell,
                           const int64_t *now, struct metric_reading *reading)
{
    size_t stride = metric_bucket_count(id) + 2;
    for (size_t i = 0; i < stride; i++)
        reader->interval[i] =
            now[cell + i] - (reader->before == NULL ? 0 : reader->before[cell + i]);
    struct metrics_interval interval = {.id = id,
                                        .cells = reader->interval,
                                        .count = observations(id, reader->interval),
                                        .divisor = metric_buckets(id)->divisor};
    reading->interval = &interval;
    reading->is_duration = interval.divisor > 1;
    reading->value = (double)observations(id, now + cell);
    give(reader, &reader->cells, cell, reading);
    reading->interval = NULL;
}

/* What readers see: seconds, one kind of gauge and one of counter. */
static void set_value(struct metric_reading *reading, enum metric id, int64_t value)
{
    enum metric_type type = metric_infos[id].type;
    reading->type = metric_is_counter(type) ? METRIC_COUNTER : METRIC_GAUGE;
    reading->value = metric_is_ns(type) ? (double)value / (double)NS_PER_S : (double)value;
}

static void read_fixed(struct metrics_reader *reader, enum metric id, const int64_t *now)
{
    char labels[256];
    for (unsigned label = 0; label < metrics_label_count(id); label++) {
        size_t cell = metric_cell(id, label);
        struct metric_reading reading = {.name = metric_infos[id].name,
                                         .type = metric_infos[id].type};
        if (metric_infos[id].label != NULL) {
            struct bytes value = metric_label_value(id, label);
            snprintf(labels, sizeof labels, "%s=\"%.*s\"", metric_infos[id].label, (int)value.len,
                     value.ptr);
            reading.labels = bytes_from_text(labels);
        }
        if (reading.type == METRIC_HISTOGRAM) {
            read_histogram(reader, id, cell, now, &reading);
            continue;
        }
        set_value(&reading, id, now[cell]);
        give(reader, &reader->cells, cell, &reading);
    }
}

/* ---- series, process ---- */

static void read_series(struct metrics_reader *reader)
{
    for (const struct metric_series *s = metric_series_first(); s != NULL; s = s->next) {
        int64_t value = s->value;
        if (value == METRIC_ABSENT)
            continue;
        struct metric_reading reading = {.name = metric_infos[s->id].name,
                                         .labels = bytes_from_text(s->labels)};
        set_value(&reading, s->id, value);
        give(reader, &reader->series, s->ordinal, &reading);
    }
}

static void read_process(void *context, const struct process_figure *figure)
{
    struct metrics_reader *reader = context;
    struct metric_reading reading = {.name = figure->name,
                                     .type = figure->is_counter ? METRIC_COUNTER : METRIC_GAUGE,
                                     .value = figure->value};
    give(reader, &reader->process, reader->process_seen++, &reading);
}

/* ---- the reader ---- */

int metrics_reader_new(struct metrics_reader **out, size_t memory_size, struct error *err)
{
    size_t stride_max = 0;
    metrics_cell_count(); /* makes the layout */
    for (enum metric id = 0; id < METRIC_COUNT; id++)
        if (metric_bucket_count(id) + 2 > stride_max)
            stride_max = metric_bucket_count(id) + 2;
    struct metrics_reader *reader = calloc(1, sizeof *reader);
    if (reader != NULL) {
        reader->memory_size = (memory_size + 15) / 16 * 16;
        reader->interval = calloc(stride_max, sizeof *reader->interval);
    }
    if (reader == NULL || reader->interval == NULL) {
        metrics_reader_free(reader);
        return error_set(err, ERROR_MEMORY, "no memory for a reader of the metrics");
    }
    *out = reader;
    return 0;
}

void metrics_reader_free(struct metrics_reader *reader)
{
    if (reader == NULL)
        return;
    slots_free(&reader->cells);
    slots_free(&reader->series);
    slots_free(&reader->process);
    free(reader->before);
    free(reader->interval);
    free(reader);
}

int metrics_reader_read(struct metrics_reader *reader, metrics_reader_fn *fn, void *context)
{
    metrics_refresh();
    int64_t *now = metrics_snapshot();
    if (now == NULL)
        return -1;
    reader->fn = fn;
    reader->context = context;
    reader->has_failed = false;
    for (enum metric id = 0; id < METRIC_COUNT; id++)
        if (!metric_is_series(id))
            read_fixed(reader, id, now);
    read_series(reader);
    reader->process_seen = 0;
    process_read(read_process, reader);
    free(reader->before);
    reader->before = now;
    return reader->has_failed ? -1 : 0;
}

double metrics_interval_quantile(const struct metrics_interval *interval, double q)
{
    if (interval->count == 0)
        return 0;
    /* The smallest lies in the first bucket that holds one. */
    double rank = q * (double)interval->count;
    return (double)metric_quantile_of(interval->id, interval->cells, rank < 1e-9 ? 1e-9 : rank) /
           interval->divisor;
}

double metrics_interval_mean(const struct metrics_interval *interval)
{
    int64_t sum = interval->cells[metric_bucket_count(interval->id) + 1];
    return interval->count == 0 ? 0 : (double)sum / (double)interval->count / interval->divisor;
}
