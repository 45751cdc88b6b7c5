/* SPDX-License-Identifier: Apache-2.0 */
/* What a layout is made of; for layout.c and layout_match.c. */
#pragma once

#include "base/block.h"
#include "vehicle/layout.h"

enum {
    LAYOUTS_MAX = 16,
    LAYOUT_STEPS_MAX = 96,
    LAYOUT_TEXT_MAX = 3072, /* literals and paths */
    LAYOUTS_SEEN_MAX = 16,  /* remembered by hash because they came once */
    /* Bytes that a step may read: a literal, a sign, a block and what follows. */
    LAYOUT_MARGIN = 64,
};

enum step_kind {
    STEP_SIGNAL,
    STEP_DOUBLE,
    STEP_VEHICLE,
    STEP_TIME,
    STEP_TEXT,          /* a slot that mostly holds a string */
    STEP_SCALAR,        /* any other slot's value */
    STEP_EMPTY,         /* {} or []: the literals before it and its own */
    STEP_LITERAL,       /* nothing: the literal goes on in the next step */
    STEP_PAYLOAD_BEGIN, /* an envelope's payload begins behind the literal */
    STEP_PAYLOAD_END,
    STEP_END,
};

/* How a number may be written: w digits, maybe a point and f digits, 15 bytes at
 * most. Numbers of one field mostly look alike; one that looks like the last is
 * read without finding out where it ends. */
struct shape {
    uint32_t mask, bits; /* of the block behind the sign: what are no digits there */
    uint8_t len;         /* bytes without the sign */
    uint8_t whole, places, count;
    bool has_point;
    char forbidden;      /* '0' where that would be a leading zero */
    uint32_t scale;      /* for more than 8 digits: what lifts the first word's */
    uint64_t whole_mask; /* the bytes before the point, to close the gap it leaves */
    double power;        /* 10^places */
};

/* All of them, by whole digits and places; those that can't be read have mask 0
 * and bits 1, which nothing fits. */
struct shapes {
    struct shape table[BLOCK][BLOCK];
};

/* A literal of at most 16 bytes and what stands behind it. */
struct step {
    char block[BLOCK];
    uint32_t block_mask;
    uint32_t len;
    enum step_kind kind;
    uint32_t guess; /* length of a value that is no number, the last time */
    uint32_t field; /* STEP_DOUBLE: its bit, and its place in struct packet */
    uint16_t double_at;
    uint16_t empty_len; /* STEP_EMPTY */
    struct slot slot;
    const struct shape *shape; /* the last number's */
    struct bytes path;         /* the signal's */
};

struct layout {
    size_t number; /* among all of the cache, the draft included */
    enum packet_dialect dialect;
    size_t step_count;
    size_t signal_count;
    size_t text_len;
    struct step steps[LAYOUT_STEPS_MAX];
    struct signal signals[LAYOUT_STEPS_MAX]; /* paths stand, values come with each packet */
    char text[LAYOUT_TEXT_MAX];
};

struct layout_cache {
    struct layout *layouts[LAYOUTS_MAX]; /* the latest used first */
    size_t count;
    struct layout *draft;
    /* How many first steps two layouts, by number, have in common: when the later
     * literal of one does not fit, matching goes on with another from there. */
    uint8_t common[LAYOUTS_MAX + 1][LAYOUTS_MAX + 1];
    uint64_t seen[LAYOUTS_SEEN_MAX];
    size_t next_seen;
    struct shapes shapes;
    char tail[2 * LAYOUT_MARGIN]; /* the packet's end, with zeros behind it */
};
