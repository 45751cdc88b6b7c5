/* SPDX-License-Identifier: Apache-2.0 */
#include "vehicle/topics.h"

static const struct setting settings[] = {
    {"ingest", SETTING_LIST, offsetof(struct topics_config, ingest), "",
     .help = "Ingest topics other than the dialects' own, as dialect=topic (obu=gpscoords). "
             "Category topics and dead letters are named after them."},
};

const struct config_module topics_module = {
    .name = "topics",
    .help = "Names of topics.",
    .settings = settings,
    .setting_count = SETTING_COUNT(settings),
    .size = sizeof(struct topics_config),
};

/* "dialect=topic" cut in two; false without '='. */
static bool cut(const char *entry, struct bytes *dialect, struct bytes *topic)
{
    const char *equals = strchr(entry, '=');
    if (equals == NULL)
        return false;
    *dialect = bytes_trim(bytes_of(entry, (size_t)(equals - entry)));
    *topic = bytes_trim(bytes_from_text(equals + 1));
    return true;
}

static bool is_topic_name(struct bytes name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool is_allowed =
            (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
        if (!is_allowed)
            return false;
    }
    return name.len >= 1 && name.len <= 40; /* room for ".<category>" */
}

static int check_entry(const struct topics_config *config, size_t i, struct error *err)
{
    const char *entry = config->ingest.items[i];
    struct bytes name, topic, other, other_topic;
    if (!cut(entry, &name, &topic))
        return error_set(err, ERROR_CONFIG, "topics.ingest: \"%s\": wanted dialect=topic", entry);
    if (dialect_by_name(name) == NULL)
        return error_set(err, ERROR_CONFIG, "topics.ingest: \"%s\": no such dialect", entry);
    if (!is_topic_name(topic))
        return error_set(err, ERROR_CONFIG,
                         "topics.ingest: \"%s\": a topic is 1-40 characters of a-z 0-9 . _ -",
                         entry);
    for (size_t j = 0; j < i; j++)
        if (cut(config->ingest.items[j], &other, &other_topic) && bytes_equal(name, other))
            return error_set(err, ERROR_CONFIG, "topics.ingest: \"%s\": named twice", entry);
    return 0;
}

int topics_check(const struct topics_config *config, struct error *err)
{
    for (size_t i = 0; i < config->ingest.count; i++)
        if (check_entry(config, i, err) != 0)
            return -1;
    return 0;
}

struct bytes topics_of_dialect(const struct topics_config *config, const struct dialect *dialect)
{
    struct bytes name, topic;
    for (size_t i = 0; i < config->ingest.count; i++)
        if (cut(config->ingest.items[i], &name, &topic) && bytes_equal_text(name, dialect->name))
            return topic;
    return bytes_from_text(dialect->ingest_topic);
}

static bool is_listed(const struct bytes *topics, size_t count, struct bytes topic)
{
    for (size_t i = 0; i < count; i++)
        if (bytes_equal(topics[i], topic))
            return true;
    return false;
}

size_t topics_ingest(const struct topics_config *config, struct bytes out[TOPICS_INGEST_MAX])
{
    size_t count = 0;
    for (size_t i = 0; dialect_registry[i] != NULL && count < TOPICS_INGEST_MAX; i++) {
        struct bytes topic = topics_of_dialect(config, dialect_registry[i]);
        if (!is_listed(out, count, topic))
            out[count++] = topic;
    }
    return count;
}
