/* SPDX-License-Identifier: Apache-2.0 */
#include "live/params.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/text.h"
#include "codec/http1.h"

enum { KNOWN_MAX = 16 };

/* The next name=value of the query; false at its end. */
static bool next_pair(struct bytes *query, struct bytes *name, struct bytes *value)
{
    if (query->len == 0)
        return false;
    const char *end = memchr(query->ptr, '&', query->len);
    size_t len = end == NULL ? query->len : (size_t)(end - query->ptr);
    const char *equal = len == 0 ? NULL : memchr(query->ptr, '=', len);
    size_t name_len = equal == NULL ? len : (size_t)(equal - query->ptr);
    *name = bytes_of(query->ptr, name_len);
    *value =
        equal == NULL ? bytes_of(query->ptr + len, 0) : bytes_of(equal + 1, len - name_len - 1);
    size_t taken = end == NULL ? len : len + 1;
    *query = bytes_of(query->ptr + taken, query->len - taken);
    return true;
}

static bool is_decodable(struct bytes value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char byte;
        if (value.ptr[i] != '%')
            continue;
        if (value.len - i < 3 || !text_to_hex_bytes(bytes_of(value.ptr + i + 1, 2), &byte, 1) ||
            byte == 0)
            return false;
    }
    return true;
}

static int find_known(const char *const *known, struct bytes name)
{
    for (int i = 0; i < KNOWN_MAX && known[i] != NULL; i++)
        if (bytes_equal_text(name, known[i]))
            return i;
    return -1;
}

static bool refuse_unknown(struct bytes name, const char *const *known, char *problem, size_t size)
{
    /* What a stranger sent is not echoed but for plain letters. */
    int shown = 0;
    while ((size_t)shown < name.len && shown < 32 &&
           ((name.ptr[shown] >= 'a' && name.ptr[shown] <= 'z') ||
            (name.ptr[shown] >= 'A' && name.ptr[shown] <= 'Z') || name.ptr[shown] == '_'))
        shown++;
    size_t len = (size_t)snprintf(problem, size, "unknown parameter \"%.*s\"; known here:%s", shown,
                                  name.ptr, known[0] == NULL ? " none" : "");
    for (int i = 0; known[i] != NULL && len < size; i++)
        len += (size_t)snprintf(problem + len, size - len, "%s %s", i == 0 ? "" : ",", known[i]);
    return false;
}

bool params_check(struct bytes query, const char *const *known, char *problem, size_t size)
{
    bool is_seen[KNOWN_MAX] = {false};
    struct bytes name, value;
    while (next_pair(&query, &name, &value)) {
        int i = find_known(known, name);
        if (i < 0)
            return refuse_unknown(name, known, problem, size);
        if (is_seen[i]) {
            snprintf(problem, size, "parameter %s is given twice", known[i]);
            return false;
        }
        is_seen[i] = true;
        if (!is_decodable(value)) {
            snprintf(problem, size, "parameter %s is not percent-encoded as it should be",
                     known[i]);
            return false;
        }
    }
    return true;
}

bool params_has(struct bytes query, const char *wanted)
{
    struct bytes name, value;
    while (next_pair(&query, &name, &value))
        if (bytes_equal_text(name, wanted))
            return true;
    return false;
}

bool params_number(struct bytes query, const char *name, uint64_t least, uint64_t most,
                   uint64_t fallback, uint64_t *out, char *problem, size_t size)
{
    char text[TEXT_U64_MAX + 1];
    *out = fallback;
    if (!params_has(query, name))
        return true;
    if (http1_query_value(query, name, text, sizeof text) &&
        text_to_u64(bytes_from_text(text), out) && *out >= least && *out <= most)
        return true;
    snprintf(problem, size, "parameter %s is a whole number from %" PRIu64 " to %" PRIu64, name,
             least, most);
    return false;
}
