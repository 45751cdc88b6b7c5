/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/reread.h"

#include <stdlib.h>

#include "base/clock.h"
#include "observe/log.h"

/* Gateways' clocks differ: records a little earlier in the log may bear later times. */
#define SLACK_NS (60 * NS_PER_S)
/* A record that was given a moment ago does not come again: something is wrong. */
#define PATIENCE_NS (30 * NS_PER_S)

enum { BATCH_RECORDS = 4096 };

/* Records of a stream that its state does not follow from yet. */
struct reread_gap {
    unsigned stream;
    int topic, partition;
    int64_t from;   /* offset; -1: by time */
    int64_t target; /* the offset that meets the state next */
    int64_t received_ns;
    bool is_closed;
};

/* ---- life ---- */

int reread_init(struct reread *reread, struct error *err)
{
    size_t streams = reread->topic_count * REREAD_PARTITIONS_MAX;
    for (size_t i = 0; i < reread->topic_count; i++)
        if (broker_partitions(reread->broker, reread->topics[i]) > REREAD_PARTITIONS_MAX)
            return error_set(err, ERROR_CONFIG, "the topic %s has more than %d partitions",
                             broker_topic_name(reread->broker, reread->topics[i]),
                             REREAD_PARTITIONS_MAX);
    reread->next = malloc(streams * sizeof *reread->next);
    reread->seen = calloc(streams, sizeof *reread->seen);
    reread->gaps = calloc(streams, sizeof *reread->gaps);
    reread->place = calloc(streams, sizeof *reread->place);
    if (reread->next == NULL || reread->seen == NULL || reread->gaps == NULL ||
        reread->place == NULL)
        return error_set(err, ERROR_MEMORY, "no memory to read records again");
    for (size_t i = 0; i < streams; i++)
        reread->next[i] = -1;
    return 0;
}

void reread_deinit(struct reread *reread)
{
    free(reread->next);
    free(reread->seen);
    free(reread->gaps);
    free(reread->place);
    reread->next = NULL;
    reread->seen = NULL;
    reread->gaps = NULL;
    reread->place = NULL;
}

/* ---- what is missing ---- */

static struct reread_gap *gap_of(const struct reread *reread, unsigned stream)
{
    uint32_t place = reread->place[stream];
    bool is_there = place < reread->gap_count && reread->gaps[place].stream == stream;
    return is_there ? &reread->gaps[place] : NULL;
}

static bool has_nothing_before(const struct reread *reread, const struct reread_gap *gap)
{
    struct broker_offsets offsets;
    return broker_offsets(reread->broker, gap->topic, gap->partition, &offsets, NULL) == 0 &&
           offsets.earliest >= gap->target;
}

static void add_gap(struct reread *reread, struct state_table *state, unsigned stream,
                    const struct consumed *in)
{
    int64_t known = reread->next[stream];
    bool goes_on = known >= 0 && known < in->offset;
    if (!goes_on)
        state_table_forget(state, stream);
    struct reread_gap gap = {.stream = stream,
                             .topic = in->topic,
                             .partition = in->partition,
                             .from = goes_on ? known : -1,
                             .target = in->offset,
                             .received_ns = in->record.timestamp_ns};
    reread->next[stream] = in->offset;
    if (has_nothing_before(reread, &gap))
        return;
    reread->place[stream] = (uint32_t)reread->gap_count;
    reread->gaps[reread->gap_count++] = gap;
}

/* Of each stream the batch's first record; the later ones follow it without gap. */
static void find_gaps(struct reread *reread, struct state_table *state,
                      const struct consumed_batch *batch)
{
    reread->gap_count = 0;
    reread->batch++;
    for (size_t i = 0; i < batch->count; i++) {
        const struct consumed *in = &batch->records[i];
        unsigned stream = reread_stream(reread, in);
        if (reread->seen[stream] == reread->batch)
            continue;
        reread->seen[stream] = reread->batch;
        if (reread->next[stream] != in->offset)
            add_gap(reread, state, stream, in);
    }
}

/* ---- reading again ---- */

static int open_reader(struct reread *reread, int64_t lookback_ns, struct consumer **out,
                       struct error *err)
{
    int64_t since_ns = INT64_MAX;
    for (size_t i = 0; i < reread->gap_count; i++)
        if (reread->gaps[i].received_ns < since_ns)
            since_ns = reread->gaps[i].received_ns;
    struct consumer_partition *only = calloc(reread->gap_count, sizeof *only);
    if (only == NULL)
        return error_set(err, ERROR_MEMORY, "no memory to read records again");
    for (size_t i = 0; i < reread->gap_count; i++)
        only[i] = (struct consumer_partition){reread->gaps[i].topic, reread->gaps[i].partition};
    const struct consumer_options options = {.topics = reread->topics,
                                             .topic_count = reread->topic_count,
                                             .start = CONSUMER_FROM_TIME,
                                             .start_value = since_ns - lookback_ns - SLACK_NS,
                                             .only = only,
                                             .only_count = reread->gap_count};
    int result = consumer_open(out, reread->broker, &options, err);
    free(only);
    for (size_t i = 0; result == 0 && i < reread->gap_count; i++) {
        const struct reread_gap *gap = &reread->gaps[i];
        if (gap->from >= 0)
            result = consumer_seek(*out, gap->topic, gap->partition, gap->from, err);
        if (result != 0)
            consumer_close(*out);
    }
    return result;
}

/* The number of records rehearsed. */
static size_t take_batch(struct reread *reread, const struct consumed_batch *batch)
{
    size_t done = 0;
    if (reread->begin != NULL)
        reread->begin(reread->context, batch);
    for (size_t i = 0; i < batch->count; i++) {
        const struct consumed *in = &batch->records[i];
        struct reread_gap *gap = gap_of(reread, reread_stream(reread, in));
        if (gap == NULL || in->offset >= gap->target) {
            if (gap != NULL)
                gap->is_closed = true;
            continue;
        }
        reread->rehearse(reread->context, gap->stream, in);
        done++;
    }
    if (reread->end != NULL)
        reread->end(reread->context);
    return done;
}

static bool is_any_open(const struct reread *reread)
{
    for (size_t i = 0; i < reread->gap_count; i++)
        if (!reread->gaps[i].is_closed)
            return true;
    return false;
}

static int read_again(struct reread *reread, struct consumer *consumer, size_t *done,
                      struct error *err)
{
    int64_t until_ns = clock_monotonic_ns() + PATIENCE_NS;
    while (is_any_open(reread)) {
        struct consumed_batch batch;
        if (reread->must_stop(reread->context))
            return error_set(err, ERROR_BUSY, "stopping");
        if (consumer_fetch(consumer, &batch, BATCH_RECORDS, 50 * NS_PER_MS, err) != 0)
            return -1;
        if (batch.count == 0 && clock_monotonic_ns() > until_ns)
            return error_set(err, ERROR_IO, "records that were there a moment ago do not come");
        if (batch.count > 0)
            until_ns = clock_monotonic_ns() + PATIENCE_NS;
        *done += take_batch(reread, &batch);
    }
    return 0;
}

static int close_gaps(struct reread *reread, int64_t lookback_ns, struct reread_done *done,
                      struct error *err)
{
    int64_t begun_ns = clock_monotonic_ns();
    struct consumer *consumer;
    if (open_reader(reread, lookback_ns, &consumer, err) != 0)
        return -1;
    int result = read_again(reread, consumer, &done->records, err);
    consumer_close(consumer);
    done->took_ns = clock_monotonic_ns() - begun_ns;
    if (result == 0)
        log_event(LOG_INFO, reread->who, "what is remembered of vehicles was made again",
                  LOG_I("partitions", reread->gap_count), LOG_I("records", done->records),
                  LOG_I("milliseconds", done->took_ns / NS_PER_MS));
    return result;
}

/* Half of it would be worse than nothing. */
static void forget_gaps(struct reread *reread)
{
    for (size_t i = 0; i < reread->gap_count; i++)
        reread->next[reread->gaps[i].stream] = -1;
}

int reread_for(struct reread *reread, struct state_table *state, int64_t lookback_ns,
               const struct consumed_batch *batch, struct reread_done *done, struct error *err)
{
    *done = (struct reread_done){.records = 0};
    if (lookback_ns == 0)
        return 0;
    find_gaps(reread, state, batch);
    if (reread->gap_count == 0)
        return 0;
    if (close_gaps(reread, lookback_ns, done, err) == 0)
        return 0;
    forget_gaps(reread);
    return -1;
}
