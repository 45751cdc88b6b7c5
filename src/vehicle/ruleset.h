/* SPDX-License-Identifier: Apache-2.0 */
/* A ruleset: the categories of packets and the rules of each, compiled from
 * YAML once into flat tables, then immutable and shared by reference count
 * between threads. The format: docs/reference/rules.md.
 *
 *   rules:        common: run for every packet, before its category's own
 *   categories:   in this order, the first that matches wins; `other` is last
 *                 and needs no match
 *   classes:      of vehicles, likewise; only counted
 *
 * Whoever loads a new ruleset swaps it in only when loading succeeded: a bad
 * file leaves the old one in force. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "vehicle/packet.h"
#include "vehicle/rule/rule.h"

enum {
    RULESET_CATEGORIES_MAX = 64, /* `other` included */
    RULESET_CLASSES_MAX = 64,    /* `other` included */
    RULESET_RULES_MAX = 1024,
    RULESET_TEXT_MAX = 4 << 20, /* bytes of one file */
    RULESET_DETAIL_MAX = 256,
    TOPIC_NAME_MAX = 100,
};

struct ruleset;

/* Errors are ERROR_CONFIG with file:line:column; on success *out has one
 * reference. */
int ruleset_load_file(struct ruleset **out, const char *path, struct error *err);
/* All *.yaml of the folder in order of their names, as one ruleset. */
int ruleset_load_dir(struct ruleset **out, const char *path, struct error *err);
int ruleset_load_bytes(struct ruleset **out, const char *name, struct bytes text,
                       struct error *err);
/* These files, and all *.yaml of these folders, in this order, as one ruleset. */
int ruleset_load_files(struct ruleset **out, const char *const *paths, size_t count,
                       struct error *err);
/* What is compiled in: config/rules/default.yaml. */
int ruleset_load_default(struct ruleset **out, struct error *err);
struct bytes ruleset_default_text(void);
/* A file, a folder, or "" for the default: what a setting holds. */
int ruleset_load(struct ruleset **out, const char *path, struct error *err);

struct ruleset *ruleset_ref(struct ruleset *ruleset);
void ruleset_unref(struct ruleset *ruleset);

/* H64 of the source texts: travels in `mc`. Never 0. */
uint64_t ruleset_hash(const struct ruleset *ruleset);
/* Categories in order; the last is `other`. */
size_t ruleset_category_count(const struct ruleset *ruleset);
struct bytes ruleset_category_name(const struct ruleset *ruleset, size_t category);
/* Classes of vehicles in order; the last is `other`. */
size_t ruleset_class_count(const struct ruleset *ruleset);
struct bytes ruleset_class_name(const struct ruleset *ruleset, size_t number);
size_t ruleset_rule_count(const struct ruleset *ruleset);
const struct rule *ruleset_rule(const struct ruleset *ruleset, size_t index);

/* ---- threads ---- */

/* Do its rules remember vehicles or have machines? */
bool ruleset_needs_thread(const struct ruleset *ruleset);
/* How far back the records lie that what is remembered may follow from; 0:
 * nothing is remembered. */
int64_t ruleset_lookback_ns(const struct ruleset *ruleset);
/* Bytes remembered of one vehicle. */
size_t ruleset_state_bytes(const struct ruleset *ruleset);

/* What a thread that applies this ruleset owns; holds a reference of it. What
 * `old` (another ruleset's, NULL, still the caller's) remembers for rules that say
 * the same in both is taken over. */
int ruleset_thread_new(struct rule_thread **out, struct ruleset *ruleset,
                       const struct state_limits *limits, const struct rule_thread *old,
                       struct error *err);
void ruleset_thread_free(struct rule_thread *thread); /* NULL is fine */

/* ---- deciding ---- */

enum verdict { VERDICT_PASS, VERDICT_FLAG, VERDICT_DEAD_LETTER, VERDICT_DROP, VERDICT_ROUTE };
enum { VERDICT_COUNT = VERDICT_ROUTE + 1 };

struct decision {
    size_t category;    /* of ROUTE: where it goes */
    size_t matched;     /* whose rules were run */
    size_t class;       /* the vehicle's */
    enum reason reason; /* of DEAD_LETTER */
    /* Every rule that failed; the last is the one that decided, but for FLAG. */
    const struct rule *failed[17];
    size_t failed_count;
    char detail[RULESET_DETAIL_MAX]; /* of DEAD_LETTER: one sentence; else not written */
};

/* Find the category, run its rules in order. Sets the packet's category and
 * flags (they live with the ruleset). Any thread. */
enum verdict ruleset_apply(const struct ruleset *ruleset, struct packet *packet,
                           const struct rule_context *context, struct decision *out);

/* The rules that packets of this category meet, in order; NULL past the last. */
const struct rule *ruleset_category_rule(const struct ruleset *ruleset, size_t category, size_t i);
/* Do its `when` and `sample` let it look at the packet, as it was after ruleset_apply? */
bool ruleset_selects(const struct rule *rule, const struct packet *packet);

/* ---- topics ---- */

/* "<ingest>.<category>"; category == ruleset_category_count() names
 * "<ingest>.dead-letters". An error when it would exceed TOPIC_NAME_MAX. */
int ruleset_topic(const struct ruleset *ruleset, const char *ingest, size_t category,
                  char out[TOPIC_NAME_MAX + 1], struct error *err);

/* The closed set of what the handler writes: for each ingest topic each
 * category's topic, in order, and its dead letters last. */
struct topic_list {
    char (*names)[TOPIC_NAME_MAX + 1];
    size_t count;
};
int ruleset_topics(const struct ruleset *ruleset, const char *const *ingest, size_t ingest_count,
                   bool with_dead_letters, struct topic_list *out, struct error *err);
void topic_list_deinit(struct topic_list *list);

/* The reference page (Markdown), from the kinds' own tables. */
int ruleset_print_reference(struct buf *out);
/* What `motorcade rules list` shows: the kinds and their settings. */
int ruleset_print_kinds(struct buf *out, bool is_json);
/* The JSON Schema of a file. */
int ruleset_print_json_schema(struct buf *out);
