/* SPDX-License-Identifier: Apache-2.0 */
/* The journal's unit of writing: a batch of records of one (topic, partition),
 * or a note of the journal's own. Little-endian; a frame begins at a multiple
 * of 8 and is padded with zeros to one.
 *
 *   offset  bytes  field
 *        0      4  CRC-32C of bytes 4..63
 *        4      4  length of the payload, without padding
 *        8      4  CRC-32C of the payload
 *       12      4  records in it
 *       16      8  position: where in the log this frame stands
 *       24      8  durable: the log was synced up to here when this was written
 *       32      8  offset of the first record
 *       40      2  type (enum frame_type)
 *       42      2  topic
 *       44      2  partition
 *       46      2  flags
 *       48      8  least received time of its records, ns since 1970 UTC
 *       56      8  greatest
 *       64      …  payload
 *
 * Two CRCs, so that the producer's thread sums the payload and the writer's
 * thread, which alone knows position and offset, only the header; and so that
 * who skips a frame checks it cheaply. The position makes stale bytes of
 * another place or time invalid. `durable` tells a hole in what was synced
 * (damage) from a tail that was torn (recover.h). A header of zeros ends the log.
 *
 * Record in the payload: varint lengths of key, value, mc and traceparent
 * (LEB128), 8 bytes received time, then the four, in this order. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "broker/broker.h"

enum frame_type {
    FRAME_RECORDS = 1,
    FRAME_COMMITS = 2,    /* notes.h */
    FRAME_CHECKPOINT = 3, /* notes.h; first in each segment, and at start and end */
    FRAME_GAP = 4,        /* stands over damage, of which the payload is what is left */
    FRAME_SEAL = 5,       /* segment.h: the index; the last of a full segment */
};

enum { FRAME_FLAG_CLEAN = 1 }; /* a checkpoint: the end of an orderly close */

enum {
    FRAME_HEADER_BYTES = 64,
    FRAME_ALIGN = 8,
    RECORD_BYTES_MIN = 12, /* encoded: four lengths and the time */
    RECORD_OVERHEAD_MAX = 4 * 5 + 8,
};

struct frame {
    uint32_t payload_len;
    uint32_t payload_crc;
    uint32_t count;
    uint64_t position;
    uint64_t durable;
    int64_t base_offset;
    uint16_t type;
    uint16_t topic;
    uint16_t partition;
    uint16_t flags;
    int64_t time_min;
    int64_t time_max;
};

static inline uint64_t frame_align(uint64_t len)
{
    return (len + FRAME_ALIGN - 1) & ~(uint64_t)(FRAME_ALIGN - 1);
}

/* On disk: header, payload, padding. */
static inline uint64_t frame_len(const struct frame *frame)
{
    return FRAME_HEADER_BYTES + frame_align(frame->payload_len);
}

void frame_encode(const struct frame *frame, uint8_t out[FRAME_HEADER_BYTES]);

enum frame_state {
    FRAME_GOOD, /* a header that was written for this position */
    FRAME_END,  /* zeros */
    FRAME_BAD,
};
enum frame_state frame_decode(const uint8_t in[FRAME_HEADER_BYTES], uint64_t position,
                              struct frame *frame);
/* A gap's payload is never checked. */
bool frame_check_payload(const struct frame *frame, const uint8_t *payload);

/* Writes the record; `out` has RECORD_OVERHEAD_MAX + all parts. The length. */
size_t record_encode(const struct record *record, uint8_t *out);
/* Takes the next record off the payload; views borrow from it. false: malformed. */
bool record_decode(const uint8_t **at, const uint8_t *end, struct record *record);

/* ---- little-endian bytes: 1 to 8 of them ---- */

static inline uint64_t le_get(const uint8_t *p, unsigned bytes)
{
    uint64_t value = 0;
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    memcpy(&value, p, bytes);
#else
    for (unsigned i = 0; i < bytes; i++)
        value |= (uint64_t)p[i] << (8 * i);
#endif
    return value;
}

static inline void le_put(uint8_t *p, unsigned bytes, uint64_t value)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    memcpy(p, &value, bytes);
#else
    for (unsigned i = 0; i < bytes; i++)
        p[i] = (uint8_t)(value >> (8 * i));
#endif
}
