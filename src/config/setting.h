/* SPDX-License-Identifier: Apache-2.0 */
/* One setting: from text into a module's struct, and back. Private to config/. */
#pragma once

#include "base/buf.h"
#include "base/bytes.h"
#include "base/error.h"
#include "config/schema.h"

#define SETTING_MASK "********"

/* Owner of the strings that settings point to. */
struct setting_heap {
    struct setting_block *blocks;
};
void setting_heap_deinit(struct setting_heap *heap);

/* Write the value of `text` to its place in `module` (the module's struct).
 * Lists: elements between commas. -1: what was wanted and what was there, to go
 * after the setting's name. */
int setting_parse(const struct setting *setting, struct bytes text, void *module,
                  struct setting_heap *heap, struct error *err);
/* A list whose elements are already apart. */
int setting_parse_list(const struct setting *setting, const struct bytes *items, size_t count,
                       void *module, struct setting_heap *heap, struct error *err);

/* The value as YAML that setting_parse reads back; secrets masked. */
void setting_print(const struct setting *setting, const void *module, struct buf *out);
/* "1..1024", "0s..1h", or nothing when unbounded. */
void setting_print_range(const struct setting *setting, struct buf *out);
const char *setting_type_name(enum setting_type type);
