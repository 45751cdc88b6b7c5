/* SPDX-License-Identifier: Apache-2.0 */
/* Consuming.
 *
 * librdkafka puts records of all kinds of partitions and its own events (who
 * gets which partition, commits, errors) into one queue by default, and a batch
 * call on that queue may return records of partitions that were taken away in
 * the middle of it (before 2.1). Here the two are apart: records of all
 * partitions are forwarded to the queue `records`, which holds nothing else and
 * is read in batches, and the consumer's own queue is served before, on the same
 * thread. Partitions therefore change hands only inside serve(). What is still
 * in `records` from before carries an old version, which librdkafka drops when
 * it is taken out; what slips through is dropped by its partition's cursor (not
 * owned, or below the next offset: versions before 2.1.1 can deliver a record
 * twice).
 *
 * On a revocation the owner settles and commits (on_revoke), the positions are
 * sent and waited for, then the partitions are given up. When they are *lost*
 * they have another owner already: nothing is committed.
 *
 * Positions are sent by one commit at a time; what is committed meanwhile goes
 * with the next. A consumer without group is assigned all partitions by hand. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "broker/kafka/consumer.h"
#include "broker/kafka/stats.h"
#include "observe/log.h"
#include "observe/metrics.h"

static const int64_t close_timeout_ns = 10 * NS_PER_S;
static const int64_t join_timeout_ns = 5 * NS_PER_S;
static const int64_t seek_timeout_ns = 100 * NS_PER_MS;

/* ---- opening ---- */

static bool is_left_out(const struct consumer_options *options, int topic, int partition)
{
    for (size_t i = 0; i < options->only_count; i++)
        if (options->only[i].topic == topic && options->only[i].partition == partition)
            return false;
    return options->only_count > 0;
}

static int make_cursors(struct kafka_consumer *consumer, const struct consumer_options *options,
                        struct error *err)
{
    consumer->topics = calloc(options->topic_count, sizeof *consumer->topics);
    if (consumer->topics == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a consumer");
    for (size_t i = 0; i < options->topic_count; i++) {
        if (kafka_cursor(consumer, options->topics[i], 0) != NULL)
            continue;
        struct topic_cursors *topic = &consumer->topics[consumer->topic_count];
        const struct topic *found = topics_get(&consumer->kafka->base.topics, options->topics[i]);
        topic->topic = options->topics[i];
        topic->partitions = found->partitions;
        kafka_full_name(consumer->config, found->name, topic->name);
        topic->cursors = calloc(PARTITIONS_MAX, sizeof *topic->cursors);
        if (topic->cursors == NULL)
            return error_set(err, ERROR_MEMORY, "no memory for a consumer");
        consumer->topic_count++;
        for (int p = 0; p < PARTITIONS_MAX; p++) {
            struct cursor *cursor = &topic->cursors[p];
            cursor->next = cursor->committed = cursor->sent = cursor->acked = -1;
            cursor->start = -1;
            cursor->end = -1;
            cursor->is_left_out = is_left_out(options, topic->topic, p);
        }
    }
    return 0;
}

/* ---- errors ---- */

/* Is it for the owner, or does librdkafka go on by itself? */
static bool ends_the_run(rd_kafka_resp_err_t code)
{
    switch ((int)code) {
    case RD_KAFKA_RESP_ERR__FATAL:
    case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL:
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
        return true;
    default:
        return false;
    }
}

static void take_error(struct kafka_consumer *consumer, rd_kafka_resp_err_t code,
                       const char *reason)
{
    if (ends_the_run(code) &&
        (consumer->group[0] != '\0' || code != RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED)) {
        kafka_fail(consumer->config, code, reason, &consumer->failure);
        return;
    }
    kafka_client_on_error(&consumer->client, code, reason);
}

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *context)
{
    char fatal[256];
    if (code == RD_KAFKA_RESP_ERR__FATAL) {
        code = rd_kafka_fatal_error(rk, fatal, sizeof fatal);
        struct kafka_consumer *consumer = context;
        kafka_fail(consumer->config, code, fatal, &consumer->failure);
        return;
    }
    take_error(context, code, reason);
}

static int on_statistics(rd_kafka_t *rk, char *json, size_t len, void *context)
{
    (void)rk;
    const struct kafka_consumer *consumer = context;
    char label[GROUP_NAME_MAX + 32];
    snprintf(label, sizeof label, "%s-%d",
             consumer->group[0] != '\0' ? consumer->group : "broadcast", consumer->slot);
    kafka_stats_take(label, json, len);
    return 0; /* librdkafka frees it */
}

/* ---- opening ---- */

/* librdkafka's threads call it, with a lock of the queue held. */
static void on_event(rd_kafka_t *rk, void *context)
{
    (void)rk;
    struct kafka_consumer *consumer = context;
    bell_ring(&consumer->bell);
    if (consumer->wake != NULL)
        consumer->wake(consumer->context);
}

/* With librdkafka's own fetch.min.bytes of 1 a broker answers each batch that any
 * producer appends, at once: under load that is most of what it does. Less than
 * a partition gives at once (fetch.message.max.bytes): work that has piled up
 * never waits. */
enum { FETCH_MIN_BYTES = 512 << 10 };

static int64_t fetch_wait_ms(const struct kafka_config *config, bool is_patient)
{
    int64_t wait_ns = config->consumer.fetch_wait_ns;
    if (wait_ns == 0)
        wait_ns = (is_patient || config->profile == KAFKA_PROFILE_THROUGHPUT ? 50 : 20) * NS_PER_MS;
    return wait_ns < NS_PER_MS ? 1 : wait_ns / NS_PER_MS;
}

static int connect_client(struct kafka_consumer *consumer, bool is_patient, struct error *err)
{
    const struct kafka_config *config = consumer->config;
    char fetch_bytes[32], fetch_wait[32];
    char group[KAFKA_NAME_MAX + 1], session[32], poll[32], records[32], kilobytes[32];
    kafka_full_name(config, consumer->group[0] != '\0' ? consumer->group : "broadcast", group);
    snprintf(session, sizeof session, "%" PRId64, config->consumer.session_timeout_ns / NS_PER_MS);
    snprintf(poll, sizeof poll, "%" PRId64, config->consumer.poll_interval_ns / NS_PER_MS);
    snprintf(fetch_bytes, sizeof fetch_bytes, "%d", FETCH_MIN_BYTES);
    snprintf(fetch_wait, sizeof fetch_wait, "%" PRId64, fetch_wait_ms(config, is_patient));
    snprintf(records, sizeof records, "%" PRId64, config->consumer.queue_records);
    snprintf(kilobytes, sizeof kilobytes, "%" PRId64, config->consumer.queue_bytes / 1024);
    char instance[KAFKA_NAME_MAX + 1] = "";
    if (consumer->group[0] != '\0' && config->consumer.group_instance_id[0] != '\0')
        snprintf(instance, sizeof instance, "%s-%d", config->consumer.group_instance_id,
                 consumer->slot);
    const struct kafka_property own[] = {
        {"group.id", group},
        {"partition.assignment.strategy", kafka_strategies[config->consumer.strategy]},
        {"session.timeout.ms", session},
        {"max.poll.interval.ms", poll},
        {"enable.auto.commit", "false"},
        {"enable.auto.offset.store", "false"},
        {"auto.offset.reset", "earliest"},
        {"fetch.min.bytes", fetch_bytes},
        {"fetch.wait.max.ms", fetch_wait},
        {"queued.min.messages", records},
        {"queued.max.messages.kbytes", kilobytes},
        {"statistics.interval.ms", "5000"},
        {"group.instance.id", instance},
        {NULL, NULL},
    };
    rd_kafka_conf_t *conf;
    if (kafka_conf_new(&conf, config, own, err) != 0)
        return -1;
    rd_kafka_conf_set_opaque(conf, consumer);
    rd_kafka_conf_set_rebalance_cb(conf, kafka_on_rebalance);
    rd_kafka_conf_set_offset_commit_cb(conf, kafka_on_commit);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_stats_cb(conf, on_statistics);
    if (kafka_client_open(&consumer->client, RD_KAFKA_CONSUMER, conf, config, err) != 0)
        return -1;
    rd_kafka_poll_set_consumer(consumer->client.rk);
    consumer->records = rd_kafka_queue_new(consumer->client.rk);
    consumer->events = rd_kafka_queue_get_consumer(consumer->client.rk);
    rd_kafka_queue_cb_event_enable(consumer->records, on_event, consumer);
    rd_kafka_queue_cb_event_enable(consumer->events, on_event, consumer);
    return 0;
}

/* Offsets for the starts that are not the earliest, and the ends. */
static int64_t wanted_time(const struct consumer_options *options)
{
    switch (options->start) {
    case CONSUMER_FROM_LATEST:
        return RD_KAFKA_OFFSET_END;
    case CONSUMER_FROM_TIME:
        return options->start_value / NS_PER_MS;
    case CONSUMER_FROM_COMMITTED:
    case CONSUMER_FROM_EARLIEST:
    case CONSUMER_FROM_OFFSET:
        break;
    }
    return RD_KAFKA_OFFSET_BEGINNING;
}

static int resolve_starts(struct kafka_consumer *consumer, const struct consumer_options *options,
                          struct error *err)
{
    rd_kafka_topic_partition_list_t *starts = kafka_all_partitions(consumer);
    rd_kafka_topic_partition_list_t *ends = rd_kafka_topic_partition_list_copy(starts);
    for (int i = 0; i < starts->cnt; i++) {
        starts->elems[i].offset = wanted_time(options);
        ends->elems[i].offset = RD_KAFKA_OFFSET_END;
    }
    int result = kafka_ask_times(consumer->kafka, starts, err);
    if (result == 0)
        result = kafka_ask_times(consumer->kafka, ends, err);
    for (int i = 0; result == 0 && i < starts->cnt; i++) {
        struct cursor *cursor = kafka_cursor_of(consumer, &starts->elems[i]);
        cursor->start =
            options->start == CONSUMER_FROM_OFFSET ? options->start_value : starts->elems[i].offset;
        cursor->end = ends->elems[i].offset;
    }
    rd_kafka_topic_partition_list_destroy(starts);
    rd_kafka_topic_partition_list_destroy(ends);
    return result;
}

/* The begin is the group's: written down where it has no position yet, before
 * anybody joins. Where others are members already it is not taken: then it
 * holds for this consumer. */
static int begin_group(struct kafka_consumer *consumer, struct error *err)
{
    rd_kafka_topic_partition_list_t *list = kafka_all_partitions(consumer);
    int timeout_ms = kafka_client_timeout_ms(&consumer->client);
    rd_kafka_resp_err_t code = rd_kafka_committed(consumer->client.rk, list, timeout_ms);
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        for (int i = list->cnt; i-- > 0;) {
            const struct cursor *cursor = kafka_cursor_of(consumer, &list->elems[i]);
            if (list->elems[i].offset >= 0)
                rd_kafka_topic_partition_list_del_by_idx(list, i);
            else
                list->elems[i].offset = cursor->start;
        }
        if (list->cnt > 0)
            rd_kafka_commit(consumer->client.rk, list, 0);
    }
    rd_kafka_topic_partition_list_destroy(list);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR
               ? 0
               : kafka_client_fail(&consumer->client, code, err, "group \"%s\"", consumer->group);
}

static int subscribe(struct kafka_consumer *consumer, struct error *err)
{
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new((int)consumer->topic_count);
    for (size_t i = 0; i < consumer->topic_count; i++)
        rd_kafka_topic_partition_list_add(list, consumer->topics[i].name, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t code = rd_kafka_subscribe(consumer->client.rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR
               ? 0
               : kafka_client_fail(&consumer->client, code, err, "group \"%s\"", consumer->group);
}

static int begin(struct kafka_consumer *consumer, const struct consumer_options *options,
                 struct error *err)
{
    if (options->group == NULL) {
        if (resolve_starts(consumer, options, err) != 0)
            return -1;
        for (size_t i = 0; i < consumer->topic_count; i++)
            for (int p = 0; p < consumer->topics[i].partitions; p++) {
                struct cursor *cursor = &consumer->topics[i].cursors[p];
                cursor->next = cursor->start;
                cursor->is_owned = !cursor->is_left_out;
            }
        return 0;
    }
    bool has_begin =
        options->start != CONSUMER_FROM_COMMITTED && options->start != CONSUMER_FROM_EARLIEST;
    if (has_begin &&
        (resolve_starts(consumer, options, err) != 0 || begin_group(consumer, err) != 0))
        return -1;
    return subscribe(consumer, err);
}

static void deallocate(struct kafka_consumer *consumer)
{
    if (consumer->records != NULL) {
        rd_kafka_queue_cb_event_enable(consumer->records, NULL, NULL);
        rd_kafka_queue_destroy(consumer->records);
    }
    if (consumer->events != NULL) {
        rd_kafka_queue_cb_event_enable(consumer->events, NULL, NULL);
        rd_kafka_queue_destroy(consumer->events);
    }
    kafka_client_close(&consumer->client);
    for (size_t i = 0; i < consumer->topic_count; i++)
        free(consumer->topics[i].cursors);
    free(consumer->topics);
    free(consumer->messages);
    free(consumer->out);
    bell_deinit(&consumer->bell);
    free(consumer);
}

static bool is_slot_taken(const struct kafka_consumer *consumer, int slot)
{
    struct list *all = &consumer->kafka->consumers;
    for (struct list *node = all->next; node != all; node = node->next) {
        const struct kafka_consumer *other = list_item(node, struct kafka_consumer, node);
        if (other->slot == slot && strcmp(other->group, consumer->group) == 0)
            return true;
    }
    return false;
}

/* The least free number of its group: the same after a restart, for static
 * membership. */
static void enlist(struct kafka_consumer *consumer)
{
    pthread_mutex_lock(&consumer->kafka->consumers_lock);
    while (is_slot_taken(consumer, consumer->slot))
        consumer->slot++;
    list_append(&consumer->kafka->consumers, &consumer->node);
    pthread_mutex_unlock(&consumer->kafka->consumers_lock);
}

static void delist(struct kafka_consumer *consumer)
{
    pthread_mutex_lock(&consumer->kafka->consumers_lock);
    list_remove(&consumer->node);
    pthread_mutex_unlock(&consumer->kafka->consumers_lock);
}

int kafka_consumer_open(struct consumer **out, struct broker *broker,
                        const struct consumer_options *options, struct error *err)
{
    size_t group_len = options->group != NULL ? strlen(options->group) : 0;
    if (options->group != NULL && (group_len == 0 || group_len > GROUP_NAME_MAX))
        return error_set(err, ERROR_CONFIG, "group name of %zu bytes: 1 to %d are allowed",
                         group_len, GROUP_NAME_MAX);
    struct kafka_consumer *consumer = calloc(1, sizeof *consumer);
    if (consumer == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a consumer");
    consumer->kafka = as_kafka(broker);
    consumer->config = consumer->kafka->config;
    memcpy(consumer->group, options->group != NULL ? options->group : "", group_len + 1);
    consumer->wake = options->wake;
    consumer->context = options->context;
    bell_init(&consumer->bell);
    enlist(consumer);
    if (make_cursors(consumer, options, err) != 0 ||
        connect_client(consumer, options->is_patient, err) != 0 ||
        begin(consumer, options, err) != 0) {
        delist(consumer);
        deallocate(consumer);
        return -1;
    }
    pthread_mutex_lock(&consumer->kafka->consumers_lock);
    consumer->is_open = true;
    pthread_mutex_unlock(&consumer->kafka->consumers_lock);
    *out = &consumer->base;
    return 0;
}

/* ---- fetching ---- */

/* Events of the consumer itself: no records come this way. */
static int serve(struct kafka_consumer *consumer, struct error *err)
{
    rd_kafka_message_t *message;
    while ((message = rd_kafka_consumer_poll(consumer->client.rk, 0)) != NULL) {
        take_error(consumer, message->err, rd_kafka_message_errstr(message));
        rd_kafka_message_destroy(message);
    }
    kafka_send_commits(consumer);
    if (consumer->failure.kind == ERROR_NONE)
        return 0;
    if (err != NULL)
        *err = consumer->failure;
    consumer->failure = (struct error){0};
    return -1;
}

/* Broadcast: tell librdkafka where to begin. Only once: a second assignment of
 * the same partitions would undo their forwarding at a moment of its own. */
static void assign_all(struct kafka_consumer *consumer)
{
    consumer->is_assigned = true;
    rd_kafka_topic_partition_list_t *list = kafka_all_partitions(consumer);
    for (int i = 0; i < list->cnt; i++) {
        list->elems[i].offset = kafka_cursor_of(consumer, &list->elems[i])->next;
        kafka_forward(consumer, &list->elems[i]);
    }
    rd_kafka_resp_err_t code = rd_kafka_assign(consumer->client.rk, list);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        kafka_fail(consumer->config, code, rd_kafka_err2str(code), &consumer->failure);
    rd_kafka_topic_partition_list_destroy(list);
}

/* A partition that is just being started can't seek yet: it stays marked. */
static void try_seek(struct kafka_consumer *consumer)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(4);
    for (size_t i = 0; i < consumer->topic_count; i++)
        for (int p = 0; p < PARTITIONS_MAX; p++) {
            const struct cursor *cursor = &consumer->topics[i].cursors[p];
            if (cursor->is_owned && cursor->must_seek)
                rd_kafka_topic_partition_list_add(list, consumer->topics[i].name, p)->offset =
                    cursor->next;
        }
    rd_kafka_error_t *error =
        rd_kafka_seek_partitions(consumer->client.rk, list, (int)(seek_timeout_ns / NS_PER_MS));
    consumer->must_seek = false;
    for (int i = 0; i < list->cnt; i++) {
        bool is_done = error == NULL && list->elems[i].err == RD_KAFKA_RESP_ERR_NO_ERROR;
        kafka_cursor_of(consumer, &list->elems[i])->must_seek = !is_done;
        consumer->must_seek = consumer->must_seek || !is_done;
    }
    if (error != NULL)
        rd_kafka_error_destroy(error);
    rd_kafka_topic_partition_list_destroy(list);
}

static int reserve(struct kafka_consumer *consumer, size_t max, struct error *err)
{
    if (consumer->cap >= max)
        return 0;
    rd_kafka_message_t **messages = realloc(consumer->messages, max * sizeof(rd_kafka_message_t *));
    if (messages != NULL)
        consumer->messages = messages;
    struct consumed *out = realloc(consumer->out, max * sizeof *out);
    if (out != NULL)
        consumer->out = out;
    if (messages == NULL || out == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for %zu records", max);
    consumer->cap = max;
    return 0;
}

static void release(struct kafka_consumer *consumer)
{
    for (size_t i = 0; i < consumer->message_count; i++)
        rd_kafka_message_destroy(consumer->messages[i]);
    consumer->message_count = 0;
}

static struct topic_cursors *topic_of(struct kafka_consumer *consumer,
                                      const rd_kafka_message_t *message)
{
    if (message->rkt != consumer->run_topic) {
        consumer->run_topic = message->rkt;
        consumer->run = kafka_cursors_by_name(consumer, rd_kafka_topic_name(message->rkt));
    }
    return consumer->run;
}

static void read_headers(const rd_kafka_message_t *message, struct record *record)
{
    rd_kafka_headers_t *headers;
    const char *name;
    const void *value;
    size_t len;
    if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    for (size_t i = 0;
         rd_kafka_header_get_all(headers, i, &name, &value, &len) == RD_KAFKA_RESP_ERR_NO_ERROR;
         i++) {
        if (strcmp(name, "mc") == 0)
            record->mc = bytes_of(value, len);
        else if (strcmp(name, "traceparent") == 0)
            record->traceparent = bytes_of(value, len);
    }
}

static void fill(struct consumed *out, const rd_kafka_message_t *message, int topic)
{
    rd_kafka_timestamp_type_t type;
    int64_t timestamp_ms = rd_kafka_message_timestamp(message, &type);
    *out = (struct consumed){
        .record = {.key = bytes_of(message->key, message->key_len),
                   .value = bytes_of(message->payload, message->len),
                   .timestamp_ns = timestamp_ms < 0 ? 0 : timestamp_ms * NS_PER_MS},
        .topic = topic,
        .partition = message->partition,
        .offset = message->offset,
    };
    read_headers(message, &out->record);
}

/* False: not for the owner. */
static bool take_message(struct kafka_consumer *consumer, const rd_kafka_message_t *message,
                         struct consumed *out)
{
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        take_error(consumer, message->err, rd_kafka_message_errstr(message));
        return false;
    }
    struct topic_cursors *topic = topic_of(consumer, message);
    if (topic == NULL || message->partition >= PARTITIONS_MAX)
        return false;
    struct cursor *cursor = &topic->cursors[message->partition];
    if (!atomic_load_explicit(&cursor->is_owned, memory_order_relaxed) || cursor->must_seek ||
        message->offset < atomic_load_explicit(&cursor->next, memory_order_relaxed))
        return false;
    atomic_store_explicit(&cursor->next, message->offset + 1, memory_order_relaxed);
    fill(out, message, topic->topic);
    return true;
}

static size_t gather(struct kafka_consumer *consumer, size_t max)
{
    ssize_t got = rd_kafka_consume_batch_queue(consumer->records, 0, consumer->messages, max);
    size_t count = 0;
    for (ssize_t i = 0; i < got; i++) {
        rd_kafka_message_t *message = consumer->messages[i];
        if (take_message(consumer, message, &consumer->out[count]))
            consumer->messages[count++] = message;
        else
            rd_kafka_message_destroy(message);
    }
    consumer->message_count = count;
    if (count > 0)
        kafka_client_on_success(&consumer->client);
    return count;
}

int kafka_fetch(struct consumer *base, struct consumed_batch *out, size_t max, int64_t timeout_ns,
                struct error *err)
{
    struct kafka_consumer *consumer = as_consumer(base);
    int64_t deadline_ns = clock_monotonic_ns() + timeout_ns;
    release(consumer);
    if (reserve(consumer, max, err) != 0)
        return -1;
    if (consumer->group[0] == '\0' && !consumer->is_assigned)
        assign_all(consumer);
    if (consumer->must_seek)
        try_seek(consumer);
    for (;;) {
        consumer->may_settle = true;
        int result = serve(consumer, err);
        consumer->may_settle = false;
        if (result != 0)
            return -1;
        size_t count = gather(consumer, max);
        int64_t left_ns = deadline_ns - clock_monotonic_ns();
        if (count > 0 || left_ns <= 0)
            break;
        if (consumer->must_seek && left_ns > seek_timeout_ns)
            left_ns = seek_timeout_ns;
        bell_wait(&consumer->bell, left_ns);
        if (consumer->must_seek)
            try_seek(consumer);
    }
    *out = (struct consumed_batch){consumer->out, consumer->message_count};
    return 0;
}

void kafka_idle(struct consumer *base)
{
    struct kafka_consumer *consumer = as_consumer(base);
    struct error err;
    if (consumer->may_settle) /* within on_revoke */
        return;
    if (serve(consumer, &err) != 0)
        consumer->failure = err; /* for the next fetch */
}

/* ---- positions ---- */

int kafka_seek(struct consumer *base, int topic, int partition, int64_t offset, struct error *err)
{
    struct kafka_consumer *consumer = as_consumer(base);
    struct cursor *cursor = kafka_cursor(consumer, topic, partition);
    if (cursor == NULL || !cursor->is_owned)
        return error_set(err, ERROR_NOT_FOUND, "topic %d partition %d is not this consumer's",
                         topic, partition);
    cursor->next = offset;
    cursor->must_seek = consumer->is_assigned;
    consumer->must_seek = consumer->must_seek || cursor->must_seek;
    return 0;
}

int64_t kafka_next_offset(struct consumer *base, int topic, int partition)
{
    const struct cursor *cursor = kafka_cursor(as_consumer(base), topic, partition);
    return cursor == NULL || !cursor->is_owned ? -1 : cursor->next;
}

/* ---- the end ---- */

/* Before 2.3.0 librdkafka aborts the process when a member of a cooperative
 * group is destroyed between joining and its first assignment: wait for that
 * one. False: it did not come, and the connection must not be destroyed. */
static bool is_safe_to_destroy(struct kafka_consumer *consumer)
{
    enum { MENDED_IN = 0x020300ff };
    bool is_sticky =
        strcmp(kafka_strategies[consumer->config->consumer.strategy], "cooperative-sticky") == 0;
    if (consumer->group[0] == '\0' || !is_sticky || rd_kafka_version() >= MENDED_IN)
        return true;
    int64_t deadline_ns = clock_monotonic_ns() + join_timeout_ns;
    struct error err;
    while (!consumer->is_assigned && clock_monotonic_ns() < deadline_ns) {
        if (serve(consumer, &err) != 0)
            break;
        bell_wait(&consumer->bell, 10 * NS_PER_MS);
    }
    if (consumer->is_assigned)
        return true;
    char *member = rd_kafka_memberid(consumer->client.rk);
    bool has_joined = member != NULL && member[0] != '\0';
    if (member != NULL)
        rd_kafka_mem_free(consumer->client.rk, member);
    return !has_joined;
}

/* Leave the group, within a deadline: closing can hang in old versions. */
static void leave(struct kafka_consumer *consumer)
{
    rd_kafka_queue_t *queue = rd_kafka_queue_new(consumer->client.rk);
    int64_t deadline_ns = clock_monotonic_ns() + close_timeout_ns;
    rd_kafka_error_t *error = rd_kafka_consumer_close_queue(consumer->client.rk, queue);
    bool is_closing = error == NULL;
    if (error != NULL)
        rd_kafka_error_destroy(error);
    while (is_closing && !rd_kafka_consumer_closed(consumer->client.rk) &&
           clock_monotonic_ns() < deadline_ns)
        rd_kafka_queue_poll_callback(queue, 10);
    rd_kafka_queue_destroy(queue);
}

void kafka_consumer_close(struct consumer *base)
{
    struct kafka_consumer *consumer = as_consumer(base);
    release(consumer);
    kafka_finish_commits(consumer);
    pthread_mutex_lock(&consumer->kafka->consumers_lock);
    consumer->is_open = false;
    pthread_mutex_unlock(&consumer->kafka->consumers_lock);
    bool is_safe = is_safe_to_destroy(consumer);
    leave(consumer);
    if (!is_safe) /* its threads stay until the process ends */
        consumer->client.rk = NULL;
    delist(consumer);
    deallocate(consumer);
}
