/* SPDX-License-Identifier: Apache-2.0 */
/* Graphite's plaintext protocol (graphite.readthedocs.io, "Feeding In Your
 * Data"): a line `path value seconds`. Two ways to name things:
 *
 *   dotted   <prefix>.<metric>.<label values>.<figure>
 *   tagged   <prefix>.<metric>.<figure>;label=value;…   (Graphite 1.1 and later)
 *
 * Pure: sending is export/push.h's. */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "export/figures.h"

enum graphite_style { GRAPHITE_DOTTED, GRAPHITE_TAGGED };

/* Appends the line. `tags`: ";host=a;role=gateway" for every line, or "". */
void graphite_line(struct buf *out, const struct figure *figure, enum graphite_style style,
                   const char *prefix, const char *tags, int64_t time_s);
