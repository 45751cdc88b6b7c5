/* SPDX-License-Identifier: Apache-2.0 */
/* A hub: one loop with a fleet of its own, kept up to date from the topics, and
 * the riders it serves. Hubs share nothing but the port: several of them each
 * hold the whole fleet, so that no rider ever waits for a lock. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "live/api.h"
#include "live/config.h"
#include "live/feed.h"
#include "live/rider.h"
#include "live/roster.h"
#include "live/saver.h"
#include "net/loop.h"
#include "net/server.h"
#include "sink/sink.h"

struct hub_options {
    unsigned index;
    const struct live_config *config; /* outlives the hub */
    struct broker *broker;
    struct sink *sink; /* read at the start; may be NULL */
    const char *const *topics;
    size_t topic_count;
    const char *listen;
    const char *snapshot_path;       /* NULL: there is none */
    struct snapshot_writer *writer;  /* NULL: this hub saves nothing */
    void (*on_ready)(void *context); /* on the hub's loop, once it has caught up */
    void *context;
};

struct hub {
    const struct live_config *config;
    struct loop *loop;
    struct server *server;
    struct loop_waker *waker;
    struct loop_timer *second_timer;
    struct loop_timer *push_timer; /* NULL: pushes at each turn's end */
    struct loop_timer *save_timer;
    struct loop_timer *slice_timer;
    struct roster roster;
    struct riders riders;
    struct feed feed;
    struct saver saver;
    struct api api;
    void (*on_ready)(void *context);
    void *context;
    bool is_running;
    bool is_counted;   /* the one whose figures are the role's */
    int64_t shown_lag; /* as the gauges say */
    int64_t shown_age_s;
    int64_t saved_ns; /* monotonic: the last snapshot begun; 0 = none */
    atomic_bool is_drained;
};

/* Reads the snapshot (or the sink's newest rows), listens. The loop doesn't run
 * yet. NULL: *err. */
struct hub *hub_new(const struct hub_options *options, struct error *err);
int hub_run(struct hub *hub, struct error *err);
/* From any thread: read these topics (the broker's numbers) as well, soon. */
int hub_add_topics(struct hub *hub, const int *topics, size_t topic_count, struct error *err);
/* From any thread: no new riders, those here are closed; is_drained tells. */
void hub_drain(struct hub *hub);
/* Stops the loop. The roster stays. */
void hub_halt(struct hub *hub);
/* After hub_halt: a last snapshot, waiting for it. */
void hub_save(struct hub *hub);
void hub_free(struct hub *hub);
