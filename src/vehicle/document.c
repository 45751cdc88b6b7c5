/* SPDX-License-Identifier: Apache-2.0 */
/* The path of the container being read lies in `prefix` and is cut and extended
 * as containers close and open; a leaf's path is copied from there. A key of the
 * top object without anything to escape is its path already and is not copied. */
#include "vehicle/document.h"

#include <stdlib.h>

#include "base/must.h"
#include "base/text.h"

enum { PREFIX_MAX = DOCUMENT_TEXT_MAX };

int arena_init(struct arena *arena, size_t cap)
{
    *arena = (struct arena){malloc(cap), 0, cap};
    return arena->ptr == NULL ? -1 : 0;
}

void arena_deinit(struct arena *arena)
{
    free(arena->ptr);
    *arena = (struct arena){0};
}

char *arena_take(struct arena *arena, size_t len)
{
    if (len > arena->cap - arena->len)
        return NULL;
    char *ptr = arena->ptr + arena->len;
    arena->len += len;
    return ptr;
}

int document_init(struct document *document)
{
    *document = (struct document){0};
    document->reader = json_reader_new(DOCUMENT_LEAVES_MAX + JSON_DEPTH_MAX, DOCUMENT_TEXT_MAX);
    document->leaves = malloc(DOCUMENT_LEAVES_MAX * sizeof *document->leaves);
    document->members = malloc(DOCUMENT_LEAVES_MAX * sizeof *document->members);
    document->prefix = malloc(PREFIX_MAX);
    if (arena_init(&document->paths, DOCUMENT_TEXT_MAX) == 0 && document->reader != NULL &&
        document->leaves != NULL && document->members != NULL && document->prefix != NULL)
        return 0;
    document_deinit(document);
    return -1;
}

void document_deinit(struct document *document)
{
    json_reader_free(document->reader);
    free(document->leaves);
    free(document->members);
    free(document->prefix);
    arena_deinit(&document->paths);
    *document = (struct document){0};
}

const struct member *document_find(const struct document *document, struct bytes key)
{
    for (size_t i = 0; i < document->member_count; i++)
        if (bytes_equal(document->members[i].key, key))
            return &document->members[i];
    return NULL;
}

/* ---- reading ---- */

struct level {
    size_t base;    /* length of the prefix of what stands directly inside */
    uint32_t index; /* of the next element of an array */
    bool is_array;
    bool is_empty;
};

struct walk {
    struct document *document;
    enum document_mode mode;
    struct bytes one;
    struct reject *reject;
    struct level levels[JSON_DEPTH_MAX];
    unsigned depth;
    struct bytes path; /* of the value that comes next: a view, or of `prefix` */
    bool is_in_prefix;
};

static bool too_much(struct walk *walk)
{
    return reject_set(walk->reject, REASON_TOO_MANY_SIGNALS,
                      "more than %d signals, or their paths are longer than %d bytes in all",
                      PACKET_SIGNALS_MAX, DOCUMENT_TEXT_MAX);
}

static bool has_to_escape(struct bytes key)
{
    for (size_t i = 0; i < key.len; i++)
        if (key.ptr[i] == '.' || key.ptr[i] == '\\')
            return true;
    return false;
}

/* Put a separator and a component behind the prefix of the container. */
static bool extend_prefix(struct walk *walk, struct bytes component, bool is_key)
{
    char *prefix = walk->document->prefix;
    size_t len = walk->levels[walk->depth - 1].base;
    if (len + 1 + 2 * component.len > PREFIX_MAX)
        return too_much(walk);
    if (walk->depth > 1)
        prefix[len++] = '.';
    for (size_t i = 0; i < component.len; i++) {
        char c = component.ptr[i];
        if (is_key && (c == '.' || c == '\\'))
            prefix[len++] = '\\';
        prefix[len++] = c;
    }
    walk->path = bytes_of(prefix, len);
    walk->is_in_prefix = true;
    return true;
}

static bool begin_member(struct walk *walk, struct bytes key)
{
    struct document *document = walk->document;
    if (document->member_count == DOCUMENT_LEAVES_MAX)
        return too_much(walk);
    document->members[document->member_count++] = (struct member){.key = key};
    return true;
}

static bool take_key(struct walk *walk, const struct json_token *token)
{
    if (walk->depth == 1 && !begin_member(walk, token->text))
        return false;
    walk->path = token->text;
    walk->is_in_prefix = false;
    if (walk->mode == DOCUMENT_KEYS || (walk->depth == 1 && !has_to_escape(token->text)))
        return true;
    return extend_prefix(walk, token->text, true);
}

/* In an array, the path of the next element. */
static bool take_element(struct walk *walk)
{
    if (walk->depth == 0 || !walk->levels[walk->depth - 1].is_array)
        return true;
    struct level *level = &walk->levels[walk->depth - 1];
    if (walk->mode == DOCUMENT_KEYS) {
        walk->path = bytes_of("", 0);
        return true;
    }
    char digits[TEXT_U64_MAX];
    return extend_prefix(walk, bytes_of(digits, text_from_u64(digits, level->index++)), false);
}

static bool add_leaf(struct walk *walk, struct bytes raw, enum signal_type type)
{
    struct document *document = walk->document;
    struct bytes path = walk->path;
    if (document->leaf_count == DOCUMENT_LEAVES_MAX)
        return too_much(walk);
    if (walk->is_in_prefix) {
        char *copy = arena_take(&document->paths, path.len);
        if (copy == NULL)
            return too_much(walk);
        memcpy(copy, path.ptr, path.len);
        path.ptr = copy;
    }
    document->leaves[document->leaf_count++] = (struct leaf){
        .value = {.path = path, .raw = raw, .type = type},
        .member = (uint32_t)document->member_count - 1,
        .depth = walk->depth,
    };
    return true;
}

static void end_member(struct walk *walk, struct bytes raw)
{
    if (walk->depth == 1)
        walk->document->members[walk->document->member_count - 1].raw = raw;
}

static bool take_scalar(struct walk *walk, const struct json_token *token, enum signal_type type)
{
    if (!take_element(walk) || !add_leaf(walk, token->raw, type))
        return false;
    walk->levels[walk->depth - 1].is_empty = false;
    end_member(walk, token->raw);
    return true;
}

/* What stands inside gets paths that begin with this container's. */
static bool push_level(struct walk *walk, const struct json_token *token, bool is_array)
{
    if (!take_element(walk))
        return false;
    size_t base = 0;
    if (walk->depth > 0) {
        walk->levels[walk->depth - 1].is_empty = false;
        if (walk->mode == DOCUMENT_PATHS && !walk->is_in_prefix &&
            !extend_prefix(walk, walk->path, false))
            return false;
        base = walk->path.len;
    }
    if (walk->depth == 1)
        walk->document->members[walk->document->member_count - 1].raw = token->raw;
    walk->levels[walk->depth++] = (struct level){base, 0, is_array, true};
    return true;
}

static bool pop_level(struct walk *walk, const struct json_token *token)
{
    struct level *level = &walk->levels[--walk->depth];
    if (walk->depth == 0)
        return true;
    struct member *member = &walk->document->members[walk->document->member_count - 1];
    const char *end = token->raw.ptr + 1;
    if (walk->depth == 1)
        member->raw.len = (size_t)(end - member->raw.ptr);
    if (!level->is_empty)
        return true;
    if (walk->mode == DOCUMENT_PATHS)
        walk->path = bytes_of(walk->document->prefix, level->base);
    /* Empty, so nothing but blanks stands between the brackets. */
    const char *start = end - 1;
    while (*--start != '{' && *start != '[')
        continue;
    return add_leaf(walk, bytes_of(start, (size_t)(end - start)), SIGNAL_EMPTY);
}

static bool refuse_fault(struct walk *walk)
{
    const struct json_fault *fault = json_reader_fault(walk->document->reader);
    switch (fault->kind) {
    case JSON_FAULT_NONE:
    case JSON_FAULT_SYNTAX:
        walk->reject->reason = REASON_NOT_JSON;
        break;
    case JSON_FAULT_UTF8:
        walk->reject->reason = REASON_BAD_UTF8;
        break;
    case JSON_FAULT_DEPTH:
        return reject_set(walk->reject, REASON_TOO_DEEP,
                          "byte %zu: arrays and objects nest deeper than %d", fault->offset,
                          JSON_DEPTH_MAX);
    case JSON_FAULT_DUPLICATE:
        return reject_set(walk->reject, REASON_DUPLICATE_KEY,
                          "byte %zu: this key stood in the same object before", fault->offset);
    case JSON_FAULT_KEYS:
        return too_much(walk);
    }
    json_fault_text(fault, walk->one, walk->reject->detail, sizeof walk->reject->detail);
    return false;
}

static bool refuse_value(struct walk *walk, const char *what)
{
    return reject_set(walk->reject, REASON_NOT_OBJECT, "a packet is an object, this is %s", what);
}

static bool take_event(struct walk *walk, enum json_event event, const struct json_token *token)
{
    switch (event) {
    case JSON_OBJECT:
    case JSON_ARRAY:
        return push_level(walk, token, event == JSON_ARRAY);
    case JSON_OBJECT_END:
    case JSON_ARRAY_END:
        return pop_level(walk, token);
    case JSON_KEY:
        return take_key(walk, token);
    case JSON_STRING:
        return take_scalar(walk, token, SIGNAL_STRING);
    case JSON_NUMBER:
        return take_scalar(walk, token, SIGNAL_NUMBER);
    case JSON_TRUE:
    case JSON_FALSE:
        return take_scalar(walk, token, SIGNAL_BOOL);
    case JSON_NULL:
        return take_scalar(walk, token, SIGNAL_NULL);
    case JSON_FAULT:
        return refuse_fault(walk);
    case JSON_END:
        return true;
    }
    return false;
}

bool document_read(struct document *document, struct bytes one, enum document_mode mode,
                   struct reject *reject)
{
    struct walk walk;
    walk.document = document;
    walk.mode = mode;
    walk.one = one;
    walk.reject = reject;
    walk.depth = 0;
    walk.path = bytes_of("", 0);
    walk.is_in_prefix = false;
    document->leaf_count = 0;
    document->member_count = 0;
    json_reader_start(document->reader, one);
    struct json_token token;
    enum json_event event = json_reader_next(document->reader, &token);
    if (event == JSON_ARRAY)
        return refuse_value(&walk, "an array");
    if (event != JSON_OBJECT && event != JSON_FAULT)
        return refuse_value(&walk, "a single value");
    while (take_event(&walk, event, &token)) {
        if (event == JSON_END)
            return true;
        event = json_reader_next(document->reader, &token);
    }
    return false;
}
