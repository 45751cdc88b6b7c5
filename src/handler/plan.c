/* SPDX-License-Identifier: Apache-2.0 */
#include "handler/plan.h"

#include <stdio.h>
#include <stdlib.h>

static int make_topics(struct plan *plan, struct broker *broker, const char *const *ingest,
                       struct error *err)
{
    for (size_t i = 0; i < plan->ingest_count; i++) {
        for (size_t c = 0; c < plan->output_count; c++) {
            char name[TOPIC_NAME_MAX + 1];
            if (ruleset_topic(plan->ruleset, ingest[i], c, name, err) != 0)
                return -1;
            int topic = broker_topic(broker, name, 0, err);
            if (topic < 0)
                return -1;
            plan->outputs[i * plan->output_count + c] = topic;
        }
    }
    return 0;
}

/* Names of rules, categories and classes are [a-z0-9-]: nothing to escape in a label. */
static void make_series(struct plan *plan)
{
    char label[128];
    for (size_t i = 0; i < ruleset_rule_count(plan->ruleset); i++) {
        snprintf(label, sizeof label, "rule=\"%s\"", ruleset_rule(plan->ruleset, i)->id.ptr);
        plan->rule_failures[i] = metrics_series(METRIC_HANDLER_RULE_FAILURES, label);
        if (ruleset_rule(plan->ruleset, i)->kind->can_break)
            plan->rule_breaks[i] = metrics_series(METRIC_HANDLER_RULE_BREAKS, label);
    }
    for (size_t i = 0; i < ruleset_category_count(plan->ruleset); i++) {
        snprintf(label, sizeof label, "category=\"%s\"",
                 ruleset_category_name(plan->ruleset, i).ptr);
        plan->categories[i] = metrics_series(METRIC_HANDLER_CATEGORIES, label);
    }
    for (size_t i = 0; i < ruleset_class_count(plan->ruleset); i++) {
        snprintf(label, sizeof label, "class=\"%s\"", ruleset_class_name(plan->ruleset, i).ptr);
        plan->classes[i] = metrics_series(METRIC_HANDLER_CLASSES, label);
    }
}

int plan_new(struct plan **out, struct broker *broker, struct ruleset *ruleset,
             const char *const *ingest, size_t ingest_count, struct error *err)
{
    struct plan *plan = calloc(1, sizeof *plan);
    if (plan == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a ruleset");
    atomic_init(&plan->refs, 1);
    plan->ruleset = ruleset_ref(ruleset);
    plan->ingest_count = ingest_count;
    plan->output_count = ruleset_category_count(ruleset) + 1;
    plan->outputs = calloc(ingest_count * plan->output_count + 1, sizeof *plan->outputs);
    plan->rule_failures = calloc(ruleset_rule_count(ruleset) + 1, sizeof(struct metric_series *));
    plan->rule_breaks = calloc(ruleset_rule_count(ruleset) + 1, sizeof(struct metric_series *));
    plan->categories = calloc(plan->output_count, sizeof(struct metric_series *));
    plan->classes = calloc(ruleset_class_count(ruleset), sizeof(struct metric_series *));
    int result = 0;
    if (plan->outputs == NULL || plan->rule_failures == NULL || plan->rule_breaks == NULL ||
        plan->categories == NULL || plan->classes == NULL)
        result = error_set(err, ERROR_MEMORY, "no memory for a ruleset");
    else
        result = make_topics(plan, broker, ingest, err);
    if (result != 0) {
        plan_unref(plan);
        return -1;
    }
    make_series(plan);
    *out = plan;
    return 0;
}

struct plan *plan_ref(struct plan *plan)
{
    atomic_fetch_add_explicit(&plan->refs, 1, memory_order_relaxed);
    return plan;
}

void plan_unref(struct plan *plan)
{
    if (plan == NULL || atomic_fetch_sub_explicit(&plan->refs, 1, memory_order_acq_rel) != 1)
        return;
    ruleset_unref(plan->ruleset);
    free(plan->outputs);
    free(plan->rule_failures);
    free(plan->rule_breaks);
    free(plan->categories);
    free(plan->classes);
    free(plan);
}
