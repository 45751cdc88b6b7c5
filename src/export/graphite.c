/* SPDX-License-Identifier: Apache-2.0 */
#include "export/graphite.h"

#include <math.h>

#include "base/text.h"
#include "codec/exposition.h"
#include "export/name.h"

static void append_labels(struct buf *out, struct bytes labels, enum graphite_style style)
{
    struct bytes name;
    struct bytes value;
    while (exposition_next_label(&labels, &name, &value)) {
        buf_append_char(out, style == GRAPHITE_TAGGED ? ';' : '.');
        if (style == GRAPHITE_TAGGED) {
            buf_append_bytes(out, name);
            buf_append_char(out, '=');
        }
        name_append_safe(out, value, style == GRAPHITE_TAGGED ? "-_.:/" : "-_");
    }
}

static void append_suffix(struct buf *out, const char *suffix)
{
    if (suffix[0] == '\0')
        return;
    buf_append_char(out, '.');
    buf_append_text(out, suffix);
}

void graphite_line(struct buf *out, const struct figure *figure, enum graphite_style style,
                   const char *prefix, const char *tags, int64_t time_s)
{
    if (!isfinite(figure->value))
        return;
    if (prefix[0] != '\0') {
        buf_append_text(out, prefix);
        buf_append_char(out, '.');
    }
    buf_append_bytes(out, figure->name);
    if (style == GRAPHITE_DOTTED) {
        append_labels(out, figure->labels, style);
        append_suffix(out, figure->suffix);
    } else {
        append_suffix(out, figure->suffix);
        append_labels(out, figure->labels, style);
        buf_append_text(out, tags);
    }
    char number[TEXT_DOUBLE_MAX];
    buf_append_char(out, ' ');
    buf_append(out, number, text_from_double(number, figure->value));
    buf_append_char(out, ' ');
    buf_append_i64(out, time_s);
    buf_append_char(out, '\n');
}
