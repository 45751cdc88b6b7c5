/* SPDX-License-Identifier: Apache-2.0 */
#include "tool/dlq.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "broker/kafka/client.h"
#include "simulate/arguments.h"
#include "tool/dlq_print.h"
#include "tool/dlq_purge.h"
#include "tool/dlq_remote.h"
#include "tool/modules.h"
#include "tool/options.h"
#include "tool/output.h"
#include "tool/viewer.h"
#include "tool/topic_plan.h"

static struct {
    const char *filters[DLQ_NAMES_MAX]; /* by dlq_filter_names */
    const char *limit, *url, *before;
    bool is_json, is_agreed;
} given;

/* clang-format off: one line each reads better */
static const struct option dlq_options[] = {
    {"reason", 0, "CODE", "only this reason: range, bad_time, …", .text = &given.filters[0]},
    {"since", 0, "TIME", "received at or after: RFC 3339, or an age (10m)",
     .text = &given.filters[1]},
    {"until", 0, "TIME", "received before", .text = &given.filters[2]},
    {"vehicle", 0, "ID", "only this vehicle", .text = &given.filters[3]},
    {"detail", 0, "TEXT", "only where the detail holds this: a field, a rule's words",
     .text = &given.filters[4]},
    {"topic", 0, "TOPIC", "the dead-letter topic, or the one they come from",
     .text = &given.filters[5]},
    {"state", 0, "STATE",
     "all, open, again (failed again after a replay) or replayed; replay: open",
     .text = &given.filters[6]},
    {"id", 0, "HEX", "the identity, or its beginning", .text = &given.filters[7]},
    {"limit", 'n', "N", "list, show: at most N, the newest (1000)", .text = &given.limit},
    {"before", 0, "TIME", "purge: what was received before; RFC 3339, an age, or \"now\"",
     .text = &given.before},
    {"yes", 'y', NULL, "purge: do it", .flag = &given.is_agreed},
    {"url", 0, "URL", "replay: the process that has the journal (http://127.0.0.1:30000)",
     .text = &given.url},
    {"json", 0, NULL, "a line of JSON each", .flag = &given.is_json},
};
/* clang-format on */

static const struct command command = {
    .name = "dlq",
    .arguments = "list|show|replay|purge [ID]",
    .help = "Dead letters: records that could not be decoded, broke a rule or were refused by the\n"
            "database, with their bytes and the reason. One entry for each packet.\n"
            "  list    what there is, oldest first\n"
            "  show    the same with the bytes; ID is an identity as list prints it, or its\n"
            "          beginning\n"
            "  replay  send those that are open back to the topic where they failed, once; they\n"
            "          are \"replayed\" then, and \"again\" when they have failed again\n"
            "  purge   delete them up to a point in time (Kafka; a journal drops its oldest\n"
            "          by itself)\n"
            "list and show read a journal also while another process writes it; replay then asks\n"
            "that process, on admin.listen or else gateway.listen.\n\n"
            "Examples:\n"
            "  motorcade dlq list --reason range --since 1h\n"
            "  motorcade dlq show 21f3e0\n"
            "  motorcade dlq replay --vehicle car-7 --detail speed\n"
            "  motorcade dlq replay --state again --since 1d\n"
            "  motorcade dlq purge -c motorcade.yaml --before 7d --yes",
    .options = dlq_options,
    .option_count = sizeof dlq_options / sizeof dlq_options[0],
    .takes_config = true,
    .arguments_min = 1,
    .arguments_max = 2,
};

struct work {
    const struct config *config;
    struct topic_plan plan;
    struct dlq_filter filter;
    uint64_t limit;
    int64_t now_ns;
    struct buf out;
};

/* ---- reading ---- */

static int read_book(struct work *work, struct broker *broker, struct dlq_book *book,
                     struct error *err)
{
    const char *topics[DLQ_TOPICS_MAX];
    size_t count = topic_plan_dead_letters(&work->plan, topics, DLQ_TOPICS_MAX);
    return dlq_book_read(book, broker, topics, count, &work->filter, err);
}

/* The newest that are asked for. */
static void cut(struct work *work, struct dlq_book *book)
{
    if (book->count <= work->limit)
        return;
    fprintf(stderr, "motorcade dlq: the newest %" PRIu64 " of %zu; --limit shows more\n",
            work->limit, book->count);
    size_t dropped = book->count - (size_t)work->limit;
    memmove(book->letters, book->letters + dropped,
            (size_t)work->limit * sizeof(struct dlq_letter *));
    book->count = (size_t)work->limit;
}

/* ---- list, show ---- */

static int list_letters(struct work *work, struct dlq_book *book, struct error *err)
{
    (void)err;
    for (size_t i = 0; i < book->count; i++) {
        if (given.is_json)
            dlq_put_json(&work->out, book, book->letters[i], NULL);
        else
            dlq_put_text(&work->out, book, book->letters[i]);
    }
    return 0;
}

struct showing {
    struct work *work;
    struct dlq_book *book;
};

static int show_one(void *context, struct dlq_letter *letter, const struct consumed *record,
                    struct error *err)
{
    struct showing *showing = context;
    struct buf *out = &showing->work->out;
    (void)err;
    if (given.is_json)
        dlq_put_json(out, showing->book, letter, &record->record.value);
    else
        dlq_put_whole(out, showing->book, letter, record->record.value);
    return 0;
}

static int show_letters(struct work *work, struct dlq_book *book, struct error *err)
{
    struct showing showing = {work, book};
    if (book->count == 0)
        return error_set(err, ERROR_NOT_FOUND, "there is no such dead letter (see dlq list)");
    return dlq_book_visit(book, show_one, &showing, err);
}

static int look(struct work *work, struct error *err,
                int (*print)(struct work *work, struct dlq_book *book, struct error *err))
{
    struct broker *broker;
    struct dlq_book book;
    if (viewer_open(&broker, work->config, err) != 0)
        return -1;
    int result = read_book(work, broker, &book, err);
    if (result == 0) {
        cut(work, &book);
        result = print(work, &book, err);
    }
    dlq_book_deinit(&book);
    broker_close(broker);
    return result;
}

static int list(struct work *work, struct error *err)
{
    return look(work, err, list_letters);
}

static int show(struct work *work, struct error *err)
{
    return look(work, err, show_letters);
}

/* ---- replay ---- */

static void put_progress(struct work *work, const struct dlq_progress *progress)
{
    buf_printf(&work->out,
               given.is_json ? "{\"replayed\":%" PRIuFAST64 ",\"failed\":%" PRIuFAST64
                               ",\"unreplayable\":%" PRIuFAST64 "}\n"
                             : "replayed %" PRIuFAST64 ", failed %" PRIuFAST64
                               ", without bytes to replay %" PRIuFAST64 "\n",
               atomic_load(&progress->replayed), atomic_load(&progress->failed),
               atomic_load(&progress->unreplayable));
}

static int replay_here(struct work *work, struct broker *broker, struct dlq_progress *progress,
                       struct error *err)
{
    struct dlq_book book;
    int result = read_book(work, broker, &book, err);
    if (result == 0)
        result = dlq_replay(broker, &book, &work->plan.list, progress, err);
    dlq_book_deinit(&book);
    return result;
}

/* A journal that is not there must not be made by looking for its dead letters. */
static int open_writer(struct broker **out, struct work *work, struct error *err)
{
    struct broker_config settings = broker_settings(work->config);
    struct broker *probe;
    if (settings.kind == BROKER_JOURNAL) {
        if (viewer_open(&probe, work->config, err) != 0)
            return -1;
        broker_close(probe);
    }
    return broker_open(out, &settings, err);
}

static int replay(struct work *work, struct error *err)
{
    struct dlq_progress progress = {0};
    struct broker *broker;
    int result;
    if (work->filter.state == DLQ_ANY && given.filters[6] == NULL)
        work->filter.state = DLQ_OPEN;
    if (given.url != NULL) {
        result = dlq_remote_replay(work->config, given.url, given.filters, &progress, err);
    } else if (open_writer(&broker, work, err) == 0) {
        result = replay_here(work, broker, &progress, err);
        broker_close(broker);
    } else if (err->kind == ERROR_BUSY) {
        result = dlq_remote_replay(work->config, NULL, given.filters, &progress, err);
    } else {
        return -1;
    }
    if (result == 0 || atomic_load(&progress.replayed) + atomic_load(&progress.failed) > 0)
        put_progress(work, &progress);
    return result;
}

/* ---- purge ---- */

static int purge_kafka(struct work *work, const struct kafka_config *settings, int64_t before_ns,
                       struct error *err)
{
    struct broker *broker;
    struct dlq_book book;
    struct kafka_client client;
    struct dlq_purge purge = {0};
    if (viewer_open(&broker, work->config, err) != 0)
        return -1;
    int result = read_book(work, broker, &book, err);
    if (result == 0)
        result = kafka_client_open_plain(&client, settings, err);
    if (result == 0) {
        result = dlq_purge(&book, &client, before_ns, given.is_agreed, &purge, err);
        kafka_client_close(&client);
    }
    dlq_book_deinit(&book);
    broker_close(broker);
    if (result != 0)
        return -1;
    buf_printf(&work->out,
               given.is_json ? "{\"records\":%" PRIu64 ",\"open\":%" PRIu64 ",\"deleted\":%s}\n"
                             : "%" PRIu64 " records, %" PRIu64
                               " of them dead letters that were not replayed: deleted %s\n",
               purge.records, purge.open,
               given.is_json ? (given.is_agreed ? "true" : "false")
                             : (given.is_agreed ? "yes" : "no"));
    return given.is_agreed || purge.records == 0
               ? 0
               : error_set(err, ERROR_USAGE, "nothing was deleted: add --yes to do it");
}

static int purge(struct work *work, struct error *err)
{
    struct broker_config settings = broker_settings(work->config);
    struct dlq_filter when;
    dlq_filter_init(&when);
    if (settings.kind != BROKER_KAFKA)
        return error_set(err, ERROR_CONFIG,
                         "dlq purge is for Apache Kafka. A journal keeps dead letters within "
                         "broker.dead_letter_cap and drops the oldest by itself; set it lower to "
                         "keep fewer");
    for (size_t i = 0; i < DLQ_NAMES_MAX; i++)
        if (given.filters[i] != NULL && strcmp(dlq_filter_names[i], "topic") != 0)
            return error_set(err, ERROR_USAGE,
                             "purge deletes all of a topic up to a time: --before and --topic, "
                             "no --%s",
                             dlq_filter_names[i]);
    if (given.before == NULL)
        return error_set(err, ERROR_USAGE, "purge wants --before TIME");
    const char *before = strcmp(given.before, "now") == 0 ? "0s" : given.before;
    if (dlq_filter_set(&when, "until", before, work->now_ns, err) != 0)
        return -1;
    return purge_kafka(work, settings.kafka, when.until_ns, err);
}

/* ---- the tool ---- */

static const struct action {
    const char *name;
    int (*run)(struct work *work, struct error *err);
    bool takes_id;
} actions[] = {
    {"list", list, false},
    {"show", show, true},
    {"replay", replay, true},
    {"purge", purge, false},
};

static const struct action *find_action(const struct options *options, struct error *err)
{
    const char *name = options->arguments[0];
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        if (strcmp(actions[i].name, name) != 0)
            continue;
        if (options->argument_count == 1 || actions[i].takes_id)
            return &actions[i];
        error_set(err, ERROR_USAGE, "%s takes no ID", name);
        return NULL;
    }
    error_set(err, ERROR_USAGE, "\"%s\": expected list, show, replay or purge", name);
    return NULL;
}

static int read_values(struct work *work, const struct options *options, struct error *err)
{
    work->now_ns = clock_wall_ns();
    work->limit = 1000;
    dlq_filter_init(&work->filter);
    if (options->argument_count == 2)
        given.filters[7] = options->arguments[1];
    for (size_t i = 0; i < DLQ_NAMES_MAX; i++)
        if (given.filters[i] != NULL && dlq_filter_set(&work->filter, dlq_filter_names[i],
                                                       given.filters[i], work->now_ns, err) != 0)
            return -1;
    return argument_count("limit", given.limit, 1, DLQ_LETTERS_MAX, &work->limit, err);
}

static int act(const struct action *action, struct work *work, struct error *err)
{
    buf_init(&work->out, 0);
    int result = topic_plan_make(&work->plan, work->config, err);
    if (result == 0)
        result = action->run(work, err);
    int code = output_take(&work->out);
    if (result != 0)
        code = output_error(command.name, err);
    topic_plan_deinit(&work->plan);
    return code;
}

int dlq_tool(int argc, char **argv)
{
    struct options options;
    struct config *config = NULL;
    struct work work = {0};
    struct error err = {0};
    int code;
    memset(&given, 0, sizeof given);
    if (!options_begin(&options, &command, argc, argv, &code))
        return code;
    const struct action *action = find_action(&options, &err);
    if (action == NULL || read_values(&work, &options, &err) != 0 ||
        options_load(&options, &config, &err) != 0) {
        code = output_error(command.name, &err);
    } else {
        work.config = config;
        code = act(action, &work, &err);
    }
    config_unref(config);
    options_deinit(&options);
    return code;
}
