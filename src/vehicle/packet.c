/* SPDX-License-Identifier: Apache-2.0 */
#include "vehicle/packet.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/text.h"
#include "vehicle/dialect.h"
#include "vehicle/scratch.h"

struct packet_scratch *packet_scratch_new(void)
{
    struct packet_scratch *scratch = calloc(1, sizeof *scratch);
    if (scratch == NULL)
        return NULL;
    scratch->signals = malloc(PACKET_SIGNALS_MAX * sizeof *scratch->signals);
    scratch->packets = layout_cache_new();
    scratch->canonicals = layout_cache_new();
    if (scratch->signals == NULL || scratch->packets == NULL || scratch->canonicals == NULL ||
        arena_init(&scratch->texts, DOCUMENT_TEXT_MAX) != 0 ||
        arena_init(&scratch->content, DOCUMENT_TEXT_MAX) != 0 ||
        document_init(&scratch->document) != 0) {
        packet_scratch_free(scratch);
        return NULL;
    }
    return scratch;
}

void packet_scratch_free(struct packet_scratch *scratch)
{
    if (scratch == NULL)
        return;
    document_deinit(&scratch->document);
    arena_deinit(&scratch->texts);
    arena_deinit(&scratch->content);
    layout_cache_free(scratch->packets);
    layout_cache_free(scratch->canonicals);
    free(scratch->signals);
    free(scratch);
}

bool signal_number(const struct signal *signal, double *out)
{
    return signal->type == SIGNAL_NUMBER && text_to_double(signal->raw, out);
}

const struct signal *packet_find_signal(const struct packet *packet, struct bytes path)
{
    for (size_t i = 0; i < packet->signal_count; i++)
        if (bytes_equal(packet->signals[i].path, path))
            return &packet->signals[i];
    return NULL;
}

int64_t packet_floor_ms(int64_t ns)
{
    return ns / NS_PER_MS - (ns % NS_PER_MS < 0);
}

static void put_u64(uint8_t *out, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(value >> (56 - 8 * i));
}

void packet_identify(struct packet *packet, int64_t received_ns, uint64_t assigned_order)
{
    packet->received_ns = received_ns;
    if ((packet->fields & PACKET_HAS_TIME) == 0)
        packet->time_ms = packet_floor_ms(received_ns);
    if ((packet->fields & (PACKET_HAS_TIME | PACKET_HAS_SEQ)) == 0)
        packet->order = assigned_order;
    put_u64(packet->identity.bytes, hash64(packet->vehicle));
    put_u64(packet->identity.bytes + 8, packet->order);
    put_u64(packet->identity.bytes + 16, hash64(packet->content));
}
