/* SPDX-License-Identifier: Apache-2.0 */
/* Which records were being worked on when the process died? A record that
 * crashes its consumer would be read again by the next start, and crash it
 * again, for ever (delivery: poison). This file remembers, per consumer group,
 * what was in hand, so that the third crash at one position is the last.
 *
 * How to use it, per thread (a thread has a slot of its own):
 *
 *     attempts_begin(a, slot, ranges, n);           one pwrite per batch
 *     for each record:
 *         if (attempts_is_suspicious(a))            one load; false in normal times
 *             switch (attempts_look(a, topic, partition, offset)) {
 *             case ATTEMPT_DIVERT: dead letter, REASON_CRASHED; continue
 *             case ATTEMPT_ALONE:  attempts_begin(a, slot, &just_this_record, 1); work;
 *                                  attempts_begin(a, slot, ranges, n); continue
 *             case ATTEMPT_NORMAL: break;
 *             }
 *         work
 *     attempts_end(a, slot);                        before waiting for anything
 *     …the batch is durable, its position committed:
 *     attempts_settled(a, topic, partition, next_offset);
 *
 * A consumer that works on whole batches at once (a database write) asks
 * attempts_look for the batch's records and, when one is ALONE, writes them one
 * by one. Hold a mark only round work that a record can make crash: a kill
 * during a wait must not count against the record that waited.
 *
 * The marks are written, not synced: they must outlive the process, not the
 * machine. All calls from any thread, except that a slot belongs to one. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct attempts;

enum {
    ATTEMPTS_MAX = 3,         /* crashes at one position before it is diverted */
    ATTEMPTS_RANGES_MAX = 64, /* per begin: what exceeds it is not marked */
    ATTEMPTS_SLOTS_MAX = 16,
};

struct attempts_range {
    const char *topic;
    int partition;
    int64_t first;
    int64_t next; /* one past the last */
};

enum attempt {
    ATTEMPT_NORMAL,
    ATTEMPT_ALONE,  /* it was in hand at a crash: work on it by itself, so that a crash names it */
    ATTEMPT_DIVERT, /* it crashed the process ATTEMPTS_MAX times */
};

/* The file is <dir>/attempts-<group>. What an earlier process left in hand is
 * taken over as suspicious. dir NULL: nothing is remembered, all is NORMAL. */
int attempts_open(struct attempts **out, const char *dir, const char *group, struct error *err);
/* A clean end: nothing is in hand any more. */
void attempts_close(struct attempts *attempts);

/* The records now in hand of this slot, in place of those marked before. A
 * range of one record counts as alone. Failing to write is logged once and else
 * ignored: the work itself matters more. */
void attempts_begin(struct attempts *attempts, unsigned slot, const struct attempts_range *ranges,
                    size_t count);
void attempts_end(struct attempts *attempts, unsigned slot);

bool attempts_is_suspicious(const struct attempts *attempts);
enum attempt attempts_look(struct attempts *attempts, const char *topic, int partition,
                           int64_t offset);
/* Everything below next_offset is done: what was suspicious there is forgotten. */
void attempts_settled(struct attempts *attempts, const char *topic, int partition,
                      int64_t next_offset);
