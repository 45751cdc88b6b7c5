/* SPDX-License-Identifier: Apache-2.0 */
/* Questions to the cluster over one shared connection, one at a time. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "broker/kafka/admin.h"
#include "broker/kafka/kafka.h"
#include "observe/log.h"

static const int64_t committed_age_ns = NS_PER_S;
static const int64_t look_again_ns = 20 * NS_PER_MS;

static int64_t deadline_of(const struct kafka *kafka)
{
    return clock_monotonic_ns() + kafka->config->start_timeout_ns;
}

static int left_ms(int64_t deadline_ns)
{
    int64_t left_ns = deadline_ns - clock_monotonic_ns();
    return left_ns <= NS_PER_MS ? 1 : (int)(left_ns / NS_PER_MS);
}

/* ---- topics ---- */

static int create_topic(struct kafka *kafka, const char *name, int wanted, struct error *err)
{
    if (!kafka->config->topic.may_create) {
        char reason[KAFKA_NAME_MAX + 64];
        snprintf(reason, sizeof reason, "the cluster has no topic \"%s%s\"", kafka->config->prefix,
                 name);
        return kafka_fail(kafka->config, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, reason, err);
    }
    struct error cause = {0};
    if (kafka_admin_create(&kafka->ask, name, wanted, &cause) == 0 || cause.kind == ERROR_BUSY)
        return 0;
    if (err != NULL)
        *err = cause;
    return -1;
}

/* Its partitions on the cluster, made where that is allowed. Where another process
 * was faster it shows in a moment. */
static int find_topic(struct kafka *kafka, const char *name, int wanted, int *partitions,
                      struct error *err)
{
    int64_t deadline_ns = deadline_of(kafka);
    bool is_created = false;
    *partitions = 0;
    while (kafka_admin_partitions(&kafka->ask, name, partitions, err) == 0) {
        if (*partitions > 0)
            return 0;
        if (is_created && clock_monotonic_ns() > deadline_ns)
            return error_set(err, ERROR_REMOTE, "it is created, but does not show");
        if (!is_created && create_topic(kafka, name, wanted, err) != 0)
            return -1;
        is_created = true;
        clock_sleep_ns(look_again_ns);
    }
    return -1;
}

/* What differs from the settings, a line each. Fatal: a record that is accepted
 * would not fit. */
static int tell_differences(struct kafka *kafka, const char *name,
                            const struct kafka_topic_state *state, struct error *err)
{
    struct kafka_difference differences[KAFKA_DIFFERENCES_MAX];
    size_t count =
        kafka_topic_compare(kafka->config, kafka->base.config.record_bytes_max, state, differences);
    for (size_t i = 0; i < count; i++) {
        const struct kafka_difference *difference = &differences[i];
        if (difference->is_fatal)
            return error_set(
                err, ERROR_CONFIG,
                "its %s is %s, but records as broker.record_bytes_max allows them need "
                "%s; raise it (motorcade topics verify shows all)",
                difference->setting, difference->found, difference->expected);
        log_event(LOG_WARN, "kafka", "a topic is not as the settings kafka.topic.* say",
                  LOG_T("topic", name), LOG_T("setting", difference->setting),
                  LOG_T("found", difference->found), LOG_T("expected", difference->expected));
    }
    bool has_one_copy = state->replicas == 1 || strcmp(state->min_insync_replicas, "1") == 0;
    if (has_one_copy && !kafka->has_warned) {
        kafka->has_warned = true;
        log_event(LOG_WARN, "kafka",
                  "excluded from the promise: an ack may rest on a single broker "
                  "(kafka.topic.replication, min.insync.replicas)",
                  LOG_T("topic", name), LOG_I("replicas", state->replicas),
                  LOG_T("min_insync_replicas", state->min_insync_replicas));
    }
    return 0;
}

/* It is there, but the broker that is asked next may not have heard of it yet. */
static int describe(struct kafka *kafka, const char *name, struct kafka_topic_state *state,
                    struct error *err)
{
    int64_t deadline_ns = deadline_of(kafka);
    for (;;) {
        struct error cause;
        if (kafka_admin_describe(&kafka->ask, name, state, &cause) == 0) {
            if (state->exists)
                return 0;
            error_set(&cause, ERROR_NOT_FOUND, "it is not known to every broker");
        }
        if (cause.kind != ERROR_NOT_FOUND || clock_monotonic_ns() > deadline_ns) {
            if (err != NULL)
                *err = cause;
            return -1;
        }
        clock_sleep_ns(look_again_ns);
    }
}

/* The right to read a topic's settings is not needed for the work. */
static int verify_topic(struct kafka *kafka, const char *name, struct error *err)
{
    struct kafka_topic_state state;
    struct error cause = {0};
    if (!kafka->config->topic.verifies)
        return 0;
    if (describe(kafka, name, &state, &cause) == 0)
        return tell_differences(kafka, name, &state, err);
    log_error("kafka", "a topic's settings can't be verified", &cause);
    return 0;
}

int kafka_ask_topic(struct kafka *kafka, const char *name, int *partitions, struct error *err)
{
    int found;
    pthread_mutex_lock(&kafka->ask_lock);
    int result = find_topic(kafka, name, *partitions, &found, err);
    if (result == 0)
        result = verify_topic(kafka, name, err);
    pthread_mutex_unlock(&kafka->ask_lock);
    if (result != 0)
        return -1;
    if (found > PARTITIONS_MAX)
        return error_set(err, ERROR_CONFIG, "has %d partitions; at most %d are possible", found,
                         PARTITIONS_MAX);
    *partitions = found;
    return 0;
}

/* ---- offsets ---- */

int kafka_ask_offsets(struct kafka *kafka, const char *name, int partition,
                      struct broker_offsets *out, struct error *err)
{
    pthread_mutex_lock(&kafka->ask_lock);
    int result = kafka_admin_offsets(&kafka->ask, name, partition, out, err);
    pthread_mutex_unlock(&kafka->ask_lock);
    return result;
}

/* Leaders move, and a new topic's are not known everywhere at once. */
static bool is_worth_another_try(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION ||
           code == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE ||
           code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
           code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION || code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC;
}

static rd_kafka_resp_err_t try_times(struct kafka *kafka, rd_kafka_topic_partition_list_t *list,
                                     int timeout_ms)
{
    rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(kafka->ask.rk, list, timeout_ms);
    for (int i = 0; code == RD_KAFKA_RESP_ERR_NO_ERROR && i < list->cnt; i++)
        code = list->elems[i].err;
    return code;
}

/* The protocol knows -1 and -2 as times. */
static int ask_times(struct kafka *kafka, rd_kafka_topic_partition_list_t *list, struct error *err)
{
    int64_t deadline_ns = deadline_of(kafka);
    rd_kafka_topic_partition_list_t *asked = rd_kafka_topic_partition_list_copy(list);
    rd_kafka_resp_err_t code = try_times(kafka, list, left_ms(deadline_ns));
    while (is_worth_another_try(code) && clock_monotonic_ns() < deadline_ns) {
        clock_sleep_ns(look_again_ns);
        for (int i = 0; i < list->cnt; i++)
            list->elems[i].offset = asked->elems[i].offset;
        code = try_times(kafka, list, left_ms(deadline_ns));
    }
    rd_kafka_topic_partition_list_destroy(asked);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        return kafka_client_fail(&kafka->ask, code, err, "can't find the offsets to begin with");
    return 0;
}

int kafka_ask_times(struct kafka *kafka, rd_kafka_topic_partition_list_t *list, struct error *err)
{
    rd_kafka_topic_partition_list_t *ends = rd_kafka_topic_partition_list_copy(list);
    for (int i = 0; i < ends->cnt; i++)
        ends->elems[i].offset = RD_KAFKA_OFFSET_END;
    pthread_mutex_lock(&kafka->ask_lock);
    int result = ask_times(kafka, list, err);
    if (result == 0)
        result = ask_times(kafka, ends, err);
    pthread_mutex_unlock(&kafka->ask_lock);
    for (int i = 0; result == 0 && i < list->cnt; i++)
        if (list->elems[i].offset < 0)
            list->elems[i].offset = ends->elems[i].offset;
    rd_kafka_topic_partition_list_destroy(ends);
    return result;
}

/* ---- positions ---- */

/* A consumer that never joins may read a group's positions. */
static int open_as_group(struct kafka_client *client, struct kafka *kafka, const char *group,
                         struct error *err)
{
    char full_group[KAFKA_NAME_MAX + 1];
    kafka_full_name(kafka->config, group, full_group);
    const struct kafka_property own[] = {{"group.id", full_group}, {NULL, NULL}};
    rd_kafka_conf_t *conf;
    if (kafka_conf_new(&conf, kafka->config, own, err) != 0)
        return -1;
    return kafka_client_open(client, RD_KAFKA_CONSUMER, conf, kafka->config, err);
}

static int refresh_committed(struct kafka *kafka, const char *group, int topic, struct error *err)
{
    struct kafka_client client = {0};
    char full_name[KAFKA_NAME_MAX + 1];
    if (open_as_group(&client, kafka, group, err) != 0)
        return -1;
    const struct topic *found = topics_get(&kafka->base.topics, topic);
    kafka_full_name(kafka->config, found->name, full_name);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(found->partitions);
    rd_kafka_topic_partition_list_add_range(list, full_name, 0, found->partitions - 1);
    rd_kafka_resp_err_t code =
        rd_kafka_committed(client.rk, list, kafka_client_timeout_ms(&client));
    for (int i = 0; i < list->cnt; i++)
        kafka->committed[i] = list->elems[i].offset >= 0 ? list->elems[i].offset : -1;
    rd_kafka_topic_partition_list_destroy(list);
    int result = 0;
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        result = kafka_client_fail(&client, code, err, "group \"%s\"", group);
    kafka_client_close(&client);
    return result;
}

static bool is_fresh(const struct kafka *kafka, const char *group, int topic)
{
    return kafka->committed_at_ns != 0 && kafka->committed_topic == topic &&
           strcmp(kafka->committed_group, group) == 0 &&
           clock_monotonic_ns() - kafka->committed_at_ns < committed_age_ns;
}

int64_t kafka_ask_committed(struct kafka *kafka, const char *group, int topic, int partition)
{
    struct error err;
    int64_t committed = -1;
    if (strlen(group) > GROUP_NAME_MAX)
        return -1;
    pthread_mutex_lock(&kafka->ask_lock);
    if (!is_fresh(kafka, group, topic)) {
        kafka->committed_at_ns = 0;
        if (refresh_committed(kafka, group, topic, &err) == 0) {
            kafka->committed_at_ns = clock_monotonic_ns();
            kafka->committed_topic = topic;
            memcpy(kafka->committed_group, group, strlen(group) + 1);
        } else {
            log_error("kafka", "a group's positions can't be read", &err);
        }
    }
    if (kafka->committed_at_ns != 0)
        committed = kafka->committed[partition];
    pthread_mutex_unlock(&kafka->ask_lock);
    return committed;
}
