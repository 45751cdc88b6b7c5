/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/kafka/admin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define AGAIN_NS (20 * NS_PER_MS)

/* ---- asking ---- */

/* A question under way: its options, and the queue its answer comes to. */
struct question {
    struct kafka_client *client;
    rd_kafka_AdminOptions_t *options;
    rd_kafka_queue_t *queue;
};

static int question_begin(struct question *question, struct kafka_client *client,
                          rd_kafka_admin_op_t kind, struct error *err)
{
    char reason[256];
    *question = (struct question){client, rd_kafka_AdminOptions_new(client->rk, kind),
                                  rd_kafka_queue_new(client->rk)};
    if (question->options == NULL || question->queue == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for librdkafka");
    kafka_client_forget_trouble(client);
    rd_kafka_AdminOptions_set_request_timeout(question->options, kafka_client_timeout_ms(client),
                                              reason, sizeof reason);
    return 0;
}

static void question_end(struct question *question)
{
    if (question->options != NULL)
        rd_kafka_AdminOptions_destroy(question->options);
    if (question->queue != NULL)
        rd_kafka_queue_destroy(question->queue);
}

/* The answer, or NULL with *err. The request has a deadline of its own; the extra
 * second is for its answer to get here. */
static rd_kafka_event_t *question_wait(struct question *question, const char *what,
                                       const char *name, struct error *err)
{
    struct kafka_client *client = question->client;
    rd_kafka_event_t *event =
        rd_kafka_queue_poll(question->queue, kafka_client_timeout_ms(client) + 1000);
    rd_kafka_resp_err_t code =
        event == NULL ? RD_KAFKA_RESP_ERR__TIMED_OUT : rd_kafka_event_error(event);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return event;
    kafka_client_fail(client, code, err, "%s %s", what, name);
    if (event != NULL)
        rd_kafka_event_destroy(event);
    return NULL;
}

/* The cluster's own words say more than the code's. */
static int refuse(struct kafka_client *client, rd_kafka_resp_err_t code, const char *text,
                  const char *what, const char *name, struct error *err)
{
    kafka_fail(client->config, code, text != NULL ? text : rd_kafka_err2str(code), err);
    if (err != NULL && code == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
        err->kind = ERROR_BUSY;
    return error_prefix(err, "%s %s", what, name);
}

/* ---- what a topic is like ---- */

static void read_partitions(const rd_kafka_metadata_topic_t *topic, struct kafka_topic_state *out)
{
    out->exists = true;
    out->is_ready = true;
    out->partitions = topic->partition_cnt;
    for (int i = 0; i < topic->partition_cnt; i++) {
        const rd_kafka_metadata_partition_t *partition = &topic->partitions[i];
        if (i == 0 || partition->replica_cnt < out->replicas)
            out->replicas = partition->replica_cnt;
        if (partition->leader < 0)
            out->is_ready = false;
    }
}

static bool is_unknown(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
           code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
}

static int ask_partitions(struct kafka_client *client, const char *topic, const char *full,
                          struct kafka_topic_state *out, struct error *err)
{
    const struct rd_kafka_metadata *metadata;
    rd_kafka_topic_t *handle = rd_kafka_topic_new(client->rk, full, NULL);
    if (handle == NULL)
        return kafka_client_fail(client, rd_kafka_last_error(), err, "topic %s", topic);
    kafka_client_forget_trouble(client);
    rd_kafka_resp_err_t code =
        rd_kafka_metadata(client->rk, 0, handle, &metadata, kafka_client_timeout_ms(client));
    rd_kafka_topic_destroy(handle);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return kafka_client_fail(client, code, err, "topic %s", topic);
    int result = 0;
    code = metadata->topic_cnt == 1 ? metadata->topics[0].err : RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        read_partitions(&metadata->topics[0], out);
    else if (!is_unknown(code))
        result = refuse(client, code, NULL, "topic", topic, err);
    rd_kafka_metadata_destroy(metadata);
    return result;
}

static void read_configs(const rd_kafka_ConfigResource_t *resource, struct kafka_topic_state *out)
{
    const struct {
        const char *name;
        char *value;
    } wanted[] = {
        {"min.insync.replicas", out->min_insync_replicas},
        {"retention.ms", out->retention_ms},
        {"compression.type", out->compression},
        {"max.message.bytes", out->max_message_bytes},
        {"cleanup.policy", out->cleanup_policy},
    };
    size_t count;
    const rd_kafka_ConfigEntry_t **entries = rd_kafka_ConfigResource_configs(resource, &count);
    for (size_t i = 0; i < count; i++)
        for (size_t w = 0; w < sizeof wanted / sizeof wanted[0]; w++) {
            const char *value = rd_kafka_ConfigEntry_value(entries[i]);
            if (value != NULL && strcmp(rd_kafka_ConfigEntry_name(entries[i]), wanted[w].name) == 0)
                snprintf(wanted[w].value, KAFKA_VALUE_MAX, "%s", value);
        }
}

static int ask_configs(struct kafka_client *client, const char *topic, const char *full,
                       struct kafka_topic_state *out, struct error *err)
{
    struct question question;
    rd_kafka_ConfigResource_t *resource =
        rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, full);
    int result = question_begin(&question, client, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS, err);
    rd_kafka_event_t *event = NULL;
    if (result == 0) {
        rd_kafka_DescribeConfigs(client->rk, &resource, 1, question.options, question.queue);
        event = question_wait(&question, "settings of topic", topic, err);
    }
    if (event != NULL) {
        size_t count;
        const rd_kafka_ConfigResource_t **found = rd_kafka_DescribeConfigs_result_resources(
            rd_kafka_event_DescribeConfigs_result(event), &count);
        rd_kafka_resp_err_t code =
            count == 1 ? rd_kafka_ConfigResource_error(found[0]) : RD_KAFKA_RESP_ERR__FAIL;
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
            read_configs(found[0], out);
        else
            result = refuse(client, code,
                            count == 1 ? rd_kafka_ConfigResource_error_string(found[0]) : NULL,
                            "settings of topic", topic, err);
        rd_kafka_event_destroy(event);
    } else {
        result = -1;
    }
    rd_kafka_ConfigResource_destroy(resource);
    question_end(&question);
    return result;
}

int kafka_admin_describe(struct kafka_client *client, const char *topic,
                         struct kafka_topic_state *out, struct error *err)
{
    char full[KAFKA_NAME_MAX + 1];
    memset(out, 0, sizeof *out);
    kafka_full_name(client->config, topic, full);
    if (ask_partitions(client, topic, full, out, err) != 0)
        return -1;
    return out->exists ? ask_configs(client, topic, full, out, err) : 0;
}

int kafka_admin_partitions(struct kafka_client *client, const char *topic, int *out,
                           struct error *err)
{
    char full[KAFKA_NAME_MAX + 1];
    struct kafka_topic_state state = {0};
    kafka_full_name(client->config, topic, full);
    if (ask_partitions(client, topic, full, &state, err) != 0)
        return -1;
    *out = state.partitions;
    return 0;
}

/* ---- changing topics ---- */

/* A change is known to the broker that took it before it is to the others. */
static int wait_until_ready(struct kafka_client *client, const char *topic, int partitions,
                            struct error *err)
{
    char full[KAFKA_NAME_MAX + 1];
    int64_t deadline_ns = clock_monotonic_ns() + client->config->start_timeout_ns;
    kafka_full_name(client->config, topic, full);
    for (;;) {
        struct kafka_topic_state state = {0};
        if (ask_partitions(client, topic, full, &state, err) != 0)
            return -1;
        if (state.is_ready && state.partitions >= partitions)
            return 0;
        if (clock_monotonic_ns() >= deadline_ns)
            return error_set(err, ERROR_REMOTE, "topic %s is changed, but has no leaders yet",
                             topic);
        clock_sleep_ns(AGAIN_NS);
    }
}

/* What became of the one topic that was to be changed. */
static int read_topic_result(struct kafka_client *client, const rd_kafka_topic_result_t **results,
                             size_t count, const char *what, const char *topic, struct error *err)
{
    if (count != 1)
        return refuse(client, RD_KAFKA_RESP_ERR__FAIL, NULL, what, topic, err);
    rd_kafka_resp_err_t code = rd_kafka_topic_result_error(results[0]);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return 0;
    return refuse(client, code, rd_kafka_topic_result_error_string(results[0]), what, topic, err);
}

static rd_kafka_NewTopic_t *new_topic(const struct kafka_config *config, const char *topic,
                                      int partitions, struct error *err)
{
    char full[KAFKA_NAME_MAX + 1], reason[256];
    kafka_full_name(config, topic, full);
    rd_kafka_NewTopic_t *new = rd_kafka_NewTopic_new(
        full, partitions, (int)config->topic.replication, reason, sizeof reason);
    if (new == NULL) {
        error_set(err, ERROR_CONFIG, "topic %s: %s", topic, reason);
        return NULL;
    }
    struct kafka_topic_setting settings[KAFKA_DIFFERENCES_MAX];
    kafka_topic_settings(config, settings);
    for (size_t i = 0; settings[i].name != NULL; i++)
        rd_kafka_NewTopic_set_config(new, settings[i].name, settings[i].value);
    return new;
}

int kafka_admin_create(struct kafka_client *client, const char *topic, int partitions,
                       struct error *err)
{
    struct question question;
    rd_kafka_NewTopic_t *new = new_topic(client->config, topic, partitions, err);
    if (new == NULL)
        return -1;
    int result = question_begin(&question, client, RD_KAFKA_ADMIN_OP_CREATETOPICS, err);
    if (result == 0) {
        rd_kafka_CreateTopics(client->rk, &new, 1, question.options, question.queue);
        rd_kafka_event_t *event = question_wait(&question, "create topic", topic, err);
        result = -1;
        if (event != NULL) {
            size_t count;
            const rd_kafka_topic_result_t **results = rd_kafka_CreateTopics_result_topics(
                rd_kafka_event_CreateTopics_result(event), &count);
            result = read_topic_result(client, results, count, "create topic", topic, err);
            rd_kafka_event_destroy(event);
        }
    }
    rd_kafka_NewTopic_destroy(new);
    question_end(&question);
    if (result != 0)
        return -1;
    return wait_until_ready(client, topic, partitions, err);
}

int kafka_admin_grow(struct kafka_client *client, const char *topic, int partitions,
                     struct error *err)
{
    char full[KAFKA_NAME_MAX + 1], reason[256];
    struct question question;
    kafka_full_name(client->config, topic, full);
    rd_kafka_NewPartitions_t *new =
        rd_kafka_NewPartitions_new(full, (size_t)partitions, reason, sizeof reason);
    if (new == NULL)
        return error_set(err, ERROR_CONFIG, "topic %s: %s", topic, reason);
    int result = question_begin(&question, client, RD_KAFKA_ADMIN_OP_CREATEPARTITIONS, err);
    if (result == 0) {
        rd_kafka_CreatePartitions(client->rk, &new, 1, question.options, question.queue);
        rd_kafka_event_t *event = question_wait(&question, "grow topic", topic, err);
        result = -1;
        if (event != NULL) {
            size_t count;
            const rd_kafka_topic_result_t **results = rd_kafka_CreatePartitions_result_topics(
                rd_kafka_event_CreatePartitions_result(event), &count);
            result = read_topic_result(client, results, count, "grow topic", topic, err);
            rd_kafka_event_destroy(event);
        }
    }
    rd_kafka_NewPartitions_destroy(new);
    question_end(&question);
    return result == 0 ? wait_until_ready(client, topic, partitions, err) : -1;
}

/* ---- records ---- */

/* Leaders move: who is asked may not be it any more. */
static bool is_passing(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION ||
           code == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE;
}

int kafka_admin_offsets(struct kafka_client *client, const char *topic, int partition,
                        struct broker_offsets *out, struct error *err)
{
    char full[KAFKA_NAME_MAX + 1];
    int64_t deadline_ns = clock_monotonic_ns() + client->config->start_timeout_ns;
    kafka_full_name(client->config, topic, full);
    kafka_client_forget_trouble(client);
    for (;;) {
        rd_kafka_resp_err_t code =
            rd_kafka_query_watermark_offsets(client->rk, full, partition, &out->earliest, &out->end,
                                             kafka_client_timeout_ms(client));
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
            return 0;
        if (!is_passing(code) || clock_monotonic_ns() >= deadline_ns)
            return kafka_client_fail(client, code, err, "offsets of topic %s, partition %d", topic,
                                     partition);
        clock_sleep_ns(AGAIN_NS);
    }
}

static int read_deleted(struct kafka_client *client, rd_kafka_event_t *event, const char *topic,
                        struct error *err)
{
    const rd_kafka_topic_partition_list_t *list =
        rd_kafka_DeleteRecords_result_offsets(rd_kafka_event_DeleteRecords_result(event));
    for (int i = 0; list != NULL && i < list->cnt; i++)
        if (list->elems[i].err != RD_KAFKA_RESP_ERR_NO_ERROR)
            return refuse(client, list->elems[i].err, NULL, "delete records of topic", topic, err);
    return 0;
}

int kafka_admin_delete_records(struct kafka_client *client, const char *topic, int partition,
                               int64_t before, struct error *err)
{
    char full[KAFKA_NAME_MAX + 1];
    struct question question;
    kafka_full_name(client->config, topic, full);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, full, partition)->offset = before;
    rd_kafka_DeleteRecords_t *records = rd_kafka_DeleteRecords_new(list);
    int result = question_begin(&question, client, RD_KAFKA_ADMIN_OP_DELETERECORDS, err);
    if (result == 0) {
        rd_kafka_DeleteRecords(client->rk, &records, 1, question.options, question.queue);
        rd_kafka_event_t *event = question_wait(&question, "delete records of topic", topic, err);
        result = event == NULL ? -1 : read_deleted(client, event, topic, err);
        if (event != NULL)
            rd_kafka_event_destroy(event);
    }
    rd_kafka_DeleteRecords_destroy(records);
    rd_kafka_topic_partition_list_destroy(list);
    question_end(&question);
    return result;
}

/* ---- groups ---- */

/* The name without the prefix; NULL: it belongs to somebody else. */
static const char *own_name(const struct kafka_config *config, const char *full)
{
    size_t len = strlen(config->prefix);
    return strncmp(full, config->prefix, len) == 0 ? full + len : NULL;
}

static int read_groups(struct kafka_client *client, rd_kafka_event_t *event,
                       struct kafka_groups *out, struct error *err)
{
    size_t count;
    const rd_kafka_ConsumerGroupListing_t **listed = rd_kafka_ListConsumerGroups_result_valid(
        rd_kafka_event_ListConsumerGroups_result(event), &count);
    out->names = calloc(count + 1, sizeof *out->names);
    if (out->names == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for %zu groups", count);
    for (size_t i = 0; i < count; i++) {
        const char *name =
            own_name(client->config, rd_kafka_ConsumerGroupListing_group_id(listed[i]));
        if (name != NULL)
            snprintf(out->names[out->count++], KAFKA_NAME_MAX + 1, "%s", name);
    }
    qsort(out->names, out->count, sizeof *out->names, (int (*)(const void *, const void *))strcmp);
    return 0;
}

int kafka_admin_groups(struct kafka_client *client, struct kafka_groups *out, struct error *err)
{
    struct question question;
    *out = (struct kafka_groups){0};
    int result = question_begin(&question, client, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPS, err);
    if (result == 0) {
        rd_kafka_ListConsumerGroups(client->rk, question.options, question.queue);
        rd_kafka_event_t *event = question_wait(&question, "list", "groups", err);
        result = event == NULL ? -1 : read_groups(client, event, out, err);
        if (event != NULL)
            rd_kafka_event_destroy(event);
    }
    question_end(&question);
    return result;
}

void kafka_groups_deinit(struct kafka_groups *groups)
{
    free(groups->names);
    *groups = (struct kafka_groups){0};
}

static int read_positions(struct kafka_client *client, rd_kafka_event_t *event, const char *group,
                          kafka_position_fn fn, void *context, struct error *err)
{
    size_t count;
    const rd_kafka_group_result_t **results = rd_kafka_ListConsumerGroupOffsets_result_groups(
        rd_kafka_event_ListConsumerGroupOffsets_result(event), &count);
    if (count != 1)
        return refuse(client, RD_KAFKA_RESP_ERR__FAIL, NULL, "positions of group", group, err);
    const rd_kafka_error_t *failure = rd_kafka_group_result_error(results[0]);
    if (failure != NULL)
        return refuse(client, rd_kafka_error_code(failure), rd_kafka_error_string(failure),
                      "positions of group", group, err);
    const rd_kafka_topic_partition_list_t *list = rd_kafka_group_result_partitions(results[0]);
    for (int i = 0; list != NULL && i < list->cnt; i++) {
        const rd_kafka_topic_partition_t *one = &list->elems[i];
        const char *topic = own_name(client->config, one->topic);
        if (topic != NULL && one->offset >= 0)
            fn(context, topic, one->partition, one->offset);
    }
    return 0;
}

int kafka_admin_positions(struct kafka_client *client, const char *group, kafka_position_fn fn,
                          void *context, struct error *err)
{
    char full[KAFKA_NAME_MAX + 1];
    struct question question;
    kafka_full_name(client->config, group, full);
    rd_kafka_ListConsumerGroupOffsets_t *asked = rd_kafka_ListConsumerGroupOffsets_new(full, NULL);
    int result = question_begin(&question, client, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS, err);
    if (result == 0) {
        rd_kafka_ListConsumerGroupOffsets(client->rk, &asked, 1, question.options, question.queue);
        rd_kafka_event_t *event = question_wait(&question, "positions of group", group, err);
        result = event == NULL ? -1 : read_positions(client, event, group, fn, context, err);
        if (event != NULL)
            rd_kafka_event_destroy(event);
    }
    rd_kafka_ListConsumerGroupOffsets_destroy(asked);
    question_end(&question);
    return result;
}
