/* SPDX-License-Identifier: Apache-2.0 */
/* A turn of the loop: requests are answered and records taken in as they come,
 * each in bounded portions; at its end riders are told what changed; then the
 * server writes. So the busier it is, the more is told in one message. */
#include "live/hub.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "observe/log.h"
#include "observe/metrics.h"

enum {
    BATCHES_PER_TURN = 2,
    EXPIRE_PER_SECOND = 50000,
    SINK_PAGE = 1000,
};
static const int64_t SLICE_NS = 2 * NS_PER_MS;

/* ---- the feed ---- */

static void on_leave(void *context, const struct roster_entry *entry, enum roster_leave why)
{
    struct hub *hub = context;
    if (hub->is_counted) {
        metrics_add(METRIC_LIVE_VEHICLES, 0, -1);
        metrics_add(METRIC_LIVE_EVICTIONS, why, 1);
    }
    riders_left(&hub->riders, entry);
}

static void on_change(void *context, const struct roster_change *change)
{
    struct hub *hub = context;
    if (hub->is_counted && change->old_cell == GRID_NONE)
        metrics_add(METRIC_LIVE_VEHICLES, 0, 1);
    riders_changed(&hub->riders, change);
}

static void wake(void *context)
{
    struct hub *hub = context;
    loop_wake(hub->waker);
}

static void set_ready(struct hub *hub)
{
    hub->api.is_ready = true;
    log_event(LOG_INFO, "live", "caught up", LOG_I("vehicles", roster_count(&hub->roster)));
    hub->on_ready(hub->context);
}

static void on_wake(void *context)
{
    struct hub *hub = context;
    bool has_more = true;
    for (int i = 0; i < BATCHES_PER_TURN && has_more; i++)
        has_more = feed_run(&hub->feed, loop_now_ns(hub->loop));
    if (has_more)
        loop_wake(hub->waker);
    if (hub->feed.is_caught_up && !hub->api.is_ready)
        set_ready(hub);
}

static void push(void *context)
{
    struct hub *hub = context;
    if (riders_push(&hub->riders, loop_now_ns(hub->loop)))
        loop_wake(hub->waker);
}

/* ---- time passing ---- */

static void show(enum metric gauge, int64_t *shown, int64_t value)
{
    metrics_add(gauge, 0, value - *shown);
    *shown = value;
}

static void on_second(void *context)
{
    struct hub *hub = context;
    int64_t now_ns = loop_now_ns(hub->loop);
    roster_expire(&hub->roster, now_ns, EXPIRE_PER_SECOND);
    riders_check(&hub->riders, now_ns);
    loop_wake(hub->waker); /* a fetch that failed is tried again */
    if (!hub->is_counted)
        return;
    show(METRIC_LIVE_LAG, &hub->shown_lag, feed_lag(&hub->feed));
    if (hub->saved_ns != 0)
        show(METRIC_LIVE_SNAPSHOT_AGE, &hub->shown_age_s, (now_ns - hub->saved_ns) / NS_PER_S);
}

static void on_save(void *context)
{
    struct hub *hub = context;
    if (!hub->api.is_ready || !saver_begin(&hub->saver))
        return;
    hub->saved_ns = loop_now_ns(hub->loop);
    loop_timer_start(hub->slice_timer, 0, SLICE_NS);
}

static void on_slice(void *context)
{
    struct hub *hub = context;
    if (!saver_step(&hub->saver))
        loop_timer_stop(hub->slice_timer);
}

void hub_save(struct hub *hub)
{
    struct saver *saver = &hub->saver;
    if (saver->writer == NULL || !hub->api.is_ready)
        return;
    while (saver_step(saver)) /* the one under way */
        clock_sleep_ns(NS_PER_MS);
    snapshot_wait(saver->writer);
    if (!saver_begin(saver))
        return;
    while (saver_step(saver))
        clock_sleep_ns(NS_PER_MS);
    snapshot_wait(saver->writer);
}

/* ---- the start ---- */

static void on_saved_position(void *context, const struct snapshot_position *position)
{
    struct hub *hub = context;
    feed_seek(&hub->feed, position);
}

static void on_saved_packet(void *context, struct bytes packet)
{
    struct hub *hub = context;
    feed_take(&hub->feed, packet, clock_monotonic_ns());
}

static bool load_snapshot(struct hub *hub, const char *path)
{
    const struct snapshot_reader reader = {on_saved_position, on_saved_packet, hub};
    struct error err;
    if (path == NULL)
        return false;
    if (snapshot_read(path, &reader, &err) == 0) {
        log_event(LOG_INFO, "live", "snapshot read", LOG_I("vehicles", roster_count(&hub->roster)));
        return true;
    }
    if (err.kind != ERROR_NOT_FOUND)
        log_error("live", "snapshot ignored; the store and the topics are read instead", &err);
    return false;
}

static bool on_sink_row(void *context, const struct sink_row *row)
{
    struct hub *hub = context;
    feed_take(&hub->feed, row->canonical, clock_monotonic_ns());
    return true;
}

/* Offsets first: what the store takes in meanwhile is then read twice, not never. */
static void load_sink(struct hub *hub, struct sink *sink)
{
    const char *group = hub->config->store_group != NULL ? hub->config->store_group : "store";
    struct sink_cursor cursor = {0};
    struct error err;
    feed_seek_committed(&hub->feed, group);
    while (!cursor.is_end)
        if (sink_latest(sink, &cursor, SINK_PAGE, on_sink_row, hub, &err) != 0) {
            log_error("live", "can't read the newest positions from the store; reading the topics",
                      &err);
            feed_seek_earliest(&hub->feed);
            return;
        }
    log_event(LOG_INFO, "live", "newest positions read from the store",
              LOG_I("vehicles", roster_count(&hub->roster)));
}

static int open_feed(struct hub *hub, const struct hub_options *options, struct error *err)
{
    const struct feed_options feed = {.broker = options->broker,
                                      .topics = options->topics,
                                      .topic_count = options->topic_count,
                                      .packet_bytes = (size_t)hub->config->packet_bytes,
                                      .roster = &hub->roster,
                                      .on_change = on_change,
                                      .wake = wake,
                                      .context = hub};
    if (feed_open(&hub->feed, &feed, err) != 0)
        return -1;
    if (!load_snapshot(hub, options->snapshot_path) && options->sink != NULL)
        load_sink(hub, options->sink);
    return 0;
}

static int init_fleet(struct hub *hub, struct error *err)
{
    const struct live_config *config = hub->config;
    const struct roster_limits roster = {.max_vehicles = (size_t)config->max_vehicles,
                                         .ttl_ns = config->ttl_ns};
    const struct rider_limits riders = {.max_riders = (size_t)config->max_riders,
                                        .max_vehicles = (size_t)config->vehicles_per_rider,
                                        .max_changes = (uint32_t)config->changes_per_rider,
                                        .message_bytes = (size_t)config->push_bytes,
                                        .stall_ns = config->stall_ns,
                                        .keep_alive_ns = config->keep_alive_ns};
    if (roster_init(&hub->roster, &roster) != 0)
        return error_set(err, ERROR_MEMORY, "no memory for a fleet of %lld vehicles",
                         (long long)config->max_vehicles);
    hub->roster.on_leave = on_leave;
    hub->roster.context = hub;
    riders_init(&hub->riders, &riders, &hub->roster);
    return 0;
}

static int open_loop(struct hub *hub, unsigned index, struct error *err)
{
    char name[16];
    snprintf(name, sizeof name, "live-%u", index);
    hub->loop = loop_new(name, err);
    if (hub->loop == NULL)
        return -1;
    hub->waker = loop_waker_new(hub->loop, on_wake, hub, err);
    if (hub->waker == NULL)
        return -1;
    hub->second_timer = loop_timer_new(hub->loop, on_second, hub);
    hub->save_timer = loop_timer_new(hub->loop, on_save, hub);
    hub->slice_timer = loop_timer_new(hub->loop, on_slice, hub);
    hub->push_timer = loop_timer_new(hub->loop, push, hub);
    return 0;
}

static int open_server(struct hub *hub, const struct hub_options *options, struct error *err)
{
    hub->api.config = hub->config;
    hub->api.loop = hub->loop;
    hub->api.roster = &hub->roster;
    hub->api.riders = &hub->riders;
    hub->api.want_push = wake;
    hub->api.context = hub;
    if (api_init(&hub->api) != 0)
        return error_set(err, ERROR_MEMORY, "no memory for the riders' API");
    return server_open(&hub->server, hub->loop, options->listen, &api_handler, &hub->api,
                       &hub->config->limits, err);
}

/* The push comes before the server's own end of the turn, which writes. */
static void start_timers(struct hub *hub)
{
    if (hub->config->push_interval_ns == 0)
        loop_on_turn_end(hub->loop, push, hub);
    else
        loop_timer_start(hub->push_timer, hub->config->push_interval_ns,
                         hub->config->push_interval_ns);
    loop_timer_start(hub->second_timer, NS_PER_S, NS_PER_S);
    if (hub->saver.writer != NULL && hub->config->snapshot_interval_ns > 0)
        loop_timer_start(hub->save_timer, hub->config->snapshot_interval_ns,
                         hub->config->snapshot_interval_ns);
}

struct hub *hub_new(const struct hub_options *options, struct error *err)
{
    struct hub *hub = calloc(1, sizeof *hub);
    if (hub == NULL) {
        error_set(err, ERROR_MEMORY, "no memory for live");
        return NULL;
    }
    hub->config = options->config;
    hub->on_ready = options->on_ready;
    hub->context = options->context;
    hub->is_counted = options->index == 0;
    if (init_fleet(hub, err) != 0) {
        free(hub);
        return NULL;
    }
    saver_init(&hub->saver, options->writer, &hub->roster, &hub->feed);
    if (open_loop(hub, options->index, err) != 0 || open_feed(hub, options, err) != 0 ||
        open_server(hub, options, err) != 0) {
        hub_free(hub);
        return NULL;
    }
    start_timers(hub);
    return hub;
}

int hub_run(struct hub *hub, struct error *err)
{
    if (loop_start(hub->loop, err) != 0)
        return -1;
    hub->is_running = true;
    loop_wake(hub->waker);
    return 0;
}

/* ---- the end ---- */

static void on_server_drained(void *context)
{
    struct hub *hub = context;
    atomic_store(&hub->is_drained, true);
}

static void drain(void *context)
{
    struct hub *hub = context;
    server_drain(hub->server, on_server_drained, hub);
}

void hub_drain(struct hub *hub)
{
    loop_post(hub->loop, drain, hub);
}

struct more_topics {
    struct hub *hub;
    size_t count;
    int topics[];
};

static void add_topics(void *context)
{
    struct more_topics *more = context;
    struct error err;
    if (feed_add_topics(&more->hub->feed, more->topics, more->count, &err) != 0)
        log_error("live", "new topics can't be read until the next start", &err);
    loop_wake(more->hub->waker);
    free(more);
}

int hub_add_topics(struct hub *hub, const int *topics, size_t topic_count, struct error *err)
{
    struct more_topics *more = malloc(sizeof *more + topic_count * sizeof *topics);
    if (more == NULL)
        return error_set(err, ERROR_MEMORY, "live: no memory for topics");
    more->hub = hub;
    more->count = topic_count;
    memcpy(more->topics, topics, topic_count * sizeof *topics);
    loop_post(hub->loop, add_topics, more);
    return 0;
}

static void halt(void *context)
{
    struct hub *hub = context;
    server_close(hub->server);
    hub->server = NULL;
    loop_stop(hub->loop);
}

void hub_halt(struct hub *hub)
{
    if (!hub->is_running)
        return;
    loop_post(hub->loop, halt, hub);
    loop_join(hub->loop);
    hub->is_running = false;
}

static void free_loop(struct hub *hub)
{
    struct loop_timer *timers[] = {hub->second_timer, hub->save_timer, hub->slice_timer,
                                   hub->push_timer};
    for (size_t i = 0; i < sizeof timers / sizeof timers[0]; i++)
        if (timers[i] != NULL)
            loop_timer_free(timers[i]);
    if (hub->waker != NULL)
        loop_waker_free(hub->waker);
    loop_free(hub->loop);
}

void hub_free(struct hub *hub)
{
    if (hub == NULL)
        return;
    hub_halt(hub);
    if (hub->server != NULL)
        server_close(hub->server);
    feed_close(&hub->feed); /* before the waker that it wakes */
    free_loop(hub);
    saver_deinit(&hub->saver);
    if (hub->api.config != NULL)
        api_deinit(&hub->api);
    riders_deinit(&hub->riders);
    if (hub->is_counted) {
        metrics_add(METRIC_LIVE_VEHICLES, 0, -(int64_t)roster_count(&hub->roster));
        show(METRIC_LIVE_LAG, &hub->shown_lag, 0);
    }
    roster_deinit(&hub->roster);
    free(hub);
}
