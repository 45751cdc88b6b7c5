/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the tree: kinds, typed values, errors with places. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/hash.h"
#include "base/must.h"
#include "base/text.h"
#include "config/yaml_node.h"

enum yaml_kind yaml_kind(const struct yaml_node *node)
{
    return node->kind;
}

unsigned yaml_line(const struct yaml_node *node)
{
    return node->line;
}

struct bytes yaml_text(const struct yaml_node *node)
{
    must(node->kind == YAML_SCALAR);
    return node->text;
}

bool yaml_is_quoted(const struct yaml_node *node)
{
    return node->is_quoted;
}

bool yaml_is_null(const struct yaml_node *node)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    if (node->kind != YAML_SCALAR || node->is_quoted)
        return false;
    for (size_t i = 0; i < sizeof nulls / sizeof nulls[0]; i++)
        if (bytes_equal_text(node->text, nulls[i]))
            return true;
    return false;
}

size_t yaml_count(const struct yaml_node *node)
{
    return node->kind == YAML_MAPPING ? node->child_count / 2 : node->child_count;
}

const struct yaml_node *yaml_item(const struct yaml_node *node, size_t i)
{
    must(node->kind == YAML_SEQUENCE && i < node->child_count);
    return node->children[i];
}

const struct yaml_node *yaml_key(const struct yaml_node *node, size_t i)
{
    must(node->kind == YAML_MAPPING && i < node->child_count / 2);
    return node->children[2 * i];
}

const struct yaml_node *yaml_value(const struct yaml_node *node, size_t i)
{
    must(node->kind == YAML_MAPPING && i < node->child_count / 2);
    return node->children[2 * i + 1];
}

const struct yaml_node *yaml_get(const struct yaml_node *mapping, const char *key)
{
    if (mapping->kind != YAML_MAPPING)
        return NULL;
    for (size_t i = 0; i < yaml_count(mapping); i++)
        if (bytes_equal_text(yaml_key(mapping, i)->text, key))
            return yaml_value(mapping, i);
    return NULL;
}

/* Parenthesised: the name is a macro for analysers (base/error.h). */
int(yaml_error)(const struct yaml_node *node, struct error *err, const char *format, ...)
{
    char text[sizeof err->text];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    error_set(err, ERROR_CONFIG, "%s", text);
    return error_prefix(err, "%s:%u:%u", yaml_document_name(node->document), node->line,
                        node->column);
}

/* ---- typed values ---- */

/* What stands there, for a message: «got 9092abc», «got a list». */
static int fail_type(const struct yaml_node *node, const char *what, const char *wanted,
                     struct error *err)
{
    if (node->kind == YAML_SEQUENCE)
        return yaml_error(node, err, "%s wants %s, got a list", what, wanted);
    if (node->kind == YAML_MAPPING)
        return yaml_error(node, err, "%s wants %s, got a mapping", what, wanted);
    if (yaml_is_null(node))
        return yaml_error(node, err, "%s wants %s, got nothing", what, wanted);
    const char *quote = node->is_quoted ? "\"" : "";
    return yaml_error(node, err, "%s wants %s, got %s%.80s%s%s", what, wanted, quote,
                      node->text.ptr, quote, node->is_quoted ? " (text, in quotes)" : "");
}

static bool is_plain(const struct yaml_node *node)
{
    return node->kind == YAML_SCALAR && !node->is_quoted;
}

int yaml_to_bool(const struct yaml_node *node, const char *what, bool *out, struct error *err)
{
    *out = is_plain(node) && bytes_equal_text(node->text, "true");
    if (*out || (is_plain(node) && bytes_equal_text(node->text, "false")))
        return 0;
    return fail_type(node, what, "true or false", err);
}

int yaml_to_int(const struct yaml_node *node, const char *what, int64_t *out, struct error *err)
{
    if (is_plain(node) && text_to_i64(node->text, out))
        return 0;
    return fail_type(node, what, "a whole number", err);
}

int yaml_to_double(const struct yaml_node *node, const char *what, double *out, struct error *err)
{
    if (is_plain(node) && text_to_double(node->text, out) && isfinite(*out))
        return 0;
    return fail_type(node, what, "a number", err);
}

int yaml_to_duration_ns(const struct yaml_node *node, const char *what, int64_t *out,
                        struct error *err)
{
    if (node->kind == YAML_SCALAR && text_to_duration_ns(node->text, out))
        return 0;
    return fail_type(node, what, "a duration as 250ms, 5s, 10m, 1h or 7d", err);
}

int yaml_to_size_bytes(const struct yaml_node *node, const char *what, int64_t *out,
                       struct error *err)
{
    if (node->kind == YAML_SCALAR && text_to_size_bytes(node->text, out))
        return 0;
    return fail_type(node, what, "a size as 4096, 64KiB, 1MiB or 2GiB", err);
}

/* ---- names ---- */

const char *yaml_suggest(const char *word, const char *const *known)
{
    const char *nearest = NULL;
    size_t least = strlen(word) / 3 + 1; /* further away is another word */
    if (least > 3)
        least = 3;
    for (size_t i = 0; known[i] != NULL; i++) {
        size_t distance = text_distance(word, known[i]);
        if (distance > least || (distance == least && nearest != NULL))
            continue;
        least = distance;
        nearest = known[i];
    }
    return nearest;
}

int yaml_check_keys(const struct yaml_node *mapping, const char *const *known, struct error *err)
{
    if (mapping->kind != YAML_MAPPING)
        return yaml_error(mapping, err, "wants a mapping (name: value)");
    for (size_t i = 0; i < yaml_count(mapping); i++) {
        const struct yaml_node *key = yaml_key(mapping, i);
        size_t k = 0;
        while (known[k] != NULL && !bytes_equal_text(key->text, known[k]))
            k++;
        if (known[k] != NULL)
            continue;
        const char *nearest = yaml_suggest(key->text.ptr, known);
        return nearest == NULL ? yaml_error(key, err, "unknown key \"%.80s\"", key->text.ptr)
                               : yaml_error(key, err, "unknown key \"%.80s\"; did you mean \"%s\"?",
                                            key->text.ptr, nearest);
    }
    return 0;
}

uint64_t yaml_fingerprint(const struct yaml_node *node, uint64_t seed)
{
    uint64_t parts[3] = {seed, (uint64_t)node->kind};
    if (node->kind == YAML_SCALAR)
        parts[2] = hash64(node->text) + node->is_quoted;
    for (size_t i = 0; i < node->child_count; i++)
        parts[2] = yaml_fingerprint(node->children[i], parts[2]);
    return hash64(bytes_of((const char *)parts, sizeof parts));
}
