/* SPDX-License-Identifier: Apache-2.0 */
/* Messages: every packet is a view into the message, in order and disjoint; at
 * least one step comes, and the end stays the end. `mc` headers on the way. */
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "vehicle/dialect.h"
#include "vehicle/mc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_mc(struct bytes in)
{
    struct mc mc, again;
    uint8_t out[MC_MAX], second[MC_MAX];
    if (!mc_decode(in, &mc))
        return;
    size_t len = mc_encode(&mc, out);
    must(mc_decode(bytes_of((char *)out, len), &again));
    must(mc_encode(&again, second) == len && memcmp(out, second, len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct message_iter iter;
    struct bytes one;
    struct reject reject;
    enum message_step step;
    size_t steps = 0;
    char *copy = malloc(size > 0 ? size : 1);
    must(copy != NULL);
    if (size > 0)
        memcpy(copy, data, size);
    const char *at = copy;
    message_iter_init(&iter, bytes_of(copy, size));
    while ((step = message_next(&iter, &one, &reject)) != MESSAGE_END) {
        must(++steps <= size + 1);
        if (step == MESSAGE_REJECT)
            continue;
        must(one.len > 0 && one.ptr >= at && one.ptr + one.len <= copy + size);
        at = one.ptr + one.len;
    }
    must(steps > 0);
    must(message_next(&iter, &one, &reject) == MESSAGE_END);
    check_mc(bytes_of(copy, size));
    free(copy);
    return 0;
}
