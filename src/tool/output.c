/* SPDX-License-Identifier: Apache-2.0 */
#include "tool/output.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int output_take(struct buf *text)
{
    int code = 0;
    if (text->has_failed) {
        fprintf(stderr, "motorcade: out of memory\n");
        code = 1;
    } else if ((text->len > 0 && fwrite(text->ptr, 1, text->len, stdout) != text->len) ||
               fflush(stdout) != 0) {
        fprintf(stderr, "motorcade: standard output: %s\n", strerror(errno));
        code = 1;
    }
    buf_deinit(text);
    return code;
}

int output_error(const char *tool, const struct error *err)
{
    const char *help = err->kind == ERROR_USAGE ? "\n(--help lists what there is)" : "";
    fprintf(stderr, "motorcade %s: %s%s\n", tool, err->text, help);
    return error_exit_code(err);
}

void output_put_safe(struct buf *out, struct bytes bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char c = (unsigned char)bytes.ptr[i];
        if (c < 0x20 || c == 0x7f)
            buf_printf(out, "\\x%02x", c);
        else
            buf_append_char(out, (char)c);
    }
}
