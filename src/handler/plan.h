/* SPDX-License-Identifier: Apache-2.0 */
/* A ruleset together with the topics and metric series that its categories and
 * rules need: made whole before it is put in force, then immutable and shared by
 * the handler's threads. */
#pragma once

#include <stdatomic.h>

#include "broker/broker.h"
#include "observe/metrics.h"
#include "vehicle/ruleset.h"

struct plan {
    atomic_uint refs;
    struct ruleset *ruleset;
    size_t ingest_count;
    size_t output_count; /* per ingest topic: the categories, then the dead letters */
    int *outputs;        /* [ingest * output_count + category] */
    struct metric_series **rule_failures;
    struct metric_series **rule_breaks; /* NULL: the rule's kind can't */
    struct metric_series **categories;
    struct metric_series **classes;
};

int plan_new(struct plan **out, struct broker *broker, struct ruleset *ruleset,
             const char *const *ingest, size_t ingest_count, struct error *err);
struct plan *plan_ref(struct plan *plan);
void plan_unref(struct plan *plan);

static inline int plan_output(const struct plan *plan, size_t ingest, size_t category)
{
    return plan->outputs[ingest * plan->output_count + category];
}
