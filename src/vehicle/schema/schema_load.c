/* SPDX-License-Identifier: Apache-2.0 */
/* A schema's text into nodes. Nodes are asked for by item and filled from a
 * queue, so that a schema may refer to itself and nothing recurses over its
 * size. In the end the nodes that look at one value through each other ($ref,
 * allOf, …) are measured: a circle of them would never end, a long chain would
 * cost stack while checking. */
#include "vehicle/schema/schema_load.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"

struct schema_block {
    struct schema_block *next;
    max_align_t data[];
};

int schema_error(const struct loader *loader, uint32_t at, const char *format, ...)
{
    char words[300], place[128];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    struct buf pointer;
    buf_init(&pointer, 1 << 16);
    json_tree_pointer(&loader->schema->tree, at, &pointer);
    snprintf(place, sizeof place, "%.*s", (int)pointer.len, pointer.ptr == NULL ? "" : pointer.ptr);
    buf_deinit(&pointer);
    for (char *p = place; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20)
            *p = '?';
    return error_set(loader->err, ERROR_CONFIG, "%s: %s: %s", loader->name,
                     place[0] == '\0' ? "/" : place, words);
}

static void *block_alloc(struct json_schema *schema, size_t size)
{
    struct schema_block *block = calloc(1, sizeof *block + size);
    if (block == NULL)
        return NULL;
    block->next = schema->blocks;
    schema->blocks = block;
    return block->data;
}

static int no_memory(struct error *err)
{
    return error_set(err, ERROR_MEMORY, "no memory for a schema");
}

void *schema_alloc(const struct loader *loader, size_t count, size_t size)
{
    void *memory = block_alloc(loader->schema, (count == 0 ? 1 : count) * size);
    if (memory == NULL)
        no_memory(loader->err);
    return memory;
}

const struct regex *schema_regex(struct loader *loader, uint32_t at, struct bytes text)
{
    struct json_schema *schema = loader->schema;
    struct error why;
    if (schema->regex_count == schema->regex_cap) {
        size_t cap = schema->regex_cap == 0 ? 8 : 2 * schema->regex_cap;
        struct regex **grown = realloc(schema->regexes, cap * sizeof(struct regex *));
        if (grown == NULL) {
            no_memory(loader->err);
            return NULL;
        }
        schema->regexes = grown;
        schema->regex_cap = cap;
    }
    if (regex_new(&schema->regexes[schema->regex_count], text, &why) != 0) {
        schema_error(loader, at, "the expression can't be used: %s", why.text);
        return NULL;
    }
    return schema->regexes[schema->regex_count++];
}

/* ---- nodes ---- */

const struct schema_node *schema_node_at(struct loader *loader, uint32_t at)
{
    uint8_t type = loader->schema->tree.items[at].type;
    if (type != JSON_TYPE_OBJECT && type != JSON_TYPE_BOOL) {
        schema_error(loader, at, "a schema is an object, true or false");
        return NULL;
    }
    if (loader->nodes[at] != NULL)
        return loader->nodes[at];
    struct schema_node *node = schema_alloc(loader, 1, sizeof *node);
    if (node == NULL)
        return NULL;
    node->at = at;
    loader->nodes[at] = node;
    loader->queue[loader->queued++] = at;
    return node;
}

static int fill_node(struct loader *loader, uint32_t at)
{
    const struct json_item *item = &loader->schema->tree.items[at];
    struct draft draft = {.at = at};
    if (item->type == JSON_TYPE_BOOL && item->raw.ptr[0] == 'f')
        draft.checks[draft.count++] =
            (struct schema_check){.kind = CHECK_NEVER, .types = JSON_TYPE_ANY, .at = at};
    if (item->type == JSON_TYPE_OBJECT && schema_load_keywords(loader, &draft) != 0)
        return -1;
    struct schema_check *checks = schema_alloc(loader, draft.count, sizeof *checks);
    if (checks == NULL)
        return -1;
    memcpy(checks, draft.checks, draft.count * sizeof *checks);
    loader->nodes[at]->checks = checks;
    loader->nodes[at]->count = draft.count;
    return 0;
}

static int fill_nodes(struct loader *loader)
{
    while (loader->filled < loader->queued)
        if (fill_node(loader, loader->queue[loader->filled++]) != 0)
            return -1;
    return 0;
}

/* ---- references ---- */

/* RFC 6901: the next token of a pointer, unescaped. */
static size_t next_token(const char **p, const char *end, char *out)
{
    size_t len = 0;
    for (; *p < end && **p != '/'; ++*p) {
        bool is_escape = **p == '~' && end - *p > 1 && ((*p)[1] == '0' || (*p)[1] == '1');
        out[len++] = is_escape ? ((*p)[1] == '0' ? '~' : '/') : **p;
        *p += is_escape;
    }
    return len;
}

static uint32_t element(const struct json_tree *tree, uint32_t array, struct bytes number)
{
    uint64_t n;
    if (!text_to_u64(number, &n) || n >= tree->items[array].count)
        return 0;
    uint32_t at = array + 1;
    for (; n > 0; n--)
        at = tree->items[at].end;
    return at;
}

/* 0: it leads nowhere. `pointer` begins with '/' . */
static uint32_t follow_pointer(const struct json_tree *tree, struct bytes pointer)
{
    char token[1024];
    uint32_t at = 0;
    for (const char *p = pointer.ptr, *end = p + pointer.len; p < end;) {
        p++;
        struct bytes name = bytes_of(token, next_token(&p, end, token));
        uint8_t type = tree->items[at].type;
        at = type == JSON_TYPE_OBJECT  ? json_tree_find(tree, at, name)
             : type == JSON_TYPE_ARRAY ? element(tree, at, name)
                                       : 0;
        if (at == 0)
            return 0;
    }
    return at;
}

/* RFC 3986 section 2.1; out holds text.len. */
static size_t decode_percent(struct bytes text, char *out)
{
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '%' && i + 2 < text.len &&
            text_to_hex_bytes(bytes_of(text.ptr + i + 1, 2), out + len, 1))
            i += 2;
        else
            out[len] = text.ptr[i];
        len++;
    }
    return len;
}

/* Without the schema's own $id in front. */
static struct bytes local_part(const struct json_tree *tree, struct bytes ref)
{
    uint32_t id = json_tree_find(tree, 0, BYTES("$id"));
    struct bytes base = id == 0 ? bytes_of("", 0) : tree->items[id].text;
    bool has_base = base.len > 0 && ref.len >= base.len &&
                    memcmp(ref.ptr, base.ptr, base.len) == 0 &&
                    (ref.len == base.len || ref.ptr[base.len] == '#');
    return has_base ? bytes_of(ref.ptr + base.len, ref.len - base.len) : ref;
}

/* For "%.*s" of what has no NUL. */
static int shown(struct bytes text)
{
    enum { SHOWN = 80 };
    return text.len < SHOWN ? (int)text.len : SHOWN;
}

static int wish_anchor(struct loader *loader, uint32_t at, struct bytes name,
                       const struct schema_node **out)
{
    loader->wishes[loader->wish_count++] = (struct anchor_wish){at, name, out};
    return 0;
}

int schema_resolve(struct loader *loader, uint32_t at, const struct schema_node **out)
{
    const struct json_tree *tree = &loader->schema->tree;
    struct bytes ref = local_part(tree, tree->items[at].text);
    char decoded[1024];
    if (ref.len > sizeof decoded)
        return schema_error(loader, at, "a $ref of more than %zu bytes", sizeof decoded);
    if (ref.len > 0 && ref.ptr[0] != '#')
        return schema_error(loader, at,
                            "\"%.*s\" is not in this file: only references of the form \"#...\" "
                            "are followed",
                            shown(ref), ref.ptr);
    struct bytes place = bytes_of(ref.ptr + 1, ref.len < 2 ? 0 : ref.len - 1);
    place = bytes_of(decoded, decode_percent(place, decoded));
    if (place.len > 0 && place.ptr[0] != '/')
        return wish_anchor(loader, at, bytes_of(ref.ptr + 1, ref.len - 1), out);
    uint32_t target = place.len == 0 ? 0 : follow_pointer(tree, place);
    if (place.len > 0 && target == 0)
        return schema_error(loader, at, "\"%.*s\" leads nowhere", shown(ref), ref.ptr);
    *out = schema_node_at(loader, target);
    return *out == NULL ? -1 : 0;
}

/* Anchors count where schemas stand, and not inside an enum. */
static int grant_wish(const struct loader *loader, const struct anchor_wish *wish)
{
    const struct json_tree *tree = &loader->schema->tree;
    for (uint32_t i = 0; i < loader->queued; i++) {
        uint32_t at = loader->queue[i];
        uint32_t anchor = tree->items[at].type != JSON_TYPE_OBJECT
                              ? 0
                              : json_tree_find(tree, at, BYTES("$anchor"));
        if (anchor == 0 || !bytes_equal(tree->items[anchor].text, wish->name))
            continue;
        if (*wish->out != NULL)
            return schema_error(loader, anchor, "two schemas have this $anchor");
        *wish->out = loader->nodes[at];
    }
    if (*wish->out != NULL)
        return 0;
    return schema_error(loader, wish->at, "no schema has this $anchor");
}

/* ---- heights ---- */

static int measure(struct loader *loader, struct schema_node *node, int depth);

static int measure_entry(struct loader *loader, const struct schema_node *below, int depth,
                         int *height)
{
    if (below == NULL)
        return 0;
    /* Nodes are only const to those who check. */
    struct schema_node *node = loader->nodes[below->at];
    if (measure(loader, node, depth + 1) != 0)
        return -1;
    if (node->height + 1 > *height)
        *height = node->height + 1;
    return 0;
}

static int measure_check(struct loader *loader, const struct schema_check *check, int depth,
                         int *height)
{
    int result = 0;
    switch (check->kind) {
    case CHECK_REF:
    case CHECK_ALL:
    case CHECK_ANY:
    case CHECK_ONE:
    case CHECK_NOT:
        for (uint32_t i = 0; i < check->nodes.count && result == 0; i++)
            result = measure_entry(loader, check->nodes.nodes[i], depth, height);
        return result;
    case CHECK_IF:
        result = measure_entry(loader, check->condition.condition, depth, height);
        if (result == 0)
            result = measure_entry(loader, check->condition.then, depth, height);
        if (result == 0)
            result = measure_entry(loader, check->condition.otherwise, depth, height);
        return result;
    case CHECK_DEPENDENT:
        for (uint32_t i = 0; i < check->dependent.count && result == 0; i++)
            result = measure_entry(loader, check->dependent.entries[i].node, depth, height);
        return result;
    default:
        return 0;
    }
}

static int measure(struct loader *loader, struct schema_node *node, int depth)
{
    enum { BEING_FOUND = -1 };
    if (node->height == BEING_FOUND)
        return schema_error(loader, node->at,
                            "the schema refers to itself without going into the value");
    if (depth > SCHEMA_IN_PLACE_MAX || depth + node->height > SCHEMA_IN_PLACE_MAX)
        return schema_error(loader, node->at, "more than %d schemas for one value in a row",
                            SCHEMA_IN_PLACE_MAX);
    if (node->height > 0)
        return 0;
    int height = 1;
    node->height = BEING_FOUND;
    for (uint32_t i = 0; i < node->count; i++)
        if (measure_check(loader, &node->checks[i], depth, &height) != 0)
            return -1;
    node->height = height;
    return 0;
}

/* ---- a load as a whole ---- */

/* Strings that are no keys say what they say, too. */
static int read_strings(const struct loader *loader)
{
    struct json_tree *tree = &loader->schema->tree;
    for (uint32_t i = 0; i < tree->count; i++) {
        struct json_item *item = &tree->items[i];
        if (item->type != JSON_TYPE_STRING || item->text.ptr != NULL)
            continue;
        item->text = bytes_of(item->raw.ptr + 1, item->raw.len - 2);
        if (!item->has_escapes)
            continue;
        char *text = schema_alloc(loader, item->raw.len, 1);
        if (text == NULL)
            return -1;
        item->text = bytes_of(text, json_unescape(item->raw, text));
    }
    return 0;
}

static int read_text(struct loader *loader, struct bytes text)
{
    struct json_schema *schema = loader->schema;
    if (text.len > JSON_SCHEMA_TEXT_MAX)
        return error_set(loader->err, ERROR_CONFIG, "%s: a schema of more than %d bytes",
                         loader->name, JSON_SCHEMA_TEXT_MAX);
    schema->text = malloc(text.len + 1);
    /* No more items than bytes: a small schema takes little memory for ever. */
    size_t items_max = text.len + 1 < SCHEMA_ITEMS_MAX ? text.len + 1 : SCHEMA_ITEMS_MAX;
    if (schema->text == NULL ||
        json_tree_init(&schema->tree, items_max, items_max, text.len + 1) != 0)
        return no_memory(loader->err);
    memcpy(schema->text, text.ptr, text.len);
    schema->text[text.len] = '\0';
    if (json_tree_read(&schema->tree, bytes_of(schema->text, text.len)))
        return read_strings(loader);
    if (schema->tree.is_full)
        return error_set(loader->err, ERROR_CONFIG, "%s: a schema of more than %d values",
                         loader->name, SCHEMA_ITEMS_MAX);
    char why[128];
    json_fault_text(json_reader_fault(schema->tree.reader), text, why, sizeof why);
    return error_set(loader->err, ERROR_CONFIG, "%s: %s", loader->name, why);
}

static int build(struct loader *loader)
{
    size_t count = loader->schema->tree.count;
    loader->nodes = calloc(count, sizeof(struct schema_node *));
    loader->queue = calloc(count, sizeof *loader->queue);
    loader->wishes = calloc(count, sizeof *loader->wishes);
    if (loader->nodes == NULL || loader->queue == NULL || loader->wishes == NULL)
        return no_memory(loader->err);
    loader->schema->root = schema_node_at(loader, 0);
    if (loader->schema->root == NULL || fill_nodes(loader) != 0)
        return -1;
    for (uint32_t i = 0; i < loader->wish_count; i++)
        if (grant_wish(loader, &loader->wishes[i]) != 0)
            return -1;
    for (uint32_t i = 0; i < loader->queued; i++)
        if (measure(loader, loader->nodes[loader->queue[i]], 0) != 0)
            return -1;
    return 0;
}

int json_schema_new(struct json_schema **out, const char *name, struct bytes text,
                    struct error *err)
{
    struct loader loader = {.schema = calloc(1, sizeof *loader.schema), .name = name, .err = err};
    if (loader.schema == NULL)
        return no_memory(err);
    int result = read_text(&loader, text);
    if (result == 0)
        result = build(&loader);
    free(loader.nodes);
    free(loader.queue);
    free(loader.wishes);
    if (result == 0)
        *out = loader.schema;
    else
        json_schema_free(loader.schema);
    return result;
}

void json_schema_free(struct json_schema *schema)
{
    if (schema == NULL)
        return;
    for (size_t i = 0; i < schema->regex_count; i++)
        regex_free(schema->regexes[i]);
    free(schema->regexes);
    while (schema->blocks != NULL) {
        struct schema_block *next = schema->blocks->next;
        free(schema->blocks);
        schema->blocks = next;
    }
    json_tree_deinit(&schema->tree);
    free(schema->text);
    free(schema);
}
