/* SPDX-License-Identifier: Apache-2.0 */
/* json_schema: the packet as it was sent is valid for a JSON Schema. */
#include <stdio.h>

#include "vehicle/rule/rule.h"
#include "vehicle/schema/json_schema.h"

struct json_schema_rule {
    struct rule_file file;
    const struct json_schema *schema;
    unsigned index; /* of the rule: of its machine */
};

static const struct rule_setting settings[] = {
    {.name = "schema",
     .type = RULE_SETTING_FILE,
     .offset = offsetof(struct json_schema_rule, file),
     .is_required = true,
     .bytes_max = JSON_SCHEMA_TEXT_MAX,
     .help = "a file with a JSON Schema of draft 2020-12, relative to this one. What of the draft "
             "is not supported is refused, never passed over"},
    {0},
};

static void free_schema(void *schema)
{
    json_schema_free(schema);
}

static int compile(struct rule_build *build, void *check, struct rule_test *test, struct error *err)
{
    (void)test;
    struct json_schema_rule *rule = check;
    struct json_schema *schema;
    struct error cause;
    if (json_schema_new(&schema, rule->file.path.ptr, rule->file.text, &cause) != 0)
        return yaml_error(yaml_get(build->node, "schema"), err, "%s", cause.text);
    if (rule_defer(build->arena, free_schema, schema, err) != 0) {
        json_schema_free(schema);
        return -1;
    }
    rule->schema = schema;
    rule->index = build->rule->index;
    return 0;
}

static void *machine_new(const void *check, struct error *err)
{
    (void)check;
    struct json_checker *checker = json_checker_new();
    if (checker == NULL)
        error_set(err, ERROR_MEMORY, "no memory to check JSON");
    return checker;
}

static void machine_free(void *machine)
{
    json_checker_free(machine);
}

static bool run(const void *check, const struct packet *packet, const struct rule_context *context)
{
    const struct json_schema_rule *rule = check;
    return json_schema_check(rule->schema, rule_machine(context, rule->index), packet->original);
}

static void explain(const void *check, const struct packet *packet,
                    const struct rule_context *context, char *out, size_t cap)
{
    (void)packet;
    const struct json_schema_rule *rule = check;
    json_schema_explain(rule_machine(context, rule->index), out, cap);
}

const struct rule_kind rule_json_schema = {
    .name = "json_schema",
    .help = "The packet, as it was sent, is valid for a JSON Schema (draft 2020-12).",
    .example = "{id: event-form, kind: json_schema, schema: event.schema.json}",
    .reason = REASON_RULE_JSON_SCHEMA,
    .settings = settings,
    .check_size = sizeof(struct json_schema_rule),
    .compile = compile,
    .machine_new = machine_new,
    .machine_free = machine_free,
    .run = run,
    .explain = explain,
};
