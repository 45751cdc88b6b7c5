/* SPDX-License-Identifier: Apache-2.0 */
/* The store's dead letters: what can't be stored, kept with its reason. */
#pragma once

#include "broker/broker.h"
#include "vehicle/reason.h"

struct letters {
    struct broker *broker;
    struct producer *producer;
    const char *fixed_topic; /* NULL: derived */
    bool has_failed;         /* one could not be made durable: don't commit */
};

int letters_open(struct letters *letters, struct broker *broker, const char *fixed_topic,
                 struct error *err);
void letters_close(struct letters *letters);
/* "gpscoords.position" → "gpscoords.dead-letters". -1: too long. */
int letters_topic_name(const char *topic, char *out, size_t size);
/* Make the dead-letter topic of `topic` now, so that it can't fail later. */
int letters_prepare(struct letters *letters, const char *topic, struct error *err);
/* The record as it was, with its reason. Waits for room; false: the broker takes
 * nothing any more, or must_stop said so. */
bool letters_put(struct letters *letters, const struct consumed *in, enum reason reason,
                 const char *detail, bool (*must_stop)(void *context), void *context);
/* Wait until all are durable. False as above: nothing may be committed. */
bool letters_settle(struct letters *letters, bool (*must_stop)(void *context), void *context);
