/* SPDX-License-Identifier: Apache-2.0 */
/* Copies of records that wait in order, each with its tag. One owner thread. */
#pragma once

#include "broker/broker.h"

struct held_record {
    struct held_record *next;
    uint64_t tag;
    int topic;
    struct record record; /* points into bytes */
    char bytes[];
};

struct held {
    struct held_record *first;
    struct held_record **end; /* NULL: empty, as a zeroed struct is */
    size_t count;
    size_t bytes;
};

static inline bool held_is_empty(const struct held *held)
{
    return held->first == NULL;
}
/* -1: no memory. */
int held_append(struct held *held, uint64_t tag, int topic, const struct record *record);
/* The first one, now the caller's to free(). */
struct held_record *held_take(struct held *held);
