/* SPDX-License-Identifier: Apache-2.0 */
/* A JSON object laid flat: its scalars (and empty containers) in the order
 * written, each with its path. What every dialect is decoded from. Private to
 * vehicle/. */
#pragma once

#include "codec/json.h"
#include "vehicle/packet.h"

enum {
    DOCUMENT_LEAVES_MAX = PACKET_SIGNALS_MAX + 64,
    /* Bytes of all nested and dotted paths of one packet; of its keys with
     * escapes; of its texts with escapes. A flat packet of 256 KiB fits, whatever
     * its keys. */
    DOCUMENT_TEXT_MAX = 1 << 20,
};

/* Memory for text that does not stand in the packet as such. */
struct arena {
    char *ptr;
    size_t len;
    size_t cap;
};

int arena_init(struct arena *arena, size_t cap);
void arena_deinit(struct arena *arena);
/* len bytes, valid until the arena is reset; NULL when it is full. */
char *arena_take(struct arena *arena, size_t len);

struct slot;

struct leaf {
    struct signal value;
    const struct slot *slot; /* what the decoder takes it for */
    uint32_t member;         /* index of the member of the top object it belongs to */
    uint32_t depth;          /* 1: directly in the top object */
};

struct member {
    struct bytes key; /* unescaped */
    struct bytes raw; /* its whole value */
};

struct document {
    struct json_reader *reader;
    struct arena paths;
    struct leaf *leaves;
    size_t leaf_count;
    struct member *members;
    size_t member_count;
    char *prefix; /* path of the container being read */
};

/* DOCUMENT_PATHS: signal paths as packet.h says. DOCUMENT_KEYS: only the last
 * key, as it is (the canonical packet's keys are paths already). */
enum document_mode { DOCUMENT_PATHS, DOCUMENT_KEYS };

int document_init(struct document *document);
void document_deinit(struct document *document);
/* false with *reject filled: not one strict JSON object, or too much of it. */
bool document_read(struct document *document, struct bytes one, enum document_mode mode,
                   struct reject *reject);
/* The member of that key; NULL when there is none. */
const struct member *document_find(const struct document *document, struct bytes key);
