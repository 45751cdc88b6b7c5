/* SPDX-License-Identifier: Apache-2.0 */
/* Up to its position a canonical packet has one form and, but for the vehicle,
 * fixed lengths: so its place can be read without the rest. */
#include "base/text.h"
#include "vehicle/canonical.h"

enum {
    IDENTITY_CHARS = 2 * PACKET_IDENTITY_LEN,
    TIME_CHARS = sizeof "2008-05-20T07:00:00.000Z" - 1,
    RECEIVED_CHARS = sizeof "2008-05-20T07:00:00.000000000Z" - 1,
};

static bool skip(struct bytes *rest, struct bytes wanted)
{
    if (rest->len < wanted.len || memcmp(rest->ptr, wanted.ptr, wanted.len) != 0)
        return false;
    *rest = bytes_of(rest->ptr + wanted.len, rest->len - wanted.len);
    return true;
}

static bool skip_chars(struct bytes *rest, size_t len)
{
    if (rest->len < len)
        return false;
    *rest = bytes_of(rest->ptr + len, rest->len - len);
    return true;
}

static bool take_number(struct bytes *rest, double *out)
{
    size_t len = 0;
    while (len < rest->len && rest->ptr[len] != ',' && rest->ptr[len] != '}')
        len++;
    return text_to_double(bytes_of(rest->ptr, len), out) && skip_chars(rest, len);
}

bool canonical_place(struct bytes value, struct bytes vehicle, double *lat, double *lon)
{
    struct bytes rest = value;
    if (!skip(&rest, BYTES("{\"vehicle\":\"")) || !skip(&rest, vehicle) ||
        !skip(&rest, BYTES("\",\"identity\":\"")) || !skip_chars(&rest, IDENTITY_CHARS))
        return false;
    if (skip(&rest, BYTES("\",\"time\":\"")) && !skip_chars(&rest, TIME_CHARS))
        return false;
    return skip(&rest, BYTES("\",\"received\":\"")) && skip_chars(&rest, RECEIVED_CHARS) &&
           skip(&rest, BYTES("\",\"lat\":")) && take_number(&rest, lat) &&
           skip(&rest, BYTES(",\"lon\":")) && take_number(&rest, lon);
}
