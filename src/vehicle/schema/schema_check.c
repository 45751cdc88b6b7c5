/* SPDX-License-Identifier: Apache-2.0 */
/* Checking. A recursion over the value and, at one value, over the schemas that
 * look at it in place; both are bounded (64 levels of JSON, SCHEMA_IN_PLACE_MAX
 * found when the schema was compiled). Every node and every comparison takes from
 * the budget, so that no schema and no value make it long; with the budget gone
 * every answer is worth nothing, and the whole is invalid. */
#include <stdlib.h>

#include "base/hash.h"
#include "base/text.h"
#include "vehicle/schema/json_number.h"
#include "vehicle/schema/schema_private.h"

enum {
    ITEMS_MAX = 1 << 18, /* of a text: touched only as far as used */
    KEYS_MAX = 1 << 16,
    KEY_TEXT_MAX = 1 << 20,
    UNIQUE_MAX = 4096, /* elements that are compared with each other */
    UNIQUE_SLOTS = 4 * UNIQUE_MAX,
};

static bool check_node(struct json_checker *c, const struct schema_node *node, uint32_t at);

static bool fail(struct json_checker *c, const struct schema_check *check, uint32_t at)
{
    if (c->quiet == 0 && c->fault.check == NULL) {
        c->fault.check = check;
        c->fault.at = at;
    }
    return false;
}

static bool spend(struct json_checker *c, uint64_t work)
{
    c->budget = c->budget > work ? c->budget - work : 0;
    return c->budget > 0;
}

/* ---- scalars ---- */

static bool check_type(const struct schema_check *check, const struct json_item *item)
{
    if ((check->number & item->type) != 0)
        return true;
    return check->wants_integer && item->type == JSON_TYPE_NUMBER &&
           json_number_is_integer(item->raw);
}

static bool check_values(struct json_checker *c, const struct schema_check *check, uint32_t at)
{
    const struct json_tree *values = &c->fault.schema->tree;
    if (check->is_const)
        return json_tree_equal(values, check->at, &c->tree, at, &c->budget);
    for (uint32_t i = check->at + 1; i < values->items[check->at].end; i = values->items[i].end)
        if (json_tree_equal(values, i, &c->tree, at, &c->budget))
            return true;
    return false;
}

/* Doubles that differ differ in the same direction as the numbers. */
static int compare(const struct schema_check *check, const struct json_item *item)
{
    double number = 0;
    text_to_double(item->raw, &number);
    if (number != check->bound.number)
        return number < check->bound.number ? -1 : 1;
    return json_number_compare(item->raw, check->bound.text);
}

static uint64_t length_of(const struct json_item *item)
{
    struct json_chars chars = json_chars_of(item);
    uint64_t length = 0;
    while (json_chars_next(&chars) >= 0)
        length++;
    return length;
}

static bool check_pattern(struct json_checker *c, const struct regex *regex, uint32_t at)
{
    const struct json_item *item = &c->tree.items[at];
    return spend(c, item->raw.len) && regex_finds(regex, json_chars_of(item));
}

static bool check_date_time(const struct json_item *item)
{
    char text[64];
    int64_t time_ms;
    if (item->raw.len > sizeof text)
        return false;
    size_t len = json_unescape(item->raw, text);
    return len > 10 && text[10] != ' ' && text_to_time_ms(bytes_of(text, len), &time_ms);
}

/* ---- objects ---- */

static const struct schema_entry *find_entry(const struct schema_entry *entries, uint32_t count,
                                             struct bytes name)
{
    uint64_t hash = hash64(name);
    uint32_t low = 0;
    for (uint32_t high = count; low < high;) {
        uint32_t middle = low + (high - low) / 2;
        if (entries[middle].hash < hash)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < count && entries[low].hash == hash; low++)
        if (bytes_equal(entries[low].name, name))
            return &entries[low];
    return NULL;
}

static bool check_member(struct json_checker *c, const struct schema_check *check, uint32_t key)
{
    struct bytes name = c->tree.items[key].text;
    const struct schema_entry *entry =
        find_entry(check->members.names, check->members.name_count, name);
    bool is_known = entry != NULL;
    if (is_known && !check_node(c, entry->node, key + 1))
        return false;
    for (uint32_t i = 0; i < check->members.pattern_count; i++) {
        if (!check_pattern(c, check->members.patterns[i].regex, key))
            continue;
        is_known = true;
        if (!check_node(c, check->members.patterns[i].node, key + 1))
            return false;
    }
    return is_known || check->members.rest == NULL || check_node(c, check->members.rest, key + 1);
}

static bool check_members(struct json_checker *c, const struct schema_check *check, uint32_t at)
{
    const struct json_item *items = c->tree.items;
    for (uint32_t key = at + 1; key < items[at].end; key = items[key + 1].end)
        if (!check_member(c, check, key))
            return false;
    return true;
}

static bool check_names(struct json_checker *c, const struct schema_check *check, uint32_t at)
{
    const struct json_item *items = c->tree.items;
    for (uint32_t key = at + 1; key < items[at].end; key = items[key + 1].end)
        if (!check_node(c, check->nodes.nodes[0], key))
            return false;
    return true;
}

/* The names of an array in the schema are all keys of the object. */
static bool has_names(struct json_checker *c, const struct schema_check *check, uint32_t names,
                      uint32_t at)
{
    const struct json_tree *schema = &c->fault.schema->tree;
    for (uint32_t i = names + 1; i < schema->items[names].end; i++) {
        if (!spend(c, c->tree.items[at].count))
            return false;
        if (json_tree_find(&c->tree, at, schema->items[i].text) != 0)
            continue;
        if (c->quiet == 0 && c->fault.check == NULL)
            c->fault.name = schema->items[i].text;
        return fail(c, check, at);
    }
    return true;
}

static bool check_dependent_required(struct json_checker *c, const struct schema_check *check,
                                     uint32_t at)
{
    const struct json_item *items = c->fault.schema->tree.items;
    for (uint32_t key = check->at + 1; key < items[check->at].end; key = items[key + 1].end) {
        if (!spend(c, c->tree.items[at].count))
            return false;
        if (json_tree_find(&c->tree, at, items[key].text) != 0 && !has_names(c, check, key + 1, at))
            return false;
    }
    return true;
}

static bool check_dependent(struct json_checker *c, const struct schema_check *check, uint32_t at)
{
    for (uint32_t i = 0; i < check->dependent.count; i++) {
        const struct schema_entry *entry = &check->dependent.entries[i];
        if (!spend(c, c->tree.items[at].count))
            return false;
        if (json_tree_find(&c->tree, at, entry->name) != 0 && !check_node(c, entry->node, at))
            return false;
    }
    return true;
}

/* ---- arrays ---- */

static bool check_elements(struct json_checker *c, const struct schema_check *check, uint32_t at)
{
    const struct json_item *items = c->tree.items;
    uint32_t i = at + 1;
    for (uint32_t n = 0; n < items[at].count; n++, i = items[i].end) {
        const struct schema_node *node =
            n < check->elements.count ? check->elements.nodes[n] : check->elements.rest;
        if (node == NULL)
            return true;
        if (!check_node(c, node, i))
            return false;
    }
    return true;
}

static bool check_contains(struct json_checker *c, const struct schema_check *check, uint32_t at)
{
    const struct json_item *items = c->tree.items;
    uint64_t found = 0;
    c->quiet++;
    for (uint32_t i = at + 1; i < items[at].end; i = items[i].end)
        found += check_node(c, check->contains.node, i);
    c->quiet--;
    return found >= check->contains.min && found <= check->contains.max;
}

/* Into the table by hash; items of one hash are compared. */
static bool is_new(struct json_checker *c, uint32_t at)
{
    uint64_t slot = json_tree_hash(&c->tree, at) % UNIQUE_SLOTS;
    for (; c->slots[slot] != 0; slot = (slot + 1) % UNIQUE_SLOTS)
        if (json_tree_equal(&c->tree, c->slots[slot], &c->tree, at, &c->budget) || c->budget == 0)
            return false;
    c->slots[slot] = at;
    return true;
}

static bool check_unique(struct json_checker *c, uint32_t at)
{
    const struct json_item *items = c->tree.items;
    if (items[at].count < 2)
        return true;
    if (items[at].count > UNIQUE_MAX || !spend(c, items[at].end - at))
        return false;
    memset(c->slots, 0, UNIQUE_SLOTS * sizeof *c->slots);
    for (uint32_t i = at + 1; i < items[at].end; i = items[i].end)
        if (!is_new(c, i))
            return false;
    return true;
}

/* ---- schemas in place ---- */

static bool check_all(struct json_checker *c, const struct schema_check *check, uint32_t at)
{
    for (uint32_t i = 0; i < check->nodes.count; i++)
        if (!check_node(c, check->nodes.nodes[i], at))
            return false;
    return true;
}

/* How many hold, as far as `enough`. */
static uint32_t count_valid(struct json_checker *c, const struct schema_check *check, uint32_t at,
                            uint32_t enough)
{
    uint32_t valid = 0;
    c->quiet++;
    for (uint32_t i = 0; i < check->nodes.count && valid < enough; i++)
        valid += check_node(c, check->nodes.nodes[i], at);
    c->quiet--;
    return valid;
}

static bool check_if(struct json_checker *c, const struct schema_check *check, uint32_t at)
{
    c->quiet++;
    bool holds = check_node(c, check->condition.condition, at);
    c->quiet--;
    const struct schema_node *node = holds ? check->condition.then : check->condition.otherwise;
    return node == NULL || check_node(c, node, at);
}

/* ---- one node ---- */

static bool check_one(struct json_checker *c, const struct schema_check *check, uint32_t at)
{
    const struct json_item *item = &c->tree.items[at];
    switch ((enum check_kind)check->kind) {
    case CHECK_NEVER:
        return false;
    case CHECK_TYPE:
        return check_type(check, item);
    case CHECK_VALUES:
        return check_values(c, check, at);
    case CHECK_MINIMUM:
        return compare(check, item) >= 0;
    case CHECK_MAXIMUM:
        return compare(check, item) <= 0;
    case CHECK_ABOVE:
        return compare(check, item) > 0;
    case CHECK_BELOW:
        return compare(check, item) < 0;
    case CHECK_MULTIPLE:
        return json_number_is_multiple(item->raw, check->multiple.divisor, check->multiple.exp10);
    case CHECK_LENGTH_MIN:
        return length_of(item) >= check->number;
    case CHECK_LENGTH_MAX:
        return length_of(item) <= check->number;
    case CHECK_PATTERN:
        return check_pattern(c, check->regex, at);
    case CHECK_DATE_TIME:
        return check_date_time(item);
    case CHECK_COUNT_MIN:
        return item->count >= check->number;
    case CHECK_COUNT_MAX:
        return item->count <= check->number;
    case CHECK_UNIQUE:
        return check_unique(c, at);
    case CHECK_REQUIRED:
        return has_names(c, check, check->at, at);
    case CHECK_DEPENDENT_REQUIRED:
        return check_dependent_required(c, check, at);
    case CHECK_MEMBERS:
        return check_members(c, check, at);
    case CHECK_NAMES:
        return check_names(c, check, at);
    case CHECK_ELEMENTS:
        return check_elements(c, check, at);
    case CHECK_CONTAINS:
        return check_contains(c, check, at);
    case CHECK_REF:
    case CHECK_ALL:
        return check_all(c, check, at);
    case CHECK_ANY:
        return count_valid(c, check, at, 1) > 0;
    case CHECK_ONE:
        return count_valid(c, check, at, 2) == 1;
    case CHECK_NOT:
        return count_valid(c, check, at, 1) == 0;
    case CHECK_IF:
        return check_if(c, check, at);
    case CHECK_DEPENDENT:
        return check_dependent(c, check, at);
    }
    return false;
}

static bool check_node(struct json_checker *c, const struct schema_node *node, uint32_t at)
{
    if (!spend(c, 1 + node->count))
        return false;
    for (uint32_t i = 0; i < node->count; i++) {
        const struct schema_check *check = &node->checks[i];
        if ((check->types & c->tree.items[at].type) != 0 && !check_one(c, check, at))
            return fail(c, check, at);
    }
    return true;
}

/* ---- life ---- */

struct json_checker *json_checker_new(void)
{
    struct json_checker *c = calloc(1, sizeof *c);
    if (c == NULL)
        return NULL;
    c->slots = malloc(UNIQUE_SLOTS * sizeof *c->slots);
    if (c->slots != NULL && json_tree_init(&c->tree, ITEMS_MAX, KEYS_MAX, KEY_TEXT_MAX) == 0)
        return c;
    json_checker_free(c);
    return NULL;
}

void json_checker_free(struct json_checker *c)
{
    if (c == NULL)
        return;
    json_tree_deinit(&c->tree);
    free(c->slots);
    free(c);
}

bool json_schema_check(const struct json_schema *schema, struct json_checker *c, struct bytes text)
{
    c->fault = (struct schema_fault){.schema = schema};
    c->text = text;
    c->budget = JSON_SCHEMA_WORK_MAX;
    c->quiet = 0;
    return json_tree_read(&c->tree, text) && check_node(c, schema->root, 0) && c->budget > 0;
}
