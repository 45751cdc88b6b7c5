/* SPDX-License-Identifier: Apache-2.0 */
/* docs/reference/rules.md: the kinds and fields come from their tables. */
#include "vehicle/dialect.h"
#include "vehicle/ruleset.h"
#include "vehicle/transform/transform.h"

static const char intro[] =
    "# Rules\n"
    "\n"
    "A ruleset says which category a packet belongs to and what is checked of it. It is a YAML "
    "file, or a folder whose `*.yaml` are read in order of their names as one. Without any, "
    "`config/rules/default.yaml`, which is part of the program, is in force. A ruleset with a "
    "mistake is refused as a whole, with file, line and column; the one in force stays.\n"
    "\n"
    "```yaml\n"
    "version: 1\n"
    "rules:                      # common: for every packet, first\n"
    "  - {id: ahead, kind: max_ahead, limit: 24h}\n"
    "categories:                 # the first that matches takes the packet\n"
    "  - name: taxi\n"
    "    match: {dialect: envelope, type: [taxi, cab], present: [lat, lon]}\n"
    "    rules:\n"
    "      - {id: taxi-battery, kind: range, field: payload.battery, min: 0, max: 100}\n"
    "  - name: other             # optional: rules for what no category takes\n"
    "    rules: []\n"
    "```\n"
    "\n"
    "A category's name is the suffix of its topic: packets of `taxi` that came in on `data-topic` "
    "leave on `data-topic.taxi`. Names are 1-40 of `a-z`, `0-9` and `-`; at most 63 categories and "
    "1024 rules.\n";

static const char classes[] =
    "\n## classes\n"
    "\n"
    "Which classes of vehicles there are, for the figures: `handler_class_records_total` counts "
    "the packets of each, whatever the rules say of them. As with categories the first that "
    "matches takes the packet, as the common and its category's `transform` left it; what none "
    "matches is `other`, which is not declared. At most 63, with names like those of categories.\n"
    "\n"
    "```yaml\n"
    "classes:\n"
    "  - {name: bus, match: {where: [{field: vehicle, starts_with: [bus-, b-]}]}}\n"
    "  - {name: van, match: {where: [{field: payload.kind, equals: van}]}}\n"
    "```\n";

static const char match[] =
    "\n## match\n"
    "\n"
    "A mapping whose entries must all hold; `{}` takes every packet.\n"
    "\n"
    "| entry | holds when |\n"
    "|---|---|\n"
    "| `dialect: obu` or a list | the packet was written in one of these dialects |\n"
    "| `type: text` or a list | the envelope's type is one of these |\n"
    "| `present: field` or a list | all of these fields are there |\n"
    "| `absent: field` or a list | none of these fields is there |\n"
    "| `where: [comparison, ...]` | all comparisons hold: `{field: speed, at_least: 3}` with "
    "`above`, `at_least`, `below`, `at_most`, or `equals`, or `one_of` with a list, or "
    "`starts_with` a text or one of a list; a comparison with an absent field does not hold |\n"
    "| `any: [match, ...]` | one of them holds |\n"
    "| `all: [match, ...]` | all of them hold |\n"
    "| `not: match` | it does not hold |\n";

static const char common[] =
    "\n## Every rule\n"
    "\n"
    "Rules run in the order written, the common ones first; the first that dead-letters or drops "
    "ends the work on the packet.\n"
    "\n";

static void print_fields(struct buf *out)
{
    buf_append_text(out, "\n## Fields\n\n| field | what |\n|---|---|\n");
    for (const struct field_info *info = field_table; info->name != NULL; info++)
        buf_printf(out, "| `%s` | %s |\n", info->name, info->help);
    buf_append_text(out, "\nAny other name is the path of a signal: the keys that lead to it, "
                         "joined by `.`. A signal whose name is that of a field, or close to one, "
                         "is written `signals.<path>`.\n");
}

static const char *type_name(enum rule_setting_type type)
{
    switch (type) {
    case RULE_SETTING_FIELD:
        return "field";
    case RULE_SETTING_FIELDS:
        return "field or list of fields";
    case RULE_SETTING_NUMBER:
        return "number";
    case RULE_SETTING_INTEGER:
        return "whole number";
    case RULE_SETTING_BOOL:
        return "`true` or `false`";
    case RULE_SETTING_DURATION:
        return "duration (`ms`, `s`, `m`, `h`, `d`)";
    case RULE_SETTING_VALUES:
        return "list of values";
    case RULE_SETTING_CHOICE:
        return "one of";
    case RULE_SETTING_TEXT:
        return "text";
    case RULE_SETTING_TEXTS:
        return "text or list of texts";
    case RULE_SETTING_TEMPLATE:
        return "text with `{field}` in it";
    case RULE_SETTING_FILE:
        return "name of a file, relative to the ruleset's";
    case RULE_SETTING_CONDITION:
        return "condition, as `match`";
    case RULE_SETTING_NODE:
        return "see below";
    }
    return "";
}

static void print_setting(struct buf *out, const struct rule_setting *setting)
{
    buf_printf(out, "| `%s` | %s", setting->name, type_name(setting->type));
    if (setting->unit != RULE_UNIT_NONE)
        buf_printf(out, " with its unit (%s)", rule_unit_names(setting->unit));
    for (size_t i = 0; setting->choices != NULL && setting->choices[i] != NULL; i++)
        buf_printf(out, "%s `%s`", i == 0 ? "" : ",", setting->choices[i]);
    buf_printf(out, " | %s | %s |\n", setting->is_required ? "yes" : "no", setting->help);
}

void rule_print_settings(const struct rule_setting *settings, struct buf *out)
{
    buf_append_text(out, "| setting | type | required | meaning |\n|---|---|---|---|\n");
    for (const struct rule_setting *s = settings; s->name != NULL; s++)
        print_setting(out, s);
}

static void print_kind(struct buf *out, const struct rule_kind *kind)
{
    buf_printf(out, "\n### %s\n\n%s Reason code `%s`.\n\n```yaml\n- %s\n```\n\n", kind->name,
               kind->help, reason_code(kind->reason), kind->example);
    rule_print_settings(kind->settings, out);
}

static void print_common(struct buf *out)
{
    buf_append_text(out, common);
    buf_append_text(out, "| setting | type | required | meaning |\n|---|---|---|---|\n"
                         "| `id` | text | yes | 1-64 of `a-z`, `0-9`, `-`; unique. Names the rule "
                         "in dead letters and metrics |\n"
                         "| `kind` | text | yes | one of those below |\n");
    for (const struct rule_setting *s = rule_common_settings; s->name != NULL; s++)
        print_setting(out, s);
}

int ruleset_print_reference(struct buf *out)
{
    buf_append_text(out, intro);
    buf_append_text(out, classes);
    buf_append_text(out, match);
    print_common(out);
    print_fields(out);
    buf_append_text(out, "\n## Kinds\n");
    for (size_t i = 0; rule_registry[i] != NULL; i++)
        print_kind(out, rule_registry[i]);
    transform_print_reference(out);
    return out->has_failed ? -1 : 0;
}

/* ---- for the command line ---- */

static void list_settings(const struct rule_setting *settings, struct buf *out)
{
    for (const struct rule_setting *s = settings; s->name != NULL; s++) {
        buf_printf(out, "  %-16s %s%s", s->name, s->is_required ? "required; " : "",
                   type_name(s->type));
        for (size_t i = 0; s->choices != NULL && s->choices[i] != NULL; i++)
            buf_printf(out, "%s %s", i == 0 ? "" : ",", s->choices[i]);
        if (s->unit != RULE_UNIT_NONE)
            buf_printf(out, " (%s)", rule_unit_names(s->unit));
        buf_printf(out, "\n  %-16s %s\n", "", s->help);
    }
}

static void list_settings_json(const struct rule_setting *settings, struct buf *out)
{
    buf_append_char(out, '[');
    for (const struct rule_setting *s = settings; s->name != NULL; s++) {
        buf_printf(out, "%s{\"name\":\"%s\",\"required\":%s,\"help\":", s == settings ? "" : ",",
                   s->name, s->is_required ? "true" : "false");
        buf_append_json(out, bytes_from_text(s->help));
        buf_append_char(out, '}');
    }
    buf_append_char(out, ']');
}

static void list_kind_json(const struct rule_kind *kind, struct buf *out)
{
    buf_printf(out, "{\"kind\":\"%s\",\"reason\":\"%s\",\"help\":", kind->name,
               reason_code(kind->reason));
    buf_append_json(out, bytes_from_text(kind->help));
    buf_append_text(out, ",\"example\":");
    buf_append_json(out, bytes_from_text(kind->example));
    buf_append_text(out, ",\"settings\":");
    list_settings_json(kind->settings, out);
    buf_append_text(out, "}\n");
}

int ruleset_print_kinds(struct buf *out, bool is_json)
{
    for (size_t i = 0; rule_registry[i] != NULL; i++) {
        const struct rule_kind *kind = rule_registry[i];
        if (is_json) {
            list_kind_json(kind, out);
            continue;
        }
        buf_printf(out, "%s\n  %s\n", kind->name, kind->help);
        list_settings(kind->settings, out);
        buf_append_char(out, '\n');
    }
    if (!is_json) {
        buf_append_text(out, "every rule\n");
        list_settings(rule_common_settings, out);
        buf_append_text(out,
                        "\na class of vehicles\n"
                        "  Counts the packets of some vehicles apart; the first that matches.\n"
                        "  name             required; text\n"
                        "                   1-40 of a-z, 0-9, -; a label of the metric\n"
                        "  match            required; condition, as match\n"
                        "                   which packets\n");
    }
    return out->has_failed ? -1 : 0;
}
