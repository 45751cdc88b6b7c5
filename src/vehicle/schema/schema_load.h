/* SPDX-License-Identifier: Apache-2.0 */
/* While a schema is compiled: what schema_load.c (references, nodes, life) and
 * schema_keyword.c (the table of keywords) share. */
#pragma once

#include "vehicle/schema/schema_private.h"

enum { NODE_CHECKS_MAX = 32 }; /* kinds of checks are fewer */

/* A node while its checks are gathered. */
struct draft {
    uint32_t at;
    struct schema_check checks[NODE_CHECKS_MAX];
    uint32_t count;
};

struct anchor_wish {
    uint32_t at; /* the $ref's value */
    struct bytes name;
    const struct schema_node **out;
};

struct loader {
    struct json_schema *schema;
    const char *name;
    struct schema_node **nodes; /* by item; NULL: not asked for yet */
    uint32_t *queue;            /* items whose nodes were asked for, in that order */
    uint32_t queued, filled;
    struct anchor_wish *wishes;
    uint32_t wish_count;
    struct error *err;
};

/* "name: /a/b: …"; -1. */
int schema_error(const struct loader *loader, uint32_t at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Zeros that live as long as the schema; NULL with the error set. */
void *schema_alloc(const struct loader *loader, size_t count, size_t size);
/* The schema at that item, filled later; NULL with the error set. */
const struct schema_node *schema_node_at(struct loader *loader, uint32_t at);
/* A $ref's node into *out, now or when all anchors are known. */
int schema_resolve(struct loader *loader, uint32_t at, const struct schema_node **out);
/* An expression that the schema owns; NULL with the error set. */
const struct regex *schema_regex(struct loader *loader, uint32_t at, struct bytes text);

/* schema_keyword.c: all keywords of the object into its checks. */
int schema_load_keywords(struct loader *loader, struct draft *draft);
