/* SPDX-License-Identifier: Apache-2.0 */
/* A dialect: a client protocol's way to write a packet. One file each under
 * dialect/, one line in dialect/registry.c. Pure functions. */
#pragma once

#include "vehicle/packet.h"

struct document;
struct dialect_field;

struct dialect {
    enum packet_dialect id;   /* travels in the `mc` header: never renumbered */
    const char *name;         /* "obu", "envelope": as in category rules and the canonical packet */
    const char *ingest_topic; /* default; configurable at the gateway */
    /* Private to vehicle/: how sure it is that the object is one of its packets
     * (0 no, 1 by its fields, 2 names the vehicle; the highest wins, the first on
     * a tie), and the fields it knows. */
    unsigned (*sniff)(const struct document *document);
    const struct dialect_field *fields;
};

/* NULL-terminated; and one by id or name (NULL when unknown). */
extern const struct dialect *const dialect_registry[];
const struct dialect *dialect_by_id(enum packet_dialect id);
const struct dialect *dialect_by_name(struct bytes name);

/* Splits a message into packets: a JSON object, an array of them, or lines of
 * them (blank lines skipped; a line may itself be an array). A broken element
 * does not hide those after it when the split can go on: lines always, array
 * elements where the syntax allows. A message that is no JSON at all, and broken
 * JSON written over several lines, is one packet. */
struct message_iter {
    struct bytes rest;  /* private */
    struct bytes lines; /* private */
    unsigned state;     /* private */
};
void message_iter_init(struct message_iter *iter, struct bytes message);
enum message_step { MESSAGE_END, MESSAGE_PACKET, MESSAGE_REJECT };
/* MESSAGE_PACKET: *one is a candidate (not checked yet). MESSAGE_REJECT: one
 * element that can't be a packet; *reject says why and *one is what could not be
 * read. Each of both counts as one
 * packet of the ack protocol. A message without any is one REASON_EMPTY. */
enum message_step message_next(struct message_iter *iter, struct bytes *one, struct reject *reject);
/* The bytes that it still has to look at; and: they were copied to `to`, go on there. */
struct bytes message_iter_rest(const struct message_iter *iter);
void message_iter_move(struct message_iter *iter, const char *to);

/* Decode one packet's bytes, whatever its dialect (sniffed). Sets all but
 * identity, order (unless HAS_SEQ or HAS_TIME), received_ns, category, flags.
 * Strict JSON in full. true, or false with *reject filled. The scratch and
 * `one` back the packet's views. */
bool dialect_decode(struct packet_scratch *scratch, struct bytes one, struct packet *packet,
                    struct reject *reject);

/* Fill received_ns, time_ms (when the car gave none), order and identity.
 * `assigned_order` is used when the car neither numbered nor timed the packet. */
void packet_identify(struct packet *packet, int64_t received_ns, uint64_t assigned_order);
