/* SPDX-License-Identifier: Apache-2.0 */
/* Topics by name, here, upstream and in the journal. The journal's list is also
 * the memory of what there is upstream, for a start without it. There, a topic
 * of dead letters has another ending: under its own name it would lie in the
 * log from which the oldest go. */
#include <stdio.h>
#include <string.h>

#include "base/must.h"
#include "broker/spool/parts.h"

#define DEAD_SUFFIX ".dead-letters"
#define DEAD_SUFFIX_INSIDE ".dead_letters"

/* Both are of one length. */
static bool swap_suffix(char name[TOPIC_NAME_MAX + 1], const char *from, const char *to)
{
    size_t len = strlen(name);
    size_t suffix = strlen(from);
    if (len < suffix || strcmp(name + len - suffix, from) != 0)
        return false;
    memcpy(name + len - suffix, to, suffix);
    return true;
}

static void copy_name(char out[TOPIC_NAME_MAX + 1], const char *name)
{
    size_t len = strlen(name);
    must(len <= TOPIC_NAME_MAX);
    memcpy(out, name, len + 1);
}

int spool_learn_topics(struct spool *spool, struct error *err)
{
    for (int i = 0; i < TOPICS_MAX; i++) {
        atomic_store(&spool->upstream_topics[i], -1);
        atomic_store(&spool->topics_of_journal[i], -1);
    }
    return broker_topic(spool->journal, SPOOL_REFUSED_TOPIC, 1, err) < 0 ? -1 : 0;
}

/* The upstream's number of a topic; -1 when it can't be asked now and the topic
 * is known from before. -2: an error. */
static int ask_upstream(struct spool *spool, const struct topic *topic, bool is_known,
                        struct error *err)
{
    struct error cause = {0};
    if (is_known && spool->is_unreachable) /* one question without answer is enough */
        return -1;
    int number = broker_topic(spool->upstream, topic->name, topic->partitions, &cause);
    if (number >= 0)
        return number;
    if (is_known && cause.is_transient) {
        spool->is_unreachable = true;
        spool_go_away(spool, cause.text);
        return -1;
    }
    /* The front says which topic once more. */
    const char *rest = strstr(cause.text, "\": ");
    error_set(err, cause.kind, "%s", rest != NULL ? rest + strlen("\": ") : cause.text);
    if (err != NULL)
        err->is_transient = cause.is_transient;
    return -2;
}

/* So that retention waits for a new one from its first record on. */
static int register_topic(struct spool *spool, int journal_topic, struct error *err)
{
    const struct consumer_options options = {.group = SPOOL_GROUP,
                                             .topics = &journal_topic,
                                             .topic_count = 1,
                                             .start = CONSUMER_FROM_COMMITTED};
    struct consumer *consumer;
    if (consumer_open(&consumer, spool->journal, &options, err) != 0)
        return -1;
    consumer_close(consumer);
    return 0;
}

int spool_add_topic(struct broker *broker, int number, struct error *err)
{
    struct spool *spool = as_spool(broker);
    struct topic *topic = &broker->topics.items[number];
    char name[TOPIC_NAME_MAX + 1];
    copy_name(name, topic->name);
    if (swap_suffix(name, DEAD_SUFFIX_INSIDE, DEAD_SUFFIX_INSIDE))
        return error_set(err, ERROR_CONFIG, "a name that ends in %s is the spool's own",
                         DEAD_SUFFIX_INSIDE);
    swap_suffix(name, DEAD_SUFFIX, DEAD_SUFFIX_INSIDE);
    int known = broker_find_topic(spool->journal, name);
    int upstream = ask_upstream(spool, topic, known >= 0, err);
    if (upstream == -2)
        return -1;
    if (upstream >= 0)
        topic->partitions = broker_partitions(spool->upstream, upstream);
    else
        topic->partitions = broker_partitions(spool->journal, known);
    int inside = broker_topic(spool->journal, name, topic->partitions, err);
    if (inside < 0)
        return error_prefix(err, "spool");
    if (known < 0 && register_topic(spool, inside, err) != 0)
        return error_prefix(err, "spool");
    spool->journal_topics[number] = inside;
    atomic_store(&spool->upstream_topics[number], upstream);
    atomic_store(&spool->topics_of_journal[inside], number);
    return 0;
}

int spool_resolve_topic(struct spool *spool, int journal_topic, struct error *err)
{
    char name[TOPIC_NAME_MAX + 1];
    copy_name(name, broker_topic_name(spool->journal, journal_topic));
    swap_suffix(name, DEAD_SUFFIX_INSIDE, DEAD_SUFFIX);
    int number =
        broker_topic(spool->upstream, name, broker_partitions(spool->journal, journal_topic), err);
    int here = atomic_load(&spool->topics_of_journal[journal_topic]);
    if (number >= 0 && here >= 0)
        atomic_store(&spool->upstream_topics[here], number);
    return number;
}
