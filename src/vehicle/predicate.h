/* SPDX-License-Identifier: Apache-2.0 */
/* A condition over a packet, compiled from YAML. A mapping whose entries must
 * all hold:
 *   dialect: obu | [obu, envelope]
 *   type: text | [texts]            the envelope's type
 *   present: field | [fields]       all of them are there
 *   absent: field | [fields]        none of them is there
 *   where: [{field: speed, at_least: 3}, …]   comparisons: equals, one_of,
 *          starts_with, above, at_least, below, at_most; an absent field fails them
 *   any: [condition, …] · all: [condition, …] · not: condition
 * An empty mapping always holds. Pure; immutable once compiled. */
#pragma once

#include "config/yaml.h"
#include "vehicle/packet.h"
#include "vehicle/rule/rule.h"

struct predicate_node;

/* Nodes in preorder, each knowing its size: no pointers to chase. */
struct predicate {
    const struct predicate_node *nodes;
    size_t count;
};

int predicate_compile(const struct yaml_node *node, struct rule_arena *arena, struct predicate *out,
                      struct error *err);
bool predicate_holds(const struct predicate *predicate, const struct packet *packet);

enum certainty { CERTAINLY_NOT, CERTAINLY, UNCERTAIN };
/* What the dialect alone says, whatever else stands in the packet. */
enum certainty predicate_of_dialect(const struct predicate *predicate, enum packet_dialect dialect);
