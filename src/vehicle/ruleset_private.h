/* SPDX-License-Identifier: Apache-2.0 */
/* The ruleset's inside, for ruleset*.c and rule/arena.c. */
#pragma once

#include <stdatomic.h>

#include "vehicle/category.h"
#include "vehicle/class.h"
#include "vehicle/ruleset.h"

/* Allocations that live as long as the ruleset, and what else ends with it. */
struct rule_arena {
    struct rule_block *blocks;
    struct rule_deferred *deferred; /* in the blocks; the newest first */
};
void rule_arena_deinit(struct rule_arena *arena);

/* A category, or class, that a packet of some dialect may belong to. */
struct candidate {
    const struct predicate *match; /* NULL: needs no look at the packet; always so of the last */
    size_t number;
};

enum { DIALECTS_MAX = 32 }; /* ids are below */

struct ruleset {
    atomic_uint refs;
    uint64_t hash;
    struct rule_arena arena;
    struct state_layout layout;   /* what is remembered of a vehicle */
    struct transform *transforms; /* of all packets, before the category is found */
    size_t transform_count;
    bool has_transforms;   /* of all packets or of a category's */
    size_t transform_text; /* bytes of new text of one packet at most */
    bool has_machines;
    bool needs_thread;
    /* Names and texts of rules borrow from them. */
    struct yaml_document **documents;
    size_t document_count;
    struct category *categories; /* the last is `other` */
    size_t category_count;
    struct class *classes; /* the last is `other` */
    size_t class_count;
    /* By dialect; each list ends with a certain one. */
    const struct candidate *candidates[DIALECTS_MAX];
    const struct candidate *class_candidates[DIALECTS_MAX];
    const struct rule **rules;
    size_t rule_count;
};
