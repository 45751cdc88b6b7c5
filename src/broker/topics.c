/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/topics.h"

#include <string.h>

#include "base/must.h"

#define DEAD_LETTERS_SUFFIX ".dead-letters"

void topics_init(struct topics *topics)
{
    memset(topics, 0, sizeof *topics);
    must(pthread_mutex_init(&topics->lock, NULL) == 0);
}

void topics_deinit(struct topics *topics)
{
    pthread_mutex_destroy(&topics->lock);
}

int topic_check_name(const char *name, struct error *err)
{
    size_t len = strlen(name);
    if (len == 0 || len > TOPIC_NAME_MAX)
        return error_set(err, ERROR_CONFIG, "topic name of %zu bytes: 1 to %d are allowed", len,
                         TOPIC_NAME_MAX);
    size_t good = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-");
    if (good != len)
        return error_set(err, ERROR_CONFIG,
                         "topic name \"%s\": only a-z, 0-9, '.', '_' and '-' are allowed", name);
    return 0;
}

int topics_find(const struct topics *topics, const char *name)
{
    int count = topics_count(topics);
    for (int i = 0; i < count; i++)
        if (strcmp(topics->items[i].name, name) == 0)
            return i;
    return -1;
}

static bool ends_with(const char *text, const char *suffix)
{
    size_t len = strlen(text);
    size_t suffix_len = strlen(suffix);
    return len >= suffix_len && strcmp(text + len - suffix_len, suffix) == 0;
}

struct topic *topics_prepare(struct topics *topics, const char *name, int partitions)
{
    int count = topics_count(topics);
    if (count == TOPICS_MAX)
        return NULL;
    struct topic *topic = &topics->items[count];
    size_t len = strlen(name);
    must(len <= TOPIC_NAME_MAX && partitions >= 1 && partitions <= PARTITIONS_MAX);
    memcpy(topic->name, name, len + 1);
    topic->partitions = partitions;
    topic->is_dead_letters = ends_with(name, DEAD_LETTERS_SUFFIX);
    return topic;
}

int topics_publish(struct topics *topics)
{
    return atomic_fetch_add_explicit(&topics->count, 1, memory_order_release);
}

bool topics_raise(struct topics *topics, int number, int partitions)
{
    atomic_int *known = &topics->items[number].partitions;
    int before = atomic_load(known);
    while (partitions > before)
        if (atomic_compare_exchange_weak(known, &before, partitions))
            return true;
    return false;
}
