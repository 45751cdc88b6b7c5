/* SPDX-License-Identifier: Apache-2.0 */
/* Records made from a template: what `motorcade produce` publishes. A message
 * that is a packet of some dialect gets what a gateway would give it: the
 * vehicle as key, its identity in the header `mc`. One thread. */
#pragma once

#include "broker/broker.h"
#include "simulate/template.h"
#include "vehicle/packet.h"

struct generator;

struct generator_options {
    struct bytes text;    /* the template */
    const char *key;      /* path of the field that is the key: "source", "payload.id"; or NULL */
    size_t message_bytes; /* more is an error */
    uint64_t seed;
};

struct generated {
    struct record record;        /* borrowed until the next one */
    enum packet_dialect dialect; /* DIALECT_NONE: no packet, no `mc`; reject says why */
    struct reject reject;
    bool lacks_key; /* it was asked for, and this message has none */
};

int generator_new(struct generator **out, const struct generator_options *options,
                  struct error *err);
void generator_free(struct generator *generator);
/* -1: the template gives no message of at most message_bytes. */
int generator_next(struct generator *generator, int64_t wall_ns, struct generated *out,
                   struct error *err);
