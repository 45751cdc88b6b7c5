/* SPDX-License-Identifier: Apache-2.0 */
/* How far consumers are, for their owners and for other threads: from what is
 * known here, without a question to the cluster. */
#include <stdio.h>
#include <string.h>

#include "broker/kafka/consumer.h"
#include "observe/metrics.h"

size_t kafka_owned(const struct consumer *base)
{
    const struct kafka_consumer *consumer = as_consumer(base);
    size_t count = 0;
    for (size_t i = 0; i < consumer->topic_count; i++)
        for (int p = 0; p < PARTITIONS_MAX; p++)
            count += consumer->topics[i].cursors[p].is_owned ? 1 : 0;
    return count;
}

/* The end as the last fetch told it: no question to the cluster. */
static int64_t known_end(struct kafka_consumer *consumer, const struct topic_cursors *topic,
                         int partition)
{
    int64_t low = -1;
    int64_t high = -1;
    int64_t end = topic->cursors[partition].end;
    if (rd_kafka_get_watermark_offsets(consumer->client.rk, topic->name, partition, &low, &high) ==
            RD_KAFKA_RESP_ERR_NO_ERROR &&
        high > end)
        end = high;
    return end;
}

static int64_t lag_behind(int64_t next, int64_t end)
{
    return next >= 0 && end > next ? end - next : 0;
}

int64_t kafka_lag(struct consumer *base, int topic, int partition)
{
    struct kafka_consumer *consumer = as_consumer(base);
    for (size_t i = 0; i < consumer->topic_count; i++) {
        const struct topic_cursors *found = &consumer->topics[i];
        if (found->topic == topic && found->cursors[partition].is_owned)
            return lag_behind(found->cursors[partition].next,
                              known_end(consumer, found, partition));
    }
    return 0;
}

/* ---- for other threads ---- */

/* Who of this process reads the partition for the group, with the list's lock held. */
static struct kafka_consumer *owner_of(struct kafka *kafka, const char *group, int topic,
                                       int partition)
{
    for (struct list *node = kafka->consumers.next; node != &kafka->consumers; node = node->next) {
        struct kafka_consumer *consumer = list_item(node, struct kafka_consumer, node);
        const struct cursor *cursor =
            consumer->is_open ? kafka_cursor(consumer, topic, partition) : NULL;
        if (cursor != NULL && cursor->is_owned && strcmp(consumer->group, group) == 0)
            return consumer;
    }
    return NULL;
}

int64_t kafka_committed_here(struct kafka *kafka, const char *group, int topic, int partition)
{
    pthread_mutex_lock(&kafka->consumers_lock);
    const struct kafka_consumer *owner = owner_of(kafka, group, topic, partition);
    int64_t committed = owner == NULL ? -1 : kafka_cursor(owner, topic, partition)->committed;
    pthread_mutex_unlock(&kafka->consumers_lock);
    return committed;
}

/* Only whoever reads a partition knows how far its group is: others don't show it. */
static void set_lag(struct kafka_consumer *consumer, const struct topic_cursors *topic,
                    int partition)
{
    const struct cursor *cursor = &topic->cursors[partition];
    const struct kafka_consumer *owner =
        owner_of(consumer->kafka, consumer->group, topic->topic, partition);
    char labels[320];
    int64_t lag = METRIC_ABSENT;
    if (owner != NULL && owner != consumer)
        return; /* another thread's */
    if (owner != NULL)
        lag = lag_behind(cursor->committed >= 0 ? cursor->committed : cursor->next,
                         known_end(consumer, topic, partition));
    snprintf(labels, sizeof labels, "group=\"%s\",topic=\"%s\",partition=\"%d\"", consumer->group,
             broker_topic_name(&consumer->kafka->base, topic->topic), partition);
    metric_series_set(metrics_series(METRIC_BROKER_LAG, labels), lag);
}

void kafka_refresh_lag(struct broker *broker)
{
    struct kafka *kafka = as_kafka(broker);
    pthread_mutex_lock(&kafka->consumers_lock);
    for (struct list *node = kafka->consumers.next; node != &kafka->consumers; node = node->next) {
        struct kafka_consumer *consumer = list_item(node, struct kafka_consumer, node);
        for (size_t i = 0;
             consumer->is_open && consumer->group[0] != '\0' && i < consumer->topic_count; i++)
            for (int p = 0; p < consumer->topics[i].partitions; p++)
                set_lag(consumer, &consumer->topics[i], p);
    }
    pthread_mutex_unlock(&kafka->consumers_lock);
}
