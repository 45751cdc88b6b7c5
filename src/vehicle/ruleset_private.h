/* SPDX-License-Identifier: Apache-2.0 */
/* The ruleset's inside, for ruleset.c, ruleset_load.c and rule/arena.c. */
#pragma once

#include <stdatomic.h>

#include "vehicle/category.h"
#include "vehicle/ruleset.h"

/* Allocations that live as long as the ruleset. */
struct rule_arena {
    struct rule_block *blocks;
};
void rule_arena_deinit(struct rule_arena *arena);

struct ruleset {
    atomic_uint refs;
    uint64_t hash;
    struct rule_arena arena;
    /* Names and texts of rules borrow from them. */
    struct yaml_document **documents;
    size_t document_count;
    struct category *categories; /* the last is `other` */
    size_t category_count;
    const struct rule **rules;
    size_t rule_count;
};
