/* SPDX-License-Identifier: Apache-2.0 */
#include "simulate/player.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "net/pacer.h"

static const int64_t LOOK_AGAIN_NS = 5 * NS_PER_MS; /* while waiting for others */
static const int64_t CLOSING_NS = 2 * NS_PER_S;

enum phase {
    OPENING, /* connections */
    PLAYING,
    DRAINING, /* waits for acks */
    CLOSING,  /* connections */
    ENDED,
};

struct player {
    struct loop *loop;
    struct pacer *pacer;
    struct sender *sender;
    struct player_options options;
    struct player_source source;
    struct stats *stats;
    enum phase phase;
    int64_t deadline_ns; /* of the phase */
    void (*on_end)(void *context);
    void *context;
    _Atomic int64_t stop_grace_ns;
};

static void take_step(struct player *player);

static void enter(struct player *player, enum phase phase, int64_t at_most_ns)
{
    player->phase = phase;
    player->deadline_ns = clock_monotonic_ns() + at_most_ns;
    take_step(player);
}

static void play(struct player *player)
{
    int64_t next_ns = player->source.play(player->source.context, clock_monotonic_ns());
    if (next_ns == PLAYER_END) {
        sender_finish(player->sender);
        enter(player, DRAINING, player->options.grace_ns);
    } else if (next_ns != PLAYER_IDLE) {
        pacer_at(player->pacer, next_ns);
    }
}

static void end(struct player *player)
{
    player->phase = ENDED;
    pacer_stop(player->pacer);
    loop_stop(player->loop);
    player->on_end(player->context);
}

static void take_step(struct player *player)
{
    int64_t now_ns = clock_monotonic_ns();
    bool is_over = now_ns >= player->deadline_ns;
    switch (player->phase) {
    case OPENING:
        if (is_over || sender_open_links(player->sender) == player->options.sender.links) {
            counter_set(&player->stats->began_ns, (uint64_t)now_ns);
            player->source.begin(player->source.context, player->sender, now_ns);
            player->phase = PLAYING;
            play(player);
            return;
        }
        break;
    case PLAYING:
        play(player);
        return;
    case DRAINING:
        if (is_over || sender_unsettled(player->sender) == 0) {
            counter_set(&player->stats->ended_ns, (uint64_t)now_ns);
            sender_close(player->sender);
            enter(player, CLOSING, CLOSING_NS);
            return;
        }
        break;
    case CLOSING:
        if (is_over || sender_open_links(player->sender) == 0) {
            end(player);
            return;
        }
        break;
    case ENDED:
        return;
    }
    pacer_at(player->pacer, now_ns + LOOK_AGAIN_NS);
}

static void on_alarm(void *context)
{
    take_step(context);
}

static void on_room(void *context, uint32_t link)
{
    struct player *player = context;
    if (player->phase != PLAYING)
        return;
    if (player->source.on_room != NULL)
        player->source.on_room(player->source.context, link);
    else
        play(player);
}

void player_wake(struct player *player)
{
    if (player->phase == PLAYING)
        play(player);
}

struct loop *player_loop(struct player *player)
{
    return player->loop;
}

static void on_stop(void *context)
{
    struct player *player = context;
    int64_t grace_ns = atomic_load(&player->stop_grace_ns);
    switch (player->phase) {
    case OPENING:
    case PLAYING:
        if (player->source.stop != NULL && player->phase == PLAYING)
            player->source.stop(player->source.context, clock_monotonic_ns());
        sender_finish(player->sender);
        enter(player, DRAINING, grace_ns);
        break;
    case DRAINING:
    case CLOSING:
        player->deadline_ns = 0;
        take_step(player);
        break;
    case ENDED:
        break;
    }
}

void player_stop(struct player *player, int64_t grace_ns)
{
    atomic_store(&player->stop_grace_ns, grace_ns);
    loop_post(player->loop, on_stop, player);
}

int player_new(struct player **out, const char *name, const struct player_options *options,
               const struct player_source *source, struct stats *stats, struct error *err)
{
    struct player *player = calloc(1, sizeof *player);
    if (player == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a player");
    player->options = *options;
    player->source = *source;
    player->stats = stats;
    player->loop = loop_new(name, err);
    if (player->loop != NULL)
        player->pacer = pacer_new(player->loop, on_alarm, player, err);
    if (player->pacer == NULL) {
        player_free(player);
        return -1;
    }
    *out = player;
    return 0;
}

void player_free(struct player *player)
{
    if (player == NULL)
        return;
    sender_free(player->sender);
    pacer_free(player->pacer);
    loop_free(player->loop);
    free(player);
}

int player_start(struct player *player, void (*on_end)(void *context), void *context,
                 struct error *err)
{
    player->on_end = on_end;
    player->context = context;
    if (sender_new(&player->sender, player->loop, &player->options.sender, on_room, player,
                   player->stats, err) != 0)
        return -1;
    player->phase = OPENING;
    player->deadline_ns = clock_monotonic_ns() + player->options.opening_ns;
    pacer_at(player->pacer, clock_monotonic_ns());
    return loop_start(player->loop, err);
}

void player_join(struct player *player)
{
    loop_join(player->loop);
}
