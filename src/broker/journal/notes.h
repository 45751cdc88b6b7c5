/* SPDX-License-Identifier: Apache-2.0 */
/* The payloads of the journal's own frames. Little-endian.
 *
 * Commits: entries up to the end, each
 *     1 length of the group's name, the name, 1 flags (bit 0: where the group
 *     began, not a commit), 2 topic, 2 partition, 8 offset.
 * Checkpoint: all that a start needs to know about what lies before it
 *     8 reserve: so many offsets of a partition may be used after this
 *       without being found again (unsynced); a start after an unclean end
 *       goes on behind them
 *     4 count of topics, each: 2 number, 2 partitions, 1 length, name
 *     4 count of ends, each: 2 topic, 2 partition, 8 next offset
 *     the rest: commits as above. */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"

struct note_commit {
    struct bytes group;
    bool is_start;
    uint16_t topic;
    uint16_t partition;
    int64_t offset;
};

struct note_topic {
    uint16_t number;
    uint16_t partitions;
    struct bytes name;
};

struct note_end {
    uint16_t topic;
    uint16_t partition;
    int64_t next;
};

void note_put_commit(struct buf *out, const struct note_commit *commit);
void note_put_topic(struct buf *out, const struct note_topic *topic);
void note_put_end(struct buf *out, const struct note_end *end);
void note_put_u32(struct buf *out, uint32_t value);
void note_put_u64(struct buf *out, uint64_t value);

/* What a reader of notes is told; NULL functions are skipped. */
struct note_visitor {
    void *context;
    void (*on_reserve)(void *context, uint64_t reserve);
    void (*on_topic)(void *context, const struct note_topic *topic);
    void (*on_end)(void *context, const struct note_end *end);
    void (*on_commit)(void *context, const struct note_commit *commit);
};

/* false: malformed; what came before was told. */
bool notes_read_commits(struct bytes payload, const struct note_visitor *visitor);
bool notes_read_checkpoint(struct bytes payload, const struct note_visitor *visitor);
