/* SPDX-License-Identifier: Apache-2.0 */
/* One loop that plays packets from a source to a gateway: opens its connections,
 * plays, waits for the outstanding acks, closes. Runs on a thread of its own. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "simulate/sender.h"

struct player;

enum {
    PLAYER_END = -1,  /* the source has nothing more */
    PLAYER_IDLE = -2, /* the source asks by player_wake(), or waits for room */
};

/* Where packets come from. All calls on the player's loop. */
struct player_source {
    /* Playing begins: time 0 of the source is start_ns. */
    void (*begin)(void *context, struct sender *sender, int64_t start_ns);
    /* Push what is due at now_ns. Returns when to ask again (clock_monotonic_ns),
     * PLAYER_IDLE or PLAYER_END. Also called when a link has room again. */
    int64_t (*play)(void *context, int64_t now_ns);
    /* A link that refused a packet has room. May be NULL. */
    void (*on_room)(void *context, uint32_t link);
    /* Playing was ended from outside: count what was due as unsent. May be NULL. */
    void (*stop)(void *context, int64_t now_ns);
    void *context;
};

struct player_options {
    struct sender_options sender;
    int64_t opening_ns; /* to wait for all connections before playing begins */
    int64_t grace_ns;   /* to wait for outstanding acks at the end */
};

/* `stats` must outlive it; the source's context as well. */
int player_new(struct player **out, const char *name, const struct player_options *options,
               const struct player_source *source, struct stats *stats, struct error *err);
void player_free(struct player *player);

/* on_end(context) comes once, on the player's thread, when all is over. */
int player_start(struct player *player, void (*on_end)(void *context), void *context,
                 struct error *err);
/* After on_end: wait for the thread. */
void player_join(struct player *player);

/* Any thread: play no more and wait for outstanding acks, at most grace_ns; asked
 * again, don't wait. */
void player_stop(struct player *player, int64_t grace_ns);
/* On the player's loop: ask the source again. */
void player_wake(struct player *player);
struct loop *player_loop(struct player *player);
