/* SPDX-License-Identifier: Apache-2.0 */
/* What a thread that decodes owns. Private to vehicle/. */
#pragma once

#include "vehicle/document.h"
#include "vehicle/layout.h"
#include "vehicle/packet.h"

struct packet_scratch {
    struct document document; /* with the paths */
    struct arena texts;       /* what strings with escapes say */
    struct arena content;     /* an envelope's */
    struct signal *signals;   /* PACKET_SIGNALS_MAX */
    struct layout_cache *packets;
    struct layout_cache *canonicals;
    bool is_general_only; /* for tests: no fast path */
};

/* Before each decoding. */
static inline void packet_scratch_reset(struct packet_scratch *scratch)
{
    scratch->document.paths.len = 0;
    scratch->texts.len = 0;
    scratch->content.len = 0;
}
