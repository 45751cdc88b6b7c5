/* SPDX-License-Identifier: Apache-2.0 */
/* pattern: a text is made of certain characters, in a certain order and number.
 *
 * A pattern is a row of at most 63 places; each takes one byte of some set, may
 * be left out, or may be repeated. The text is walked once, with a bit for each
 * number of places that may be behind: no backtracking, whatever the text (G.
 * Navarro, M. Raffinot, "Flexible Pattern Matching in Strings", 4.2: extended
 * patterns). */
#include <stdio.h>

#include "vehicle/rule/rule.h"

enum {
    PLACES_MAX = 63,
    BYTES_MAX = 1024, /* of the text */
};

struct pattern {
    struct field field;
    struct bytes text; /* the pattern as written */
    int64_t min_len, max_len;
    /* compiled; takes NULL: lengths alone */
    uint64_t *takes;   /* by byte: the places that take it */
    uint64_t optional; /* places that may be left out */
    uint64_t repeated; /* places that may take more than one */
    unsigned places;
};

static const struct pattern defaults = {.max_len = BYTES_MAX};

static const struct rule_setting settings[] = {
    {"field", RULE_SETTING_FIELD, offsetof(struct pattern, field), true, NULL,
     "a text; of a number its digits as sent; absent passes, other types fail"},
    {"matches", RULE_SETTING_TEXT, offsetof(struct pattern, text), false, NULL,
     "what the whole text is made of: characters, `.` (any), `[A-Z0-9_-]`, `[^/]`, `\\` before a "
     "character that would mean something else; after each `?`, `+`, `*`, `{3}` or `{2,4}`. At "
     "most 63 places in all; bytes, not letters, are counted"},
    {"min_length", RULE_SETTING_INTEGER, offsetof(struct pattern, min_len), false, NULL,
     "bytes at least", .min = 0, .max = BYTES_MAX},
    {"max_length", RULE_SETTING_INTEGER, offsetof(struct pattern, max_len), false, NULL,
     "bytes at most; default 1024, and more is never allowed", .min = 0, .max = BYTES_MAX},
    {0},
};

/* ---- compiling ---- */

struct byte_set {
    uint64_t bits[4];
};

struct reader {
    const struct yaml_node *node;
    const char *at; /* NUL-terminated */
    struct pattern *pattern;
};

static void set_add(struct byte_set *set, unsigned byte)
{
    set->bits[byte / 64] |= UINT64_C(1) << byte % 64;
}

static bool set_has(const struct byte_set *set, unsigned byte)
{
    return (set->bits[byte / 64] >> byte % 64 & 1) != 0;
}

static int fail(const struct reader *reader, const char *what, struct error *err)
{
    return yaml_error(reader->node, err, "matches: %s at \"%.20s\"", what, reader->at);
}

/* One character, maybe after a backslash. */
static int read_byte(struct reader *reader, unsigned *out, struct error *err)
{
    if (*reader->at == '\\')
        reader->at++;
    if (*reader->at == '\0')
        return fail(reader, "the pattern ends too early", err);
    *out = (unsigned char)*reader->at++;
    return 0;
}

static int read_range(struct reader *reader, struct byte_set *set, struct error *err)
{
    unsigned first = 0, last;
    if (read_byte(reader, &first, err) != 0)
        return -1;
    last = first;
    if (reader->at[0] == '-' && reader->at[1] != ']' && reader->at[1] != '\0') {
        reader->at++;
        if (read_byte(reader, &last, err) != 0)
            return -1;
    }
    if (first > 0x7E || last > 0x7E)
        return fail(reader, "between [ and ] only ASCII characters can stand; not so", err);
    if (first > last)
        return fail(reader, "a range that goes backwards", err);
    for (unsigned byte = first; byte <= last; byte++)
        set_add(set, byte);
    return 0;
}

/* Behind the '['. */
static int read_set(struct reader *reader, struct byte_set *set, struct error *err)
{
    bool is_negated = *reader->at == '^';
    reader->at += is_negated;
    if (*reader->at == ']')
        return fail(reader, "an empty [ ]", err);
    while (*reader->at != ']')
        if (read_range(reader, set, err) != 0)
            return -1;
    reader->at++;
    for (unsigned i = 0; is_negated && i < 4; i++)
        set->bits[i] = ~set->bits[i];
    return 0;
}

static int read_place(struct reader *reader, struct byte_set *set, struct error *err)
{
    *set = (struct byte_set){0};
    char c = *reader->at;
    if (strchr("?+*{", c) != NULL)
        return fail(reader, "nothing to repeat", err);
    if (strchr("]}()|^$", c) != NULL)
        return fail(reader, "this is written with a \\ before it", err);
    if (c == '[') {
        reader->at++;
        return read_set(reader, set, err);
    }
    if (c == '.') {
        reader->at++;
        memset(set, 0xFF, sizeof *set);
        return 0;
    }
    unsigned byte = 0;
    if (read_byte(reader, &byte, err) != 0)
        return -1;
    set_add(set, byte);
    return 0;
}

static bool read_count(struct reader *reader, unsigned *out)
{
    unsigned digits = 0;
    for (*out = 0; *reader->at >= '0' && *reader->at <= '9' && digits < 4; digits++)
        *out = *out * 10 + (unsigned)(*reader->at++ - '0');
    return digits > 0 && digits < 4;
}

struct repeat {
    unsigned min, max;
    bool is_endless;
};

/* What may follow a place. */
static int read_repeat(struct reader *reader, struct repeat *out, struct error *err)
{
    *out = (struct repeat){1, 1, false};
    switch (*reader->at) {
    case '?':
        out->min = 0;
        break;
    case '*':
        *out = (struct repeat){0, 1, true};
        break;
    case '+':
        out->is_endless = true;
        break;
    case '{':
        reader->at++;
        if (!read_count(reader, &out->min))
            return fail(reader, "a number is wanted", err);
        out->max = out->min;
        if (*reader->at == ',') {
            reader->at++;
            if (!read_count(reader, &out->max))
                return fail(reader, "a number is wanted", err);
        }
        if (*reader->at != '}' || out->max < out->min || out->max == 0)
            return fail(reader, "{3} or {2,4} is wanted", err);
        break;
    default:
        return 0;
    }
    reader->at++;
    return 0;
}

static int add_places(struct reader *reader, const struct byte_set *set,
                      const struct repeat *repeat, struct error *err)
{
    struct pattern *pattern = reader->pattern;
    for (unsigned i = 0; i < repeat->max; i++) {
        if (pattern->places == PLACES_MAX)
            return yaml_error(reader->node, err, "matches: a pattern has at most %d places",
                              PLACES_MAX);
        uint64_t bit = UINT64_C(1) << pattern->places++;
        pattern->optional |= i >= repeat->min ? bit : 0;
        pattern->repeated |= repeat->is_endless ? bit : 0;
        for (unsigned byte = 0; byte < 256; byte++)
            if (set_has(set, byte))
                pattern->takes[byte] |= bit;
    }
    return 0;
}

static int compile_text(struct rule_build *build, struct pattern *pattern, struct error *err)
{
    struct reader reader = {yaml_get(build->node, "matches"), pattern->text.ptr, pattern};
    pattern->takes = rule_alloc(build->arena, 256 * sizeof *pattern->takes);
    if (pattern->takes == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a ruleset");
    while (*reader.at != '\0') {
        struct byte_set set;
        struct repeat repeat;
        if (read_place(&reader, &set, err) != 0 || read_repeat(&reader, &repeat, err) != 0 ||
            add_places(&reader, &set, &repeat, err) != 0)
            return -1;
    }
    return 0;
}

static int compile(struct rule_build *build, void *check, struct rule_test *test, struct error *err)
{
    (void)test;
    struct pattern *pattern = check;
    if (pattern->field.type == FIELD_NUMBER || pattern->field.type == FIELD_TIME)
        return yaml_error(build->node, err, "\"%s\" is no text: use the kind range",
                          pattern->field.name.ptr);
    if (pattern->min_len > pattern->max_len)
        return yaml_error(build->node, err, "min_length is greater than max_length");
    bool has_length =
        yaml_get(build->node, "min_length") != NULL || yaml_get(build->node, "max_length") != NULL;
    if (pattern->text.len == 0 && !has_length)
        return yaml_error(build->node, err, "a pattern needs matches, min_length or max_length");
    return pattern->text.len == 0 ? 0 : compile_text(build, pattern, err);
}

/* ---- running ---- */

/* Bit i: i places may be behind. Those that may be left out are passed over. */
static uint64_t pass_over(const struct pattern *pattern, uint64_t state)
{
    uint64_t more = state;
    while (more != 0) {
        more = (more & pattern->optional) << 1 & ~state;
        state |= more;
    }
    return state;
}

static bool matches(const struct pattern *pattern, struct bytes text)
{
    uint64_t state = pass_over(pattern, 1);
    for (size_t i = 0; i < text.len && state != 0; i++) {
        uint64_t takes = pattern->takes[(unsigned char)text.ptr[i]];
        /* a repeated place that is behind may take one more */
        uint64_t again = state & (takes & pattern->repeated) << 1;
        state = pass_over(pattern, (state & takes) << 1 | again);
    }
    return (state >> pattern->places & 1) != 0;
}

enum outcome { FITS, NO_TEXT, TOO_LONG, TOO_SHORT, DIFFERENT };

static enum outcome look(const struct pattern *pattern, const struct packet *packet)
{
    struct value value = field_read(&pattern->field, packet);
    if (value.type == VALUE_NONE)
        return FITS;
    char room[6 * BYTES_MAX + 2];
    struct bytes text = value.text;
    if (value.type != VALUE_TEXT && value.type != VALUE_NUMBER)
        return NO_TEXT;
    if (value.type == VALUE_TEXT && !value_plain_text(&value, room, sizeof room, &text))
        return TOO_LONG;
    if (text.len > (size_t)pattern->max_len)
        return TOO_LONG;
    if (text.len < (size_t)pattern->min_len)
        return TOO_SHORT;
    return pattern->takes == NULL || matches(pattern, text) ? FITS : DIFFERENT;
}

static bool run(const void *check, const struct packet *packet, const struct rule_context *context)
{
    (void)context;
    return look(check, packet) == FITS;
}

static void explain(const void *check, const struct packet *packet,
                    const struct rule_context *context, char *out, size_t cap)
{
    (void)context;
    const struct pattern *pattern = check;
    struct value value = field_read(&pattern->field, packet);
    char shown[96];
    value_print(&value, shown, sizeof shown);
    const char *name = pattern->field.name.ptr;
    switch (look(pattern, packet)) {
    case FITS:
        break;
    case NO_TEXT:
        snprintf(out, cap, "%s is %s, not text", name, shown);
        return;
    case TOO_LONG:
        snprintf(out, cap, "%s %s is longer than %lld bytes", name, shown,
                 (long long)pattern->max_len);
        return;
    case TOO_SHORT:
        snprintf(out, cap, "%s %s is shorter than %lld bytes", name, shown,
                 (long long)pattern->min_len);
        return;
    case DIFFERENT:
        snprintf(out, cap, "%s %s does not match %.60s", name, shown, pattern->text.ptr);
        return;
    }
}

const struct rule_kind rule_pattern = {
    .name = "pattern",
    .help = "A text is made of certain characters and has a certain length. The time it takes "
            "grows with the text's length and with nothing else.",
    .example = "{id: vin, kind: pattern, field: payload.vin, matches: '[A-HJ-NPR-Z0-9]{17}'}",
    .reason = REASON_RULE_PATTERN,
    .settings = settings,
    .check_size = sizeof(struct pattern),
    .defaults = &defaults,
    .compile = compile,
    .run = run,
    .explain = explain,
};
