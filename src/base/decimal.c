/* SPDX-License-Identifier: Apache-2.0 */
/* Digits to double, correctly rounded. Three ways, each exact where it is taken:
 *   both numbers are doubles without error: one rounded operation (W. Clinger,
 *     "How to Read Floating Point Numbers Accurately", 1990);
 *   up to 19 digits and 19 places: a 128 by 64 bit division whose remainder says
 *     on which side of a tie the value lies;
 *   the rest: strtod. */
#include "base/decimal.h"

#include <math.h>
#include <stdlib.h>

const uint64_t decimal_whole_powers[19] = {
    1,
    10,
    100,
    1000,
    10000,
    100000,
    1000000,
    10000000,
    100000000,
    1000000000,
    10000000000,
    100000000000,
    1000000000000,
    10000000000000,
    100000000000000,
    1000000000000000,
    10000000000000000,
    100000000000000000,
    1000000000000000000,
};

const double decimal_powers[23] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

enum { EXP10_MAX = 1000000, EXPONENT_READ_MAX = 100000000, DIGITS_MAX = 19 };

static bool is_digit(const char *p, const char *end)
{
    return p < end && *p >= '0' && *p <= '9';
}

/* One more digit of the number; `place` is -1 behind the point. */
static void push_digit(struct decimal *d, unsigned *count, char c, int place)
{
    if (*count < DIGITS_MAX) {
        d->digits = d->digits * 10 + (unsigned)(c - '0');
        *count += d->digits != 0;
        d->exp10 += place;
        return;
    }
    d->is_cut |= c != '0';
    d->exp10 += place + 1;
}

static const char *scan_exponent(const char *p, const char *end, struct decimal *d)
{
    bool is_negative = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    if (!is_digit(p, end))
        return NULL;
    int32_t value = 0;
    for (; is_digit(p, end); p++)
        value = value > EXPONENT_READ_MAX ? value : value * 10 + (*p - '0');
    d->exp10 += is_negative ? -value : value;
    return p;
}

const char *decimal_scan(const char *p, const char *end, struct decimal *out)
{
    struct decimal d = {.is_integer = true};
    unsigned count = 0;
    if (p < end && *p == '-') {
        d.is_negative = true;
        p++;
    }
    if (!is_digit(p, end))
        return NULL;
    if (*p == '0' && is_digit(p + 1, end))
        return NULL;
    for (; is_digit(p, end); p++)
        push_digit(&d, &count, *p, 0);
    if (p < end && *p == '.') {
        d.is_integer = false;
        if (!is_digit(++p, end))
            return NULL;
        for (; is_digit(p, end); p++)
            push_digit(&d, &count, *p, -1);
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        d.is_integer = false;
        p = scan_exponent(p + 1, end, &d);
        if (p == NULL)
            return NULL;
    }
    if (d.exp10 > EXP10_MAX)
        d.exp10 = EXP10_MAX;
    if (d.exp10 < -EXP10_MAX)
        d.exp10 = -EXP10_MAX;
    if (out != NULL)
        *out = d;
    return p;
}

/* digits / 10^places for 1 <= places <= 19 and digits > 0. Both are shifted up
 * to the top bit, so that the quotient has 63 or 64 bits: more than the 53 kept
 * and the one that decides, and the remainder says whether anything follows. */
static double divide_exactly(uint64_t digits, unsigned places)
{
    uint64_t power = 1;
    for (unsigned i = 0; i < places; i++)
        power *= 10;
    int up_digits = __builtin_clzll(digits);
    int up_power = __builtin_clzll(power);
    unsigned __int128 dividend = (unsigned __int128)(digits << up_digits) << 63;
    uint64_t divisor = power << up_power;
    uint64_t quotient = (uint64_t)(dividend / divisor);
    bool has_rest = (uint64_t)(dividend % divisor) != 0;
    int down = 64 - __builtin_clzll(quotient) - 53;
    uint64_t kept = quotient >> down;
    uint64_t rest = quotient & ((UINT64_C(1) << down) - 1);
    uint64_t half = UINT64_C(1) << (down - 1);
    if (rest > half || (rest == half && (has_rest || (kept & 1))))
        kept++;
    return ldexp((double)kept, down - 63 - up_digits + up_power);
}

static double read_with_strtod(struct bytes text)
{
    char small[64];
    if (text.len < sizeof small) {
        memcpy(small, text.ptr, text.len);
        small[text.len] = '\0';
        return strtod(small, NULL);
    }
    char *copy = bytes_dup_text(text);
    if (copy == NULL)
        return NAN;
    double value = strtod(copy, NULL);
    free(copy);
    return value;
}

double decimal_to_double(const struct decimal *decimal, struct bytes text)
{
    const uint64_t exact_max = UINT64_C(1) << 53;
    int32_t exp10 = decimal->exp10;
    double value;
    if (decimal->is_cut)
        return read_with_strtod(text);
    if (decimal->digits == 0)
        value = 0;
    else if (decimal->digits <= exact_max && exp10 <= 0 && exp10 >= -22)
        value = (double)decimal->digits / decimal_powers[-exp10];
    else if (decimal->digits <= exact_max && exp10 > 0 && exp10 <= 22)
        value = (double)decimal->digits * decimal_powers[exp10];
    else if (exp10 == 0)
        value = (double)decimal->digits;
    else if (exp10 < 0 && exp10 >= -19)
        value = divide_exactly(decimal->digits, (unsigned)-exp10);
    else
        return read_with_strtod(text);
    return decimal->is_negative ? -value : value;
}
