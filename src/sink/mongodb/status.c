/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/mongodb/status.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "observe/metrics.h"
#include "sink/mongodb/names.h"

enum { LABELS_MAX = 2 * NAME_MAX_BYTES + 64 };

/* `path`: names joined by dots, as bson_iter_find_descendant takes them. */
struct figure {
    enum metric metric;
    const char *path;
    const char *labels;
    int64_t scale; /* 0 = 1 */
};

static const struct figure server_counters[] = {
    {METRIC_MONGODB_OPERATIONS, "opcounters.insert", "type=\"insert\"", 0},
    {METRIC_MONGODB_OPERATIONS, "opcounters.query", "type=\"query\"", 0},
    {METRIC_MONGODB_OPERATIONS, "opcounters.update", "type=\"update\"", 0},
    {METRIC_MONGODB_OPERATIONS, "opcounters.delete", "type=\"delete\"", 0},
    {METRIC_MONGODB_OPERATIONS, "opcounters.getmore", "type=\"getmore\"", 0},
    {METRIC_MONGODB_OPERATIONS, "opcounters.command", "type=\"command\"", 0},
    {METRIC_MONGODB_LATENCY, "opLatencies.reads.latency", "kind=\"reads\"", NS_PER_US},
    {METRIC_MONGODB_LATENCY, "opLatencies.writes.latency", "kind=\"writes\"", NS_PER_US},
    {METRIC_MONGODB_LATENCY, "opLatencies.commands.latency", "kind=\"commands\"", NS_PER_US},
    {METRIC_MONGODB_LATENCY_OPERATIONS, "opLatencies.reads.ops", "kind=\"reads\"", 0},
    {METRIC_MONGODB_LATENCY_OPERATIONS, "opLatencies.writes.ops", "kind=\"writes\"", 0},
    {METRIC_MONGODB_LATENCY_OPERATIONS, "opLatencies.commands.ops", "kind=\"commands\"", 0},
    {METRIC_MONGODB_ASSERTS, "asserts.regular", "kind=\"regular\"", 0},
    {METRIC_MONGODB_ASSERTS, "asserts.warning", "kind=\"warning\"", 0},
    {METRIC_MONGODB_ASSERTS, "asserts.msg", "kind=\"msg\"", 0},
    {METRIC_MONGODB_ASSERTS, "asserts.user", "kind=\"user\"", 0},
};
enum { SERVER_COUNTERS = sizeof server_counters / sizeof server_counters[0] };
_Static_assert((int)SERVER_COUNTERS <= (int)STATUS_COUNTERS_MAX, "raise STATUS_COUNTERS_MAX");

static const struct figure server_gauges[] = {
    {METRIC_MONGODB_CONNECTIONS, "connections.current", "state=\"current\"", 0},
    {METRIC_MONGODB_CONNECTIONS, "connections.available", "state=\"available\"", 0},
    {METRIC_MONGODB_MEMORY, "mem.resident", "", 1 << 20}, /* given in MiB */
    {METRIC_MONGODB_CACHE_USED, "wiredTiger.cache.bytes currently in the cache", "", 0},
    {METRIC_MONGODB_CACHE_DIRTY, "wiredTiger.cache.tracked dirty bytes in the cache", "", 0},
    {METRIC_MONGODB_CACHE_MAX, "wiredTiger.cache.maximum bytes configured", "", 0},
};

static const struct figure database_gauges[] = {
    {METRIC_MONGODB_DATABASE_DOCUMENTS, "objects", "", 0},
    {METRIC_MONGODB_DATABASE_DATA, "dataSize", "", 0},
    {METRIC_MONGODB_DATABASE_STORAGE, "storageSize", "", 0},
    {METRIC_MONGODB_DATABASE_INDEX, "indexSize", "", 0},
    {METRIC_MONGODB_DISK_USED, "fsUsedSize", "", 0},
    {METRIC_MONGODB_DISK_SIZE, "fsTotalSize", "", 0},
};

static const struct figure collection_gauges[STATUS_COLLECTION_FIGURES] = {
    {METRIC_MONGODB_COLLECTION_DOCUMENTS, "storageStats.count", "", 0},
    {METRIC_MONGODB_COLLECTION_DATA, "storageStats.size", "", 0},
    {METRIC_MONGODB_COLLECTION_STORAGE, "storageStats.storageSize", "", 0},
    {METRIC_MONGODB_COLLECTION_INDEX, "storageStats.totalIndexSize", "", 0},
};

/* ---- values of a stranger ---- */

static bool find(const bson_t *document, const char *path, bson_iter_t *found)
{
    bson_iter_t iter;
    return document != NULL && bson_iter_init(&iter, document) &&
           bson_iter_find_descendant(&iter, path, found);
}

/* Servers give 32 and 64 bits and doubles, as the value needs. */
static bool read_number(const bson_iter_t *at, int64_t *out)
{
    if (BSON_ITER_HOLDS_DOUBLE(at)) {
        double value = bson_iter_double(at);
        if (!(value >= 0 && value < 0x1p63))
            return false;
        *out = (int64_t)value;
        return true;
    }
    if (!BSON_ITER_HOLDS_INT32(at) && !BSON_ITER_HOLDS_INT64(at))
        return false;
    *out = bson_iter_as_int64(at);
    return *out >= 0;
}

static int64_t value_of(const struct figure *figure, const bson_t *document)
{
    bson_iter_t at;
    int64_t value;
    int64_t scale = figure->scale == 0 ? 1 : figure->scale;
    if (!find(document, figure->path, &at) || !read_number(&at, &value))
        return METRIC_ABSENT;
    return value > INT64_MAX / scale ? INT64_MAX : value * scale;
}

static int64_t sum_of(int64_t a, int64_t b)
{
    int64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

/* ---- showing ---- */

/* What was never known makes no series. */
static void show(enum metric metric, const char *labels, int64_t value)
{
    if (value != METRIC_ABSENT || metrics_has_series(metric, labels))
        metric_series_set(metrics_series(metric, labels), value);
}

static void count(struct status_counter *counter, const struct figure *figure, int64_t value)
{
    if (value != METRIC_ABSENT) {
        if (counter->is_known) /* less than before: it started again */
            counter->total =
                sum_of(counter->total, value >= counter->last ? value - counter->last : value);
        counter->last = value;
        counter->is_known = true;
    }
    show(figure->metric, figure->labels, value == METRIC_ABSENT ? value : counter->total);
}

void status_set_up(bool is_up)
{
    show(METRIC_MONGODB_UP, "", is_up);
}

/* ---- the server ---- */

static bool is_true(const bson_t *reply, const char *path)
{
    bson_iter_t at;
    return find(reply, path, &at) && BSON_ITER_HOLDS_BOOL(&at) && bson_iter_bool(&at);
}

/* Numbers of MongoDB's manual, "Replica Set Member States". */
static int64_t member_state(const bson_t *reply)
{
    bson_iter_t at;
    if (!find(reply, "repl.setName", &at))
        return METRIC_ABSENT;
    if (is_true(reply, "repl.isWritablePrimary") || is_true(reply, "repl.ismaster"))
        return 1;
    if (is_true(reply, "repl.secondary"))
        return 2;
    return is_true(reply, "repl.arbiterOnly") ? 7 : 0;
}

static int64_t member_count(const bson_t *reply)
{
    bson_iter_t at, member;
    if (!find(reply, "repl.hosts", &at) || !BSON_ITER_HOLDS_ARRAY(&at) ||
        !bson_iter_recurse(&at, &member))
        return METRIC_ABSENT;
    int64_t members = 0;
    while (members < 1000 && bson_iter_next(&member)) /* a set has at most 50 */
        members++;
    return members;
}

void status_take_server(struct status *status, const bson_t *reply)
{
    for (size_t i = 0; i < SERVER_COUNTERS; i++)
        count(&status->counters[i], &server_counters[i], value_of(&server_counters[i], reply));
    for (size_t i = 0; i < sizeof server_gauges / sizeof server_gauges[0]; i++)
        show(server_gauges[i].metric, server_gauges[i].labels, value_of(&server_gauges[i], reply));
    show(METRIC_MONGODB_MEMBER_STATE, "", member_state(reply));
    show(METRIC_MONGODB_MEMBERS, "", member_count(reply));
}

/* ---- database, collections ---- */

/* Names are ours; one that could break out of a label is not shown. */
static bool can_label(const char *name)
{
    return strlen(name) <= NAME_MAX_BYTES && strpbrk(name, "\"\\\n") == NULL;
}

void status_take_database(const char *database, const bson_t *reply)
{
    char labels[LABELS_MAX];
    if (!can_label(database))
        return;
    snprintf(labels, sizeof labels, "database=\"%s\"", database);
    for (size_t i = 0; i < sizeof database_gauges / sizeof database_gauges[0]; i++)
        show(database_gauges[i].metric, labels, value_of(&database_gauges[i], reply));
}

void status_sums_init(struct status_sums *sums)
{
    for (size_t i = 0; i < STATUS_COLLECTION_FIGURES; i++)
        sums->values[i] = METRIC_ABSENT;
}

void status_sums_add(struct status_sums *sums, const bson_t *document)
{
    for (size_t i = 0; i < STATUS_COLLECTION_FIGURES; i++) {
        int64_t value = value_of(&collection_gauges[i], document);
        if (value != METRIC_ABSENT)
            sums->values[i] =
                sums->values[i] == METRIC_ABSENT ? value : sum_of(sums->values[i], value);
    }
}

void status_take_collection(const char *database, const char *collection,
                            const struct status_sums *sums)
{
    char labels[LABELS_MAX];
    if (!can_label(database) || !can_label(collection))
        return;
    snprintf(labels, sizeof labels, "database=\"%s\",collection=\"%s\"", database, collection);
    for (size_t i = 0; i < STATUS_COLLECTION_FIGURES; i++)
        show(collection_gauges[i].metric, labels, sums->values[i]);
}
