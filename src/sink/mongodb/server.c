/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/mongodb/server.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "observe/log.h"

enum {
    SPARE_CLIENTS = 4, /* beside the writers: readers, tools */
    /* error_codes.yml */
    LOCK_TIMEOUT = 24,
    WRITE_CONFLICT = 112,
};

/* ---- the library, once a process ---- */

static pthread_once_t library = PTHREAD_ONCE_INIT;

/* The library's counters lie in a file in shared memory from the moment that it is loaded (its
 * constructor runs before this one), and stay there when the process is killed; the next
 * process of that number then complains. Nothing here reads them from outside. */
__attribute__((constructor)) static void unlink_counters(void)
{
    char name[32];
    snprintf(name, sizeof name, "/mongoc-%ld", (long)getpid());
    shm_unlink(name);
}

/* What a call answers we log ourselves; the library's own words are about
 * what goes on in the background. */
static void on_library_log(mongoc_log_level_t level, const char *domain, const char *message,
                           void *context)
{
    (void)context;
    enum log_level as = level <= MONGOC_LOG_LEVEL_CRITICAL ? LOG_WARN : LOG_DEBUG;
    if (level <= MONGOC_LOG_LEVEL_WARNING)
        log_event(as, "store", "libmongoc", LOG_T("part", domain), LOG_T("said", message));
}

static void start_library(void)
{
    mongoc_log_set_handler(on_library_log, NULL);
    mongoc_init();
    atexit(mongoc_cleanup);
}

/* ---- the deployment ---- */

static bool set_default(mongoc_uri_t *uri, const char *option, int64_t duration_ns)
{
    if (mongoc_uri_get_option_as_int32(uri, option, -1) != -1)
        return true;
    return mongoc_uri_set_option_as_int32(uri, option, (int32_t)(duration_ns / NS_PER_MS));
}

static bool set_defaults(mongoc_uri_t *uri, const struct mongodb_config *config)
{
    int32_t clients = (int32_t)config->writers + SPARE_CLIENTS;
    return set_default(uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS, config->selection_timeout_ns) &&
           set_default(uri, MONGOC_URI_CONNECTTIMEOUTMS, config->selection_timeout_ns) &&
           set_default(uri, MONGOC_URI_SOCKETTIMEOUTMS, config->socket_timeout_ns) &&
           mongoc_uri_set_option_as_int32(uri, MONGOC_URI_MAXPOOLSIZE, clients) &&
           (mongoc_uri_get_appname(uri) != NULL || mongoc_uri_set_appname(uri, "motorcade"));
}

static void set_concern(mongoc_write_concern_t *concern, const struct mongodb_config *config)
{
    int64_t members;
    if (text_to_i64(bytes_from_text(config->w), &members))
        mongoc_write_concern_set_w(concern, (int32_t)members);
    else if (strcmp(config->w, "majority") == 0)
        mongoc_write_concern_set_w(concern, MONGOC_WRITE_CONCERN_W_MAJORITY);
    else
        mongoc_write_concern_set_wtag(concern, config->w);
    mongoc_write_concern_set_journal(concern, config->is_journaled);
    mongoc_write_concern_set_wtimeout_int64(concern, config->w_timeout_ns / NS_PER_MS);
}

int mongodb_config_check(const struct mongodb_config *config, struct error *err)
{
    int64_t members;
    if (config->w[0] == '\0' ||
        (text_to_i64(bytes_from_text(config->w), &members) && (members < 1 || members > 50)))
        return error_set(
            err, ERROR_CONFIG,
            "mongodb.w: wants majority, a number from 1 to 50, or the name of a custom "
            "concern: without an answer nothing is known to be stored");
    if (config->database[0] == '\0' || strlen(config->database) > 63 ||
        strpbrk(config->database, "/\\. \"$*<>:|?") != NULL)
        return error_set(err, ERROR_CONFIG,
                         "mongodb.database: wants 1 to 63 letters, digits, - or _");
    if (config->status_interval_ns > 0 && config->status_interval_ns < 100 * NS_PER_MS)
        return error_set(err, ERROR_CONFIG,
                         "mongodb.status_interval: wants 0 (never) or at least 100ms");
    return 0;
}

/* The URI's options that name files, and for what. */
static const struct {
    const char *option, *use;
} tls_files[] = {{"tlsCAFile", "mongodb ca"}, {"tlsCertificateKeyFile", "mongodb client"}};
enum { TLS_FILES = sizeof tls_files / sizeof tls_files[0] };

/* The library would tell of these in its log only, at each attempt to connect. */
static int check_files(const mongoc_uri_t *uri, struct error *err)
{
    for (size_t i = 0; i < TLS_FILES; i++) {
        const char *path = mongoc_uri_get_option_as_utf8(uri, tls_files[i].option, NULL);
        if (path != NULL && access(path, R_OK) != 0)
            return error_set_errno(err, ERROR_CONFIG, errno, "sink.mongodb.uri: %s: %.200s",
                                   tls_files[i].option, path);
    }
    return 0;
}

/* NULL with an error. */
static mongoc_uri_t *make_uri(const struct mongodb_config *config, struct error *err)
{
    bson_error_t cause;
    pthread_once(&library, start_library);
    mongoc_uri_t *uri = mongoc_uri_new_with_error(config->uri, &cause);
    if (uri == NULL) /* the text holds no part of the URI's password */
        error_set(err, ERROR_CONFIG, "sink.mongodb.uri: %s", cause.message);
    else if (!set_defaults(uri, config))
        error_set(err, ERROR_CONFIG, "sink.mongodb.uri: an option is wrong");
    else if (check_files(uri, err) == 0)
        return uri;
    if (uri != NULL)
        mongoc_uri_destroy(uri);
    return NULL;
}

void mongodb_config_files(const struct mongodb_config *config,
                          void (*fn)(void *context, const char *use, const char *path),
                          void *context)
{
    mongoc_uri_t *uri = make_uri(config, NULL);
    if (uri == NULL) /* who connects says why */
        return;
    for (size_t i = 0; i < TLS_FILES; i++) {
        const char *path = mongoc_uri_get_option_as_utf8(uri, tls_files[i].option, "");
        if (path[0] != '\0')
            fn(context, tls_files[i].use, path);
    }
    mongoc_uri_destroy(uri);
}

int server_init(struct server *server, const struct sink_config *config, struct error *err)
{
    const struct mongodb_config *mongodb = &config->mongodb;
    bson_error_t cause;
    *server = (struct server){.database = mongodb->database};
    if (mongodb_config_check(mongodb, err) != 0)
        return error_prefix(err, "sink");
    mongoc_uri_t *uri = make_uri(mongodb, err);
    if (uri == NULL)
        return -1;
    server->pool = mongoc_client_pool_new_with_error(uri, &cause);
    mongoc_uri_destroy(uri);
    if (server->pool == NULL)
        return error_set(err, ERROR_CONFIG, "sink.mongodb.uri: %s", cause.message);
    mongoc_client_pool_set_error_api(server->pool, MONGOC_ERROR_API_VERSION_2);
    server->concern = mongoc_write_concern_new();
    set_concern(server->concern, mongodb);
    return 0;
}

void server_deinit(struct server *server)
{
    if (server->pool != NULL)
        mongoc_client_pool_destroy(server->pool);
    if (server->concern != NULL)
        mongoc_write_concern_destroy(server->concern);
    *server = (struct server){0};
}

/* An option that the string has stays, where it is shorter. */
static void cap_option(mongoc_uri_t *uri, const char *option, int64_t timeout_ns)
{
    int32_t most_ms = (int32_t)(timeout_ns / NS_PER_MS);
    int32_t ms = mongoc_uri_get_option_as_int32(uri, option, 0);
    if (ms <= 0 || ms > most_ms)
        mongoc_uri_set_option_as_int32(uri, option, most_ms);
}

int server_client_new(mongoc_client_t **out, const struct mongodb_config *config,
                      int64_t timeout_ns, struct error *err)
{
    bson_error_t cause;
    mongoc_uri_t *uri = make_uri(config, err);
    if (uri == NULL)
        return -1;
    cap_option(uri, MONGOC_URI_SERVERSELECTIONTIMEOUTMS, timeout_ns);
    cap_option(uri, MONGOC_URI_CONNECTTIMEOUTMS, timeout_ns);
    cap_option(uri, MONGOC_URI_SOCKETTIMEOUTMS, timeout_ns);
    *out = mongoc_client_new_from_uri_with_error(uri, &cause);
    mongoc_uri_destroy(uri);
    if (*out == NULL)
        return error_set(err, ERROR_CONFIG, "sink.mongodb.uri: %s", cause.message);
    mongoc_client_set_error_api(*out, MONGOC_ERROR_API_VERSION_2);
    return 0;
}

mongoc_client_t *server_pop(struct server *server)
{
    return mongoc_client_pool_pop(server->pool);
}

void server_push(struct server *server, mongoc_client_t *client)
{
    mongoc_client_pool_push(server->pool, client);
}

/* ---- what an error means ---- */

/* Codes that speak of the document, not of the server's state. */
static bool is_document_code(int code)
{
    static const int codes[] = {
        2,     /* BadValue */
        9,     /* FailedToParse */
        14,    /* TypeMismatch */
        15,    /* Overflow */
        16,    /* InvalidLength */
        22,    /* InvalidBSON */
        40,    /* ConflictingUpdateOperators */
        52,    /* DollarPrefixedFieldName */
        53,    /* InvalidIdField */
        54,    /* NotSingleValueField */
        55,    /* InvalidDBRef */
        56,    /* EmptyFieldName */
        57,    /* DottedFieldName */
        121,   /* DocumentValidationFailure */
        10334, /* BSONObjectTooLarge */
        16755, /* can't extract geo keys */
        17280, /* KeyTooLong */
        17419, /* resulting document too large */
    };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (codes[i] == code)
            return true;
    return false;
}

bool server_is_state_code(int code)
{
    static const int codes[] = {6,     7,     24,    46,    50,    89,    91,    112,   117,
                                189,   262,   276,   317,   334,   358,   384,   412,   9001,
                                10058, 10107, 11600, 11602, 12587, 13388, 13435, 13436, 14031};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (codes[i] == code)
            return true;
    return false;
}

/* "E11000 duplicate key error collection: db.c index: _id_ dup key: …". A server
 * that names no index has no other unique one. */
static bool is_id_duplicate(struct bytes message, const bson_t *key_pattern)
{
    if (key_pattern != NULL)
        return bson_count_keys(key_pattern) == 1 && bson_has_field(key_pattern, "_id");
    static const char mark[] = " index: ";
    const char *found = memmem(message.ptr, message.len, mark, sizeof mark - 1);
    if (found == NULL)
        return true;
    const char *name = found + sizeof mark - 1, *end = message.ptr + message.len;
    return end - name >= 4 && memcmp(name, "_id_", 4) == 0 && (end - name == 4 || name[4] == ' ');
}

enum server_fault server_item_fault(int code, struct bytes message, const bson_t *key_pattern)
{
    if (code == 11000 || code == 11001 || code == 12582)
        return is_id_duplicate(message, key_pattern) ? FAULT_DUPLICATE : FAULT_DOCUMENT;
    if (is_document_code(code))
        return FAULT_DOCUMENT;
    bool is_contended = code == LOCK_TIMEOUT || code == WRITE_CONFLICT; /* this document, for now */
    return server_is_state_code(code) && !is_contended ? FAULT_SERVER : FAULT_PASSING;
}

bool server_blames_document(const bson_error_t *cause)
{
    if (cause->domain == MONGOC_ERROR_BSON)
        return true; /* refused by the library before it was sent */
    if (cause->domain == MONGOC_ERROR_COMMAND)
        return cause->code == MONGOC_ERROR_COMMAND_INVALID_ARG;
    return cause->domain == MONGOC_ERROR_SERVER && is_document_code((int)cause->code);
}

/* What the library says of a server that can't be used: it has no codes for these
 * (mongoc-topology.c and mongoc-stream-tls-openssl.c put the texts together). */
static const char *selection_hint(const char *message)
{
    static const struct {
        const char *said, *hint;
    } hints[] = {
        {"mismatch", " (use a host in sink.mongodb.uri that the server's certificate names)"},
        {"expired]", " (the server needs a new certificate)"},
        {"certificate verify failed",
         " (name the CA of the server's certificate in sink.mongodb.uri: tlsCAFile=…)"},
        {"TLS", " (look at the options tls… in sink.mongodb.uri)"},
        {"Failed to read 4 bytes", " (it hangs up: does it want TLS, tls=true in sink.mongodb.uri, "
                                   "or a client's certificate, "
                                   "tlsCertificateKeyFile=…?)"},
        {"", " (is it running, and reachable under sink.mongodb.uri? Does it speak TLS just when "
             "that says so?)"},
    };
    size_t i = 0;
    while (strstr(message, hints[i].said) == NULL)
        i++;
    return hints[i].hint;
}

static const char *hint_of(const bson_error_t *cause)
{
    if (cause->domain == MONGOC_ERROR_SERVER_SELECTION)
        return selection_hint(cause->message);
    if (cause->domain == MONGOC_ERROR_CLIENT && cause->code == MONGOC_ERROR_CLIENT_AUTHENTICATE)
        return " (look at user, password and authSource in sink.mongodb.uri)";
    if (cause->domain != MONGOC_ERROR_SERVER || cause->code != SERVER_UNAUTHORIZED)
        return "";
    return strstr(cause->message, "requires authentication") != NULL
               ? " (give user and password in sink.mongodb.uri: mongodb://user:password@host/)"
               : " (the user in sink.mongodb.uri needs the role readWrite on the database)";
}

void server_reason(const bson_error_t *cause, char *out, size_t size)
{
    snprintf(out, size, "%.300s%s", cause->message, hint_of(cause));
}

int server_error(struct error *err, const bson_error_t *cause, const char *what)
{
    char reason[SERVER_REASON_MAX];
    server_reason(cause, reason, sizeof reason);
    error_set(err, ERROR_REMOTE, "MongoDB: %s: %s", what, reason);
    if (err != NULL)
        err->is_transient = true;
    return -1;
}
