/* SPDX-License-Identifier: Apache-2.0 */
#include "tool/topic_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handler/config.h"
#include "vehicle/topics.h"

static void add(struct topic_plan *plan, const char *name, enum topic_role role)
{
    snprintf(plan->list.names[plan->list.count], TOPIC_NAME_MAX + 1, "%s", name);
    plan->roles[plan->list.count++] = role;
}

static int allocate(struct topic_plan *plan, size_t count, struct error *err)
{
    plan->list.names = calloc(count, sizeof *plan->list.names);
    plan->roles = calloc(count, sizeof *plan->roles);
    if (plan->list.names == NULL || plan->roles == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for %zu topics", count);
    return 0;
}

static int fill(struct topic_plan *plan, const struct ruleset *ruleset, const struct bytes *ingest,
                size_t ingest_count, struct error *err)
{
    size_t categories = ruleset_category_count(ruleset);
    if (allocate(plan, ingest_count * (categories + 2), err) != 0)
        return -1;
    for (size_t i = 0; i < ingest_count; i++) {
        char name[TOPIC_NAME_MAX + 1], topic[TOPIC_NAME_MAX + 1];
        snprintf(name, sizeof name, "%.*s", (int)ingest[i].len, ingest[i].ptr);
        add(plan, name, TOPIC_INGEST);
        for (size_t c = 0; c <= categories; c++) {
            if (ruleset_topic(ruleset, name, c, topic, err) != 0)
                return -1;
            add(plan, topic, c == categories ? TOPIC_DEAD_LETTERS : TOPIC_CATEGORY);
        }
    }
    return 0;
}

int topic_plan_make(struct topic_plan *plan, const struct config *config, struct error *err)
{
    const struct topics_config *topics = config_get(config, &topics_module);
    const struct handler_config *handler = config_get(config, &handler_module);
    struct bytes ingest[TOPICS_INGEST_MAX];
    struct ruleset *ruleset;
    *plan = (struct topic_plan){0};
    if (topics_check(topics, err) != 0 || ruleset_load(&ruleset, handler->rules, err) != 0)
        return -1;
    int result = fill(plan, ruleset, ingest, topics_ingest(topics, ingest), err);
    ruleset_unref(ruleset);
    return result;
}

size_t topic_plan_dead_letters(const struct topic_plan *plan, const char **out, size_t max)
{
    size_t count = 0;
    for (size_t i = 0; i < plan->list.count && count < max; i++)
        if (plan->roles[i] == TOPIC_DEAD_LETTERS)
            out[count++] = plan->list.names[i];
    return count;
}

void topic_plan_deinit(struct topic_plan *plan)
{
    topic_list_deinit(&plan->list);
    free(plan->roles);
    plan->roles = NULL;
}
