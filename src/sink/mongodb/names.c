/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/mongodb/names.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"

enum { MONTHS = 1200, FIRST_YEAR = 2000, CATEGORY_MAX = 64 };

int name_month(bool has_time, int64_t time_ms)
{
    char text[TEXT_TIME_MAX];
    if (!has_time)
        return NAME_MONTH_NONE;
    text_from_time_ms(text, time_ms); /* 2008-05-20T… */
    int year =
        1000 * (text[0] - '0') + 100 * (text[1] - '0') + 10 * (text[2] - '0') + text[3] - '0';
    int month = 10 * (text[5] - '0') + text[6] - '0' - 1;
    int months = 12 * (year - FIRST_YEAR) + month;
    return months >= 0 && months < MONTHS ? months : NAME_MONTH_NONE;
}

/* The month that a name ends in; NAME_MONTH_NONE when in none. */
static int month_of(struct bytes name)
{
    uint64_t year, month;
    if (name.len < 9)
        return NAME_MONTH_NONE;
    const char *end = name.ptr + name.len - 8; /* _2008_05 */
    if (end[0] != '_' || end[5] != '_' || !text_to_u64(bytes_of(end + 1, 4), &year) ||
        !text_to_u64(bytes_of(end + 6, 2), &month) || year < FIRST_YEAR || month < 1 || month > 12)
        return NAME_MONTH_NONE;
    int months = 12 * (int)(year - FIRST_YEAR) + (int)month - 1;
    return months < MONTHS ? months : NAME_MONTH_NONE;
}

static bool is_good(struct bytes category)
{
    if (category.len == 0 || category.len > CATEGORY_MAX ||
        (category.len >= 7 && memcmp(category.ptr, "system.", 7) == 0) ||
        month_of(category) != NAME_MONTH_NONE)
        return false;
    for (size_t i = 0; i < category.len; i++) {
        char c = category.ptr[i];
        bool is_word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!is_word && (i == 0 || (c != '_' && c != '-' && c != '.')))
            return false;
    }
    return true;
}

void name_of(struct bytes category, int month, char out[NAME_MAX_BYTES + 1])
{
    struct bytes name = is_good(category) ? category : BYTES("other");
    int len = snprintf(out, NAME_MAX_BYTES + 1, "%.*s", (int)name.len, name.ptr);
    if (month != NAME_MONTH_NONE)
        snprintf(out + len, NAME_MAX_BYTES + 1 - (size_t)len, "_%04d_%02d", FIRST_YEAR + month / 12,
                 month % 12 + 1);
}

bool name_may_hold(const char *name, int64_t from_ms, int64_t to_ms)
{
    int month = month_of(bytes_from_text(name));
    if (month == NAME_MONTH_NONE || from_ms >= to_ms)
        return true;
    int first = name_month(true, from_ms), last = name_month(true, to_ms - 1);
    return (first == NAME_MONTH_NONE || first <= month) &&
           (last == NAME_MONTH_NONE || month <= last);
}
