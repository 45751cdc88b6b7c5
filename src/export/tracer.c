/* SPDX-License-Identifier: Apache-2.0 */
#include "export/tracer.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bell.h"
#include "base/clock.h"
#include "base/version.h"
#include "export/curl_once.h"
#include "export/otlp.h"
#include "observe/log.h"
#include "observe/metrics.h"

enum { BATCH_MAX = 512, URL_MAX = 2048 };
static const int64_t interval_ns = 2 * NS_PER_S;
static const int64_t pause_max_ns = 30 * NS_PER_S;

/* In the order of metrics.def's label values of trace_exports_total. */
enum outcome { OUTCOME_SENT, OUTCOME_RETRY, OUTCOME_REFUSED };

struct tracer {
    const struct tracing_config *config;
    char url[URL_MAX];
    char host[256];
    char instance_id[300];
    struct otlp_resource resource;
    CURL *curl;
    struct curl_slist *headers;
    struct span *batch;
    size_t batch_count; /* not sent yet */
    struct buf body;
    bool is_away;
    pthread_t thread;
    bool is_started;
    struct bell bell;
    atomic_bool is_stopping;
};

/* ---- one request ---- */

static size_t ignore_body(char *ptr, size_t size, size_t count, void *context)
{
    (void)ptr, (void)context;
    return size * count;
}

static enum outcome classify(long status)
{
    if (status >= 200 && status < 300)
        return OUTCOME_SENT;
    /* OTLP/HTTP, "Failures": these may be tried again, all others not. */
    return status == 429 || status == 502 || status == 503 || status == 504 ? OUTCOME_RETRY
                                                                            : OUTCOME_REFUSED;
}

static enum outcome post(struct tracer *tracer, struct error *err)
{
    curl_easy_setopt(tracer->curl, CURLOPT_POSTFIELDS, tracer->body.ptr);
    curl_easy_setopt(tracer->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)tracer->body.len);
    CURLcode code = curl_easy_perform(tracer->curl);
    if (code != CURLE_OK) {
        error_set(err, ERROR_IO, "%s: %s", tracer->url, curl_easy_strerror(code));
        return OUTCOME_RETRY;
    }
    long status = 0;
    curl_easy_getinfo(tracer->curl, CURLINFO_RESPONSE_CODE, &status);
    enum outcome outcome = classify(status);
    if (outcome != OUTCOME_SENT)
        error_set(err, ERROR_REMOTE, "%s answered %ld", tracer->url, status);
    return outcome;
}

/* True: what was in hand is gone. */
static bool send_batch(struct tracer *tracer)
{
    struct error err = {0};
    buf_clear(&tracer->body);
    otlp_encode(&tracer->body, &tracer->resource, tracer->batch, tracer->batch_count);
    enum outcome outcome = tracer->body.has_failed ? OUTCOME_REFUSED : post(tracer, &err);
    metrics_add(METRIC_TRACE_EXPORTS, outcome, 1);
    if (outcome == OUTCOME_SENT && tracer->is_away)
        log_event(LOG_INFO, "export", "traces go out again", LOG_T("url", tracer->url));
    if (outcome != OUTCOME_SENT && !tracer->is_away)
        log_error("export", "traces could not be sent", &err);
    tracer->is_away = outcome != OUTCOME_SENT;
    if (outcome == OUTCOME_RETRY)
        return false;
    if (outcome == OUTCOME_REFUSED)
        metrics_add(METRIC_TRACE_SPANS, 1, (int64_t)tracer->batch_count);
    tracer->batch_count = 0;
    return true;
}

/* ---- the thread ---- */

static void rest(struct tracer *tracer, int64_t ns)
{
    int64_t until_ns = clock_monotonic_ns() + ns;
    for (int64_t left = ns; left > 0 && !atomic_load(&tracer->is_stopping);
         left = until_ns - clock_monotonic_ns())
        if (bell_wait(&tracer->bell, left) && !tracer->is_away)
            return;
}

static void *tracer_thread(void *context)
{
    struct tracer *tracer = context;
    int64_t pause_ns = NS_PER_S;
    bool is_last = false;
    while (!is_last) {
        is_last = atomic_load(&tracer->is_stopping);
        if (tracer->batch_count == 0)
            tracer->batch_count = trace_drain(tracer->batch, BATCH_MAX);
        if (tracer->batch_count == 0) {
            rest(tracer, interval_ns);
            continue;
        }
        bool was_whole = tracer->batch_count == BATCH_MAX;
        if (send_batch(tracer)) {
            pause_ns = NS_PER_S;
            is_last = is_last && !was_whole; /* at the end: all that is there */
            rest(tracer, was_whole ? 0 : interval_ns);
        } else {
            rest(tracer, pause_ns);
            pause_ns = pause_ns * 2 > pause_max_ns ? pause_max_ns : pause_ns * 2;
        }
    }
    return NULL;
}

static void wake(void *context)
{
    bell_ring(&((struct tracer *)context)->bell);
}

/* ---- life ---- */

static int add_header(struct tracer *tracer, const char *line)
{
    struct curl_slist *longer = curl_slist_append(tracer->headers, line);
    if (longer == NULL)
        return -1;
    tracer->headers = longer;
    return 0;
}

static int open_curl(struct tracer *tracer, struct error *err)
{
    curl_once();
    tracer->curl = curl_easy_init();
    int result =
        tracer->curl == NULL ? -1 : add_header(tracer, "Content-Type: application/x-protobuf");
    const char *authorization = tracer->config->authorization;
    char line[1024];
    if (result == 0 && authorization[0] != '\0') {
        snprintf(line, sizeof line, "Authorization: %s", authorization);
        result = add_header(tracer, line);
    }
    if (result != 0)
        return error_set(err, ERROR_MEMORY, "no memory to export traces");
    curl_easy_setopt(tracer->curl, CURLOPT_URL, tracer->url);
    curl_easy_setopt(tracer->curl, CURLOPT_HTTPHEADER, tracer->headers);
    curl_easy_setopt(tracer->curl, CURLOPT_WRITEFUNCTION, ignore_body);
    curl_easy_setopt(tracer->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(tracer->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(tracer->curl, CURLOPT_TIMEOUT_MS,
                     (long)(tracer->config->timeout_ns / NS_PER_MS));
    return 0;
}

static int make(struct tracer *tracer, const char *role, const char *messaging_system,
                struct error *err)
{
    const char *endpoint = tracer->config->endpoint;
    size_t len = strlen(endpoint);
    const char *slash = len > 0 && endpoint[len - 1] == '/' ? "" : "/";
    int written = snprintf(tracer->url, sizeof tracer->url, "%s%sv1/traces", endpoint, slash);
    if (written < 0 || (size_t)written >= sizeof tracer->url)
        return error_set(err, ERROR_CONFIG, "tracing.endpoint is too long");
    if (gethostname(tracer->host, sizeof tracer->host - 1) != 0)
        snprintf(tracer->host, sizeof tracer->host, "unknown");
    snprintf(tracer->instance_id, sizeof tracer->instance_id, "%s-%d", tracer->host, getpid());
    tracer->resource = (struct otlp_resource){.version = version_text(),
                                              .host = tracer->host,
                                              .role = role,
                                              .instance_id = tracer->instance_id,
                                              .messaging_system = messaging_system};
    tracer->batch = calloc(BATCH_MAX, sizeof *tracer->batch);
    if (tracer->batch == NULL)
        return error_set(err, ERROR_MEMORY, "no memory to export traces");
    return open_curl(tracer, err);
}

int tracer_start(struct tracer **out, const struct tracing_config *config, const char *role,
                 const char *messaging_system, struct error *err)
{
    *out = NULL;
    if (config->endpoint[0] == '\0')
        return 0;
    struct tracer *tracer = calloc(1, sizeof *tracer);
    if (tracer == NULL)
        return error_set(err, ERROR_MEMORY, "no memory to export traces");
    tracer->config = config;
    buf_init(&tracer->body, 0);
    bell_init(&tracer->bell);
    int result = make(tracer, role, messaging_system, err);
    if (result == 0 && pthread_create(&tracer->thread, NULL, tracer_thread, tracer) != 0)
        result = error_set(err, ERROR_IO, "can't start the thread that exports traces");
    if (result != 0) {
        tracer_stop(tracer);
        return -1;
    }
    tracer->is_started = true;
    trace_on_many(wake, tracer);
    trace_configure(config->ratio, config->slow_ns, config->per_s);
    log_event(LOG_INFO, "export", "sends traces", LOG_T("url", tracer->url),
              LOG_F("ratio", config->ratio));
    *out = tracer;
    return 0;
}

void tracer_stop(struct tracer *tracer)
{
    if (tracer == NULL)
        return;
    trace_off();
    trace_on_many(NULL, NULL);
    atomic_store(&tracer->is_stopping, true);
    bell_ring(&tracer->bell);
    if (tracer->is_started)
        pthread_join(tracer->thread, NULL);
    if (tracer->curl != NULL)
        curl_easy_cleanup(tracer->curl);
    curl_slist_free_all(tracer->headers);
    buf_deinit(&tracer->body);
    bell_deinit(&tracer->bell);
    free(tracer->batch);
    free(tracer);
}
