/* SPDX-License-Identifier: Apache-2.0 */
#include "tool/rulebook.h"

#include <stdio.h>

#include "base/clock.h"
#include "handler/config.h"

enum { OUTCOME_LOADED, OUTCOME_REFUSED };

/* ---- loading ---- */

static void copy_ingest(struct rulebook *book, const struct topics_config *topics)
{
    struct bytes ingest[TOPICS_INGEST_MAX];
    book->ingest_count = topics_ingest(topics, ingest);
    for (size_t i = 0; i < book->ingest_count; i++)
        snprintf(book->ingest_text[i], sizeof book->ingest_text[i], "%.*s", (int)ingest[i].len,
                 ingest[i].ptr);
}

static int list_topics(struct rulebook *book, struct error *err)
{
    for (size_t i = 0; i < book->ingest_count; i++)
        book->ingest[i] = book->ingest_text[i];
    if (ruleset_topics(book->ruleset, book->ingest, book->ingest_count, false, &book->topics,
                       err) != 0)
        return -1;
    if (book->topics.count > RULEBOOK_TOPICS_MAX)
        return error_set(err, ERROR_CONFIG, "more than %d category topics", RULEBOOK_TOPICS_MAX);
    for (size_t i = 0; i < book->topics.count; i++)
        book->names[i] = book->topics.names[i];
    return 0;
}

static int load(struct rulebook *book, const char *path, struct error *err)
{
    int64_t begun_ns = clock_monotonic_ns();
    if (ruleset_load(&book->ruleset, path, err) != 0 || list_topics(book, err) != 0) {
        rulebook_close(book);
        return -1;
    }
    metrics_observe(METRIC_RULESET_LOAD_SECONDS, 0, clock_monotonic_ns() - begun_ns);
    return 0;
}

/* ---- what the metrics say ---- */

/* A series for each ruleset of this process's life: as many as were loaded. */
static void show(struct rulebook *book)
{
    char label[64];
    snprintf(label, sizeof label, "hash=\"%016llx\"",
             (unsigned long long)ruleset_hash(book->ruleset));
    struct metric_series *shown = metrics_series(METRIC_RULESET_INFO, label);
    if (book->shown != NULL && book->shown != shown)
        metric_series_set(book->shown, 0);
    book->shown = shown;
    metric_series_set(shown, 1);
    metric_series_set(metrics_series(METRIC_RULESET_LOADED, ""), clock_wall_ns() / NS_PER_S);
    metrics_add(METRIC_RULESET_LOADS, OUTCOME_LOADED, 1);
}

/* ---- the interface ---- */

int rulebook_open(struct rulebook *book, const struct config *config, struct error *err)
{
    const struct handler_config *handler = config_get(config, &handler_module);
    const struct topics_config *topics = config_get(config, &topics_module);
    if (topics_check(topics, err) != 0)
        return -1;
    copy_ingest(book, topics);
    if (load(book, handler->rules, err) != 0)
        return -1;
    show(book);
    return 0;
}

void rulebook_close(struct rulebook *book)
{
    topic_list_deinit(&book->topics);
    ruleset_unref(book->ruleset);
    book->ruleset = NULL;
}

int rulebook_load(struct rulebook *next, const struct rulebook *book, const char *path,
                  struct error *err)
{
    *next = (struct rulebook){.ingest_count = book->ingest_count};
    memcpy(next->ingest_text, book->ingest_text, sizeof next->ingest_text);
    if (load(next, path, err) == 0)
        return 0;
    metrics_add(METRIC_RULESET_LOADS, OUTCOME_REFUSED, 1);
    return -1;
}

void rulebook_turn(struct rulebook *book, struct rulebook *next)
{
    topic_list_deinit(&book->topics);
    ruleset_unref(book->ruleset);
    book->ruleset = next->ruleset;
    book->topics = next->topics;
    memcpy(book->names, next->names, sizeof book->names);
    *next = (struct rulebook){.ruleset = NULL};
    show(book);
}

void rulebook_refuse(struct rulebook *next)
{
    rulebook_close(next);
    metrics_add(METRIC_RULESET_LOADS, OUTCOME_REFUSED, 1);
}
