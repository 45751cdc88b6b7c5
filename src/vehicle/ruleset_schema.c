/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON Schema (draft 7, which editors know best) of a ruleset's file, from the
 * same tables as the reading of it. */
#include "base/text.h"
#include "vehicle/dialect.h"
#include "vehicle/ruleset.h"
#include "vehicle/transform/transform.h"

/* ---- pieces ---- */

static void put_text(struct buf *out, const char *text)
{
    buf_append_json(out, bytes_from_text(text));
}

static void put_number(struct buf *out, double number)
{
    char text[TEXT_DOUBLE_MAX];
    buf_append(out, text, text_from_double(text, number));
}

static void put_choices(struct buf *out, const char *const *choices)
{
    buf_append_text(out, "\"enum\":[");
    for (size_t i = 0; choices[i] != NULL; i++) {
        buf_append_text(out, i == 0 ? "" : ",");
        put_text(out, choices[i]);
    }
    buf_append_char(out, ']');
}

static void put_bounds(struct buf *out, const struct rule_setting *setting)
{
    if (setting->min == 0 && setting->max == 0)
        return;
    buf_append_text(out, ",\"minimum\":");
    put_number(out, setting->min);
    buf_append_text(out, ",\"maximum\":");
    put_number(out, setting->max);
}

/* "m/s, km/h, mph or kn" as m/s|km/h|mph|kn. */
static void put_units(struct buf *out, enum rule_unit unit)
{
    const char *at = rule_unit_names(unit);
    while (*at != '\0') {
        size_t len = strcspn(at, ", ");
        buf_append(out, at, len);
        at += len;
        if (*at == '\0')
            return;
        buf_append_char(out, '|');
        at += strncmp(at, ", ", 2) == 0 ? 2 : strlen(" or ");
    }
}

static void put_quantity(struct buf *out, enum rule_unit unit)
{
    buf_append_text(out, "\"oneOf\":[{\"type\":\"string\",\"pattern\":\"^[+-]?[0-9.]+ ?(");
    put_units(out, unit);
    buf_append_text(out, ")$\"},{\"const\":0}]");
}

/* What stands where one of these is wanted; without braces. */
static void put_type(struct buf *out, const struct rule_setting *setting)
{
    switch (setting->type) {
    case RULE_SETTING_FIELD:
        buf_append_text(out, "\"allOf\":[{\"$ref\":\"#/definitions/field\"}]");
        return;
    case RULE_SETTING_FIELDS:
        buf_append_text(out, "\"allOf\":[{\"$ref\":\"#/definitions/fields\"}]");
        return;
    case RULE_SETTING_NUMBER:
        if (setting->unit != RULE_UNIT_NONE) {
            put_quantity(out, setting->unit);
            return;
        }
        buf_append_text(out, "\"type\":\"number\"");
        put_bounds(out, setting);
        return;
    case RULE_SETTING_INTEGER:
        buf_append_text(out, "\"type\":\"integer\"");
        put_bounds(out, setting);
        return;
    case RULE_SETTING_BOOL:
        buf_append_text(out, "\"type\":\"boolean\"");
        return;
    case RULE_SETTING_DURATION:
        buf_append_text(out, "\"type\":\"string\",\"pattern\":\"^[0-9.]+(ns|us|ms|s|m|h|d)$\"");
        return;
    case RULE_SETTING_VALUES:
        buf_append_text(out, "\"allOf\":[{\"$ref\":\"#/definitions/values\"}]");
        return;
    case RULE_SETTING_CHOICE:
        put_choices(out, setting->choices);
        return;
    case RULE_SETTING_TEXTS:
        buf_append_text(out, "\"allOf\":[{\"$ref\":\"#/definitions/texts\"}]");
        return;
    case RULE_SETTING_TEXT:
    case RULE_SETTING_TEMPLATE:
    case RULE_SETTING_FILE:
        buf_append_text(out, "\"type\":\"string\",\"minLength\":1");
        return;
    case RULE_SETTING_CONDITION:
        buf_append_text(out, "\"allOf\":[{\"$ref\":\"#/definitions/match\"}]");
        return;
    case RULE_SETTING_NODE:
        buf_append_text(out, "\"not\":{\"type\":\"null\"}");
        return;
    }
}

static void put_setting(struct buf *out, const struct rule_setting *setting)
{
    put_text(out, setting->name);
    buf_append_text(out, ":{");
    put_type(out, setting);
    buf_append_text(out, ",\"description\":");
    put_text(out, setting->help);
    buf_append_char(out, '}');
}

/* ---- definitions ---- */

static void put_field(struct buf *out)
{
    buf_append_text(out, "\"field\":{\"anyOf\":[{\"enum\":[");
    for (const struct field_info *info = field_table; info->name != NULL; info++) {
        buf_append_text(out, info == field_table ? "" : ",");
        put_text(out, info->name);
    }
    buf_append_text(out,
                    "]},{\"type\":\"string\",\"minLength\":1}]},\n"
                    "\"fields\":{\"oneOf\":[{\"$ref\":\"#/definitions/field\"},{\"type\":"
                    "\"array\",\"minItems\":1,\"items\":{\"$ref\":\"#/definitions/field\"}}]},\n");
}

static void put_values(struct buf *out)
{
    buf_append_text(
        out, "\"value\":{\"type\":[\"string\",\"number\",\"boolean\",\"null\"]},\n"
             "\"values\":{\"type\":\"array\",\"minItems\":1,\"items\":{\"$ref\":"
             "\"#/definitions/value\"}},\n"
             "\"texts\":{\"oneOf\":[{\"type\":\"string\",\"minLength\":1},{\"type\":\"array\","
             "\"minItems\":1,\"items\":{\"type\":\"string\",\"minLength\":1}}]},\n");
}

static void put_match(struct buf *out)
{
    buf_append_text(out, "\"dialect\":{\"enum\":[");
    for (size_t i = 0; dialect_registry[i] != NULL; i++) {
        buf_append_text(out, i == 0 ? "" : ",");
        put_text(out, dialect_registry[i]->name);
    }
    buf_append_text(
        out,
        "]},\n"
        "\"comparison\":{\"type\":\"object\",\"required\":[\"field\"],\"minProperties\":2,"
        "\"additionalProperties\":false,\"properties\":{\"field\":{\"$ref\":\"#/definitions/"
        "field\"},"
        "\"equals\":{\"$ref\":\"#/definitions/value\"},\"one_of\":{\"$ref\":\"#/definitions/"
        "values\"},"
        "\"starts_with\":{\"$ref\":\"#/definitions/texts\"},"
        "\"above\":{\"type\":\"number\"},\"at_least\":{\"type\":\"number\"},\"below\":{\"type\":"
        "\"number\"},\"at_most\":{\"type\":\"number\"}}},\n"
        "\"match\":{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
        "\"dialect\":{\"oneOf\":[{\"$ref\":\"#/definitions/"
        "dialect\"},{\"type\":\"array\",\"items\":"
        "{\"$ref\":\"#/definitions/dialect\"}}]},"
        "\"type\":{\"$ref\":\"#/definitions/texts\"},"
        "\"present\":{\"$ref\":\"#/definitions/fields\"},\"absent\":{\"$ref\":"
        "\"#/definitions/fields\"},"
        "\"where\":{\"type\":\"array\",\"minItems\":1,\"items\":{\"$ref\":"
        "\"#/definitions/comparison\"}},"
        "\"any\":{\"type\":\"array\",\"minItems\":1,\"items\":{\"$ref\":\"#/definitions/match\"}},"
        "\"all\":{\"type\":\"array\",\"minItems\":1,\"items\":{\"$ref\":\"#/definitions/match\"}},"
        "\"not\":{\"$ref\":\"#/definitions/match\"}}},\n");
}

/* ,"required":[…],"properties":{…: an object's beginning and the settings that are
 * its own; the caller closes both braces. */
static void put_object(struct buf *out, const char *name, const char *help, const char *required,
                       const struct rule_setting *settings)
{
    buf_append_text(out, "{\"type\":\"object\",\"title\":");
    put_text(out, name);
    buf_append_text(out, ",\"description\":");
    put_text(out, help);
    buf_printf(out, ",\"additionalProperties\":false,\"required\":[%s", required);
    for (const struct rule_setting *s = settings; s->name != NULL; s++) {
        if (!s->is_required)
            continue;
        buf_append_char(out, ',');
        put_text(out, s->name);
    }
    buf_append_text(out, "],\"properties\":{");
    for (const struct rule_setting *s = settings; s->name != NULL; s++) {
        put_setting(out, s);
        buf_append_char(out, ',');
    }
}

static void put_kind(struct buf *out, const struct rule_kind *kind)
{
    put_object(out, kind->name, kind->help, "\"id\",\"kind\"", kind->settings);
    for (const struct rule_setting *s = rule_common_settings; s->name != NULL; s++)
        buf_printf(out, "\"%s\":{\"$ref\":\"#/definitions/every/%s\"},", s->name, s->name);
    buf_printf(out, "\"id\":{\"$ref\":\"#/definitions/id\"},\"kind\":{\"const\":\"%s\"}}}",
               kind->name);
}

static void put_transforms(struct buf *out)
{
    buf_append_text(out, "\"transform\":{\"oneOf\":[{\"type\":\"null\"},{\"type\":\"array\","
                         "\"items\":{\"oneOf\":[\n");
    for (size_t i = 0; transform_registry[i] != NULL; i++) {
        const struct transform_kind *kind = transform_registry[i];
        buf_append_text(out, i == 0 ? "" : ",\n");
        put_object(out, kind->name, kind->help, "\"op\"", kind->settings);
        buf_printf(out, "\"op\":{\"const\":\"%s\"}}}", kind->name);
    }
    buf_append_text(out, "]}}]},\n");
}

static void put_rules(struct buf *out)
{
    buf_append_text(out, "\"id\":{\"type\":\"string\",\"pattern\":\"^[a-z0-9][a-z0-9-]{0,63}$\"},\n"
                         "\"every\":{");
    for (const struct rule_setting *s = rule_common_settings; s->name != NULL; s++) {
        buf_append_text(out, s == rule_common_settings ? "" : ",");
        put_setting(out, s);
    }
    buf_append_text(out, "},\n\"rule\":{\"oneOf\":[\n");
    for (size_t i = 0; rule_registry[i] != NULL; i++) {
        buf_append_text(out, i == 0 ? "" : ",\n");
        put_kind(out, rule_registry[i]);
    }
    buf_append_text(out, "]},\n\"rules\":{\"oneOf\":[{\"type\":\"null\"},{\"type\":\"array\","
                         "\"items\":{\"$ref\":\"#/definitions/rule\"}}]}");
}

int ruleset_print_json_schema(struct buf *out)
{
    buf_append_text(
        out,
        "{\"$schema\":\"http://json-schema.org/draft-07/schema#\",\"title\":\"motorcade rules\",\n"
        "\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
        "\"version\":{\"const\":1},\"transform\":{\"$ref\":\"#/definitions/"
        "transform\"},\"rules\":{\"$ref\":\"#/definitions/rules\"},\n"
        "\"categories\":{\"oneOf\":[{\"type\":\"null\"},{\"type\":\"array\",\"items\":{\"type\":"
        "\"object\",\"required\":[\"name\"],\"additionalProperties\":false,\"properties\":{"
        "\"name\":{\"type\":\"string\",\"pattern\":\"^[a-z0-9][a-z0-9-]{0,39}$\"},"
        "\"match\":{\"$ref\":\"#/definitions/match\"},\"transform\":{\"$ref\":\"#/definitions/"
        "transform\"},\"rules\":{\"$ref\":\"#/definitions/rules\"}}"
        "}}]},\n"
        "\"classes\":{\"oneOf\":[{\"type\":\"null\"},{\"type\":\"array\",\"maxItems\":63,\"items\":"
        "{"
        "\"type\":\"object\",\"required\":[\"name\",\"match\"],\"additionalProperties\":false,"
        "\"properties\":{\"name\":{\"type\":\"string\",\"pattern\":\"^[a-z0-9][a-z0-9-]{0,39}$\","
        "\"not\":{\"const\":\"other\"}},\"match\":{\"$ref\":\"#/definitions/match\"}}}}]}},\n"
        "\"definitions\":{\n");
    put_field(out);
    put_values(out);
    put_match(out);
    put_transforms(out);
    put_rules(out);
    buf_append_text(out, "}}\n");
    return out->has_failed ? -1 : 0;
}
