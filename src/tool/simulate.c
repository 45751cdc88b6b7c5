/* SPDX-License-Identifier: Apache-2.0 */
#include "tool/simulate.h"

#include "simulate/arguments.h"
#include "simulate/simulate.h"
#include "tool/options.h"
#include "tool/output.h"
#include "tool/sending.h"

struct given {
    struct simulate_options run;
    const char *vehicles, *rate, *duration, *count, *connections, *loops, *batch, *window, *box,
        *seed, *grace;
};

static const char help[] =
    "Plays a fleet: vehicles drive through the streets of a box and send their positions\n"
    "to a gateway. Acks are counted, latency runs from the moment at which each packet was\n"
    "due (open loop), lost connections come back and send again what was not acked.\n"
    "Runs until its duration or count is reached, or Ctrl-C. Exit code 0 when all that\n"
    "was sent was acked or rejected.";

static int read_values(struct given *given, struct error *err)
{
    struct simulate_options *run = &given->run;
    uint64_t vehicles = run->vehicles, connections = run->connections, loops = run->loops;
    uint64_t batch = run->batch;
    double box[4] = {run->box.min_lat, run->box.min_lon, run->box.max_lat, run->box.max_lon};
    if (argument_count("vehicles", given->vehicles, 1, FLEET_VEHICLES_MAX, &vehicles, err) != 0 ||
        argument_count("connections", given->connections, 1, 1000000, &connections, err) != 0 ||
        argument_count("loops", given->loops, 1, 64, &loops, err) != 0 ||
        argument_count("batch", given->batch, 1, 1000, &batch, err) != 0 ||
        argument_count("window", given->window, 1, 1000000, &run->window, err) != 0 ||
        argument_count("count", given->count, 1, UINT64_MAX / 2, &run->count, err) != 0 ||
        argument_count("seed", given->seed, 0, 1000000000, &run->seed, err) != 0 ||
        argument_rate("rate", given->rate, &run->rate, err) != 0 ||
        argument_duration("duration", given->duration, &run->duration_ns, err) != 0 ||
        argument_duration("grace", given->grace, &run->grace_ns, err) != 0 ||
        argument_box("box", given->box, box, err) != 0)
        return -1;
    if (run->window > 0 && run->window < batch)
        return error_set(err, ERROR_USAGE, "--window must hold at least --batch packets");
    run->vehicles = (uint32_t)vehicles;
    run->connections = (uint32_t)connections;
    run->loops = (uint32_t)loops;
    run->batch = (uint32_t)batch;
    run->box = (struct street_box){box[0], box[1], box[2], box[3]};
    return 0;
}

int simulate_tool(int argc, char **argv)
{
    struct given given = {.vehicles = NULL};
    simulate_options_defaults(&given.run);
    const struct option table[] = {
        {"url", 0, "URL", "ws://127.0.0.1:30000/ws, or http://…/packets", .text = &given.run.url},
        {"vehicles", 'n', "N", "how many vehicles (500)", .text = &given.vehicles},
        {"rate", 0, "R", "packets of each vehicle a second (1)", .text = &given.rate},
        {"duration", 0, "TIME", "stop after this time: 60s, 10m", .text = &given.duration},
        {"count", 0, "N", "stop after this many packets in all", .text = &given.count},
        {"connections", 0, "N", "connections; vehicles share them (one each, up to 1000)",
         .text = &given.connections},
        {"batch", 0, "N", "packets of a message, as an array (1)", .text = &given.batch},
        {"box", 0, "S,W,N,E", "where they drive, in degrees (San Francisco)", .text = &given.box},
        {"obu", 0, NULL, "the plain client: obuid, lat and lon from 1 to 100 only",
         .flag = &given.run.is_obu},
        {"seed", 0, "N", "another fleet; the same seed drives the same (1)", .text = &given.seed},
        {"loops", 0, "N", "threads (1)", .text = &given.loops},
        SENDING_OPTIONS(given),
    };
    const struct command command = {
        .name = "simulate",
        .help = help,
        .options = table,
        .option_count = sizeof table / sizeof table[0],
    };
    struct options options;
    int code;
    if (!options_begin(&options, &command, argc, argv, &code))
        return code;
    struct error err = {0};
    bool is_done = read_values(&given, &err) == 0 && simulate_run(&given.run, &err) == 0;
    code = is_done ? 0 : output_error(command.name, &err);
    options_deinit(&options);
    return code;
}
