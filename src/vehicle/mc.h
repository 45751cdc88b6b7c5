/* SPDX-License-Identifier: Apache-2.0 */
/* The one record header `mc` (contracts: record): where a packet came from and
 * what was decided, binary, big-endian, versioned.
 *
 *   offset  bytes  field
 *        0      1  version (1)
 *        1      1  dialect (enum packet_dialect; 0 = unknown)
 *        2      2  flags: bit 0 the car gave the event time; bit 1 a dead letter part follows;
 *                  bit 2 a replay part follows; bit 3 a mark (dead-letter topics only)
 *        4      8  received, ns since 1970 UTC
 *       12     24  identity
 *       36      8  ruleset hash; 0 before the handler
 *   dead letter part (flag bit 1):
 *       44      2  reason (enum reason)
 *       46      4  source partition
 *       50      8  source offset
 *       58      8  first seen, ns since 1970 UTC
 *       66      1  length of the source topic's name, then the name
 *        …      1  length of detail, then detail (UTF-8)
 *   replay part (flag bit 2), behind the head or the dead letter part:
 *        …      1  how often it was replayed from the dead letters, 1-255
 *        …      8  the last time, ns since 1970 UTC
 * A mark is no packet: it says, in the dead-letter topic, that the dead letter of
 * this identity was replayed for the n-th time. Its value is empty.
 * A reader accepts longer headers of version 1 and ignores what follows. */
#pragma once

#include "vehicle/packet.h"

enum { MC_LEN = 44, MC_MAX = 600 };

struct mc {
    enum packet_dialect dialect;
    bool has_event_time;
    int64_t received_ns;
    struct packet_identity identity;
    uint64_t ruleset_hash;
    bool is_dead_letter;
    enum reason reason;
    int32_t source_partition;
    int64_t source_offset;
    int64_t first_seen_ns;
    struct bytes source_topic; /* borrowed */
    struct bytes detail;       /* borrowed; cut at 255 bytes on encoding */
    uint8_t replays;           /* 0: never replayed */
    int64_t replayed_ns;
    bool is_mark;
};

/* What a source says of a packet that it identified. */
struct mc mc_of_packet(const struct packet *packet);
/* false: all zero, as of what could not be decoded. */
bool mc_is_identified(const struct mc *mc);
/* Returns the length written, at most MC_MAX. */
size_t mc_encode(const struct mc *mc, uint8_t out[MC_MAX]);
/* false: not an mc header this version can read. Views borrow from `in`. */
bool mc_decode(struct bytes in, struct mc *mc);
