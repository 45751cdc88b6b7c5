/* SPDX-License-Identifier: Apache-2.0 */
/* A JSON number as what it says: an integer times a power of ten, exact up to
 * 19 digits. From it integers, times and doubles come without rounding twice. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/word.h"

struct decimal {
    uint64_t digits; /* the first 19 significant ones */
    int32_t exp10;   /* value = digits * 10^exp10; beyond +-1,000,000 it stays there */
    bool is_negative;
    bool is_cut; /* non-zero digits follow that did not fit: the value is a little further from 0 */
    bool is_integer; /* written without fraction and exponent */
};

/* Longest JSON number (RFC 8259 section 6) at p; returns what follows, NULL when
 * none stands there. `out` may be NULL. */
const char *decimal_scan(const char *p, const char *end, struct decimal *out);

/* The double nearest to the value (ties to even); +-inf beyond. `text` is what
 * was scanned: needed for the few that must go through strtod. NAN without
 * memory (only for texts over 64 bytes). */
double decimal_to_double(const struct decimal *decimal, struct bytes text);

extern const double decimal_powers[23];         /* 10^0 .. 10^22, all exact */
extern const uint64_t decimal_whole_powers[19]; /* 10^0 .. 10^18 */

/* Up to 19 digits from p, which is in a text of at least eight bytes: returns
 * what follows; NULL for more. *count is 0 when no digit stands there. */
static inline __attribute__((always_inline)) const char *decimal_scan_digits(const char *p,
                                                                             const char *end,
                                                                             uint64_t *value,
                                                                             unsigned *count)
{
    uint64_t word = word_load_until(p, end);
    unsigned n = word_count_digits(word);
    *count = n;
    *value = n == 0 ? 0 : word_parse_digits(word, n);
    if (__builtin_expect(n < 8, 1))
        return p + n;
    word = word_load_until(p + 8, end);
    n = word_count_digits(word);
    static const uint32_t scales[] = {1,      10,      100,      1000,     10000,
                                      100000, 1000000, 10000000, 100000000};
    if (n > 0)
        *value = *value * scales[n] + word_parse_digits(word, n);
    *count += n;
    if (n < 8)
        return p + 8 + n;
    p += 16;
    for (; p < end && (unsigned char)(*p - '0') < 10; p++, ++*count) {
        if (*count == 19)
            return NULL;
        *value = *value * 10 + (unsigned)(*p - '0');
    }
    return p;
}

/* decimal_scan for the common form: sign, at most 19 digits, no exponent; the
 * text has at least eight bytes. NULL: ask decimal_scan. What follows the number
 * is not looked at, but for '.', 'e' and 'E'. */
static inline __attribute__((always_inline)) const char *decimal_scan_plain(const char *p,
                                                                            const char *end,
                                                                            struct decimal *out)
{
    out->is_negative = p < end && *p == '-';
    p += out->is_negative;
    unsigned whole, places = 0;
    const char *first = p;
    p = decimal_scan_digits(p, end, &out->digits, &whole);
    if (p == NULL || whole == 0 || (*first == '0' && whole > 1))
        return NULL;
    out->is_integer = true;
    if (p < end && *p == '.') {
        uint64_t fraction;
        p = decimal_scan_digits(p + 1, end, &fraction, &places);
        if (p == NULL || places == 0 || whole + places > 19)
            return NULL;
        out->digits = out->digits * decimal_whole_powers[places] + fraction;
        out->is_integer = false;
    }
    if (p < end && (*p | 0x20) == 'e')
        return NULL;
    out->exp10 = -(int32_t)places;
    out->is_cut = false;
    return p;
}

/* The same result as decimal_to_double, the most common case without a call. */
static inline __attribute__((always_inline)) double decimal_to_double_plain(
    const struct decimal *decimal, struct bytes text)
{
    bool is_exact = decimal->digits <= UINT64_C(1) << 53 && decimal->exp10 <= 0 &&
                    decimal->exp10 >= -22 && !decimal->is_cut;
    if (__builtin_expect(!is_exact, 0))
        return decimal_to_double(decimal, text);
    double value = (double)(int64_t)decimal->digits / decimal_powers[-decimal->exp10];
    /* The sign without a branch: in a fleet's data it is anybody's guess. */
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    bits |= (uint64_t)decimal->is_negative << 63;
    memcpy(&value, &bits, sizeof value);
    return value;
}
