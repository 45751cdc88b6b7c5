/* SPDX-License-Identifier: Apache-2.0 */
/* From libyaml's events to a tree. The open collections stand on a stack of
 * fixed depth; a node is attached to the one on top as soon as it is complete.
 *
 * An alias shares its anchor's node, so that nothing is copied; but whoever
 * walks the tree meets it again. Each node knows its weight (nodes below it,
 * aliases counted each time) and depth, and both are bounded when a node is
 * attached: a bomb of aliases is refused by arithmetic, before anybody walks it.
 * An anchor can be used once its node is complete, which rules out cycles. */
#include "config/yaml.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <yaml.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/hash.h"
#include "base/must.h"
#include "base/table.h"
#include "config/yaml_node.h"

enum {
    SIZE_MAX_BYTES = 1 << 20,
    DEPTH_MAX = 64,
    NODES_MAX = 100000,
    ANCHORS_MAX = 1000,
};

struct yaml_document {
    char *name;
    struct yaml_node *owned;
    const struct yaml_node *root;
};

struct anchor {
    char *name;
    const struct yaml_node *node;
    bool is_open; /* its collection has not ended */
};

/* An open collection. */
struct frame {
    struct yaml_node *node;
    struct table keys; /* of a mapping: its keys so far */
    size_t anchor;     /* index + 1; 0 = none */
};

struct builder {
    struct yaml_document *document;
    struct bytes input;
    yaml_parser_t parser;
    struct frame frames[DEPTH_MAX];
    size_t frame_count;
    struct anchor anchors[ANCHORS_MAX];
    size_t anchor_count;
    size_t node_count;
    size_t document_count;
    struct error *err;
};

/* ---- nodes ---- */

static void node_free(struct yaml_node *node)
{
    free(node->children);
    free(node);
}

void yaml_unload(struct yaml_document *document)
{
    if (document == NULL)
        return;
    while (document->owned != NULL) {
        struct yaml_node *node = document->owned;
        document->owned = node->next_owned;
        node_free(node);
    }
    free(document->name);
    free(document);
}

static int fail_at(struct builder *builder, yaml_mark_t mark, const char *problem)
{
    return error_set(builder->err, ERROR_CONFIG, "%s:%zu:%zu: %s", builder->document->name,
                     mark.line + 1, mark.column + 1, problem);
}

static int fail_memory(struct builder *builder)
{
    return error_set(builder->err, ERROR_MEMORY, "%s: out of memory", builder->document->name);
}

static struct yaml_node *node_new(struct yaml_document *document, enum yaml_kind kind,
                                  yaml_mark_t mark, struct bytes text)
{
    struct yaml_node *node = calloc(1, sizeof *node + text.len + 1);
    if (node == NULL)
        return NULL;
    char *copy = (char *)(node + 1);
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    *node = (struct yaml_node){
        .next_owned = document->owned,
        .document = document,
        .kind = kind,
        .line = (unsigned)mark.line + 1,
        .column = (unsigned)mark.column + 1,
        .depth = 1,
        .weight = 1,
        .text = bytes_of(copy, text.len),
    };
    document->owned = node;
    return node;
}

static struct yaml_node *make_node(struct builder *builder, enum yaml_kind kind, struct bytes text,
                                   yaml_mark_t mark)
{
    if (++builder->node_count > NODES_MAX) {
        fail_at(builder, mark, "more than 100000 nodes");
        return NULL;
    }
    struct yaml_node *node = node_new(builder->document, kind, mark, text);
    if (node == NULL)
        fail_memory(builder);
    return node;
}

static int append_child(struct yaml_node *parent, const struct yaml_node *child)
{
    if (parent->child_count == parent->child_capacity) {
        size_t capacity = parent->child_capacity == 0 ? 4 : parent->child_capacity * 2;
        const struct yaml_node **children =
            reallocarray(parent->children, capacity, sizeof *children);
        if (children == NULL)
            return -1;
        parent->children = children;
        parent->child_capacity = capacity;
    }
    parent->children[parent->child_count++] = child;
    return 0;
}

/* ---- mapping keys ---- */

static bool key_equal(const void *item, const void *key)
{
    const struct yaml_node *node = item;
    const struct bytes *text = key;
    return bytes_equal(node->text, *text);
}

static int add_key(struct builder *builder, struct frame *frame, const struct yaml_node *key,
                   yaml_mark_t mark)
{
    if (key->kind != YAML_SCALAR || yaml_is_null(key))
        return fail_at(builder, mark, "a key must be text");
    if (!key->is_quoted && bytes_equal_text(key->text, "<<"))
        return fail_at(builder, mark, "merge keys (<<) are not supported");
    uint64_t hash = hash64_local(key->text);
    const struct yaml_node *twin = table_find(&frame->keys, hash, key_equal, &key->text);
    if (twin != NULL)
        return error_set(builder->err, ERROR_CONFIG,
                         "%s:%zu:%zu: the key \"%s\" stands here twice, first in line %u",
                         builder->document->name, mark.line + 1, mark.column + 1, key->text.ptr,
                         twin->line);
    /* The table never writes to its items. */
    if (table_put(&frame->keys, hash, (void *)(uintptr_t)key) != 0)
        return fail_memory(builder);
    return 0;
}

/* ---- attaching ---- */

static int attach_root(struct builder *builder, const struct yaml_node *node)
{
    must(builder->document->root == NULL);
    builder->document->root = node;
    return 0;
}

/* A complete node goes to the collection on top, or is the root. */
static int attach(struct builder *builder, const struct yaml_node *node, yaml_mark_t mark)
{
    if (builder->frame_count == 0)
        return attach_root(builder, node);
    struct frame *top = &builder->frames[builder->frame_count - 1];
    struct yaml_node *parent = top->node;
    bool is_key = parent->kind == YAML_MAPPING && parent->child_count % 2 == 0;
    if (is_key && add_key(builder, top, node, mark) != 0)
        return -1;
    parent->weight += node->weight;
    if (parent->depth < node->depth + 1)
        parent->depth = node->depth + 1;
    if (parent->weight > NODES_MAX)
        return fail_at(builder, mark, "more than 100000 nodes once aliases are expanded");
    if (builder->frame_count + node->depth > DEPTH_MAX)
        return fail_at(builder, mark, "nested deeper than 64 levels");
    return append_child(parent, node) == 0 ? 0 : fail_memory(builder);
}

static struct anchor *find_anchor(struct builder *builder, const char *name)
{
    /* The latest of that name, as YAML says. */
    for (size_t i = builder->anchor_count; i > 0; i--)
        if (strcmp(builder->anchors[i - 1].name, name) == 0)
            return &builder->anchors[i - 1];
    return NULL;
}

/* *index becomes the anchor's place + 1, or 0 without an anchor. */
static int add_anchor(struct builder *builder, const yaml_char_t *name, yaml_mark_t mark,
                      const struct yaml_node *node, bool is_open, size_t *index)
{
    *index = 0;
    if (name == NULL)
        return 0;
    if (builder->anchor_count == ANCHORS_MAX)
        return fail_at(builder, mark, "more than 1000 anchors");
    char *copy = strdup((const char *)name);
    if (copy == NULL)
        return fail_memory(builder);
    builder->anchors[builder->anchor_count++] = (struct anchor){copy, node, is_open};
    *index = builder->anchor_count;
    return 0;
}

/* ---- events ---- */

static bool is_core_tag(const char *tag, enum yaml_kind kind)
{
    static const char prefix[] = "tag:yaml.org,2002:";
    static const char *const scalars[] = {"str", "int", "float", "bool", "null", NULL};
    if (strncmp(tag, prefix, sizeof prefix - 1) != 0)
        return false;
    const char *name = tag + sizeof prefix - 1;
    if (kind == YAML_SEQUENCE)
        return strcmp(name, "seq") == 0;
    if (kind == YAML_MAPPING)
        return strcmp(name, "map") == 0;
    for (size_t i = 0; scalars[i] != NULL; i++)
        if (strcmp(name, scalars[i]) == 0)
            return true;
    return false;
}

static int check_tag(struct builder *builder, const yaml_char_t *tag, enum yaml_kind kind,
                     yaml_mark_t mark)
{
    if (tag == NULL || strcmp((const char *)tag, "!") == 0 || is_core_tag((const char *)tag, kind))
        return 0;
    return error_set(builder->err, ERROR_CONFIG,
                     "%s:%zu:%zu: the tag \"%.100s\" is not allowed here", builder->document->name,
                     mark.line + 1, mark.column + 1, (const char *)tag);
}

/* "5" and !!str 5 are text; 5 and !!int "5" are plain. */
static bool is_text(const yaml_event_t *event)
{
    const char *tag = (const char *)event->data.scalar.tag;
    if (tag == NULL)
        return event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    return strcmp(tag, "!") == 0 || strcmp(tag, "tag:yaml.org,2002:str") == 0;
}

static int on_scalar(struct builder *builder, const yaml_event_t *event)
{
    struct bytes text = bytes_of((const char *)event->data.scalar.value, event->data.scalar.length);
    if (check_tag(builder, event->data.scalar.tag, YAML_SCALAR, event->start_mark) != 0)
        return -1;
    if (text.len > 0 && memchr(text.ptr, '\0', text.len) != NULL)
        return fail_at(builder, event->start_mark, "a NUL character in text");
    struct yaml_node *node = make_node(builder, YAML_SCALAR, text, event->start_mark);
    if (node == NULL)
        return -1;
    node->is_quoted = is_text(event);
    size_t index;
    if (add_anchor(builder, event->data.scalar.anchor, event->start_mark, node, false, &index) != 0)
        return -1;
    return attach(builder, node, event->start_mark);
}

static int on_alias(struct builder *builder, const yaml_event_t *event)
{
    const char *name = (const char *)event->data.alias.anchor;
    const struct anchor *anchor = find_anchor(builder, name);
    if (anchor == NULL)
        return error_set(builder->err, ERROR_CONFIG, "%s:%zu:%zu: no anchor &%.100s before this",
                         builder->document->name, event->start_mark.line + 1,
                         event->start_mark.column + 1, name);
    if (anchor->is_open)
        return fail_at(builder, event->start_mark, "an alias to what it stands in");
    return attach(builder, anchor->node, event->start_mark);
}

static int on_open(struct builder *builder, enum yaml_kind kind, const yaml_char_t *anchor,
                   const yaml_char_t *tag, yaml_mark_t mark)
{
    if (check_tag(builder, tag, kind, mark) != 0)
        return -1;
    if (builder->frame_count == DEPTH_MAX)
        return fail_at(builder, mark, "nested deeper than 64 levels");
    struct yaml_node *node = make_node(builder, kind, bytes_of(NULL, 0), mark);
    if (node == NULL)
        return -1;
    struct frame *frame = &builder->frames[builder->frame_count++];
    *frame = (struct frame){.node = node};
    table_init(&frame->keys);
    return add_anchor(builder, anchor, mark, node, true, &frame->anchor);
}

static int on_close(struct builder *builder)
{
    struct frame *frame = &builder->frames[--builder->frame_count];
    table_deinit(&frame->keys);
    if (frame->anchor != 0)
        builder->anchors[frame->anchor - 1].is_open = false;
    yaml_mark_t mark = {.line = frame->node->line - 1, .column = frame->node->column - 1};
    return attach(builder, frame->node, mark);
}

static int on_event(struct builder *builder, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return on_scalar(builder, event);
    case YAML_ALIAS_EVENT:
        return on_alias(builder, event);
    case YAML_SEQUENCE_START_EVENT:
        return on_open(builder, YAML_SEQUENCE, event->data.sequence_start.anchor,
                       event->data.sequence_start.tag, event->start_mark);
    case YAML_MAPPING_START_EVENT:
        return on_open(builder, YAML_MAPPING, event->data.mapping_start.anchor,
                       event->data.mapping_start.tag, event->start_mark);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return on_close(builder);
    case YAML_DOCUMENT_START_EVENT:
        if (++builder->document_count > 1)
            return fail_at(builder, event->start_mark, "a second document; one is allowed");
        return 0;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        return 0;
    }
    return 0;
}

static yaml_mark_t mark_of_offset(struct bytes input, size_t offset)
{
    yaml_mark_t mark = {0};
    for (size_t i = 0; i < offset && i < input.len; i++) {
        bool is_end = input.ptr[i] == '\n';
        mark.line += is_end;
        mark.column = is_end ? 0 : mark.column + 1;
    }
    return mark;
}

/* libyaml reads ahead: where its bytes are wrong, it knows the offset only. */
static yaml_mark_t mark_of_problem(const struct builder *builder)
{
    const yaml_parser_t *parser = &builder->parser;
    if (parser->error == YAML_READER_ERROR)
        return mark_of_offset(builder->input, parser->problem_offset);
    return parser->problem_mark;
}

static int fail_parse(struct builder *builder)
{
    const yaml_parser_t *parser = &builder->parser;
    if (parser->error == YAML_MEMORY_ERROR)
        return fail_memory(builder);
    yaml_mark_t mark = mark_of_problem(builder);
    fail_at(builder, mark, parser->problem != NULL ? parser->problem : "not YAML");
    if (builder->err != NULL && parser->context != NULL) {
        size_t used = strlen(builder->err->text);
        snprintf(builder->err->text + used, sizeof builder->err->text - used, " (%s, line %zu)",
                 parser->context, parser->context_mark.line + 1);
    }
    return -1;
}

static int build(struct builder *builder)
{
    for (bool is_end = false; !is_end;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&builder->parser, &event))
            return fail_parse(builder);
        is_end = event.type == YAML_STREAM_END_EVENT;
        int result = on_event(builder, &event);
        yaml_event_delete(&event);
        if (result != 0)
            return -1;
    }
    return 0;
}

/* Nothing, or nothing but comments, is a mapping without keys. */
static int replace_empty_root(struct builder *builder)
{
    const struct yaml_node *root = builder->document->root;
    if (root != NULL && !yaml_is_null(root))
        return 0;
    builder->document->root = make_node(builder, YAML_MAPPING, bytes_of(NULL, 0), (yaml_mark_t){0});
    return builder->document->root == NULL ? -1 : 0;
}

static void builder_free(struct builder *builder)
{
    while (builder->frame_count > 0)
        table_deinit(&builder->frames[--builder->frame_count].keys);
    while (builder->anchor_count > 0)
        free(builder->anchors[--builder->anchor_count].name);
    yaml_parser_delete(&builder->parser);
    free(builder);
}

static int build_document(struct yaml_document *document, struct bytes text, struct error *err)
{
    struct builder *builder = calloc(1, sizeof *builder);
    if (builder == NULL)
        return error_set(err, ERROR_MEMORY, "%s: out of memory", document->name);
    builder->document = document;
    builder->input = text;
    builder->err = err;
    if (!yaml_parser_initialize(&builder->parser)) {
        free(builder);
        return error_set(err, ERROR_MEMORY, "%s: out of memory", document->name);
    }
    yaml_parser_set_input_string(&builder->parser, (const unsigned char *)text.ptr, text.len);
    int result = build(builder);
    if (result == 0)
        result = replace_empty_root(builder);
    builder_free(builder);
    return result;
}

int yaml_load_bytes(struct yaml_document **out, const char *name, struct bytes text,
                    struct error *err)
{
    if (text.len > SIZE_MAX_BYTES)
        return error_set(err, ERROR_CONFIG, "%s: larger than 1 MiB", name);
    struct yaml_document *document = calloc(1, sizeof *document);
    if (document == NULL || (document->name = strdup(name)) == NULL) {
        yaml_unload(document);
        return error_set(err, ERROR_MEMORY, "%s: out of memory", name);
    }
    if (build_document(document, text.len == 0 ? BYTES("") : text, err) != 0) {
        yaml_unload(document);
        return -1;
    }
    *out = document;
    return 0;
}

static int read_all(int fd, const char *path, struct buf *content, struct error *err)
{
    /* yaml_load_bytes says when it is too large */
    if (fd_read_all(fd, SIZE_MAX_BYTES, content) == 0)
        return 0;
    return content->has_failed ? error_set(err, ERROR_MEMORY, "%s: out of memory", path)
                               : error_set_errno(err, ERROR_CONFIG, errno, "%s", path);
}

int yaml_load_file(struct yaml_document **out, const char *path, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(err, ERROR_CONFIG, errno, "%s", path);
    struct buf content;
    buf_init(&content, 0);
    int result = read_all(fd, path, &content, err);
    close(fd);
    if (result == 0)
        result = yaml_load_bytes(out, path, buf_bytes(&content), err);
    buf_deinit(&content);
    return result;
}

const struct yaml_node *yaml_root(const struct yaml_document *document)
{
    return document->root;
}

const char *yaml_document_name(const struct yaml_document *document)
{
    return document->name;
}
