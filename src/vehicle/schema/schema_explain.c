/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/text.h"
#include "vehicle/schema/schema_private.h"

enum { VALUE_SHOWN = 40, KEYWORD_SHOWN = 60, POINTER_SHOWN = 64 };

/* Of JSON text: not in the middle of a character, blanks as they are. */
static void shorten(struct bytes text, size_t shown, char *out)
{
    size_t len = text.len < shown ? text.len : shown;
    while (len < text.len && len > 0 && ((unsigned char)text.ptr[len] & 0xC0) == 0x80)
        len--;
    snprintf(out, shown + sizeof "...", "%.*s%s", (int)len, text.ptr == NULL ? "" : text.ptr,
             len < text.len ? "..." : "");
}

static void print_place(const struct json_checker *c, char *out)
{
    struct buf pointer;
    buf_init(&pointer, 1 << 16);
    json_tree_pointer(&c->tree, c->fault.at, &pointer);
    shorten(buf_bytes(&pointer), POINTER_SHOWN, out);
    buf_deinit(&pointer);
    if (out[0] == '\0')
        snprintf(out, POINTER_SHOWN, "the packet");
}

static void explain_fault(const struct json_checker *c, char *out, size_t size)
{
    const struct schema_check *check = c->fault.check;
    const struct json_item *items = c->fault.schema->tree.items;
    char place[POINTER_SHOWN + 16], value[VALUE_SHOWN + 8], wanted[KEYWORD_SHOWN + 8];
    print_place(c, place);
    shorten(c->tree.items[c->fault.at].raw, VALUE_SHOWN, value);
    if (check->kind == CHECK_NEVER) {
        snprintf(out, size, "%s: %s is not allowed there", place, value);
        return;
    }
    if (c->fault.name.ptr != NULL) {
        shorten(c->fault.name, VALUE_SHOWN, value);
        snprintf(out, size, "%s: \"%s\" is missing", place, value);
        return;
    }
    struct bytes keyword = items[check->at - 1].text;
    shorten(items[check->at].raw, KEYWORD_SHOWN, wanted);
    snprintf(out, size, "%s: %s is not valid for \"%.*s\": %s", place, value, (int)keyword.len,
             keyword.ptr, wanted);
}

void json_schema_explain(const struct json_checker *c, char *out, size_t size)
{
    if (c->budget == 0)
        snprintf(out, size, "checking takes more than %d steps", JSON_SCHEMA_WORK_MAX);
    else if (c->fault.check != NULL)
        explain_fault(c, out, size);
    else if (c->tree.is_full)
        snprintf(out, size, "more values than a schema is checked on");
    else
        json_fault_text(json_reader_fault(c->tree.reader), c->text, out, size);
    for (char *p = out; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7F)
            *p = ' ';
}
