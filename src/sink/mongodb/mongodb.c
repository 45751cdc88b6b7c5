/* SPDX-License-Identifier: Apache-2.0 */
/* Packets as documents of MongoDB, one collection a category.
 *
 * Once, in effect: _id is the packet's identity, and the server refuses a second
 * one (collections of the time-series kind would take it: they are not used).
 * So a batch may be written any number of times, in any order, by several
 * writers; what counts is the answer for each document. A duplicate is done; a
 * document that the server will never take is refused; all else is tried again
 * by the worker, alone. A batch whose write concern was not met is written again
 * as a whole: a duplicate then waits for the concern as a new one does.
 *
 * Nothing connects at the start: a database that is away makes writes fail, not
 * the process. Conflicts (same vehicle and order, other content) are counted
 * next to the newest packet of each vehicle that this process has seen. */
#include <stdlib.h>

#include "base/clock.h"
#include "sink/driver.h"
#include "sink/mongodb/crew.h"
#include "sink/mongodb/read.h"
#include "sink/mongodb/verify.h"
#include "sink/mongodb/watch.h"
#include "sink/newest.h"

struct mongodb_sink {
    struct sink sink;
    struct sink_config config;
    struct server server;
    /* reading */
    pthread_mutex_t lock;
    struct reader *reader;
    /* writing; crew is NULL when reading only */
    struct collections collections;
    struct crew *crew;
    struct watch *watch;
    bson_t *options; /* of its inserts */
    struct newest newest;
    struct pen_result *results;
    struct sink_failure *failures;
    size_t cap;
};

static void free_results(struct mongodb_sink *sink)
{
    for (size_t i = 0; i < sink->cap; i++)
        free(sink->results[i].detail);
    free(sink->results);
    free(sink->failures);
    sink->results = NULL;
    sink->failures = NULL;
    sink->cap = 0;
}

static void mongodb_close(struct sink *base)
{
    struct mongodb_sink *sink = (struct mongodb_sink *)base;
    watch_free(sink->watch);
    crew_free(sink->crew);
    reader_free(sink->reader);
    collections_deinit(&sink->collections);
    newest_deinit(&sink->newest);
    free_results(sink);
    bson_destroy(sink->options);
    server_deinit(&sink->server);
    pthread_mutex_destroy(&sink->lock);
    free(sink);
}

static int open_writing(struct mongodb_sink *sink, struct error *err)
{
    const struct pen_ground ground = {.config = &sink->config.mongodb,
                                      .server = &sink->server,
                                      .collections = &sink->collections,
                                      .options = sink->options};
    BSON_APPEND_BOOL(sink->options, "ordered", sink->config.mongodb.is_ordered);
    BSON_APPEND_BOOL(sink->options, "validate", false); /* encode.c makes what is valid */
    if (!mongoc_write_concern_append(sink->server.concern, sink->options))
        return error_set(err, ERROR_CONFIG, "sink.mongodb: the write concern is not valid");
    if (newest_init(&sink->newest, (size_t)sink->config.vehicles_in_memory, err) != 0)
        return -1;
    if (crew_new(&sink->crew, &ground, err) != 0)
        return -1;
    return watch_new(&sink->watch, &sink->config, &sink->collections, err);
}

static int open_parts(struct mongodb_sink *sink, bool is_read_only, struct error *err)
{
    if (collections_init(&sink->collections, &sink->server, &sink->config, err) != 0 ||
        server_init(&sink->server, &sink->config, err) != 0)
        return -1;
    sink->reader = reader_new(&sink->server);
    if (sink->reader == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the store");
    return is_read_only ? 0 : open_writing(sink, err);
}

static int mongodb_open(struct sink **out, const struct sink_config *config, bool is_read_only,
                        struct error *err)
{
    struct mongodb_sink *sink = calloc(1, sizeof *sink);
    if (sink == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the store");
    sink->sink.driver = &mongodb_sink_driver;
    sink->config = *config;
    sink->options = bson_new();
    pthread_mutex_init(&sink->lock, NULL);
    if (open_parts(sink, is_read_only, err) != 0) {
        mongodb_close(&sink->sink);
        return -1;
    }
    *out = &sink->sink;
    return 0;
}

/* ---- writing ---- */

static bool grow(struct mongodb_sink *sink, size_t count)
{
    if (count <= sink->cap)
        return true;
    free_results(sink);
    sink->results = calloc(count, sizeof *sink->results);
    sink->failures = calloc(count, sizeof *sink->failures);
    if (sink->results == NULL || sink->failures == NULL) {
        free_results(sink);
        return false;
    }
    sink->cap = count;
    return true;
}

static void note_order(struct mongodb_sink *sink, const struct packet *packet, bool is_new,
                       struct sink_write_result *result)
{
    uint64_t hash = key_load_be64(packet->identity.bytes), newest;
    if (is_new && newest_get(&sink->newest, hash, &newest) == NEWEST_KNOWN &&
        newest == packet->order)
        result->conflicts++;
    newest_set(&sink->newest, hash, packet->order);
}

static void add_failure(struct mongodb_sink *sink, size_t index, enum sink_fate fate,
                        struct sink_write_result *result)
{
    const char *detail = sink->results[index].detail;
    sink->failures[result->failure_count++] = (struct sink_failure){
        .index = index, .fate = fate, .detail = detail != NULL ? detail : "no memory to say why"};
}

static void take_result(struct mongodb_sink *sink, const struct sink_row *row, size_t index,
                        struct sink_write_result *result)
{
    switch (sink->results[index].outcome) {
    case OUTCOME_STORED:
        result->stored++;
        note_order(sink, &row->packet, true, result);
        return;
    case OUTCOME_DUPLICATE:
        result->duplicates++;
        note_order(sink, &row->packet, false, result);
        return;
    case OUTCOME_REFUSED:
        add_failure(sink, index, SINK_REFUSED, result);
        return;
    case OUTCOME_FAILED:
        add_failure(sink, index, SINK_FAILED, result);
        return;
    case OUTCOME_UNREACHED:
        add_failure(sink, index, SINK_UNREACHED, result);
        return;
    }
}

static bool is_all_unreached(const struct mongodb_sink *sink, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (sink->results[i].outcome != OUTCOME_UNREACHED)
            return false;
    return true;
}

static enum sink_verdict mongodb_write(struct sink *base, const struct sink_row *rows, size_t count,
                                       struct sink_write_result *result, struct error *err)
{
    struct mongodb_sink *sink = (struct mongodb_sink *)base;
    if (sink->crew == NULL || !grow(sink, count)) {
        error_set(err, sink->crew == NULL ? ERROR_CONFIG : ERROR_MEMORY,
                  sink->crew == NULL ? "this store was opened for reading only"
                                     : "no memory for a batch");
        return SINK_RETRY;
    }
    crew_write(sink->crew, rows, sink->results, count);
    result->failures = sink->failures;
    for (size_t i = 0; i < count; i++)
        take_result(sink, &rows[i], i, result);
    if (result->failure_count == 0)
        return SINK_STORED;
    error_set(err, ERROR_REMOTE, "MongoDB: %zu of %zu documents are not stored: %.300s",
              result->failure_count, count, sink->failures[0].detail);
    return is_all_unreached(sink, count) ? SINK_RETRY : SINK_PARTIAL;
}

/* ---- reading ---- */

static int mongodb_find(struct sink *base, const struct sink_query *query,
                        struct sink_cursor *cursor, size_t limit, sink_row_fn fn, void *context,
                        struct error *err)
{
    struct mongodb_sink *sink = (struct mongodb_sink *)base;
    pthread_mutex_lock(&sink->lock);
    int result = reader_find(sink->reader, query, cursor, limit, fn, context, err);
    pthread_mutex_unlock(&sink->lock);
    return result;
}

static int mongodb_latest(struct sink *base, struct sink_cursor *cursor, size_t limit,
                          sink_row_fn fn, void *context, struct error *err)
{
    struct mongodb_sink *sink = (struct mongodb_sink *)base;
    pthread_mutex_lock(&sink->lock);
    int result = reader_latest(sink->reader, cursor, limit, fn, context, err);
    pthread_mutex_unlock(&sink->lock);
    return result;
}

static int mongodb_count(struct sink *base, const struct sink_query *query, uint64_t *out,
                         struct error *err)
{
    struct mongodb_sink *sink = (struct mongodb_sink *)base;
    pthread_mutex_lock(&sink->lock);
    int result = reader_count(sink->reader, query, out, err);
    pthread_mutex_unlock(&sink->lock);
    return result;
}

const struct sink_driver mongodb_sink_driver = {
    .name = "mongodb",
    .open = mongodb_open,
    .close = mongodb_close,
    .write = mongodb_write,
    .find = mongodb_find,
    .latest = mongodb_latest,
    .count = mongodb_count,
    .verify = mongodb_verify,
    .plan = mongodb_plan,
};
