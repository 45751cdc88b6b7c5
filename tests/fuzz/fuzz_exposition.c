/* SPDX-License-Identifier: Apache-2.0 */
/* A page of metrics: views stay inside it, and it is used up. */
#include <stdint.h>

#include "base/must.h"
#include "codec/exposition.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(struct bytes page, struct bytes view)
{
    must(view.len == 0 || (view.ptr >= page.ptr && view.ptr + view.len <= page.ptr + page.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"le", "group", ""};
    struct bytes whole = bytes_of((const char *)data, size);
    struct bytes page = whole;
    struct exposition_sample sample;
    struct bytes value;
    size_t bad = 0;
    while (exposition_next(&page, &sample, &bad)) {
        must(sample.name.len > 0);
        check_inside(whole, sample.name);
        check_inside(whole, sample.labels);
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
            if (exposition_label(sample.labels, names[i], &value))
                check_inside(sample.labels, value);
    }
    must(page.len == 0 && bad <= size);
    return 0;
}
