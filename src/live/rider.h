/* SPDX-License-Identifier: Apache-2.0 */
/* A rider: one connection that follows vehicles by name, a box on the map, or
 * both. It is sent a snapshot first, then what changed; messages are JSON
 * (docs/reference/live-api.md).
 *
 * A slow rider gets the newest, never a growing queue: what is kept for it is
 * which vehicles changed, not their positions, and those are read when its
 * socket has room. When even that list is full, it is sent a new snapshot
 * instead. Memory per rider is bounded by rider_limits. One thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/list.h"
#include "live/area.h"
#include "live/roster.h"
#include "live/idset.h"
#include "live/watch.h"

struct conn;
struct rider;

/* How its messages leave: WebSocket or server-sent events (api.c); a table, so
 * that tests can be the socket. */
struct rider_transport {
    unsigned metric_label;      /* of METRIC_LIVE_RIDERS and friends */
    const char *before, *after; /* around each message */
    const char *keep_alive;     /* sent when silent for rider_limits.keep_alive_ns; NULL = never */
    bool (*send)(struct conn *conn, struct bytes message); /* false: it is closing */
    size_t (*unsent_bytes)(const struct conn *conn);
    /* Too slow: forget the rider, which is freed next, and close. */
    void (*end)(struct conn *conn, const char *why);
};

struct rider_limits {
    size_t max_riders;
    size_t max_vehicles;  /* named by one rider */
    uint32_t max_changes; /* vehicles waiting to be told to one rider; more: a new snapshot */
    size_t message_bytes; /* a message is cut at the first vehicle beyond */
    int64_t stall_ns;     /* a rider that takes nothing for that long is closed */
    int64_t keep_alive_ns;
};

struct riders {
    struct rider_limits limits;
    struct roster *roster;
    struct watches watches;
    struct list all;
    struct list ready; /* have something to be told, and room for it */
    size_t count;
    struct buf message; /* scratch */
};

struct rider {
    struct riders *riders;
    const struct rider_transport *transport;
    struct conn *conn;
    struct list of_all;
    struct list of_ready; /* alone while nothing is to be told, or blocked */
    bool is_blocked;      /* its socket is full: rider_drained() comes */
    int64_t blocked_ns;
    int64_t sent_ns;
    int64_t second_ns; /* when the second began in which it sent … */
    unsigned messages; /* … so many messages */

    bool has_area;
    struct area area;
    struct list links; /* vehicles by name */
    size_t link_count;

    bool must_restart; /* a snapshot from the beginning, once this one is through */
    bool is_walking;   /* in a snapshot */
    bool is_first;     /* its first message is yet to come */
    struct grid_walk walk;
    struct idset changes;      /* in the area */
    struct list changed_links; /* by name */
    struct buf left;           /* names, as JSON strings with commas between */
};

void riders_init(struct riders *riders, const struct rider_limits *limits, struct roster *roster);
/* Every rider is freed before. */
void riders_deinit(struct riders *riders);

/* NULL: max_riders reached, or no memory. */
struct rider *rider_new(struct riders *riders, const struct rider_transport *transport,
                        struct conn *conn, int64_t now_ns);
void rider_free(struct rider *rider);

enum rider_verdict { RIDER_OK, RIDER_TOO_MANY_VEHICLES, RIDER_NO_MEMORY };
/* Each takes effect for changes at once; rider_restart() afterwards sends a
 * snapshot of all that is followed now. */
enum rider_verdict rider_follow(struct rider *rider, struct bytes vehicle);
void rider_unfollow(struct rider *rider, struct bytes vehicle);
/* In place of the area before; NULL: none. */
enum rider_verdict rider_set_area(struct rider *rider, const struct area *area);
void rider_restart(struct rider *rider);

void rider_unfollow_all(struct rider *rider);
/* One more message from it: false when that is more than `most` this second. */
bool rider_may_speak(struct rider *rider, int64_t now_ns, unsigned most);

/* Its socket has taken everything. True: something waits, call riders_push soon. */
bool rider_drained(struct rider *rider);

/* What happened to the roster. */
void riders_changed(struct riders *riders, const struct roster_change *change);
void riders_left(struct riders *riders, const struct roster_entry *entry);

/* Send what waits, to every rider that has room, up to a budget of bytes; true:
 * more waits, call again after other work. */
bool riders_push(struct riders *riders, int64_t now_ns);
/* About once a second: ends the stalled, keeps the silent alive. */
void riders_check(struct riders *riders, int64_t now_ns);
