/* SPDX-License-Identifier: Apache-2.0 */
#include "simulate/stats.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct stats *stats_new(void)
{
    struct stats *stats = calloc(1, sizeof *stats);
    if (stats != NULL)
        pthread_mutex_init(&stats->trouble_lock, NULL);
    return stats;
}

void stats_free(struct stats *stats)
{
    if (stats == NULL)
        return;
    pthread_mutex_destroy(&stats->trouble_lock);
    free(stats);
}

void stats_merge(struct stats *into, const struct stats *from)
{
    into->taken += counter_get(&from->taken);
    into->sent += counter_get(&from->sent);
    into->resent += counter_get(&from->resent);
    into->acked += counter_get(&from->acked);
    into->unsettled += counter_get(&from->unsettled);
    into->late += counter_get(&from->late);
    into->unsent += counter_get(&from->unsent);
    into->bad_lines += counter_get(&from->bad_lines);
    into->reconnects += counter_get(&from->reconnects);
    into->refusals += counter_get(&from->refusals);
    into->is_open += counter_get(&from->is_open);
    counter_raise(&into->behind_ns, counter_get(&from->behind_ns));
    counter_raise(&into->ended_ns, counter_get(&from->ended_ns));
    uint64_t began_ns = counter_get(&from->began_ns);
    if (into->began_ns == 0 || (began_ns != 0 && began_ns < into->began_ns))
        into->began_ns = began_ns;
    for (int i = 0; i < REPLY_REASONS_MAX; i++)
        into->rejected[i] += counter_get(&from->rejected[i]);
    histogram_merge(&into->latency, &from->latency);
}

void stats_merge_examples(struct stats *into, const struct stats *from)
{
    for (int i = 0; i < REPLY_REASONS_MAX; i++)
        if (into->examples[i][0] == '\0')
            memcpy(into->examples[i], from->examples[i], STATS_EXAMPLE_MAX);
}

uint64_t stats_rejected(const struct stats *stats)
{
    uint64_t sum = 0;
    for (int i = 0; i < REPLY_REASONS_MAX; i++)
        sum += counter_get(&stats->rejected[i]);
    return sum;
}

void stats_set_example(struct stats *stats, uint8_t reason, struct bytes detail)
{
    char *example = stats->examples[reason];
    if (example[0] == '\0')
        snprintf(example, STATS_EXAMPLE_MAX, "%.*s", (int)detail.len, detail.ptr);
}

void stats_set_trouble(struct stats *stats, const char *text)
{
    pthread_mutex_lock(&stats->trouble_lock);
    snprintf(stats->trouble, sizeof stats->trouble, "%s", text);
    pthread_mutex_unlock(&stats->trouble_lock);
}

void stats_take_trouble(struct stats *stats, char out[256])
{
    pthread_mutex_lock(&stats->trouble_lock);
    memcpy(out, stats->trouble, sizeof stats->trouble);
    stats->trouble[0] = '\0';
    pthread_mutex_unlock(&stats->trouble_lock);
}
