/* SPDX-License-Identifier: Apache-2.0 */
/* Schemas against values, each keyword; what is refused, and what is said. The
 * wider proof is the public JSON-Schema-Test-Suite, which is not part of this
 * tree: docs/decisions/ has its counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vehicle/schema/json_schema.h"

static struct json_checker *checker;

static int make_checker(void **state)
{
    (void)state;
    checker = json_checker_new();
    return checker == NULL;
}

static int free_checker(void **state)
{
    (void)state;
    json_checker_free(checker);
    return 0;
}

static struct json_schema *schema_of(const char *text)
{
    struct json_schema *schema;
    struct error err;
    if (json_schema_new(&schema, "test.json", bytes_from_text(text), &err) != 0)
        fail_msg("%s: %s", text, err.text);
    return schema;
}

struct row {
    const char *schema, *value;
    bool is_valid;
};

static const struct row rows[] = {
    {"true", "1", true},
    {"false", "1", false},
    {"{}", "null", true},
    {"{\"type\":\"integer\"}", "1e2", true},
    {"{\"type\":\"integer\"}", "1.0", true},
    {"{\"type\":\"integer\"}", "1.5", false},
    {"{\"type\":\"integer\"}", "123456789012345678901234567890", true},
    {"{\"type\":[\"null\",\"string\"]}", "\"\"", true},
    {"{\"type\":[\"null\",\"string\"]}", "0", false},
    {"{\"maximum\":9007199254740992}", "9007199254740993", false},
    {"{\"maximum\":18446744073709551616}", "18446744073709551616", true},
    {"{\"maximum\":18446744073709551616}", "18446744073709551617", false},
    {"{\"minimum\":-1e400}", "-1e401", false},
    {"{\"minimum\":-1e400}", "-1e400", true},
    {"{\"exclusiveMinimum\":0}", "-0.0", false},
    {"{\"exclusiveMaximum\":0.1}", "0.1", false},
    {"{\"exclusiveMaximum\":0.1}", "0.09999999999999999999999", true},
    {"{\"multipleOf\":0.01}", "19.99", true},
    {"{\"multipleOf\":0.01}", "19.995", false},
    {"{\"multipleOf\":0.5}", "1e308", true},
    {"{\"multipleOf\":3}", "111111111111111111111111111111", true},
    {"{\"multipleOf\":3}", "111111111111111111111111111112", false},
    {"{\"multipleOf\":20}", "1e1", false},
    {"{\"maxLength\":2}", "\"\\ud83d\\ude00\xf0\x9f\x98\x80\"", true},
    {"{\"minLength\":3}", "\"\\ud83d\\ude00\xf0\x9f\x98\x80\"", false},
    {"{\"pattern\":\"^[A-HJ-NPR-Z0-9]{17}$\"}", "\"WVWZZZ1JZXW000001\"", true},
    {"{\"pattern\":\"^[A-HJ-NPR-Z0-9]{17}$\"}", "\"WVWZZZ1JZXW00000I\"", false},
    {"{\"pattern\":\"^\\u00e9+$\"}", "\"\xc3\xa9\\u00e9\"", true},
    {"{\"format\":\"date-time\"}", "\"2026-05-20T12:00:00Z\"", true},
    {"{\"format\":\"date-time\"}", "\"2026-05-20 12:00:00Z\"", false},
    {"{\"format\":\"date-time\"}", "\"2026-05-20\"", false},
    {"{\"enum\":[1,\"a\",{\"x\":[1,null]}]}", "{\"x\":[1.0,null]}", true},
    {"{\"enum\":[1,\"a\"]}", "\"\\u0061\"", true},
    {"{\"enum\":[1,\"a\"]}", "[1]", false},
    {"{\"const\":[1]}", "[1]", true},
    {"{\"const\":[1]}", "1", false},
    {"{\"const\":{\"a\":1,\"b\":2}}", "{\"b\":2,\"a\":1}", true},
    {"{\"required\":[\"a\",\"\\u0062\"]}", "{\"b\":1,\"a\":2}", true},
    {"{\"required\":[\"a\"]}", "{\"b\":1}", false},
    {"{\"required\":[\"a\"]}", "[]", true},
    {"{\"properties\":{\"a\":{\"type\":\"null\"}},\"additionalProperties\":false}", "{\"a\":null}",
     true},
    {"{\"properties\":{\"a\":{\"type\":\"null\"}},\"additionalProperties\":false}",
     "{\"\\u0061\":null,\"b\":1}", false},
    {"{\"patternProperties\":{\"^x\":{\"minimum\":3}},\"additionalProperties\":{\"maximum\":1}}",
     "{\"x\":4,\"y\":1}", true},
    {"{\"patternProperties\":{\"^x\":{\"minimum\":3}},\"additionalProperties\":{\"maximum\":1}}",
     "{\"y\":4}", false},
    {"{\"propertyNames\":{\"maxLength\":2}}", "{\"abc\":1}", false},
    {"{\"dependentRequired\":{\"a\":[\"b\"]}}", "{\"a\":1}", false},
    {"{\"dependentSchemas\":{\"a\":{\"minProperties\":2}}}", "{\"a\":1}", false},
    {"{\"prefixItems\":[{\"type\":\"string\"}],\"items\":{\"type\":\"null\"}}", "[\"a\",null]",
     true},
    {"{\"prefixItems\":[{\"type\":\"string\"}],\"items\":{\"type\":\"null\"}}", "[\"a\",1]", false},
    {"{\"contains\":{\"const\":1},\"minContains\":2,\"maxContains\":3}", "[1,0,1]", true},
    {"{\"contains\":{\"const\":1},\"minContains\":2,\"maxContains\":3}", "[1,1,1,1]", false},
    {"{\"uniqueItems\":true}", "[1,\"1\",[1],{\"a\":1,\"b\":2},{\"b\":1,\"a\":2}]", true},
    {"{\"uniqueItems\":true}", "[{\"a\":1,\"b\":2},{\"b\":2.0,\"a\":1}]", false},
    {"{\"uniqueItems\":true}", "[\"\\u0061\",\"a\"]", false},
    {"{\"minItems\":2,\"maxItems\":2}", "[1]", false},
    {"{\"allOf\":[{\"minimum\":1},{\"maximum\":3}]}", "4", false},
    {"{\"anyOf\":[{\"minimum\":10},{\"type\":\"string\"}]}", "\"x\"", true},
    {"{\"oneOf\":[{\"minimum\":1},{\"maximum\":3}]}", "2", false},
    {"{\"not\":{\"type\":\"object\"}}", "{}", false},
    {"{\"if\":{\"minimum\":5},\"then\":{\"multipleOf\":5},\"else\":{\"const\":1}}", "7", false},
    {"{\"if\":{\"minimum\":5},\"then\":{\"multipleOf\":5},\"else\":{\"const\":1}}", "1", true},
    {"{\"$ref\":\"#/$defs/a%20b\",\"$defs\":{\"a b\":{\"type\":\"null\"}}}", "0", false},
    {"{\"$ref\":\"#here\",\"$defs\":{\"x\":{\"$anchor\":\"here\",\"type\":\"null\"}}}", "0", false},
    {"{\"properties\":{\"next\":{\"$ref\":\"#\"}},\"additionalProperties\":false}",
     "{\"next\":{\"next\":{\"other\":1}}}", false},
    {"{\"title\":\"t\",\"description\":\"d\",\"x-own\":1,\"examples\":[1]}", "1", true},
    {"true", "{\"a\":1,\"a\":2}", false},
    {"true", "[1", false},
};

static void each_keyword_decides(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct json_schema *schema = schema_of(rows[i].schema);
        bool is_valid = json_schema_check(schema, checker, bytes_from_text(rows[i].value));
        char why[JSON_SCHEMA_DETAIL_MAX] = "";
        if (!is_valid)
            json_schema_explain(checker, why, sizeof why);
        if (is_valid != rows[i].is_valid)
            fail_msg("%s on %s: %d %s", rows[i].schema, rows[i].value, is_valid, why);
        assert_true(is_valid || why[0] != '\0');
        json_schema_free(schema);
    }
}

static const struct {
    const char *schema, *error;
} refused[] = {
    {"{\"minimun\":1}", "test.json: /minimun: unknown keyword; did you mean \"minimum\"?"},
    {"{\"properties\":{\"a\":{\"unevaluatedItems\":false}}}",
     "test.json: /properties/a/unevaluatedItems: this keyword is not known here"},
    {"{\"format\":\"email\"}", "test.json: /format: of the formats only \"date-time\" is checked"},
    {"{\"$ref\":\"other.json\"}", "test.json: /$ref: \"other.json\" is not in this file"},
    {"{\"$ref\":\"#/$defs/a\"}", "test.json: /$ref: \"#/$defs/a\" leads nowhere"},
    {"{\"$ref\":\"#a\"}", "test.json: /$ref: no schema has this $anchor"},
    {"{\"$ref\":\"#\"}", "itself without going into the value"},
    {"{\"allOf\":[{\"$ref\":\"#/$defs/a\"}],\"$defs\":{\"a\":{\"not\":{\"$ref\":\"#\"}}}}",
     "itself without going into the value"},
    {"{\"pattern\":\"(?=a)\"}", "test.json: /pattern: the expression can't be used: only (?: )"},
    {"{\"type\":\"int\"}", "test.json: /type: a type is null, boolean"},
    {"{\"maxLength\":-1}", "test.json: /maxLength: must be an integer of at least 0"},
    {"{\"multipleOf\":0}", "test.json: /multipleOf: must be a number above 0"},
    {"{\"items\":[{}]}", "test.json: /items: a list of schemas is \"prefixItems\""},
    {"{\"properties\":{\"a\":{\"$id\":\"x\"}}}", "$id is known only at the top"},
    {"{\"$schema\":\"http://json-schema.org/draft-07/schema#\"}", "only draft 2020-12 is known"},
    {"{\"a\":1,\"a\":2}", "test.json: byte 7"},
    {"[]", "test.json: /: a schema is an object, true or false"},
    {"", "test.json: byte 0"},
};

static void what_is_not_supported_is_refused_with_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct json_schema *schema;
        struct error err = {0};
        assert_int_equal(
            json_schema_new(&schema, "test.json", bytes_from_text(refused[i].schema), &err), -1);
        assert_int_equal(err.kind, ERROR_CONFIG);
        if (strstr(err.text, refused[i].error) == NULL)
            fail_msg("%s: %s", refused[i].schema, err.text);
    }
}

static const struct {
    const char *schema, *value, *why;
} explained[] = {
    {"{\"properties\":{\"a\":{\"items\":{\"maximum\":200}}}}", "{\"a\":[1,250]}",
     "/a/1: 250 is not valid for \"maximum\": 200"},
    {"{\"properties\":{\"a\":{\"required\":[\"vin\"]}}}", "{\"a\":{}}", "/a: \"vin\" is missing"},
    {"{\"additionalProperties\":false}", "{\"a/b\":7}", "/a~1b: 7 is not allowed there"},
    {"{\"anyOf\":[{\"minimum\":3},{\"type\":\"null\"}]}", "1",
     "the packet: 1 is not valid for \"anyOf\": [{\"minimum\":3},{\"type\":\"null\"}]"},
    {"{\"propertyNames\":{\"maxLength\":1}}", "{\"ab\":1}",
     "/ab: \"ab\" is not valid for \"maxLength\": 1"},
    {"{}", "[1", "byte 2: expected ',' or ']', found the end"},
};

static void a_failure_names_the_place_and_the_keyword(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof explained / sizeof explained[0]; i++) {
        struct json_schema *schema = schema_of(explained[i].schema);
        char why[JSON_SCHEMA_DETAIL_MAX];
        assert_false(json_schema_check(schema, checker, bytes_from_text(explained[i].value)));
        json_schema_explain(checker, why, sizeof why);
        assert_string_equal(why, explained[i].why);
        json_schema_free(schema);
    }
}

/* Each level asks twice about the level below: 2^64 without a bound. */
static void work_is_bounded(void **state)
{
    (void)state;
    struct json_schema *schema =
        schema_of("{\"anyOf\":[{\"properties\":{\"a\":{\"$ref\":\"#\"}},\"not\":{}},"
                  "{\"properties\":{\"a\":{\"$ref\":\"#\"}},\"not\":true}]}");
    char value[512] = "";
    for (int i = 0; i < 60; i++)
        strcat(value, "{\"a\":");
    strcat(value, "{\"d\":1}");
    for (int i = 0; i < 60; i++)
        strcat(value, "}");
    char why[JSON_SCHEMA_DETAIL_MAX];
    assert_false(json_schema_check(schema, checker, bytes_from_text(value)));
    json_schema_explain(checker, why, sizeof why);
    assert_string_equal(why, "checking takes more than 1048576 steps");
    json_schema_free(schema);
}

/* A long row of $ref would cost stack for every value. */
static void rows_of_references_are_bounded(void **state)
{
    (void)state;
    char text[8192] = "{\"$ref\":\"#/$defs/0\",\"$defs\":{";
    for (int i = 0; i < 100; i++)
        sprintf(text + strlen(text), "\"%d\":{\"$ref\":\"#/$defs/%d\"},", i, i + 1);
    strcat(text, "\"100\":{}}}");
    struct json_schema *schema;
    struct error err;
    assert_int_equal(json_schema_new(&schema, "test.json", bytes_from_text(text), &err), -1);
    assert_non_null(strstr(err.text, "more than 32 schemas for one value in a row"));
}

static void a_checker_is_used_again(void **state)
{
    (void)state;
    struct json_schema *schema = schema_of("{\"uniqueItems\":true}");
    for (int i = 0; i < 3; i++) {
        assert_false(json_schema_check(schema, checker, BYTES("[1,1]")));
        assert_true(json_schema_check(schema, checker, BYTES("[1,2]")));
    }
    json_schema_free(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_keyword_decides),
        cmocka_unit_test(what_is_not_supported_is_refused_with_its_place),
        cmocka_unit_test(a_failure_names_the_place_and_the_keyword),
        cmocka_unit_test(work_is_bounded),
        cmocka_unit_test(rows_of_references_are_bounded),
        cmocka_unit_test(a_checker_is_used_again),
    };
    return cmocka_run_group_tests(tests, make_checker, free_checker);
}
