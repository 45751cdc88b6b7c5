/* SPDX-License-Identifier: Apache-2.0 */
/* YAML documents with places: a thin tree over libyaml's events, made for clear
 * errors. Strict: one document, string keys, no duplicate keys, no merge keys,
 * no tags but the core schema's; size (1 MiB), depth (64), nodes (100,000) and
 * the expansion of aliases (as nodes) are bounded, and an alias to one of its
 * own ancestors is an error. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/error.h"

struct yaml_document;
struct yaml_node;

enum yaml_kind { YAML_SCALAR, YAML_SEQUENCE, YAML_MAPPING };

/* Errors are ERROR_CONFIG, "name:line:column: …". The document owns its nodes. */
int yaml_load_file(struct yaml_document **out, const char *path, struct error *err);
int yaml_load_bytes(struct yaml_document **out, const char *name, struct bytes text,
                    struct error *err);
/* NULL is fine. (libyaml exports a yaml_free() of its own: hence the name.) */
void yaml_unload(struct yaml_document *document);

/* An empty file is an empty mapping. */
const struct yaml_node *yaml_root(const struct yaml_document *document);

enum yaml_kind yaml_kind(const struct yaml_node *node);
unsigned yaml_line(const struct yaml_node *node);     /* from 1 */
struct bytes yaml_text(const struct yaml_node *node); /* of a scalar; NUL-terminated, too */
bool yaml_is_quoted(const struct yaml_node *node);    /* "5" is text, 5 is a number */
bool yaml_is_null(const struct yaml_node *node);      /* plain ~, null or nothing */
size_t yaml_count(const struct yaml_node *node);      /* elements or pairs */
const struct yaml_node *yaml_item(const struct yaml_node *node, size_t i);  /* of a sequence */
const struct yaml_node *yaml_key(const struct yaml_node *node, size_t i);   /* of a mapping */
const struct yaml_node *yaml_value(const struct yaml_node *node, size_t i); /* of a mapping */
const struct yaml_node *yaml_get(const struct yaml_node *mapping, const char *key); /* or NULL */

/* Typed reading: 0, or -1 with the place and what was wanted. `what` names the
 * value in the error ("rules[2].max"). */
int yaml_to_bool(const struct yaml_node *node, const char *what, bool *out, struct error *err);
int yaml_to_int(const struct yaml_node *node, const char *what, int64_t *out, struct error *err);
int yaml_to_double(const struct yaml_node *node, const char *what, double *out, struct error *err);
int yaml_to_duration_ns(const struct yaml_node *node, const char *what, int64_t *out,
                        struct error *err);
int yaml_to_size_bytes(const struct yaml_node *node, const char *what, int64_t *out,
                       struct error *err);

/* What a node says, as a number: equal for equal text, whatever its layout. */
uint64_t yaml_fingerprint(const struct yaml_node *node, uint64_t seed);

/* error_set(ERROR_CONFIG) with "name:line:column: " in front; returns -1. */
int yaml_error(const struct yaml_node *node, struct error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
#ifdef STATIC_ANALYSIS
#define yaml_error(...) error_failed((yaml_error)(__VA_ARGS__))
#endif
/* Every key of the mapping is one of `known` (NULL-terminated), else an error at
 * that key with «did you mean». */
int yaml_check_keys(const struct yaml_node *mapping, const char *const *known, struct error *err);
/* The nearest of `known` to `word`, near enough to suggest; or NULL. */
const char *yaml_suggest(const char *word, const char *const *known);
