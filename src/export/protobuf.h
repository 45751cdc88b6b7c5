/* SPDX-License-Identifier: Apache-2.0 */
/* Writes the protocol-buffer wire format
 * (https://protobuf.dev/programming-guides/encoding/), as much of it as OTLP
 * needs. A nested message's length is written afterwards into four bytes kept
 * for it: a varint may be longer than it must be. Pure. */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"

void protobuf_varint(struct buf *out, unsigned field, uint64_t value);
void protobuf_fixed64(struct buf *out, unsigned field, uint64_t value);
void protobuf_bytes(struct buf *out, unsigned field, struct bytes value);

/* Begins a nested message: what is appended until protobuf_end is in it. At most
 * 2^28 - 1 bytes, else out->has_failed. */
size_t protobuf_begin(struct buf *out, unsigned field);
void protobuf_end(struct buf *out, size_t begun);
