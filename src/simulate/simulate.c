/* SPDX-License-Identifier: Apache-2.0 */
#include "simulate/simulate.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "simulate/arguments.h"
#include "simulate/crew.h"
#include "simulate/traffic.h"

enum { LOOPS_MAX = 64, CONNECTIONS_DEFAULT_MAX = 1000, FILES_BESIDE = 64 };

static const int64_t OPENING_NS = 3 * NS_PER_S;

/* Each loop has a slice of the vehicles, of the connections and of the count. */
struct simulation {
    const struct simulate_options *options;
    uint32_t connections;
    uint32_t loops;
    struct client_target target;
    struct ack_log *ack_log;
    struct player *players[LOOPS_MAX];
    struct stats *stats[LOOPS_MAX];
    struct traffic *traffic[LOOPS_MAX];
};

void simulate_options_defaults(struct simulate_options *options)
{
    *options = (struct simulate_options){
        .url = "ws://127.0.0.1:30000/ws",
        .vehicles = 500,
        .loops = 1,
        .rate = 1,
        .batch = 1,
        .grace_ns = 10 * NS_PER_S,
        .box = {.min_lat = 37.70, .min_lon = -122.52, .max_lat = 37.82, .max_lon = -122.36},
        .seed = 1,
    };
}

/* The i-th of `parts` nearly equal parts of `whole` begins here. */
static uint64_t part_start(uint64_t whole, uint64_t parts, uint64_t i)
{
    return whole / parts * i + (i < whole % parts ? i : whole % parts);
}

static uint64_t part_size(uint64_t whole, uint64_t parts, uint64_t i)
{
    return part_start(whole, parts, i + 1) - part_start(whole, parts, i);
}

static int choose_connections(struct simulation *simulation, struct error *err)
{
    const struct simulate_options *options = simulation->options;
    uint32_t wanted = options->connections;
    if (wanted == 0)
        wanted = options->vehicles < CONNECTIONS_DEFAULT_MAX ? options->vehicles
                                                             : CONNECTIONS_DEFAULT_MAX;
    if (wanted > options->vehicles)
        return error_set(err, ERROR_USAGE, "--connections %u is more than --vehicles %u", wanted,
                         options->vehicles);
    uint64_t files = crew_raise_file_limit();
    if (wanted + FILES_BESIDE > files)
        return error_set(err, ERROR_USAGE,
                         "%u connections do not fit the limit of %llu open files (ulimit -Hn)",
                         wanted, (unsigned long long)files);
    simulation->connections = wanted;
    simulation->loops = options->loops < wanted ? options->loops : wanted;
    return 0;
}

static struct player_options player_options(const struct simulation *simulation, uint32_t i)
{
    const struct simulate_options *options = simulation->options;
    struct player_options player = {.opening_ns = OPENING_NS, .grace_ns = options->grace_ns};
    sender_options_defaults(&player.sender);
    player.sender.target = simulation->target;
    player.sender.links = (uint32_t)part_size(simulation->connections, simulation->loops, i);
    player.sender.wants_acks = !options->has_no_acks;
    player.sender.is_frame_per_write = options->is_frame_per_write;
    player.sender.batch = options->batch;
    player.sender.window_packets = options->window > 0
                                       ? options->window
                                       : argument_window(simulation->connections, options->batch);
    player.sender.window_bytes = player.sender.window_packets * FLEET_PACKET_MAX;
    player.sender.seed = options->seed + i;
    player.sender.ack_log = simulation->ack_log;
    return player;
}

static struct traffic_options traffic_options(const struct simulation *simulation, uint32_t i)
{
    const struct simulate_options *options = simulation->options;
    uint32_t loops = simulation->loops;
    double interval_ns = 1e9 / options->rate;
    return (struct traffic_options){
        .fleet =
            {
                .seed = options->seed,
                .first = (uint32_t)part_start(options->vehicles, loops, i),
                .count = (uint32_t)part_size(options->vehicles, loops, i),
                .epoch_s = (uint32_t)(clock_wall_ns() / NS_PER_S),
                .is_obu = options->is_obu,
                .box = options->box,
            },
        .rate = options->rate,
        .links = (uint32_t)part_size(simulation->connections, loops, i),
        .offset_ns = (int64_t)(interval_ns * i / options->vehicles),
        .duration_ns = options->duration_ns,
        .count = part_size(options->count, loops, i),
        .has_notes = options->ack_log != NULL,
    };
}

static int make_player(struct simulation *simulation, uint32_t i, struct error *err)
{
    char name[24];
    snprintf(name, sizeof name, "fleet %u", i);
    simulation->stats[i] = stats_new();
    if (simulation->stats[i] == NULL)
        return error_set(err, ERROR_MEMORY, "no memory to count");
    struct traffic_options traffic = traffic_options(simulation, i);
    if (traffic_new(&simulation->traffic[i], &traffic, simulation->stats[i], err) != 0)
        return -1;
    struct player_options player = player_options(simulation, i);
    struct player_source source = traffic_source(simulation->traffic[i]);
    return player_new(&simulation->players[i], name, &player, &source, simulation->stats[i], err);
}

static int prepare(struct simulation *simulation, struct error *err)
{
    const struct simulate_options *options = simulation->options;
    if (options->count > 0 && options->count < simulation->loops)
        simulation->loops = (uint32_t)options->count;
    if (options->ack_log != NULL && ack_log_open(&simulation->ack_log, options->ack_log, err) != 0)
        return -1;
    for (uint32_t i = 0; i < simulation->loops; i++)
        if (make_player(simulation, i, err) != 0)
            return -1;
    return 0;
}

static int play(struct simulation *simulation, struct error *err)
{
    const struct simulate_options *options = simulation->options;
    return crew_run(
        &(struct crew_options){
            .players = simulation->players,
            .stats = simulation->stats,
            .count = simulation->loops,
            .vehicles = options->vehicles,
            .connections = simulation->connections,
            .wants_acks = !options->has_no_acks,
            .is_quiet = options->is_quiet,
            .is_json = options->is_json,
        },
        err);
}

static int clean_up(struct simulation *simulation, struct error *err)
{
    for (uint32_t i = 0; i < LOOPS_MAX; i++) {
        player_free(simulation->players[i]);
        traffic_free(simulation->traffic[i]);
        stats_free(simulation->stats[i]);
    }
    return ack_log_close(simulation->ack_log, err);
}

int simulate_run(const struct simulate_options *options, struct error *err)
{
    struct simulation simulation = {.options = options};
    if (argument_target(options->url, &simulation.target, err) != 0 ||
        choose_connections(&simulation, err) != 0)
        return -1;
    int result = prepare(&simulation, err);
    if (result == 0)
        result = play(&simulation, err);
    struct error log_err = {0};
    if (clean_up(&simulation, &log_err) != 0 && result == 0) {
        if (err != NULL)
            *err = log_err;
        return -1;
    }
    return result;
}
