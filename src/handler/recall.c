/* SPDX-License-Identifier: Apache-2.0 */
#include "handler/recall.h"

#include "observe/metrics.h"

static void begin(void *context, const struct consumed_batch *batch)
{
    struct recall *recall = context;
    caution_begin(recall->caution, batch);
}

static void end(void *context)
{
    struct recall *recall = context;
    caution_end(recall->caution);
}

struct rehearsal {
    struct recall *recall;
    const struct consumed *in;
};

static void judge_one(void *context)
{
    struct rehearsal *rehearsal = context;
    judge_rehearse(rehearsal->recall->judge, rehearsal->recall->ruleset, rehearsal->in);
}

static void rehearse(void *context, unsigned stream, const struct consumed *in)
{
    struct recall *recall = context;
    struct rehearsal rehearsal = {recall, in};
    recall->judge->stream = stream;
    if (caution_is_needed(recall->caution))
        caution_work_slowly(recall->caution, in, broker_topic_name(recall->broker, in->topic),
                            judge_one, &rehearsal);
    else
        judge_one(&rehearsal);
}

static bool must_stop(void *context)
{
    struct recall *recall = context;
    return recall->must_stop(recall->context);
}

int recall_init(struct recall *recall, struct error *err)
{
    recall->reread = (struct reread){.broker = recall->broker,
                                     .topics = recall->ingest,
                                     .topic_count = recall->ingest_count,
                                     .who = "handler",
                                     .begin = begin,
                                     .rehearse = rehearse,
                                     .end = end,
                                     .must_stop = must_stop,
                                     .context = recall};
    return reread_init(&recall->reread, err);
}

void recall_deinit(struct recall *recall)
{
    reread_deinit(&recall->reread);
}

int recall_for(struct recall *recall, const struct ruleset *ruleset,
               const struct consumed_batch *batch, struct error *err)
{
    struct rule_thread *thread = recall->judge->thread;
    struct reread_done done;
    recall->ruleset = ruleset;
    int result = reread_for(&recall->reread, thread == NULL ? NULL : thread->state,
                            ruleset_lookback_ns(ruleset), batch, &done, err);
    if (done.took_ns > 0) {
        metrics_add(METRIC_HANDLER_RECALLED, 0, (int64_t)done.records);
        metrics_observe(METRIC_HANDLER_RECALL_SECONDS, 0, done.took_ns);
    }
    return result;
}
