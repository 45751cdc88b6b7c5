/* SPDX-License-Identifier: Apache-2.0 */
/* A kind of rule: one file and one line in registry.c. The file gives a struct
 * rule_kind: its settings as a table (from which reading the YAML, the errors
 * and the reference page come), how to test a packet, and how to say what was
 * wrong.
 *
 * Most checks are tests of one number or of presence. Such a kind lowers itself
 * in compile(): it fills `form` and the test's operands, and the ruleset's loop
 * then runs it without a call. What can't be lowered stays RULE_CALL and is run
 * through run().
 *
 * Pure: a compiled rule never changes; time comes from the record. */
#pragma once

#include "config/yaml.h"
#include "vehicle/packet.h"
#include "vehicle/rule/field.h"

struct rule_context {
    int64_t received_ns; /* the record's clock, never the wall's: a re-run decides the same */
};

enum rule_action { RULE_DEAD_LETTER, RULE_FLAG, RULE_DROP };

enum rule_form {
    RULE_CALL,    /* kind->run() */
    RULE_PRESENT, /* all of mask are there */
    RULE_NUMBER,  /* the double at offset is in low..high; absent (mask) passes */
    RULE_AGE,     /* received minus event time is in age_low..age_high; no event time passes */
};

/* What the loop over a category's rules reads: 32 bytes. */
struct rule_test {
    uint8_t form; /* enum rule_form */
    uint8_t action;
    uint16_t offset;
    uint32_t mask;
    union {
        struct {
            double low, high;
        };
        struct {
            int64_t age_low_ns, age_high_ns;
        };
    };
    const struct rule *rule;
};

struct rule_kind;

struct rule {
    struct bytes id;
    struct bytes flag; /* of RULE_FLAG */
    const struct rule_kind *kind;
    enum rule_action action;
    unsigned index;        /* in the ruleset */
    const void *check;     /* the kind's own struct, kind->check_size bytes */
    struct rule_test test; /* as lowered */
};

/* Memory that lives as long as the ruleset; NULL without memory. */
struct rule_arena;
void *rule_alloc(struct rule_arena *arena, size_t size);

enum rule_setting_type {
    RULE_SETTING_FIELD,    /* struct field */
    RULE_SETTING_FIELDS,   /* struct rule_fields: a name or a list of them */
    RULE_SETTING_NUMBER,   /* double */
    RULE_SETTING_DURATION, /* int64_t nanoseconds */
    RULE_SETTING_VALUES,   /* struct rule_values: a list of scalars */
    RULE_SETTING_CHOICE,   /* int: index into choices */
};

struct rule_fields {
    const struct field *items;
    size_t count;
};

struct rule_values {
    const struct value *items;
    size_t count;
};

struct rule_setting {
    const char *name; /* NULL ends the table */
    enum rule_setting_type type;
    size_t offset; /* in the kind's check struct */
    bool is_required;
    const char *const *choices; /* NULL-terminated, for RULE_SETTING_CHOICE */
    const char *help;
};

struct rule_kind {
    const char *name;
    const char *help;
    const char *example; /* one YAML flow mapping, for the reference; it must compile */
    enum reason reason;  /* of its dead letters */
    const struct rule_setting *settings;
    size_t check_size;
    const void *defaults; /* check_size bytes, or NULL: zeros */
    /* After the settings were read into check: cross-checks and lowering. NULL:
     * nothing to do. */
    int (*compile)(const struct yaml_node *node, const void *check, struct rule_test *test,
                   struct error *err);
    /* Does the packet pass? May be NULL when compile always lowers. */
    bool (*run)(const void *check, const struct packet *packet, const struct rule_context *context);
    /* What is wrong, in a few words, after the packet failed. */
    void (*explain)(const void *check, const struct packet *packet,
                    const struct rule_context *context, char *out, size_t cap);
};

/* registry.c */
extern const struct rule_kind *const rule_registry[]; /* ends with NULL */
const struct rule_kind *rule_kind_by_name(struct bytes name);

/* compile.c: one rule's mapping. Text of the rule borrows from the document. */
int rule_compile(const struct yaml_node *node, struct rule_arena *arena, struct rule *out,
                 struct error *err);

/* For those who read other parts of a ruleset: a word of a closed list (its
 * index), and a name of a-z, 0-9 and '-'. */
int rule_read_choice(const struct yaml_node *node, const char *what, const char *const *choices,
                     int *out, struct error *err);
int rule_read_name(const struct yaml_node *node, const char *what, size_t len_max,
                   struct bytes *out, struct error *err);
int rule_read_fields(const struct yaml_node *node, const char *what, struct rule_arena *arena,
                     struct rule_fields *out, struct error *err);
int rule_read_values(const struct yaml_node *node, const char *what, struct rule_arena *arena,
                     struct rule_values *out, struct error *err);
