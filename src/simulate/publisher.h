/* SPDX-License-Identifier: Apache-2.0 */
/* Messages on their way to a broker until each is durable or in the dead-letter
 * file: asynchronous, bounded in messages and bytes, tried again with a back-off.
 *
 * While one waits for another attempt nothing newer is published, and the failed
 * ones go again in the order in which they were made, once all reports are in: a
 * key keeps its order as far as the broker did. One thread. */
#pragma once

#include "base/bell.h"
#include "base/list.h"
#include "base/random.h"
#include "broker/broker.h"
#include "simulate/letter_file.h"
#include "simulate/produce_stats.h"

struct publisher_options {
    uint64_t messages_max; /* not settled, at once */
    uint64_t bytes_max;
    unsigned attempts; /* at most, of each message */
    int64_t backoff_first_ns, backoff_max_ns;
    uint64_t seed;
};

struct publisher {
    struct publisher_options options;
    struct broker *broker;
    struct producer *producer;
    struct letter_file *letters;
    struct produce_stats *stats;
    struct random_source random;
    struct bell bell;    /* rung when something was delivered */
    struct list waiting; /* to be published, oldest first */
    struct list flying;  /* accepted, report to come */
    struct list failed;  /* report came: to be published again */
    uint64_t count, bytes;
    uint64_t flying_count;
    uint64_t last_number;
    int64_t not_before_ns;  /* the next attempt of the failed */
    bool is_full;           /* the broker; on_room will come */
    const char *end_reason; /* what fails now is not tried again, for this reason */
    struct error failure;   /* of the dead-letter file: stop */
};

/* `letters` and `stats` must outlive it. */
int publisher_open(struct publisher *publisher, struct broker *broker,
                   const struct publisher_options *options, struct letter_file *letters,
                   struct produce_stats *stats, struct error *err);
/* What is not settled goes to the dead-letter file, reason "unconfirmed" (it may
 * have arrived) or "unpublished". */
void publisher_close(struct publisher *publisher);

/* May another message be added? */
bool publisher_has_room(const struct publisher *publisher);
/* Copies the record. due_ns (monotonic): where its latency begins. -1 without
 * memory. */
int publisher_add(struct publisher *publisher, int topic, const struct record *record,
                  int64_t due_ns, struct error *err);
/* A message that is not to be published: to the dead-letter file. */
void publisher_divert(struct publisher *publisher, const char *topic, const struct record *record,
                      const char *reason, const char *detail);
/* Publish what may be, take reports; to be called after adding and on the bell. */
void publisher_pump(struct publisher *publisher, int64_t now_ns);
/* When to pump again without a bell; INT64_MAX: no need. */
int64_t publisher_next_ns(const struct publisher *publisher);
