/* SPDX-License-Identifier: Apache-2.0 */
/* A batch is gone through four times: hash each key and ask for its slot in the
 * table, then for its entry, then for the entry's text, then decode and put. With
 * 200,000 vehicles each of these is a cache miss; asked for ahead, they overlap.
 *
 * The record's key is the vehicle (contracts: record), so it can be hashed before
 * anything is decoded; it counts only where the packet says the same. */
#include "live/feed.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "live/area.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "vehicle/canonical.h"
#include "vehicle/mc.h"

enum { BATCH = 512 };
enum { IGNORED_STALE, IGNORED_NO_POSITION, IGNORED_UNDECODABLE, IGNORED_NO_MEMORY };

/* ---- opening ---- */

static int find_topics(struct feed *feed, const struct feed_options *options, struct error *err)
{
    feed->topics = calloc(options->topic_count, sizeof *feed->topics);
    if (feed->topics == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the topics");
    for (size_t i = 0; i < options->topic_count; i++) {
        feed->topics[i] = broker_topic(options->broker, options->topics[i], 0, err);
        if (feed->topics[i] < 0)
            return -1;
    }
    feed->topic_count = options->topic_count;
    return 0;
}

static int add_partitions(struct feed *feed, int topic, struct error *err)
{
    for (int p = 0; p < broker_partitions(feed->broker, topic); p++) {
        struct broker_offsets offsets;
        if (broker_offsets(feed->broker, topic, p, &offsets, err) != 0)
            return -1;
        feed->partitions[feed->partition_count++] =
            (struct feed_partition){topic, p, offsets.earliest, offsets.end};
    }
    return 0;
}

static int find_partitions(struct feed *feed, struct error *err)
{
    size_t count = 0;
    for (size_t i = 0; i < feed->topic_count; i++)
        count += (size_t)broker_partitions(feed->broker, feed->topics[i]);
    feed->partitions = calloc(count, sizeof *feed->partitions);
    if (feed->partitions == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the partitions");
    feed->partition_count = 0;
    for (size_t i = 0; i < feed->topic_count; i++)
        if (add_partitions(feed, feed->topics[i], err) != 0)
            return -1;
    return 0;
}

static int open_consumer(struct feed *feed, struct error *err)
{
    const struct consumer_options consumer = {.topics = feed->topics,
                                              .topic_count = feed->topic_count,
                                              .start = CONSUMER_FROM_EARLIEST,
                                              .wake = feed->wake,
                                              .context = feed->context};
    return consumer_open(&feed->consumer, feed->broker, &consumer, err);
}

int feed_open(struct feed *feed, const struct feed_options *options, struct error *err)
{
    *feed = (struct feed){.broker = options->broker,
                          .packet_bytes = options->packet_bytes,
                          .roster = options->roster,
                          .on_change = options->on_change,
                          .wake = options->wake,
                          .context = options->context,
                          .clock_offset_ns = clock_wall_ns() - clock_monotonic_ns()};
    must(options->topic_count > 0);
    buf_init(&feed->shortened, options->packet_bytes);
    feed->scratch = packet_scratch_new();
    if (feed->scratch == NULL)
        return error_set(err, ERROR_MEMORY, "no memory to decode packets");
    if (find_topics(feed, options, err) != 0 || find_partitions(feed, err) != 0 ||
        open_consumer(feed, err) != 0) {
        feed_close(feed);
        return error_prefix(err, "live can't read its topics");
    }
    return 0;
}

void feed_close(struct feed *feed)
{
    if (feed->consumer != NULL)
        consumer_close(feed->consumer);
    packet_scratch_free(feed->scratch);
    buf_deinit(&feed->shortened);
    free(feed->topics);
    free(feed->partitions);
    *feed = (struct feed){0};
}

/* ---- where it stands ---- */

/* Records come partition by partition: begin with the one found last. */
static struct feed_partition *find_partition(struct feed *feed, int topic, int partition)
{
    for (size_t i = 0; i < feed->partition_count; i++) {
        size_t at = (feed->found_last + i) % feed->partition_count;
        if (feed->partitions[at].topic == topic && feed->partitions[at].partition == partition) {
            feed->found_last = at;
            return &feed->partitions[at];
        }
    }
    return NULL;
}

static void seek(struct feed *feed, struct feed_partition *partition, int64_t offset)
{
    struct error err;
    if (consumer_seek(feed->consumer, partition->topic, partition->partition, offset, &err) == 0)
        partition->next_offset = offset;
    else
        log_error("live", "reading from the earliest instead", &err);
}

void feed_seek(struct feed *feed, const struct snapshot_position *position)
{
    int topic = broker_find_topic(feed->broker, position->topic);
    struct feed_partition *partition = find_partition(feed, topic, position->partition);
    if (partition == NULL)
        return;
    /* next_offset is still the earliest, target the end. */
    if (position->next_offset < partition->next_offset ||
        position->next_offset > partition->target) {
        log_event(LOG_WARN, "live", "saved offset is not in the topic: reading from the earliest",
                  LOG_T("topic", position->topic), LOG_I("partition", position->partition),
                  LOG_I("saved", position->next_offset), LOG_I("earliest", partition->next_offset),
                  LOG_I("end", partition->target));
        return;
    }
    seek(feed, partition, position->next_offset);
}

void feed_seek_committed(struct feed *feed, const char *group)
{
    for (size_t i = 0; i < feed->partition_count; i++) {
        struct feed_partition *partition = &feed->partitions[i];
        int64_t offset =
            broker_committed(feed->broker, group, partition->topic, partition->partition);
        if (offset > partition->next_offset && offset <= partition->target)
            seek(feed, partition, offset);
    }
}

void feed_seek_earliest(struct feed *feed)
{
    for (size_t i = 0; i < feed->partition_count; i++) {
        struct feed_partition *partition = &feed->partitions[i];
        struct broker_offsets offsets;
        struct error err;
        if (broker_offsets(feed->broker, partition->topic, partition->partition, &offsets, &err) ==
            0)
            seek(feed, partition, offsets.earliest);
        else
            log_error("live", "can't go back to the earliest offset", &err);
    }
}

int64_t feed_lag(const struct feed *feed)
{
    int64_t lag = 0;
    for (size_t i = 0; i < feed->partition_count; i++)
        lag +=
            consumer_lag(feed->consumer, feed->partitions[i].topic, feed->partitions[i].partition);
    return lag;
}

void feed_positions(const struct feed *feed, struct snapshot_position *out)
{
    for (size_t i = 0; i < feed->partition_count; i++)
        out[i] = (struct snapshot_position){
            broker_topic_name(feed->broker, feed->partitions[i].topic),
            feed->partitions[i].partition, feed->partitions[i].next_offset};
}

/* ---- more topics ---- */

static bool reads(const struct feed *feed, int topic)
{
    for (size_t i = 0; i < feed->topic_count; i++)
        if (feed->topics[i] == topic)
            return true;
    return false;
}

/* A feed of all topics that stands where this one does; the consumer is new. */
static int widen(const struct feed *feed, struct feed *wide, const int *topics, size_t topic_count,
                 struct error *err)
{
    *wide = *feed;
    wide->consumer = NULL;
    wide->partitions = NULL;
    wide->topics = calloc(feed->topic_count + topic_count, sizeof *wide->topics);
    if (wide->topics == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the topics");
    memcpy(wide->topics, feed->topics, feed->topic_count * sizeof *wide->topics);
    for (size_t i = 0; i < topic_count; i++)
        if (!reads(wide, topics[i]))
            wide->topics[wide->topic_count++] = topics[i];
    if (find_partitions(wide, err) != 0 || open_consumer(wide, err) != 0)
        return -1;
    for (size_t i = 0; i < feed->partition_count; i++) {
        struct feed_partition *now =
            find_partition(wide, feed->partitions[i].topic, feed->partitions[i].partition);
        if (now == NULL)
            continue;
        now->target = feed->partitions[i].target;
        seek(wide, now, feed->partitions[i].next_offset);
    }
    return 0;
}

int feed_add_topics(struct feed *feed, const int *topics, size_t topic_count, struct error *err)
{
    bool is_any_new = false;
    for (size_t i = 0; i < topic_count; i++)
        is_any_new = is_any_new || !reads(feed, topics[i]);
    if (!is_any_new)
        return 0;
    struct feed wide;
    int result = widen(feed, &wide, topics, topic_count, err);
    struct feed *unused = result == 0 ? feed : &wide;
    if (unused->consumer != NULL)
        consumer_close(unused->consumer);
    free(unused->topics);
    free(unused->partitions);
    if (result == 0)
        *feed = wide;
    return result;
}

/* ---- packets ---- */

static void ignore(unsigned why)
{
    metrics_add(METRIC_LIVE_IGNORED, why, 1);
}

/* Not too long, and without line breaks, which would end a server-sent event. */
static bool is_shown_as_is(const struct feed *feed, struct bytes canonical)
{
    return canonical.len > 0 && canonical.len <= feed->packet_bytes &&
           memchr(canonical.ptr, '\n', canonical.len) == NULL &&
           memchr(canonical.ptr, '\r', canonical.len) == NULL;
}

/* What riders are shown: the packet as it came, else written anew. Empty: it
 * can't be shown. */
static struct bytes shown(struct feed *feed, struct bytes canonical, struct packet *packet)
{
    if (is_shown_as_is(feed, canonical))
        return canonical;
    if (canonical.len > feed->packet_bytes)
        packet->signal_count = 0;
    buf_clear(&feed->shortened);
    if (canonical_encode(packet, &feed->shortened) != 0)
        return bytes_of(NULL, 0);
    return buf_bytes(&feed->shortened);
}

/* When it was last heard of, on the monotonic clock. Once caught up that is now,
 * whatever the wall clock does; before, its age is what the wall clock says. */
static int64_t seen_at(const struct feed *feed, int64_t received_ns, int64_t now_ns)
{
    if (feed->is_caught_up)
        return now_ns;
    int64_t at_ns = received_ns - feed->clock_offset_ns;
    return at_ns < now_ns ? at_ns : now_ns;
}

static void put(struct feed *feed, const struct roster_report *report, int64_t seen_ns)
{
    struct roster_change change;
    switch (roster_put(feed->roster, report, seen_ns, &change)) {
    case ROSTER_ADDED:
        feed->on_change(feed->context, &change);
        metrics_add(METRIC_LIVE_UPDATES, 0, 1);
        return;
    case ROSTER_UPDATED:
        metrics_add(METRIC_LIVE_UPDATES, 0, 1);
        if (feed->is_caught_up) /* what is read again after a start was counted before it */
            metrics_observe(METRIC_LIVE_GAP, 0, change.gap_ns > 0 ? change.gap_ns : 0);
        feed->on_change(feed->context, &change);
        return;
    case ROSTER_STALE:
        ignore(IGNORED_STALE);
        return;
    case ROSTER_NO_MEMORY:
        ignore(IGNORED_NO_MEMORY);
        return;
    }
}

/* A report goes in, unless it is older than the ttl. */
static void take_report(struct feed *feed, const struct roster_report *report, int64_t now_ns)
{
    int64_t seen_ns = seen_at(feed, report->received_ns, now_ns);
    if (now_ns - seen_ns <= feed->roster->limits.ttl_ns)
        put(feed, report, seen_ns);
}

void feed_take(struct feed *feed, struct bytes canonical, int64_t now_ns)
{
    struct packet packet;
    struct reject reject;
    if (!canonical_decode(feed->scratch, canonical, &packet, &reject)) {
        ignore(IGNORED_UNDECODABLE);
        return;
    }
    const uint32_t place = PACKET_HAS_LAT | PACKET_HAS_LON;
    if ((packet.fields & place) != place || !area_is_position(packet.lat, packet.lon)) {
        ignore(IGNORED_NO_POSITION);
        return;
    }
    struct roster_report report = {.vehicle = packet.vehicle,
                                   .json = shown(feed, canonical, &packet),
                                   .hash = roster_hash(packet.vehicle),
                                   .order = packet.order,
                                   .received_ns = packet.received_ns,
                                   .lat = packet.lat,
                                   .lon = packet.lon};
    if (report.json.len == 0)
        ignore(IGNORED_UNDECODABLE);
    else
        take_report(feed, &report, now_ns);
}

/* What the handler wrote says all but the place outside the packet: vehicle in
 * the key, order and received time in the header `mc`. false: take it the long
 * way. */
static bool take_record(struct feed *feed, const struct record *record, uint64_t hash,
                        int64_t now_ns)
{
    struct mc mc;
    struct roster_report report = {.vehicle = record->key, .json = record->value, .hash = hash};
    if (!mc_decode(record->mc, &mc) || mc.is_dead_letter || !is_shown_as_is(feed, record->value) ||
        !canonical_place(record->value, record->key, &report.lat, &report.lon) ||
        !area_is_position(report.lat, report.lon))
        return false;
    for (int i = 8; i < 16; i++)
        report.order = report.order << 8 | mc.identity.bytes[i];
    report.received_ns = mc.received_ns;
    take_report(feed, &report, now_ns);
    return true;
}

/* ---- batches ---- */

static void fetch_ahead(const struct feed *feed, const struct consumed_batch *batch,
                        uint64_t hashes[BATCH])
{
    for (size_t i = 0; i < batch->count; i++) {
        hashes[i] = roster_hash(batch->records[i].record.key);
        roster_fetch_slot(feed->roster, hashes[i]);
    }
    for (size_t i = 0; i < batch->count; i++)
        roster_fetch_entry(feed->roster, hashes[i]);
}

static void trace(struct feed *feed, const struct consumed *in)
{
    struct span *span = trace_batch_add(&feed->traces, in->record.traceparent, "show");
    struct mc mc;
    if (span == NULL)
        return;
    span_set_topic(span, broker_topic_name(feed->broker, in->topic), in->partition, in->offset);
    if (mc_decode(in->record.mc, &mc))
        span_set_packet(span, in->record.key, mc.identity.bytes);
}

static void take_batch(struct feed *feed, const struct consumed_batch *batch, int64_t now_ns)
{
    enum { AHEAD = 8 };
    uint64_t hashes[BATCH];
    fetch_ahead(feed, batch, hashes);
    for (size_t i = 0; i < batch->count; i++) {
        const struct consumed *consumed = &batch->records[i];
        if (i + AHEAD < batch->count)
            roster_fetch_text(feed->roster, hashes[i + AHEAD]);
        trace(feed, consumed);
        if (!take_record(feed, &consumed->record, hashes[i], now_ns))
            feed_take(feed, consumed->record.value, now_ns);
        struct feed_partition *partition =
            find_partition(feed, consumed->topic, consumed->partition);
        if (partition != NULL)
            partition->next_offset = consumed->offset + 1;
    }
    trace_batch_finish(&feed->traces, METRIC_COUNT);
}

static bool has_reached_targets(const struct feed *feed)
{
    for (size_t i = 0; i < feed->partition_count; i++)
        if (feed->partitions[i].next_offset < feed->partitions[i].target)
            return false;
    return true;
}

/* Nothing to read means nothing is missing, even where a gap of offsets keeps the
 * target out of reach. */
static void check_caught_up(struct feed *feed, bool is_empty)
{
    if (feed->is_caught_up || (!is_empty && !has_reached_targets(feed)))
        return;
    feed->is_caught_up = true;
    roster_sort_by_age(feed->roster);
}

bool feed_run(struct feed *feed, int64_t now_ns)
{
    struct consumed_batch batch = {0};
    struct error err;
    if (consumer_fetch(feed->consumer, &batch, BATCH, 0, &err) != 0) {
        if (!feed->has_failed)
            log_error("live", "can't read; trying again", &err);
        feed->has_failed = true;
        return false;
    }
    feed->has_failed = false;
    take_batch(feed, &batch, now_ns);
    check_caught_up(feed, batch.count == 0);
    return batch.count != 0;
}
