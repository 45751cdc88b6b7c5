/* SPDX-License-Identifier: Apache-2.0 */
#include "handler/flights.h"

#include <stdlib.h>

#include "base/must.h"

int flights_init(struct flights *flights, size_t waiting_max, size_t partitions, struct error *err)
{
    *flights = (struct flights){.size = waiting_max + 1};
    flights->ring = calloc(flights->size, sizeof *flights->ring);
    bool is_good = flights->ring != NULL;
    for (size_t i = 0; is_good && i < flights->size; i++) {
        flights->ring[i].ranges = calloc(partitions, sizeof *flights->ring[i].ranges);
        flights->ring[i].topics = calloc(partitions, sizeof *flights->ring[i].topics);
        is_good = flights->ring[i].ranges != NULL && flights->ring[i].topics != NULL;
    }
    if (is_good)
        return 0;
    flights_deinit(flights);
    return error_set(err, ERROR_MEMORY, "no memory for the handler");
}

void flights_deinit(struct flights *flights)
{
    for (size_t i = 0; flights->ring != NULL && i < flights->size; i++) {
        free(flights->ring[i].ranges);
        free(flights->ring[i].topics);
    }
    free(flights->ring);
    *flights = (struct flights){0};
}

static struct flight *numbered(const struct flights *flights, uint64_t number)
{
    return &flights->ring[number % flights->size];
}

void flights_begin(struct flights *flights, int64_t now_ns)
{
    must(flights_waiting(flights) < flights->size);
    struct flight *flight = numbered(flights, flights->open);
    flight->pending = 0;
    flight->range_count = 0;
    flight->begun_ns = now_ns;
}

void flights_reset(struct flights *flights, int64_t now_ns)
{
    flights->open = flights->oldest = 0;
    flights_begin(flights, now_ns);
}

void flights_published(struct flights *flights)
{
    numbered(flights, flights->open)->pending++;
}

void flights_delivered(struct flights *flights, uint64_t tag)
{
    numbered(flights, tag)->pending--;
}

/* The partition's range, from the newest back: nearly always the first looked at. */
static struct attempts_range *find_range(struct flight *flight, int topic, int partition)
{
    for (size_t i = flight->range_count; i > 0; i--)
        if (flight->topics[i - 1] == topic && flight->ranges[i - 1].partition == partition)
            return &flight->ranges[i - 1];
    return NULL;
}

void flights_add(struct flights *flights, int topic, const char *name, int partition,
                 int64_t offset)
{
    struct flight *flight = numbered(flights, flights->open);
    struct attempts_range *range = find_range(flight, topic, partition);
    if (range == NULL) {
        flight->topics[flight->range_count] = topic;
        range = &flight->ranges[flight->range_count++];
        *range = (struct attempts_range){.topic = name, .partition = partition, .first = offset};
    }
    range->next = offset + 1;
}

void flights_close(struct flights *flights)
{
    if (numbered(flights, flights->open)->range_count > 0)
        flights->open++;
}

const struct flight *flights_peek_durable(const struct flights *flights)
{
    if (flights_waiting(flights) == 0)
        return NULL;
    const struct flight *oldest = numbered(flights, flights->oldest);
    return oldest->pending == 0 ? oldest : NULL;
}

void flights_drop_oldest(struct flights *flights)
{
    must(flights_waiting(flights) > 0);
    flights->oldest++;
}
