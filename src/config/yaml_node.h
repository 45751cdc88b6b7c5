/* SPDX-License-Identifier: Apache-2.0 */
/* The tree that yaml.c builds and yaml_value.c reads; nobody else's. */
#pragma once

#include "config/yaml.h"

struct yaml_node {
    struct yaml_node *next_owned; /* all nodes of the document */
    const struct yaml_document *document;
    enum yaml_kind kind;
    unsigned line, column; /* from 1 */
    unsigned depth;        /* levels below and with this one */
    size_t weight;         /* nodes below and with this one, aliases expanded */
    bool is_quoted;
    struct bytes text; /* of a scalar */
    /* Elements of a sequence; keys and values by turns of a mapping. An alias
     * is its anchor's node once more. */
    const struct yaml_node **children;
    size_t child_count;
    size_t child_capacity;
};

const char *yaml_document_name(const struct yaml_document *document);
