/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of one ingest record: pure, no broker. The outputs borrow from
 * the judge and the input until the next call. Equal inputs, rulesets and
 * memories of vehicles give equal bytes. One thread. */
#pragma once

#include "broker/broker.h"
#include "vehicle/mc.h"
#include "vehicle/ruleset.h"

/* decision.class of a record that could not be read. */
enum { JUDGE_NO_CLASS = RULESET_CLASSES_MAX };

struct judge {
    /* Of the ruleset in use; borrowed. NULL only when it needs none. */
    struct rule_thread *thread;
    unsigned stream; /* of the record to be judged: set before each call */
    struct packet_scratch *scratch;
    struct buf value;
    uint8_t mc[MC_MAX];
    struct packet packet;
    struct decision decision;
};

struct judgement {
    enum verdict verdict;
    size_t category;      /* index; of dead letters ruleset_category_count() */
    enum reason reason;   /* of a dead letter */
    struct record record; /* to publish; not for DROP */
};

int judge_init(struct judge *judge, struct error *err);
void judge_deinit(struct judge *judge);

/* judge->decision holds the rules that failed and the vehicle's class. The record's traceparent is
 * taken over as it is; trail.h puts the handler's own in its place. */
void judge_record(struct judge *judge, const struct ruleset *ruleset, const struct consumed *in,
                  const char *topic, struct judgement *out);
/* What rules remember, without an output. */
void judge_rehearse(struct judge *judge, const struct ruleset *ruleset, const struct consumed *in);
/* A dead letter whatever the rules say (crashed, too large). */
void judge_divert(struct judge *judge, const struct ruleset *ruleset, const struct consumed *in,
                  const char *topic, enum reason reason, const char *detail, struct judgement *out);
/* Keep only the beginning of a dead letter's value, when all of it can't be kept. */
void judge_cut(struct judgement *judgement, size_t max);
