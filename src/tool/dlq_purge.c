/* SPDX-License-Identifier: Apache-2.0 */
#include "tool/dlq_purge.h"

#include <stdlib.h>

#include "broker/kafka/admin.h"

struct prefix {
    int topic, partition;
    int64_t next;     /* all below it goes */
    bool is_complete; /* one that stays was met */
};

struct plan {
    int64_t before_ns;
    struct prefix *prefixes;
    size_t count;
    uint64_t records;
};

static struct prefix *find(struct plan *plan, int topic, int partition)
{
    for (size_t i = 0; i < plan->count; i++)
        if (plan->prefixes[i].topic == topic && plan->prefixes[i].partition == partition)
            return &plan->prefixes[i];
    return NULL;
}

static int on_record(void *context, const struct consumed *record, struct error *err)
{
    struct plan *plan = context;
    struct prefix *prefix = find(plan, record->topic, record->partition);
    (void)err;
    if (prefix == NULL || prefix->is_complete)
        return 0;
    if (record->record.timestamp_ns >= plan->before_ns) {
        prefix->is_complete = true;
        return 0;
    }
    prefix->next = record->offset + 1;
    plan->records++;
    return 0;
}

static int make_plan(struct plan *plan, struct dlq_book *book, struct error *err)
{
    size_t most = 0;
    for (size_t i = 0; i < book->topic_count; i++)
        most += (size_t)broker_partitions(book->broker, book->topics[i]);
    plan->prefixes = calloc(most + 1, sizeof *plan->prefixes);
    if (plan->prefixes == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for %zu partitions", most);
    for (size_t i = 0; i < book->topic_count; i++)
        for (int p = 0; p < broker_partitions(book->broker, book->topics[i]); p++)
            plan->prefixes[plan->count++] =
                (struct prefix){.topic = book->topics[i], .partition = p};
    return dlq_read_topics(book->broker, book->topics, book->topic_count, on_record, plan, err);
}

static uint64_t count_open(struct plan *plan, const struct dlq_book *book)
{
    uint64_t count = 0;
    for (size_t i = 0; i < book->count; i++) {
        const struct dlq_letter *letter = book->letters[i];
        const struct prefix *prefix = find(plan, letter->topic, letter->partition);
        count +=
            dlq_state_of(letter) != DLQ_REPLAYED && prefix != NULL && letter->offset < prefix->next;
    }
    return count;
}

static int delete_all(const struct plan *plan, struct broker *broker, struct kafka_client *client,
                      struct error *err)
{
    for (size_t i = 0; i < plan->count; i++) {
        const struct prefix *prefix = &plan->prefixes[i];
        if (prefix->next > 0 &&
            kafka_admin_delete_records(client, broker_topic_name(broker, prefix->topic),
                                       prefix->partition, prefix->next, err) != 0)
            return -1;
    }
    return 0;
}

int dlq_purge(struct dlq_book *book, struct kafka_client *client, int64_t before_ns, bool is_agreed,
              struct dlq_purge *out, struct error *err)
{
    struct plan plan = {.before_ns = before_ns};
    int result = make_plan(&plan, book, err);
    if (result == 0) {
        *out = (struct dlq_purge){plan.records, count_open(&plan, book)};
        if (is_agreed)
            result = delete_all(&plan, book->broker, client, err);
    }
    free(plan.prefixes);
    return result;
}
