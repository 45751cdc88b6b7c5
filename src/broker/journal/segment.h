/* SPDX-License-Identifier: Apache-2.0 */
/* One file of a log: <log>-<position of its first byte, 20 digits>.log
 *
 *   0   header, 64 bytes: "MOTORCJ1", 4 version, 4 zero, 8 first position,
 *       8 created (ns since 1970), 28 zero, 4 CRC-32C of bytes 0..59
 *   64  frames; the first is a checkpoint
 *   …   when full: a SEAL frame, whose payload is the index, entries of
 *       2 topic, 2 partition, 4 zero, 8 first offset, 8 next offset, 8 position
 *       of the first frame, 8 least and 8 greatest received time
 *   end-32  "MCJSEAL1", 8 position of the SEAL frame, 12 zero, 4 CRC-32C of
 *       the 28 bytes before: only in a sealed one
 *
 * The file has its full size from the start (performance: a sync of preallocated
 * and zeroed blocks writes no metadata). Counted by references: readers keep a
 * segment that retention has removed. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "broker/journal/frame.h"
#include "broker/journal/io.h"

enum {
    SEGMENT_HEADER_BYTES = 64,
    SEGMENT_ENTRY_BYTES = 48,
    SEGMENT_TRAILER_BYTES = 32,
    SEGMENT_BYTES_MIN = 64 * 1024,
};
#define SEGMENT_VERSION UINT32_C(1)

struct segment_entry {
    uint16_t topic;
    uint16_t partition;
    int64_t first_offset;
    int64_t next_offset;
    uint64_t first_position;
    int64_t time_min;
    int64_t time_max;
};

struct segment {
    atomic_int refs;
    const struct journal_io *io;
    int fd;
    uint64_t first; /* position of byte 0 */
    uint64_t size;  /* of the file */
    /* guarded by its log's lock */
    uint64_t end; /* one past the last frame */
    bool is_sealed;
    struct segment_entry *entries;
    size_t entry_count, entry_cap;
    char path[];
};

struct segment *segment_new(const struct journal_io *io, const char *path, int fd, uint64_t first,
                            uint64_t size);
static inline struct segment *segment_ref(struct segment *segment)
{
    atomic_fetch_add_explicit(&segment->refs, 1, memory_order_relaxed);
    return segment;
}
/* Closes the file with the last one. NULL is fine. */
void segment_unref(struct segment *segment);

int segment_write_header(const struct journal_io *io, int fd, uint64_t first, int64_t now_ns);
/* ERROR_CORRUPT: not a header for this position. ERROR_CONFIG: a newer version. */
int segment_check_header(const struct journal_io *io, int fd, const char *path, uint64_t first,
                         struct error *err);

/* Put a RECORDS frame into the index. -1 without memory. */
int segment_index(struct segment *segment, const struct frame *frame);
const struct segment_entry *segment_find(const struct segment *segment, int topic, int partition);
int64_t segment_time_max(const struct segment *segment); /* INT64_MIN without records */

/* Room that must stay behind the frames for sealing, one more entry counted in. */
uint64_t segment_seal_bytes(const struct segment *segment);
/* The payload of the SEAL frame. */
int segment_encode_index(const struct segment *segment, uint8_t *out);
int segment_write_trailer(const struct segment *segment, uint64_t seal_position);
/* Take index and end from the file's footer. ERROR_CORRUPT when there is no
 * whole one. */
int segment_read_footer(struct segment *segment, struct error *err);
