/* SPDX-License-Identifier: Apache-2.0 */
/* A text with fields in it: "{vehicle} drives at {speed} m/s: {detail}". `{{`
 * and `}}` are braces themselves; {detail} is what the rule itself would say.
 * Compiled once, immutable. */
#pragma once

#include "config/yaml.h"
#include "vehicle/packet.h"

enum { TEMPLATE_TEXT_MAX = 200, TEMPLATE_PARTS_MAX = 32 };

struct rule_arena;
struct rule_template;

int rule_template_compile(const struct yaml_node *node, const char *what, struct rule_arena *arena,
                          const struct rule_template **out, struct error *err);
/* NUL-terminated; what exceeds cap is cut off. A field that is absent is "-". */
void rule_template_print(const struct rule_template *template, const struct packet *packet,
                         const char *detail, char *out, size_t cap);
