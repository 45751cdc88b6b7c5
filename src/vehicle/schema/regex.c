/* SPDX-License-Identifier: Apache-2.0 */
/* Every character of the expression is a position. `first` are those that a
 * match can begin with, `last` those that it can end with, `follow` of each those
 * that can come after it. Reading goes over the set of positions that the text
 * so far can end in; it is a match as soon as one of them is a last one.
 *
 * ^ and $ are positions, too: the text is read as if a character stood before
 * it (START) and one after it (STOP) that nothing else matches.
 *
 * A repetition a{2,3} is the text of a, parsed again: positions and parsing are
 * bounded, so that nested ones can't grow. */
#include "vehicle/schema/regex.h"

#include <stdlib.h>

#include "vehicle/schema/regex_class.h"

enum {
    WORDS_MAX = REGEX_POSITIONS_MAX / 64,
    DEPTH_MAX = 32,
    REPEAT_MAX = 1000,
    PARTS_MAX = 20000, /* parsed in all, with those that are parsed again */
    START = 128,       /* columns of the table, behind ASCII */
    STOP = 129,
    COLUMNS = 130,
};

struct set {
    uint64_t words[WORDS_MAX];
};

struct regex {
    bool matches_nothing_read; /* can match the empty text, so is found in every one */
    bool is_anchored;          /* begins with ^ in all its ways */
    size_t position_count, words;
    struct set first, last;
    struct set *follow;          /* by position */
    struct set table[COLUMNS];   /* the positions that each ASCII character, START, STOP match */
    struct regex_class *classes; /* by position: for the other characters */
};

/* A part of the expression. */
struct part {
    struct set first, last;
    bool is_nullable;
};

struct parser {
    struct regex *regex;
    const char *begin, *p, *end;
    size_t parts;
    struct error *err;
};

static int refuse(const struct parser *parser, const char *why)
{
    return error_set(parser->err, ERROR_CONFIG, "%s at byte %zu", why,
                     (size_t)(parser->p - parser->begin));
}

/* ---- sets ---- */

static void set_add(struct set *set, size_t position)
{
    set->words[position / 64] |= UINT64_C(1) << (position % 64);
}

static void set_join(struct set *set, const struct set *other)
{
    for (size_t i = 0; i < WORDS_MAX; i++)
        set->words[i] |= other->words[i];
}

static bool sets_meet(const struct set *a, const struct set *b, size_t words)
{
    uint64_t common = 0;
    for (size_t i = 0; i < words; i++)
        common |= a->words[i] & b->words[i];
    return common != 0;
}

/* ---- parts ---- */

/* What may come behind `before`. */
static void link_parts(struct regex *regex, const struct set *before, const struct set *after)
{
    for (size_t i = 0; i < regex->position_count; i++)
        if ((before->words[i / 64] >> (i % 64) & 1) != 0)
            set_join(&regex->follow[i], after);
}

static void append_part(struct regex *regex, struct part *all, const struct part *next)
{
    link_parts(regex, &all->last, &next->first);
    if (all->is_nullable)
        set_join(&all->first, &next->first);
    if (next->is_nullable)
        set_join(&all->last, &next->last);
    else
        all->last = next->last;
    all->is_nullable = all->is_nullable && next->is_nullable;
}

static int take_position(struct parser *parser, struct part *out, size_t *position)
{
    struct regex *regex = parser->regex;
    if (regex->position_count == REGEX_POSITIONS_MAX)
        return refuse(parser, "more than 512 characters once repetitions are written out");
    *position = regex->position_count++;
    *out = (struct part){.is_nullable = false};
    set_add(&out->first, *position);
    set_add(&out->last, *position);
    return 0;
}

static int take_anchor(struct parser *parser, int column, struct part *out)
{
    size_t position;
    if (take_position(parser, out, &position) != 0)
        return -1;
    set_add(&parser->regex->table[column], position);
    parser->p++;
    if (parser->p < parser->end && strchr("*+?{", *parser->p) != NULL)
        return refuse(parser, "^ and $ can't be repeated");
    return 0;
}

static int take_class(struct parser *parser, struct part *out)
{
    size_t position;
    if (take_position(parser, out, &position) != 0)
        return -1;
    struct regex_class *class = &parser->regex->classes[position];
    const char *why = regex_class_parse(class, &parser->p, parser->end);
    if (why != NULL)
        return refuse(parser, why);
    for (int c = 0; c < 128; c++)
        if (regex_class_has(class, c))
            set_add(&parser->regex->table[c], position);
    return 0;
}

/* ---- grammar ---- */

static int parse_choice(struct parser *parser, int depth, struct part *out);

static int parse_group(struct parser *parser, int depth, struct part *out)
{
    parser->p++;
    if (parser->end - parser->p >= 2 && parser->p[0] == '?') {
        if (parser->p[1] != ':')
            return refuse(parser, "only (?: ) of the groups with ? is known");
        parser->p += 2;
    }
    if (depth == DEPTH_MAX)
        return refuse(parser, "groups in each other deeper than 32");
    if (parse_choice(parser, depth + 1, out) != 0)
        return -1;
    if (parser->p == parser->end)
        return refuse(parser, "a group does not end");
    parser->p++;
    return 0;
}

static int parse_atom(struct parser *parser, int depth, struct part *out)
{
    if (++parser->parts > PARTS_MAX)
        return refuse(parser, "too many repetitions");
    switch (*parser->p) {
    case '(':
        return parse_group(parser, depth, out);
    case '^':
        return take_anchor(parser, START, out);
    case '$':
        return take_anchor(parser, STOP, out);
    case '*':
    case '+':
    case '?':
    case '{':
        return refuse(parser, "nothing to repeat");
    case '}':
    case ']':
        return refuse(parser, "a bracket without its beginning (write \\] or \\})");
    default:
        return take_class(parser, out);
    }
}

/* At a digit: a number up to REPEAT_MAX; -1: too large or none. */
static int parse_number(struct parser *parser)
{
    int value = -1;
    for (; parser->p < parser->end && *parser->p >= '0' && *parser->p <= '9'; parser->p++) {
        value = (value < 0 ? 0 : value) * 10 + (*parser->p - '0');
        if (value > REPEAT_MAX)
            return -1;
    }
    return value;
}

/* max -1: without end. No quantifier: 1, 1. */
static int parse_quantifier(struct parser *parser, int *min, int *max)
{
    char c = parser->p < parser->end ? *parser->p : '\0';
    *min = c == '*' || c == '?' ? 0 : 1;
    *max = c == '*' || c == '+' ? -1 : 1;
    if (c == '{') {
        parser->p++;
        *min = *max = parse_number(parser);
        if (*min >= 0 && parser->p < parser->end && *parser->p == ',') {
            parser->p++;
            bool is_open = parser->p < parser->end && *parser->p == '}';
            *max = is_open ? -1 : parse_number(parser);
            if (!is_open && *max < *min)
                return refuse(parser, "a repetition whose end is below its beginning");
        }
        if (*min < 0 || parser->p == parser->end || *parser->p != '}')
            return refuse(parser, "a repetition is {n}, {n,} or {n,m}, up to 1000");
    } else if (c != '*' && c != '+' && c != '?') {
        return 0;
    }
    parser->p++;
    if (parser->p < parser->end && *parser->p == '?')
        parser->p++; /* lazy: the same texts match */
    return 0;
}

static int parse_again(struct parser *parser, const char *from, int depth, struct part *out)
{
    const char *behind = parser->p;
    parser->p = from;
    int result = parse_atom(parser, depth, out);
    if (result == 0)
        parser->p = behind;
    return result;
}

/* The atom at `from` was parsed once into `once`; the quantifier was read. */
static int repeat(struct parser *parser, const char *from, int depth, int min, int max,
                  const struct part *once, struct part *out)
{
    int copies = max > 0 ? max : min > 0 ? min : 1;
    *out = (struct part){.is_nullable = true};
    if (max == 0)
        return 0; /* its positions stay, and nothing leads to them */
    for (int i = 0; i < copies; i++) {
        struct part next = *once;
        if (i > 0 && parse_again(parser, from, depth, &next) != 0)
            return -1;
        if (max < 0 && i + 1 == copies)
            link_parts(parser->regex, &next.last, &next.first);
        next.is_nullable = next.is_nullable || i >= min;
        append_part(parser->regex, out, &next);
    }
    return 0;
}

static int parse_sequence(struct parser *parser, int depth, struct part *out)
{
    *out = (struct part){.is_nullable = true};
    while (parser->p < parser->end && *parser->p != '|' && *parser->p != ')') {
        const char *from = parser->p;
        struct part once, all;
        int min, max;
        if (parse_atom(parser, depth, &once) != 0 || parse_quantifier(parser, &min, &max) != 0 ||
            repeat(parser, from, depth, min, max, &once, &all) != 0)
            return -1;
        append_part(parser->regex, out, &all);
    }
    return 0;
}

static int parse_choice(struct parser *parser, int depth, struct part *out)
{
    if (parse_sequence(parser, depth, out) != 0)
        return -1;
    while (parser->p < parser->end && *parser->p == '|') {
        struct part other;
        parser->p++;
        if (parse_sequence(parser, depth, &other) != 0)
            return -1;
        set_join(&out->first, &other.first);
        set_join(&out->last, &other.last);
        out->is_nullable = out->is_nullable || other.is_nullable;
    }
    return 0;
}

/* START and STOP are read once each, so two of a kind behind each other would
 * never match where ECMA-262 has them match. */
static int check_anchors(const struct parser *parser)
{
    const struct regex *regex = parser->regex;
    const struct set *start = &regex->table[START], *stop = &regex->table[STOP];
    for (size_t i = 0; i < regex->position_count; i++) {
        struct set here = {{0}};
        set_add(&here, i);
        bool is_start = sets_meet(&here, start, WORDS_MAX);
        bool is_stop = sets_meet(&here, stop, WORDS_MAX);
        if ((is_start || is_stop) && sets_meet(&regex->follow[i], start, WORDS_MAX))
            return refuse(parser, "^ behind ^ or $");
        if (is_stop && sets_meet(&regex->follow[i], stop, WORDS_MAX))
            return refuse(parser, "$ behind $");
    }
    return 0;
}

static int parse(struct parser *parser)
{
    struct regex *regex = parser->regex;
    struct part all;
    if (parse_choice(parser, 0, &all) != 0)
        return -1;
    if (parser->p < parser->end)
        return refuse(parser, "a ) without its (");
    regex->first = all.first;
    regex->last = all.last;
    regex->matches_nothing_read = all.is_nullable;
    regex->words = (regex->position_count + 63) / 64;
    regex->is_anchored = true;
    for (size_t i = 0; i < WORDS_MAX; i++)
        if ((all.first.words[i] & ~regex->table[START].words[i]) != 0)
            regex->is_anchored = false;
    return check_anchors(parser);
}

int regex_new(struct regex **out, struct bytes text, struct error *err)
{
    if (text.len > REGEX_TEXT_MAX)
        return error_set(err, ERROR_CONFIG, "longer than %d bytes", REGEX_TEXT_MAX);
    struct regex *regex = calloc(1, sizeof *regex);
    if (regex != NULL) {
        regex->follow = calloc(REGEX_POSITIONS_MAX, sizeof *regex->follow);
        regex->classes = calloc(REGEX_POSITIONS_MAX, sizeof *regex->classes);
    }
    if (regex == NULL || regex->follow == NULL || regex->classes == NULL) {
        regex_free(regex);
        return error_set(err, ERROR_MEMORY, "no memory for a regular expression");
    }
    struct parser parser = {regex, text.ptr, text.ptr, text.ptr + text.len, 0, err};
    if (parse(&parser) != 0) {
        regex_free(regex);
        return -1;
    }
    /* Sized for any expression while parsing; most have few positions. */
    size_t count = regex->position_count == 0 ? 1 : regex->position_count;
    void *follow = realloc(regex->follow, count * sizeof *regex->follow);
    regex->follow = follow == NULL ? regex->follow : follow;
    void *classes = realloc(regex->classes, count * sizeof *regex->classes);
    regex->classes = classes == NULL ? regex->classes : classes;
    *out = regex;
    return 0;
}

void regex_free(struct regex *regex)
{
    if (regex == NULL)
        return;
    free(regex->follow);
    free(regex->classes);
    free(regex);
}

/* ---- matching ---- */

/* What may come next after the positions in `now`. */
static void reach(const struct regex *regex, const struct set *now, struct set *next)
{
    for (size_t w = 0; w < regex->words; w++)
        next->words[w] = regex->first.words[w];
    for (size_t w = 0; w < regex->words; w++) {
        for (uint64_t left = now->words[w]; left != 0; left &= left - 1) {
            const struct set *follow = &regex->follow[w * 64 + (size_t)__builtin_ctzll(left)];
            for (size_t i = 0; i < regex->words; i++)
                next->words[i] |= follow->words[i];
        }
    }
}

static void keep_matching(const struct regex *regex, int32_t c, struct set *next)
{
    if (c < COLUMNS) {
        for (size_t w = 0; w < regex->words; w++)
            next->words[w] &= regex->table[c].words[w];
        return;
    }
    for (size_t w = 0; w < regex->words; w++)
        for (uint64_t left = next->words[w]; left != 0; left &= left - 1)
            if (!regex_class_has(&regex->classes[w * 64 + (size_t)__builtin_ctzll(left)],
                                 c - COLUMNS))
                next->words[w] &= ~(left & -left);
}

/* One character (a column, or COLUMNS + the code point); true: a match ends here. */
static bool step(const struct regex *regex, int32_t column, struct set *now)
{
    struct set next;
    reach(regex, now, &next);
    keep_matching(regex, column, &next);
    for (size_t w = 0; w < regex->words; w++)
        now->words[w] = next.words[w];
    return sets_meet(now, &regex->last, regex->words);
}

static bool is_stuck(const struct regex *regex, const struct set *now)
{
    uint64_t any = 0;
    for (size_t w = 0; w < regex->words; w++)
        any |= now->words[w];
    return regex->is_anchored && any == 0;
}

bool regex_finds(const struct regex *regex, struct json_chars chars)
{
    struct set now = {{0}};
    if (regex->matches_nothing_read || step(regex, START, &now))
        return true;
    for (int32_t c; (c = json_chars_next(&chars)) >= 0;) {
        if (step(regex, c < 128 ? c : c + COLUMNS, &now))
            return true;
        if (is_stuck(regex, &now))
            return false;
    }
    return step(regex, STOP, &now);
}
