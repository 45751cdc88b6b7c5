/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/sqlite/shape.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/text.h"

enum { DECIMAL_DIGITS_MAX = 17, IDENTITY_TEXT = 2 * PACKET_IDENTITY_LEN };

/* ---- decimals ---- */

static bool is_digit(char c)
{
    return (unsigned char)(c - '0') <= 9;
}

const char *decimal_parse(const char *p, const char *end, int64_t *out)
{
    bool is_negative = p < end && *p == '-';
    p += is_negative;
    const char *first = p;
    uint64_t mantissa = 0;
    for (; p < end && is_digit(*p); p++)
        mantissa = mantissa * 10 + (unsigned)(*p - '0');
    size_t digits = (size_t)(p - first), scale = 0;
    if (digits == 0 || digits > DECIMAL_DIGITS_MAX || (*first == '0' && digits > 1))
        return NULL;
    if (p < end && *p == '.') {
        const char *point = p++;
        for (; p < end && is_digit(*p) && digits + (size_t)(p - point) <= DECIMAL_DIGITS_MAX + 1;
             p++)
            mantissa = mantissa * 10 + (unsigned)(*p - '0');
        scale = (size_t)(p - point) - 1;
        if (scale == 0 || p[-1] == '0' || digits + scale > DECIMAL_DIGITS_MAX)
            return NULL;
    }
    if ((p < end && (is_digit(*p) || *p == '.' || *p == 'e' || *p == 'E')) ||
        (is_negative && mantissa == 0))
        return NULL;
    *out = decimal_pack(is_negative ? -(int64_t)mantissa : (int64_t)mantissa, (unsigned)scale);
    return p;
}

size_t decimal_print(char *out, int64_t decimal)
{
    int64_t mantissa = decimal_mantissa(decimal);
    unsigned scale = decimal_scale(decimal);
    size_t n = 0;
    if (mantissa < 0)
        out[n++] = '-';
    char digits[TEXT_U64_MAX];
    size_t count = text_from_u64(digits, mantissa < 0 ? -(uint64_t)mantissa : (uint64_t)mantissa);
    size_t whole = count > scale ? count - scale : 0;
    if (whole == 0)
        out[n++] = '0';
    memcpy(out + n, digits, whole);
    n += whole;
    if (scale > 0) {
        out[n++] = '.';
        for (size_t zeros = count < scale ? scale - count : 0; zeros > 0; zeros--)
            out[n++] = '0';
        memcpy(out + n, digits + whole, count - whole);
        n += count - whole;
    }
    return n;
}

/* ---- the texts of a row's own fields ---- */

struct field_texts {
    struct bytes by_slot[SHAPE_RECEIVED + 1];
    char identity[IDENTITY_TEXT];
    char time[TEXT_TIME_MAX];
    char received[TEXT_TIME_MAX + 8];
};

static void print_identity(char *out, const struct packet_identity *identity)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < PACKET_IDENTITY_LEN; i++) {
        out[2 * i] = digits[identity->bytes[i] >> 4];
        out[2 * i + 1] = digits[identity->bytes[i] & 15];
    }
}

/* The date is the dear part, and nearly always that of the row before. */
struct day_text {
    int64_t day;
    char date[11]; /* "2008-05-20T" */
};
static _Thread_local struct day_text days[2] = {{.day = INT64_MIN}, {.day = INT64_MIN}};

static void put_digits(char *out, unsigned value, unsigned count)
{
    for (unsigned i = count; i > 0; i--, value /= 10)
        out[i - 1] = (char)('0' + value % 10);
}

/* RFC 3339 in UTC; fraction_digits 3 (of ms) or 9. */
static size_t print_time(char *out, struct day_text *cache, int64_t second, unsigned fraction,
                         unsigned fraction_digits)
{
    int64_t day = second / 86400 - (second % 86400 < 0);
    if (day != cache->day) {
        char text[TEXT_TIME_MAX];
        if (text_from_time_ms(text, day * 86400000) != 24)
            return 0;
        memcpy(cache->date, text, sizeof cache->date);
        cache->day = day;
    }
    unsigned rest = (unsigned)(second - day * 86400);
    memcpy(out, cache->date, 11);
    put_digits(out + 11, rest / 3600, 2);
    out[13] = ':';
    put_digits(out + 14, rest / 60 % 60, 2);
    out[16] = ':';
    put_digits(out + 17, rest % 60, 2);
    out[19] = '.';
    put_digits(out + 20, fraction, fraction_digits);
    out[20 + fraction_digits] = 'Z';
    return 21 + fraction_digits;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static void print_fields(struct field_texts *texts, const struct shape_fields *fields)
{
    int64_t second = floor_div(fields->time_ms, 1000);
    int64_t received_second = floor_div(fields->received_ns, NS_PER_S);
    print_identity(texts->identity, &fields->identity);
    size_t time_len =
        print_time(texts->time, &days[0], second, (unsigned)(fields->time_ms - second * 1000), 3);
    size_t received_len =
        print_time(texts->received, &days[1], received_second,
                   (unsigned)(fields->received_ns - received_second * NS_PER_S), 9);
    texts->by_slot[SHAPE_NUMBER] = bytes_of(NULL, 0);
    texts->by_slot[SHAPE_VEHICLE] = fields->vehicle;
    texts->by_slot[SHAPE_IDENTITY] = bytes_of(texts->identity, IDENTITY_TEXT);
    texts->by_slot[SHAPE_TIME] = bytes_of(texts->time, time_len);
    texts->by_slot[SHAPE_RECEIVED] = bytes_of(texts->received, received_len);
}

/* ---- tables of shapes ---- */

void shape_table_init(struct shape_table *table)
{
    memset(table, 0, sizeof *table);
    table_init(&table->table);
}

void shape_table_deinit(struct shape_table *table)
{
    for (uint32_t i = 0; i < table->count; i++)
        free(table->shapes[i]);
    table_deinit(&table->table);
    shape_table_init(table);
}

bool shape_table_is_full(const struct shape_table *table)
{
    return table->count == SHAPE_TABLE_MAX || table->bytes >= SHAPE_TABLE_BYTES_MAX;
}

static bool has_skeleton(const void *item, const void *key)
{
    const struct shape *shape = item;
    const struct bytes *skeleton = key;
    return bytes_equal(bytes_of(shape->skeleton, shape->len), *skeleton);
}

static struct shape *shape_new(struct bytes skeleton, uint64_t hash)
{
    struct shape *shape = malloc(sizeof *shape + skeleton.len);
    if (shape == NULL)
        return NULL;
    *shape = (struct shape){.hash = hash, .len = (uint32_t)skeleton.len};
    memcpy(shape->skeleton, skeleton.ptr, skeleton.len);
    for (size_t i = 0; i < skeleton.len; i++) {
        unsigned char c = (unsigned char)skeleton.ptr[i];
        shape->number_count += c == SHAPE_NUMBER;
        if (c < 0x20 && (c < SHAPE_NUMBER || c > SHAPE_RECEIVED))
            goto malformed;
    }
    if (shape->number_count <= SHAPE_NUMBERS_MAX)
        return shape;
malformed:
    free(shape);
    return NULL;
}

struct shape *shape_intern(struct shape_table *table, struct bytes skeleton)
{
    uint64_t hash = hash64_local(skeleton);
    struct shape *shape = table_find(&table->table, hash, has_skeleton, &skeleton);
    if (shape != NULL)
        return shape;
    if (shape_table_is_full(table) || skeleton.len > SHAPE_LITERAL_MAX)
        return NULL;
    shape = shape_new(skeleton, hash);
    if (shape == NULL || table_put(&table->table, hash, shape) != 0) {
        free(shape);
        return NULL;
    }
    shape->number = table->count;
    table->shapes[table->count++] = shape;
    table->bytes += sizeof *shape + skeleton.len;
    return shape;
}

/* ---- taking apart ---- */

/* Does the text have exactly this shape? Fills numbers. */
static bool matches(const struct shape *shape, struct bytes text, const struct field_texts *texts,
                    int64_t *numbers)
{
    const char *p = text.ptr, *end = text.ptr + text.len;
    const char *s = shape->skeleton, *s_end = s + shape->len;
    while (s < s_end) {
        unsigned char c = (unsigned char)*s;
        if (c > SHAPE_RECEIVED) {
            const char *literal = s;
            while (s < s_end && (unsigned char)*s > SHAPE_RECEIVED)
                s++;
            size_t len = (size_t)(s - literal);
            if (len > (size_t)(end - p) || memcmp(p, literal, len) != 0)
                return false;
            p += len;
            continue;
        }
        s++;
        if (c == SHAPE_NUMBER) {
            p = decimal_parse(p, end, numbers++);
            if (p == NULL)
                return false;
        } else {
            struct bytes field = texts->by_slot[c];
            if (field.len > (size_t)(end - p) || memcmp(p, field.ptr, field.len) != 0)
                return false;
            p += field.len;
        }
    }
    return p == end;
}

/* The end of the JSON string whose first character is at p (past the quote). */
static const char *string_end(const char *p, const char *end)
{
    while (p < end && *p != '"')
        p += *p == '\\' && p + 1 < end ? 2 : 1;
    return p;
}

struct splitter {
    const struct field_texts *texts;
    bool is_used[SHAPE_RECEIVED + 1];
    size_t number_count;
    char skeleton[SHAPE_LITERAL_MAX];
    size_t len;
};

static bool put_literal(struct splitter *splitter, const char *p, size_t len)
{
    if (len > sizeof splitter->skeleton - splitter->len)
        return false;
    memcpy(splitter->skeleton + splitter->len, p, len);
    splitter->len += len;
    return true;
}

/* A string that is one of the row's own fields becomes its slot, once. */
static bool put_string(struct splitter *splitter, struct bytes string)
{
    for (unsigned slot = SHAPE_VEHICLE; slot <= SHAPE_RECEIVED; slot++) {
        if (splitter->is_used[slot] || string.len == 0 ||
            !bytes_equal(string, splitter->texts->by_slot[slot]))
            continue;
        splitter->is_used[slot] = true;
        char marker = (char)slot;
        return put_literal(splitter, &marker, 1);
    }
    return put_literal(splitter, string.ptr, string.len);
}

static const char *number_end(const char *p, const char *end)
{
    while (p < end &&
           (is_digit(*p) || *p == '-' || *p == '+' || *p == '.' || *p == 'e' || *p == 'E'))
        p++;
    return p;
}

static const char *put_number(struct splitter *splitter, const char *p, const char *end,
                              int64_t *numbers)
{
    const char marker = SHAPE_NUMBER;
    const char *stop = NULL;
    if (splitter->number_count < SHAPE_NUMBERS_MAX)
        stop = decimal_parse(p, end, &numbers[splitter->number_count]);
    if (stop != NULL) {
        splitter->number_count++;
        return put_literal(splitter, &marker, 1) ? stop : NULL;
    }
    stop = number_end(p, end);
    return put_literal(splitter, p, (size_t)(stop - p)) ? stop : NULL;
}

/* The general way: find the strings and numbers, and so the skeleton. */
static bool split(struct splitter *splitter, struct bytes text, int64_t *numbers)
{
    const char *p = text.ptr, *end = text.ptr + text.len;
    while (p < end) {
        if ((unsigned char)*p < 0x20)
            return false;
        if (is_digit(*p) || *p == '-') {
            p = put_number(splitter, p, end, numbers);
            if (p == NULL)
                return false;
            continue;
        }
        if (!put_literal(splitter, p, 1))
            return false;
        if (*p++ != '"')
            continue;
        const char *stop = string_end(p, end);
        for (const char *c = p; c < stop && c < end; c++)
            if ((unsigned char)*c < 0x20)
                return false;
        if (stop >= end || !put_string(splitter, bytes_of(p, (size_t)(stop - p))) ||
            !put_literal(splitter, stop, 1))
            return false;
        p = stop + 1;
    }
    return true;
}

static void make_recent(struct shape_table *table, size_t place, struct shape *shape)
{
    memmove(table->recent + 1, table->recent, place * sizeof(struct shape *));
    table->recent[0] = shape;
}

struct shape *shape_split(struct shape_table *table, struct bytes text,
                          const struct shape_fields *fields, int64_t *numbers)
{
    struct field_texts texts;
    print_fields(&texts, fields);
    for (size_t i = 0; i < 4 && table->recent[i] != NULL; i++) {
        struct shape *shape = table->recent[i];
        if (!matches(shape, text, &texts, numbers))
            continue;
        if (i > 0)
            make_recent(table, i, shape);
        return shape;
    }
    struct splitter splitter;
    splitter.texts = &texts;
    memset(splitter.is_used, 0, sizeof splitter.is_used);
    splitter.number_count = 0;
    splitter.len = 0;
    if (!split(&splitter, text, numbers))
        return NULL;
    struct shape *shape = shape_intern(table, bytes_of(splitter.skeleton, splitter.len));
    if (shape != NULL)
        make_recent(table, 3, shape);
    return shape;
}

/* ---- putting together ---- */

int shape_join(const struct shape *shape, const struct shape_fields *fields, const int64_t *numbers,
               struct buf *out)
{
    struct field_texts texts;
    char number[32];
    const char *s = shape->skeleton, *end = s + shape->len;
    print_fields(&texts, fields);
    while (s < end) {
        unsigned char c = (unsigned char)*s;
        if (c > SHAPE_RECEIVED) {
            const char *literal = s;
            while (s < end && (unsigned char)*s > SHAPE_RECEIVED)
                s++;
            buf_append(out, literal, (size_t)(s - literal));
            continue;
        }
        s++;
        if (c == SHAPE_NUMBER)
            buf_append(out, number, decimal_print(number, *numbers++));
        else
            buf_append_bytes(out, texts.by_slot[c]);
    }
    return out->has_failed ? -1 : 0;
}
