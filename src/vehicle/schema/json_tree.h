/* SPDX-License-Identifier: Apache-2.0 */
/* A JSON text as a flat array of items in the order written, so that it can be
 * looked at more than once: each item knows where its subtree ends. A member of
 * an object is two items, its key (a string) and its value. Views into the text
 * and into the reader: valid until the next reading. One thread. */
#pragma once

#include "base/buf.h"
#include "codec/json.h"

enum json_type {
    JSON_TYPE_NULL = 1 << 0,
    JSON_TYPE_BOOL = 1 << 1,
    JSON_TYPE_NUMBER = 1 << 2,
    JSON_TYPE_STRING = 1 << 3,
    JSON_TYPE_ARRAY = 1 << 4,
    JSON_TYPE_OBJECT = 1 << 5,
    JSON_TYPE_ANY = (1 << 6) - 1,
};

struct json_item {
    struct bytes raw;  /* as written, strings with their quotes, containers whole */
    struct bytes text; /* of a key: what it says; else empty */
    uint32_t end;      /* index of what follows the subtree */
    uint32_t count;    /* elements or members */
    uint8_t type;      /* enum json_type, one bit */
    bool has_escapes;
};

struct json_tree {
    struct json_reader *reader;
    struct json_item *items;
    size_t count, cap;
    bool is_full; /* the last text had more than cap items */
};

/* All memory is taken at once, and touched only as far as it is used. -1 without. */
int json_tree_init(struct json_tree *tree, size_t items_max, size_t keys_max, size_t text_max);
void json_tree_deinit(struct json_tree *tree);
/* False: is_full, or the reader's fault. The root is item 0. */
bool json_tree_read(struct json_tree *tree, struct bytes text);

/* Index of the value of that member, 0 when there is none. */
uint32_t json_tree_find(const struct json_tree *tree, uint32_t object, struct bytes key);
/* Where an item is, as a JSON pointer (RFC 6901); nothing for the root. */
void json_tree_pointer(const struct json_tree *tree, uint32_t at, struct buf *out);

/* Equal as JSON Schema says: numbers as numbers, objects in any order. Each
 * comparison of two items takes 1 from *budget; at 0 the answer is false. */
bool json_tree_equal(const struct json_tree *a, uint32_t i, const struct json_tree *b, uint32_t j,
                     uint64_t *budget);
/* Equal values have equal hashes. Seeded; never stored. */
uint64_t json_tree_hash(const struct json_tree *tree, uint32_t at);

/* The characters of a string item, or of plain UTF-8, one after the other. */
struct json_chars {
    const char *p, *end;
    bool has_escapes;
};
struct json_chars json_chars_of(const struct json_item *string);
/* The next Unicode code point; -1 at the end. */
int32_t json_chars_next(struct json_chars *chars);
