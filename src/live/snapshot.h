/* SPDX-License-Identifier: Apache-2.0 */
/* The snapshot: what a start of live reads instead of the topics' whole past. One
 * file, replaced whole (written beside, synced, renamed), big-endian:
 *
 *   8   "mc-live\n"
 *   4   version (1)
 *   8   taken at, ns since 1970 UTC
 *   4   count of positions, each:
 *         1 length of the topic's name, the name, 4 partition, 8 next offset
 *   …   packets, each: 4 length (not 0), the canonical packet
 *   4   0: the end of the packets
 *   4   CRC-32C of all before
 *
 * Positions are taken before the first packet, packets while the fleet goes on
 * changing: one newer than its position is read again after a start and found
 * stale. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

struct snapshot_position {
    const char *topic;
    int partition;
    int64_t next_offset;
};

/* ---- encoding ---- */

/* The file's beginning. -1: no memory, or a name longer than 255 bytes. */
int snapshot_put_head(struct buf *out, int64_t taken_ns, const struct snapshot_position *positions,
                      size_t count);
/* A packet, not empty. -1 without memory. */
int snapshot_put_packet(struct buf *out, struct bytes packet);
/* After the last packet; then the CRC of all before. */
int snapshot_put_end(struct buf *out);
int snapshot_put_crc(struct buf *out, uint32_t crc);

/* ---- writing: chunks go to a thread of its own, which may wait for the disk ---- */

struct snapshot_writer;

/* Makes the folder of `path` where it is missing. */
int snapshot_writer_start(struct snapshot_writer **out, const char *path, struct error *err);
/* Waits for the snapshot under way, if its end was given; else drops it. */
void snapshot_writer_stop(struct snapshot_writer *writer);

/* One owner thread. Begin a snapshot: false while the one before is being
 * written. Each chunk's bytes are taken over (the buf is empty afterwards) unless
 * the queue is full: then false, try again later. is_last: the packets are
 * complete; the end and the CRC are the writer's. */
bool snapshot_begin(struct snapshot_writer *writer);
bool snapshot_write(struct snapshot_writer *writer, struct buf *chunk, bool is_last);
/* What was begun will not be ended: the file before stays. */
void snapshot_abandon(struct snapshot_writer *writer);
/* Wait until nothing is under way; 0 when the last one was written. */
int snapshot_wait(struct snapshot_writer *writer);

/* ---- reading ---- */

struct snapshot_reader {
    void (*on_position)(void *context, const struct snapshot_position *position);
    void (*on_packet)(void *context, struct bytes packet);
    void *context;
};

/* Checked as a whole before the first call. ERROR_NOT_FOUND: no file. Else
 * ERROR_CORRUPT (also: written by a newer version) or ERROR_IO; the text names
 * the file and what is wrong with it. */
int snapshot_read(const char *path, const struct snapshot_reader *reader, struct error *err);
