/* SPDX-License-Identifier: Apache-2.0 */
/* StatsD lines (github.com/statsd/statsd, docs/metric_types.md): counters as
 * their change (`|c`), all else as a gauge (`|g`); a gauge below zero is set to
 * zero first, since a sign means a change. Rates are left out: a StatsD server
 * makes its own. Pure. */
#pragma once

#include "base/buf.h"
#include "export/figures.h"

enum { STATSD_PACKET_MAX = 1432 }; /* fits into one Ethernet frame: no fragments */

/* Appends the line(s) with their newlines. */
void statsd_line(struct buf *out, const struct figure *figure, const char *prefix);
