/* SPDX-License-Identifier: Apache-2.0 */
/* What an earlier run has left in the journal: how many records and bytes, for
 * people. Offsets don't tell (they jump after a crash), so the headers of frames
 * are read; of a long backlog only the first ones, and the rest is estimated. */
#include "broker/journal/journal.h"
#include "broker/spool/drain.h"

enum { FRAMES_MAX = 16384 };

static int64_t next_of(const struct drain *drain, int topic, int partition)
{
    struct broker *journal = drain->spool->journal;
    struct broker_offsets offsets = {0};
    int64_t next = broker_committed(journal, SPOOL_GROUP, topic, partition);
    broker_offsets(journal, topic, partition, &offsets, NULL);
    return next < offsets.earliest ? offsets.earliest : next;
}

/* The least position at which the group has something to read; `end`: nothing. */
static uint64_t find_first(struct drain *drain, int topic, uint64_t end)
{
    struct broker *journal = drain->spool->journal;
    struct seglog *log = &as_journal(journal)->files.data;
    uint64_t first = end;
    for (int p = 0; p < broker_partitions(journal, topic); p++) {
        struct broker_offsets offsets = {0};
        int64_t next = next_of(drain, topic, p);
        broker_offsets(journal, topic, p, &offsets, NULL);
        if (next >= offsets.end)
            continue;
        drain->partitions[topic][p].old_end = offsets.end;
        uint64_t position = seglog_find(log, topic, p, next);
        first = position < first ? position : first;
    }
    return first;
}

static uint64_t records_in(const struct drain *drain, const struct frame *frame)
{
    if (frame->type != FRAME_RECORDS || frame->topic >= drain->topic_count ||
        frame->topic == drain->refused_topic)
        return 0;
    int64_t next = next_of(drain, frame->topic, frame->partition);
    int64_t behind = frame->base_offset + frame->count - next;
    if (behind <= 0)
        return 0;
    return (uint64_t)(behind < (int64_t)frame->count ? behind : (int64_t)frame->count);
}

/* Where the next frame stands; 0: the segment has no more. */
static uint64_t read_header(const struct segment *segment, uint64_t position, struct frame *frame)
{
    uint8_t header[FRAME_HEADER_BYTES];
    if (journal_io_read(segment->io, segment->fd, header, sizeof header,
                        position - segment->first) != FRAME_HEADER_BYTES ||
        frame_decode(header, position, frame) != FRAME_GOOD)
        return 0;
    return position + frame_len(frame);
}

/* Within the segment at *at; moves it on, at the end to the next segment. */
static uint64_t count_in_segment(const struct drain *drain, struct segment *segment, uint64_t *at,
                                 uint64_t end, unsigned *frames)
{
    uint64_t records = 0;
    if (*at < segment->first + SEGMENT_HEADER_BYTES)
        *at = segment->first + SEGMENT_HEADER_BYTES;
    while (*at < end && *frames < FRAMES_MAX) {
        struct frame frame;
        uint64_t next = read_header(segment, *at, &frame);
        *at = next == 0 ? segment->first + segment->size : next;
        if (next == 0 || frame.type == FRAME_SEAL)
            break;
        records += records_in(drain, &frame);
        ++*frames;
    }
    return records;
}

static uint64_t count_records(const struct drain *drain, uint64_t first, uint64_t end)
{
    uint64_t records = 0;
    uint64_t at = first;
    unsigned frames = 0;
    while (at < end && frames < FRAMES_MAX) {
        struct segment *segment =
            seglog_segment_at(&as_journal(drain->spool->journal)->files.data, at);
        if (segment == NULL)
            break;
        records += count_in_segment(drain, segment, &at, end, &frames);
        segment_unref(segment);
    }
    if (frames < FRAMES_MAX || at >= end)
        return records;
    return (uint64_t)((double)records * (double)(end - first) / (double)(at - first));
}

void drain_find_old(struct drain *drain)
{
    struct backlog *backlog = &drain->spool->backlog;
    uint64_t end = seglog_visible(&as_journal(drain->spool->journal)->files.data);
    uint64_t first = end;
    for (int t = 0; t < drain->topic_count; t++) {
        uint64_t position = t == drain->refused_topic ? end : find_first(drain, t, end);
        first = position < first ? position : first;
    }
    if (first >= end)
        return;
    atomic_store(&backlog->old_records, count_records(drain, first, end));
    atomic_store(&backlog->old_bytes, end - first);
    atomic_store(&backlog->has_old, true);
}
