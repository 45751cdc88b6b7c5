/* SPDX-License-Identifier: Apache-2.0 */
/* What a batch came to: counted in plain numbers, then given to the metrics at
 * once. One thread. */
#pragma once

#include "handler/judge.h"
#include "handler/plan.h"

struct tally {
    uint64_t records;
    uint64_t verdicts[VERDICT_COUNT];
    uint64_t reasons[REASON_COUNT];
    uint64_t categories[RULESET_CATEGORIES_MAX];
    uint64_t classes[JUDGE_NO_CLASS + 1];
    uint64_t failures;
    uint64_t rule_failures[RULESET_RULES_MAX];
};

void tally_count(struct tally *tally, const struct judgement *judgement,
                 const struct decision *decision);
/* To the metrics and back to zero. The plan under which it was counted. */
void tally_give(struct tally *tally, const struct plan *plan);
/* What broke in the rules on this thread since the last call. NULL is fine. */
void tally_give_breaks(struct rule_thread *thread, const struct plan *plan);
