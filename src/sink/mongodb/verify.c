/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/mongodb/verify.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "sink/mongodb/indexes.h"
#include "sink/mongodb/names.h"
#include "sink/mongodb/server.h"

struct check {
    const struct sink_config *config;
    const struct sink_report *report;
    struct server server;
    struct indexes indexes;
    mongoc_client_t *client;
    struct buf line;
    int members; /* that keep data; 0 = not known (mongos) */
};

/* The line made in check->line goes out. */
static void say(struct check *check, enum sink_finding finding)
{
    buf_append_char(&check->line, '\0');
    if (!check->line.has_failed)
        check->report->fn(check->report->context, finding, check->line.ptr);
    buf_clear(&check->line);
}

static void say_text(struct check *check, enum sink_finding finding, const char *text)
{
    buf_append_text(&check->line, text);
    say(check, finding);
}

/* ---- the server ---- */

static const char *text_of(const bson_t *document, const char *key)
{
    bson_iter_t iter;
    return bson_iter_init_find(&iter, document, key) && BSON_ITER_HOLDS_UTF8(&iter)
               ? bson_iter_utf8(&iter, NULL)
               : NULL;
}

static int count_list(const bson_t *document, const char *key)
{
    bson_iter_t iter, item;
    int count = 0;
    if (bson_iter_init_find(&iter, document, key) && BSON_ITER_HOLDS_ARRAY(&iter) &&
        bson_iter_recurse(&iter, &item))
        while (bson_iter_next(&item))
            count++;
    return count;
}

static void describe(struct check *check, const bson_t *hello)
{
    const char *set = text_of(hello, "setName"), *message = text_of(hello, "msg");
    check->members = 1;
    if (message != NULL && strcmp(message, "isdbgrid") == 0) {
        check->members = 0;
        buf_append_text(&check->line, "server: mongos, a sharded cluster");
    } else if (set != NULL) {
        check->members = count_list(hello, "hosts") + count_list(hello, "passives");
        buf_printf(&check->line, "server: replica set %s, %d members that keep data", set,
                   check->members);
    } else {
        buf_append_text(&check->line, "server: one, no replica set: what is stored is lost with "
                                      "its disk");
    }
    say(check, check->members == 1 ? SINK_NOTE : SINK_FINE);
}

static int ask_server(struct check *check, struct error *err)
{
    bson_t command = BSON_INITIALIZER, hello;
    bson_error_t cause;
    BSON_APPEND_INT32(&command, "isMaster", 1); /* older servers know no hello */
    bool is_there =
        mongoc_client_command_simple(check->client, "admin", &command, NULL, &hello, &cause);
    if (is_there)
        describe(check, &hello);
    bson_destroy(&command);
    bson_destroy(&hello);
    return is_there ? 0 : server_error(err, &cause, "it does not answer");
}

static void look_at_concern(struct check *check)
{
    const struct mongodb_config *config = &check->config->mongodb;
    int64_t w;
    bool is_number = text_to_i64(bytes_from_text(config->w), &w);
    buf_printf(&check->line, "write concern: w: %s, j: %s", config->w,
               config->is_journaled ? "true" : "false");
    if (is_number && check->members > 0 && w > check->members) {
        buf_printf(&check->line, ": no write can succeed, there are only %d members",
                   check->members);
        say(check, SINK_FAULT);
    } else if (is_number && check->members != 1 && 2 * w <= check->members) {
        buf_append_text(
            &check->line,
            ": stored packets may be lost with a primary; set sink.mongodb.w: majority");
        say(check, SINK_FAULT);
    } else if (!config->is_journaled) {
        buf_append_text(&check->line, ": stored packets may be lost with the power; set "
                                      "sink.mongodb.journal: true");
        say(check, SINK_FAULT);
    } else {
        say(check, SINK_FINE);
    }
}

/* ---- collections ---- */

static int look_at_indexes(struct check *check, const char *name, struct error *err)
{
    for (size_t i = 0; i < check->indexes.count; i++) {
        const struct index *index = &check->indexes.items[i];
        enum index_state state;
        if (indexes_look(index, check->client, check->server.database, name, &state, err) != 0)
            return -1;
        buf_printf(&check->line, "%s: index ", name);
        index_print(index, &check->line);
        if (state == INDEX_OTHER_TTL)
            buf_append_text(&check->line,
                            ": another time is set there; the store changes it at its next start");
        if (state == INDEX_MISSING) {
            buf_printf(&check->line, " is missing: db.getCollection(\"%s\").createIndex(", name);
            index_print(index, &check->line);
            buf_append_char(&check->line, ')');
        }
        say(check, state == INDEX_THERE ? SINK_FINE : SINK_FAULT);
    }
    return 0;
}

/* What would break the promise that a packet is stored once, and stays. */
static bool is_ordinary(struct check *check, const char *name, const bson_t *info)
{
    bson_iter_t iter, option;
    const char *type = text_of(info, "type");
    bool is_capped = bson_iter_init_find(&iter, info, "options") &&
                     BSON_ITER_HOLDS_DOCUMENT(&iter) && bson_iter_recurse(&iter, &option) &&
                     bson_iter_find(&option, "capped") && bson_iter_as_bool(&option);
    if (!is_capped && (type == NULL || strcmp(type, "collection") == 0))
        return true;
    buf_printf(&check->line, "%s: is %s: packets need an ordinary collection", name,
               is_capped ? "capped" : type);
    say(check, SINK_FAULT);
    return false;
}

static int look_at_collection(struct check *check, const bson_t *info, struct error *err)
{
    const char *name = text_of(info, "name");
    if (name == NULL || strncmp(name, "system.", 7) == 0)
        return 0;
    buf_printf(&check->line, "%s: is there", name);
    say(check, SINK_FINE);
    return is_ordinary(check, name, info) ? look_at_indexes(check, name, err) : 0;
}

/* Is there a collection of that category, with or without a month? */
static bool is_there(char **names, const char *category)
{
    size_t len = strlen(category);
    for (size_t i = 0; names[i] != NULL; i++)
        if (strncmp(names[i], category, len) == 0 &&
            (names[i][len] == '\0' || names[i][len] == '_'))
            return true;
    return false;
}

static int look_at_categories(struct check *check, mongoc_database_t *database, struct error *err)
{
    bson_error_t cause;
    char **names = mongoc_database_get_collection_names_with_opts(database, NULL, &cause);
    if (names == NULL)
        return server_error(err, &cause, "its collections can't be listed");
    for (size_t i = 0; i < check->report->category_count; i++) {
        const char *category = check->report->categories[i];
        if (is_there(names, category))
            continue;
        buf_printf(&check->line, "%s: is not there yet; its first packet makes it", category);
        say(check, SINK_NOTE);
    }
    bson_strfreev(names);
    return 0;
}

static int look_at_collections(struct check *check, struct error *err)
{
    mongoc_database_t *database = mongoc_client_get_database(check->client, check->server.database);
    mongoc_cursor_t *cursor = mongoc_database_find_collections_with_opts(database, NULL);
    const bson_t *info;
    bson_error_t cause;
    int result = 0;
    while (result == 0 && mongoc_cursor_next(cursor, &info))
        result = look_at_collection(check, info, err);
    if (result == 0 && mongoc_cursor_error(cursor, &cause))
        result = server_error(err, &cause, "its collections can't be listed");
    if (result == 0)
        result = look_at_categories(check, database, err);
    mongoc_cursor_destroy(cursor);
    mongoc_database_destroy(database);
    return result;
}

int mongodb_verify(const struct sink_config *config, const struct sink_report *report,
                   struct error *err)
{
    struct check check = {.config = config, .report = report};
    if (indexes_read(&check.indexes, config, err) != 0 ||
        server_init(&check.server, config, err) != 0)
        return -1;
    buf_init(&check.line, 0);
    check.client = server_pop(&check.server);
    int result = ask_server(&check, err);
    if (result == 0) {
        look_at_concern(&check);
        result = look_at_collections(&check, err);
    }
    server_push(&check.server, check.client);
    server_deinit(&check.server);
    buf_deinit(&check.line);
    return result;
}

/* ---- shards ---- */

static void plan_collection(struct check *check, const char *name)
{
    buf_printf(&check->line, "sh.shardCollection(\"%s.%s\", { _id: 1 })",
               check->config->mongodb.database, name);
    say(check, SINK_COMMAND);
    /* Identities begin with a hash: sixteen equal parts can be cut before there is data. */
    for (int i = 1; i < 16; i++) {
        buf_printf(&check->line, "sh.splitAt(\"%s.%s\", { _id: \"%x\" })",
                   check->config->mongodb.database, name, (unsigned)i);
        say(check, SINK_COMMAND);
    }
}

int mongodb_plan(const struct sink_config *config, const struct sink_report *report,
                 struct error *err)
{
    struct check check = {.config = config, .report = report};
    (void)err;
    buf_init(&check.line, 0);
    say_text(&check, SINK_NOTE, "Shard key: { _id: 1 }, by ranges.");
    say_text(&check, SINK_NOTE,
             "Only a key that is _id keeps an _id unique over all shards, and with it the promise "
             "that a packet is stored once.");
    say_text(&check, SINK_NOTE,
             "_id begins with a hash of the vehicle: writes spread evenly from the start, and a "
             "vehicle's packets stay together.");
    say_text(
        &check, SINK_NOTE,
        "Not { vehicle: 1 } or { vehicle: 1, time: 1 }: unique per shard only. Not { time: 1 }: "
        "all writes would go to one shard.");
    say_text(&check, SINK_NOTE,
             "Questions for one vehicle ask every shard, each by its index on (vehicle, time).");
    say_text(&check, SINK_NOTE, "In mongosh, on mongos, before the first packet where possible:");
    buf_printf(&check.line, "sh.enableSharding(\"%s\")", config->mongodb.database);
    say(&check, SINK_COMMAND);
    for (size_t i = 0; i < report->category_count; i++)
        plan_collection(&check, report->categories[i]);
    if (config->mongodb.is_by_month)
        say_text(&check, SINK_NOTE,
                 "by_month is set: each month's collection has to be sharded before it begins.");
    buf_deinit(&check.line);
    return 0;
}
