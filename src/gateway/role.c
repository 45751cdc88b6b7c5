/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/role.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/must.h"
#include "gateway/worker.h"
#include "observe/health.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "vehicle/dialect.h"

enum { LOOPS_MAX = 64 };

struct gateway {
    struct worker_shared shared;
    struct worker *workers[LOOPS_MAX];
    unsigned worker_count; /* opened */
    unsigned running_count;
};

static unsigned loop_count(const struct gateway_config *config)
{
    if (config->loops > 0)
        return (unsigned)config->loops;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores < 1 ? 1 : cores > LOOPS_MAX ? LOOPS_MAX : (unsigned)cores;
}

static void name_reasons(void)
{
    static const char *codes[REASON_COUNT];
    for (unsigned r = 0; r < REASON_COUNT; r++)
        codes[r] = reason_code((enum reason)r);
    metrics_label_values(METRIC_GATEWAY_REJECTED, codes, REASON_COUNT);
}

static int open_topic(struct broker *broker, struct bytes ingest, const char *suffix,
                      struct error *err)
{
    char name[128];
    snprintf(name, sizeof name, "%.*s%s", (int)ingest.len, ingest.ptr, suffix);
    return broker_topic(broker, name, 0, err);
}

/* What no dialect could decode goes to the dead letters of the first one's topic. */
static int open_topics(struct gateway *gateway, const struct topics_config *topics,
                       struct error *err)
{
    struct worker_shared *shared = &gateway->shared;
    for (size_t i = 0; dialect_registry[i] != NULL; i++) {
        const struct dialect *dialect = dialect_registry[i];
        must((int)dialect->id < WORKER_DIALECTS_MAX);
        int topic = open_topic(shared->broker, topics_of_dialect(topics, dialect), "", err);
        if (topic < 0)
            return -1;
        shared->ingest_topics[dialect->id] = topic;
    }
    struct bytes first = topics_of_dialect(topics, dialect_registry[0]);
    shared->first_topic = first;
    shared->dead_letter_topic = open_topic(shared->broker, first, ".dead-letters", err);
    return shared->dead_letter_topic < 0 ? -1 : 0;
}

/* The first binds the port asked for; the others share the one really bound. */
static int open_workers(struct gateway *gateway, unsigned count, struct error *err)
{
    const char *listen = gateway->shared.config->listen;
    for (unsigned i = 0; i < count; i++) {
        struct worker *worker = worker_new(&gateway->shared, i, listen, err);
        if (worker == NULL)
            return error_prefix(err, "gateway");
        gateway->workers[gateway->worker_count++] = worker;
        listen = server_address(gateway->workers[0]->server);
    }
    for (unsigned i = 0; i < count; i++) {
        if (loop_start(gateway->workers[i]->loop, err) != 0)
            return error_prefix(err, "gateway");
        gateway->running_count++;
    }
    return 0;
}

static bool is_loopback(const char *address)
{
    return strncmp(address, "127.", 4) == 0 || strncmp(address, "[::1]", 5) == 0;
}

static void announce(const struct gateway *gateway)
{
    const char *address = gateway_address(gateway);
    log_event(LOG_INFO, "gateway", "listening", LOG_T("address", address),
              LOG_I("loops", gateway->worker_count));
    if (!is_loopback(address))
        log_event(LOG_WARN, "gateway",
                  "anyone who reaches this address can send packets: there is no authentication; "
                  "set gateway.listen to a loopback address, or put it behind a proxy or firewall",
                  LOG_T("address", address));
}

int gateway_start(struct gateway **out, const struct gateway_config *config,
                  const struct topics_config *topics, struct broker *broker, bool serves_admin,
                  struct error *err)
{
    struct gateway *gateway = calloc(1, sizeof *gateway);
    if (gateway == NULL)
        return error_set(err, ERROR_MEMORY, "gateway: no memory");
    name_reasons();
    gateway->shared.config = config;
    gateway->shared.broker = broker;
    gateway->shared.serves_admin = serves_admin;
    gateway->shared.health = health_check("gateway");
    if (open_topics(gateway, topics, err) != 0 ||
        open_workers(gateway, loop_count(config), err) != 0) {
        gateway_stop(gateway);
        return -1;
    }
    health_set_ready(gateway->shared.health);
    announce(gateway);
    *out = gateway;
    return 0;
}

const char *gateway_address(const struct gateway *gateway)
{
    return server_address(gateway->workers[0]->server);
}

static bool is_drained(const struct gateway *gateway)
{
    for (unsigned i = 0; i < gateway->running_count; i++)
        if (!atomic_load(&gateway->workers[i]->is_drained))
            return false;
    return true;
}

void gateway_drain(struct gateway *gateway)
{
    health_set_unready(gateway->shared.health, "shutting down");
    for (unsigned i = 0; i < gateway->running_count; i++)
        loop_post(gateway->workers[i]->loop, worker_drain, gateway->workers[i]);
    int64_t deadline_ns = clock_monotonic_ns() + gateway->shared.config->drain_deadline_ns;
    while (!is_drained(gateway) && clock_monotonic_ns() < deadline_ns)
        nanosleep(&(struct timespec){.tv_nsec = NS_PER_MS}, NULL);
}

void gateway_stop(struct gateway *gateway)
{
    if (gateway == NULL)
        return;
    for (unsigned i = 0; i < gateway->running_count; i++)
        loop_post(gateway->workers[i]->loop, worker_shut, gateway->workers[i]);
    for (unsigned i = 0; i < gateway->running_count; i++)
        loop_join(gateway->workers[i]->loop);
    for (unsigned i = 0; i < gateway->worker_count; i++)
        worker_free(gateway->workers[i]);
    health_retire(gateway->shared.health);
    free(gateway);
}
