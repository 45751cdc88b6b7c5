/* SPDX-License-Identifier: Apache-2.0 */
/* Packets as lines of text: what `motorcade query` prints. */
#pragma once

#include "base/buf.h"
#include "vehicle/packet.h"

enum rows_format { ROWS_TABLE, ROWS_CSV, ROWS_JSON };

/* false: no such format. */
bool rows_format_from(const char *name, enum rows_format *format);
/* The line of column names; nothing for JSON. */
void rows_put_header(enum rows_format format, struct buf *out);
/* One line. JSON: the canonical packet as it is stored. CSV (RFC 4180): one
 * column a field, signals as a JSON object. */
void rows_put(enum rows_format format, const struct packet *packet, struct bytes canonical,
              struct buf *out);
