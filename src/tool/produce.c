/* SPDX-License-Identifier: Apache-2.0 */
#include "tool/produce.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/random.h"
#include "simulate/arguments.h"
#include "simulate/produce.h"
#include "simulate/template.h"
#include "tool/modules.h"
#include "tool/options.h"
#include "tool/output.h"

struct given {
    struct produce_options run;
    const char *template, *message;
    const char *rate, *duration, *count, *batch, *in_flight, *attempts, *backoff, *backoff_max,
        *grace, *seed;
    struct buf text; /* of --template */
    bool does_print;
};

static const char help[] =
    "Makes messages from a template and publishes them to the broker of the configuration,\n"
    "asynchronously, until each is reported durable. Messages that are packets (envelope\n"
    "JSON, OBU JSON) go to their dialect's ingest topic, with the vehicle as key, as if a\n"
    "gateway had taken them. What fails is tried again with a back-off; what does not\n"
    "become durable ends up in the dead-letter file, with its reason. Runs until its\n"
    "duration or count is reached, or Ctrl-C. Exit code 0 when every message is durable.\n\n"
    "In a template {{…}} stands for what differs from message to message:\n"
    "  {{uuid}}  {{counter [START [STEP]]}}  {{timestamp [rfc3339|s|ms|us|ns]}}\n"
    "  {{int MIN MAX}}  {{float MIN MAX [PLACES]}}  {{string [MIN [MAX]]}}  {{bool}}\n"
    "  {{choice A B …}}                 a word; in double quotes a JSON string\n"
    "  {{either}}…{{or}}…{{end}}        one of these parts, which may hold placeholders\n"
    "  {{repeat MIN [MAX]}}…{{end}}     the part that often, commas between\n"
    "  {{braces}}                       two opening braces\n\n"
    "Examples:\n"
    "  motorcade produce --print --count 3\n"
    "  motorcade produce -c motorcade.yaml --duration 1h\n"
    "  motorcade produce --message '{\"obuid\":{{int 1 9}},\"lat\":1,\"lon\":{{float 1 100}}}'\n"
    "  motorcade produce --template event.json --topic events --key device.id --rate max \\\n"
    "      --count 1000000";

static int read_stream(FILE *file, const char *path, struct buf *out, struct error *err)
{
    char piece[4096];
    size_t len;
    buf_init(out, TEMPLATE_BYTES_MAX + 1);
    while ((len = fread(piece, 1, sizeof piece, file)) > 0 && buf_append(out, piece, len) == 0)
        ;
    if (ferror(file) != 0)
        return error_set(err, ERROR_IO, "--template %s: can't be read", path);
    if (out->has_failed)
        return error_set(err, ERROR_CONFIG, "--template %s: larger than %d bytes", path,
                         TEMPLATE_BYTES_MAX);
    while (out->len > 0 && (out->ptr[out->len - 1] == '\n' || out->ptr[out->len - 1] == '\r'))
        out->len--; /* an editor's last line end is no part of a message */
    return 0;
}

static int read_file(const char *path, struct buf *out, struct error *err)
{
    if (strcmp(path, "-") == 0)
        return read_stream(stdin, path, out, err);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return error_set_errno(err, ERROR_IO, errno, "--template %s", path);
    int result = read_stream(file, path, out, err);
    fclose(file);
    return result;
}

static int read_template(struct given *given, struct error *err)
{
    if (given->template != NULL && given->message != NULL)
        return error_set(err, ERROR_USAGE, "--template and --message: one of them");
    given->run.template =
        bytes_from_text(given->message != NULL ? given->message : produce_template);
    if (given->template == NULL)
        return 0;
    if (read_file(given->template, &given->text, err) != 0)
        return -1;
    given->run.template = buf_bytes(&given->text);
    return 0;
}

static int read_values(struct given *given, struct error *err)
{
    struct produce_options *run = &given->run;
    struct publisher_options *publisher = &run->publisher;
    uint64_t batch = run->batch, attempts = publisher->attempts;
    bool is_max = given->rate != NULL && strcmp(given->rate, "max") == 0;
    run->seed = random_mix((uint64_t)clock_wall_ns());
    if ((!is_max && argument_rate("rate", given->rate, &run->rate, err) != 0) ||
        argument_duration("duration", given->duration, &run->duration_ns, err) != 0 ||
        argument_count("count", given->count, 1, UINT64_MAX / 2, &run->count, err) != 0 ||
        argument_count("batch", given->batch, 1, 10000, &batch, err) != 0 ||
        argument_count("in-flight", given->in_flight, 1, 10000000, &publisher->messages_max, err) !=
            0 ||
        argument_count("attempts", given->attempts, 1, 1000, &attempts, err) != 0 ||
        argument_duration("backoff", given->backoff, &publisher->backoff_first_ns, err) != 0 ||
        argument_duration("backoff-max", given->backoff_max, &publisher->backoff_max_ns, err) !=
            0 ||
        argument_duration("grace", given->grace, &run->grace_ns, err) != 0 ||
        argument_count("seed", given->seed, 0, UINT64_MAX, &run->seed, err) != 0)
        return -1;
    if (is_max)
        run->rate = 0;
    run->batch = (uint32_t)batch;
    publisher->attempts = (unsigned)attempts;
    publisher->seed = run->seed;
    return read_template(given, err);
}

static int print_messages(const struct given *given, struct error *err)
{
    struct template *template;
    struct random_source random = {given->run.seed};
    uint64_t count = given->run.count > 0 ? given->run.count : 1;
    if (template_new(&template, given->run.template, err) != 0)
        return -1;
    int result = 0;
    for (uint64_t i = 0; i < count && result == 0; i++) {
        struct buf line;
        buf_init(&line, (size_t)1 << 24);
        result = template_expand(template, &random, clock_wall_ns(), &line, err);
        buf_append_char(&line, '\n');
        if (result != 0)
            buf_deinit(&line);
        else if (output_take(&line) != 0)
            result = error_set(err, ERROR_IO, "print the messages");
    }
    template_free(template);
    return result;
}

static int act(struct given *given, struct options *options, struct error *err)
{
    struct config *config = NULL;
    if (read_values(given, err) != 0)
        return -1;
    if (given->does_print)
        return print_messages(given, err);
    if (options_load(options, &config, err) != 0)
        return -1;
    const struct broker_config broker = broker_settings(config);
    given->run.broker = &broker;
    given->run.topics = config_get(config, &topics_module);
    int result = produce_run(&given->run, err);
    given->run.broker = NULL;
    config_unref(config);
    return result;
}

int produce_tool(int argc, char **argv)
{
    struct given given = {.template = NULL};
    produce_options_defaults(&given.run);
    const struct option table[] = {
        {"template", 't', "FILE", "the template; - is standard input (an envelope of 500 cars)",
         .text = &given.template},
        {"message", 0, "TEXT", "the template itself", .text = &given.message},
        {"topic", 0, "TOPIC", "where to (the ingest topic of the packet's dialect)",
         .text = &given.run.topic},
        {"key", 0, "FIELD", "the field that is the key: source, payload.id (the vehicle)",
         .text = &given.run.key},
        {"rate", 0, "R", "messages a second, or max (28: 100,000 an hour)", .text = &given.rate},
        {"count", 'n', "N", "stop after this many messages", .text = &given.count},
        {"duration", 0, "TIME", "stop after this time: 60s, 10m, 1h", .text = &given.duration},
        {"batch", 0, "N", "messages handed to the broker together at most (100)",
         .text = &given.batch},
        {"in-flight", 0, "N", "messages that wait for their report at most (100000)",
         .text = &given.in_flight},
        {"attempts", 0, "N", "to publish a message, at most (8)", .text = &given.attempts},
        {"backoff", 0, "TIME", "before the second attempt at most; doubles (100ms)",
         .text = &given.backoff},
        {"backoff-max", 0, "TIME", "… up to this (10s)", .text = &given.backoff_max},
        {"grace", 0, "TIME", "wait for outstanding reports at the end (30s)", .text = &given.grace},
        {"dead-letters", 0, "FILE",
         "gets what was not published, as JSON lines "
         "(motorcade-produce.dead-letters.jsonl)",
         .text = &given.run.dead_letters},
        {"compression", 0, "KIND", "of batches to Kafka: none, lz4, zstd, snappy, gzip",
         .setting = "kafka.producer.compression"},
        {"seed", 0, "N", "the same messages each time (but for the time)", .text = &given.seed},
        {"print", 0, NULL, "print COUNT messages (1), publish nothing", .flag = &given.does_print},
        {"admin", 0, "ADDRESS", "serve /metrics there: :9100", .text = &given.run.admin},
        {"json", 0, NULL, "the report as JSON", .flag = &given.run.is_json},
        {"quiet", 'q', NULL, "no progress", .flag = &given.run.is_quiet},
    };
    const struct command command = {
        .name = "produce",
        .help = help,
        .options = table,
        .option_count = sizeof table / sizeof table[0],
        .takes_config = true,
    };
    struct options options;
    int code;
    if (!options_begin(&options, &command, argc, argv, &code))
        return code;
    struct error err = {0};
    code = act(&given, &options, &err) == 0 ? 0 : output_error(command.name, &err);
    buf_deinit(&given.text);
    options_deinit(&options);
    return code;
}
