/* SPDX-License-Identifier: Apache-2.0 */
/* Packets: the fast and the general path agree on verdict and packet; jansson
 * agrees on what is JSON, except for numbers beyond its types, NUL in keys and
 * depth; what is taken survives the canonical form, on both paths. */
#include "jansson_oracle.h"
#include "packet_pair.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_jansson(struct bytes text, bool is_taken, const struct reject *reject)
{
    enum reason reason = is_taken ? REASON_NONE : reject->reason;
    /* Found before the rest was read. */
    if (reason == REASON_NOT_OBJECT || reason == REASON_TOO_DEEP ||
        reason == REASON_TOO_MANY_SIGNALS)
        return;
    bool is_json =
        reason != REASON_NOT_JSON && reason != REASON_BAD_UTF8 && reason != REASON_DUPLICATE_KEY;
    enum oracle_verdict verdict = jansson_oracle(text);
    if (verdict != ORACLE_BEYOND_ITS_LIMITS)
        must((verdict == ORACLE_JSON) == is_json);
}

static void check_canonical(struct packet_pair *pair, struct packet *packet)
{
    static struct buf out;
    struct packet again;
    struct reject reject;
    packet_identify(packet, 1211266800123456789, 77);
    buf_clear(&out);
    must(canonical_encode(packet, &out) == 0);
    /* The packet's views are in the pair: compare what matters by encoding again. */
    char *copy = malloc(out.len);
    must(copy != NULL);
    memcpy(copy, out.ptr, out.len);
    struct bytes text = bytes_of(copy, out.len);
    must(packet_pair_decode(pair, canonical_decode, text, &again, &reject));
    must(again.received_ns == 1211266800123456789);
    buf_clear(&out);
    must(canonical_encode(&again, &out) == 0);
    must_equal_bytes(text, buf_bytes(&out));
    free(copy);
}

static void check(struct packet_pair *pair, struct bytes text)
{
    struct packet packet;
    struct reject reject;
    bool is_taken = packet_pair_decode(pair, dialect_decode, text, &packet, &reject);
    must(is_taken || (reject.reason != REASON_NONE && reject.detail[0] != '\0'));
    check_jansson(text, is_taken, &reject);
    if (is_taken)
        check_canonical(pair, &packet);
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
