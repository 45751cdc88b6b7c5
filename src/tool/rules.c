/* SPDX-License-Identifier: Apache-2.0 */
#include "tool/rules.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "handler/config.h"
#include "simulate/arguments.h"
#include "tool/options.h"
#include "tool/output.h"
#include "tool/packets.h"
#include "tool/trial.h"
#include "vehicle/ruleset.h"

static struct {
    bool is_json, is_diff;
    const char *packets, *topic, *from, *count, *examples;
} given;

/* clang-format off: one line each reads better */
static const struct option rules_options[] = {
    {"packets", 0, "FILE",
     "try: recorded packets, CSV or NDJSON, plain or gzip; - is standard input",
     .text = &given.packets},
    {"topic", 0, "TOPIC", "try: the records of an ingest topic, or of dead letters",
     .text = &given.topic},
    {"from", 0, "WHERE", "of the topic: earliest, latest, an offset, a received time, an age (10m)",
     .text = &given.from},
    {"count", 'n', "N", "try: so many packets at most", .text = &given.count},
    {"diff", 0, NULL, "try: two rulesets, OLD and NEW: what would end otherwise",
     .flag = &given.is_diff},
    {"examples", 0, "N", "try: packets shown of each rule that failed, up to 20 (3)",
     .text = &given.examples},
    {"json", 0, NULL, "list, try: as JSON", .flag = &given.is_json},
};
/* clang-format on */

static const struct command command = {
    .name = "rules",
    .arguments = "check|try|list|schema [FILE…]",
    .help = "Rulesets, before they are put in force. A FILE is a ruleset or a folder of them;\n"
            "several are taken together as the files of one folder would be. Without one it is\n"
            "what handler.rules of the configuration names.\n"
            "  check   reads it and says what it is, or the first mistake; exit code 78 then\n"
            "  try     runs it over recorded packets, without output: how many each rule saw,\n"
            "          how many failed, and examples. Of a file, packets count as received at\n"
            "          the time of their event\n"
            "  list    the kinds of rules and their settings\n"
            "  schema  a JSON Schema of the files, for editors\n\n"
            "Examples:\n"
            "  motorcade rules check rules/*.yaml\n"
            "  motorcade rules try rules/ --packets drive.csv.gz\n"
            "  motorcade rules try rules/ --topic gpscoords --from 1h\n"
            "  motorcade rules try --diff old/ new/ --topic gpscoords --from 1h",
    .options = rules_options,
    .option_count = sizeof rules_options / sizeof rules_options[0],
    .takes_config = true,
    .arguments_min = 1,
    .arguments_max = OPTIONS_ARGUMENTS_MAX,
};

/* What an action works on. */
struct work {
    const struct config *config;
    const char *const *files;
    size_t file_count;
    struct buf out;
};

static int load(const struct work *work, struct ruleset **out, struct error *err)
{
    if (work->file_count > 0)
        return ruleset_load_files(out, work->files, work->file_count, err);
    const struct handler_config *handler = config_get(work->config, &handler_module);
    return ruleset_load(out, handler->rules, err);
}

/* ---- check ---- */

static int check(struct work *work, struct error *err)
{
    struct ruleset *ruleset;
    if (load(work, &ruleset, err) != 0)
        return -1;
    char lookback[TEXT_UNIT_MAX];
    int lookback_len = (int)text_from_duration_ns(lookback, ruleset_lookback_ns(ruleset));
    buf_printf(&work->out, "good: %zu categories, %zu rules, %zu classes of vehicles, hash %016llx",
               ruleset_category_count(ruleset), ruleset_rule_count(ruleset),
               ruleset_class_count(ruleset), (unsigned long long)ruleset_hash(ruleset));
    if (ruleset_lookback_ns(ruleset) > 0)
        buf_printf(&work->out, "; remembers %zu bytes of a vehicle, looks back %.*s",
                   ruleset_state_bytes(ruleset), lookback_len, lookback);
    buf_append_char(&work->out, '\n');
    ruleset_unref(ruleset);
    return 0;
}

/* ---- try ---- */

static int open_packets(const struct work *work, struct packets **out, struct error *err)
{
    if ((given.packets == NULL) == (given.topic == NULL))
        return error_set(err, ERROR_USAGE, "rules try wants either --packets or --topic");
    if (given.packets != NULL)
        return packets_open_file(out, given.packets, err);
    return packets_open_topic(out, work->config, given.topic,
                              given.from == NULL ? "earliest" : given.from, err);
}

static int read_counts(uint64_t *count, uint64_t *examples, struct error *err)
{
    *count = UINT64_MAX;
    *examples = 3;
    if (argument_count("count", given.count, 1, UINT64_MAX, count, err) != 0)
        return -1;
    return argument_count("examples", given.examples, 0, TRIAL_EXAMPLES_MAX, examples, err);
}

/* Each packet through one or two trials. */
static int run_trials(struct packets *packets, uint64_t count, struct trial *trials[2],
                      struct trial_diff *diff, struct error *err)
{
    struct consumed in;
    int step = 0;
    while (count-- > 0 && (step = packets_next(packets, &in, err)) == 1) {
        char outcomes[2][TRIAL_OUTCOME_BYTES];
        for (size_t i = 0; i < 2 && trials[i] != NULL; i++)
            trial_take(trials[i], &in, packets_topic(packets), outcomes[i]);
        if (diff != NULL)
            trial_diff_take(diff, &in, outcomes[0], outcomes[1]);
    }
    return step < 0 ? -1 : 0;
}

static int try_one(struct work *work, struct packets *packets, uint64_t count, size_t examples,
                   struct error *err)
{
    struct ruleset *ruleset;
    struct trial trial;
    if (load(work, &ruleset, err) != 0)
        return -1;
    int result = trial_open(&trial, ruleset, examples, err);
    ruleset_unref(ruleset);
    if (result != 0)
        return -1;
    result = run_trials(packets, count, (struct trial *[2]){&trial, NULL}, NULL, err);
    if (result == 0 && given.is_json)
        trial_print_json(&trial, &work->out);
    else if (result == 0)
        trial_print(&trial, &work->out);
    if (given.is_json)
        buf_append_char(&work->out, '\n');
    trial_close(&trial);
    return result;
}

static int open_both(const struct work *work, struct trial trials[2], struct error *err)
{
    for (size_t i = 0; i < 2; i++) {
        struct ruleset *ruleset;
        if (ruleset_load(&ruleset, work->files[i], err) != 0)
            return -1;
        int result = trial_open(&trials[i], ruleset, 0, err);
        ruleset_unref(ruleset);
        if (result != 0)
            return -1;
    }
    return 0;
}

static int try_two(struct work *work, struct packets *packets, uint64_t count, struct error *err)
{
    if (work->file_count != 2)
        return error_set(err, ERROR_USAGE, "rules try --diff wants two rulesets: OLD NEW");
    struct trial trials[2] = {{0}, {0}};
    struct trial_diff diff = {0};
    int result = trial_diff_init(&diff, err);
    if (result == 0)
        result = open_both(work, trials, err);
    if (result == 0)
        result =
            run_trials(packets, count, (struct trial *[2]){&trials[0], &trials[1]}, &diff, err);
    if (result == 0 && given.is_json)
        trial_diff_print_json(&diff, &work->out);
    else if (result == 0)
        trial_diff_print(&diff, &work->out);
    if (given.is_json)
        buf_append_char(&work->out, '\n');
    for (size_t i = 0; i < 2; i++)
        if (trials[i].ruleset != NULL)
            trial_close(&trials[i]);
    trial_diff_deinit(&diff);
    return result;
}

static int try(struct work *work, struct error *err)
{
    uint64_t count, examples;
    struct packets *packets;
    if (read_counts(&count, &examples, err) != 0 || open_packets(work, &packets, err) != 0)
        return -1;
    int result = given.is_diff ? try_two(work, packets, count, err)
                               : try_one(work, packets, count, (size_t)examples, err);
    packets_close(packets);
    return result;
}

/* ---- list, schema ---- */

static int list(struct work *work, struct error *err)
{
    (void)err;
    ruleset_print_kinds(&work->out, given.is_json);
    return 0;
}

static int schema(struct work *work, struct error *err)
{
    (void)err;
    ruleset_print_json_schema(&work->out);
    return 0;
}

/* ---- the tool ---- */

static const struct action {
    const char *name;
    int (*act)(struct work *work, struct error *err);
} actions[] = {{"check", check}, {"try", try}, {"list", list}, {"schema", schema}};

static int act(const char *name, struct work *work, struct error *err)
{
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++)
        if (strcmp(actions[i].name, name) == 0)
            return actions[i].act(work, err);
    return error_set(err, ERROR_USAGE, "rules %.40s: wants check, try, list or schema", name);
}

int rules_tool(int argc, char **argv)
{
    struct options options;
    struct config *config = NULL;
    struct error err = {0};
    int code;
    memset(&given, 0, sizeof given);
    if (!options_begin(&options, &command, argc, argv, &code))
        return code;
    struct work work = {.files = options.arguments + 1, .file_count = options.argument_count - 1};
    buf_init(&work.out, 0);
    int result = options_load(&options, &config, &err);
    work.config = config;
    if (result == 0)
        result = act(options.arguments[0], &work, &err);
    if (result == 0) {
        code = output_take(&work.out);
    } else {
        code = output_error(command.name, &err);
        buf_deinit(&work.out);
    }
    config_unref(config);
    options_deinit(&options);
    return code;
}
