/* SPDX-License-Identifier: Apache-2.0 */
/* A template as parsed: its parts in the order of the text. A block is followed
 * by its branches, a branch by its parts; `after` leads past all of them. */
#pragma once

#include <stdint.h>

#include "simulate/template.h"

enum part_kind {
    PART_TEXT,
    PART_UUID,
    PART_COUNTER,
    PART_TIMESTAMP,
    PART_INT,
    PART_FLOAT,
    PART_STRING,
    PART_BOOL,
    PART_CHOICE, /* `count` PART_TEXT follow */
    PART_EITHER, /* `count` branches follow */
    PART_REPEAT, /* one branch follows */
    PART_BRANCH,
};

enum time_format { TIME_RFC3339, TIME_S, TIME_MS, TIME_US, TIME_NS };

struct part {
    enum part_kind kind;
    uint32_t after; /* index of the part behind this one and all it holds */
    uint32_t count;
    uint32_t places;         /* of PART_FLOAT */
    enum time_format format; /* of PART_TIMESTAMP */
    struct bytes text;       /* of PART_TEXT; into template->text */
    int64_t min, max;        /* of PART_FLOAT: times 10^places */
    uint64_t next, step;     /* of PART_COUNTER; wraps around */
};

struct template
{
    char *text;
    struct part *parts;
    size_t count, cap;
};
