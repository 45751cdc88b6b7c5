/* SPDX-License-Identifier: Apache-2.0 */
/* The characters that one position of a regular expression matches. Private to
 * regex.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { REGEX_RANGES_MAX = 48 };

struct regex_class {
    bool is_negated;
    uint32_t count;
    struct {
        int32_t from, to;
    } ranges[REGEX_RANGES_MAX];
};

/* One character, escape, '.' or [class] at *p, which moves behind it. NULL, or
 * why not. `class` is zeroed. */
const char *regex_class_parse(struct regex_class *class, const char **p, const char *end);

static inline bool regex_class_has(const struct regex_class *class, int32_t c)
{
    for (uint32_t i = 0; i < class->count; i++)
        if (c >= class->ranges[i].from && c <= class->ranges[i].to)
            return !class->is_negated;
    return class->is_negated;
}
