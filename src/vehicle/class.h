/* SPDX-License-Identifier: Apache-2.0 */
/* A class of vehicles, as a fleet's operator declares it: whose packets they are,
 * for counting them apart. It decides nothing about a packet. */
#pragma once

#include "vehicle/predicate.h"

enum { CLASS_NAME_MAX = 40 };

struct class
{
    struct bytes name; /* [a-z0-9-] */
    struct predicate match;
};

int class_compile(const struct yaml_node *node, struct rule_arena *arena, struct class *out,
                  struct error *err);
