/* SPDX-License-Identifier: Apache-2.0 */
#include "vehicle/transform/transform.h"
#include "vehicle/transform/unit.h"

static const char intro[] =
    "\n## Transforms\n"
    "\n"
    "`transform` is a list of operations that change a packet, in the order written: at the top of "
    "a ruleset for all packets, before their category is found; in a category for its packets, "
    "before its rules. The store knows the same operations, before writing. What a packet is found "
    "by does not change: `vehicle`, `time`, `type`, `id`, `dialect`, its identity and its original "
    "bytes. What an operation remembers of a vehicle is kept like the memory of rules.\n"
    "\n"
    "```yaml\n"
    "transform:\n"
    "  - {op: rename, from: payload.v_kmh, to: speed}\n"
    "  - {op: units, fields: speed, from: km/h, to: m/s}\n"
    "  - {op: heading, min_distance: 20 m}\n"
    "```\n";

static void print_units(struct buf *out)
{
    buf_append_text(out, "\nUnits, by what they measure:\n\n| what | units |\n|---|---|\n");
    for (const struct unit *unit = unit_table; unit->name != NULL; unit++) {
        bool is_first = unit == unit_table || strcmp(unit->dimension, unit[-1].dimension) != 0;
        if (is_first)
            buf_printf(out, "%s| %s | `%s`", unit == unit_table ? "" : " |\n", unit->dimension,
                       unit->name);
        else
            buf_printf(out, ", `%s`", unit->name);
    }
    buf_append_text(out, " |\n");
}

void transform_print_reference(struct buf *out)
{
    buf_append_text(out, intro);
    for (size_t i = 0; transform_registry[i] != NULL; i++) {
        const struct transform_kind *kind = transform_registry[i];
        buf_printf(out, "\n### op: %s\n\n%s\n\n```yaml\n- %s\n```\n\n", kind->name, kind->help,
                   kind->example);
        rule_print_settings(kind->settings, out);
    }
    print_units(out);
}
