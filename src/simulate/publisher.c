/* SPDX-License-Identifier: Apache-2.0 */
/* A parcel is in exactly one of three lists, or settled and gone:
 *
 *   waiting -> flying -> (durable: gone)
 *      ^         |
 *      |         v
 *      +----- failed      (or the dead-letter file, after the last attempt)
 *
 * The way back from failed to waiting opens when nothing flies any more and the
 * pause is over; then the parcels are put in order of their numbers. */
#include "simulate/publisher.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "observe/metrics.h"

enum { TURN_PARCELS_MAX = 10000 };

static const int64_t full_again_ns = 50 * NS_PER_MS;

struct parcel {
    struct list node;
    uint64_t number;
    int64_t due_ns;
    int topic;
    unsigned attempts; /* failed */
    struct record record;
    char bytes[];
};

static size_t record_bytes(const struct record *record)
{
    return record->key.len + record->value.len + record->mc.len;
}

static struct bytes copy_into(char **at, struct bytes from)
{
    struct bytes to = bytes_of(*at, from.len);
    if (from.len > 0)
        memcpy(*at, from.ptr, from.len);
    *at += from.len;
    return to;
}

static struct parcel *parcel_new(const struct record *record)
{
    struct parcel *parcel = malloc(sizeof *parcel + record_bytes(record));
    if (parcel == NULL)
        return NULL;
    char *at = parcel->bytes;
    *parcel = (struct parcel){.record = {.timestamp_ns = record->timestamp_ns}};
    parcel->record.key = copy_into(&at, record->key);
    parcel->record.value = copy_into(&at, record->value);
    parcel->record.mc = copy_into(&at, record->mc);
    parcel->record.traceparent = BYTES("");
    list_init(&parcel->node);
    return parcel;
}

static struct parcel *parcel_of(struct list *node)
{
    return list_item(node, struct parcel, node);
}

static void settle(struct publisher *publisher, struct parcel *parcel)
{
    list_remove(&parcel->node);
    publisher->count--;
    publisher->bytes -= record_bytes(&parcel->record);
    counter_set(&publisher->stats->in_flight, publisher->count);
    metrics_add(METRIC_PRODUCE_IN_FLIGHT, 0, -1);
    free(parcel);
}

/* ---- dead letters ---- */

static void put_letter(struct publisher *publisher, const struct letter *letter)
{
    struct error err = {0};
    if (letter_file_put(publisher->letters, letter, &err) != 0) {
        if (publisher->failure.kind == ERROR_NONE)
            publisher->failure = err;
        return;
    }
    counter_add(&publisher->stats->dead_letters, 1);
    metrics_add(METRIC_PRODUCE_SETTLED, 1, 1);
}

void publisher_divert(struct publisher *publisher, const char *topic, const struct record *record,
                      const char *reason, const char *detail)
{
    put_letter(publisher, &(struct letter){topic, record, 0, reason, detail});
}

static void bury(struct publisher *publisher, struct parcel *parcel, const char *reason,
                 const char *detail)
{
    put_letter(publisher, &(struct letter){broker_topic_name(publisher->broker, parcel->topic),
                                           &parcel->record, parcel->attempts, reason, detail});
    settle(publisher, parcel);
}

/* ---- the broker's reports ---- */

static void settle_durable(struct publisher *publisher, struct parcel *parcel)
{
    int64_t latency_ns = clock_monotonic_ns() - parcel->due_ns;
    counter_add(&publisher->stats->durable, 1);
    histogram_add(&publisher->stats->latency, latency_ns);
    metrics_add(METRIC_PRODUCE_SETTLED, 0, 1);
    metrics_observe(METRIC_PRODUCE_SECONDS, 0, latency_ns);
    settle(publisher, parcel);
}

static void keep_failed(struct publisher *publisher, struct parcel *parcel)
{
    const struct publisher_options *options = &publisher->options;
    char detail[80];
    parcel->attempts++;
    counter_add(&publisher->stats->failed_attempts, 1);
    metrics_add(METRIC_PRODUCE_FAILURES, 0, 1);
    if (publisher->end_reason != NULL) {
        bury(publisher, parcel, publisher->end_reason,
             "no report came before the end: it may have arrived");
        return;
    }
    if (parcel->attempts >= options->attempts) {
        snprintf(detail, sizeof detail, "the broker reported %u failed attempts", parcel->attempts);
        bury(publisher, parcel, "not_durable", detail);
        return;
    }
    if (list_is_empty(&publisher->failed))
        publisher->not_before_ns =
            clock_monotonic_ns() + backoff_ns(&publisher->random, options->backoff_first_ns,
                                              options->backoff_max_ns, parcel->attempts - 1);
    list_remove(&parcel->node);
    list_append(&publisher->failed, &parcel->node);
}

static void on_delivery(void *context, uint64_t tag, enum delivery delivery, int64_t offset)
{
    struct publisher *publisher = context;
    struct parcel *parcel = (struct parcel *)(uintptr_t)tag;
    (void)offset;
    publisher->flying_count--;
    switch (delivery) {
    case DELIVERY_DURABLE:
        settle_durable(publisher, parcel);
        break;
    case DELIVERY_FAILED:
        keep_failed(publisher, parcel);
        break;
    }
}

static void on_room(void *context)
{
    struct publisher *publisher = context;
    publisher->is_full = false;
}

static void wake(void *context)
{
    struct publisher *publisher = context;
    bell_ring(&publisher->bell);
}

/* ---- life ---- */

int publisher_open(struct publisher *publisher, struct broker *broker,
                   const struct publisher_options *options, struct letter_file *letters,
                   struct produce_stats *stats, struct error *err)
{
    *publisher = (struct publisher){.options = *options,
                                    .broker = broker,
                                    .letters = letters,
                                    .stats = stats,
                                    .random = {options->seed}};
    bell_init(&publisher->bell);
    list_init(&publisher->waiting);
    list_init(&publisher->flying);
    list_init(&publisher->failed);
    const struct producer_handler handler = {
        .on_delivery = on_delivery, .on_room = on_room, .wake = wake, .context = publisher};
    if (producer_open(&publisher->producer, broker, &handler, err) == 0)
        return 0;
    bell_deinit(&publisher->bell);
    return -1;
}

static void bury_all(struct publisher *publisher, struct list *parcels)
{
    while (!list_is_empty(parcels))
        bury(publisher, parcel_of(parcels->next), "unpublished",
             "the run ended before the broker took it");
}

void publisher_close(struct publisher *publisher)
{
    if (publisher->producer == NULL)
        return;
    publisher->end_reason = "unconfirmed";
    producer_close(publisher->producer, 0); /* reports all that flies */
    publisher->producer = NULL;
    bury_all(publisher, &publisher->failed);
    bury_all(publisher, &publisher->waiting);
    bell_deinit(&publisher->bell);
}

/* ---- publishing ---- */

bool publisher_has_room(const struct publisher *publisher)
{
    return !publisher->is_full && list_is_empty(&publisher->failed) &&
           publisher->count < publisher->options.messages_max &&
           publisher->bytes < publisher->options.bytes_max;
}

int publisher_add(struct publisher *publisher, int topic, const struct record *record,
                  int64_t due_ns, struct error *err)
{
    struct parcel *parcel = parcel_new(record);
    if (parcel == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a message");
    parcel->topic = topic;
    parcel->due_ns = due_ns;
    parcel->number = ++publisher->last_number;
    list_append(&publisher->waiting, &parcel->node);
    publisher->count++;
    publisher->bytes += record_bytes(record);
    counter_set(&publisher->stats->in_flight, publisher->count);
    metrics_add(METRIC_PRODUCE_IN_FLIGHT, 0, 1);
    return 0;
}

static int compare_numbers(const void *a, const void *b)
{
    const struct parcel *const *left = a;
    const struct parcel *const *right = b;
    return ((*left)->number > (*right)->number) - ((*left)->number < (*right)->number);
}

/* The failed, in order, before those that were never published. Without memory
 * to sort they go in the order of their reports. */
static void requeue(struct publisher *publisher)
{
    size_t count = 0;
    for (struct list *node = publisher->failed.next; node != &publisher->failed; node = node->next)
        count++;
    struct parcel **sorted = calloc(count, sizeof(struct parcel *));
    size_t n = 0;
    for (struct list *node = publisher->failed.next; sorted != NULL && node != &publisher->failed;
         node = node->next)
        sorted[n++] = parcel_of(node);
    if (sorted != NULL)
        qsort(sorted, count, sizeof(struct parcel *), compare_numbers);
    while (!list_is_empty(&publisher->waiting)) { /* behind them */
        struct list *node = publisher->waiting.next;
        list_remove(node);
        list_append(&publisher->failed, node);
    }
    for (size_t i = 0; i < n; i++) {
        list_remove(&sorted[i]->node);
        list_append(&publisher->waiting, &sorted[i]->node);
    }
    while (!list_is_empty(&publisher->failed)) {
        struct list *node = publisher->failed.next;
        list_remove(node);
        list_append(&publisher->waiting, node);
    }
    free(sorted);
}

static void publish_one(struct publisher *publisher, struct parcel *parcel, bool was_full)
{
    uint64_t tag = (uint64_t)(uintptr_t)parcel;
    switch (producer_publish(publisher->producer, parcel->topic, &parcel->record, tag)) {
    case PUBLISH_ACCEPTED:
        publisher->flying_count++;
        list_remove(&parcel->node);
        list_append(&publisher->flying, &parcel->node);
        break;
    case PUBLISH_FULL:
        publisher->is_full = true;
        if (was_full)
            break;
        counter_add(&publisher->stats->full, 1);
        metrics_add(METRIC_PRODUCE_FULL, 0, 1);
        break;
    case PUBLISH_REFUSED:
        bury(publisher, parcel, "too_large",
             "the broker takes no record of this size (broker.record_bytes_max)");
        break;
    }
}

static bool must_pause(const struct publisher *publisher, int64_t now_ns)
{
    return !list_is_empty(&publisher->failed) &&
           (publisher->flying_count > 0 || now_ns < publisher->not_before_ns);
}

void publisher_pump(struct publisher *publisher, int64_t now_ns)
{
    producer_poll(publisher->producer);
    if (must_pause(publisher, now_ns))
        return;
    if (!list_is_empty(&publisher->failed))
        requeue(publisher);
    bool was_full = publisher->is_full;
    publisher->is_full = false; /* ask again: it is cheap, and on_room may be late */
    for (int n = 0; n < TURN_PARCELS_MAX && !publisher->is_full; n++) {
        if (list_is_empty(&publisher->waiting))
            break;
        publish_one(publisher, parcel_of(publisher->waiting.next), was_full);
    }
    producer_flush(publisher->producer);
    producer_poll(publisher->producer);
}

int64_t publisher_next_ns(const struct publisher *publisher)
{
    if (!list_is_empty(&publisher->failed))
        return publisher->flying_count > 0 ? INT64_MAX : publisher->not_before_ns;
    if (publisher->is_full)
        return clock_monotonic_ns() + full_again_ns;
    return list_is_empty(&publisher->waiting) ? INT64_MAX : 0;
}
