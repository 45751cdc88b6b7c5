/* SPDX-License-Identifier: Apache-2.0 */
/* The subcommand table and its dispatch; nothing else. A tool is one file in
 * tool/ and one line here. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "config/yaml.h"
#include "tool/check.h"
#include "tool/dlq.h"
#include "tool/journal.h"
#include "tool/print_config.h"
#include "tool/produce.h"
#include "tool/query.h"
#include "tool/replay.h"
#include "tool/rules.h"
#include "tool/run.h"
#include "tool/simulate.h"
#include "tool/tail.h"
#include "tool/top.h"
#include "tool/topics.h"
#include "tool/version.h"

struct subcommand {
    const char *name;
    const char *help;
    int (*run)(int argc, char **argv);
};

static const struct subcommand subcommands[] = {
    {"run", "run every role in one process", run_tool},
    {"gateway", "receive packets over WebSocket and HTTP", gateway_tool},
    {"handler", "check packets by rules", handler_tool},
    {"store", "write packets to the database", store_tool},
    {"live", "show newest positions to riders", live_tool},
    {"check", "check the configuration", check_tool},
    {"dlq", "list, show, replay and purge dead letters", dlq_tool},
    {"journal", "look into the journal: verify, dump, stat", journal_tool},
    {"print-config", "print the configuration in force, or pages made from its tables",
     print_config_tool},
    {"produce", "publish messages made from a template", produce_tool},
    {"query", "print stored packets", query_tool},
    {"replay", "send a recorded trace to a gateway", replay_tool},
    {"rules", "check rulesets, try them on recorded packets, list their kinds", rules_tool},
    {"simulate", "play a fleet of simulated vehicles against a gateway", simulate_tool},
    {"tail", "print the records of a topic, and follow it", tail_tool},
    {"top", "show what a running system does, refreshed in place", top_tool},
    {"topics", "create, describe, verify and grow topics; lag of consumer groups", topics_tool},
    {"version", "print the versions of the program and its libraries", version_tool},
};

enum { SUBCOMMAND_COUNT = sizeof subcommands / sizeof subcommands[0] };

static void print_help(FILE *out)
{
    fputs("Usage: motorcade SUBCOMMAND [OPTIONS]\n\n"
          "Takes in the packets that cars stream, durably; checks them by rules, stores them\n"
          "and shows them live.\n\nSubcommands:\n",
          out);
    for (size_t i = 0; i < SUBCOMMAND_COUNT; i++)
        fprintf(out, "  %-14s %s\n", subcommands[i].name, subcommands[i].help);
    fputs("\nmotorcade SUBCOMMAND --help tells more about each.\n", out);
}

static const struct subcommand *find(const char *name)
{
    for (size_t i = 0; i < SUBCOMMAND_COUNT; i++)
        if (strcmp(subcommands[i].name, name) == 0)
            return &subcommands[i];
    return NULL;
}

static int fail_unknown(const char *name)
{
    const char *names[SUBCOMMAND_COUNT + 1] = {0};
    for (size_t i = 0; i < SUBCOMMAND_COUNT; i++)
        names[i] = subcommands[i].name;
    const char *nearest = yaml_suggest(name, names);
    fprintf(stderr, "motorcade: unknown subcommand \"%s\"", name);
    if (nearest != NULL)
        fprintf(stderr, "; did you mean \"%s\"?", nearest);
    fputs("\n(motorcade --help lists them)\n", stderr);
    return 2;
}

static int run(const char *name, int argc, char **argv)
{
    const struct subcommand *subcommand = find(name);
    return subcommand == NULL ? fail_unknown(name) : subcommand->run(argc, argv);
}

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return 2;
    }
    if (is_help(argv[1]) && argc > 2)
        return run(argv[2], 2, (char *[]){argv[2], (char[]){"--help"}, NULL});
    if (is_help(argv[1])) {
        print_help(stdout);
        return fflush(stdout) == 0 ? 0 : 1;
    }
    if (strcmp(argv[1], "--version") == 0)
        return run("version", 1, argv);
    return run(argv[1], argc - 1, argv + 1);
}
