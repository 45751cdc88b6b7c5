/* SPDX-License-Identifier: Apache-2.0 */
#include "handler/recall.h"

#include <stdlib.h>

#include "base/clock.h"
#include "observe/log.h"
#include "observe/metrics.h"

/* Gateways' clocks differ: records a little earlier in the log may bear later times. */
#define SLACK_NS (60 * NS_PER_S)
/* A record that was given a moment ago does not come again: something is wrong. */
#define PATIENCE_NS (30 * NS_PER_S)

enum { BATCH_RECORDS = 4096 };

/* Records of a stream that its state does not follow from yet. */
struct recall_gap {
    unsigned stream;
    int topic, partition;
    int64_t from;   /* offset; -1: by time */
    int64_t target; /* the offset to be judged next */
    int64_t received_ns;
    bool is_closed;
};

/* ---- life ---- */

int recall_init(struct recall *recall, struct error *err)
{
    size_t streams = recall->ingest_count * RECALL_PARTITIONS_MAX;
    for (size_t i = 0; i < recall->ingest_count; i++)
        if (broker_partitions(recall->broker, recall->ingest[i]) > RECALL_PARTITIONS_MAX)
            return error_set(err, ERROR_CONFIG, "the topic %s has more than %d partitions",
                             broker_topic_name(recall->broker, recall->ingest[i]),
                             RECALL_PARTITIONS_MAX);
    recall->next = malloc(streams * sizeof *recall->next);
    recall->seen = calloc(streams, sizeof *recall->seen);
    recall->gaps = calloc(streams, sizeof *recall->gaps);
    recall->place = calloc(streams, sizeof *recall->place);
    if (recall->next == NULL || recall->seen == NULL || recall->gaps == NULL ||
        recall->place == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the handler");
    for (size_t i = 0; i < streams; i++)
        recall->next[i] = -1;
    return 0;
}

void recall_deinit(struct recall *recall)
{
    free(recall->next);
    free(recall->seen);
    free(recall->gaps);
    free(recall->place);
    recall->next = NULL;
    recall->seen = NULL;
    recall->gaps = NULL;
    recall->place = NULL;
}

/* ---- what is missing ---- */

static struct recall_gap *gap_of(const struct recall *recall, unsigned stream)
{
    uint32_t place = recall->place[stream];
    bool is_there = place < recall->gap_count && recall->gaps[place].stream == stream;
    return is_there ? &recall->gaps[place] : NULL;
}

static bool has_nothing_before(const struct recall *recall, const struct recall_gap *gap)
{
    struct broker_offsets offsets;
    return broker_offsets(recall->broker, gap->topic, gap->partition, &offsets, NULL) == 0 &&
           offsets.earliest >= gap->target;
}

static void add_gap(struct recall *recall, unsigned stream, const struct consumed *in)
{
    struct rule_thread *thread = recall->judge->thread;
    int64_t known = recall->next[stream];
    bool goes_on = known >= 0 && known < in->offset;
    if (!goes_on)
        state_table_forget(thread->state, stream);
    struct recall_gap gap = {.stream = stream,
                             .topic = in->topic,
                             .partition = in->partition,
                             .from = goes_on ? known : -1,
                             .target = in->offset,
                             .received_ns = in->record.timestamp_ns};
    recall->next[stream] = in->offset;
    if (has_nothing_before(recall, &gap))
        return;
    recall->place[stream] = (uint32_t)recall->gap_count;
    recall->gaps[recall->gap_count++] = gap;
}

/* Of each stream the batch's first record; the later ones follow it without gap. */
static void find_gaps(struct recall *recall, const struct consumed_batch *batch)
{
    recall->gap_count = 0;
    recall->batch++;
    for (size_t i = 0; i < batch->count; i++) {
        const struct consumed *in = &batch->records[i];
        unsigned stream = recall_stream(recall, in);
        if (recall->seen[stream] == recall->batch)
            continue;
        recall->seen[stream] = recall->batch;
        if (recall->next[stream] != in->offset)
            add_gap(recall, stream, in);
    }
}

/* ---- reading again ---- */

static int open_reader(struct recall *recall, int64_t lookback_ns, struct consumer **out,
                       struct error *err)
{
    int64_t since_ns = INT64_MAX;
    for (size_t i = 0; i < recall->gap_count; i++)
        if (recall->gaps[i].received_ns < since_ns)
            since_ns = recall->gaps[i].received_ns;
    struct consumer_partition *only = calloc(recall->gap_count, sizeof *only);
    if (only == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the handler");
    for (size_t i = 0; i < recall->gap_count; i++)
        only[i] = (struct consumer_partition){recall->gaps[i].topic, recall->gaps[i].partition};
    const struct consumer_options options = {.topics = recall->ingest,
                                             .topic_count = recall->ingest_count,
                                             .start = CONSUMER_FROM_TIME,
                                             .start_value = since_ns - lookback_ns - SLACK_NS,
                                             .only = only,
                                             .only_count = recall->gap_count};
    int result = consumer_open(out, recall->broker, &options, err);
    free(only);
    for (size_t i = 0; result == 0 && i < recall->gap_count; i++) {
        const struct recall_gap *gap = &recall->gaps[i];
        if (gap->from >= 0)
            result = consumer_seek(*out, gap->topic, gap->partition, gap->from, err);
        if (result != 0)
            consumer_close(*out);
    }
    return result;
}

struct rehearsal {
    struct recall *recall;
    const struct ruleset *ruleset;
    const struct consumed *in;
};

static void rehearse(void *context)
{
    struct rehearsal *rehearsal = context;
    judge_rehearse(rehearsal->recall->judge, rehearsal->ruleset, rehearsal->in);
}

/* The number of records judged. */
static size_t take_batch(struct recall *recall, const struct ruleset *ruleset,
                         const struct consumed_batch *batch)
{
    size_t done = 0;
    caution_begin(recall->caution, batch);
    for (size_t i = 0; i < batch->count; i++) {
        const struct consumed *in = &batch->records[i];
        struct recall_gap *gap = gap_of(recall, recall_stream(recall, in));
        if (gap == NULL || in->offset >= gap->target) {
            if (gap != NULL)
                gap->is_closed = true;
            continue;
        }
        struct rehearsal rehearsal = {recall, ruleset, in};
        recall->judge->stream = gap->stream;
        if (caution_is_needed(recall->caution))
            caution_work_slowly(recall->caution, in, broker_topic_name(recall->broker, in->topic),
                                rehearse, &rehearsal);
        else
            rehearse(&rehearsal);
        done++;
    }
    caution_end(recall->caution);
    return done;
}

static bool is_any_open(const struct recall *recall)
{
    for (size_t i = 0; i < recall->gap_count; i++)
        if (!recall->gaps[i].is_closed)
            return true;
    return false;
}

static int read_again(struct recall *recall, const struct ruleset *ruleset,
                      struct consumer *consumer, size_t *done, struct error *err)
{
    int64_t until_ns = clock_monotonic_ns() + PATIENCE_NS;
    while (is_any_open(recall)) {
        struct consumed_batch batch;
        if (recall->must_stop(recall->context))
            return error_set(err, ERROR_BUSY, "stopping");
        if (consumer_fetch(consumer, &batch, BATCH_RECORDS, 50 * NS_PER_MS, err) != 0)
            return -1;
        if (batch.count == 0 && clock_monotonic_ns() > until_ns)
            return error_set(err, ERROR_IO, "records that were there a moment ago do not come");
        if (batch.count > 0)
            until_ns = clock_monotonic_ns() + PATIENCE_NS;
        *done += take_batch(recall, ruleset, &batch);
    }
    return 0;
}

static int close_gaps(struct recall *recall, const struct ruleset *ruleset, struct error *err)
{
    int64_t begun_ns = clock_monotonic_ns();
    struct consumer *consumer;
    size_t done = 0;
    if (open_reader(recall, ruleset_lookback_ns(ruleset), &consumer, err) != 0)
        return -1;
    int result = read_again(recall, ruleset, consumer, &done, err);
    consumer_close(consumer);
    int64_t took_ns = clock_monotonic_ns() - begun_ns;
    metrics_add(METRIC_HANDLER_RECALLED, 0, (int64_t)done);
    metrics_observe(METRIC_HANDLER_RECALL_SECONDS, 0, took_ns);
    if (result == 0)
        log_event(LOG_INFO, "handler", "what rules remember of vehicles was made again",
                  LOG_I("partitions", recall->gap_count), LOG_I("records", done),
                  LOG_I("milliseconds", took_ns / NS_PER_MS));
    return result;
}

/* Half of it would be worse than nothing. */
static void forget_gaps(struct recall *recall)
{
    for (size_t i = 0; i < recall->gap_count; i++)
        recall->next[recall->gaps[i].stream] = -1;
}

int recall_for(struct recall *recall, const struct ruleset *ruleset,
               const struct consumed_batch *batch, struct error *err)
{
    if (ruleset_lookback_ns(ruleset) == 0)
        return 0;
    find_gaps(recall, batch);
    if (recall->gap_count == 0)
        return 0;
    if (close_gaps(recall, ruleset, err) == 0)
        return 0;
    forget_gaps(recall);
    return -1;
}
