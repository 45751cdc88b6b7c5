/* SPDX-License-Identifier: Apache-2.0 */
/* Every kind of rule: one file each, one line each here. */
#include "vehicle/rule/rule.h"

#define KINDS                      \
    KIND(required)                 \
    KIND(range)                    \
    KIND(one_of)                   \
    KIND(type)                     \
    KIND(pattern)                  \
    KIND(compare)                  \
    KIND(max_age)                  \
    KIND(max_ahead)                \
    KIND(rate)                     \
    KIND(max_gap)                  \
    KIND(max_speed_between_points) \
    KIND(frozen)                   \
    KIND(duplicate)                \
    KIND(changed_only)             \
    KIND(json_schema)              \
    KIND(lua)                      \
    KIND(inside)                   \
    KIND(outside)

#define KIND(name) extern const struct rule_kind rule_##name;
KINDS
#undef KIND

#define KIND(name) &rule_##name,
const struct rule_kind *const rule_registry[] = {KINDS NULL};
#undef KIND

const struct rule_kind *rule_kind_by_name(struct bytes name)
{
    for (size_t i = 0; rule_registry[i] != NULL; i++)
        if (bytes_equal_text(name, rule_registry[i]->name))
            return rule_registry[i];
    return NULL;
}
