/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/journal/segment.h"

#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "broker/journal/reader.h"

#define HEADER_MAGIC "MOTORCJ1"
#define TRAILER_MAGIC "MCJSEAL1"

struct segment *segment_new(const struct journal_io *io, const char *path, int fd, uint64_t first,
                            uint64_t size)
{
    size_t len = strlen(path);
    struct segment *segment = calloc(1, sizeof *segment + len + 1);
    if (segment == NULL)
        return NULL;
    atomic_init(&segment->refs, 1);
    segment->io = io;
    segment->fd = fd;
    segment->first = first;
    segment->size = size;
    segment->end = first + SEGMENT_HEADER_BYTES;
    memcpy(segment->path, path, len + 1);
    return segment;
}

void segment_unref(struct segment *segment)
{
    if (segment == NULL || atomic_fetch_sub_explicit(&segment->refs, 1, memory_order_acq_rel) != 1)
        return;
    segment->io->close(segment->io->context, segment->fd);
    free(segment->entries);
    free(segment);
}

int segment_write_header(const struct journal_io *io, int fd, uint64_t first, int64_t now_ns)
{
    uint8_t header[SEGMENT_HEADER_BYTES] = {0};
    memcpy(header, HEADER_MAGIC, 8);
    le_put(header + 8, 4, SEGMENT_VERSION);
    le_put(header + 16, 8, first);
    le_put(header + 24, 8, (uint64_t)now_ns);
    le_put(header + 60, 4, crc32c(0, header, 60));
    return journal_io_write(io, fd, header, sizeof header, 0);
}

int segment_check_header(const struct journal_io *io, int fd, const char *path, uint64_t first,
                         struct error *err)
{
    uint8_t header[SEGMENT_HEADER_BYTES];
    ssize_t got = journal_io_read(io, fd, header, sizeof header, 0);
    if (got < 0)
        return error_set_errno(err, ERROR_IO, (int)-got, "can't read %s", path);
    if (got < (ssize_t)sizeof header || memcmp(header, HEADER_MAGIC, 8) != 0 ||
        le_get(header + 60, 4) != crc32c(0, header, 60))
        return error_set(err, ERROR_CORRUPT, "%s has no header of a segment", path);
    if (le_get(header + 8, 4) > SEGMENT_VERSION)
        return error_set(err, ERROR_CONFIG,
                         "%s is of a newer version (%u, this program knows %u): use the newer "
                         "motorcade",
                         path, (unsigned)le_get(header + 8, 4), SEGMENT_VERSION);
    if (le_get(header + 16, 8) != first)
        return error_set(err, ERROR_CORRUPT, "%s is not the segment its name says", path);
    return 0;
}

const struct segment_entry *segment_find(const struct segment *segment, int topic, int partition)
{
    for (size_t i = 0; i < segment->entry_count; i++)
        if (segment->entries[i].topic == topic && segment->entries[i].partition == partition)
            return &segment->entries[i];
    return NULL;
}

static struct segment_entry *add_entry(struct segment *segment)
{
    if (segment->entry_count == segment->entry_cap) {
        size_t cap = segment->entry_cap == 0 ? 16 : segment->entry_cap * 2;
        struct segment_entry *grown = realloc(segment->entries, cap * sizeof *grown);
        if (grown == NULL)
            return NULL;
        segment->entries = grown;
        segment->entry_cap = cap;
    }
    return &segment->entries[segment->entry_count++];
}

int segment_index(struct segment *segment, const struct frame *frame)
{
    int64_t next = frame->base_offset + frame->count;
    for (size_t i = 0; i < segment->entry_count; i++) {
        struct segment_entry *entry = &segment->entries[i];
        if (entry->topic != frame->topic || entry->partition != frame->partition)
            continue;
        entry->next_offset = next > entry->next_offset ? next : entry->next_offset;
        entry->time_min = frame->time_min < entry->time_min ? frame->time_min : entry->time_min;
        entry->time_max = frame->time_max > entry->time_max ? frame->time_max : entry->time_max;
        return 0;
    }
    struct segment_entry *entry = add_entry(segment);
    if (entry == NULL)
        return -1;
    *entry = (struct segment_entry){frame->topic,    frame->partition, frame->base_offset, next,
                                    frame->position, frame->time_min,  frame->time_max};
    return 0;
}

int64_t segment_time_max(const struct segment *segment)
{
    int64_t time_max = INT64_MIN;
    for (size_t i = 0; i < segment->entry_count; i++)
        if (segment->entries[i].time_max > time_max)
            time_max = segment->entries[i].time_max;
    return time_max;
}

uint64_t segment_seal_bytes(const struct segment *segment)
{
    return FRAME_HEADER_BYTES + SEGMENT_ENTRY_BYTES * (uint64_t)(segment->entry_count + 1) +
           SEGMENT_TRAILER_BYTES;
}

int segment_encode_index(const struct segment *segment, uint8_t *out)
{
    for (size_t i = 0; i < segment->entry_count; i++, out += SEGMENT_ENTRY_BYTES) {
        const struct segment_entry *entry = &segment->entries[i];
        le_put(out, 2, entry->topic);
        le_put(out + 2, 2, entry->partition);
        le_put(out + 4, 4, 0);
        le_put(out + 8, 8, (uint64_t)entry->first_offset);
        le_put(out + 16, 8, (uint64_t)entry->next_offset);
        le_put(out + 24, 8, entry->first_position);
        le_put(out + 32, 8, (uint64_t)entry->time_min);
        le_put(out + 40, 8, (uint64_t)entry->time_max);
    }
    return (int)(segment->entry_count * SEGMENT_ENTRY_BYTES);
}

int segment_write_trailer(const struct segment *segment, uint64_t seal_position)
{
    uint8_t trailer[SEGMENT_TRAILER_BYTES] = {0};
    memcpy(trailer, TRAILER_MAGIC, 8);
    le_put(trailer + 8, 8, seal_position);
    le_put(trailer + 28, 4, crc32c(0, trailer, 28));
    return journal_io_write(segment->io, segment->fd, trailer, sizeof trailer,
                            segment->size - SEGMENT_TRAILER_BYTES);
}

static int decode_index(struct segment *segment, const struct frame *seal, const uint8_t *payload)
{
    segment->entry_count = 0;
    for (size_t at = 0; at + SEGMENT_ENTRY_BYTES <= seal->payload_len; at += SEGMENT_ENTRY_BYTES) {
        const uint8_t *in = payload + at;
        struct segment_entry *entry = add_entry(segment);
        if (entry == NULL)
            return -1;
        *entry = (struct segment_entry){
            .topic = (uint16_t)le_get(in, 2),
            .partition = (uint16_t)le_get(in + 2, 2),
            .first_offset = (int64_t)le_get(in + 8, 8),
            .next_offset = (int64_t)le_get(in + 16, 8),
            .first_position = le_get(in + 24, 8),
            .time_min = (int64_t)le_get(in + 32, 8),
            .time_max = (int64_t)le_get(in + 40, 8),
        };
    }
    segment->end = seal->position + frame_len(seal);
    segment->is_sealed = true;
    return 0;
}

static int read_trailer(const struct segment *segment, uint64_t *seal_position)
{
    uint8_t trailer[SEGMENT_TRAILER_BYTES];
    if (segment->size < SEGMENT_HEADER_BYTES + SEGMENT_TRAILER_BYTES)
        return -1;
    ssize_t got = journal_io_read(segment->io, segment->fd, trailer, sizeof trailer,
                                  segment->size - SEGMENT_TRAILER_BYTES);
    if (got != (ssize_t)sizeof trailer || memcmp(trailer, TRAILER_MAGIC, 8) != 0 ||
        le_get(trailer + 28, 4) != crc32c(0, trailer, 28))
        return -1;
    *seal_position = le_get(trailer + 8, 8);
    return *seal_position >= segment->first + SEGMENT_HEADER_BYTES &&
                   *seal_position < segment->first + segment->size
               ? 0
               : -1;
}

int segment_read_footer(struct segment *segment, struct error *err)
{
    uint64_t position;
    if (read_trailer(segment, &position) != 0)
        return error_set(err, ERROR_CORRUPT, "%s has no footer", segment->path);
    struct reader reader;
    reader_init(&reader, segment->io);
    reader_set(&reader, segment->fd, segment->first);
    struct frame frame;
    const uint8_t *payload;
    uint64_t limit = segment->first + segment->size - SEGMENT_TRAILER_BYTES;
    int result = 0;
    if (reader_frame(&reader, position, limit, &frame, &payload, err) != FRAME_GOOD ||
        frame.type != FRAME_SEAL)
        result = error_set(err, ERROR_CORRUPT, "%s has a damaged index", segment->path);
    else if (decode_index(segment, &frame, payload) != 0)
        result = error_set(err, ERROR_MEMORY, "no memory for the index of %s", segment->path);
    reader_deinit(&reader);
    return result;
}
