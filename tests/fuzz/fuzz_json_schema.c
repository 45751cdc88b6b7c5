/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a schema and a value, a NUL between them: the schema is refused
 * with words, or decides on the value, twice the same and with a reason. */
#include <stdint.h>
#include <stdlib.h>

#include "base/must.h"
#include "vehicle/schema/json_schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct json_checker *checker;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    const char *split = size == 0 ? NULL : memchr(text, '\0', size);
    size_t schema_len = split == NULL ? size : (size_t)(split - text);
    struct bytes value =
        split == NULL ? BYTES("{\"a\":[1,\"b\"]}") : bytes_of(split + 1, size - schema_len - 1);
    struct json_schema *schema;
    struct error err = {0};
    if (json_schema_new(&schema, "fuzz", bytes_of(text, schema_len), &err) != 0) {
        must(err.text[0] != '\0');
        return 0;
    }
    if (checker == NULL)
        checker = json_checker_new();
    must(checker != NULL);
    bool is_valid = json_schema_check(schema, checker, value);
    if (!is_valid) {
        char why[JSON_SCHEMA_DETAIL_MAX] = "";
        json_schema_explain(checker, why, sizeof why);
        must(why[0] != '\0');
    }
    must(json_schema_check(schema, checker, value) == is_valid);
    json_schema_free(schema);
    return 0;
}
