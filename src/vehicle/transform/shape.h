/* SPDX-License-Identifier: Apache-2.0 */
/* What the store does with packets before it writes them: a file that says by
 * category which transforms are applied and which JSON Schema the result must be
 * valid for.
 *
 *   version: 1
 *   categories:
 *     - name: position
 *       transform: [{op: round, fields: [lat, lon], digits: 5}, {op: trip, gap: 15m}]
 *       schema: position.schema.json      # relative to this file
 *
 * A shape is immutable; a shaper applies it and belongs to one thread. Pure: time
 * is the record's. */
#pragma once

#include "base/error.h"
#include "vehicle/packet.h"
#include "vehicle/state.h"

enum { SHAPE_DETAIL_MAX = 256 };

struct shape;
struct shaper;

/* Errors are ERROR_CONFIG with file:line:column. */
int shape_load(struct shape **out, const char *path, struct error *err);
void shape_free(struct shape *shape); /* NULL is fine; its shapers must be gone */
/* Are its categories all among the ruleset's? Else an error at the first that is not. */
struct ruleset;
int shape_check_categories(const struct shape *shape, const struct ruleset *ruleset,
                           struct error *err);
/* How far back records matter for what is remembered of vehicles; 0: nothing is. */
int64_t shape_lookback_ns(const struct shape *shape);

int shaper_new(struct shaper **out, const struct shape *shape, const struct state_limits *limits,
               struct error *err);
void shaper_free(struct shaper *shaper);
/* NULL: nothing is remembered. */
struct state_table *shaper_state(struct shaper *shaper);

enum shaped {
    SHAPED_SAME,    /* nothing was to be done: it is as it came, to the byte */
    SHAPED_CHANGED, /* *canonical is the new packet, valid until the next call */
    SHAPED_REFUSED, /* *reason and detail say why: a dead letter */
};

/* The packet was decoded from *canonical; it is changed in place. stream: state.h. */
enum shaped shaper_apply(struct shaper *shaper, unsigned stream, struct packet *packet,
                         struct bytes *canonical, enum reason *reason,
                         char detail[SHAPE_DETAIL_MAX]);
/* Only what is remembered of the vehicle: for records that are read again. */
void shaper_rehearse(struct shaper *shaper, unsigned stream, struct packet *packet);
