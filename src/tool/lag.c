/* SPDX-License-Identifier: Apache-2.0 */
#include "tool/lag.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker/driver.h"
#include "broker/kafka/admin.h"

static void add(struct lag_table *table, const char *group, const char *topic, int partition,
                int64_t position)
{
    if (table->count == table->cap) {
        size_t cap = table->cap == 0 ? 64 : table->cap * 2;
        struct lag_row *grown = realloc(table->rows, cap * sizeof *grown);
        if (grown == NULL) {
            table->has_failed = true;
            return;
        }
        table->rows = grown;
        table->cap = cap;
    }
    struct lag_row *row = &table->rows[table->count++];
    *row = (struct lag_row){.partition = partition, .position = position};
    snprintf(row->group, sizeof row->group, "%s", group);
    snprintf(row->topic, sizeof row->topic, "%s", topic);
}

static void set_offsets(struct lag_row *row, const struct broker_offsets *offsets)
{
    int64_t next = row->position > offsets->earliest ? row->position : offsets->earliest;
    row->end = offsets->end;
    row->lag = offsets->end > next ? offsets->end - next : 0;
}

static int compare(const void *a, const void *b)
{
    const struct lag_row *left = a, *right = b;
    int order = strcmp(left->group, right->group);
    if (order == 0)
        order = strcmp(left->topic, right->topic);
    return order != 0 ? order : left->partition - right->partition;
}

static int finish(struct lag_table *table, struct error *err)
{
    if (table->has_failed)
        return error_set(err, ERROR_MEMORY, "no memory for the groups' positions");
    if (table->count > 0)
        qsort(table->rows, table->count, sizeof *table->rows, compare);
    return 0;
}

void lag_table_deinit(struct lag_table *table)
{
    free(table->rows);
    *table = (struct lag_table){0};
}

/* The first of its group and topic? */
static bool is_new(const struct lag_table *table, size_t i)
{
    return i == 0 || strcmp(table->rows[i].group, table->rows[i - 1].group) != 0 ||
           strcmp(table->rows[i].topic, table->rows[i - 1].topic) != 0;
}

/* ---- Kafka ---- */

struct reading {
    struct lag_table *table;
    const char *group;
};

static void on_position(void *context, const char *topic, int partition, int64_t offset)
{
    const struct reading *reading = context;
    add(reading->table, reading->group, topic, partition, offset);
}

static bool has_row(const struct lag_table *table, const struct lag_row *like, int partition)
{
    for (size_t i = 0; i < table->count; i++)
        if (table->rows[i].partition == partition &&
            strcmp(table->rows[i].topic, like->topic) == 0 &&
            strcmp(table->rows[i].group, like->group) == 0)
            return true;
    return false;
}

/* A group that reads a topic reads all of it: what it has committed nothing of is
 * unread. */
static int add_untouched(struct lag_table *table, struct kafka_client *client, struct error *err)
{
    size_t known = table->count;
    for (size_t i = 0; i < known; i++) {
        struct lag_row row = table->rows[i];
        int partitions;
        if (!is_new(table, i))
            continue;
        if (kafka_admin_partitions(client, row.topic, &partitions, err) != 0)
            return -1;
        for (int p = 0; p < partitions; p++)
            if (!has_row(table, &row, p))
                add(table, row.group, row.topic, p, -1);
    }
    return 0;
}

/* Of a topic that was deleted the positions stay for a while: they go unseen. */
static int ask_offsets(struct lag_table *table, struct kafka_client *client, struct error *err)
{
    size_t kept = 0;
    for (size_t i = 0; i < table->count; i++) {
        struct lag_row *row = &table->rows[i];
        struct broker_offsets offsets;
        struct error cause = {0};
        if (kafka_admin_offsets(client, row->topic, row->partition, &offsets, &cause) == 0) {
            set_offsets(row, &offsets);
            table->rows[kept++] = *row;
        } else if (cause.kind != ERROR_NOT_FOUND) {
            if (err != NULL)
                *err = cause;
            return -1;
        }
    }
    table->count = kept;
    return 0;
}

int lag_read_kafka(struct lag_table *table, struct kafka_client *client, const char *group,
                   struct error *err)
{
    struct kafka_groups groups;
    *table = (struct lag_table){0};
    if (kafka_admin_groups(client, &groups, err) != 0)
        return -1;
    int result = 0;
    for (size_t i = 0; i < groups.count && result == 0; i++) {
        struct reading reading = {table, groups.names[i]};
        if (group == NULL || strcmp(group, groups.names[i]) == 0)
            result = kafka_admin_positions(client, groups.names[i], on_position, &reading, err);
    }
    kafka_groups_deinit(&groups);
    if (result == 0)
        result = finish(table, err);
    if (result == 0)
        result = add_untouched(table, client, err);
    if (result == 0)
        result = ask_offsets(table, client, err);
    return result == 0 ? finish(table, err) : -1;
}

/* ---- the journal ---- */

int lag_read_journal(struct lag_table *table, struct broker *broker, const char *group,
                     struct error *err)
{
    *table = (struct lag_table){0};
    for (int g = 0; g < atomic_load(&broker->groups.count); g++) {
        const struct group *one = broker->groups.items[g];
        if (group != NULL && strcmp(group, one->name) != 0)
            continue;
        for (const struct position *p = one->positions; p != NULL; p = p->next) {
            struct broker_offsets offsets;
            if (broker_offsets(broker, p->topic, p->partition, &offsets, NULL) != 0)
                continue;
            add(table, one->name, broker_topic_name(broker, p->topic), p->partition,
                position_next(p));
            if (!table->has_failed)
                set_offsets(&table->rows[table->count - 1], &offsets);
        }
    }
    return finish(table, err);
}

/* ---- looking and printing ---- */

int64_t lag_of_topic(const struct lag_table *table, const char *topic)
{
    int64_t sum = 0;
    for (size_t i = 0; i < table->count; i++)
        if (strcmp(table->rows[i].topic, topic) == 0)
            sum += table->rows[i].lag;
    return sum;
}

bool lag_has_topic(const struct lag_table *table, const char *topic)
{
    for (size_t i = 0; i < table->count; i++)
        if (strcmp(table->rows[i].topic, topic) == 0)
            return true;
    return false;
}

static int64_t sum_from(const struct lag_table *table, size_t i)
{
    int64_t sum = table->rows[i].lag;
    while (++i < table->count && !is_new(table, i))
        sum += table->rows[i].lag;
    return sum;
}

void lag_put_text(const struct lag_table *table, struct buf *out)
{
    if (table->count == 0)
        buf_append_text(out, "no group has a position\n");
    for (size_t i = 0; i < table->count; i++) {
        const struct lag_row *row = &table->rows[i];
        if (is_new(table, i))
            buf_printf(out, "group %s, topic %s: lag %" PRId64 "\n", row->group, row->topic,
                       sum_from(table, i));
        buf_printf(out, "  %3d: position %" PRId64 ", end %" PRId64 ", lag %" PRId64 "\n",
                   row->partition, row->position, row->end, row->lag);
    }
}

void lag_put_json(const struct lag_table *table, struct buf *out)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct lag_row *row = &table->rows[i];
        buf_append_text(out, "{\"group\":");
        buf_append_json(out, bytes_from_text(row->group));
        buf_append_text(out, ",\"topic\":");
        buf_append_json(out, bytes_from_text(row->topic));
        buf_printf(out,
                   ",\"partition\":%d,\"position\":%" PRId64 ",\"end\":%" PRId64 ",\"lag\":%" PRId64
                   "}\n",
                   row->partition, row->position, row->end, row->lag);
    }
}
