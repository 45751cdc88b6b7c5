/* SPDX-License-Identifier: Apache-2.0 */
#include "tool/replay.h"

#include <string.h>

#include "base/text.h"
#include "simulate/arguments.h"
#include "simulate/replay.h"
#include "tool/options.h"
#include "tool/output.h"
#include "tool/sending.h"

struct given {
    struct replay_options run;
    const char *speed, *connections, *batch, *window, *grace;
};

static const char help[] =
    "Sends a recorded trace to a gateway, in the rhythm in which it was recorded or\n"
    "faster, keeping the order of each vehicle. FILE is CSV with a first line of column\n"
    "names, or NDJSON (each line one packet, sent as it is), plain or gzip; \"-\" is\n"
    "standard input. Common column names are recognised; other columns become signals.\n"
    "A line that is no packet is told, counted and left out. Exit code 0 when all that\n"
    "was sent was acked or rejected.";

/* "60x", "60", "0.5x", "max". */
static int read_speed(const char *text, double *speed, struct error *err)
{
    if (text == NULL)
        return 0;
    if (strcmp(text, "max") == 0) {
        *speed = 0;
        return 0;
    }
    size_t len = strlen(text);
    if (len > 1 && text[len - 1] == 'x')
        len--;
    if (!text_to_double(bytes_of(text, len), speed) || !(*speed >= 1e-6 && *speed <= 1e9))
        return error_set(err, ERROR_USAGE, "--speed %.40s: wants 1x, 60x, … or max", text);
    return 0;
}

static int read_values(struct given *given, struct error *err)
{
    struct replay_options *run = &given->run;
    uint64_t connections = run->connections, batch = run->batch;
    if (argument_count("connections", given->connections, 1, 1000000, &connections, err) != 0 ||
        argument_count("batch", given->batch, 1, 1000, &batch, err) != 0 ||
        argument_count("window", given->window, 1, 1000000, &run->window, err) != 0 ||
        argument_duration("grace", given->grace, &run->grace_ns, err) != 0 ||
        read_speed(given->speed, &run->speed, err) != 0)
        return -1;
    if (run->window > 0 && run->window < batch)
        return error_set(err, ERROR_USAGE, "--window must hold at least --batch packets");
    run->connections = (uint32_t)connections;
    run->batch = (uint32_t)batch;
    return 0;
}

int replay_tool(int argc, char **argv)
{
    struct given given = {.speed = NULL};
    replay_options_defaults(&given.run);
    const struct option table[] = {
        {"url", 0, "URL", "ws://127.0.0.1:30000/ws, or http://…/packets", .text = &given.run.url},
        {"speed", 0, "S", "1x as recorded, 60x an hour in a minute, max (1x)",
         .text = &given.speed},
        {"map", 0, "FIELD=COLUMN,…",
         "fields: vehicle time lat lon speed heading altitude accuracy seq epoch; "
         "COLUMN=skip leaves one out",
         .text = &given.run.map},
        {"connections", 0, "N", "connections; a vehicle keeps to one (8)",
         .text = &given.connections},
        {"batch", 0, "N", "packets of a message (1)", .text = &given.batch},
        SENDING_OPTIONS(given),
    };
    const struct command command = {
        .name = "replay",
        .arguments = "FILE",
        .help = help,
        .options = table,
        .option_count = sizeof table / sizeof table[0],
        .arguments_min = 1,
        .arguments_max = 1,
    };
    struct options options;
    int code;
    if (!options_begin(&options, &command, argc, argv, &code))
        return code;
    struct error err = {0};
    given.run.path = options.arguments[0];
    bool is_done = read_values(&given, &err) == 0 && replay_run(&given.run, &err) == 0;
    code = is_done ? 0 : output_error(command.name, &err);
    options_deinit(&options);
    return code;
}
