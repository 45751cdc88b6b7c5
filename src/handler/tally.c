/* SPDX-License-Identifier: Apache-2.0 */
#include "handler/tally.h"

#include "observe/log.h"

void tally_count(struct tally *tally, const struct judgement *judgement,
                 const struct decision *decision)
{
    tally->verdicts[judgement->verdict]++;
    tally->classes[decision->class]++;
    if (judgement->verdict == VERDICT_DEAD_LETTER)
        tally->reasons[judgement->reason]++;
    else
        tally->categories[judgement->category]++;
    for (size_t i = 0; i < decision->failed_count; i++)
        tally->rule_failures[decision->failed[i]->index]++;
    tally->failures += decision->failed_count;
}

void tally_give(struct tally *tally, const struct plan *plan)
{
    metrics_add(METRIC_HANDLER_RECORDS, 0, (int64_t)tally->records);
    for (unsigned i = 0; i < VERDICT_COUNT; i++)
        if (tally->verdicts[i] > 0)
            metrics_add(METRIC_HANDLER_VERDICTS, i, (int64_t)tally->verdicts[i]);
    for (unsigned i = 0; tally->verdicts[VERDICT_DEAD_LETTER] > 0 && i < REASON_COUNT; i++)
        if (tally->reasons[i] > 0)
            metrics_add(METRIC_HANDLER_DEAD_LETTERS, i, (int64_t)tally->reasons[i]);
    for (size_t i = 0; i < ruleset_category_count(plan->ruleset); i++)
        if (tally->categories[i] > 0)
            metric_series_add(plan->categories[i], (int64_t)tally->categories[i]);
    for (size_t i = 0; i < ruleset_class_count(plan->ruleset); i++)
        if (tally->classes[i] > 0)
            metric_series_add(plan->classes[i], (int64_t)tally->classes[i]);
    for (size_t i = 0; tally->failures > 0 && i < ruleset_rule_count(plan->ruleset); i++)
        if (tally->rule_failures[i] > 0)
            metric_series_add(plan->rule_failures[i], (int64_t)tally->rule_failures[i]);
    *tally = (struct tally){0};
}

void tally_give_breaks(struct rule_thread *thread, const struct plan *plan)
{
    if (thread == NULL || thread->break_count == 0)
        return;
    for (size_t i = 0; i < ruleset_rule_count(plan->ruleset); i++) {
        if (thread->breaks[i] == 0)
            continue;
        metric_series_add(plan->rule_breaks[i], thread->breaks[i]);
        log_event(LOG_WARN, "handler", "a rule's script broke",
                  LOG_T("rule", ruleset_rule(plan->ruleset, i)->id.ptr),
                  LOG_I("packets", thread->breaks[i]), LOG_T("detail", thread->break_text));
        thread->breaks[i] = 0;
    }
    thread->break_count = 0;
}
