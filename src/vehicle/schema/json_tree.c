/* SPDX-License-Identifier: Apache-2.0 */
#include "vehicle/schema/json_tree.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/text.h"
#include "vehicle/schema/json_number.h"

int json_tree_init(struct json_tree *tree, size_t items_max, size_t keys_max, size_t text_max)
{
    *tree = (struct json_tree){.cap = items_max};
    tree->items = malloc(items_max * sizeof *tree->items);
    tree->reader = json_reader_new(keys_max, text_max);
    if (tree->items != NULL && tree->reader != NULL)
        return 0;
    json_tree_deinit(tree);
    return -1;
}

void json_tree_deinit(struct json_tree *tree)
{
    free(tree->items);
    json_reader_free(tree->reader);
    *tree = (struct json_tree){0};
}

/* ---- reading ---- */

struct open_items {
    uint32_t at[JSON_DEPTH_MAX + 1];
    size_t depth;
};

static enum json_type type_of(enum json_event event)
{
    switch (event) {
    case JSON_OBJECT:
        return JSON_TYPE_OBJECT;
    case JSON_ARRAY:
        return JSON_TYPE_ARRAY;
    case JSON_KEY:
    case JSON_STRING:
        return JSON_TYPE_STRING;
    case JSON_NUMBER:
        return JSON_TYPE_NUMBER;
    case JSON_TRUE:
    case JSON_FALSE:
        return JSON_TYPE_BOOL;
    case JSON_NULL:
    case JSON_END:
    case JSON_FAULT:
    case JSON_OBJECT_END:
    case JSON_ARRAY_END:
        return JSON_TYPE_NULL;
    }
    return JSON_TYPE_NULL;
}

static void close_container(struct json_tree *tree, struct open_items *open)
{
    struct json_item *item = &tree->items[open->at[--open->depth]];
    item->end = (uint32_t)tree->count;
    const char *end = item->raw.ptr;
    item->raw.len = (size_t)(tree->items[0].raw.ptr + json_reader_offset(tree->reader) - end);
}

static void add(struct json_tree *tree, struct open_items *open, enum json_event event,
                const struct json_token *token)
{
    uint32_t at = (uint32_t)tree->count++;
    enum json_type type = type_of(event);
    tree->items[at] = (struct json_item){
        .raw = token->raw, .end = at + 1, .type = (uint8_t)type, .has_escapes = token->has_escapes};
    if (event == JSON_KEY)
        tree->items[at].text = token->text;
    if (open->depth > 0) {
        struct json_item *parent = &tree->items[open->at[open->depth - 1]];
        parent->count += parent->type == JSON_TYPE_ARRAY || event == JSON_KEY;
    }
    if (event == JSON_OBJECT || event == JSON_ARRAY)
        open->at[open->depth++] = at;
}

bool json_tree_read(struct json_tree *tree, struct bytes text)
{
    struct open_items open = {.depth = 0};
    struct json_token token = {.has_escapes = false};
    tree->count = 0;
    tree->is_full = false;
    /* Offsets count from the text's beginning, items from their own. */
    const char *first = json_skip_blanks(text.ptr, text.ptr + text.len);
    json_reader_start(tree->reader, bytes_of(first, (size_t)(text.ptr + text.len - first)));
    for (;;) {
        enum json_event event = json_reader_next(tree->reader, &token);
        if (event == JSON_END || event == JSON_FAULT)
            return event == JSON_END;
        if (event == JSON_OBJECT_END || event == JSON_ARRAY_END) {
            close_container(tree, &open);
            continue;
        }
        tree->is_full = tree->count == tree->cap;
        if (tree->is_full)
            return false;
        add(tree, &open, event, &token);
    }
}

/* ---- looking ---- */

uint32_t json_tree_find(const struct json_tree *tree, uint32_t object, struct bytes key)
{
    const struct json_item *items = tree->items;
    for (uint32_t i = object + 1; i < items[object].end; i = items[i + 1].end)
        if (bytes_equal(items[i].text, key))
            return i + 1;
    return 0;
}

static void append_escaped(struct buf *out, struct bytes key)
{
    for (size_t i = 0; i < key.len; i++) {
        if (key.ptr[i] == '~')
            buf_append_text(out, "~0");
        else if (key.ptr[i] == '/')
            buf_append_text(out, "~1");
        else
            buf_append_char(out, key.ptr[i]);
    }
}

void json_tree_pointer(const struct json_tree *tree, uint32_t at, struct buf *out)
{
    const struct json_item *items = tree->items;
    for (uint32_t in = 0; in < at;) {
        bool is_object = items[in].type == JSON_TYPE_OBJECT;
        uint32_t child = in + 1;
        uint32_t number = 0;
        for (;; number++) {
            uint32_t next = items[is_object ? child + 1 : child].end;
            if (at < next)
                break;
            child = next;
        }
        buf_append_char(out, '/');
        if (is_object)
            append_escaped(out, items[child].text);
        else
            buf_append_u64(out, number);
        if (is_object && at == child) /* the key itself */
            return;
        in = is_object ? child + 1 : child;
    }
}

/* ---- strings ---- */

struct json_chars json_chars_of(const struct json_item *string)
{
    return (struct json_chars){string->raw.ptr + 1, string->raw.ptr + string->raw.len - 1,
                               string->has_escapes};
}

static int32_t read_hex4(const char *p)
{
    uint8_t bytes[2];
    text_to_hex_bytes(bytes_of(p, 4), bytes, 2);
    return bytes[0] << 8 | bytes[1];
}

/* Behind the backslash. */
static int32_t next_escaped(struct json_chars *chars)
{
    char c = *chars->p++;
    switch (c) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'u':
        break;
    default:
        return c;
    }
    int32_t unit = read_hex4(chars->p);
    chars->p += 4;
    if ((unit & 0xFC00) != 0xD800)
        return unit;
    int32_t low = read_hex4(chars->p + 2); /* the reader saw to it that it is there */
    chars->p += 6;
    return 0x10000 + ((unit & 0x3FF) << 10) + (low & 0x3FF);
}

int32_t json_chars_next(struct json_chars *chars)
{
    if (chars->p == chars->end)
        return -1;
    unsigned char c = (unsigned char)*chars->p++;
    if (c < 0x80)
        return c == '\\' && chars->has_escapes ? next_escaped(chars) : c;
    int more = c >= 0xF0 ? 3 : c >= 0xE0 ? 2 : 1;
    int32_t point = c & (0x3F >> more);
    for (; more > 0 && chars->p < chars->end; more--)
        point = point << 6 | (*chars->p++ & 0x3F);
    return point;
}

/* ---- equality ---- */

static bool strings_equal(const struct json_item *a, const struct json_item *b)
{
    if (!a->has_escapes && !b->has_escapes)
        return bytes_equal(a->raw, b->raw);
    struct json_chars x = json_chars_of(a), y = json_chars_of(b);
    int32_t c;
    do {
        c = json_chars_next(&x);
        if (c != json_chars_next(&y))
            return false;
    } while (c >= 0);
    return true;
}

static bool arrays_equal(const struct json_tree *a, uint32_t i, const struct json_tree *b,
                         uint32_t j, uint64_t *budget)
{
    uint32_t x = i + 1, y = j + 1;
    for (uint32_t n = 0; n < a->items[i].count; n++) {
        if (!json_tree_equal(a, x, b, y, budget))
            return false;
        x = a->items[x].end;
        y = b->items[y].end;
    }
    return true;
}

static bool objects_equal(const struct json_tree *a, uint32_t i, const struct json_tree *b,
                          uint32_t j, uint64_t *budget)
{
    for (uint32_t x = i + 1; x < a->items[i].end; x = a->items[x + 1].end) {
        uint64_t looks = b->items[j].count;
        *budget = *budget > looks ? *budget - looks : 0;
        uint32_t y = *budget == 0 ? 0 : json_tree_find(b, j, a->items[x].text);
        if (y == 0 || !json_tree_equal(a, x + 1, b, y, budget))
            return false;
    }
    return true;
}

bool json_tree_equal(const struct json_tree *a, uint32_t i, const struct json_tree *b, uint32_t j,
                     uint64_t *budget)
{
    const struct json_item *x = &a->items[i], *y = &b->items[j];
    if (*budget == 0 || --*budget == 0 || x->type != y->type || x->count != y->count)
        return false;
    switch ((enum json_type)x->type) {
    case JSON_TYPE_NULL:
        return true;
    case JSON_TYPE_BOOL:
        return x->raw.ptr[0] == y->raw.ptr[0];
    case JSON_TYPE_NUMBER:
        return json_number_compare(x->raw, y->raw) == 0;
    case JSON_TYPE_STRING:
        return strings_equal(x, y);
    case JSON_TYPE_ARRAY:
        return arrays_equal(a, i, b, j, budget);
    case JSON_TYPE_OBJECT:
        return objects_equal(a, i, b, j, budget);
    case JSON_TYPE_ANY:
        break;
    }
    return false;
}

/* ---- hash ---- */

static uint64_t mix(uint64_t hash, uint64_t value)
{
    uint64_t pair[2] = {hash, value};
    return hash64_local(bytes_of((const char *)pair, sizeof pair));
}

static uint64_t hash_number(struct bytes raw)
{
    double number = 0;
    text_to_double(raw, &number);
    if (number == 0)
        number = 0; /* -0 is 0 */
    return hash64_local(bytes_of((const char *)&number, sizeof number));
}

/* By characters: the same text may be written with escapes or without. */
static uint64_t hash_string(const struct json_item *item)
{
    enum { BLOCK_CHARS = 64 };
    int32_t block[BLOCK_CHARS];
    uint64_t hash = item->type;
    struct json_chars chars = json_chars_of(item);
    for (;;) {
        size_t count = 0;
        while (count < BLOCK_CHARS && (block[count] = json_chars_next(&chars)) >= 0)
            count++;
        hash = mix(hash, hash64_local(bytes_of((const char *)block, count * sizeof block[0])));
        if (count < BLOCK_CHARS)
            return hash;
    }
}

uint64_t json_tree_hash(const struct json_tree *tree, uint32_t at)
{
    const struct json_item *items = tree->items, *item = &items[at];
    uint64_t hash = item->type;
    switch ((enum json_type)item->type) {
    case JSON_TYPE_BOOL:
        return mix(hash, (uint64_t)item->raw.ptr[0]);
    case JSON_TYPE_NUMBER:
        return hash_number(item->raw);
    case JSON_TYPE_STRING:
        return hash_string(item);
    case JSON_TYPE_ARRAY:
        for (uint32_t i = at + 1; i < item->end; i = items[i].end)
            hash = mix(hash, json_tree_hash(tree, i));
        return hash;
    case JSON_TYPE_OBJECT: /* a sum: in any order the same */
        for (uint32_t i = at + 1; i < item->end; i = items[i + 1].end)
            hash += mix(hash_string(&items[i]), json_tree_hash(tree, i + 1));
        return mix(item->type, hash);
    case JSON_TYPE_NULL:
    case JSON_TYPE_ANY:
        break;
    }
    return hash;
}
