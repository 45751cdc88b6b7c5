/* SPDX-License-Identifier: Apache-2.0 */
/* A kind of rule: one file and one line in registry.c. The file gives a struct
 * rule_kind: its settings as a table (from which reading the YAML, the errors,
 * the reference page and the JSON Schema come), how to test a packet, and how to
 * say what was wrong.
 *
 * Most checks are tests of one number or of presence. Such a kind lowers itself
 * in compile(): it fills `form` and the test's operands, and the ruleset's loop
 * then runs it without a call. What can't be lowered stays RULE_CALL and is run
 * through run().
 *
 * Pure: a compiled rule never changes and is shared between threads; time comes
 * from the record. What a rule remembers of a vehicle lies in a slot that
 * compile() asks for (rule_claim_state), zeros at first. A restart fills slots
 * again by running the records of the last `lookback` before the place where it
 * goes on; so that it decides the same, what a slot holds must follow from the
 * vehicle's records of that time alone. What a rule needs once per thread (an
 * interpreter) is its machine. */
#pragma once

#include "base/buf.h"
#include "config/yaml.h"
#include "vehicle/packet.h"
#include "vehicle/rule/field.h"
#include "vehicle/rule/template.h"
#include "vehicle/state.h"

struct predicate;

enum { RULE_NOTE_MAX = 160 };

/* What run() leaves for explain() when it answers false: whatever the kind likes. */
struct rule_notes {
    double numbers[4];
    int64_t integers[4];
    char text[RULE_NOTE_MAX];
};

/* What a thread that applies rules owns; see ruleset.h. */
struct ruleset;
struct rule_thread {
    struct state_table *state; /* NULL: no rule remembers anything */
    unsigned char *block;      /* the state of the packet's vehicle, once looked up */
    void **machines;           /* by rule's index; NULL: no rule has one */
    struct ruleset *ruleset;
    struct transform_scratch *changed; /* what transforms made; NULL: there are none */
    struct rule_notes notes;
    /* Runs in which a rule itself broke (a script), since who counts last looked:
     * by rule's index, in all, and what was wrong in the last one. */
    uint32_t *breaks;
    uint32_t break_count;
    char break_text[RULE_NOTE_MAX];
};

struct rule_context {
    int64_t received_ns; /* the record's clock, never the wall's: a re-run decides the same */
    unsigned stream;     /* where the record came from: state.h */
    /* NULL only for rulesets that need none (ruleset_needs_thread). */
    struct rule_thread *thread;
};

/* The vehicle's bytes in this slot. */
static inline void *rule_state(const struct rule_context *context, const struct packet *packet,
                               struct state_slot slot)
{
    struct rule_thread *thread = context->thread;
    if (thread->block == NULL)
        thread->block =
            state_table_get(thread->state, context->stream, packet->vehicle, context->received_ns);
    return thread->block + slot.offset;
}

/* The machine of the rule with this index. */
static inline void *rule_machine(const struct rule_context *context, unsigned index)
{
    return context->thread->machines[index];
}

/* The rule with this index could not decide. */
void rule_broke(const struct rule_context *context, unsigned index, const char *text);

enum rule_action { RULE_DEAD_LETTER, RULE_FLAG, RULE_DROP, RULE_ROUTE };

enum rule_form {
    RULE_CALL,    /* kind->run() */
    RULE_PRESENT, /* all of mask are there */
    RULE_NUMBER,  /* the double at offset is in low..high; absent (mask) passes */
    RULE_AGE,     /* received minus event time is in age_low..age_high; no event time passes */
    RULE_GUARDED, /* rule->test, but only for packets that `when` and `sample` select */
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
struct rule_arena;

/* What is remembered of a vehicle, laid out while rules are compiled. */
struct state_layout {
    size_t bytes;
    int64_t lookback_ns; /* the longest of what runs before the rules; at last of all */
};

enum rule_setting_type {
    RULE_SETTING_FIELD,     /* struct field */
    RULE_SETTING_FIELDS,    /* struct rule_fields: a name or a list of them */
    RULE_SETTING_NUMBER,    /* double; with a `unit` written with it: "130 km/h" */
    RULE_SETTING_INTEGER,   /* int64_t */
    RULE_SETTING_BOOL,      /* bool */
    RULE_SETTING_DURATION,  /* int64_t nanoseconds */
    RULE_SETTING_VALUES,    /* struct rule_values: a list of scalars */
    RULE_SETTING_CHOICE,    /* int: index into choices */
    RULE_SETTING_TEXT,      /* struct bytes, NUL-terminated */
    RULE_SETTING_TEXTS,     /* struct rule_texts: a text or a list of them */
    RULE_SETTING_TEMPLATE,  /* const struct rule_template * */
    RULE_SETTING_FILE,      /* struct rule_file */
    RULE_SETTING_CONDITION, /* const struct predicate *: as `match` */
    RULE_SETTING_NODE,      /* const struct yaml_node *: anything; compile() reads it */
};

/* What a number measures; within rules it is always in the unit named first. */
enum rule_unit {
    RULE_UNIT_NONE,
    RULE_UNIT_SPEED,    /* m/s; km/h, mph, kn */
    RULE_UNIT_DISTANCE, /* m; km, mi, ft, nmi */
    RULE_UNIT_ANGLE,    /* deg; rad */
};

struct rule_fields {
    const struct field *items;
    size_t count;
};

struct rule_values {
    const struct value *items;
    size_t count;
};

struct rule_texts {
    const struct bytes *items;
    size_t count;
};

struct rule_file {
    struct bytes path; /* as written */
    struct bytes text; /* NUL-terminated; only until the ruleset is loaded */
};

struct rule_setting {
    const char *name; /* NULL ends the table */
    enum rule_setting_type type;
    size_t offset; /* in the kind's check struct */
    bool is_required;
    const char *const *choices; /* NULL-terminated, for RULE_SETTING_CHOICE */
    const char *help;
    /* Of NUMBER and INTEGER; both 0 = unbounded. */
    double min, max;
    enum rule_unit unit; /* of NUMBER */
    size_t bytes_max;    /* of FILE: required; of TEXT and TEXTS: 0 = 256 */
};

/* What every rule may say, besides id and kind: rule_common_settings. */
struct rule_common {
    int on_fail; /* enum rule_action */
    struct bytes flag;
    struct bytes to;
    struct rule_texts categories;
    const struct predicate *when; /* NULL: every packet */
    double sample;
    bool is_enabled;
    const struct rule_template *message;
};

struct rule {
    struct bytes id;
    struct bytes flag;            /* of RULE_FLAG; of RULE_ROUTE, or empty */
    const struct yaml_node *node; /* its mapping */
    const struct rule_kind *kind;
    enum rule_action action;
    unsigned index;        /* in the ruleset; set before compile() */
    const void *check;     /* the kind's own struct, kind->check_size bytes */
    struct rule_test test; /* as lowered */
    struct rule_common common;
    uint64_t sample_max;     /* of a packet's draw; UINT64_MAX: every packet */
    size_t to;               /* of RULE_ROUTE: the category's index */
    struct state_slot state; /* bytes 0: it remembers nothing */
    int64_t lookback_ns;
    uint64_t fingerprint; /* of its text and of the files it names */
};

/* Memory that lives as long as the ruleset, zeros; NULL without memory. */
void *rule_alloc(struct rule_arena *arena, size_t size);
/* Call fn(argument) at the ruleset's end (or when loading it fails): for what
 * compile() made that is no memory of the arena. -1 without memory: not called. */
int rule_defer(struct rule_arena *arena, void (*fn)(void *argument), void *argument,
               struct error *err);

/* What compile() and the readers of settings have at hand. */
struct rule_files;
struct rule_build {
    const struct yaml_node *node; /* the rule's mapping, for errors */
    struct rule_arena *arena;
    struct state_layout *layout;
    struct rule_files *files; /* read so far, and where names are relative to */
    struct rule *rule;
};

/* A slot of `bytes` per vehicle for the rule being compiled, which remembers
 * nothing that is older than lookback_ns. -1: the ruleset remembers too much. */
int rule_claim_state(struct rule_build *build, size_t bytes, int64_t lookback_ns,
                     struct state_slot *out, struct error *err);
/* The same for what is no rule (a transform): the place for errors is `node`. */
int state_layout_add(struct state_layout *layout, const struct yaml_node *node, size_t bytes,
                     int64_t lookback_ns, struct state_slot *out, struct error *err);

/* The whole of a file that a scalar names, relative to the folder of the
 * ruleset's file; its content is part of the ruleset's hash. NUL-terminated;
 * lives only until the ruleset is loaded: copy what is needed longer. An error
 * at the node when it can't be read or is larger. */
int rule_read_file(struct rule_build *build, const struct yaml_node *node, const char *what,
                   size_t bytes_max, struct bytes *out, struct error *err);

struct rule_kind {
    const char *name;
    const char *help;
    const char *example; /* one YAML flow mapping, for the reference; it must compile */
    enum reason reason;  /* of its dead letters */
    const struct rule_setting *settings;
    size_t check_size;
    const void *defaults; /* check_size bytes, or NULL: zeros */
    /* After the settings were read into check: cross-checks, lowering, what the
     * kind makes of its settings. NULL: nothing to do. */
    int (*compile)(struct rule_build *build, void *check, struct rule_test *test,
                   struct error *err);
    /* Per thread and rule; machine_new is called before the first run and may
     * fail with *err. NULL, both: no machine. */
    void *(*machine_new)(const void *check, struct error *err);
    void (*machine_free)(void *machine);
    bool can_break; /* run() may find itself unable to decide: rule_broke() */
    /* Does the packet pass? May be NULL when compile always lowers. */
    bool (*run)(const void *check, const struct packet *packet, const struct rule_context *context);
    /* What is wrong, in a few words, right after run() said false: the vehicle's
     * state is already that after the packet. */
    void (*explain)(const void *check, const struct packet *packet,
                    const struct rule_context *context, char *out, size_t cap);
};

/* registry.c */
extern const struct rule_kind *const rule_registry[]; /* ends with NULL */
const struct rule_kind *rule_kind_by_name(struct bytes name);

extern const struct rule_setting rule_common_settings[]; /* of struct rule_common */

/* compile.c: one rule's mapping, build->node, into *build->rule. Text of the rule
 * borrows from the document. */
int rule_compile(struct rule_build *build, struct error *err);

/* settings.c. For those who read other parts of a ruleset: a table's settings
 * into `out`; a word of a closed list (its index); a name of a-z, 0-9 and '-'. */
int rule_read_settings(struct rule_build *build, const struct yaml_node *node,
                       const struct rule_setting *settings, const char *what, void *out,
                       struct error *err);
int rule_read_choice(const struct yaml_node *node, const char *what, const char *const *choices,
                     int *out, struct error *err);
int rule_read_name(const struct yaml_node *node, const char *what, size_t len_max,
                   struct bytes *out, struct error *err);
int rule_read_fields(const struct yaml_node *node, const char *what, struct rule_arena *arena,
                     struct rule_fields *out, struct error *err);
int rule_read_values(const struct yaml_node *node, const char *what, struct rule_arena *arena,
                     struct rule_values *out, struct error *err);
/* The rows of a table in the reference. */
void rule_print_settings(const struct rule_setting *settings, struct buf *out);
/* "130 km/h" in m/s; without the unit only 0 is accepted. */
int rule_read_number(const struct yaml_node *node, const char *what, enum rule_unit unit,
                     double *out, struct error *err);
/* "m/s, km/h, mph or kn", for people. */
const char *rule_unit_names(enum rule_unit unit);
