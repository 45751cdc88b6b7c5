/* SPDX-License-Identifier: Apache-2.0 */
/* Canonical packets of any origin: both paths agree, and what is taken can be
 * written again. */
#include "packet_pair.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct packet_pair *pair, struct bytes text)
{
    static struct buf out;
    struct packet packet;
    struct reject reject;
    if (!packet_pair_decode(pair, canonical_decode, text, &packet, &reject))
        return;
    buf_clear(&out);
    must(canonical_encode(&packet, &out) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct packet_pair pair;
    struct bytes before, after;
    if (pair.fast == NULL)
        packet_pair_init(&pair);
    if (!packet_pair_split(data, size, &before, &after))
        return 0;
    check(&pair, before);
    check(&pair, after);
    free((void *)(uintptr_t)before.ptr);
    free((void *)(uintptr_t)after.ptr);
    return 0;
}
