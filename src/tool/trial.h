/* SPDX-License-Identifier: Apache-2.0 */
/* A ruleset run over recorded packets, without output: what each rule saw, what
 * failed, with examples; and where two rulesets differ. One thread. */
#pragma once

#include "base/buf.h"
#include "handler/judge.h"

enum { TRIAL_EXAMPLES_MAX = 20, TRIAL_EXAMPLE_BYTES = 160 };

struct trial_rule {
    uint64_t seen, failed;
    char (*examples)[TRIAL_EXAMPLE_BYTES]; /* the first ones that failed */
    size_t example_count;
};

struct trial {
    struct ruleset *ruleset;
    struct judge judge;
    size_t examples_max;
    uint64_t packets, unreadable;
    uint64_t verdicts[VERDICT_COUNT];
    uint64_t *categories; /* where packets went */
    uint64_t *classes;    /* whose they were */
    struct trial_rule *rules;
};

int trial_open(struct trial *trial, struct ruleset *ruleset, size_t examples_max,
               struct error *err);
void trial_close(struct trial *trial);

/* What became of it, for a person and to compare: "position flag (old, gap)". */
enum { TRIAL_OUTCOME_BYTES = 256 };
void trial_take(struct trial *trial, const struct consumed *in, const char *topic,
                char outcome[TRIAL_OUTCOME_BYTES]);

void trial_print(const struct trial *trial, struct buf *out);
void trial_print_json(const struct trial *trial, struct buf *out);

/* Outcomes that changed from one ruleset to another, and how often. */
enum { TRIAL_CHANGES_MAX = 200, TRIAL_CHANGE_EXAMPLES = 2 };

struct trial_change {
    char from[TRIAL_OUTCOME_BYTES], to[TRIAL_OUTCOME_BYTES];
    uint64_t count;
    char examples[TRIAL_CHANGE_EXAMPLES][TRIAL_EXAMPLE_BYTES];
};

struct trial_diff {
    struct trial_change *changes; /* TRIAL_CHANGES_MAX */
    size_t count;
    uint64_t packets, changed, others; /* others: changes beyond the room */
};

int trial_diff_init(struct trial_diff *diff, struct error *err);
void trial_diff_deinit(struct trial_diff *diff);
void trial_diff_take(struct trial_diff *diff, const struct consumed *in, const char *from,
                     const char *to);
/* The most frequent first. */
void trial_diff_print(struct trial_diff *diff, struct buf *out);
void trial_diff_print_json(struct trial_diff *diff, struct buf *out);
