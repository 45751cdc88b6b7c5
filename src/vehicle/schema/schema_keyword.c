/* SPDX-License-Identifier: Apache-2.0 */
/* The keywords of JSON Schema 2020-12 that are known here, one line each, in the
 * order in which their checks run: what is cheap and often wrong comes first. */
#include <stdlib.h>

#include "base/decimal.h"
#include "base/hash.h"
#include "base/text.h"
#include "vehicle/schema/json_number.h"
#include "vehicle/schema/schema_load.h"

struct keyword {
    const char *name;
    int (*load)(struct loader *loader, struct draft *draft, const struct keyword *keyword,
                uint32_t at);
    uint8_t kind;  /* enum check_kind */
    uint8_t types; /* of values that it looks at */
};

static const struct json_item *item_at(const struct loader *loader, uint32_t at)
{
    return &loader->schema->tree.items[at];
}

static uint32_t sibling(const struct loader *loader, const struct draft *draft, const char *name)
{
    return json_tree_find(&loader->schema->tree, draft->at, bytes_from_text(name));
}

static struct schema_check *add(struct draft *draft, const struct keyword *keyword, uint32_t at)
{
    struct schema_check *check = &draft->checks[draft->count++];
    *check = (struct schema_check){.kind = keyword->kind, .types = keyword->types, .at = at};
    return check;
}

/* ---- values of keywords ---- */

static int want_type(const struct loader *loader, uint32_t at, enum json_type type,
                     const char *wanted)
{
    return item_at(loader, at)->type == type ? 0 : schema_error(loader, at, "must be %s", wanted);
}

static int read_count(const struct loader *loader, uint32_t at, uint64_t *out)
{
    const struct json_item *item = item_at(loader, at);
    double value;
    if (item->type != JSON_TYPE_NUMBER || !json_number_is_integer(item->raw) ||
        !text_to_double(item->raw, &value) || value < 0 || value > 9007199254740992.0)
        return schema_error(loader, at, "must be an integer of at least 0");
    *out = (uint64_t)value;
    return 0;
}

static int check_names(const struct loader *loader, uint32_t at)
{
    if (want_type(loader, at, JSON_TYPE_ARRAY, "a list of names") != 0)
        return -1;
    for (uint32_t i = at + 1; i < item_at(loader, at)->end; i = item_at(loader, i)->end)
        if (want_type(loader, i, JSON_TYPE_STRING, "a name") != 0)
            return -1;
    return 0;
}

/* ---- loaders ---- */

static int load_note(struct loader *loader, struct draft *draft, const struct keyword *keyword,
                     uint32_t at)
{
    (void)loader, (void)draft, (void)keyword, (void)at;
    return 0;
}

static int load_text_note(struct loader *loader, struct draft *draft, const struct keyword *keyword,
                          uint32_t at)
{
    (void)draft, (void)keyword;
    return want_type(loader, at, JSON_TYPE_STRING, "text");
}

static int load_schema_uri(struct loader *loader, struct draft *draft,
                           const struct keyword *keyword, uint32_t at)
{
    (void)keyword;
    static const char known[] = "https://json-schema.org/draft/2020-12/schema";
    struct bytes text = item_at(loader, at)->text;
    if (text.len > 0 && text.ptr[text.len - 1] == '#')
        text.len--;
    if (draft->at == 0 && bytes_equal_text(text, known))
        return 0;
    return schema_error(loader, at, "only draft 2020-12 is known: \"%s\", at the top", known);
}

static int load_id(struct loader *loader, struct draft *draft, const struct keyword *keyword,
                   uint32_t at)
{
    (void)keyword;
    if (draft->at != 0)
        return schema_error(loader, at, "$id is known only at the top of a schema");
    return want_type(loader, at, JSON_TYPE_STRING, "text");
}

static const struct {
    const char *name;
    uint8_t types;
} type_names[] = {
    {"null", JSON_TYPE_NULL},
    {"boolean", JSON_TYPE_BOOL},
    {"number", JSON_TYPE_NUMBER},
    {"string", JSON_TYPE_STRING},
    {"array", JSON_TYPE_ARRAY},
    {"object", JSON_TYPE_OBJECT},
    {"integer", 0},
};

static int add_type(const struct loader *loader, struct schema_check *check, uint32_t at)
{
    for (size_t i = 0; i < sizeof type_names / sizeof type_names[0]; i++) {
        if (item_at(loader, at)->type != JSON_TYPE_STRING ||
            !bytes_equal_text(item_at(loader, at)->text, type_names[i].name))
            continue;
        check->number |= type_names[i].types;
        check->wants_integer = check->wants_integer || type_names[i].types == 0;
        return 0;
    }
    return schema_error(
        loader, at, "a type is null, boolean, number, integer, string, array or object, or a list");
}

static int load_type(struct loader *loader, struct draft *draft, const struct keyword *keyword,
                     uint32_t at)
{
    struct schema_check *check = add(draft, keyword, at);
    if (item_at(loader, at)->type != JSON_TYPE_ARRAY)
        return add_type(loader, check, at);
    for (uint32_t i = at + 1; i < item_at(loader, at)->end; i = item_at(loader, i)->end)
        if (add_type(loader, check, i) != 0)
            return -1;
    return 0;
}

static int load_enum(struct loader *loader, struct draft *draft, const struct keyword *keyword,
                     uint32_t at)
{
    add(draft, keyword, at);
    return want_type(loader, at, JSON_TYPE_ARRAY, "a list of values");
}

static int load_const(struct loader *loader, struct draft *draft, const struct keyword *keyword,
                      uint32_t at)
{
    (void)loader;
    add(draft, keyword, at)->is_const = true;
    return 0;
}

static int load_bound(struct loader *loader, struct draft *draft, const struct keyword *keyword,
                      uint32_t at)
{
    struct schema_check *check = add(draft, keyword, at);
    if (want_type(loader, at, JSON_TYPE_NUMBER, "a number") != 0)
        return -1;
    check->bound.text = item_at(loader, at)->raw;
    text_to_double(check->bound.text, &check->bound.number);
    return 0;
}

static int load_multiple(struct loader *loader, struct draft *draft, const struct keyword *keyword,
                         uint32_t at)
{
    struct schema_check *check = add(draft, keyword, at);
    struct bytes raw = item_at(loader, at)->raw;
    struct decimal decimal = {.digits = 0};
    if (item_at(loader, at)->type == JSON_TYPE_NUMBER)
        decimal_scan(raw.ptr, raw.ptr + raw.len, &decimal);
    if (decimal.digits == 0 || decimal.is_negative || decimal.is_cut)
        return schema_error(loader, at, "must be a number above 0, of at most 19 digits");
    check->multiple.divisor = decimal.digits;
    check->multiple.exp10 = decimal.exp10;
    return 0;
}

static int load_count(struct loader *loader, struct draft *draft, const struct keyword *keyword,
                      uint32_t at)
{
    return read_count(loader, at, &add(draft, keyword, at)->number);
}

static int load_pattern(struct loader *loader, struct draft *draft, const struct keyword *keyword,
                        uint32_t at)
{
    if (want_type(loader, at, JSON_TYPE_STRING, "a regular expression") != 0)
        return -1;
    struct schema_check *check = add(draft, keyword, at);
    check->regex = schema_regex(loader, at, item_at(loader, at)->text);
    return check->regex == NULL ? -1 : 0;
}

static int load_format(struct loader *loader, struct draft *draft, const struct keyword *keyword,
                       uint32_t at)
{
    if (!bytes_equal_text(item_at(loader, at)->text, "date-time"))
        return schema_error(loader, at,
                            "of the formats only \"date-time\" is checked here: take it out, or "
                            "say what you want by \"pattern\"");
    add(draft, keyword, at);
    return 0;
}

static int load_unique(struct loader *loader, struct draft *draft, const struct keyword *keyword,
                       uint32_t at)
{
    if (want_type(loader, at, JSON_TYPE_BOOL, "true or false") != 0)
        return -1;
    if (item_at(loader, at)->raw.ptr[0] == 't')
        add(draft, keyword, at);
    return 0;
}

static int load_required(struct loader *loader, struct draft *draft, const struct keyword *keyword,
                         uint32_t at)
{
    add(draft, keyword, at);
    return check_names(loader, at);
}

static int load_dependent_required(struct loader *loader, struct draft *draft,
                                   const struct keyword *keyword, uint32_t at)
{
    add(draft, keyword, at);
    if (want_type(loader, at, JSON_TYPE_OBJECT, "an object of lists") != 0)
        return -1;
    for (uint32_t key = at + 1; key < item_at(loader, at)->end; key = item_at(loader, key + 1)->end)
        if (check_names(loader, key + 1) != 0)
            return -1;
    return 0;
}

/* ---- schemas under names ---- */

static int by_hash(const void *a, const void *b)
{
    const struct schema_entry *x = a, *y = b;
    return x->hash < y->hash ? -1 : x->hash > y->hash;
}

/* The members of the object at `at` (0: none); their number is its count. */
static int load_entries(struct loader *loader, uint32_t at, bool are_patterns,
                        const struct schema_entry **out, uint32_t *count)
{
    *count = 0;
    if (at == 0)
        return 0;
    if (want_type(loader, at, JSON_TYPE_OBJECT, "an object of schemas") != 0)
        return -1;
    struct schema_entry *entries =
        schema_alloc(loader, item_at(loader, at)->count, sizeof *entries);
    if (entries == NULL)
        return -1;
    for (uint32_t key = at + 1; key < item_at(loader, at)->end;
         key = item_at(loader, key + 1)->end) {
        struct schema_entry *entry = &entries[(*count)++];
        entry->name = item_at(loader, key)->text;
        entry->hash = hash64(entry->name);
        entry->node = schema_node_at(loader, key + 1);
        if (are_patterns)
            entry->regex = schema_regex(loader, key, entry->name);
        if (entry->node == NULL || (are_patterns && entry->regex == NULL))
            return -1;
    }
    if (*count > 0)
        qsort(entries, *count, sizeof *entries, by_hash);
    *out = entries;
    return 0;
}

static int load_defs(struct loader *loader, struct draft *draft, const struct keyword *keyword,
                     uint32_t at)
{
    (void)draft, (void)keyword;
    const struct schema_entry *entries;
    uint32_t count;
    return load_entries(loader, at, false, &entries, &count);
}

static bool has_check(const struct draft *draft, uint8_t kind)
{
    for (uint32_t i = 0; i < draft->count; i++)
        if (draft->checks[i].kind == kind)
            return true;
    return false;
}

/* `at` 0: NULL. */
static int load_rest(struct loader *loader, uint32_t at, const struct schema_node **out)
{
    *out = at == 0 ? NULL : schema_node_at(loader, at);
    return at != 0 && *out == NULL ? -1 : 0;
}

static int load_members(struct loader *loader, struct draft *draft, const struct keyword *keyword,
                        uint32_t at)
{
    if (has_check(draft, keyword->kind))
        return 0;
    struct schema_check *check = add(draft, keyword, at);
    if (load_entries(loader, sibling(loader, draft, "properties"), false, &check->members.names,
                     &check->members.name_count) != 0 ||
        load_entries(loader, sibling(loader, draft, "patternProperties"), true,
                     &check->members.patterns, &check->members.pattern_count) != 0)
        return -1;
    return load_rest(loader, sibling(loader, draft, "additionalProperties"), &check->members.rest);
}

static int load_dependent(struct loader *loader, struct draft *draft, const struct keyword *keyword,
                          uint32_t at)
{
    struct schema_check *check = add(draft, keyword, at);
    return load_entries(loader, at, false, &check->dependent.entries, &check->dependent.count);
}

/* ---- lists of schemas ---- */

static int load_list(struct loader *loader, uint32_t at, const struct schema_node *const **out,
                     uint32_t *count)
{
    *count = 0;
    if (at == 0)
        return 0;
    if (want_type(loader, at, JSON_TYPE_ARRAY, "a list of schemas") != 0)
        return -1;
    if (item_at(loader, at)->count == 0)
        return schema_error(loader, at, "needs at least one schema");
    const struct schema_node **nodes =
        schema_alloc(loader, item_at(loader, at)->count, sizeof(struct schema_node *));
    if (nodes == NULL)
        return -1;
    for (uint32_t i = at + 1; i < item_at(loader, at)->end; i = item_at(loader, i)->end) {
        nodes[*count] = schema_node_at(loader, i);
        if (nodes[(*count)++] == NULL)
            return -1;
    }
    *out = nodes;
    return 0;
}

static int load_elements(struct loader *loader, struct draft *draft, const struct keyword *keyword,
                         uint32_t at)
{
    if (has_check(draft, keyword->kind))
        return 0;
    struct schema_check *check = add(draft, keyword, at);
    uint32_t items = sibling(loader, draft, "items");
    if (items != 0 && item_at(loader, items)->type == JSON_TYPE_ARRAY)
        return schema_error(loader, items, "a list of schemas is \"prefixItems\" since 2020-12");
    if (load_list(loader, sibling(loader, draft, "prefixItems"), &check->elements.nodes,
                  &check->elements.count) != 0)
        return -1;
    return load_rest(loader, items, &check->elements.rest);
}

static int load_contains(struct loader *loader, struct draft *draft, const struct keyword *keyword,
                         uint32_t at)
{
    struct schema_check *check = add(draft, keyword, at);
    uint32_t min = sibling(loader, draft, "minContains");
    uint32_t max = sibling(loader, draft, "maxContains");
    check->contains.min = 1;
    check->contains.max = UINT64_MAX;
    if ((min != 0 && read_count(loader, min, &check->contains.min) != 0) ||
        (max != 0 && read_count(loader, max, &check->contains.max) != 0))
        return -1;
    return load_rest(loader, at, &check->contains.node);
}

/* Without contains there is nothing to count. */
static int load_contains_bound(struct loader *loader, struct draft *draft,
                               const struct keyword *keyword, uint32_t at)
{
    (void)draft, (void)keyword;
    uint64_t count;
    return read_count(loader, at, &count);
}

static int load_nodes(struct loader *loader, struct draft *draft, const struct keyword *keyword,
                      uint32_t at)
{
    struct schema_check *check = add(draft, keyword, at);
    return load_list(loader, at, &check->nodes.nodes, &check->nodes.count);
}

/* One schema, or what a $ref leads to. */
static int load_node(struct loader *loader, struct draft *draft, const struct keyword *keyword,
                     uint32_t at)
{
    struct schema_check *check = add(draft, keyword, at);
    const struct schema_node **node = schema_alloc(loader, 1, sizeof(struct schema_node *));
    if (node == NULL)
        return -1;
    check->nodes.nodes = node;
    check->nodes.count = 1;
    if (keyword->kind != CHECK_REF)
        return load_rest(loader, at, node);
    if (want_type(loader, at, JSON_TYPE_STRING, "a reference") != 0)
        return -1;
    return schema_resolve(loader, at, node);
}

static int load_if(struct loader *loader, struct draft *draft, const struct keyword *keyword,
                   uint32_t at)
{
    struct schema_check *check = add(draft, keyword, at);
    if (load_rest(loader, at, &check->condition.condition) != 0 ||
        load_rest(loader, sibling(loader, draft, "then"), &check->condition.then) != 0)
        return -1;
    return load_rest(loader, sibling(loader, draft, "else"), &check->condition.otherwise);
}

/* then and else: with if they were loaded; without they say nothing. */
static int load_branch(struct loader *loader, struct draft *draft, const struct keyword *keyword,
                       uint32_t at)
{
    (void)draft, (void)keyword;
    return schema_node_at(loader, at) == NULL ? -1 : 0;
}

/* ---- the table ---- */

enum {
    ANY = JSON_TYPE_ANY,
    NUMBER = JSON_TYPE_NUMBER,
    STRING = JSON_TYPE_STRING,
    ARRAY = JSON_TYPE_ARRAY,
    OBJECT = JSON_TYPE_OBJECT,
};

static const struct keyword keywords[] = {
    {"type", load_type, CHECK_TYPE, ANY},
    {"required", load_required, CHECK_REQUIRED, OBJECT},
    {"minimum", load_bound, CHECK_MINIMUM, NUMBER},
    {"maximum", load_bound, CHECK_MAXIMUM, NUMBER},
    {"exclusiveMinimum", load_bound, CHECK_ABOVE, NUMBER},
    {"exclusiveMaximum", load_bound, CHECK_BELOW, NUMBER},
    {"multipleOf", load_multiple, CHECK_MULTIPLE, NUMBER},
    {"minLength", load_count, CHECK_LENGTH_MIN, STRING},
    {"maxLength", load_count, CHECK_LENGTH_MAX, STRING},
    {"minItems", load_count, CHECK_COUNT_MIN, ARRAY},
    {"maxItems", load_count, CHECK_COUNT_MAX, ARRAY},
    {"minProperties", load_count, CHECK_COUNT_MIN, OBJECT},
    {"maxProperties", load_count, CHECK_COUNT_MAX, OBJECT},
    {"const", load_const, CHECK_VALUES, ANY},
    {"enum", load_enum, CHECK_VALUES, ANY},
    {"pattern", load_pattern, CHECK_PATTERN, STRING},
    {"format", load_format, CHECK_DATE_TIME, STRING},
    {"dependentRequired", load_dependent_required, CHECK_DEPENDENT_REQUIRED, OBJECT},
    {"properties", load_members, CHECK_MEMBERS, OBJECT},
    {"patternProperties", load_members, CHECK_MEMBERS, OBJECT},
    {"additionalProperties", load_members, CHECK_MEMBERS, OBJECT},
    {"propertyNames", load_node, CHECK_NAMES, OBJECT},
    {"prefixItems", load_elements, CHECK_ELEMENTS, ARRAY},
    {"items", load_elements, CHECK_ELEMENTS, ARRAY},
    {"contains", load_contains, CHECK_CONTAINS, ARRAY},
    {"minContains", load_contains_bound, 0, 0},
    {"maxContains", load_contains_bound, 0, 0},
    {"uniqueItems", load_unique, CHECK_UNIQUE, ARRAY},
    {"$ref", load_node, CHECK_REF, ANY},
    {"allOf", load_nodes, CHECK_ALL, ANY},
    {"anyOf", load_nodes, CHECK_ANY, ANY},
    {"oneOf", load_nodes, CHECK_ONE, ANY},
    {"not", load_node, CHECK_NOT, ANY},
    {"if", load_if, CHECK_IF, ANY},
    {"then", load_branch, 0, 0},
    {"else", load_branch, 0, 0},
    {"dependentSchemas", load_dependent, CHECK_DEPENDENT, OBJECT},
    {"$defs", load_defs, 0, 0},
    {"definitions", load_defs, 0, 0},
    {"$schema", load_schema_uri, 0, 0},
    {"$id", load_id, 0, 0},
    {"$anchor", load_text_note, 0, 0},
    {"$comment", load_text_note, 0, 0},
    {"title", load_text_note, 0, 0},
    {"description", load_text_note, 0, 0},
    {"default", load_note, 0, 0},
    {"examples", load_note, 0, 0},
    {"deprecated", load_note, 0, 0},
    {"readOnly", load_note, 0, 0},
    {"writeOnly", load_note, 0, 0},
    {"contentEncoding", load_note, 0, 0},
    {"contentMediaType", load_note, 0, 0},
    {"contentSchema", load_note, 0, 0},
};
enum { KEYWORDS = sizeof keywords / sizeof keywords[0] };

static int check_known(const struct loader *loader, uint32_t key)
{
    struct bytes name = item_at(loader, key)->text;
    if (name.len > 2 && name.ptr[0] == 'x' && name.ptr[1] == '-')
        return 0;
    char written[64];
    size_t len = name.len < sizeof written ? name.len : sizeof written - 1;
    memcpy(written, name.ptr, len);
    written[len] = '\0';
    const char *near = NULL;
    for (size_t i = 0; i < KEYWORDS; i++) {
        if (bytes_equal_text(name, keywords[i].name))
            return 0;
        if (text_distance(written, keywords[i].name) <= 2)
            near = keywords[i].name;
    }
    if (near != NULL)
        return schema_error(loader, key, "unknown keyword; did you mean \"%s\"?", near);
    return schema_error(loader, key, "this keyword is not known here; notes may begin with x-");
}

int schema_load_keywords(struct loader *loader, struct draft *draft)
{
    const struct json_item *object = item_at(loader, draft->at);
    for (uint32_t key = draft->at + 1; key < object->end; key = item_at(loader, key + 1)->end)
        if (check_known(loader, key) != 0)
            return -1;
    for (size_t i = 0; i < KEYWORDS; i++) {
        uint32_t at = sibling(loader, draft, keywords[i].name);
        if (at != 0 && keywords[i].load(loader, draft, &keywords[i], at) != 0)
            return -1;
    }
    return 0;
}
