/* SPDX-License-Identifier: Apache-2.0 */
#include "tool/topics.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "broker/config.h"
#include "broker/kafka/admin.h"
#include "broker/readonly.h"
#include "simulate/arguments.h"
#include "tool/lag.h"
#include "tool/modules.h"
#include "tool/options.h"
#include "tool/output.h"
#include "tool/topic_plan.h"
#include "tool/topics_grow.h"

static struct {
    bool is_json, is_agreed;
    const char *topic, *group, *timeout, *quiet;
} given;

/* clang-format off: one line each reads better */
static const struct option topics_options[] = {
    {"topic", 0, "TOPIC", "only this one", .text = &given.topic},
    {"group", 0, "GROUP", "lag: only this one", .text = &given.group},
    {"partitions", 0, "N", "create, verify: how many there should be; grow: to how many",
     .setting = "kafka.topic.partitions"},
    {"replication", 0, "N", "copies of each record: 1 in development, 3 in production",
     .setting = "kafka.topic.replication"},
    {"yes", 'y', NULL, "grow: do it", .flag = &given.is_agreed},
    {"timeout", 0, "TIME", "grow: wait at most so long until all is read (10m)",
     .text = &given.timeout},
    {"quiet-for", 0, "TIME", "grow: no record may have come for so long (5s)",
     .text = &given.quiet},
    {"json", 0, NULL, "a line of JSON each", .flag = &given.is_json},
};
/* clang-format on */

static const struct command command = {
    .name = "topics",
    .arguments = "create|describe|verify|lag|grow",
    .help = "The topics of Apache Kafka that this configuration uses: ingest topics, those of\n"
            "the categories in the rules, dead letters. What they should be like stands in the\n"
            "section kafka, topic.*.\n"
            "  create    makes those that are missing\n"
            "  describe  partitions, copies, settings and records of each\n"
            "  verify    says what differs from the configuration; exit code 1 if anything does\n"
            "  lag       how many records each consumer group has still to read\n"
            "  grow      more partitions, once everything is read\n"
            "Over the journal there is nothing to create or to grow: describe and lag work, also\n"
            "while another process writes it.\n\n"
            "Examples:\n"
            "  motorcade topics create -c motorcade.yaml --replication 1\n"
            "  motorcade topics verify -c motorcade.yaml && motorcade gateway -c motorcade.yaml\n"
            "  motorcade topics lag -c motorcade.yaml --group gps\n"
            "  motorcade topics grow -c motorcade.yaml --partitions 24 --yes",
    .options = topics_options,
    .option_count = sizeof topics_options / sizeof topics_options[0],
    .takes_config = true,
    .arguments_min = 1,
    .arguments_max = 1,
};

/* What an action works on. */
struct work {
    const struct config *config;
    const struct broker_config *broker_config;
    struct topic_plan plan;
    struct kafka_client client; /* of Kafka … */
    struct broker *journal;     /* … or this */
    struct buf out;
};

static bool is_wanted(const struct work *work, size_t i)
{
    return given.topic == NULL || strcmp(given.topic, work->plan.list.names[i]) == 0;
}

/* ---- create ---- */

static int create(struct work *work, struct error *err)
{
    for (size_t i = 0; i < work->plan.list.count; i++) {
        const char *name = work->plan.list.names[i];
        struct error cause = {0};
        if (!is_wanted(work, i))
            continue;
        bool is_made =
            kafka_admin_create(&work->client, name,
                               (int)work->broker_config->kafka->topic.partitions, &cause) == 0;
        if (!is_made && cause.kind != ERROR_BUSY) {
            *err = cause;
            return -1;
        }
        if (given.is_json)
            buf_printf(&work->out, "{\"topic\":\"%s\",\"created\":%s}\n", name,
                       is_made ? "true" : "false");
        else
            buf_printf(&work->out, "%s: %s\n", name,
                       is_made ? "created" : "is there already (see topics verify)");
    }
    return 0;
}

/* ---- describe ---- */

static void put_duration(struct buf *out, const char *ms)
{
    char text[TEXT_UNIT_MAX];
    int64_t value;
    if (text_to_i64(bytes_from_text(ms), &value) && value >= 0 && value <= INT64_MAX / NS_PER_MS)
        buf_append(out, text, text_from_duration_ns(text, value * NS_PER_MS));
    else
        buf_append_text(out, strcmp(ms, "-1") == 0 ? "for ever" : ms);
}

static void put_size(struct buf *out, const char *bytes)
{
    char text[TEXT_UNIT_MAX];
    int64_t value;
    if (text_to_i64(bytes_from_text(bytes), &value) && value >= 0)
        buf_append(out, text, text_from_size_bytes(text, value));
    else
        buf_append_text(out, bytes);
}

static void put_state(struct buf *out, const char *name, const struct kafka_topic_state *state,
                      int64_t records)
{
    buf_printf(out, "%s: ", name);
    if (!state->exists) {
        buf_append_text(out, "missing\n");
        return;
    }
    buf_printf(out, "%d partitions, %d %s (min.insync %s), kept for ", state->partitions,
               state->replicas, state->replicas == 1 ? "copy" : "copies",
               state->min_insync_replicas);
    put_duration(out, state->retention_ms);
    buf_printf(out, ", compression %s, batches up to ", state->compression);
    put_size(out, state->max_message_bytes);
    buf_printf(out, ", up to %" PRId64 " records\n", records);
}

static void put_state_json(struct buf *out, const char *name, const struct kafka_topic_state *state,
                           int64_t records)
{
    buf_printf(out, "{\"topic\":\"%s\",\"exists\":%s", name, state->exists ? "true" : "false");
    if (state->exists)
        buf_printf(out,
                   ",\"partitions\":%d,\"replication\":%d,\"min_insync_replicas\":\"%s\","
                   "\"retention_ms\":\"%s\",\"compression\":\"%s\",\"max_message_bytes\":\"%s\","
                   "\"cleanup_policy\":\"%s\",\"records\":%" PRId64,
                   state->partitions, state->replicas, state->min_insync_replicas,
                   state->retention_ms, state->compression, state->max_message_bytes,
                   state->cleanup_policy, records);
    buf_append_text(out, "}\n");
}

static int count_records(struct work *work, const char *name, int partitions, int64_t *records,
                         struct error *err)
{
    *records = 0;
    for (int p = 0; p < partitions; p++) {
        struct broker_offsets offsets;
        if (kafka_admin_offsets(&work->client, name, p, &offsets, err) != 0)
            return -1;
        *records += offsets.end - offsets.earliest;
    }
    return 0;
}

static int describe(struct work *work, struct error *err)
{
    for (size_t i = 0; i < work->plan.list.count; i++) {
        const char *name = work->plan.list.names[i];
        struct kafka_topic_state state;
        int64_t records;
        if (!is_wanted(work, i))
            continue;
        if (kafka_admin_describe(&work->client, name, &state, err) != 0 ||
            count_records(work, name, state.partitions, &records, err) != 0)
            return -1;
        (given.is_json ? put_state_json : put_state)(&work->out, name, &state, records);
    }
    return 0;
}

static int describe_journal(struct work *work, struct error *err)
{
    (void)err;
    for (int t = 0; t < broker_topic_count(work->journal); t++) {
        const char *name = broker_topic_name(work->journal, t);
        int partitions = broker_partitions(work->journal, t);
        int64_t records = 0;
        struct broker_offsets offsets;
        if (given.topic != NULL && strcmp(given.topic, name) != 0)
            continue;
        for (int p = 0; p < partitions; p++)
            if (broker_offsets(work->journal, t, p, &offsets, NULL) == 0)
                records += offsets.end - offsets.earliest;
        buf_printf(&work->out,
                   given.is_json
                       ? "{\"topic\":\"%s\",\"exists\":true,\"partitions\":%d,\"records\":%" PRId64
                         "}\n"
                       : "%s: %d partitions, up to %" PRId64 " records\n",
                   name, partitions, records);
    }
    return 0;
}

/* ---- verify ---- */

static void put_difference(struct buf *out, const char *name,
                           const struct kafka_difference *difference)
{
    const char *fix = strcmp(difference->setting, "topic") == 0
                          ? " (motorcade topics create makes it)"
                      : strcmp(difference->setting, "partitions") == 0 ? " (motorcade topics grow)"
                                                                       : "";
    if (given.is_json)
        buf_printf(out,
                   "{\"topic\":\"%s\",\"setting\":\"%s\",\"expected\":\"%s\",\"found\":\"%s\","
                   "\"fatal\":%s}\n",
                   name, difference->setting, difference->expected, difference->found,
                   difference->is_fatal ? "true" : "false");
    else
        buf_printf(out, "%s: %s: expected %s, found %s%s\n", name, difference->setting,
                   difference->expected, difference->found, fix);
}

static int verify(struct work *work, struct error *err)
{
    size_t total = 0, topics = 0;
    for (size_t i = 0; i < work->plan.list.count; i++) {
        struct kafka_topic_state state;
        struct kafka_difference differences[KAFKA_DIFFERENCES_MAX];
        if (!is_wanted(work, i))
            continue;
        if (kafka_admin_describe(&work->client, work->plan.list.names[i], &state, err) != 0)
            return -1;
        size_t count = kafka_topic_compare(
            work->broker_config->kafka, work->broker_config->record_bytes_max, &state, differences);
        for (size_t d = 0; d < count; d++)
            put_difference(&work->out, work->plan.list.names[i], &differences[d]);
        total += count;
        topics++;
    }
    if (total > 0)
        return error_set(err, ERROR_REMOTE, "%zu %s from the configuration, in %zu topics", total,
                         total == 1 ? "difference" : "differences", topics);
    if (!given.is_json)
        buf_printf(&work->out, "%zu topics are as configured\n", topics);
    return 0;
}

/* ---- lag ---- */

static int put_lag(struct work *work, struct lag_table *table, int result)
{
    if (result == 0)
        (given.is_json ? lag_put_json : lag_put_text)(table, &work->out);
    lag_table_deinit(table);
    return result;
}

static int lag(struct work *work, struct error *err)
{
    struct lag_table table;
    int result = lag_read_kafka(&table, &work->client, given.group, err);
    return put_lag(work, &table, result);
}

static int lag_journal(struct work *work, struct error *err)
{
    struct lag_table table;
    int result = lag_read_journal(&table, work->journal, given.group, err);
    return put_lag(work, &table, result);
}

/* ---- grow ---- */

static int grow(struct work *work, struct error *err)
{
    struct grow_options options = {.topic = given.topic,
                                   .is_agreed = given.is_agreed,
                                   .timeout_ns = 600 * NS_PER_S,
                                   .quiet_ns = 5 * NS_PER_S};
    if (argument_duration("timeout", given.timeout, &options.timeout_ns, err) != 0 ||
        argument_duration("quiet-for", given.quiet, &options.quiet_ns, err) != 0)
        return -1;
    return topics_grow(&work->client, &work->plan, &options, err);
}

/* ---- the tool ---- */

static const struct action {
    const char *name;
    int (*kafka)(struct work *work, struct error *err);
    int (*journal)(struct work *work, struct error *err);
} actions[] = {
    {"create", create, NULL}, {"describe", describe, describe_journal},
    {"verify", verify, NULL}, {"lag", lag, lag_journal},
    {"grow", grow, NULL},
};

static const struct action *find_action(const char *name, struct error *err)
{
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++)
        if (strcmp(actions[i].name, name) == 0)
            return &actions[i];
    error_set(err, ERROR_USAGE, "\"%s\": expected create, describe, verify, lag or grow", name);
    return NULL;
}

static int check_topic(const struct work *work, struct error *err)
{
    for (size_t i = 0; i < work->plan.list.count; i++)
        if (is_wanted(work, i))
            return 0;
    return error_set(err, ERROR_USAGE, "--topic %.100s: no topic of this configuration",
                     given.topic);
}

static int act_on_kafka(struct work *work, const struct action *action, struct error *err)
{
    if (topic_plan_make(&work->plan, work->config, err) != 0 || check_topic(work, err) != 0)
        return -1;
    int result = kafka_client_open_plain(&work->client, work->broker_config->kafka, err);
    if (result == 0)
        result = action->kafka(work, err);
    kafka_client_close(&work->client);
    return result;
}

static int act_on_journal(struct work *work, const struct action *action, struct error *err)
{
    if (action->journal == NULL)
        return error_set(err, ERROR_CONFIG,
                         "topics %s is for Apache Kafka, and broker.kind is not kafka: a journal "
                         "makes its topics by itself, with broker.partitions each, and they stay",
                         action->name);
    if (broker_open_readonly(&work->journal, work->broker_config->data_dir, err) != 0)
        return -1;
    int result = action->journal(work, err);
    broker_close(work->journal);
    return result;
}

static int act(const struct action *action, const struct config *config, struct error *err)
{
    struct work work = {.config = config};
    const struct broker_config broker_config = broker_settings(config);
    work.broker_config = &broker_config;
    buf_init(&work.out, 0);
    int result = broker_config.kind == BROKER_KAFKA ? act_on_kafka(&work, action, err)
                                                    : act_on_journal(&work, action, err);
    int code = output_take(&work.out);
    if (result != 0)
        code = output_error(command.name, err);
    topic_plan_deinit(&work.plan);
    return code;
}

int topics_tool(int argc, char **argv)
{
    struct options options;
    struct config *config = NULL;
    struct error err = {0};
    int code;
    memset(&given, 0, sizeof given);
    if (!options_begin(&options, &command, argc, argv, &code))
        return code;
    const struct action *action = find_action(options.arguments[0], &err);
    if (action == NULL || options_load(&options, &config, &err) != 0)
        code = output_error(command.name, &err);
    else
        code = act(action, config, &err);
    config_unref(config);
    options_deinit(&options);
    return code;
}
