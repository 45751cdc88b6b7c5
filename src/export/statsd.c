/* SPDX-License-Identifier: Apache-2.0 */
#include "export/statsd.h"

#include <math.h>
#include <string.h>

#include "base/text.h"
#include "codec/exposition.h"
#include "export/name.h"

static void append_path(struct buf *out, const struct figure *figure, const char *prefix)
{
    struct bytes labels = figure->labels;
    struct bytes name;
    struct bytes value;
    if (prefix[0] != '\0') {
        buf_append_text(out, prefix);
        buf_append_char(out, '.');
    }
    buf_append_bytes(out, figure->name);
    while (exposition_next_label(&labels, &name, &value)) {
        buf_append_char(out, '.');
        name_append_safe(out, value, "-_");
    }
    if (figure->suffix[0] != '\0') {
        buf_append_char(out, '.');
        buf_append_text(out, figure->suffix);
    }
}

static void append_line(struct buf *out, const struct figure *figure, const char *prefix,
                        double value, const char *type)
{
    char number[TEXT_DOUBLE_MAX];
    append_path(out, figure, prefix);
    buf_append_char(out, ':');
    buf_append(out, number, text_from_double(number, value));
    buf_append_text(out, type);
}

void statsd_line(struct buf *out, const struct figure *figure, const char *prefix)
{
    if (!isfinite(figure->value) || strstr(figure->suffix, "_rate") != NULL)
        return;
    if (figure->is_total) {
        if (figure->change > 0)
            append_line(out, figure, prefix, figure->change, "|c\n");
        return;
    }
    if (figure->value < 0)
        append_line(out, figure, prefix, 0, "|g\n");
    append_line(out, figure, prefix, figure->value, "|g\n");
}
