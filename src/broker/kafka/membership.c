/* SPDX-License-Identifier: Apache-2.0 */
/* Which partitions a consumer has, and how far its group is in them. All on the
 * owner's thread; see the head of consumer.c. */
#include <string.h>

#include "base/clock.h"
#include "broker/kafka/consumer.h"
#include "observe/log.h"
#include "observe/metrics.h"

static const int64_t commit_timeout_ns = 5 * NS_PER_S;

/* ---- cursors ---- */

struct topic_cursors *kafka_cursors_by_name(struct kafka_consumer *consumer, const char *name)
{
    for (size_t i = 0; i < consumer->topic_count; i++)
        if (strcmp(consumer->topics[i].name, name) == 0)
            return &consumer->topics[i];
    return NULL;
}

struct cursor *kafka_cursor(const struct kafka_consumer *consumer, int topic, int partition)
{
    if (partition < 0 || partition >= PARTITIONS_MAX)
        return NULL;
    for (size_t i = 0; i < consumer->topic_count; i++)
        if (consumer->topics[i].topic == topic)
            return &consumer->topics[i].cursors[partition];
    return NULL;
}

struct cursor *kafka_cursor_of(struct kafka_consumer *consumer,
                               const rd_kafka_topic_partition_t *partition)
{
    struct topic_cursors *topic = kafka_cursors_by_name(consumer, partition->topic);
    return topic == NULL || partition->partition >= PARTITIONS_MAX
               ? NULL
               : &topic->cursors[partition->partition];
}

rd_kafka_topic_partition_list_t *kafka_all_partitions(const struct kafka_consumer *consumer)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(16);
    for (size_t i = 0; i < consumer->topic_count; i++)
        for (int p = 0; p < consumer->topics[i].partitions; p++)
            if (!consumer->topics[i].cursors[p].is_left_out)
                rd_kafka_topic_partition_list_add(list, consumer->topics[i].name, p);
    return list;
}

/* ---- positions to the cluster ---- */

/* Those beyond what the cluster has said «yes» to. NULL: none. */
static rd_kafka_topic_partition_list_t *unsent(struct kafka_consumer *consumer, bool is_last)
{
    rd_kafka_topic_partition_list_t *list = NULL;
    for (size_t i = 0; i < consumer->topic_count; i++)
        for (int p = 0; p < PARTITIONS_MAX; p++) {
            struct cursor *cursor = &consumer->topics[i].cursors[p];
            int64_t known = is_last ? cursor->acked : cursor->sent;
            if (!cursor->is_owned || cursor->committed <= known)
                continue;
            if (list == NULL)
                list = rd_kafka_topic_partition_list_new(16);
            rd_kafka_topic_partition_list_add(list, consumer->topics[i].name, p)->offset =
                cursor->committed;
            cursor->sent = cursor->committed;
        }
    return list;
}

static bool goes_on_by_itself(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR_REBALANCE_IN_PROGRESS ||
           code == RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION ||
           code == RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID || code == RD_KAFKA_RESP_ERR__NO_OFFSET ||
           code == RD_KAFKA_RESP_ERR__STATE || code == RD_KAFKA_RESP_ERR__ASSIGNMENT_LOST;
}

static void take_commit(struct kafka_consumer *consumer, rd_kafka_resp_err_t code,
                        const rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; list != NULL && i < list->cnt; i++) {
        struct cursor *cursor = kafka_cursor_of(consumer, &list->elems[i]);
        rd_kafka_resp_err_t own = code != RD_KAFKA_RESP_ERR_NO_ERROR ? code : list->elems[i].err;
        if (cursor == NULL)
            continue;
        if (own == RD_KAFKA_RESP_ERR_NO_ERROR && list->elems[i].offset > cursor->acked)
            cursor->acked = list->elems[i].offset;
        else if (own != RD_KAFKA_RESP_ERR_NO_ERROR) {
            cursor->sent = cursor->acked; /* goes again with the next */
            consumer->has_commits = true;
            code = own;
        }
    }
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR && !goes_on_by_itself(code)) {
        struct error err;
        kafka_fail(consumer->config, code, rd_kafka_err2str(code), &err);
        log_error("kafka", "positions can't be committed yet", &err);
    }
}

void kafka_on_commit(rd_kafka_t *rk, rd_kafka_resp_err_t code,
                     rd_kafka_topic_partition_list_t *list, void *context)
{
    (void)rk;
    struct kafka_consumer *consumer = context;
    consumer->is_committing = false;
    take_commit(consumer, code, list);
}

static bool is_commit_due(const struct kafka_consumer *consumer)
{
    switch ((enum kafka_commit)consumer->config->consumer.commit) {
    case KAFKA_COMMIT_BATCH:
        return true;
    case KAFKA_COMMIT_INTERVAL:
        return clock_monotonic_ns() >= consumer->commit_at_ns;
    case KAFKA_COMMIT_COUNT:
        return consumer->commit_records >= (uint64_t)consumer->config->consumer.commit_records;
    }
    return true;
}

void kafka_send_commits(struct kafka_consumer *consumer)
{
    if (!consumer->has_commits || consumer->is_committing || !is_commit_due(consumer))
        return;
    consumer->has_commits = false;
    rd_kafka_topic_partition_list_t *list = unsent(consumer, false);
    if (list == NULL)
        return;
    consumer->commit_records = 0;
    consumer->commit_at_ns = clock_monotonic_ns() + consumer->config->consumer.commit_interval_ns;
    rd_kafka_resp_err_t code = rd_kafka_commit(consumer->client.rk, list, 1);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        consumer->is_committing = true;
    else
        take_commit(consumer, code, list);
    rd_kafka_topic_partition_list_destroy(list);
}

/* Before partitions are given up: all positions, waited for. */
void kafka_finish_commits(struct kafka_consumer *consumer)
{
    rd_kafka_topic_partition_list_t *list = unsent(consumer, true);
    if (list == NULL)
        return;
    rd_kafka_queue_t *queue = rd_kafka_queue_new(consumer->client.rk);
    rd_kafka_resp_err_t code = rd_kafka_commit_queue(consumer->client.rk, list, queue, NULL, NULL);
    rd_kafka_event_t *event = NULL;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        event = rd_kafka_queue_poll(queue, (int)(commit_timeout_ns / NS_PER_MS));
        code = event == NULL ? RD_KAFKA_RESP_ERR__TIMED_OUT : rd_kafka_event_error(event);
    }
    take_commit(consumer, code, event != NULL ? rd_kafka_event_topic_partition_list(event) : list);
    if (event != NULL)
        rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_topic_partition_list_destroy(list);
}

/* ---- partitions come and go ---- */

void kafka_forward(struct kafka_consumer *consumer, const rd_kafka_topic_partition_t *partition)
{
    rd_kafka_queue_t *queue =
        rd_kafka_queue_get_partition(consumer->client.rk, partition->topic, partition->partition);
    if (queue == NULL)
        return;
    rd_kafka_queue_forward(queue, consumer->records);
    rd_kafka_queue_destroy(queue);
}

/* The topic has become larger since it was looked up: the owner, whose tables may
 * be too small, begins again. */
static void note_growth(struct kafka_consumer *consumer,
                        const rd_kafka_topic_partition_t *partition)
{
    struct topic_cursors *topic = kafka_cursors_by_name(consumer, partition->topic);
    if (partition->partition < topic->partitions)
        return;
    topics_raise(&consumer->kafka->base.topics, topic->topic, partition->partition + 1);
    topic->partitions = partition->partition + 1;
    error_set(&consumer->failure, ERROR_BUSY, "topic \"%s\" has become larger: %d partitions",
              topic->name, topic->partitions);
    consumer->failure.is_transient = true;
}

/* `list` has the positions, or errors; its offsets become where to begin. */
static void take_partitions(struct kafka_consumer *consumer, rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++) {
        rd_kafka_topic_partition_t *partition = &list->elems[i];
        struct cursor *cursor = kafka_cursor_of(consumer, partition);
        if (cursor == NULL)
            continue;
        int64_t committed = partition->offset >= 0 ? partition->offset : -1;
        cursor->committed = cursor->sent = cursor->acked = committed;
        cursor->next = committed >= 0 ? committed : cursor->start;
        cursor->must_seek = false;
        partition->offset = cursor->next >= 0 ? cursor->next : RD_KAFKA_OFFSET_INVALID;
        cursor->is_owned = true;
        note_growth(consumer, partition);
        kafka_forward(consumer, partition);
    }
}

static void drop_partitions(struct kafka_consumer *consumer,
                            const rd_kafka_topic_partition_list_t *list)
{
    for (int i = 0; i < list->cnt; i++) {
        struct cursor *cursor = kafka_cursor_of(consumer, &list->elems[i]);
        if (cursor != NULL)
            cursor->is_owned = false;
    }
}

static void check_assignment(struct kafka_consumer *consumer, rd_kafka_error_t *error)
{
    if (error == NULL)
        return;
    kafka_fail(consumer->config, rd_kafka_error_code(error), rd_kafka_error_string(error),
               &consumer->failure);
    rd_kafka_error_destroy(error);
}

static bool is_cooperative(const struct kafka_consumer *consumer)
{
    return strcmp(rd_kafka_rebalance_protocol(consumer->client.rk), "COOPERATIVE") == 0;
}

/* Where the group stands is asked for here, so that the cursors know it; when
 * that fails librdkafka finds it out by itself. */
static void assign(struct kafka_consumer *consumer, rd_kafka_topic_partition_list_t *list)
{
    if (list->cnt > 0)
        rd_kafka_committed(consumer->client.rk, list, kafka_client_timeout_ms(&consumer->client));
    consumer->is_assigned = true;
    take_partitions(consumer, list);
    if (is_cooperative(consumer))
        check_assignment(consumer, rd_kafka_incremental_assign(consumer->client.rk, list));
    else
        rd_kafka_assign(consumer->client.rk, list);
    log_event(LOG_INFO, "kafka", "partitions assigned", LOG_T("group", consumer->group),
              LOG_I("partitions", list->cnt), LOG_I("owned", kafka_owned(&consumer->base)));
}

static void revoke(struct kafka_consumer *consumer, rd_kafka_topic_partition_list_t *list)
{
    bool is_lost = rd_kafka_assignment_lost(consumer->client.rk) != 0;
    if (!is_lost) {
        if (consumer->may_settle && consumer->base.on_revoke != NULL)
            consumer->base.on_revoke(consumer->base.context);
        kafka_finish_commits(consumer);
    }
    drop_partitions(consumer, list);
    if (is_cooperative(consumer))
        check_assignment(consumer, rd_kafka_incremental_unassign(consumer->client.rk, list));
    else
        rd_kafka_assign(consumer->client.rk, NULL);
    log_event(is_lost ? LOG_WARN : LOG_INFO, "kafka",
              is_lost ? "partitions lost to other members" : "partitions given up",
              LOG_T("group", consumer->group), LOG_I("partitions", list->cnt),
              LOG_I("owned", kafka_owned(&consumer->base)));
}

void kafka_on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t code,
                        rd_kafka_topic_partition_list_t *list, void *context)
{
    struct kafka_consumer *consumer = context;
    metrics_add(METRIC_KAFKA_REBALANCES, 0, 1);
    if (code == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        assign(consumer, list);
    } else if (code == RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS) {
        revoke(consumer, list);
    } else {
        kafka_fail(consumer->config, code, rd_kafka_err2str(code), &consumer->failure);
        rd_kafka_assign(rk, NULL);
    }
}

/* ---- committing ---- */

int kafka_commit(struct consumer *base, int topic, int partition, int64_t next_offset,
                 struct error *err)
{
    struct kafka_consumer *consumer = as_consumer(base);
    struct cursor *cursor = kafka_cursor(consumer, topic, partition);
    if (cursor == NULL)
        return error_set(err, ERROR_NOT_FOUND, "group \"%s\" does not read topic %d partition %d",
                         consumer->group, topic, partition);
    if (!cursor->is_owned) {
        error_set(err, ERROR_BUSY, "group \"%s\": topic %d partition %d has gone to another member",
                  consumer->group, topic, partition);
        if (err != NULL)
            err->is_transient = true;
        return -1;
    }
    if (next_offset > cursor->committed) {
        if (cursor->committed >= 0)
            consumer->commit_records += (uint64_t)(next_offset - cursor->committed);
        cursor->committed = next_offset;
        consumer->has_commits = true;
    }
    return 0;
}
