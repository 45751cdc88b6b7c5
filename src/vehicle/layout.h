/* SPDX-License-Identifier: Apache-2.0 */
/* Layouts: the shapes of packets seen lately, and the fast path that decodes
 * a packet which has one of them. Private to vehicle/. */
#pragma once

#include "vehicle/document.h"
#include "vehicle/slot.h"

struct layout_cache;

/* NULL without memory. */
struct layout_cache *layout_cache_new(void);
void layout_cache_free(struct layout_cache *cache);

/* Fill the packet (filling_init was called; its `signals` come from the
 * layout) when a layout fits: then everything is as the general path would
 * have done, up to filling_finish(). *dialect is what was learnt with it. false:
 * the general path decides; the filling is spoilt. */
bool layout_match(struct layout_cache *cache, struct bytes text, struct filling *filling,
                  enum packet_dialect *dialect);

/* The general path took `text`: remember its layout, once it came twice.
 * `payload` is the envelope's payload when its members' slots fill content; else
 * empty. */
void layout_learn(struct layout_cache *cache, struct bytes text, const struct document *document,
                  enum packet_dialect dialect, struct bytes payload);
