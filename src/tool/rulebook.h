/* SPDX-License-Identifier: Apache-2.0 */
/* The ruleset that is in force in this process, the topics that follow from it,
 * and what the metrics say of it. The main thread's. */
#pragma once

#include "config/config.h"
#include "observe/metrics.h"
#include "vehicle/ruleset.h"
#include "vehicle/topics.h"

enum { RULEBOOK_TOPICS_MAX = 256 };

struct rulebook {
    struct ruleset *ruleset;
    char ingest_text[TOPICS_INGEST_MAX][TOPIC_NAME_MAX + 1];
    const char *ingest[TOPICS_INGEST_MAX];
    size_t ingest_count;
    struct topic_list topics; /* of the categories: what store and live read */
    const char *names[RULEBOOK_TOPICS_MAX];
    struct metric_series *shown; /* the hash */
};

/* Of the configuration: zeroed before. */
int rulebook_open(struct rulebook *book, const struct config *config, struct error *err);
void rulebook_close(struct rulebook *book);

/* Another ruleset, for the same ingest topics: loaded and checked, not in force. */
int rulebook_load(struct rulebook *next, const struct rulebook *book, const char *path,
                  struct error *err);
/* `next` is in force from now on; it is empty afterwards. */
void rulebook_turn(struct rulebook *book, struct rulebook *next);
/* What was loaded is not to be; counted. */
void rulebook_refuse(struct rulebook *next);
