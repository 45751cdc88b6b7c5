/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes lie in preorder: a node's children follow it, and `size` (itself and
 * all below) leads from one child to the next. The builder appends to a fixed
 * array and patches sizes when a node is complete. */
#include "vehicle/predicate.h"

#include <math.h>
#include <stdlib.h>

#include "vehicle/dialect.h"

enum {
    NODES_MAX = 256,
    DEPTH_MAX = 16,
};

enum op {
    OP_ALL,
    OP_ANY,
    OP_NOT,     /* one child */
    OP_DIALECT, /* one of mask, a bit each */
    OP_PRESENT, /* one of the packet's fields by mask: all of them */
    OP_ABSENT,  /* none of mask */
    OP_HAS,     /* field, by looking */
    OP_ONE_OF,  /* field is one of values */
    OP_PREFIX,  /* field is text that begins with one of values */
    OP_BETWEEN, /* field is a number in low..high, each bound maybe excluded */
};

struct predicate_node {
    enum op op;
    uint32_t size;
    uint32_t mask;
    bool is_above, is_below; /* the bound itself is excluded */
    struct field field;
    struct rule_values values;
    double low, high;
};

/* ---- evaluation ---- */

static bool is_one_of(const struct predicate_node *node, const struct packet *packet)
{
    struct value value = field_read(&node->field, packet);
    for (size_t i = 0; i < node->values.count; i++)
        if (value_equal(&node->values.items[i], &value))
            return true;
    return false;
}

/* A text of more than this with escapes in it begins with nothing. */
enum { ESCAPED_MAX = 1024 };

static bool has_prefix(const struct predicate_node *node, const struct packet *packet)
{
    struct value value = field_read(&node->field, packet);
    char room[ESCAPED_MAX];
    struct bytes text;
    if (value.type != VALUE_TEXT || !value_plain_text(&value, room, sizeof room, &text))
        return false;
    for (size_t i = 0; i < node->values.count; i++) {
        struct bytes prefix = node->values.items[i].text;
        if (text.len >= prefix.len && memcmp(text.ptr, prefix.ptr, prefix.len) == 0)
            return true;
    }
    return false;
}

static bool is_between(const struct predicate_node *node, const struct packet *packet)
{
    struct value value = field_read(&node->field, packet);
    if (value.type != VALUE_NUMBER)
        return false;
    bool is_low_enough = node->is_below ? value.number < node->high : value.number <= node->high;
    bool is_high_enough = node->is_above ? value.number > node->low : value.number >= node->low;
    return is_low_enough && is_high_enough;
}

static bool children_hold(const struct predicate_node *node, const struct packet *packet);

static bool holds(const struct predicate_node *node, const struct packet *packet)
{
    switch (node->op) {
    case OP_ALL:
    case OP_ANY:
        return children_hold(node, packet);
    case OP_NOT:
        return !holds(node + 1, packet);
    case OP_DIALECT:
        return (node->mask >> packet->dialect & 1) != 0;
    case OP_PRESENT:
        return (packet->fields & node->mask) == node->mask;
    case OP_ABSENT:
        return (packet->fields & node->mask) == 0;
    case OP_HAS:
        return field_is_present(&node->field, packet);
    case OP_ONE_OF:
        return is_one_of(node, packet);
    case OP_PREFIX:
        return has_prefix(node, packet);
    case OP_BETWEEN:
        return is_between(node, packet);
    }
    return false;
}

/* OP_ALL: each child holds; OP_ANY: one does. */
static bool children_hold(const struct predicate_node *node, const struct packet *packet)
{
    bool is_any = node->op == OP_ANY;
    const struct predicate_node *end = node + node->size;
    for (const struct predicate_node *child = node + 1; child < end; child += child->size)
        if (holds(child, packet) == is_any)
            return is_any;
    return !is_any;
}

bool predicate_holds(const struct predicate *predicate, const struct packet *packet)
{
    return holds(predicate->nodes, packet);
}

/* ---- by the dialect alone ---- */

static enum certainty children_of_dialect(const struct predicate_node *node,
                                          enum packet_dialect dialect);

static enum certainty of_dialect(const struct predicate_node *node, enum packet_dialect dialect)
{
    switch (node->op) {
    case OP_ALL:
    case OP_ANY:
        return children_of_dialect(node, dialect);
    case OP_NOT: {
        enum certainty child = of_dialect(node + 1, dialect);
        return child == UNCERTAIN ? UNCERTAIN : child == CERTAINLY ? CERTAINLY_NOT : CERTAINLY;
    }
    case OP_DIALECT:
        return (node->mask >> dialect & 1) != 0 ? CERTAINLY : CERTAINLY_NOT;
    case OP_PRESENT:
    case OP_ABSENT:
    case OP_HAS:
    case OP_ONE_OF:
    case OP_PREFIX:
    case OP_BETWEEN:
        return UNCERTAIN;
    }
    return UNCERTAIN;
}

static enum certainty children_of_dialect(const struct predicate_node *node,
                                          enum packet_dialect dialect)
{
    enum certainty decisive = node->op == OP_ANY ? CERTAINLY : CERTAINLY_NOT;
    enum certainty answer = node->op == OP_ANY ? CERTAINLY_NOT : CERTAINLY;
    const struct predicate_node *end = node + node->size;
    for (const struct predicate_node *child = node + 1; child < end; child += child->size) {
        enum certainty one = of_dialect(child, dialect);
        if (one == decisive)
            return decisive;
        if (one == UNCERTAIN)
            answer = UNCERTAIN;
    }
    return answer;
}

enum certainty predicate_of_dialect(const struct predicate *predicate, enum packet_dialect dialect)
{
    return of_dialect(predicate->nodes, dialect);
}

/* ---- compiling ---- */

struct builder {
    struct rule_arena *arena;
    struct predicate_node nodes[NODES_MAX];
    size_t count;
    unsigned depth;
};

static struct predicate_node *append(struct builder *builder, const struct yaml_node *place,
                                     enum op op, struct error *err)
{
    if (builder->count == NODES_MAX) {
        yaml_error(place, err, "a condition has at most %d parts", NODES_MAX);
        return NULL;
    }
    struct predicate_node *node = &builder->nodes[builder->count++];
    *node = (struct predicate_node){.op = op, .size = 1};
    return node;
}

static int compile_mapping(struct builder *builder, const struct yaml_node *yaml,
                           struct error *err);

static void complete(struct builder *builder, struct predicate_node *node)
{
    node->size = (uint32_t)(builder->nodes + builder->count - node);
}

static int compile_dialects(struct builder *builder, const struct yaml_node *yaml,
                            struct error *err)
{
    struct predicate_node *node = append(builder, yaml, OP_DIALECT, err);
    if (node == NULL)
        return -1;
    const char *names[32];
    size_t known = 0;
    for (; known < 31 && dialect_registry[known] != NULL; known++)
        names[known] = dialect_registry[known]->name;
    names[known] = NULL;
    bool is_list = yaml_kind(yaml) == YAML_SEQUENCE;
    for (size_t i = 0; i < (is_list ? yaml_count(yaml) : 1); i++) {
        int index;
        if (rule_read_choice(is_list ? yaml_item(yaml, i) : yaml, "dialect", names, &index, err) !=
            0)
            return -1;
        node->mask |= UINT32_C(1) << dialect_registry[index]->id;
    }
    return 0;
}

/* A text or a list of them, whatever it looks like: 17 is text here. */
static int read_texts(struct builder *builder, const struct yaml_node *yaml, const char *what,
                      struct rule_values *out, struct error *err)
{
    bool is_list = yaml_kind(yaml) == YAML_SEQUENCE;
    size_t count = is_list ? yaml_count(yaml) : 1;
    struct value *values = rule_alloc(builder->arena, (count + 1) * sizeof *values);
    if (values == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a ruleset");
    if (count == 0)
        return yaml_error(yaml, err, "at least one %s is wanted", what);
    for (size_t i = 0; i < count; i++) {
        const struct yaml_node *item = is_list ? yaml_item(yaml, i) : yaml;
        if (yaml_kind(item) != YAML_SCALAR || yaml_text(item).len == 0)
            return yaml_error(item, err, "a %s is text of at least one byte", what);
        values[i] = (struct value){.type = VALUE_TEXT, .text = yaml_text(item)};
    }
    *out = (struct rule_values){values, count};
    return 0;
}

static int compile_types(struct builder *builder, const struct yaml_node *yaml, struct error *err)
{
    struct predicate_node *node = append(builder, yaml, OP_ONE_OF, err);
    if (node == NULL)
        return -1;
    node->field = (struct field){
        .name = BYTES("type"), .type = FIELD_TEXT, .offset = offsetof(struct packet, type)};
    return read_texts(builder, yaml, "type", &node->values, err);
}

/* A field whose presence only a look can tell. */
static int append_look(struct builder *builder, const struct yaml_node *yaml,
                       const struct field *field, bool is_present, struct error *err)
{
    struct predicate_node *negation = is_present ? NULL : append(builder, yaml, OP_NOT, err);
    if (!is_present && negation == NULL)
        return -1;
    struct predicate_node *has = append(builder, yaml, OP_HAS, err);
    if (has == NULL)
        return -1;
    has->field = *field;
    if (negation != NULL)
        complete(builder, negation);
    return 0;
}

/* The packet's own fields in one mask, the others one node each. */
static int compile_presence(struct builder *builder, const struct yaml_node *yaml, bool is_present,
                            struct error *err)
{
    struct rule_fields fields;
    const char *what = is_present ? "present" : "absent";
    if (rule_read_fields(yaml, what, builder->arena, &fields, err) != 0)
        return -1;
    uint32_t mask = 0;
    for (size_t i = 0; i < fields.count; i++)
        mask |= fields.items[i].mask;
    if (mask != 0) {
        struct predicate_node *node =
            append(builder, yaml, is_present ? OP_PRESENT : OP_ABSENT, err);
        if (node == NULL)
            return -1;
        node->mask = mask;
    }
    for (size_t i = 0; i < fields.count; i++)
        if (fields.items[i].mask == 0 &&
            append_look(builder, yaml, &fields.items[i], is_present, err) != 0)
            return -1;
    return 0;
}

/* ---- comparisons ---- */

static int read_low(const struct yaml_node *yaml, const char *key, bool is_excluded,
                    struct predicate_node *node, struct error *err)
{
    node->is_above = is_excluded;
    return yaml_to_double(yaml, key, &node->low, err);
}

static int read_high(const struct yaml_node *yaml, const char *key, bool is_excluded,
                     struct predicate_node *node, struct error *err)
{
    node->is_below = is_excluded;
    return yaml_to_double(yaml, key, &node->high, err);
}

static int read_equals(struct builder *builder, const struct yaml_node *yaml,
                       struct predicate_node *node, struct error *err)
{
    struct value *value = rule_alloc(builder->arena, sizeof *value);
    if (value == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a ruleset");
    if (value_from_yaml(yaml, "equals", value, err) != 0)
        return -1;
    node->op = OP_ONE_OF;
    node->values = (struct rule_values){value, 1};
    return 0;
}

static int read_bound(struct builder *builder, const struct yaml_node *yaml, const char *key,
                      struct predicate_node *node, struct error *err)
{
    if (strcmp(key, "above") == 0 || strcmp(key, "at_least") == 0)
        return read_low(yaml, key, strcmp(key, "above") == 0, node, err);
    if (strcmp(key, "below") == 0 || strcmp(key, "at_most") == 0)
        return read_high(yaml, key, strcmp(key, "below") == 0, node, err);
    if (strcmp(key, "equals") == 0)
        return read_equals(builder, yaml, node, err);
    if (strcmp(key, "starts_with") == 0) {
        node->op = OP_PREFIX;
        return read_texts(builder, yaml, "beginning", &node->values, err);
    }
    node->op = OP_ONE_OF;
    return rule_read_values(yaml, key, builder->arena, &node->values, err);
}

static int check_comparison(const struct yaml_node *yaml, const struct predicate_node *node,
                            struct error *err)
{
    static const char *const pairs[][2] = {{"above", "at_least"}, {"below", "at_most"}};
    for (size_t i = 0; i < 2; i++)
        if (yaml_get(yaml, pairs[i][0]) != NULL && yaml_get(yaml, pairs[i][1]) != NULL)
            return yaml_error(yaml, err, "\"%s\" and \"%s\" together: one of them", pairs[i][0],
                              pairs[i][1]);
    bool is_choice = node->op != OP_BETWEEN;
    if (yaml_count(yaml) < 2 || (is_choice && yaml_count(yaml) > 2))
        return yaml_error(yaml, err,
                          "a comparison has a field and either equals, one_of, starts_with, or "
                          "bounds (above, at_least, below, at_most)");
    bool is_number = node->field.type == FIELD_NUMBER || node->field.type == FIELD_SIGNAL;
    if (node->op == OP_PREFIX && node->field.type == FIELD_NUMBER)
        return yaml_error(yaml, err, "\"%s\" is a number: it starts with no text",
                          node->field.name.ptr);
    if (!is_choice && !is_number)
        return yaml_error(yaml, err, "\"%s\" is no number: it has no bounds", node->field.name.ptr);
    if (node->field.type == FIELD_TIME)
        return yaml_error(yaml, err, "time can't be compared: use max_age and max_ahead rules");
    return 0;
}

static int compile_comparison(struct builder *builder, const struct yaml_node *yaml,
                              struct error *err)
{
    static const char *const known[] = {"field", "equals",   "one_of",  "starts_with", "above",
                                        "below", "at_least", "at_most", NULL};
    if (yaml_kind(yaml) != YAML_MAPPING)
        return yaml_error(yaml, err, "a comparison is a mapping with a field");
    if (yaml_check_keys(yaml, known, err) != 0)
        return -1;
    const struct yaml_node *field = yaml_get(yaml, "field");
    if (field == NULL)
        return yaml_error(yaml, err, "the comparison has no \"field\"");
    struct predicate_node *node = append(builder, yaml, OP_BETWEEN, err);
    if (node == NULL || field_compile(field, "field", &node->field, err) != 0)
        return -1;
    node->low = -INFINITY;
    node->high = INFINITY;
    for (size_t i = 0; i < yaml_count(yaml); i++) {
        const char *key = yaml_text(yaml_key(yaml, i)).ptr;
        if (strcmp(key, "field") != 0 &&
            read_bound(builder, yaml_value(yaml, i), key, node, err) != 0)
            return -1;
    }
    return check_comparison(yaml, node, err);
}

/* ---- combinations ---- */

/* Each item of the list becomes a child of an ALL or ANY. */
static int compile_list(struct builder *builder, const struct yaml_node *yaml, enum op op,
                        int (*compile_item)(struct builder *, const struct yaml_node *,
                                            struct error *),
                        struct error *err)
{
    if (yaml_kind(yaml) != YAML_SEQUENCE || yaml_count(yaml) == 0)
        return yaml_error(yaml, err, "a list with at least one entry was expected here");
    struct predicate_node *node = append(builder, yaml, op, err);
    if (node == NULL)
        return -1;
    for (size_t i = 0; i < yaml_count(yaml); i++)
        if (compile_item(builder, yaml_item(yaml, i), err) != 0)
            return -1;
    complete(builder, node);
    return 0;
}

static int compile_not(struct builder *builder, const struct yaml_node *yaml, struct error *err)
{
    struct predicate_node *node = append(builder, yaml, OP_NOT, err);
    if (node == NULL || compile_mapping(builder, yaml, err) != 0)
        return -1;
    complete(builder, node);
    return 0;
}

static int compile_entry(struct builder *builder, const char *key, const struct yaml_node *yaml,
                         struct error *err)
{
    if (strcmp(key, "dialect") == 0)
        return compile_dialects(builder, yaml, err);
    if (strcmp(key, "type") == 0)
        return compile_types(builder, yaml, err);
    if (strcmp(key, "present") == 0)
        return compile_presence(builder, yaml, true, err);
    if (strcmp(key, "absent") == 0)
        return compile_presence(builder, yaml, false, err);
    if (strcmp(key, "where") == 0)
        return compile_list(builder, yaml, OP_ALL, compile_comparison, err);
    if (strcmp(key, "any") == 0)
        return compile_list(builder, yaml, OP_ANY, compile_mapping, err);
    if (strcmp(key, "all") == 0)
        return compile_list(builder, yaml, OP_ALL, compile_mapping, err);
    return compile_not(builder, yaml, err);
}

/* An ALL of a single child is that child. */
static void unwrap(struct builder *builder, struct predicate_node *node)
{
    if (node->size < 2 || node[1].size != node->size - 1)
        return;
    memmove(node, node + 1, (node->size - 1) * sizeof *node);
    builder->count--;
}

static int compile_mapping(struct builder *builder, const struct yaml_node *yaml, struct error *err)
{
    static const char *const known[] = {"dialect", "type", "present", "absent", "where",
                                        "any",     "all",  "not",     NULL};
    if (yaml_kind(yaml) != YAML_MAPPING)
        return yaml_error(yaml, err, "a condition is a mapping (dialect, type, present, ...)");
    if (yaml_check_keys(yaml, known, err) != 0)
        return -1;
    if (++builder->depth > DEPTH_MAX)
        return yaml_error(yaml, err, "conditions nest at most %d deep", DEPTH_MAX);
    struct predicate_node *node = append(builder, yaml, OP_ALL, err);
    if (node == NULL)
        return -1;
    for (size_t i = 0; i < yaml_count(yaml); i++)
        if (compile_entry(builder, yaml_text(yaml_key(yaml, i)).ptr, yaml_value(yaml, i), err) != 0)
            return -1;
    complete(builder, node);
    unwrap(builder, node);
    builder->depth--;
    return 0;
}

int predicate_compile(const struct yaml_node *node, struct rule_arena *arena, struct predicate *out,
                      struct error *err)
{
    struct builder *builder = calloc(1, sizeof *builder);
    if (builder == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a ruleset");
    builder->arena = arena;
    int result = compile_mapping(builder, node, err);
    size_t size = builder->count * sizeof builder->nodes[0];
    struct predicate_node *nodes = result == 0 ? rule_alloc(arena, size) : NULL;
    if (nodes != NULL) {
        memcpy(nodes, builder->nodes, size);
        *out = (struct predicate){nodes, builder->count};
    } else if (result == 0) {
        result = error_set(err, ERROR_MEMORY, "no memory for a ruleset");
    }
    free(builder);
    return result;
}
