/* SPDX-License-Identifier: Apache-2.0 */
#include "live/role.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "live/history.h"
#include "live/hub.h"
#include "live/snapshot.h"
#include "observe/health.h"
#include "observe/log.h"

enum { HUBS_MAX = 64 };
static const int64_t DRAIN_NS = 2 * NS_PER_S;

struct live {
    struct broker *broker;
    const struct live_config *config;
    struct health_check *health;
    struct snapshot_writer *writer;
    struct history *history;
    char *snapshot_path;
    struct hub *hubs[HUBS_MAX];
    unsigned hub_count;
    atomic_uint ready_count;
    bool is_drained;
};

/* On each hub's loop. */
static void on_ready(void *context)
{
    struct live *live = context;
    if (atomic_fetch_add(&live->ready_count, 1) + 1 == live->hub_count)
        health_set_ready(live->health);
}

static int open_snapshots(struct live *live, struct error *err)
{
    const char *data_dir = live->config->data_dir;
    if (data_dir == NULL || data_dir[0] == '\0')
        return 0;
    size_t size = strlen(data_dir) + sizeof "/live/snapshot";
    live->snapshot_path = malloc(size);
    if (live->snapshot_path == NULL)
        return error_set(err, ERROR_MEMORY, "live: no memory");
    snprintf(live->snapshot_path, size, "%s/live/snapshot", data_dir);
    return snapshot_writer_start(&live->writer, live->snapshot_path, err);
}

/* The first binds the port asked for; the others share the one really bound. */
static int open_hubs(struct live *live, struct hub_options *options, struct error *err)
{
    unsigned count = (unsigned)live->config->threads;
    for (unsigned i = 0; i < count; i++) {
        options->index = i;
        options->listen = i == 0 ? live->config->listen : live_address(live);
        options->writer = i == 0 ? live->writer : NULL;
        live->hubs[i] = hub_new(options, err);
        if (live->hubs[i] == NULL)
            return error_prefix(err, "live");
        live->hub_count++;
    }
    return 0;
}

/* The sink has been read for the start: from here on it is the history's. */
static int run_hubs(struct live *live, struct sink *sink, struct error *err)
{
    if (sink != NULL && history_start(&live->history, sink, err) != 0)
        return error_prefix(err, "live");
    for (unsigned i = 0; i < live->hub_count; i++) {
        live->hubs[i]->api.history = live->history;
        if (hub_run(live->hubs[i], err) != 0)
            return error_prefix(err, "live");
    }
    return 0;
}

static bool is_loopback(const char *address)
{
    return strncmp(address, "127.", 4) == 0 || strncmp(address, "[::1]", 5) == 0;
}

static void announce(const struct live *live)
{
    const char *address = live_address(live);
    log_event(LOG_INFO, "live", "listening", LOG_T("address", address),
              LOG_I("threads", live->hub_count));
    if (!is_loopback(address))
        log_event(LOG_WARN, "live",
                  "anyone who reaches this address sees every vehicle: there is no authentication; "
                  "set live.listen to a loopback address, or put it behind a proxy or firewall",
                  LOG_T("address", address));
}

int live_start(struct live **out, const struct live_config *config, struct broker *broker,
               struct sink *sink, const char *const *topics, size_t topic_count, struct error *err)
{
    struct live *live = calloc(1, sizeof *live);
    if (live == NULL)
        return error_set(err, ERROR_MEMORY, "live: no memory");
    live->config = config;
    live->broker = broker;
    live->health = health_check("live");
    struct hub_options options = {.config = config,
                                  .broker = broker,
                                  .sink = sink,
                                  .topics = topics,
                                  .topic_count = topic_count,
                                  .on_ready = on_ready,
                                  .context = live};
    if (open_snapshots(live, err) != 0) {
        live_stop(live);
        return -1;
    }
    options.snapshot_path = live->snapshot_path;
    if (open_hubs(live, &options, err) != 0 || run_hubs(live, sink, err) != 0) {
        live_stop(live);
        return -1;
    }
    announce(live);
    *out = live;
    return 0;
}

int live_add_topics(struct live *live, const char *const *topics, size_t topic_count,
                    struct error *err)
{
    int *numbers = calloc(topic_count + 1, sizeof *numbers);
    if (numbers == NULL)
        return error_set(err, ERROR_MEMORY, "live: no memory for topics");
    int result = 0;
    for (size_t i = 0; result == 0 && i < topic_count; i++) {
        numbers[i] = broker_topic(live->broker, topics[i], 0, err);
        result = numbers[i] < 0 ? -1 : 0;
    }
    for (unsigned i = 0; result == 0 && i < live->hub_count; i++)
        result = hub_add_topics(live->hubs[i], numbers, topic_count, err);
    free(numbers);
    return result;
}

const char *live_address(const struct live *live)
{
    must(live->hubs[0] != NULL);
    return server_address(live->hubs[0]->server);
}

static bool are_drained(const struct live *live)
{
    for (unsigned i = 0; i < live->hub_count; i++)
        if (live->hubs[i]->is_running && !atomic_load(&live->hubs[i]->is_drained))
            return false;
    return true;
}

void live_drain(struct live *live)
{
    live->is_drained = true;
    health_set_unready(live->health, "shutting down");
    for (unsigned i = 0; i < live->hub_count; i++)
        if (live->hubs[i]->is_running)
            hub_drain(live->hubs[i]);
    int64_t deadline_ns = clock_monotonic_ns() + DRAIN_NS;
    while (!are_drained(live) && clock_monotonic_ns() < deadline_ns)
        clock_sleep_ns(NS_PER_MS);
}

void live_stop(struct live *live)
{
    if (live == NULL)
        return;
    if (!live->is_drained)
        live_drain(live);
    for (unsigned i = 0; i < live->hub_count; i++)
        hub_halt(live->hubs[i]);
    history_stop(live->history);
    if (live->hub_count > 0)
        hub_save(live->hubs[0]);
    snapshot_writer_stop(live->writer);
    for (unsigned i = 0; i < live->hub_count; i++)
        hub_free(live->hubs[i]);
    free(live->snapshot_path);
    health_retire(live->health);
    free(live);
}
