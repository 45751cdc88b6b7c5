/* SPDX-License-Identifier: Apache-2.0 */
#include "tool/run.h"

#include "tool/instance.h"
#include "tool/options.h"
#include "tool/output.h"
#include "tool/store.h"

/* The addresses, as options of their own: what is typed most. */
#define LISTEN_FOR_CARS                                                       \
    {                                                                         \
        .name = "listen", .argument = "ADDRESS", .setting = "gateway.listen", \
        .help = "where cars connect, gateway.listen (127.0.0.1:30000)",       \
    }
#define LISTEN_FOR_RIDERS(option_name)                                        \
    {                                                                         \
        .name = option_name, .argument = "ADDRESS", .setting = "live.listen", \
        .help = "where riders connect, live.listen (127.0.0.1:30080)",        \
    }

static const struct option run_options[] = {LISTEN_FOR_CARS, LISTEN_FOR_RIDERS("live")};
static const struct option gateway_options[] = {LISTEN_FOR_CARS};
static const struct option live_options[] = {LISTEN_FOR_RIDERS("listen")};

static const struct command run_command = {
    .name = "run",
    .help = "Runs every role in one process: receives packets, makes them durable, checks\n"
            "them, stores them, shows them. Needs nothing beside it. Ctrl-C stops it; SIGHUP\n"
            "reads the rules and the log settings again.",
    .options = run_options,
    .option_count = sizeof run_options / sizeof run_options[0],
    .takes_config = true,
};
static const struct command gateway_command = {
    .name = "gateway",
    .help = "Receives packets over WebSocket and HTTP and acks them once they are durable.",
    .options = gateway_options,
    .option_count = 1,
    .takes_config = true,
};
static const struct command handler_command = {
    .name = "handler",
    .help = "Checks packets by rules and sorts them into categories.",
    .takes_config = true,
};
static const struct command store_command = {
    .name = "store",
    .arguments = "[verify|plan]",
    .help = "Writes packets to the database, each once.\n"
            "  verify  says what the database lacks: indexes, collections, write concern;\n"
            "          exit code 1 if anything does\n"
            "  plan    prints how to spread it over shards, as commands of its own shell",
    .takes_config = true,
    .arguments_max = 1,
};
static const struct command live_command = {
    .name = "live",
    .help = "Shows the newest positions to riders: HTTP, WebSocket, the map.",
    .options = live_options,
    .option_count = 1,
    .takes_config = true,
};

static int reload(void *context, struct config **out, struct error *err)
{
    return options_load(context, out, err);
}

static int run_roles(const struct command *command, unsigned roles, int argc, char **argv)
{
    struct options options;
    int code;
    if (!options_begin(&options, command, argc, argv, &code))
        return code;
    struct config *config = NULL;
    struct error err = {0};
    if (options_load(&options, &config, &err) != 0)
        code = output_error(command->name, &err);
    else if (options.argument_count > 0)
        code = store_look(config, options.arguments[0]);
    else
        code = instance_run(&(struct instance_options){
            .roles = roles,
            .name = command->name,
            .data_dir = options.data_dir,
            .config = config,
            .reload = reload,
            .context = &options,
        });
    config_unref(config);
    options_deinit(&options);
    return code;
}

int run_tool(int argc, char **argv)
{
    return run_roles(&run_command, ROLE_ALL, argc, argv);
}

int gateway_tool(int argc, char **argv)
{
    return run_roles(&gateway_command, ROLE_GATEWAY, argc, argv);
}

int handler_tool(int argc, char **argv)
{
    return run_roles(&handler_command, ROLE_HANDLER, argc, argv);
}

int store_tool(int argc, char **argv)
{
    return run_roles(&store_command, ROLE_STORE, argc, argv);
}

int live_tool(int argc, char **argv)
{
    return run_roles(&live_command, ROLE_LIVE, argc, argv);
}
