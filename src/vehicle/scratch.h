/* SPDX-License-Identifier: Apache-2.0 */
/* What a thread that decodes owns. Private to vehicle/. */
#pragma once

#include "vehicle/document.h"
#include "vehicle/packet.h"

struct packet_scratch {
    struct arena arena; /* paths, unescaped texts, an envelope's content */
    struct document document;
    struct signal *signals; /* PACKET_SIGNALS_MAX */
};
