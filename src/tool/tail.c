/* SPDX-License-Identifier: Apache-2.0 */
#include "tool/tail.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/text.h"
#include "observe/log.h"
#include "tool/options.h"
#include "tool/output.h"
#include "tool/to_end.h"
#include "tool/viewer.h"
#include "tool/where.h"
#include "vehicle/mc.h"

#define RETRY_NS (200 * NS_PER_MS)
#define FOLLOW_NS NS_PER_S

enum { PRINT_BYTES = 1 << 16 }; /* gathered before they are printed */

static const char *from_text, *format_text, *count_text;
static bool should_follow;

static const struct option tail_options[] = {
    {.name = "from",
     .argument = "WHERE",
     .help = "earliest, latest, an offset, a received time (RFC 3339), or an age (10m)",
     .text = &from_text},
    {.name = "follow",
     .letter = 'f',
     .help = "go on with what comes; wait for the topic when it isn't there yet",
     .flag = &should_follow},
    {.name = "count",
     .letter = 'n',
     .argument = "N",
     .help = "end after N records",
     .text = &count_text},
    {.name = "format",
     .argument = "FORMAT",
     .help = "line (time, partition:offset, key, value), value, json, or of dead letters ecs",
     .text = &format_text},
};

static const struct command command = {
    .name = "tail",
    .arguments = "TOPIC",
    .help = "Prints the records of a topic, of the journal or of Kafka. A journal is read also\n"
            "while another process writes it: no lock is taken and nobody slowed. Only durable\n"
            "records are seen. Begins at the earliest record, with --follow at the latest; see\n"
            "--from. Ends at the end of the topic, or never with --follow.\n"
            "--format ecs: dead letters as documents for central logs, in the fields of the\n"
            "Elastic Common Schema: the packet's identity is event.id.\n\n"
            "Examples:\n"
            "  motorcade tail gpscoords --follow\n"
            "  motorcade tail gpscoords.position --from 10m --format json\n"
            "  motorcade tail gpscoords.dead-letters --from 2026-05-20T07:00:00Z -n 20\n"
            "  motorcade tail gpscoords.dead-letters --follow --from 1h --format ecs",
    .options = tail_options,
    .option_count = sizeof tail_options / sizeof tail_options[0],
    .takes_config = true,
    .arguments_min = 1,
    .arguments_max = 1,
};

enum format { FORMAT_LINE, FORMAT_VALUE, FORMAT_JSON, FORMAT_ECS };

struct tail {
    const struct config *config;
    const char *topic_name;
    enum format format;
    enum consumer_start start;
    int64_t start_value;
    uint64_t left; /* records to print */
    struct broker *broker;
    int topic;
    struct buf out;
};

/* ---- what is asked for ---- */

static int parse_format(struct tail *tail, const char *text, struct error *err)
{
    static const char *const names[] = {"line", "value", "json", "ecs"};
    for (int i = 0; i < 4; i++)
        if (strcmp(text, names[i]) == 0) {
            tail->format = (enum format)i;
            return 0;
        }
    return error_set(err, ERROR_USAGE, "--format %s: expected line, value, json or ecs", text);
}

static int parse(struct tail *tail, const struct options *options, struct error *err)
{
    *tail = (struct tail){.topic_name = options->arguments[0], .left = UINT64_MAX};
    if (count_text != NULL && !text_to_u64(bytes_from_text(count_text), &tail->left))
        return error_set(err, ERROR_USAGE, "--count %s: expected a number", count_text);
    if (where_parse(from_text != NULL ? from_text
                    : should_follow   ? "latest"
                                      : "earliest",
                    &tail->start, &tail->start_value, err) != 0)
        return -1;
    return parse_format(tail, format_text == NULL ? "line" : format_text, err);
}

/* ---- finding the topic ---- */

static void close_all(struct tail *tail)
{
    if (tail->broker != NULL)
        broker_close(tail->broker);
    tail->broker = NULL;
}

static int open_once(struct tail *tail, struct error *err)
{
    if (viewer_open(&tail->broker, tail->config, err) != 0)
        return -1;
    tail->topic = viewer_topic(tail->broker, tail->topic_name, err);
    return tail->topic < 0 ? -1 : 0;
}

static int open_topic(struct tail *tail, struct error *err)
{
    bool has_told = false;
    while (open_once(tail, err) != 0) {
        close_all(tail);
        if (!should_follow || err->kind != ERROR_NOT_FOUND)
            return -1;
        if (!has_told)
            fprintf(stderr, "motorcade tail: %s; waiting for it\n", err->text);
        has_told = true;
        tail->start = CONSUMER_FROM_EARLIEST; /* what comes is new */
        nanosleep(&(struct timespec){.tv_nsec = RETRY_NS}, NULL);
    }
    return 0;
}

/* ---- printing ---- */

static void put_time(struct buf *out, int64_t time_ns)
{
    char text[TEXT_TIME_MAX];
    buf_append(out, text, text_from_time_ms(text, time_ns / NS_PER_MS));
}

/* The dead letter part of the record's header: why it is one. */
static bool is_dead_letter(const struct consumed *c, struct mc *mc)
{
    return mc_decode(c->record.mc, mc) && mc->is_dead_letter;
}

static void put_line(struct buf *out, const struct consumed *c)
{
    struct mc mc;
    put_time(out, c->record.timestamp_ns);
    buf_printf(out, " %d:%lld ", c->partition, (long long)c->offset);
    output_put_safe(out, c->record.key.len > 0 ? c->record.key : BYTES("-"));
    buf_append_char(out, ' ');
    output_put_safe(out, c->record.value);
    if (!is_dead_letter(c, &mc))
        return;
    buf_printf(out, "  # %s: ", reason_code(mc.reason));
    output_put_safe(out, mc.detail);
}

static void put_json(struct buf *out, const char *topic, const struct consumed *c)
{
    struct mc mc;
    buf_printf(out, "{\"topic\":\"%s\",\"partition\":%d,\"offset\":%lld,\"received\":\"", topic,
               c->partition, (long long)c->offset);
    put_time(out, c->record.timestamp_ns);
    buf_append_text(out, "\",\"key\":");
    buf_append_json(out, c->record.key);
    buf_append_text(out, ",\"value\":");
    buf_append_json(out, c->record.value);
    if (is_dead_letter(c, &mc)) {
        buf_printf(out, ",\"reason\":\"%s\",\"detail\":", reason_code(mc.reason));
        buf_append_json(out, mc.detail);
    }
    buf_append_char(out, '}');
}

static void put_text(struct buf *out, const char *name, struct bytes text)
{
    buf_printf(out, ",\"%s\":", name);
    buf_append_json(out, text);
}

/* Whose it was: the key names the vehicle, or the peer when nothing could be read. */
static void put_sender(struct buf *out, const struct consumed *c, const struct mc *mc)
{
    char identity[2 * PACKET_IDENTITY_LEN];
    if (!mc_is_identified(mc)) {
        put_text(out, "client.address", c->record.key);
        return;
    }
    size_t len = text_from_hex(identity, mc->identity.bytes, sizeof mc->identity.bytes);
    put_text(out, "event.id", bytes_of(identity, len));
    put_text(out, "motorcade.vehicle", c->record.key);
}

/* A dead letter in the fields of the Elastic Common Schema 8.11, beside the log's
 * own lines (observe/log_line.c): deploy/logs ships both. Nothing for a record that
 * is none, as a mark that tells of a replay. */
static void put_ecs(struct buf *out, const char *topic, const struct consumed *c)
{
    struct mc mc;
    if (!is_dead_letter(c, &mc) || mc.is_mark)
        return;
    buf_append_text(out, "{\"@timestamp\":\"");
    put_time(out, c->record.timestamp_ns);
    buf_append_text(out, "\",\"log.level\":\"warn\",\"ecs.version\":\"8.11.0\",\"service.name\":"
                         "\"motorcade\",\"event.action\":\"dead-letter\"");
    put_text(out, "message", mc.detail);
    put_sender(out, c, &mc);
    put_text(out, "event.reason", bytes_from_text(reason_code(mc.reason)));
    put_text(out, "event.original", c->record.value);
    put_text(out, "motorcade.topic", bytes_from_text(topic));
    buf_printf(out, ",\"motorcade.partition\":%d,\"motorcade.offset\":%lld", c->partition,
               (long long)c->offset);
    put_text(out, "motorcade.source_topic", mc.source_topic);
    buf_printf(out, ",\"motorcade.source_partition\":%d,\"motorcade.source_offset\":%lld}\n",
               mc.source_partition, (long long)mc.source_offset);
}

static void put_record(struct buf *out, const struct tail *tail, const struct consumed *c)
{
    switch (tail->format) {
    case FORMAT_LINE:
        put_line(out, c);
        break;
    case FORMAT_VALUE:
        buf_append_bytes(out, c->record.value);
        break;
    case FORMAT_JSON:
        put_json(out, tail->topic_name, c);
        break;
    case FORMAT_ECS:
        put_ecs(out, tail->topic_name, c);
        return;
    }
    buf_append_char(out, '\n');
}

/* What was gathered; -1: standard output does not take it (it was said). */
static int print_out(struct tail *tail)
{
    int code = output_take(&tail->out);
    buf_init(&tail->out, 0);
    return code == 0 ? 0 : -1;
}

static int take_record(void *context, const struct consumed *record, struct error *err)
{
    struct tail *tail = context;
    put_record(&tail->out, tail, record);
    tail->left--;
    if (tail->out.len > PRINT_BYTES && print_out(tail) != 0)
        return error_set(err, ERROR_IO, "the rest is not printed");
    return tail->left == 0;
}

static int follow(struct tail *tail, const struct consumer_options *options, struct error *err)
{
    struct consumer *consumer;
    int result = consumer_open(&consumer, tail->broker, options, err);
    if (result != 0)
        return -1;
    while (result == 0) {
        struct consumed_batch batch;
        result = consumer_fetch(consumer, &batch, 1000, FOLLOW_NS, err);
        for (size_t i = 0; result == 0 && i < batch.count; i++)
            result = take_record(tail, &batch.records[i], err);
        if (tail->out.len > 0 && print_out(tail) != 0)
            result = error_set(err, ERROR_IO, "the rest is not printed");
    }
    consumer_close(consumer);
    return result < 0 ? -1 : 0;
}

static int run(struct tail *tail, struct error *err)
{
    const struct consumer_options options = {.topics = &tail->topic,
                                             .topic_count = 1,
                                             .start = tail->start,
                                             .start_value = tail->start_value};
    if (tail->left == 0)
        return 0;
    buf_init(&tail->out, 0);
    int result = should_follow ? follow(tail, &options, err)
                               : to_end_read(tail->broker, &options, take_record, tail, err);
    int code = output_take(&tail->out);
    return result != 0 ? output_error(command.name, err) : code;
}

int tail_tool(int argc, char **argv)
{
    struct options options;
    struct config *config = NULL;
    struct tail tail;
    struct error err = {0};
    int code;
    from_text = format_text = count_text = NULL;
    should_follow = false;
    if (!options_begin(&options, &command, argc, argv, &code))
        return code;
    if (parse(&tail, &options, &err) != 0 || options_load(&options, &config, &err) != 0) {
        code = output_error(command.name, &err);
    } else {
        tail.config = config;
        code = open_topic(&tail, &err) != 0 ? output_error(command.name, &err) : run(&tail, &err);
        close_all(&tail);
    }
    config_unref(config);
    options_deinit(&options);
    return code;
}
