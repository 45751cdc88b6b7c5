/* SPDX-License-Identifier: Apache-2.0 */
#include "jansson_oracle.h"

#include <jansson.h>

static bool is_limit(const json_error_t *error)
{
    static const char *const limits[] = {"real number overflow", "too big",
                                         "NUL byte in object key"};
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
        if (strstr(error->text, limits[i]) != NULL)
            return true;
    return false;
}

enum oracle_verdict jansson_oracle(struct bytes text)
{
    /* It passes over a NUL byte behind a number. */
    if (text.len > 0 && memchr(text.ptr, '\0', text.len) != NULL)
        return ORACLE_BEYOND_ITS_LIMITS;
    json_error_t error;
    size_t flags = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL;
    json_t *tree = json_loadb(text.ptr, text.len, flags, &error);
    if (tree == NULL)
        return is_limit(&error) ? ORACLE_BEYOND_ITS_LIMITS : ORACLE_NOT_JSON;
    json_decref(tree);
    return ORACLE_JSON;
}
