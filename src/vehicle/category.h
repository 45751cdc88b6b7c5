/* SPDX-License-Identifier: Apache-2.0 */
/* A category: which packets belong to it and what is checked of them. */
#pragma once

#include "vehicle/predicate.h"
#include "vehicle/rule/fold.h"
#include "vehicle/rule/rule.h"
#include "vehicle/transform/transform.h"

enum {
    CATEGORY_NAME_MAX = 40,
    CATEGORY_FLAGS_MAX = 16, /* flagging rules, as many as a packet holds flags */
};

struct category {
    struct bytes name; /* [a-z0-9-] */
    struct predicate match;
    struct transform transform;    /* before its rules; by the loader */
    const struct rule_test *tests; /* the common rules, then its own */
    size_t test_count;
    struct rule_fold fold;        /* those of them that end a packet and could be folded */
    const struct rule_test *rest; /* the others, in order */
    size_t rest_count;
};

/* The category's name and match; `other` has no match, every other one must. */
int category_compile(const struct yaml_node *node, struct rule_arena *arena, struct category *out,
                     struct error *err);
