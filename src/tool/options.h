/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of a subcommand, from one table: parsing, --help, and the
 * configuration that -c, --set and --data lead to. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"
#include "config/config.h"

struct option {
    const char *name;     /* without "--" */
    char letter;          /* 'c' for -c; 0 = none */
    const char *argument; /* "FILE", as --help shows it; NULL = a flag */
    const char *help;     /* one sentence, without a full stop */
    /* Exactly one of these says where it goes. */
    const char **text;   /* the argument as given; the last one wins */
    bool *flag;          /* true when given */
    const char *setting; /* shorthand of --set SETTING=ARGUMENT; of a flag: =true */
};

struct command {
    const char *name;             /* "tail" */
    const char *arguments;        /* "TOPIC", for the usage line; NULL = takes none */
    const char *help;             /* what it does: lines of at most 80 columns */
    const struct option *options; /* its own; may be NULL */
    size_t option_count;
    bool takes_config; /* -c, --set, --data as well */
    size_t arguments_min, arguments_max;
};

enum { OPTIONS_SETTINGS_MAX = 64, OPTIONS_ARGUMENTS_MAX = 16, OPTIONS_PATH_MAX = 4096 };

struct options {
    const char *config_path; /* -c, else $MOTORCADE_CONFIG, else NULL */
    const char *data_dir;    /* --data, else the machine's default; "" until options_load */
    char *settings[OPTIONS_SETTINGS_MAX]; /* "module.name=value", on the heap */
    size_t setting_count;
    const char *arguments[OPTIONS_ARGUMENTS_MAX]; /* what is not an option */
    size_t argument_count;
    bool has_data_dir;
    char default_data_dir[OPTIONS_PATH_MAX];
};

enum options_verdict {
    OPTIONS_OK,
    OPTIONS_HELP,  /* --help was printed: exit 0 */
    OPTIONS_WRONG, /* *err, ERROR_USAGE */
};

/* argv[0] is the subcommand. --help, -h are always understood; "--" ends the
 * options; "--name=value" and "--name value" are the same. deinit also after
 * a failure. */
enum options_verdict options_parse(struct options *options, const struct command *command, int argc,
                                   char **argv, struct error *err);
void options_deinit(struct options *options);
void options_print_help(const struct command *command, struct buf *out);

/* The configuration of all modules (tool/modules.h) from file, environment and
 * options. Every module's data_dir that nobody set is the data folder. Applies
 * the module `log`. May be called again for a fresh snapshot (SIGHUP). */
int options_load(struct options *options, struct config **out, struct error *err);

/* For a tool's first lines: parse, print help or the error. True: go on; false:
 * *code is the exit code, and the options are freed. */
bool options_begin(struct options *options, const struct command *command, int argc, char **argv,
                   int *code);
