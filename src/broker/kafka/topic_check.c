/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/kafka/topic_check.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

static int64_t min_insync(const struct kafka_config *config)
{
    int64_t copies = config->topic.replication;
    return config->topic.min_insync_replicas < copies ? config->topic.min_insync_replicas : copies;
}

static void set_number(char out[KAFKA_VALUE_MAX], int64_t value)
{
    snprintf(out, KAFKA_VALUE_MAX, "%" PRId64, value);
}

void kafka_topic_settings(const struct kafka_config *config,
                          struct kafka_topic_setting out[KAFKA_DIFFERENCES_MAX])
{
    size_t i = 0;
    out[i].name = "min.insync.replicas";
    set_number(out[i++].value, min_insync(config));
    out[i].name = "retention.ms";
    set_number(out[i++].value, config->topic.retention_ns / NS_PER_MS);
    out[i].name = "compression.type";
    snprintf(out[i++].value, KAFKA_VALUE_MAX, "%s",
             kafka_topic_compressions[config->topic.compression]);
    out[i].name = "max.message.bytes";
    set_number(out[i++].value, config->topic.max_message_bytes);
    out[i].name = "cleanup.policy";
    snprintf(out[i++].value, KAFKA_VALUE_MAX, "delete");
    out[i].name = NULL;
}

static const char *found_value(const struct kafka_topic_state *state, const char *name)
{
    const struct {
        const char *name, *value;
    } found[] = {
        {"min.insync.replicas", state->min_insync_replicas},
        {"retention.ms", state->retention_ms},
        {"compression.type", state->compression},
        {"max.message.bytes", state->max_message_bytes},
        {"cleanup.policy", state->cleanup_policy},
    };
    for (size_t i = 0; i < sizeof found / sizeof found[0]; i++)
        if (strcmp(found[i].name, name) == 0)
            return found[i].value;
    return "";
}

static bool is_enough(const char *found, const char *expected)
{
    int64_t have, want;
    return text_to_i64(bytes_from_text(found), &have) &&
           text_to_i64(bytes_from_text(expected), &want) && have >= want;
}

static bool is_as_expected(const struct kafka_topic_setting *setting, const char *found)
{
    bool may_be_more = strcmp(setting->name, "min.insync.replicas") == 0 ||
                       strcmp(setting->name, "max.message.bytes") == 0;
    return strcmp(found, setting->value) == 0 || (may_be_more && is_enough(found, setting->value));
}

/* Of all values only one can break the promise: a topic that does not take what a
 * gateway has accepted. */
static bool is_fatal(const char *setting, const char *found, int64_t record_bytes_max)
{
    int64_t bytes;
    return strcmp(setting, "max.message.bytes") == 0 &&
           text_to_i64(bytes_from_text(found), &bytes) && bytes < record_bytes_max;
}

static void add_count(struct kafka_difference *out, size_t *count, const char *setting,
                      int64_t expected, int64_t found)
{
    if (found >= expected)
        return;
    struct kafka_difference *difference = &out[(*count)++];
    *difference = (struct kafka_difference){.setting = setting};
    set_number(difference->expected, expected);
    set_number(difference->found, found);
}

size_t kafka_topic_compare(const struct kafka_config *config, int64_t record_bytes_max,
                           const struct kafka_topic_state *state,
                           struct kafka_difference out[KAFKA_DIFFERENCES_MAX])
{
    size_t count = 0;
    if (!state->exists) {
        out[0] = (struct kafka_difference){
            .setting = "topic", .expected = "exists", .found = "missing", .is_fatal = true};
        return 1;
    }
    add_count(out, &count, "partitions", config->topic.partitions, state->partitions);
    add_count(out, &count, "replication.factor", config->topic.replication, state->replicas);
    struct kafka_topic_setting settings[KAFKA_DIFFERENCES_MAX];
    kafka_topic_settings(config, settings);
    for (size_t i = 0; settings[i].name != NULL; i++) {
        const char *found = found_value(state, settings[i].name);
        if (found[0] == '\0' || is_as_expected(&settings[i], found))
            continue;
        out[count] = (struct kafka_difference){
            .setting = settings[i].name,
            .is_fatal = is_fatal(settings[i].name, found, record_bytes_max)};
        snprintf(out[count].expected, KAFKA_VALUE_MAX, "%s", settings[i].value);
        snprintf(out[count++].found, KAFKA_VALUE_MAX, "%s", found);
    }
    return count;
}
