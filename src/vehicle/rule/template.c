/* SPDX-License-Identifier: Apache-2.0 */
#include "vehicle/rule/template.h"

#include <stdio.h>
#include <string.h>

#include "vehicle/rule/rule.h"

enum part_kind { PART_TEXT, PART_FIELD, PART_DETAIL };

struct part {
    enum part_kind kind;
    struct bytes text;
    struct field field;
};

struct rule_template {
    size_t count;
    struct part parts[TEMPLATE_PARTS_MAX];
};

/* ---- compiling ---- */

struct reader {
    const struct yaml_node *node;
    const char *what;
    const char *at; /* NUL-terminated */
    struct rule_arena *arena;
    struct rule_template *template;
};

static int add_part(struct reader *reader, struct part part, struct error *err)
{
    struct rule_template *template = reader->template;
    if (template->count == TEMPLATE_PARTS_MAX)
        return yaml_error(reader->node, err, "%s: a message has at most %d parts", reader->what,
                          TEMPLATE_PARTS_MAX);
    template->parts[template->count++] = part;
    return 0;
}

/* Up to the next brace; a doubled one ends the text with one of its two. */
static int read_text(struct reader *reader, struct error *err)
{
    size_t len = strcspn(reader->at, "{}");
    const char *brace = reader->at + len;
    bool is_doubled = *brace != '\0' && brace[1] == *brace;
    if (*brace == '}' && !is_doubled)
        return yaml_error(reader->node, err, "%s: a '}' without its '{' (a brace itself is }})",
                          reader->what);
    struct bytes text = bytes_of(reader->at, is_doubled ? len + 1 : len);
    reader->at = is_doubled ? brace + 2 : brace;
    return add_part(reader, (struct part){.kind = PART_TEXT, .text = text}, err);
}

static int read_field(struct reader *reader, struct error *err)
{
    const char *name = reader->at + 1;
    size_t len = strcspn(name, "{}");
    if (name[len] != '}' || len == 0)
        return yaml_error(reader->node, err,
                          "%s: a '{' begins the name of a field and wants its '}' (a brace itself "
                          "is {{)",
                          reader->what);
    reader->at = name + len + 1;
    struct part part = {.kind = PART_DETAIL};
    if (bytes_equal_text(bytes_of(name, len), "detail"))
        return add_part(reader, part, err);
    char *copy = rule_alloc(reader->arena, len + 1);
    if (copy == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a ruleset");
    memcpy(copy, name, len);
    part.kind = PART_FIELD;
    if (field_compile_name(reader->node, bytes_of(copy, len), reader->what, &part.field, err) != 0)
        return -1;
    return add_part(reader, part, err);
}

int rule_template_compile(const struct yaml_node *node, const char *what, struct rule_arena *arena,
                          const struct rule_template **out, struct error *err)
{
    if (yaml_kind(node) != YAML_SCALAR || yaml_text(node).len == 0 ||
        yaml_text(node).len > TEMPLATE_TEXT_MAX)
        return yaml_error(node, err, "%s wants a text of 1-%d bytes", what, TEMPLATE_TEXT_MAX);
    struct reader reader = {node, what, yaml_text(node).ptr, arena,
                            rule_alloc(arena, sizeof(struct rule_template))};
    if (reader.template == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a ruleset");
    while (*reader.at != '\0') {
        bool is_field = reader.at[0] == '{' && reader.at[1] != '{';
        if ((is_field ? read_field(&reader, err) : read_text(&reader, err)) != 0)
            return -1;
    }
    *out = reader.template;
    return 0;
}

/* ---- printing ---- */

static size_t append(char *out, size_t cap, size_t at, struct bytes text)
{
    size_t room = cap - 1 - at;
    size_t len = text.len < room ? text.len : room;
    memcpy(out + at, text.ptr, len);
    return at + len;
}

/* A text stands without the quotes that value_print puts round it. */
static struct bytes show(const struct field *field, const struct packet *packet, char *out,
                         size_t cap)
{
    struct value value = field_read(field, packet);
    if (value.type == VALUE_NONE)
        return BYTES("-");
    value_print(&value, out, cap);
    size_t len = strlen(out);
    bool is_quoted = value.type == VALUE_TEXT && len >= 2;
    return is_quoted ? bytes_of(out + 1, len - 2) : bytes_of(out, len);
}

void rule_template_print(const struct rule_template *template, const struct packet *packet,
                         const char *detail, char *out, size_t cap)
{
    size_t at = 0;
    for (size_t i = 0; i < template->count; i++) {
        const struct part *part = &template->parts[i];
        char shown[128];
        switch (part->kind) {
        case PART_TEXT:
            at = append(out, cap, at, part->text);
            break;
        case PART_FIELD:
            at = append(out, cap, at, show(&part->field, packet, shown, sizeof shown));
            break;
        case PART_DETAIL:
            at = append(out, cap, at, bytes_from_text(detail));
            break;
        }
    }
    out[at] = '\0';
}
