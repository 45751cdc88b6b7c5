/* SPDX-License-Identifier: Apache-2.0 */
/* round: numbers to so many places behind the point, half away from zero, by
 * their decimal digits as written: 2.675 with two is 2.68, whatever the double
 * nearest to it is. */
#include <math.h>

#include "base/decimal.h"
#include "base/text.h"
#include "vehicle/transform/transform.h"

enum { DIGITS_MAX = 12, ROUNDED_MAX = 40 };

struct round {
    struct rule_fields fields;
    int64_t digits;
};

static const struct rule_setting settings[] = {
    {"fields", RULE_SETTING_FIELDS, offsetof(struct round, fields), true, NULL,
     "numbers of the packet and signals; what is absent or no number stays as it is"},
    {.name = "digits",
     .type = RULE_SETTING_INTEGER,
     .offset = offsetof(struct round, digits),
     .is_required = true,
     .help = "places behind the point, 0-12. Five places of a degree are 1.1 m",
     .min = 0,
     .max = DIGITS_MAX},
    {0},
};

static int compile(struct rule_build *build, void *step, struct transform_needs *needs,
                   struct error *err)
{
    const struct round *round = step;
    for (size_t i = 0; i < round->fields.count; i++)
        if (transform_check_target(yaml_get(build->node, "fields"), "fields",
                                   &round->fields.items[i], err) != 0)
            return -1;
    needs->text_bytes = round->fields.count * ROUNDED_MAX;
    return 0;
}

/* digits * 10^-places, without needless zeros. */
static size_t print_decimal(char *out, bool is_negative, uint64_t digits, unsigned places)
{
    char text[TEXT_U64_MAX];
    size_t len = 0;
    for (; places > 0 && digits % 10 == 0; places--)
        digits /= 10;
    size_t count = text_from_u64(text, digits);
    if (is_negative && digits != 0)
        out[len++] = '-';
    size_t whole = count > places ? count - places : 0;
    memcpy(out + len, text, whole);
    len += whole;
    if (whole == 0)
        out[len++] = '0';
    if (places == 0)
        return len;
    out[len++] = '.';
    for (size_t i = count; i < places; i++)
        out[len++] = '0';
    memcpy(out + len, text + whole, count - whole);
    return len + count - whole;
}

/* 0: it has no more places than wanted. */
static size_t round_text(struct bytes raw, unsigned wanted, char out[ROUNDED_MAX])
{
    struct decimal decimal;
    const char *end = decimal_scan(raw.ptr, raw.ptr + raw.len, &decimal);
    if (end != raw.ptr + raw.len || decimal.exp10 >= -(int32_t)wanted)
        return 0;
    unsigned surplus = (unsigned)(-decimal.exp10) - wanted;
    if (surplus > 19) /* less than half of the last place */
        return print_decimal(out, false, 0, 0);
    uint64_t unit = 1;
    for (unsigned i = 0; i + 1 < surplus; i++)
        unit *= 10;
    /* One digit more than wanted decides; what is cut off can only lie above it. */
    uint64_t kept = decimal.digits / unit;
    return print_decimal(out, decimal.is_negative, kept / 10 + (kept % 10 >= 5), wanted);
}

static void round_signal(struct transform_run *run, const struct field *field, unsigned digits)
{
    const struct signal *signal = packet_find_signal(run->packet, field->name);
    char rounded[ROUNDED_MAX];
    size_t len = signal == NULL || signal->type != SIGNAL_NUMBER
                     ? 0
                     : round_text(signal->raw, digits, rounded);
    if (len == 0)
        return;
    char *text = transform_text(run, len);
    memcpy(text, rounded, len);
    transform_write_signal(run, field, bytes_of(text, len), SIGNAL_NUMBER);
}

static double round_double(double number, unsigned digits)
{
    double scaled = number * decimal_powers[digits];
    double fraction = fabs(scaled - trunc(scaled));
    if (fabs(scaled) < 9007199254740992.0 && fabs(fraction - 0.5) > 1e-4)
        return round(scaled) / decimal_powers[digits] + 0.0; /* -0 is 0 */
    /* Near the middle, and what has no places left: by its digits. */
    char text[TEXT_DOUBLE_MAX], rounded[ROUNDED_MAX];
    size_t len = round_text(bytes_of(text, text_from_double(text, number)), digits, rounded);
    if (len > 0)
        text_to_double(bytes_of(rounded, len), &number);
    return number;
}

static void run(const void *step, struct transform_run *run)
{
    const struct round *round = step;
    for (size_t i = 0; i < round->fields.count; i++) {
        const struct field *field = &round->fields.items[i];
        double number;
        if (field->type == FIELD_SIGNAL)
            round_signal(run, field, (unsigned)round->digits);
        else if (transform_read_number(run, field, &number))
            transform_write_number(run, field, round_double(number, (unsigned)round->digits));
    }
}

const struct transform_kind transform_round = {
    .name = "round",
    .help = "Numbers get so many places behind the point, half away from zero.",
    .example = "{op: round, fields: [lat, lon], digits: 5}",
    .settings = settings,
    .settings_size = sizeof(struct round),
    .compile = compile,
    .run = run,
};
