/* SPDX-License-Identifier: Apache-2.0 */
#include "config/setting.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "config/yaml.h"

enum { SECRET_MAX_BYTES = 65536, LIST_MAX = 1024 };

/* ---- strings ---- */

struct setting_block {
    struct setting_block *next;
    max_align_t memory[];
};

void setting_heap_deinit(struct setting_heap *heap)
{
    while (heap->blocks != NULL) {
        struct setting_block *block = heap->blocks;
        heap->blocks = block->next;
        free(block);
    }
}

static void *heap_take(struct setting_heap *heap, size_t size)
{
    struct setting_block *block = malloc(sizeof *block + size);
    if (block == NULL)
        return NULL;
    block->next = heap->blocks;
    heap->blocks = block;
    return block->memory;
}

static const char *heap_text(struct setting_heap *heap, struct bytes text)
{
    char *copy = heap_take(heap, text.len + 1);
    if (copy == NULL)
        return NULL;
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return copy;
}

/* ---- parsing ---- */

static int fail(struct error *err, struct bytes text, const char *wanted)
{
    int len = text.len > 80 ? 80 : (int)text.len;
    return error_set(err, ERROR_CONFIG, "wants %s, got \"%.*s\"", wanted, len, text.ptr);
}

static int fail_memory(struct error *err)
{
    return error_set(err, ERROR_MEMORY, "out of memory");
}

static bool has_range(const struct setting *setting)
{
    return setting->min != 0 || setting->max != 0;
}

/* The range goes into the message of both failures: «wants a whole number in
 * 1..1024, got "0"». */
static int fail_number(const struct setting *setting, struct bytes text, const char *wanted,
                       struct error *err)
{
    struct buf message;
    buf_init(&message, 400);
    buf_append_text(&message, wanted);
    if (has_range(setting)) {
        buf_append_text(&message, " in ");
        setting_print_range(setting, &message);
    }
    buf_append_char(&message, '\0');
    fail(err, text, message.has_failed ? wanted : message.ptr);
    buf_deinit(&message);
    return -1;
}

static bool is_in_range(const struct setting *setting, int64_t value)
{
    return !has_range(setting) || (value >= setting->min && value <= setting->max);
}

static int store_integer(const struct setting *setting, struct bytes text, bool is_read,
                         int64_t value, void *place, const char *wanted, struct error *err)
{
    if (!is_read || !is_in_range(setting, value))
        return fail_number(setting, text, wanted, err);
    *(int64_t *)place = value;
    return 0;
}

static int parse_bool(struct bytes text, void *place, struct error *err)
{
    bool value = bytes_equal_text(text, "true");
    if (!value && !bytes_equal_text(text, "false"))
        return fail(err, text, "true or false");
    *(bool *)place = value;
    return 0;
}

static int parse_double(const struct setting *setting, struct bytes text, void *place,
                        struct error *err)
{
    double value;
    bool is_read = text_to_double(text, &value) && isfinite(value);
    if (!is_read ||
        (has_range(setting) && (value < (double)setting->min || value > (double)setting->max)))
        return fail_number(setting, text, "a number", err);
    *(double *)place = value;
    return 0;
}

static int fail_choice(const struct setting *setting, struct bytes text, struct error *err)
{
    struct buf message;
    buf_init(&message, 400);
    buf_append_text(&message, "one of ");
    for (size_t i = 0; setting->choices[i] != NULL; i++)
        buf_printf(&message, "%s%s", i == 0 ? "" : ", ", setting->choices[i]);
    buf_append_char(&message, '\0');
    fail(err, text, message.has_failed ? "one of its choices" : message.ptr);
    buf_deinit(&message);
    return -1;
}

static int parse_choice(const struct setting *setting, struct bytes text, void *place,
                        struct error *err)
{
    for (int i = 0; setting->choices[i] != NULL; i++) {
        if (!bytes_equal_text(text, setting->choices[i]))
            continue;
        *(int *)place = i;
        return 0;
    }
    return fail_choice(setting, text, err);
}

static int check_text(struct bytes text, struct error *err)
{
    if (text.len > 0 && memchr(text.ptr, '\0', text.len) != NULL)
        return error_set(err, ERROR_CONFIG, "holds a NUL character");
    if (!text_is_utf8(text))
        return error_set(err, ERROR_CONFIG, "is not valid UTF-8");
    return 0;
}

static int parse_string(struct bytes text, void *place, struct setting_heap *heap,
                        struct error *err)
{
    if (check_text(text, err) != 0)
        return -1;
    const char *copy = heap_text(heap, text);
    if (copy == NULL)
        return fail_memory(err);
    *(const char **)place = copy;
    return 0;
}

static int read_secret(FILE *file, const char *path, void *place, struct setting_heap *heap,
                       struct error *err)
{
    char *content = malloc(SECRET_MAX_BYTES + 1);
    if (content == NULL)
        return fail_memory(err);
    struct bytes text = {content, fread(content, 1, SECRET_MAX_BYTES + 1, file)};
    int result;
    if (ferror(file))
        result = error_set_errno(err, ERROR_CONFIG, errno, "%s", path);
    else if (text.len > SECRET_MAX_BYTES)
        result = error_set(err, ERROR_CONFIG, "%s: larger than 64 KiB", path);
    else {
        if (text.len > 0 && content[text.len - 1] == '\n') /* as editors and echo leave it */
            text.len--;
        result = parse_string(text, place, heap, err);
    }
    explicit_bzero(content, SECRET_MAX_BYTES + 1);
    free(content);
    return result;
}

/* "@/path" is the file's content; "@@text" is "@text". */
static int parse_secret(struct bytes text, void *place, struct setting_heap *heap,
                        struct error *err)
{
    if (text.len == 0 || text.ptr[0] != '@')
        return parse_string(text, place, heap, err);
    struct bytes rest = bytes_of(text.ptr + 1, text.len - 1);
    if (rest.len > 0 && rest.ptr[0] == '@')
        return parse_string(rest, place, heap, err);
    if (check_text(rest, err) != 0)
        return -1;
    const char *path = heap_text(heap, rest);
    if (path == NULL)
        return fail_memory(err);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return error_set_errno(err, ERROR_CONFIG, errno, "%s", path);
    int result = read_secret(file, path, place, heap, err);
    fclose(file);
    return result;
}

int setting_parse_list(const struct setting *setting, const struct bytes *items, size_t count,
                       void *module, struct setting_heap *heap, struct error *err)
{
    if (count > LIST_MAX)
        return error_set(err, ERROR_CONFIG, "has more than %d elements", LIST_MAX);
    const char **copies = heap_take(heap, (count + 1) * sizeof *copies);
    if (copies == NULL)
        return fail_memory(err);
    for (size_t i = 0; i < count; i++)
        if (parse_string(items[i], &copies[i], heap, err) != 0)
            return -1;
    copies[count] = NULL;
    *(struct setting_list *)(void *)((char *)module + setting->offset) =
        (struct setting_list){copies, count};
    return 0;
}

static int parse_list(const struct setting *setting, struct bytes text, void *module,
                      struct setting_heap *heap, struct error *err)
{
    struct bytes items[LIST_MAX + 1];
    size_t count = 0;
    if (bytes_trim(text).len == 0)
        return setting_parse_list(setting, items, 0, module, heap, err);
    while (count <= LIST_MAX) {
        const char *comma = memchr(text.ptr, ',', text.len);
        size_t len = comma == NULL ? text.len : (size_t)(comma - text.ptr);
        items[count++] = bytes_trim(bytes_of(text.ptr, len));
        if (comma == NULL)
            break;
        text = bytes_of(comma + 1, text.len - len - 1);
    }
    return setting_parse_list(setting, items, count, module, heap, err);
}

int setting_parse(const struct setting *setting, struct bytes text, void *module,
                  struct setting_heap *heap, struct error *err)
{
    void *place = (char *)module + setting->offset;
    int64_t value = 0;
    bool is_read;
    switch (setting->type) {
    case SETTING_BOOL:
        return parse_bool(text, place, err);
    case SETTING_INT:
        is_read = text_to_i64(text, &value);
        return store_integer(setting, text, is_read, value, place, "a whole number", err);
    case SETTING_DOUBLE:
        return parse_double(setting, text, place, err);
    case SETTING_STRING:
        return setting->is_secret ? parse_secret(text, place, heap, err)
                                  : parse_string(text, place, heap, err);
    case SETTING_DURATION:
        is_read = text_to_duration_ns(text, &value);
        return store_integer(setting, text, is_read, value, place, "a duration (250ms, 5s, 1h, 7d)",
                             err);
    case SETTING_SIZE:
        is_read = text_to_size_bytes(text, &value);
        return store_integer(setting, text, is_read, value, place, "a size (4096, 64KiB, 1MiB)",
                             err);
    case SETTING_CHOICE:
        return parse_choice(setting, text, place, err);
    case SETTING_LIST:
        return parse_list(setting, text, module, heap, err);
    }
    return -1;
}

/* ---- printing ---- */

static void print_i64(struct buf *out, enum setting_type type, int64_t value)
{
    char text[TEXT_UNIT_MAX];
    if (type == SETTING_DURATION)
        buf_append(out, text, text_from_duration_ns(text, value));
    else if (type == SETTING_SIZE)
        buf_append(out, text, text_from_size_bytes(text, value));
    else
        buf_append_i64(out, value);
}

void setting_print_range(const struct setting *setting, struct buf *out)
{
    if (!has_range(setting))
        return;
    print_i64(out, setting->type, setting->min);
    buf_append_text(out, "..");
    print_i64(out, setting->type, setting->max);
}

/* JSON strings are YAML, but for characters that YAML does not print (1.2,
 * section 5.1) and those that were line breaks in YAML 1.1, as libyaml has it. */
static const char *hidden_escape(const char *at, size_t len)
{
    static const struct {
        const char *raw;
        const char *escaped;
    } hidden[] = {{"\xEF\xBB\xBF", "\\uFEFF"},
                  {"\xEF\xBF\xBE", "\\uFFFE"},
                  {"\xEF\xBF\xBF", "\\uFFFF"},
                  {"\xE2\x80\xA8", "\\u2028"},
                  {"\xE2\x80\xA9", "\\u2029"}};
    for (size_t h = 0; len >= 3 && h < sizeof hidden / sizeof hidden[0]; h++)
        if (memcmp(at, hidden[h].raw, 3) == 0)
            return hidden[h].escaped;
    return NULL;
}

static void print_string(const char *text, struct buf *out)
{
    struct buf quoted;
    buf_init(&quoted, 0);
    if (buf_append_json(&quoted, bytes_from_text(text)) != 0)
        out->has_failed = true;
    for (size_t i = 0; i < quoted.len;) {
        const char *escape = hidden_escape(quoted.ptr + i, quoted.len - i);
        if (escape != NULL)
            buf_append_text(out, escape);
        else
            buf_append_char(out, quoted.ptr[i]);
        i += escape != NULL ? 3 : 1;
    }
    buf_deinit(&quoted);
}

static void print_list(const struct setting_list *list, struct buf *out)
{
    buf_append_char(out, '[');
    for (size_t i = 0; i < list->count; i++) {
        buf_append_text(out, i == 0 ? "" : ", ");
        print_string(list->items[i], out);
    }
    buf_append_char(out, ']');
}

static void print_text(const struct setting *setting, const char *text, struct buf *out)
{
    print_string(setting->is_secret && text[0] != '\0' ? SETTING_MASK : text, out);
}

void setting_print(const struct setting *setting, const void *module, struct buf *out)
{
    const void *place = (const char *)module + setting->offset;
    char text[TEXT_DOUBLE_MAX];
    switch (setting->type) {
    case SETTING_BOOL:
        buf_append_text(out, *(const bool *)place ? "true" : "false");
        break;
    case SETTING_DOUBLE:
        buf_append(out, text, text_from_double(text, *(const double *)place));
        break;
    case SETTING_STRING:
        print_text(setting, *(const char *const *)place, out);
        break;
    case SETTING_INT:
    case SETTING_DURATION:
    case SETTING_SIZE:
        print_i64(out, setting->type, *(const int64_t *)place);
        break;
    case SETTING_CHOICE:
        buf_append_text(out, setting->choices[*(const int *)place]);
        break;
    case SETTING_LIST:
        print_list(place, out);
        break;
    }
}

const char *setting_type_name(enum setting_type type)
{
    static const char *const names[] = {
        [SETTING_BOOL] = "true or false", [SETTING_INT] = "whole number",
        [SETTING_DOUBLE] = "number",      [SETTING_STRING] = "text",
        [SETTING_DURATION] = "duration",  [SETTING_SIZE] = "size",
        [SETTING_CHOICE] = "choice",      [SETTING_LIST] = "list of text",
    };
    return names[type];
}
