/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "codec/json.h"
#include "simulate/template_private.h"

enum { WORDS_MAX = 256, PLACES_MAX = 15 };

struct parser {
    struct template *template;
    struct bytes text;
    size_t at;                           /* bytes read */
    size_t open;                         /* where the placeholder being read begins */
    size_t blocks[TEMPLATE_DEPTH_MAX];   /* parts whose {{end}} is still to come */
    size_t branches[TEMPLATE_DEPTH_MAX]; /* … and the last branch of each */
    size_t depth;
    struct bytes words[WORDS_MAX]; /* of the placeholder being read */
    size_t word_count;
    struct error *err;
};

/* Where the placeholder begins, its name, and what would have been right. */
static int fail(struct parser *parser, const char *expected)
{
    struct bytes name = parser->word_count > 0 ? parser->words[0] : BYTES("");
    int shown = name.len < 40 ? (int)name.len : 40;
    size_t line = 1, column = 1;
    for (size_t i = 0; i < parser->open; i++) {
        column = parser->text.ptr[i] == '\n' ? 1 : column + 1;
        line += parser->text.ptr[i] == '\n';
    }
    return error_set(parser->err, ERROR_CONFIG, "template, line %zu, column %zu: {{%.*s}}: %s",
                     line, column, shown, name.ptr, expected);
}

static struct part *add_part(struct parser *parser, enum part_kind kind)
{
    struct template *template = parser->template;
    if (template->count == TEMPLATE_PARTS_MAX) {
        fail(parser, "too many parts");
        return NULL;
    }
    if (template->count == template->cap) {
        size_t cap = template->cap == 0 ? 32 : template->cap * 2;
        struct part *grown = realloc(template->parts, cap * sizeof *grown);
        if (grown == NULL) {
            error_set(parser->err, ERROR_MEMORY, "no memory for the template");
            return NULL;
        }
        template->parts = grown;
        template->cap = cap;
    }
    struct part *part = &template->parts[template->count++];
    *part = (struct part){.kind = kind, .after = (uint32_t) template->count};
    return part;
}

static int add_text(struct parser *parser, struct bytes text)
{
    if (text.len == 0)
        return 0;
    struct part *part = add_part(parser, PART_TEXT);
    if (part == NULL)
        return -1;
    part->text = text;
    return 0;
}

/* ---- the words of a placeholder ---- */

static size_t word_len(const char *p, const char *end)
{
    bool has_escapes;
    struct json_fault fault;
    const char *after = *p == '"' ? json_scan_string(p, end, &has_escapes, &fault) : NULL;
    if (after != NULL)
        return (size_t)(after - p);
    size_t len = 0;
    while (p + len < end && !json_is_blank(p[len]) && p[len] != '}')
        len++;
    return len;
}

/* From behind "{{" to behind "}}". A word in quotes may hold braces and blanks. */
static int read_words(struct parser *parser)
{
    const char *end = parser->text.ptr + parser->text.len;
    const char *p = parser->text.ptr + parser->at;
    parser->word_count = 0;
    for (;;) {
        p = json_skip_blanks(p, end);
        if (end - p >= 2 && p[0] == '}' && p[1] == '}')
            break;
        size_t len = p < end ? word_len(p, end) : 0;
        if (len == 0)
            return fail(parser, "not closed by }}");
        if (parser->word_count == WORDS_MAX)
            return fail(parser, "more than 255 words");
        parser->words[parser->word_count++] = bytes_of(p, len);
        p += len;
    }
    parser->at = (size_t)(p + 2 - parser->text.ptr);
    return 0;
}

static bool int_word(const struct parser *parser, size_t i, int64_t *out)
{
    return i >= parser->word_count || text_to_i64(parser->words[i], out);
}

/* Two numbers, the second not below the first; one word gives both. */
static bool range_words(const struct parser *parser, int64_t least, int64_t most, struct part *part)
{
    if (!int_word(parser, 1, &part->min))
        return false;
    if (parser->word_count > 1)
        part->max = part->min;
    return int_word(parser, 2, &part->max) && part->min >= least && part->max <= most &&
           part->min <= part->max;
}

/* ---- one placeholder each: words[0] is its name ---- */

static int parse_plain(struct parser *parser, struct part *part)
{
    (void)part;
    if (parser->word_count == 1)
        return 0;
    return fail(parser, "takes nothing more");
}

static int parse_counter(struct parser *parser, struct part *part)
{
    int64_t start = 1, step = 1;
    if (parser->word_count > 3 || !int_word(parser, 1, &start) || !int_word(parser, 2, &step))
        return fail(parser, "wants [START [STEP]], whole numbers");
    part->next = (uint64_t)start;
    part->step = (uint64_t)step;
    return 0;
}

static int parse_timestamp(struct parser *parser, struct part *part)
{
    static const char *const names[] = {"rfc3339", "s", "ms", "us", "ns"};
    if (parser->word_count == 1)
        return 0;
    for (int i = 0; i < 5 && parser->word_count == 2; i++)
        if (bytes_equal_text(parser->words[1], names[i])) {
            part->format = (enum time_format)i;
            return 0;
        }
    return fail(parser, "wants rfc3339, s, ms, us or ns");
}

static int parse_int(struct parser *parser, struct part *part)
{
    if (parser->word_count == 3 && range_words(parser, INT64_MIN, INT64_MAX, part))
        return 0;
    return fail(parser, "wants MIN MAX, whole numbers, the smaller first");
}

static int parse_float(struct parser *parser, struct part *part)
{
    static const char wants[] = "wants MIN MAX [PLACES]: the smaller first, 0-15 places, "
                                "at most 15 digits in all";
    double min, max, scale = 1;
    int64_t places = 6;
    if (parser->word_count < 3 || parser->word_count > 4 || !int_word(parser, 3, &places) ||
        places < 0 || places > PLACES_MAX || !text_to_double(parser->words[1], &min) ||
        !text_to_double(parser->words[2], &max))
        return fail(parser, wants);
    for (int64_t i = 0; i < places; i++)
        scale *= 10;
    min = ceil(min * scale);
    max = floor(max * scale);
    if (!(min <= max) || min < -1e15 || max > 1e15)
        return fail(parser, wants);
    part->places = (uint32_t)places;
    part->min = (int64_t)min;
    part->max = (int64_t)max;
    return 0;
}

static int parse_string(struct parser *parser, struct part *part)
{
    part->min = part->max = 8;
    if (parser->word_count <= 3 && range_words(parser, 0, TEMPLATE_STRING_MAX, part))
        return 0;
    return fail(parser, "wants [MIN [MAX]], 0 to 65536");
}

static int parse_choice(struct parser *parser, struct part *part)
{
    size_t block = (size_t)(part - parser->template->parts);
    if (parser->word_count < 2)
        return fail(parser, "wants at least one word");
    part->count = (uint32_t)parser->word_count - 1;
    for (size_t i = 1; i < parser->word_count; i++)
        if (add_text(parser, parser->words[i]) != 0)
            return -1;
    parser->template->parts[block].after = (uint32_t)parser->template->count;
    return 0;
}

/* ---- blocks ---- */

static int open_branch(struct parser *parser)
{
    size_t number = parser->template->count;
    if (add_part(parser, PART_BRANCH) == NULL)
        return -1;
    parser->branches[parser->depth - 1] = number;
    parser->template->parts[parser->blocks[parser->depth - 1]].count++;
    return 0;
}

static void close_branch(struct parser *parser)
{
    size_t branch = parser->branches[parser->depth - 1];
    parser->template->parts[branch].after = (uint32_t)parser->template->count;
}

static int open_block(struct parser *parser, const struct part *part)
{
    if (parser->depth == TEMPLATE_DEPTH_MAX)
        return fail(parser, "nests deeper than 16");
    parser->blocks[parser->depth++] = (size_t)(part - parser->template->parts);
    return open_branch(parser);
}

static int parse_either(struct parser *parser, struct part *part)
{
    if (parser->word_count != 1)
        return fail(parser, "takes nothing more");
    return open_block(parser, part);
}

static int parse_repeat(struct parser *parser, struct part *part)
{
    if (parser->word_count < 2 || parser->word_count > 3 ||
        !range_words(parser, 0, TEMPLATE_REPEAT_MAX, part))
        return fail(parser, "wants MIN [MAX], 0 to 10000");
    return open_block(parser, part);
}

static int take_or(struct parser *parser)
{
    if (parser->word_count != 1 || parser->depth == 0 ||
        parser->template->parts[parser->blocks[parser->depth - 1]].kind != PART_EITHER)
        return fail(parser, "stands between {{either}} and {{end}}");
    close_branch(parser);
    return open_branch(parser);
}

static int take_end(struct parser *parser)
{
    if (parser->word_count != 1 || parser->depth == 0)
        return fail(parser, "there is no {{either}} or {{repeat}} to end");
    close_branch(parser);
    parser->depth--;
    parser->template->parts[parser->blocks[parser->depth]].after =
        (uint32_t)parser->template->count;
    return 0;
}

/* ---- the whole ---- */

static const struct placeholder {
    const char *name;
    enum part_kind kind;
    int (*parse)(struct parser *parser, struct part *part);
} placeholders[] = {
    {"uuid", PART_UUID, parse_plain},
    {"counter", PART_COUNTER, parse_counter},
    {"timestamp", PART_TIMESTAMP, parse_timestamp},
    {"int", PART_INT, parse_int},
    {"float", PART_FLOAT, parse_float},
    {"string", PART_STRING, parse_string},
    {"bool", PART_BOOL, parse_plain},
    {"choice", PART_CHOICE, parse_choice},
    {"either", PART_EITHER, parse_either},
    {"repeat", PART_REPEAT, parse_repeat},
};

static int take_placeholder(struct parser *parser)
{
    if (read_words(parser) != 0)
        return -1;
    if (parser->word_count == 0)
        return fail(parser, "empty");
    struct bytes name = parser->words[0];
    for (size_t i = 0; i < sizeof placeholders / sizeof placeholders[0]; i++) {
        if (!bytes_equal_text(name, placeholders[i].name))
            continue;
        struct part *part = add_part(parser, placeholders[i].kind);
        return part == NULL ? -1 : placeholders[i].parse(parser, part);
    }
    if (bytes_equal_text(name, "or"))
        return take_or(parser);
    if (bytes_equal_text(name, "end"))
        return take_end(parser);
    if (bytes_equal_text(name, "braces") && parser->word_count == 1)
        return add_text(parser, BYTES("{{"));
    return fail(parser,
                "expected uuid, counter, timestamp, int, float, string, bool, choice, either, "
                "or, end, repeat or braces");
}

static const char *find_open(const char *p, const char *end)
{
    for (; end - p >= 2; p++)
        if (p[0] == '{' && p[1] == '{')
            return p;
    return end;
}

static int parse_all(struct parser *parser)
{
    while (parser->at < parser->text.len) {
        const char *from = parser->text.ptr + parser->at;
        const char *end = parser->text.ptr + parser->text.len;
        const char *open = find_open(from, end);
        if (add_text(parser, bytes_of(from, (size_t)(open - from))) != 0)
            return -1;
        parser->at += (size_t)(open - from);
        if (open == end)
            break;
        parser->open = parser->at;
        parser->at += 2;
        if (take_placeholder(parser) != 0)
            return -1;
    }
    if (parser->depth == 0)
        return 0;
    parser->word_count = 0;
    return fail(parser, "{{end}} is missing for an {{either}} or {{repeat}}");
}

int template_new(struct template **out, struct bytes text, struct error *err)
{
    if (text.len == 0 || text.len > TEMPLATE_BYTES_MAX)
        return error_set(err, ERROR_CONFIG, "the template has %zu bytes: 1 to %d are allowed",
                         text.len, TEMPLATE_BYTES_MAX);
    struct template *template = calloc(1, sizeof *template);
    char *copy = template == NULL ? NULL : bytes_dup_text(text);
    struct parser *parser = copy == NULL ? NULL : calloc(1, sizeof *parser);
    if (parser == NULL) {
        free(copy);
        free(template);
        return error_set(err, ERROR_MEMORY, "no memory for the template");
    }
    template->text = copy;
    *parser = (struct parser){.template = template, .text = {copy, text.len}, .err = err};
    int result = parse_all(parser);
    free(parser);
    if (result != 0) {
        template_free(template);
        return -1;
    }
    *out = template;
    return 0;
}

void template_free(struct template *template)
{
    if (template == NULL)
        return;
    free(template->parts);
    free(template->text);
    free(template);
}
