/* SPDX-License-Identifier: Apache-2.0 */
#include "tool/packets.h"

#include <stdlib.h>

#include "base/bell.h"
#include "base/clock.h"
#include "simulate/reader.h"
#include "tool/viewer.h"
#include "tool/where.h"

enum { FETCH_RECORDS = 1000 };
#define PATIENCE_NS (5 * NS_PER_S)

struct packets {
    const char *topic;
    /* of a file */
    struct stats *stats;
    struct reader *reader;
    struct reader_block *block;
    struct bell bell;
    size_t at;     /* in the block, or the batch */
    size_t offset; /* of its bytes */
    int64_t time_ms, number;
    /* of a topic */
    struct broker *broker;
    struct consumer *consumer;
    struct consumed_batch batch;
    int topic_number;
};

/* ---- a file ---- */

static void on_news(void *context)
{
    struct packets *packets = context;
    bell_ring(&packets->bell);
}

static int open_reader(struct packets *packets, const char *path, struct error *err)
{
    packets->stats = stats_new();
    if (packets->stats == NULL)
        return error_set(err, ERROR_MEMORY, "no memory to read %s", path);
    if (reader_open(&packets->reader, path, NULL, packets->stats, err) != 0)
        return -1;
    return reader_start(packets->reader, on_news, packets, err);
}

int packets_open_file(struct packets **out, const char *path, struct error *err)
{
    struct packets *packets = calloc(1, sizeof *packets);
    if (packets == NULL)
        return error_set(err, ERROR_MEMORY, "no memory to read %s", path);
    packets->topic = "file";
    packets->time_ms = clock_wall_ns() / NS_PER_MS;
    bell_init(&packets->bell);
    if (open_reader(packets, path, err) != 0) {
        packets_close(packets);
        return -1;
    }
    *out = packets;
    return 0;
}

/* False at the end. */
static bool next_block(struct packets *packets)
{
    bool is_over = false;
    if (packets->block != NULL)
        reader_give_back(packets->reader, packets->block);
    packets->at = packets->offset = 0;
    while ((packets->block = reader_take(packets->reader, &is_over)) == NULL && !is_over)
        bell_wait(&packets->bell, NS_PER_S);
    return packets->block != NULL;
}

static int end_of_file(struct packets *packets, struct error *err)
{
    struct reader *reader = packets->reader;
    packets->reader = NULL;
    return reader_close(reader, err);
}

static int next_of_file(struct packets *packets, struct consumed *record, struct error *err)
{
    if (packets->reader == NULL)
        return 0;
    while (packets->block == NULL || packets->at == packets->block->count)
        if (!next_block(packets))
            return end_of_file(packets, err);
    const struct reader_item *item = &packets->block->items[packets->at++];
    struct bytes value = bytes_of(packets->block->bytes.ptr + packets->offset, item->packet_len);
    packets->offset += item->packet_len + item->note_len;
    if (item->has_time)
        packets->time_ms = item->time_ms;
    *record =
        (struct consumed){.record = {.value = value, .timestamp_ns = packets->time_ms * NS_PER_MS},
                          .offset = packets->number++};
    return 1;
}

/* ---- a topic ---- */

static int open_consumer(struct packets *packets, const char *topic, const char *from,
                         struct error *err)
{
    struct consumer_options options = {.topics = &packets->topic_number, .topic_count = 1};
    if (where_parse(from, &options.start, &options.start_value, err) != 0)
        return -1;
    packets->topic_number = viewer_topic(packets->broker, topic, err);
    if (packets->topic_number < 0)
        return -1;
    return consumer_open(&packets->consumer, packets->broker, &options, err);
}

int packets_open_topic(struct packets **out, const struct config *config, const char *topic,
                       const char *from, struct error *err)
{
    struct packets *packets = calloc(1, sizeof *packets);
    if (packets == NULL)
        return error_set(err, ERROR_MEMORY, "no memory to read %s", topic);
    packets->topic = topic;
    bell_init(&packets->bell);
    if (viewer_open(&packets->broker, config, err) != 0 ||
        open_consumer(packets, topic, from, err) != 0) {
        packets_close(packets);
        return -1;
    }
    *out = packets;
    return 0;
}

static bool has_lag(struct packets *packets)
{
    for (int p = 0; p < broker_partitions(packets->broker, packets->topic_number); p++)
        if (consumer_lag(packets->consumer, packets->topic_number, p) > 0)
            return true;
    return false;
}

/* What may take a moment to come over a network is waited for. */
static int fetch(struct packets *packets, struct error *err)
{
    int64_t until_ns = clock_monotonic_ns() + PATIENCE_NS;
    packets->at = 0;
    do {
        if (consumer_fetch(packets->consumer, &packets->batch, FETCH_RECORDS, 20 * NS_PER_MS,
                           err) != 0)
            return -1;
    } while (packets->batch.count == 0 && has_lag(packets) && clock_monotonic_ns() < until_ns);
    return 0;
}

static int next_of_topic(struct packets *packets, struct consumed *record, struct error *err)
{
    if (packets->at == packets->batch.count && fetch(packets, err) != 0)
        return -1;
    if (packets->at == packets->batch.count)
        return 0;
    *record = packets->batch.records[packets->at++];
    return 1;
}

/* ---- both ---- */

int packets_next(struct packets *packets, struct consumed *record, struct error *err)
{
    return packets->broker == NULL ? next_of_file(packets, record, err)
                                   : next_of_topic(packets, record, err);
}

const char *packets_topic(const struct packets *packets)
{
    return packets->topic;
}

void packets_close(struct packets *packets)
{
    if (packets == NULL)
        return;
    if (packets->block != NULL && packets->reader != NULL)
        reader_give_back(packets->reader, packets->block);
    if (packets->reader != NULL)
        reader_close(packets->reader, NULL);
    stats_free(packets->stats);
    consumer_close(packets->consumer);
    if (packets->broker != NULL)
        broker_close(packets->broker);
    bell_deinit(&packets->bell);
    free(packets);
}
