/* SPDX-License-Identifier: Apache-2.0 */
/* A template of a stranger: refused, or expanded within its bounds. */
#include "base/must.h"
#include "simulate/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { MESSAGE_MAX = 65536 };
    struct template *template;
    struct random_source random = {size};
    struct error err = {0};
    if (template_new(&template, bytes_of((const char *)data, size), &err) != 0) {
        must(err.text[0] != '\0');
        return 0;
    }
    for (int i = 0; i < 3; i++) {
        struct buf out;
        buf_init(&out, MESSAGE_MAX);
        int result = template_expand(template, &random, 0, &out, &err);
        must(out.len <= MESSAGE_MAX);
        must(result == 0 || err.kind == ERROR_FULL);
        buf_deinit(&out);
    }
    template_free(template);
    return 0;
}
