/* SPDX-License-Identifier: Apache-2.0 */
/* From the files of a log to a log that can be appended to.
 *
 * All segments but the last were sealed and synced before their successor got
 * its name: header and footer are believed by their CRCs. The last one is read
 * frame by frame. Where that ends there are three cases:
 *   - zeros to the end of the file: the end;
 *   - no later frame says that the log had been synced beyond this point: a
 *     group was cut off while being written. Nothing in it was acked. The
 *     rest is zeroed ("torn tail");
 *   - a later frame does say so: bytes that were durable have changed.
 * In the last case, and when a sealed segment's header or footer is bad, the
 * file is kept as <name>.bad and replaced by a copy in which gap frames stand
 * over the damage: every frame that is whole stays readable, at its position.
 *
 * Recovery itself may be cut off anywhere and is then done again. */
#pragma once

#include "broker/journal/seglog.h"

struct recovery {
    bool was_clean; /* the last frame was an orderly close */
    uint64_t torn_bytes;
    unsigned bad_segments;  /* kept as .bad */
    uint64_t damaged_bytes; /* under gaps */
    unsigned holes;         /* missing segments: removed at the cap, or lost */
    unsigned segments;
};

/* Told of every good frame from the newest whole checkpoint at the head of a
 * segment on, at least: all that a start needs to know. */
struct recover_visitor {
    void *context;
    void (*on_frame)(void *context, const struct frame *frame, const uint8_t *payload);
};

/* Lists, checks, repairs (unless is_readonly). On success log->segments, end,
 * active are set and all that was found is synced. */
int recover_log(struct seglog *log, bool is_readonly, const struct recover_visitor *visitor,
                struct recovery *report, struct error *err);

/* A follower: open the segments that came since, forget those that went. */
void recover_list_new(struct seglog *log);

/* A range of positions that holds no whole frame. */
struct damage {
    uint64_t from, to;
};

/* The result of reading one segment frame by frame. */
struct scan {
    uint64_t end; /* one past the last good frame (or known damage) */
    bool is_sealed, is_clean;
    bool has_head;          /* it begins with a whole checkpoint */
    uint64_t seal_position; /* when is_sealed */
    struct damage damages[64];
    unsigned damage_count; /* what exceeds the array is one more with the last */
    uint64_t frames, records;
};
/* limit: position that the segment reaches to, if it is known from its
 * successor (all below was synced); 0 for the last one. */
int scan_segment(struct seglog *log, struct segment *segment, uint64_t limit,
                 const struct recover_visitor *visitor, struct scan *scan, struct error *err);
