/* SPDX-License-Identifier: Apache-2.0 */
/* Transforms: what is changed of a packet on its way, by a list in YAML. They
 * stand in two places: in a ruleset, before its rules (of all packets and of a
 * category's), and in the store, before writing.
 *
 * An operation is one file and one line in registry.c: a struct transform_kind
 * with its settings as a table (reading, errors and the reference page come from
 * it), like a kind of rule. A list is compiled once into flat steps, immutable
 * and shared between threads.
 *
 * What steps change are a packet's fields and signals. What a packet is found by
 * never changes: identity, vehicle, time, type, id, dialect, original bytes.
 * Pure: time is the record's; what an operation remembers of a vehicle lies in
 * its slot of the vehicle's state (rule.h). */
#pragma once

#include "base/text.h"
#include "vehicle/rule/rule.h"

enum {
    TRANSFORM_STEPS_MAX = 64,           /* of one list */
    TRANSFORM_TEXT_MAX = 1 << 20,       /* bytes of new numbers and texts of one packet */
    TRANSFORM_NUMBER = TEXT_DOUBLE_MAX, /* of these, for one new number */
};

struct transform_kind;

struct transform_step {
    const struct transform_kind *kind;
    const void *settings;    /* the kind's own struct */
    struct state_slot state; /* bytes 0: it remembers nothing */
    uint64_t fingerprint;    /* of its text and its place: state stays over a reload by it */
};

struct transform {
    const struct transform_step *steps;
    size_t count;
    size_t text_bytes; /* new text that the steps make of one packet at most */
};

/* What compile() of a kind asks for. */
struct transform_needs {
    size_t text_bytes;
    size_t state_bytes;
    int64_t lookback_ns;
};

/* A thread's memory for the signals that steps change; valid until the next
 * packet begins. */
struct transform_scratch;
/* text_bytes: the sum of those of all lists that run on one packet. NULL without
 * memory. */
struct transform_scratch *transform_scratch_new(size_t text_bytes);
void transform_scratch_free(struct transform_scratch *scratch);

/* A packet while steps change it. */
struct transform_run {
    struct packet *packet;
    struct transform_scratch *scratch;
    const struct rule_context *context;
    const struct transform_step *step;
};

struct transform_kind {
    const char *name;
    const char *help;
    const char *example; /* one YAML flow mapping, for the reference; it must compile */
    const struct rule_setting *settings;
    size_t settings_size;
    const void *defaults; /* settings_size bytes, or NULL: zeros */
    /* After the settings were read. NULL: nothing to check, nothing needed. */
    int (*compile)(struct rule_build *build, void *settings, struct transform_needs *needs,
                   struct error *err);
    void (*run)(const void *settings, struct transform_run *run);
};

extern const struct transform_kind *const transform_registry[]; /* ends with NULL */

/* A list of operations; NULL or null is none. build: arena, layout and files are
 * used. `place` tells lists of one file apart (a category's name). */
int transform_compile(const struct yaml_node *list, struct bytes place, struct rule_build *build,
                      struct transform *out, struct error *err);
/* A new packet: what was made of the one before is given up. */
void transform_begin(struct transform_scratch *scratch);
/* All steps, in order; more than one list may follow a begin. */
void transform_apply(const struct transform *transform, struct transform_scratch *scratch,
                     struct packet *packet, const struct rule_context *context);

/* The reference's part about operations. */
void transform_print_reference(struct buf *out);

/* ---- for kinds ---- */

/* The slot's bytes of this packet's vehicle. */
static inline void *transform_state(const struct transform_run *run)
{
    return rule_state(run->context, run->packet, run->step->state);
}

/* Is this a field that may be written or taken away? Else an error. */
int transform_check_target(const struct yaml_node *node, const char *what,
                           const struct field *field, struct error *err);
/* False: it is not there, or no finite number. */
bool transform_read_number(const struct transform_run *run, const struct field *field, double *out);
/* Into a field of the packet or a signal, which is new or gets another value. A
 * packet that has all the signals it may have gets no new one. The text of
 * `signal` must live as long as the packet. */
void transform_write_number(struct transform_run *run, const struct field *field, double number);
void transform_write_signal(struct transform_run *run, const struct field *field, struct bytes raw,
                            enum signal_type type);
void transform_remove(struct transform_run *run, const struct field *field);
/* Room for new text, of which compile() asked for enough. */
char *transform_text(struct transform_run *run, size_t len);
/* All signals, to be changed in place; *count of them. */
struct signal *transform_signals(struct transform_run *run, size_t *count);
void transform_keep_signals(struct transform_run *run, size_t count);

/* "absent" or "always": the setting `when` of what derives a value. */
enum transform_when { TRANSFORM_WHEN_ABSENT, TRANSFORM_WHEN_ALWAYS };
extern const char *const transform_when_names[];
#define TRANSFORM_WHEN(owner)                                                                \
    {                                                                                        \
        .name = "when", .type = RULE_SETTING_CHOICE, .offset = offsetof(struct owner, when), \
        .choices = transform_when_names,                                                     \
        .help = "`absent` (default) writes it only to packets without it, `always` to all"   \
    }
