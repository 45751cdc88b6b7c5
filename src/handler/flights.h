/* SPDX-License-Identifier: Apache-2.0 */
/* Runs of work on their way to durability. The open flight is being filled; the
 * closed ones before it wait until none of their outputs is pending, and are
 * taken oldest first: so positions are committed in order. A ring of fixed
 * size; no broker in here. One thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "broker/attempts.h"

struct flight {
    size_t pending; /* outputs published, not delivered */
    size_t range_count;
    struct attempts_range *ranges; /* one per partition touched: what to commit */
    int *topics;                   /* of the ranges */
    int64_t begun_ns;
};

struct flights {
    struct flight *ring;
    size_t size;
    uint64_t open;   /* number of the open flight, and tag of its outputs */
    uint64_t oldest; /* of those that wait: [oldest, open) */
};

/* `waiting_max` closed flights may wait; each touches at most `partitions`. */
int flights_init(struct flights *flights, size_t waiting_max, size_t partitions, struct error *err);
void flights_deinit(struct flights *flights);

/* Forget all; begin anew. */
void flights_reset(struct flights *flights, int64_t now_ns);
/* There must be room: fewer than waiting_max wait. */
void flights_begin(struct flights *flights, int64_t now_ns);

/* An output of the open flight was accepted; delivered, by its tag. */
void flights_published(struct flights *flights);
void flights_delivered(struct flights *flights, uint64_t tag);
/* This record is done but for the durability of its output. Records of one
 * partition come in order; `name` must live as long as the flights. */
void flights_add(struct flights *flights, int topic, const char *name, int partition,
                 int64_t offset);

/* The open flight waits from now on, unless nothing is in it. */
void flights_close(struct flights *flights);
static inline size_t flights_waiting(const struct flights *flights)
{
    return (size_t)(flights->open - flights->oldest);
}
/* The oldest that waits, when all its outputs are durable; else NULL. */
const struct flight *flights_peek_durable(const struct flights *flights);
void flights_drop_oldest(struct flights *flights);
