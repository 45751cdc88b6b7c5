/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/mongodb/watch.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/bell.h"
#include "base/clock.h"
#include "observe/log.h"
#include "sink/mongodb/status.h"

enum {
    COLLECTIONS_WATCHED = 64, /* each is a question and four series */
    SHARDS_MAX = 1024,
};
static const int64_t timeout_ns = 3 * NS_PER_S;

struct watch {
    int64_t interval_ns;
    const char *database;
    struct collections *collections;
    mongoc_client_t *client;
    struct status status;
    bool is_denial_told;
    struct bell bell;
    atomic_bool is_stopping;
    pthread_t thread;
    bool is_started;
};

static bool is_stopping(struct watch *watch)
{
    return atomic_load(&watch->is_stopping);
}

/* ---- questions ---- */

/* A server that refuses is there all the same. */
static bool is_answer(const bson_error_t *cause)
{
    return cause->domain == MONGOC_ERROR_SERVER;
}

static void tell_denial(struct watch *watch, const char *command, const bson_error_t *cause)
{
    if (!is_answer(cause) || cause->code != SERVER_UNAUTHORIZED || watch->is_denial_told)
        return;
    watch->is_denial_told = true;
    log_event(LOG_WARN, "store",
              "the database does not show its state: give the user in sink.mongodb.uri the role "
              "clusterMonitor on admin, or set sink.mongodb.status_interval to 0",
              LOG_T("command", command), LOG_T("error", cause->message));
}

/* True with a reply that the caller destroys. *is_up: was there any answer? */
static bool ask(struct watch *watch, const char *database, const bson_t *command, bson_t *reply,
                bool *is_up)
{
    bson_error_t cause;
    if (mongoc_client_command_simple(watch->client, database, command, NULL, reply, &cause)) {
        *is_up = true;
        return true;
    }
    bson_destroy(reply);
    *is_up = is_answer(&cause);
    bson_iter_t first;
    if (bson_iter_init(&first, command) && bson_iter_next(&first))
        tell_denial(watch, bson_iter_key(&first), &cause);
    return false;
}

/* Without its two longest parts, which hold nothing that is shown. */
static bool look_at_server(struct watch *watch)
{
    bool is_up;
    bson_t reply;
    bson_t *command =
        BCON_NEW("serverStatus", BCON_INT32(1), "metrics", BCON_INT32(0), "locks", BCON_INT32(0));
    bool is_shown = ask(watch, "admin", command, &reply, &is_up);
    bson_destroy(command);
    status_take_server(&watch->status, is_shown ? &reply : NULL);
    if (is_shown)
        bson_destroy(&reply);
    return is_up;
}

static void look_at_database(struct watch *watch)
{
    bool is_up;
    bson_t reply;
    bson_t *command = BCON_NEW("dbStats", BCON_INT32(1));
    bool is_shown = ask(watch, watch->database, command, &reply, &is_up);
    bson_destroy(command);
    status_take_database(watch->database, is_shown ? &reply : NULL);
    if (is_shown)
        bson_destroy(&reply);
}

static void sum_shards(mongoc_collection_t *collection, struct status_sums *sums)
{
    bson_t *pipeline =
        BCON_NEW("pipeline", "[", "{", "$collStats", "{", "storageStats", "{", "}", "}", "}", "]");
    mongoc_cursor_t *cursor =
        mongoc_collection_aggregate(collection, MONGOC_QUERY_NONE, pipeline, NULL, NULL);
    const bson_t *document;
    for (int i = 0; i < SHARDS_MAX && mongoc_cursor_next(cursor, &document); i++)
        status_sums_add(sums, document);
    mongoc_cursor_destroy(cursor);
    bson_destroy(pipeline);
}

static void look_at_collection(struct watch *watch, const char *name, bool is_up)
{
    struct status_sums sums;
    status_sums_init(&sums);
    if (is_up) {
        mongoc_collection_t *collection =
            mongoc_client_get_collection(watch->client, watch->database, name);
        sum_shards(collection, &sums);
        mongoc_collection_destroy(collection);
    }
    status_take_collection(watch->database, name, &sums);
}

static void look(struct watch *watch)
{
    bool is_up = look_at_server(watch);
    status_set_up(is_up);
    if (is_up && !is_stopping(watch))
        look_at_database(watch);
    else
        status_take_database(watch->database, NULL);
    int known = (int)collections_count(watch->collections);
    for (int i = 0; i < known && i < COLLECTIONS_WATCHED && !is_stopping(watch); i++) {
        char name[NAME_MAX_BYTES + 1];
        collections_name(watch->collections, i, name);
        look_at_collection(watch, name, is_up);
    }
}

/* ---- the thread ---- */

static void *run(void *context)
{
    struct watch *watch = context;
    pthread_setname_np(pthread_self(), "store-watch");
    while (!is_stopping(watch)) {
        look(watch);
        bell_wait(&watch->bell, watch->interval_ns);
    }
    return NULL;
}

int watch_new(struct watch **out, const struct sink_config *config, struct collections *collections,
              struct error *err)
{
    *out = NULL;
    if (config->mongodb.status_interval_ns == 0)
        return 0;
    struct watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the watch over the database");
    watch->interval_ns = config->mongodb.status_interval_ns;
    watch->database = config->mongodb.database;
    watch->collections = collections;
    bell_init(&watch->bell);
    if (server_client_new(&watch->client, &config->mongodb, timeout_ns, err) != 0) {
        watch_free(watch);
        return -1;
    }
    if (pthread_create(&watch->thread, NULL, run, watch) != 0) {
        watch_free(watch);
        return error_set(err, ERROR_IO, "can't start the watch over the database");
    }
    watch->is_started = true;
    *out = watch;
    return 0;
}

void watch_free(struct watch *watch)
{
    if (watch == NULL)
        return;
    atomic_store(&watch->is_stopping, true);
    bell_ring(&watch->bell);
    if (watch->is_started)
        pthread_join(watch->thread, NULL);
    if (watch->client != NULL)
        mongoc_client_destroy(watch->client);
    bell_deinit(&watch->bell);
    free(watch);
}
