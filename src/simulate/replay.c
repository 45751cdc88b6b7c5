/* SPDX-License-Identifier: Apache-2.0 */
/* A player whose source is a reader's blocks. A packet is due at start +
 * (its time - the first packet's time) / speed, and never before the one ahead of
 * it in the file. A link without room holds up the file: order and memory matter
 * more here than other links' pace. */
#include "simulate/replay.h"

#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "simulate/arguments.h"
#include "simulate/crew.h"
#include "simulate/reader.h"

enum { TURN_PACKETS_MAX = 2048, FILES_BESIDE = 64, WINDOW_PACKET_BYTES = 512 };

static const int64_t OPENING_NS = 3 * NS_PER_S;

struct replay {
    const struct replay_options *options;
    struct reader *reader;
    struct stats *stats;
    struct ack_log *ack_log;
    struct player *player;
    struct loop_waker *news;
    struct sender *sender;
    struct reader_block *block; /* NULL: none at hand */
    size_t item;                /* of the block */
    size_t offset;              /* of the item in the block's bytes */
    bool is_late;               /* the item was refused once */
    bool has_origin;
    int64_t start_ns;
    int64_t origin_ms; /* the time of the first packet that has one */
    int64_t due_ns;    /* of the last packet */
};

void replay_options_defaults(struct replay_options *options)
{
    *options = (struct replay_options){
        .url = "ws://127.0.0.1:30000/ws",
        .speed = 1,
        .connections = 8,
        .batch = 1,
        .grace_ns = 10 * NS_PER_S,
    };
}

static int64_t due_ns(struct replay *replay, const struct reader_item *item, int64_t now_ns)
{
    double speed = replay->options->speed;
    if (speed == 0)
        return replay->is_late ? replay->due_ns : now_ns;
    if (!item->has_time)
        return replay->due_ns;
    if (!replay->has_origin) {
        replay->has_origin = true;
        replay->origin_ms = item->time_ms;
    }
    double since_ns = (double)(item->time_ms - replay->origin_ms) * 1e6 / speed;
    /* A year at the most: a broken time must not stop the rest for ever. */
    int64_t due = replay->start_ns + llrint(fmin(fmax(since_ns, 0), 3.2e16));
    return due > replay->due_ns ? due : replay->due_ns;
}

static bool push_item(struct replay *replay, const struct reader_item *item)
{
    const char *at = replay->block->bytes.ptr + replay->offset;
    uint32_t link = (uint32_t)(item->vehicle_hash % replay->options->connections);
    if (!sender_push(replay->sender, link, bytes_of(at, item->packet_len),
                     bytes_of(at + item->packet_len, item->note_len), replay->due_ns))
        return false;
    replay->offset += item->packet_len + item->note_len;
    replay->item++;
    return true;
}

static bool get_block(struct replay *replay, bool *is_over)
{
    *is_over = false;
    if (replay->block != NULL && replay->item < replay->block->count)
        return true;
    if (replay->block != NULL)
        reader_give_back(replay->reader, replay->block);
    replay->block = reader_take(replay->reader, is_over);
    replay->item = 0;
    replay->offset = 0;
    return replay->block != NULL;
}

static void begin(void *context, struct sender *sender, int64_t start_ns)
{
    struct replay *replay = context;
    replay->sender = sender;
    replay->start_ns = replay->due_ns = start_ns;
}

static int64_t play(void *context, int64_t now_ns)
{
    struct replay *replay = context;
    for (int n = 0; n < TURN_PACKETS_MAX; n++) {
        bool is_over;
        if (!get_block(replay, &is_over))
            return is_over ? PLAYER_END : PLAYER_IDLE;
        const struct reader_item *item = &replay->block->items[replay->item];
        replay->due_ns = due_ns(replay, item, now_ns);
        if (replay->due_ns > now_ns)
            return replay->due_ns;
        if (!push_item(replay, item)) {
            counter_add(&replay->stats->late, !replay->is_late);
            replay->is_late = true;
            return PLAYER_IDLE; /* on_room asks again */
        }
        replay->is_late = false;
    }
    return now_ns; /* in the next turn: acks are to be read in between */
}

static void on_news(void *context)
{
    struct replay *replay = context;
    player_wake(replay->player);
}

/* On the reader's thread. */
static void on_reader_news(void *context)
{
    struct replay *replay = context;
    loop_wake(replay->news);
}

static double share_done(void *context)
{
    struct replay *replay = context;
    return reader_share(replay->reader);
}

static struct player_options player_options(const struct replay *replay,
                                            const struct client_target *target)
{
    const struct replay_options *options = replay->options;
    struct player_options player = {.opening_ns = OPENING_NS, .grace_ns = options->grace_ns};
    sender_options_defaults(&player.sender);
    player.sender.target = *target;
    player.sender.links = options->connections;
    player.sender.wants_acks = !options->has_no_acks;
    player.sender.is_frame_per_write = options->is_frame_per_write;
    player.sender.framing = reader_is_ndjson(replay->reader) ? SENDER_LINES : SENDER_ARRAYS;
    player.sender.batch = options->batch;
    player.sender.window_packets = options->window > 0
                                       ? options->window
                                       : argument_window(options->connections, options->batch);
    player.sender.window_bytes = player.sender.window_packets * WINDOW_PACKET_BYTES;
    if (player.sender.window_bytes < 1024 * 1024)
        player.sender.window_bytes = 1024 * 1024;
    player.sender.ack_log = replay->ack_log;
    return player;
}

static int prepare(struct replay *replay, struct error *err)
{
    const struct replay_options *options = replay->options;
    struct client_target target;
    if (argument_target(options->url, &target, err) != 0)
        return -1;
    if (options->connections + FILES_BESIDE > crew_raise_file_limit())
        return error_set(err, ERROR_USAGE,
                         "%u connections do not fit the limit of open files (ulimit -Hn)",
                         options->connections);
    replay->stats = stats_new();
    if (replay->stats == NULL)
        return error_set(err, ERROR_MEMORY, "no memory to count");
    if (reader_open(&replay->reader, options->path, options->map, replay->stats, err) != 0)
        return -1;
    if (options->ack_log != NULL && ack_log_open(&replay->ack_log, options->ack_log, err) != 0)
        return -1;
    struct player_options player = player_options(replay, &target);
    struct player_source source = {.begin = begin, .play = play, .context = replay};
    if (player_new(&replay->player, "replay", &player, &source, replay->stats, err) != 0)
        return -1;
    replay->news = loop_waker_new(player_loop(replay->player), on_news, replay, err);
    return replay->news == NULL ? -1 : 0;
}

static int run(struct replay *replay, struct error *err)
{
    const struct replay_options *options = replay->options;
    if (reader_start(replay->reader, on_reader_news, replay, err) != 0)
        return -1;
    return crew_run(
        &(struct crew_options){
            .players = &replay->player,
            .stats = &replay->stats,
            .count = 1,
            .connections = options->connections,
            .wants_acks = !options->has_no_acks,
            .is_quiet = options->is_quiet,
            .is_json = options->is_json,
            .share_done = share_done,
            .context = replay,
        },
        err);
}

/* The first failure is the one to tell. */
static int clean_up(struct replay *replay, int result, struct error *err)
{
    struct error later = {0};
    if (replay->block != NULL)
        reader_give_back(replay->reader, replay->block);
    int closed = reader_close(replay->reader, &later);
    loop_waker_free(replay->news);
    player_free(replay->player);
    if (ack_log_close(replay->ack_log, closed == 0 ? &later : NULL) != 0)
        closed = -1;
    stats_free(replay->stats);
    if (result == 0 && closed != 0 && err != NULL)
        *err = later;
    return result != 0 ? result : closed;
}

int replay_run(const struct replay_options *options, struct error *err)
{
    struct replay replay = {.options = options};
    int result = prepare(&replay, err);
    if (result == 0)
        result = run(&replay, err);
    return clean_up(&replay, result, err);
}
