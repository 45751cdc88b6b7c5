/* SPDX-License-Identifier: Apache-2.0 */
#include "tool/to_end.h"

#include <stdlib.h>

#include "base/clock.h"
#include "broker/driver.h"

enum { FETCH_RECORDS = 1000 };

#define WAIT_NS (100 * NS_PER_MS)
/* Without a record for so long the rest is taken for a gap of offsets, where the
 * reading is local, and for an error where a cluster should have answered. */
#define IDLE_LOCAL_NS NS_PER_S
#define IDLE_REMOTE_NS (30 * NS_PER_S)

struct span {
    int topic, partition;
    int64_t next, end; /* read up to; where it ended when the reading began */
};

struct reading {
    struct broker *broker;
    struct consumer *consumer;
    struct span *spans;
    size_t count;
};

static int make_spans(struct reading *reading, const int *topics, size_t topic_count,
                      struct error *err)
{
    size_t most = 0;
    for (size_t i = 0; i < topic_count; i++)
        most += (size_t)broker_partitions(reading->broker, topics[i]);
    reading->spans = calloc(most + 1, sizeof *reading->spans);
    if (reading->spans == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for %zu partitions", most);
    for (size_t i = 0; i < topic_count; i++)
        for (int p = 0; p < broker_partitions(reading->broker, topics[i]); p++) {
            struct broker_offsets offsets;
            if (broker_offsets(reading->broker, topics[i], p, &offsets, err) != 0)
                return -1;
            if (offsets.earliest < offsets.end)
                reading->spans[reading->count++] =
                    (struct span){topics[i], p, offsets.earliest, offsets.end};
        }
    return 0;
}

static struct span *find_span(struct reading *reading, int topic, int partition)
{
    for (size_t i = 0; i < reading->count; i++)
        if (reading->spans[i].topic == topic && reading->spans[i].partition == partition)
            return &reading->spans[i];
    return NULL;
}

static bool is_read(const struct reading *reading)
{
    for (size_t i = 0; i < reading->count; i++)
        if (reading->spans[i].next < reading->spans[i].end)
            return false;
    return true;
}

/* Nothing comes: a partition that has no lag has been read, whatever offsets it
 * skipped. */
static void close_read_spans(struct reading *reading)
{
    for (size_t i = 0; i < reading->count; i++) {
        struct span *span = &reading->spans[i];
        if (span->next < span->end &&
            consumer_lag(reading->consumer, span->topic, span->partition) <= 0)
            span->next = span->end;
    }
}

static int take_batch(struct reading *reading, const struct consumed_batch *batch, to_end_fn fn,
                      void *context, struct error *err)
{
    for (size_t i = 0; i < batch->count; i++) {
        const struct consumed *record = &batch->records[i];
        struct span *span = find_span(reading, record->topic, record->partition);
        if (span == NULL || record->offset >= span->end)
            continue; /* came since */
        int result = fn(context, record, err);
        if (result != 0)
            return result;
        span->next = record->offset + 1;
    }
    return 0;
}

static int read_spans(struct reading *reading, to_end_fn fn, void *context, struct error *err)
{
    bool is_remote = reading->broker->config.kind == BROKER_KAFKA;
    int64_t idle_ns = is_remote ? IDLE_REMOTE_NS : IDLE_LOCAL_NS;
    int64_t seen_ns = clock_monotonic_ns();
    while (!is_read(reading)) {
        struct consumed_batch batch;
        if (consumer_fetch(reading->consumer, &batch, FETCH_RECORDS, WAIT_NS, err) != 0)
            return -1;
        int result = take_batch(reading, &batch, fn, context, err);
        if (result != 0)
            return result;
        int64_t now_ns = clock_monotonic_ns();
        if (batch.count > 0)
            seen_ns = now_ns;
        else
            close_read_spans(reading);
        if (now_ns - seen_ns < idle_ns)
            continue;
        return is_remote
                   ? error_set(err, ERROR_REMOTE, "no record came for 30 s: is the cluster up?")
                   : 0;
    }
    return 0;
}

int to_end_read(struct broker *broker, const struct consumer_options *options, to_end_fn fn,
                void *context, struct error *err)
{
    struct reading reading = {.broker = broker};
    int result = make_spans(&reading, options->topics, options->topic_count, err);
    if (result == 0 && reading.count > 0)
        result = consumer_open(&reading.consumer, broker, options, err);
    if (result == 0)
        result = read_spans(&reading, fn, context, err);
    if (reading.consumer != NULL)
        consumer_close(reading.consumer);
    free(reading.spans);
    return result < 0 ? -1 : 0;
}
