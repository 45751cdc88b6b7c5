/* SPDX-License-Identifier: Apache-2.0 */
#include "handler/role.h"

#include <stdlib.h>

#include "base/clock.h"
#include "handler/worker.h"
#include "observe/health.h"
#include "observe/log.h"
#include "vehicle/dialect.h"

enum { INGEST_MAX = 32 };

struct handler {
    struct shared shared;
    int ingest[INGEST_MAX];
    const char *ingest_names[INGEST_MAX]; /* the broker's */
    struct worker workers[ATTEMPTS_SLOTS_MAX];
    unsigned worker_count;
};

/* ---- starting ---- */

static int add_ingest(struct handler *handler, const char *name, struct error *err)
{
    struct shared *shared = &handler->shared;
    int topic = broker_topic(shared->broker, name, 0, err);
    if (topic < 0)
        return -1;
    for (size_t i = 0; i < shared->ingest_count; i++)
        if (handler->ingest[i] == topic)
            return 0;
    if (shared->ingest_count == INGEST_MAX)
        return error_set(err, ERROR_CONFIG, "more than %d ingest topics", INGEST_MAX);
    handler->ingest_names[shared->ingest_count] = broker_topic_name(shared->broker, topic);
    handler->ingest[shared->ingest_count++] = topic;
    return 0;
}

static int add_all_ingest(struct handler *handler, struct error *err)
{
    const struct setting_list *topics = &handler->shared.config.topics;
    for (size_t i = 0; i < topics->count; i++)
        if (add_ingest(handler, topics->items[i], err) != 0)
            return -1;
    for (size_t i = 0; topics->count == 0 && dialect_registry[i] != NULL; i++)
        if (add_ingest(handler, dialect_registry[i]->ingest_topic, err) != 0)
            return -1;
    return 0;
}

static void name_reasons(void)
{
    static const char *codes[REASON_COUNT];
    for (unsigned i = 0; i < REASON_COUNT; i++)
        codes[i] = reason_code((enum reason)i);
    metrics_label_values(METRIC_HANDLER_DEAD_LETTERS, codes, REASON_COUNT);
}

static int start(struct handler *handler, struct ruleset *ruleset, struct error *err)
{
    struct shared *shared = &handler->shared;
    name_reasons();
    shared->ingest = handler->ingest;
    if (add_all_ingest(handler, err) != 0 ||
        plan_new(&shared->plan, shared->broker, ruleset, handler->ingest_names,
                 shared->ingest_count, err) != 0 ||
        attempts_open(&shared->attempts, shared->config.state_dir, shared->config.group, err) != 0)
        return -1;
    atomic_store(&shared->generation, 1);
    while (handler->worker_count < (unsigned)shared->config.threads) {
        unsigned number = handler->worker_count;
        if (worker_start(&handler->workers[number], shared, number, err) != 0)
            return -1;
        handler->worker_count++;
    }
    return 0;
}

int handler_start(struct handler **out, const struct handler_config *config, struct broker *broker,
                  struct ruleset *ruleset, struct error *err)
{
    struct handler *handler = calloc(1, sizeof *handler);
    if (handler == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the handler");
    handler->shared.broker = broker;
    handler->shared.config = *config;
    if (config->group == NULL || config->group[0] == '\0')
        handler->shared.config.group = HANDLER_GROUP;
    pthread_mutex_init(&handler->shared.lock, NULL);
    health_check("handler");
    if (start(handler, ruleset, err) != 0) {
        handler_stop(handler);
        return -1;
    }
    log_event(LOG_INFO, "handler", "started", LOG_I("threads", handler->worker_count),
              LOG_I("categories", ruleset_category_count(ruleset)),
              LOG_I("rules", ruleset_rule_count(ruleset)));
    *out = handler;
    return 0;
}

/* ---- running ---- */

int handler_reload(struct handler *handler, struct ruleset *ruleset, struct error *err)
{
    struct shared *shared = &handler->shared;
    struct plan *plan;
    if (plan_new(&plan, shared->broker, ruleset, handler->ingest_names, shared->ingest_count,
                 err) != 0)
        return -1;
    pthread_mutex_lock(&shared->lock);
    struct plan *old = shared->plan;
    shared->plan = plan;
    atomic_fetch_add(&shared->generation, 1);
    pthread_mutex_unlock(&shared->lock);
    plan_unref(old);
    for (unsigned i = 0; i < handler->worker_count; i++)
        bell_ring(&handler->workers[i].bell);
    log_event(LOG_INFO, "handler", "new rules",
              LOG_I("categories", ruleset_category_count(ruleset)),
              LOG_I("rules", ruleset_rule_count(ruleset)));
    return 0;
}

void handler_stop(struct handler *handler)
{
    if (handler == NULL)
        return;
    struct shared *shared = &handler->shared;
    atomic_store(&shared->stop_deadline_ns, clock_monotonic_ns() + shared->config.drain_timeout_ns);
    atomic_store(&shared->is_stopping, true);
    for (unsigned i = 0; i < handler->worker_count; i++)
        bell_ring(&handler->workers[i].bell);
    for (unsigned i = 0; i < handler->worker_count; i++)
        worker_join(&handler->workers[i]);
    attempts_close(shared->attempts);
    plan_unref(shared->plan);
    health_retire(health_check("handler"));
    pthread_mutex_destroy(&shared->lock);
    free(handler);
}
