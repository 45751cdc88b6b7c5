/* SPDX-License-Identifier: Apache-2.0 */
/* What a thread remembers of each vehicle for its rules and transforms: a block
 * of bytes per vehicle, of a size that the ruleset says, zeros for a vehicle that
 * is new or was silent for longer than the time to live.
 *
 * A vehicle is one per stream (a partition, numbered by the caller): its records
 * of one stream come in order, those of two streams do not, so what is
 * remembered must not mix, or a second run would decide otherwise.
 *
 * Bounded: at the limit of vehicles or bytes the one that was silent longest
 * gives way, and is counted. Time is the record's received time, per stream: a
 * partition that lags does not age by the clock of one that does not.
 *
 * One thread. A lookup never fails: without memory the silent give way too. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"

enum {
    STATE_BYTES_MAX = 64 << 10, /* of one vehicle's block */
    STATE_STREAMS_MAX = 1 << 16,
};

struct state_limits {
    size_t vehicles;
    size_t bytes; /* all vehicles' blocks, with what the table adds to each */
};

struct state_counts {
    uint64_t vehicles;
    uint64_t expired;   /* silent for longer than the time to live */
    uint64_t displaced; /* gave way at the limit */
};

/* Part of a block: what one rule remembers. Offsets are multiples of 16. */
struct state_slot {
    uint32_t offset;
    uint32_t bytes;
};

struct state_table;

/* Blocks of `bytes` each (1 to STATE_BYTES_MAX). */
int state_table_new(struct state_table **out, size_t bytes, int64_t ttl_ns,
                    const struct state_limits *limits, struct error *err);
void state_table_free(struct state_table *table);

/* The vehicle's block, aligned to 16; to be used until the next call. `vehicle`
 * has at most PACKET_VEHICLE_MAX bytes. */
void *state_table_get(struct state_table *table, unsigned stream, struct bytes vehicle,
                      int64_t received_ns);
/* All vehicles of a stream are new again: the partition was given away. */
void state_table_forget(struct state_table *table, unsigned stream);

/* A slot's bytes in the old table's blocks and in the new one's. */
struct state_move {
    uint32_t from, to, bytes;
};
/* All that `from` knows, as far as it moves; `to` is fresh. */
void state_table_move(struct state_table *to, const struct state_table *from,
                      const struct state_move *moves, size_t count);

struct state_counts state_table_counts(const struct state_table *table);
