/* SPDX-License-Identifier: Apache-2.0 */
/* JSON Schema, draft 2020-12: a schema is compiled once into nodes of flat
 * checks; a JSON text is then checked against it without taking memory.
 *
 * Taken: type enum const; minimum maximum exclusiveMinimum exclusiveMaximum
 * multipleOf (exact for numbers of any length); minLength maxLength pattern
 * (regex.h); format date-time; properties patternProperties
 * additionalProperties propertyNames required dependentRequired
 * dependentSchemas minProperties maxProperties; prefixItems items contains
 * minContains maxContains minItems maxItems uniqueItems; allOf anyOf oneOf not
 * if then else; $ref within the file (pointers and $anchor), $defs; notes such
 * as title and description.
 * Anything else is refused when the schema is compiled, never passed over: other
 * formats, $dynamicRef, unevaluated*, $id inside the schema, references to other
 * files, unknown keywords (but x-…).
 *
 * Bounds: a schema of JSON_SCHEMA_TEXT_MAX bytes; references that lead back to
 * where they started without going into the value are refused; a check stops
 * after JSON_SCHEMA_WORK_MAX steps and the text is then not valid.
 *
 * A schema is immutable and shared between threads; each thread that checks owns
 * a checker. */
#pragma once

#include "base/error.h"
#include "base/bytes.h"

enum {
    JSON_SCHEMA_TEXT_MAX = 1 << 20,
    JSON_SCHEMA_WORK_MAX = 1 << 20,
    JSON_SCHEMA_DETAIL_MAX = 200,
};

struct json_schema;
struct json_checker;

/* `name` is for errors: "name: /properties/speed: …", a JSON pointer into the
 * schema, or "name: byte 17: …". The text is copied. */
int json_schema_new(struct json_schema **out, const char *name, struct bytes text,
                    struct error *err);
void json_schema_free(struct json_schema *schema);

/* NULL without memory. */
struct json_checker *json_checker_new(void);
void json_checker_free(struct json_checker *checker);
/* Is this JSON text valid? Text that is no JSON is not. */
bool json_schema_check(const struct json_schema *schema, struct json_checker *checker,
                       struct bytes text);
/* After a check that said false, while its text is still there: where and why, in
 * one sentence: "/speed: 250 is not valid for \"maximum\": 200". */
void json_schema_explain(const struct json_checker *checker, char *out, size_t size);
