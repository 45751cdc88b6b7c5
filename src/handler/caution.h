/* SPDX-License-Identifier: Apache-2.0 */
/* One thread's care with records that may crash it (broker/attempts.h): what is in
 * hand is marked, what was in hand at a crash is worked on alone, and what has
 * crashed too often is passed by. */
#pragma once

#include "broker/attempts.h"
#include "broker/broker.h"

struct caution {
    struct broker *broker;
    struct attempts *attempts;
    unsigned slot; /* of attempts, this thread's */
    struct attempts_range *marks;
    size_t mark_count;
};

int caution_init(struct caution *caution, struct broker *broker, struct attempts *attempts,
                 unsigned slot, struct error *err);
void caution_deinit(struct caution *caution);

/* A batch is taken in hand, and is out of it again. Between them a pause: nothing
 * is in hand while the thread waits. */
void caution_begin(struct caution *caution, const struct consumed_batch *batch);
void caution_end(struct caution *caution);
void caution_pause(struct caution *caution);
void caution_resume(struct caution *caution);

/* Call work(context) unless the record has crashed us too often: then false. */
bool caution_work_slowly(struct caution *caution, const struct consumed *in, const char *topic,
                         void (*work)(void *context), void *context);
/* One load: is there anything to be careful about? Else just work. */
static inline bool caution_is_needed(const struct caution *caution)
{
    return attempts_is_suspicious(caution->attempts);
}
