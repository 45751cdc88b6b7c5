/* SPDX-License-Identifier: Apache-2.0 */
/* What a gateway answers (contracts: ack protocol), read tolerantly: members not
 * known are skipped. Pure. One thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

enum {
    REPLY_REASONS_MAX = 255,
    REPLY_REASON_OTHER = REPLY_REASONS_MAX - 1, /* a reason this program does not know */
};

struct reply_reader;

struct reply_reader *reply_reader_new(void); /* NULL without memory */
void reply_reader_free(struct reply_reader *reader);

enum reply_kind {
    REPLY_ACK,    /* number: all up to it are settled */
    REPLY_REJECT, /* number and reason of one packet */
    REPLY_OTHER,  /* none of ours */
};

struct reply {
    uint64_t number;
    uint8_t reason;      /* enum reason, or REPLY_REASON_OTHER */
    struct bytes detail; /* as JSON text without its quotes; into the message */
};

/* A WebSocket message. */
enum reply_kind reply_read_message(struct reply_reader *reader, struct bytes message,
                                   struct reply *reply);

struct reply_totals {
    uint64_t accepted, duplicate, rejected;
};
/* The body of a response: on_reject for each listed one, number being its index
 * from 0. false: it is not such a body. */
bool reply_read_body(struct reply_reader *reader, struct bytes body, struct reply_totals *totals,
                     void (*on_reject)(void *context, const struct reply *reply), void *context);
