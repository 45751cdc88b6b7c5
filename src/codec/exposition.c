/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/exposition.h"

#include <math.h>

#include "base/text.h"

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == ':';
}

static struct bytes take_line(struct bytes *page)
{
    const char *end = memchr(page->ptr, '\n', page->len);
    size_t len = end == NULL ? page->len : (size_t)(end - page->ptr);
    struct bytes line = bytes_of(page->ptr, len);
    size_t used = end == NULL ? len : len + 1;
    *page = bytes_of(page->ptr + used, page->len - used);
    return line;
}

static void skip(struct bytes *text, size_t n)
{
    *text = bytes_of(text->ptr + n, text->len - n);
}

static void skip_blanks(struct bytes *text)
{
    while (text->len > 0 && (text->ptr[0] == ' ' || text->ptr[0] == '\t'))
        skip(text, 1);
}

static struct bytes take_name(struct bytes *text)
{
    size_t len = 0;
    while (len < text->len && is_name_char(text->ptr[len]))
        len++;
    struct bytes name = bytes_of(text->ptr, len);
    skip(text, len);
    return name;
}

/* Behind an opening quote: up to the closing one, which is taken too. */
static bool take_quoted(struct bytes *text, struct bytes *value)
{
    size_t len = 0;
    while (len < text->len && text->ptr[len] != '"')
        len += text->ptr[len] == '\\' ? 2 : 1;
    if (len >= text->len)
        return false;
    *value = bytes_of(text->ptr, len);
    skip(text, len + 1);
    return true;
}

/* name="value" and the comma behind it. */
static bool take_pair(struct bytes *text, struct bytes *name, struct bytes *value)
{
    skip_blanks(text);
    *name = take_name(text);
    skip_blanks(text);
    if (name->len == 0 || text->len == 0 || text->ptr[0] != '=')
        return false;
    skip(text, 1);
    skip_blanks(text);
    if (text->len == 0 || text->ptr[0] != '"')
        return false;
    skip(text, 1);
    if (!take_quoted(text, value))
        return false;
    skip_blanks(text);
    if (text->len > 0 && text->ptr[0] == ',') {
        skip(text, 1);
        skip_blanks(text);
    }
    return true;
}

/* {…}: *labels is what stands between. */
static bool take_labels(struct bytes *text, struct bytes *labels)
{
    skip(text, 1);
    const char *begin = text->ptr;
    struct bytes name;
    struct bytes value;
    skip_blanks(text);
    while (text->len > 0 && text->ptr[0] != '}')
        if (!take_pair(text, &name, &value))
            return false;
    if (text->len == 0)
        return false;
    *labels = bytes_of(begin, (size_t)(text->ptr - begin));
    skip(text, 1);
    return true;
}

static bool read_value(struct bytes text, double *out)
{
    static const struct {
        const char *text;
        double value;
    } words[] = {{"NaN", NAN}, {"+Inf", INFINITY}, {"Inf", INFINITY}, {"-Inf", -INFINITY}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (bytes_equal_text(text, words[i].text)) {
            *out = words[i].value;
            return true;
        }
    return text_to_double(text, out);
}

static bool read_sample(struct bytes line, struct exposition_sample *out)
{
    out->name = take_name(&line);
    out->labels = (struct bytes){0};
    skip_blanks(&line);
    if (out->name.len == 0 || line.len == 0)
        return false;
    if (line.ptr[0] == '{' && !take_labels(&line, &out->labels))
        return false;
    line = bytes_trim(line);
    size_t len = 0; /* a timestamp may stand behind the value */
    while (len < line.len && line.ptr[len] != ' ' && line.ptr[len] != '\t')
        len++;
    return read_value(bytes_of(line.ptr, len), &out->value);
}

bool exposition_next(struct bytes *page, struct exposition_sample *out, size_t *bad)
{
    while (page->len > 0) {
        struct bytes line = bytes_trim(take_line(page));
        if (line.len == 0 || line.ptr[0] == '#')
            continue;
        if (read_sample(line, out))
            return true;
        if (bad != NULL)
            (*bad)++;
    }
    return false;
}

bool exposition_next_label(struct bytes *labels, struct bytes *name, struct bytes *value)
{
    skip_blanks(labels);
    return labels->len > 0 && take_pair(labels, name, value);
}

bool exposition_label(struct bytes labels, const char *name, struct bytes *value)
{
    struct bytes found;
    while (exposition_next_label(&labels, &found, value))
        if (bytes_equal_text(found, name))
            return true;
    return false;
}
