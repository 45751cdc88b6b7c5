/* SPDX-License-Identifier: Apache-2.0 */
/* Percent-decoding of what a role takes from a request's target (RFC 3986
 * section 2.1). A decoded NUL is refused: callers work with C text. */
#include "base/text.h"
#include "codec/http1.h"

static bool decode(struct bytes in, bool is_plus_space, char *out, size_t out_size, size_t *len)
{
    size_t n = 0;
    for (size_t i = 0; i < in.len; i++) {
        unsigned char c = (unsigned char)in.ptr[i];
        if (c == '%') {
            if (in.len - i < 3 || !text_to_hex_bytes(bytes_of(in.ptr + i + 1, 2), &c, 1) || c == 0)
                return false;
            i += 2;
        } else if (c == '+' && is_plus_space) {
            c = ' ';
        }
        if (n + 1 >= out_size)
            return false;
        out[n++] = (char)c;
    }
    if (out_size == 0)
        return false;
    out[n] = '\0';
    *len = n;
    return true;
}

bool http1_query_value(struct bytes query, const char *name, char *out, size_t out_size)
{
    struct bytes wanted = bytes_from_text(name);
    while (query.len > 0) {
        const char *and = memchr(query.ptr, '&', query.len);
        size_t pair_len = and == NULL ? query.len : (size_t)(and-query.ptr);
        const char *equal = memchr(query.ptr, '=', pair_len);
        size_t name_len = equal == NULL ? pair_len : (size_t)(equal - query.ptr);
        if (bytes_equal(bytes_of(query.ptr, name_len), wanted)) {
            size_t skip = equal == NULL ? pair_len : name_len + 1;
            size_t len;
            return decode(bytes_of(query.ptr + skip, pair_len - skip), true, out, out_size, &len);
        }
        size_t taken = and == NULL ? pair_len : pair_len + 1;
        query = bytes_of(query.ptr + taken, query.len - taken);
    }
    return false;
}

bool http1_decode_segment(struct bytes segment, char *out, size_t out_size, size_t *len)
{
    return decode(segment, false, out, out_size, len);
}
