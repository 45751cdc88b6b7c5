/* SPDX-License-Identifier: Apache-2.0 */
/* The YAML loader and the settings above it: whatever the bytes are, a tree
 * whose every node can be visited, or an error with a place. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "config/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t visit(const struct yaml_node *node, unsigned depth)
{
    must(depth <= 64);
    int64_t integer;
    double number;
    bool flag;
    struct error err;
    switch (yaml_kind(node)) {
    case YAML_SCALAR:
        must(strlen(yaml_text(node).ptr) == yaml_text(node).len);
        yaml_to_int(node, "x", &integer, &err);
        yaml_to_double(node, "x", &number, &err);
        yaml_to_bool(node, "x", &flag, &err);
        yaml_to_duration_ns(node, "x", &integer, &err);
        yaml_to_size_bytes(node, "x", &integer, &err);
        return 1;
    case YAML_SEQUENCE:
    case YAML_MAPPING:
        break;
    }
    size_t nodes = 1;
    for (size_t i = 0; i < yaml_count(node); i++) {
        if (yaml_kind(node) == YAML_SEQUENCE) {
            nodes += visit(yaml_item(node, i), depth + 1);
        } else {
            must(yaml_get(node, yaml_text(yaml_key(node, i)).ptr) == yaml_value(node, i));
            nodes += 1 + visit(yaml_value(node, i), depth + 1);
        }
    }
    return nodes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 65536) /* libyaml's own time grows faster than its input */
        return 0;
    struct yaml_document *document;
    struct error err = {0};
    if (yaml_load_bytes(&document, "input", bytes_of((const char *)data, size), &err) != 0) {
        must(err.kind == ERROR_CONFIG && strncmp(err.text, "input:", 6) == 0);
        return 0;
    }
    must(visit(yaml_root(document), 1) <= 100000);
    yaml_unload(document);
    return 0;
}
