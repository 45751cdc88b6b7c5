/* SPDX-License-Identifier: Apache-2.0 */
/* Dead letters back to where they failed: their bytes go to the topic they came
 * from, once, and a mark in the dead-letter topic says so. First the record is
 * durable, then its mark: a crash in between repeats the record, which the store
 * recognises. Runs on one thread, which may be any. */
#pragma once

#include <stdatomic.h>

#include "tool/dlq_book.h"
#include "vehicle/ruleset.h"

struct dlq_progress { /* written by the replay, read by any thread */
    atomic_uint_fast64_t replayed;
    atomic_uint_fast64_t failed;       /* not made durable: they stay open */
    atomic_uint_fast64_t unreplayable; /* without bytes, or from a topic that isn't ours */
    atomic_bool must_stop;
};

/* All letters of the book. `allowed`: the topics that may be written to, whatever
 * a header says. -1 also when some failed. */
int dlq_replay(struct broker *broker, struct dlq_book *book, const struct topic_list *allowed,
               struct dlq_progress *progress, struct error *err);
