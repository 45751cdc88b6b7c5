/* SPDX-License-Identifier: Apache-2.0 */
/* The topics of a broker: name <-> number, partitions. Append-only: an entry
 * never changes once its number is out, but for its partitions, which may become
 * more; so readers need no lock. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/error.h"

enum { TOPIC_NAME_MAX = 100, TOPICS_MAX = 256, PARTITIONS_MAX = 256 };

struct topic {
    char name[TOPIC_NAME_MAX + 1];
    atomic_int partitions; /* may grow (Kafka) */
    bool is_dead_letters;  /* by its name */
};

struct topics {
    pthread_mutex_t lock; /* held while one is added */
    atomic_int count;
    struct topic items[TOPICS_MAX];
};

void topics_init(struct topics *topics);
void topics_deinit(struct topics *topics);

/* [a-z0-9._-], 1-100 bytes. */
int topic_check_name(const char *name, struct error *err);
/* Any thread: -1 when there is none. */
int topics_find(const struct topics *topics, const char *name);
/* With the lock held, in order of number: the next entry, not yet visible to
 * readers; topics_publish makes it so. NULL when the table is full. */
struct topic *topics_prepare(struct topics *topics, const char *name, int partitions);
int topics_publish(struct topics *topics);
/* Any thread: it has at least so many partitions. True: that is news. */
bool topics_raise(struct topics *topics, int number, int partitions);

static inline int topics_count(const struct topics *topics)
{
    return atomic_load_explicit(&topics->count, memory_order_acquire);
}

static inline const struct topic *topics_get(const struct topics *topics, int number)
{
    return number >= 0 && number < topics_count(topics) ? &topics->items[number] : NULL;
}
