/* SPDX-License-Identifier: Apache-2.0 */
/* A compiled schema, for schema_load.c, schema_check.c and schema_explain.c. */
#pragma once

#include "vehicle/schema/json_schema.h"
#include "vehicle/schema/json_tree.h"
#include "vehicle/schema/regex.h"

enum {
    SCHEMA_ITEMS_MAX = 1 << 16,
    SCHEMA_IN_PLACE_MAX = 32, /* schemas that look at one value through each other */
};

enum check_kind {
    CHECK_NEVER, /* the schema `false` */
    CHECK_TYPE,
    CHECK_VALUES, /* enum and const */
    CHECK_MINIMUM,
    CHECK_MAXIMUM,
    CHECK_ABOVE,
    CHECK_BELOW,
    CHECK_MULTIPLE,
    CHECK_LENGTH_MIN,
    CHECK_LENGTH_MAX,
    CHECK_PATTERN,
    CHECK_DATE_TIME,
    CHECK_COUNT_MIN, /* elements or members */
    CHECK_COUNT_MAX,
    CHECK_UNIQUE,
    CHECK_REQUIRED,
    CHECK_DEPENDENT_REQUIRED,
    CHECK_MEMBERS, /* properties, patternProperties, additionalProperties */
    CHECK_NAMES,
    CHECK_ELEMENTS, /* prefixItems, items */
    CHECK_CONTAINS,
    CHECK_REF,
    CHECK_ALL,
    CHECK_ANY,
    CHECK_ONE,
    CHECK_NOT,
    CHECK_IF,
    CHECK_DEPENDENT,
};

struct schema_node;

/* A schema under a name or an expression. */
struct schema_entry {
    struct bytes name;         /* of properties: what the key says */
    uint64_t hash;             /* of the name; entries are sorted by it */
    const struct regex *regex; /* of patternProperties */
    const struct schema_node *node;
};

struct schema_check {
    uint8_t kind;       /* enum check_kind */
    uint8_t types;      /* the types of value that it looks at */
    bool wants_integer; /* of TYPE: "integer" and not "number" */
    bool is_const;      /* of VALUES: the value itself, not a list of them */
    uint32_t at;        /* the keyword's value in the schema's tree; its key is the item before */
    union {
        uint64_t number; /* LENGTH, COUNT; of TYPE the types */
        struct {
            double number;
            struct bytes text;
        } bound;
        struct {
            uint64_t divisor;
            int32_t exp10;
        } multiple;
        const struct regex *regex;
        struct {
            const struct schema_entry *names, *patterns;
            uint32_t name_count, pattern_count;
            const struct schema_node *rest; /* NULL: anything */
        } members;
        struct {
            const struct schema_node *const *nodes; /* of the first elements */
            uint32_t count;
            const struct schema_node *rest; /* NULL: anything */
        } elements;
        struct {
            const struct schema_node *node;
            uint64_t min, max;
        } contains;
        struct {
            const struct schema_node *const *nodes; /* REF and NOT and NAMES: one */
            uint32_t count;
        } nodes;
        struct {
            const struct schema_node *condition, *then, *otherwise; /* the last two: or NULL */
        } condition;
        struct {
            const struct schema_entry *entries;
            uint32_t count;
        } dependent;
    };
};

struct schema_node {
    const struct schema_check *checks;
    uint32_t count;
    uint32_t at; /* in the schema's tree */
    int height;  /* of schemas in place below; 0 = not known yet, -1 = being found */
};

struct json_schema {
    char *text;
    struct json_tree tree; /* views into text */
    struct schema_block *blocks;
    struct regex **regexes;
    size_t regex_count, regex_cap;
    const struct schema_node *root;
};

/* Where and why a check failed, for json_schema_explain. */
struct schema_fault {
    const struct json_schema *schema;
    const struct schema_check *check; /* NULL: no JSON, or too much of it */
    uint32_t at;                      /* the value's item */
    struct bytes name;                /* of REQUIRED: what is missing */
};

struct json_checker {
    struct json_tree tree;
    uint64_t budget;
    unsigned quiet; /* a failure here decides nothing yet */
    struct schema_fault fault;
    struct bytes text;
    uint32_t *slots; /* of CHECK_UNIQUE: a table of items */
};
