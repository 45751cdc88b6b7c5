/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/block.h"
#include "base/clock.h"
#include "base/decimal.h"

/* ---- integers ---- */

static const char two_digits[] = "00010203040506070809101112131415161718192021222324252627282930"
                                 "31323334353637383940414243444546474849505152535455565758596061"
                                 "62636465666768697071727374757677787980818283848586878889909192"
                                 "93949596979899";

size_t text_from_u64(char *out, uint64_t value)
{
    char digits[TEXT_U64_MAX];
    size_t at = sizeof digits;
    while (value >= 100) {
        at -= 2;
        memcpy(digits + at, two_digits + 2 * (value % 100), 2);
        value /= 100;
    }
    if (value >= 10) {
        at -= 2;
        memcpy(digits + at, two_digits + 2 * value, 2);
    } else {
        digits[--at] = (char)('0' + value);
    }
    size_t n = sizeof digits - at;
    memcpy(out, digits + at, n);
    return n;
}

size_t text_from_i64(char *out, int64_t value)
{
    if (value >= 0)
        return text_from_u64(out, (uint64_t)value);
    out[0] = '-';
    return 1 + text_from_u64(out + 1, -(uint64_t)value);
}

/* Eight digits at once: pairs, then fours, then all (Lemire, "Quickly parsing
 * eight digits", 2018). False when one of the bytes is none. */
static bool eight_digits(const char *p, uint64_t *out)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
    if (__BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__)
        word = __builtin_bswap64(word);
    uint64_t digits = word - UINT64_C(0x3030303030303030);
    uint64_t above = word + UINT64_C(0x4646464646464646);
    if (((digits | above) & UINT64_C(0x8080808080808080)) != 0)
        return false;
    digits = digits * 10 + (digits >> 8);
    const uint64_t mask = UINT64_C(0x000000FF000000FF);
    *out = ((digits & mask) * UINT64_C(0x000F424000000064) +
            (digits >> 16 & mask) * UINT64_C(0x0000271000000001)) >>
           32;
    return true;
}

bool text_to_u64(struct bytes text, uint64_t *out)
{
    if (text.len == 0)
        return false;
    uint64_t value = 0, eight;
    size_t i = 0;
    for (; i + 8 <= text.len && i < 16; i += 8) {
        if (!eight_digits(text.ptr + i, &eight))
            return false;
        value = value * 100000000 + eight;
    }
    for (; i < text.len; i++) {
        unsigned digit = (unsigned char)text.ptr[i] - '0';
        if (digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, digit, &value))
            return false;
    }
    *out = value;
    return true;
}

bool text_to_i64(struct bytes text, int64_t *out)
{
    bool is_negative = text.len > 0 && text.ptr[0] == '-';
    if (is_negative)
        text = bytes_of(text.ptr + 1, text.len - 1);
    uint64_t value;
    if (!text_to_u64(text, &value) || value > (uint64_t)INT64_MAX + (is_negative ? 1 : 0))
        return false;
    *out = (int64_t)(is_negative ? -value : value);
    return true;
}

/* ---- doubles ---- */

/* Digits in pairs: "00" to "99". */
static const char PAIRS[201] = "00010203040506070809101112131415161718192021222324"
                               "25262728293031323334353637383940414243444546474849"
                               "50515253545556575859606162636465666768697071727374"
                               "75767778798081828384858687888990919293949596979899";

static inline char *put_pair(char *out, unsigned value)
{
    memcpy(out, PAIRS + 2 * value, 2);
    return out + 2;
}

/* The eight digits of a value below 10^8, one in each byte, the first the lowest:
 * divided by 10^4, then both halves by 100, then all four by 10, by multiplying
 * (P. Khuong, "How to print integers really fast", 2017). */
static inline uint64_t spread_digits(uint32_t value)
{
    uint64_t halves = value / 10000 | (uint64_t)(value % 10000) << 32;
    uint64_t tops = (halves * 10486 >> 20) & UINT64_C(0x0000007F0000007F);
    uint64_t pairs = (halves - 100 * tops) << 16 | tops;
    uint64_t tens = (pairs * 103 >> 10) & UINT64_C(0x000F000F000F000F);
    return (pairs - 10 * tens) << 8 | tens;
}

/* integer / 10^7, without trailing zeros: they are the zero bytes on top. The out
 * buffer has room for all eight. */
static size_t put_coordinate(char *out, int64_t integer)
{
    char *p = out;
    if (integer < 0)
        *p++ = '-';
    uint64_t magnitude = integer < 0 ? -(uint64_t)integer : (uint64_t)integer;
    uint64_t whole = magnitude / 10000000;
    uint64_t digits = spread_digits((uint32_t)(magnitude % 10000000) * 10);
    if (whole < 10)
        *p++ = (char)('0' + whole);
    else if (whole < 100)
        p = put_pair(p, (unsigned)whole);
    else
        p += text_from_u64(p, whole);
    if (digits == 0)
        return (size_t)(p - out);
    *p++ = '.';
    word_store(p, digits | WORD_REPEAT('0'));
    return (size_t)(p - out) + 8 - (unsigned)__builtin_clzll(digits) / 8;
}

/* integer / 10^places, whose last digit is not zero. */
static size_t put_decimal(char *out, int64_t integer, unsigned places, uint64_t power)
{
    char *p = out;
    if (integer < 0)
        *p++ = '-';
    uint64_t magnitude = integer < 0 ? -(uint64_t)integer : (uint64_t)integer;
    p += text_from_u64(p, magnitude / power);
    *p++ = '.';
    uint64_t fraction = magnitude % power;
    for (unsigned i = places; i-- > 0; fraction /= 10)
        p[i] = (char)('0' + fraction % 10);
    return (size_t)(p - out) + places;
}

/* The value as an integer of at most 2^53 over 10^places, when that gives the
 * same double back: both are exact, so the division is correctly rounded, and
 * readers round alike. Zero below zero is left to others. */
static inline bool scale_exactly(double value, double power, int64_t *integer)
{
    double scaled = value * power;
    if (!(fabs(scaled) < 9e15))
        return false;
    *integer = (int64_t)(scaled + (scaled < 0 ? -0.5 : 0.5));
    return (double)*integer / power == value && (*integer != 0 || !signbit(value));
}

/* Nearly all coordinates have at most 7 decimals. The first scale that fits has
 * the fewest digits. */
static size_t decimal_from_double(char *out, double value)
{
    int64_t integer;
    if (scale_exactly(value, 1e7, &integer))
        return put_coordinate(out, integer);
    uint64_t power = 100000000;
    for (unsigned places = 8; places <= 15; places++, power *= 10)
        if (scale_exactly(value, decimal_powers[places], &integer))
            return put_decimal(out, integer, places, power);
    return 0;
}

size_t text_from_double(char *out, double value)
{
    size_t n = decimal_from_double(out, value);
    if (n > 0)
        return n;
    char text[TEXT_DOUBLE_MAX];
    for (int digits = 15; digits <= 17; digits++) {
        n = (size_t)snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    memcpy(out, text, n);
    return n;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static size_t skip_digits(struct bytes text, size_t i)
{
    while (i < text.len && is_digit(text.ptr[i]))
        i++;
    return i;
}

bool text_to_double(struct bytes text, double *out)
{
    const char *end = text.ptr + text.len;
    struct decimal decimal;
    if (text.len == 0 || decimal_scan(text.ptr, end, &decimal) != end)
        return false;
    *out = decimal_to_double(&decimal, text);
    return !isnan(*out);
}

/* ---- times (RFC 3339) ---- */

/* Days since 1970-01-01 of a civil date and back: the algorithms of Howard
 * Hinnant, "chrono-Compatible Low-Level Date Algorithms". */
static int64_t days_from_civil(int64_t year, unsigned month, unsigned day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    unsigned year_of_era = (unsigned)(year - era * 400);
    unsigned day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    unsigned day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static void civil_from_days(int64_t days, unsigned *year, unsigned *month, unsigned *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    unsigned day_of_era = (unsigned)(days - era * 146097);
    unsigned year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned shifted = (5 * day_of_year + 2) / 153;
    *day = day_of_year - (153 * shifted + 2) / 5 + 1;
    *month = shifted < 10 ? shifted + 3 : shifted - 9;
    *year = (unsigned)(year_of_era + era * 400 + (*month <= 2));
}

static const int64_t S_PER_DAY = 86400;
static const int64_t TIME_MIN_MS = INT64_C(-62167219200000); /* 0000-01-01T00:00:00.000Z */
static const int64_t TIME_MAX_MS = INT64_C(253402300799999); /* 9999-12-31T23:59:59.999Z */

/* "2008-05-20T07:00:00." */
static char *put_seconds(char *p, int64_t time_s)
{
    int64_t days = time_s / S_PER_DAY;
    int64_t of_day = time_s % S_PER_DAY;
    if (of_day < 0) {
        of_day += S_PER_DAY;
        days--;
    }
    unsigned s = (unsigned)of_day;
    unsigned year, month, day;
    civil_from_days(days, &year, &month, &day);
    p = put_pair(p, year / 100);
    p = put_pair(p, year % 100);
    *p++ = '-';
    p = put_pair(p, month);
    *p++ = '-';
    p = put_pair(p, day);
    *p++ = 'T';
    p = put_pair(p, s / 3600);
    *p++ = ':';
    p = put_pair(p, s / 60 % 60);
    *p++ = ':';
    p = put_pair(p, s % 60);
    *p++ = '.';
    return p;
}

/* The seconds of a time in units of which `per_s` make one; *rest is what is left
 * of the last, never negative. */
static inline int64_t whole_seconds(int64_t time, int64_t per_s, unsigned *rest)
{
    int64_t seconds = time / per_s;
    int64_t fraction = time % per_s;
    if (fraction < 0) {
        fraction += per_s;
        seconds--;
    }
    *rest = (unsigned)fraction;
    return seconds;
}

size_t text_from_time_ms(char *out, int64_t time_ms)
{
    if (time_ms < TIME_MIN_MS)
        time_ms = TIME_MIN_MS;
    if (time_ms > TIME_MAX_MS)
        time_ms = TIME_MAX_MS;
    unsigned ms;
    char *p = put_seconds(out, whole_seconds(time_ms, 1000, &ms));
    p[0] = (char)('0' + ms / 100);
    p = put_pair(p + 1, ms % 100);
    *p++ = 'Z';
    return (size_t)(p - out);
}

size_t text_from_time_ns(char *out, int64_t time_ns)
{
    unsigned ns;
    char *p = put_seconds(out, whole_seconds(time_ns, NS_PER_S, &ns));
    word_store(p, spread_digits(ns / 10) | WORD_REPEAT('0'));
    p[8] = (char)('0' + ns % 10);
    p[9] = 'Z';
    return (size_t)(p - out) + 10;
}

/* Reads exactly `digits` digits at *i. */
static bool take_digits(struct bytes text, size_t *i, int digits, unsigned *out)
{
    *out = 0;
    for (int n = 0; n < digits; n++, ++*i) {
        if (*i >= text.len || !is_digit(text.ptr[*i]))
            return false;
        *out = *out * 10 + (unsigned)(text.ptr[*i] - '0');
    }
    return true;
}

static bool take_char(struct bytes text, size_t *i, const char *any_of)
{
    if (*i >= text.len || text.ptr[*i] == '\0' || strchr(any_of, text.ptr[*i]) == NULL)
        return false;
    ++*i;
    return true;
}

static unsigned days_in_month(unsigned year, unsigned month)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && is_leap ? 29 : days[month - 1];
}

static bool take_date(struct bytes text, size_t *i, int64_t *days)
{
    unsigned year, month, day;
    if (!take_digits(text, i, 4, &year) || !take_char(text, i, "-") ||
        !take_digits(text, i, 2, &month) || !take_char(text, i, "-") ||
        !take_digits(text, i, 2, &day))
        return false;
    if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month))
        return false;
    *days = days_from_civil(year, month, day);
    return true;
}

static bool take_fraction_ns(struct bytes text, size_t *i, unsigned *ns)
{
    *ns = 0;
    if (*i >= text.len || text.ptr[*i] != '.')
        return true;
    size_t start = ++*i;
    *i = skip_digits(text, start);
    for (size_t n = 0; n < 9; n++)
        *ns = *ns * 10 + (start + n < *i ? (unsigned)(text.ptr[start + n] - '0') : 0);
    return *i > start;
}

static bool take_clock(struct bytes text, size_t *i, int64_t *of_day_s, unsigned *ns)
{
    unsigned hour, minute, second;
    if (!take_digits(text, i, 2, &hour) || !take_char(text, i, ":") ||
        !take_digits(text, i, 2, &minute) || !take_char(text, i, ":") ||
        !take_digits(text, i, 2, &second) || !take_fraction_ns(text, i, ns))
        return false;
    *of_day_s = (hour * INT64_C(60) + minute) * 60 + second;
    return hour < 24 && minute < 60 && second <= 60;
}

static bool take_offset_s(struct bytes text, size_t *i, int64_t *offset_s)
{
    *offset_s = 0;
    if (take_char(text, i, "Zz"))
        return true;
    bool is_west = *i < text.len && text.ptr[*i] == '-';
    unsigned hour, minute;
    if (!take_char(text, i, "+-") || !take_digits(text, i, 2, &hour) || !take_char(text, i, ":") ||
        !take_digits(text, i, 2, &minute))
        return false;
    *offset_s = (hour * INT64_C(60) + minute) * (is_west ? -60 : 60);
    return hour < 24 && minute < 60;
}

static bool read_time_in_general(struct bytes text, int64_t *time_s, unsigned *ns)
{
    size_t i = 0;
    int64_t days, of_day_s, offset_s;
    if (!take_date(text, &i, &days) || !take_char(text, &i, "Tt ") ||
        !take_clock(text, &i, &of_day_s, ns) || !take_offset_s(text, &i, &offset_s))
        return false;
    *time_s = days * S_PER_DAY + of_day_s - offset_s;
    return i == text.len;
}

/* Eight characters of a time: `form` has a zero for each digit and the very
 * separators, `digits` a 9 for each digit: the most that may be left there when
 * the form is taken off. The result's bytes hold the value of the two digits that
 * begin there. false when the text has another form. */
static inline bool read_pairs(const char *p, const char form[8], uint64_t digits, uint64_t *pairs)
{
    uint64_t value = word_load(p) ^ word_load(form);
    uint64_t above = (value & WORD_REPEAT(0x7F)) + WORD_REPEAT(0x7F) - digits;
    if (((above | value) & WORD_REPEAT(0x80)) != 0)
        return false;
    *pairs = value * 10 + (value >> 8);
    return true;
}

static inline unsigned pair_at(uint64_t pairs, unsigned place)
{
    return (unsigned)(pairs >> 8 * place) & 0xFF;
}

/* The form that is written here, "2008-05-20T07:00:00.000Z" with 1 to 9
 * decimals. false: something else, which may be right all the same. */
static bool read_own_time(struct bytes text, int64_t *time_s, unsigned *ns)
{
    static const unsigned scales[] = {1,      10,      100,      1000,     10000,
                                      100000, 1000000, 10000000, 100000000};
    const char *p = text.ptr;
    uint64_t year, day, second;
    if (text.len < 22 || text.len > 30 || p[text.len - 1] != 'Z' ||
        !read_pairs(p, "0000-00-", UINT64_C(0x0009090009090909), &year) ||
        !read_pairs(p + 8, "00T00:00", UINT64_C(0x0909000909000909), &day) ||
        !read_pairs(p + 12, "0:00:00.", UINT64_C(0x0009090009090009), &second))
        return false;
    unsigned places = (unsigned)text.len - 21;
    unsigned head = places < 8 ? places : 8;
    uint64_t word = word_load_until(p + 20, p + text.len);
    unsigned last = places == 9 ? (unsigned char)p[28] - '0' : 0;
    unsigned month_of_year = pair_at(year, 5), day_of_month = pair_at(day, 0);
    unsigned hour = pair_at(day, 3), minute = pair_at(day, 6), s = pair_at(second, 5);
    if (month_of_year < 1 || month_of_year > 12 || day_of_month < 1 || day_of_month > 28 ||
        hour > 23 || minute > 59 || s > 59 || word_count_digits(word) < head || last > 9)
        return false;
    /* cppcheck-suppress arrayIndexOutOfBounds ; there is at least one decimal */
    *ns = (unsigned)word_parse_digits(word, head) * scales[9 - head] + last;
    *time_s =
        days_from_civil(pair_at(year, 0) * 100 + pair_at(year, 2), month_of_year, day_of_month) *
            S_PER_DAY +
        hour * 3600 + minute * 60 + s;
    return true;
}

static bool read_time(struct bytes text, int64_t *time_s, unsigned *ns)
{
    return read_own_time(text, time_s, ns) || read_time_in_general(text, time_s, ns);
}

bool text_to_time_ms(struct bytes text, int64_t *out)
{
    int64_t time_s;
    unsigned ns;
    if (!read_time(text, &time_s, &ns))
        return false;
    *out = time_s * 1000 + ns / 1000000;
    return true;
}

bool text_to_time_ns(struct bytes text, int64_t *out)
{
    int64_t time_s;
    unsigned ns;
    return read_time(text, &time_s, &ns) && !__builtin_mul_overflow(time_s, NS_PER_S, out) &&
           !__builtin_add_overflow(*out, (int64_t)ns, out);
}

/* ---- settings' units ---- */

struct unit {
    const char *name;
    int64_t factor;
};

/* Exact: digits of a fraction are weighed as integers, and those below what
 * the unit can show are cut. */
static bool scale_number(struct bytes whole, struct bytes fraction, int64_t factor, int64_t *out)
{
    uint64_t number;
    if (!text_to_u64(whole, &number))
        return false;
    unsigned __int128 value = (unsigned __int128)number * (uint64_t)factor;
    uint64_t weight = (uint64_t)factor;
    unsigned __int128 tenths = 0; /* in units of 10^-18 */
    uint64_t place = UINT64_C(100000000000000000);
    for (size_t i = 0; i < fraction.len && place > 0; i++, place /= 10)
        tenths += (unsigned __int128)(unsigned)(fraction.ptr[i] - '0') * place * weight;
    value += tenths / UINT64_C(1000000000000000000);
    if (value > INT64_MAX)
        return false;
    *out = (int64_t)value;
    return true;
}

static bool scale(struct bytes text, const struct unit *units, size_t count, int64_t *out)
{
    size_t whole = skip_digits(text, 0);
    size_t end = whole;
    struct bytes fraction = {0};
    if (end < text.len && text.ptr[end] == '.') {
        end = skip_digits(text, whole + 1);
        fraction = bytes_of(text.ptr + whole + 1, end - whole - 1);
        if (fraction.len == 0)
            return false;
    }
    struct bytes name = bytes_trim(bytes_of(text.ptr + end, text.len - end));
    for (size_t u = 0; u < count; u++)
        if (bytes_equal_text(name, units[u].name))
            return scale_number(bytes_of(text.ptr, whole), fraction, units[u].factor, out);
    return false;
}

static const struct unit duration_units[] = {
    {"ns", 1},
    {"us", NS_PER_US},
    {"ms", NS_PER_MS},
    {"s", NS_PER_S},
    {"m", 60 * NS_PER_S},
    {"h", 3600 * NS_PER_S},
    {"d", 86400 * NS_PER_S},
};

static const struct unit size_units[] = {
    {"", 1},
    {"B", 1},
    {"k", INT64_C(1) << 10},
    {"K", INT64_C(1) << 10},
    {"KiB", INT64_C(1) << 10},
    {"M", INT64_C(1) << 20},
    {"MiB", INT64_C(1) << 20},
    {"G", INT64_C(1) << 30},
    {"GiB", INT64_C(1) << 30},
    {"T", INT64_C(1) << 40},
    {"TiB", INT64_C(1) << 40},
};

bool text_to_duration_ns(struct bytes text, int64_t *out)
{
    if (bytes_equal_text(text, "0")) {
        *out = 0;
        return true;
    }
    return scale(text, duration_units, sizeof duration_units / sizeof duration_units[0], out);
}

bool text_to_size_bytes(struct bytes text, int64_t *out)
{
    return scale(text, size_units, sizeof size_units / sizeof size_units[0], out);
}

/* The last unit that divides the value: units grow down the tables. */
static size_t print_unit(char *out, int64_t value, const struct unit *units, size_t count)
{
    size_t best = 0;
    for (size_t u = 0; u < count; u++)
        if (value != 0 && value % units[u].factor == 0)
            best = u;
    size_t len = text_from_i64(out, value / units[best].factor);
    if (value == 0)
        return len;
    size_t name_len = strlen(units[best].name);
    memcpy(out + len, units[best].name, name_len);
    return len + name_len;
}

size_t text_from_duration_ns(char *out, int64_t duration_ns)
{
    return print_unit(out, duration_ns, duration_units,
                      sizeof duration_units / sizeof duration_units[0]);
}

size_t text_from_size_bytes(char *out, int64_t size_bytes)
{
    return print_unit(out, size_bytes, size_units, sizeof size_units / sizeof size_units[0]);
}

/* ---- hex, UTF-8, distance ---- */

/* Four bytes as eight hex digits. */
static void put_hex_word(char *out, const unsigned char *in)
{
    uint64_t value = in[0] | (uint64_t)in[1] << 16 | (uint64_t)in[2] << 32 | (uint64_t)in[3] << 48;
    value = (value >> 4 & UINT64_C(0x000F000F000F000F)) | (value & UINT64_C(0x000F000F000F000F))
                                                              << 8;
    uint64_t is_letter = (value + WORD_REPEAT(0x76)) >> 7 & WORD_REPEAT(1);
    word_store(out, value + WORD_REPEAT('0') + ('a' - '0' - 10) * is_letter);
}

size_t text_from_hex(char *out, const void *ptr, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *p = ptr;
    size_t i = 0;
    for (; len - i >= 4; i += 4)
        put_hex_word(out + 2 * i, p + i);
    for (; i < len; i++) {
        out[2 * i] = digits[p[i] >> 4];
        out[2 * i + 1] = digits[p[i] & 15];
    }
    return 2 * len;
}

static int hex_digit(char c)
{
    if (is_digit(c))
        return c - '0';
    char folded = (char)(c | 0x20);
    return folded >= 'a' && folded <= 'f' ? folded - 'a' + 10 : -1;
}

bool text_to_hex_bytes(struct bytes text, void *out, size_t out_len)
{
    if (text.len != 2 * out_len)
        return false;
    unsigned char *p = out;
    size_t i = 0;
    for (; out_len - i >= BLOCK / 2; i += BLOCK / 2)
        if (!block_read_hex(text.ptr + 2 * i, p + i))
            return false;
    for (; i < out_len; i++) {
        int high = hex_digit(text.ptr[2 * i]);
        int low = hex_digit(text.ptr[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        p[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

/* Length of the sequence that starts at p, 0 when it is not well-formed
 * (Unicode 15, table 3-7). */
static size_t utf8_sequence(const unsigned char *p, size_t len)
{
    static const struct {
        unsigned char first_low, first_high, second_low, second_high, len;
    } rows[] = {
        {0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3}, {0xE1, 0xEC, 0x80, 0xBF, 3},
        {0xED, 0xED, 0x80, 0x9F, 3}, {0xEE, 0xEF, 0x80, 0xBF, 3}, {0xF0, 0xF0, 0x90, 0xBF, 4},
        {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4},
    };
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        if (p[0] < rows[r].first_low || p[0] > rows[r].first_high)
            continue;
        if (len < rows[r].len || p[1] < rows[r].second_low || p[1] > rows[r].second_high)
            return 0;
        for (size_t i = 2; i < rows[r].len; i++)
            if ((p[i] & 0xC0) != 0x80)
                return 0;
        return rows[r].len;
    }
    return 0;
}

size_t text_utf8_len(struct bytes text)
{
    const unsigned char *p = (const unsigned char *)text.ptr;
    if (text.len == 0)
        return 0;
    return p[0] < 0x80 ? 1 : utf8_sequence(p, text.len);
}

bool text_is_utf8(struct bytes text)
{
    const unsigned char *p = (const unsigned char *)text.ptr;
    size_t i = 0;
    while (i < text.len) {
        uint64_t word;
        if (text.len - i >= sizeof word) {
            memcpy(&word, p + i, sizeof word);
            if ((word & UINT64_C(0x8080808080808080)) == 0) {
                i += sizeof word;
                continue;
            }
        }
        if (p[i] < 0x80) {
            i++;
            continue;
        }
        size_t len = utf8_sequence(p + i, text.len - i);
        if (len == 0)
            return false;
        i += len;
    }
    return true;
}

static size_t smallest(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

size_t text_distance(const char *a, const char *b)
{
    enum { LONGEST = 63 };
    size_t a_len = strnlen(a, LONGEST);
    size_t b_len = strnlen(b, LONGEST);
    size_t d[LONGEST + 1][LONGEST + 1];
    for (size_t i = 0; i <= a_len; i++)
        d[i][0] = i;
    for (size_t j = 0; j <= b_len; j++)
        d[0][j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        for (size_t j = 1; j <= b_len; j++) {
            size_t change = a[i - 1] != b[j - 1];
            d[i][j] = smallest(d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + change);
            bool is_swap = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (is_swap && d[i - 2][j - 2] + 1 < d[i][j])
                d[i][j] = d[i - 2][j - 2] + 1;
        }
    }
    return d[a_len][b_len];
}
