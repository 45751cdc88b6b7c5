/* SPDX-License-Identifier: Apache-2.0 */
#include "vehicle/schema/json_number.h"

static const int64_t exponent_end = INT64_C(1000000000000);

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int64_t read_exponent(const char *p, const char *end)
{
    if (p == end)
        return 0;
    p++; /* the e */
    bool is_negative = p < end && *p == '-';
    if (p < end && !is_digit(*p))
        p++;
    int64_t value = 0;
    for (; p < end && value < exponent_end; p++)
        value = value * 10 + (*p - '0');
    return is_negative ? -value : value;
}

struct json_number json_number_parse(struct bytes text)
{
    const char *p = text.ptr, *end = text.ptr + text.len;
    struct json_number number = {.is_negative = text.len > 0 && *p == '-', .is_zero = true};
    const char *point = NULL;
    for (p += number.is_negative; p < end && (is_digit(*p) || *p == '.'); p++) {
        if (*p == '.')
            point = p;
        if (*p == '.' || *p == '0')
            continue;
        number.is_zero = false;
        if (number.first == NULL)
            number.first = p;
        number.end = p + 1;
    }
    if (number.is_zero)
        return number;
    if (point == NULL)
        point = p;
    /* What stands before the point counts from 0 up, after it from -1 down. */
    int64_t exponent = read_exponent(p, end);
    number.top10 =
        exponent + (number.first < point ? point - number.first - 1 : point - number.first);
    number.exp10 = exponent + (number.end <= point ? point - number.end : point - number.end + 1);
    return number;
}

/* The next digit; '0' for ever behind the last. */
static char next_digit(const char **p, const char *end)
{
    if (*p < end && **p == '.')
        ++*p;
    return *p < end ? *(*p)++ : '0';
}

static int compare_size(const struct json_number *a, const struct json_number *b)
{
    if (a->top10 != b->top10)
        return a->top10 < b->top10 ? -1 : 1;
    const char *p = a->first, *q = b->first;
    while (p < a->end || q < b->end) {
        int difference = next_digit(&p, a->end) - next_digit(&q, b->end);
        if (difference != 0)
            return difference;
    }
    return 0;
}

int json_number_compare(struct bytes a, struct bytes b)
{
    struct json_number x = json_number_parse(a), y = json_number_parse(b);
    int sign_x = x.is_zero ? 0 : x.is_negative ? -1 : 1;
    int sign_y = y.is_zero ? 0 : y.is_negative ? -1 : 1;
    if (sign_x != sign_y || sign_x == 0)
        return sign_x - sign_y;
    return sign_x * compare_size(&x, &y);
}

bool json_number_is_integer(struct bytes text)
{
    struct json_number number = json_number_parse(text);
    return number.is_zero || number.exp10 >= 0;
}

static uint64_t multiply(uint64_t a, uint64_t b, uint64_t modulus)
{
    __extension__ typedef unsigned __int128 wide;
    return (uint64_t)((wide)a * b % modulus);
}

static uint64_t power_of_ten(int64_t exponent, uint64_t modulus)
{
    uint64_t result = 1 % modulus, base = 10 % modulus;
    for (; exponent > 0; exponent >>= 1, base = multiply(base, base, modulus))
        if ((exponent & 1) != 0)
            result = multiply(result, base, modulus);
    return result;
}

bool json_number_is_multiple(struct bytes text, uint64_t divisor, int32_t exp10)
{
    struct json_number number = json_number_parse(text);
    if (number.is_zero)
        return true;
    /* digits * 10^exponent = n * divisor. The digits end with another than 0, so
     * that ten does not divide them: below 0 there is no n. */
    int64_t exponent = number.exp10 - exp10;
    if (exponent < 0)
        return false;
    uint64_t rest = 0;
    for (const char *p = number.first; p < number.end; p++)
        if (*p != '.')
            rest = (multiply(rest, 10, divisor) + (uint64_t)(*p - '0') % divisor) % divisor;
    return multiply(rest, power_of_ten(exponent, divisor), divisor) == 0;
}
