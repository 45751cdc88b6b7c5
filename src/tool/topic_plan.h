/* SPDX-License-Identifier: Apache-2.0 */
/* All topics that this configuration uses: the ingest topics, and what handlers
 * write for each (its categories' topics, its dead letters). */
#pragma once

#include "config/config.h"
#include "vehicle/ruleset.h"

enum topic_role { TOPIC_INGEST, TOPIC_CATEGORY, TOPIC_DEAD_LETTERS };

struct topic_plan {
    struct topic_list list; /* an ingest topic, then what belongs to it */
    enum topic_role *roles; /* of each */
};

/* Reads the rules of the configuration. */
int topic_plan_make(struct topic_plan *plan, const struct config *config, struct error *err);
/* The names of its dead-letter topics, at most `max`; how many. */
size_t topic_plan_dead_letters(const struct topic_plan *plan, const char **out, size_t max);
void topic_plan_deinit(struct topic_plan *plan);
